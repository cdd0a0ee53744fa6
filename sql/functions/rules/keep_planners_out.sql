-- herald.keep_planners_out(rule): until the transaction ends, nobody plans the rule: waits for who does, so that what it made
-- can be seen, for ten seconds at most. To be called before anything is locked that a planner may want.
CREATE OR REPLACE FUNCTION herald.keep_planners_out(rule_name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10s'
AS $$
BEGIN
    PERFORM FROM herald.planning p WHERE p.rule = rule_name FOR NO KEY UPDATE;
EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'rule "%" is being planned, which takes longer than ten seconds', rule_name
        USING HINT = 'Nothing is changed. Call it again when its sweep is done: pgherald status says when.',
            ERRCODE = 'lock_not_available';
END
$$;
