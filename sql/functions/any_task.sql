-- herald.any_task(): a rule with captured events that may be planned now and whose time limit is no less than the session's
-- statement_timeout; NULL where there is none.
CREATE OR REPLACE FUNCTION herald.any_task() RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN (SELECT t.target FROM herald.tasks() t JOIN herald.rules r ON r.name = t.target
             WHERE t.target_kind = 'events' AND r.time_limit >= current_setting('statement_timeout')::interval LIMIT 1);
END
$$;
