-- herald.plan_by_key(rule, keys): plans the rows of the rule's source that have these keys, 1,000 at a time, so that a row that
-- can't be evaluated is found and set aside (plan_keys). Slower than plan_whole(), as each key is looked up.
CREATE OR REPLACE FUNCTION herald.plan_by_key(rule herald.rules, keys text[]) RETURNS herald.plan_counts
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    done herald.plan_counts := ROW(0, 0, 0, 0, 0, 0);
BEGIN
    FOR i IN 1 .. cardinality(keys) BY 1000 LOOP
        done := herald.add_counts(done, herald.plan_keys(rule, keys[i:i + 999]));
    END LOOP;
    RETURN done;
END
$$;
