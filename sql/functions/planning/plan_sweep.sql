-- herald.plan_sweep(rule): plans what the rule's whole source asks for and does not exist yet: at once, and where a row of it
-- can't be evaluated and every row has a key, by key, so that the other rows are planned. Counts the keys that can't be planned
-- anew.
CREATE OR REPLACE FUNCTION herald.plan_sweep(rule herald.rules) RETURNS herald.plan_counts
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    keys text[];
BEGIN
    UPDATE herald.rules r SET bad_keys = 0, bad_key_example = NULL WHERE r.name = rule.name AND r.bad_keys > 0;
    BEGIN
        RETURN herald.plan_whole(rule);
    EXCEPTION WHEN OTHERS THEN
        IF herald.error_is_of_row(SQLSTATE) THEN
            EXECUTE format('SELECT herald.%I()', 'keys_' || rule.id) INTO keys;
        END IF;
        IF keys IS NULL OR array_position(keys, NULL) IS NOT NULL THEN
            RAISE;
        END IF;
    END;
    RETURN herald.plan_by_key(rule, keys);
END
$$;
