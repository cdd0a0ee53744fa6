-- herald.plan_keys(rule, keys): plans the rows of these keys, in a subtransaction; on an error in halves.
CREATE OR REPLACE FUNCTION herald.plan_keys(rule herald.rules, keys text[]) RETURNS herald.plan_counts
LANGUAGE plpgsql
AS $$
DECLARE
    half int := cardinality(keys) / 2;
    due_rows herald.due[];
    left_done herald.plan_counts;
    right_done herald.plan_counts;
BEGIN
    EXECUTE format('SELECT herald.%I($1)', 'source_' || rule.id) INTO due_rows USING keys;
    RETURN herald.plan_rows(rule, due_rows);
EXCEPTION
    WHEN SQLSTATE 'HR001' THEN
        RAISE;
    WHEN OTHERS THEN
        IF SQLSTATE IN ('42P01', '42501', '42703', '42883', '53200', '53100', '55P03', '40P01') THEN
            RAISE;  -- the rule's fault or the server's, not a key's
        END IF;
        IF half = 0 THEN
            INSERT INTO herald.set_aside (rule, key, error) VALUES (rule.name, keys[1], SQLERRM || ' (SQLSTATE ' || SQLSTATE || ')');
            RETURN ROW(0, 0, 0, 0, 0, 1)::herald.plan_counts;
        END IF;
        left_done := herald.plan_keys(rule, keys[:half]);
        right_done := herald.plan_keys(rule, keys[half + 1:]);
        RETURN ROW(left_done.found + right_done.found, left_done.new + right_done.new, left_done.known + right_done.known,
                   left_done.suppressed + right_done.suppressed, left_done.failed + right_done.failed,
                   left_done.set_aside + right_done.set_aside)::herald.plan_counts;
END
$$;
