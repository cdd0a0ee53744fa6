-- herald.plan_keys(rule, keys): plans the rows of these keys, in a subtransaction; on an error in halves.
CREATE OR REPLACE FUNCTION herald.plan_keys(rule herald.rules, keys text[]) RETURNS herald.plan_counts
LANGUAGE plpgsql
AS $$
DECLARE
    half int := cardinality(keys) / 2;
    due_rows herald.due[];
BEGIN
    EXECUTE format('SELECT herald.%I($1)', 'source_' || rule.id) INTO due_rows USING keys;
    RETURN herald.plan_rows(rule, due_rows);
EXCEPTION
    WHEN OTHERS THEN
        IF NOT herald.error_is_of_row(SQLSTATE) THEN
            RAISE;
        END IF;
        IF half = 0 THEN
            PERFORM herald.put_aside(rule.name, keys[1], SQLERRM || ' (SQLSTATE ' || SQLSTATE || ')');
            RETURN ROW(0, 0, 0, 0, 0, 1)::herald.plan_counts;
        END IF;
        RETURN herald.add_counts(herald.plan_keys(rule, keys[:half]), herald.plan_keys(rule, keys[half + 1:]));
END
$$;
