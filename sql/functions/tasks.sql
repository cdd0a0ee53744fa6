-- herald.tasks(): what the planner has to do now: rules with captured events, and due sweeps. A rule that failed waits until
-- its retry_at; of a paused rule only the sweep is due, which throws its events away.
CREATE OR REPLACE FUNCTION herald.tasks() RETURNS SETOF herald.turn_row
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    RETURN QUERY
        SELECT 'task', (extract(epoch FROM r.time_limit) * 1000)::bigint, NULL::bigint, NULL::text, r.name::text, 'events', NULL::text, NULL::text
          FROM herald.rules r
         WHERE (r.retry_at IS NULL OR r.retry_at <= moment)
           AND EXISTS (SELECT FROM herald.events e WHERE e.rule = r.name)
           AND NOT EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'rule' AND h.name = r.name)
         UNION ALL
        SELECT 'task', (extract(epoch FROM r.time_limit) * 1000)::bigint, NULL, NULL, r.name, 'sweep', NULL, NULL
          FROM herald.rules r WHERE r.next_sweep_at <= moment;
END
$$;
