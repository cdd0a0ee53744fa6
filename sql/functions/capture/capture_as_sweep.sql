-- herald.capture_as_sweep(rule, is_large): for a capture function: puts one request for a sweep in the place of keys. is_large:
-- of those that this statement just wrote, which are too many. Else no daemon attends: of whatever keys the rule has, so that
-- they do not pile up; a request that is waiting already will do, as all rules are swept when a daemon comes. Waits for nobody:
-- what another transaction is deleting is left to it, and a REPEATABLE READ writer, whom that could fail, touches its own only.
-- (Events that it wrote within a subtransaction stay: they do no harm.)
CREATE OR REPLACE FUNCTION herald.capture_as_sweep(rule_name text, is_large boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF is_large OR current_setting('transaction_isolation') <> 'read committed' THEN
        DELETE FROM herald.events e WHERE e.rule = rule_name AND e.xmin = pg_current_xact_id()::xid AND e.key IS NOT NULL;
    ELSE
        DELETE FROM herald.events e
         WHERE e.ctid = ANY (ARRAY(SELECT k.ctid FROM herald.events k WHERE k.rule = rule_name AND k.key IS NOT NULL
                                    ORDER BY k.id LIMIT 20000 FOR UPDATE SKIP LOCKED));
    END IF;
    IF is_large OR NOT EXISTS (SELECT FROM herald.events e WHERE e.rule = rule_name AND e.key IS NULL) THEN
        INSERT INTO herald.events (rule, key) VALUES (rule_name, NULL);
    END IF;
END
$$;
