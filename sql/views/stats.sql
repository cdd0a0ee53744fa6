-- herald.stats: a line for each day, rule and state, in the installation's time zone, with how long it took from planning to
-- acceptance.
CREATE OR REPLACE VIEW herald.stats AS
SELECT (n.created_at AT TIME ZONE s.value)::date AS day, n.rule, n.channel, n.send_status, count(*) AS messages,
       count(*) FILTER (WHERE n.resends > 0) AS resent, count(*) FILTER (WHERE n.doubled_at IS NOT NULL) AS doubled,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY n.sent_at - n.created_at) AS median_wait,
       percentile_disc(0.99) WITHIN GROUP (ORDER BY n.sent_at - n.created_at) AS p99_wait
  FROM public.whatsapp_notifications n, herald.settings s
 WHERE s.name = 'timezone'
 GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW herald.stats IS 'Messages by day, rule and state';
