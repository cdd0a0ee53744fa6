-- herald.backlog: what waits or is in flight, by rule, sender and state.
CREATE OR REPLACE VIEW herald.backlog AS
SELECT n.rule, l.channel, coalesce(n.sender, l.sender) AS sender, n.send_status, count(*) AS messages,
       min(n.created_at) AS oldest, min(n.next_at) AS next_at, count(*) FILTER (WHERE n.behind) AS behind_another
  FROM public.whatsapp_notifications n
  LEFT JOIN herald.lanes l ON l.id = n.lane
 WHERE n.next_at IS NOT NULL OR n.send_status = 'in_doubt'
 GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW herald.backlog IS 'What waits or is in flight, by rule, sender and state';
