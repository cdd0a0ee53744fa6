-- herald.capture_as_sweep(rule, captured): for a capture function: puts one request for a sweep in place of the events that
-- this statement just wrote (captured of them). Where none were written because no daemon attends, a request that is waiting
-- already will do: all rules are swept when one comes. (Events written within a subtransaction stay: they do no harm.)
CREATE OR REPLACE FUNCTION herald.capture_as_sweep(rule_name text, captured bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF captured > 0 THEN
        DELETE FROM herald.events e
         WHERE e.rule = rule_name AND e.xmin = pg_current_xact_id()::xid AND e.key IS NOT NULL;
    END IF;
    IF captured > 0 OR NOT EXISTS (SELECT FROM herald.events e WHERE e.rule = rule_name AND e.key IS NULL) THEN
        INSERT INTO herald.events (rule, key) VALUES (rule_name, NULL);
    END IF;
END
$$;
