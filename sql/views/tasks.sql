-- herald.tasks: what the planner has to do now: rules with captured events or something to confirm, and due sweeps. A rule that
-- failed waits until its retry_at; of a paused rule only the sweep is due, which throws its events away. The sweep of '' is the
-- history's: see herald.retain(). urgent: what it makes goes before what other rules made.
CREATE OR REPLACE VIEW herald.tasks AS
SELECT r.name AS rule, 'events' AS kind, r.time_limit, r.urgent OR r.priority > 0 AS urgent
  FROM herald.rules r
 WHERE (r.retry_at IS NULL OR r.retry_at <= clock_timestamp())
   AND (EXISTS (SELECT FROM herald.events e WHERE e.rule = r.name AND e.id > (SELECT x.event_id FROM herald.floors x) OFFSET 0)
        OR (r.recheck OR r.digest IS NOT NULL) AND EXISTS (SELECT FROM herald.rechecks c WHERE c.rule = r.name OFFSET 0))
   AND NOT EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'rule' AND h.name = r.name)
UNION ALL
SELECT r.name, 'sweep', r.time_limit, r.urgent OR r.priority > 0 FROM herald.rules r WHERE r.next_sweep_at <= clock_timestamp()
UNION ALL
SELECT '', 'sweep', interval '1 min', false WHERE EXISTS (SELECT FROM herald.retention r WHERE r.passed_id IS NOT NULL);
COMMENT ON VIEW herald.tasks IS 'What the planner has to do now';
