-- herald.latencies(): of the 10,000 newest messages, how long it took from their making until they were sent, delivered and read:
-- quantiles, in seconds. No row for a stage that none has reached.
CREATE OR REPLACE FUNCTION herald.latencies() RETURNS TABLE (stage text, quantile float8, sec float8)
LANGUAGE sql STABLE
AS $$
    WITH took AS (
        SELECT extract(epoch FROM n.sent_at - n.created_at)::float8 AS sent, extract(epoch FROM n.delivered_at - n.created_at)::float8 AS delivered,
               extract(epoch FROM n.read_at - n.created_at)::float8 AS read
          FROM public.whatsapp_notifications n ORDER BY n.id DESC LIMIT 10000
    )
    SELECT s.stage, v.quantile, v.sec
      FROM (SELECT percentile_disc(w.quantiles) WITHIN GROUP (ORDER BY t.sent) AS sent,
                   percentile_disc(w.quantiles) WITHIN GROUP (ORDER BY t.delivered) AS delivered,
                   percentile_disc(w.quantiles) WITHIN GROUP (ORDER BY t.read) AS read, w.quantiles
              FROM took t CROSS JOIN (SELECT '{0.5,0.95,0.99}'::float8[] AS quantiles) w GROUP BY w.quantiles) q
     CROSS JOIN LATERAL (VALUES ('sent', q.sent), ('delivered', q.delivered), ('read', q.read)) s (stage, secs)
     CROSS JOIN LATERAL unnest(q.quantiles, s.secs) v (quantile, sec)
     WHERE v.sec IS NOT NULL;
$$;
