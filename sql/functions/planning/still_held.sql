-- herald.still_held(rule, keys, why): which of these dedup_keys the rule's source still holds, and which are unknown, since a
-- row of it can't be evaluated, each with the error: in subtransactions, in halves on an error. why: the error with which the
-- source can't be searched at all, whatever is searched for; then only those are found that are keys as well, as rows can be
-- looked up by these.
CREATE OR REPLACE FUNCTION herald.still_held(rule herald.rules, keys text[], why text, OUT still text[], OUT unknown text[],
                                             OUT errors text[])
LANGUAGE plpgsql
AS $$
DECLARE
    half int := cardinality(keys) / 2;
    first record;
    second record;
BEGIN
    IF why IS NULL THEN
        EXECUTE format('SELECT herald.%I($1)', 'still_' || rule.id) INTO still USING keys;
        unknown := '{}';
    ELSE
        EXECUTE format('SELECT ARRAY(SELECT d.dedup_key FROM unnest(herald.%I($1)) d WHERE d.dedup_key = ANY ($1))',
                       'source_' || rule.id) INTO still USING keys;
        unknown := ARRAY(SELECT k FROM unnest(keys) k WHERE k <> ALL (still));
    END IF;
    errors := array_fill(why, ARRAY[cardinality(unknown)]);
EXCEPTION
    WHEN OTHERS THEN
        IF NOT herald.error_is_of_row(SQLSTATE) THEN
            RAISE;
        END IF;
        IF half = 0 THEN
            still := '{}';
            unknown := keys;
            errors := ARRAY[coalesce(why, SQLERRM || ' (SQLSTATE ' || SQLSTATE || ')')];
        ELSE
            first := herald.still_held(rule, keys[:half], why);
            second := herald.still_held(rule, keys[half + 1:], why);
            still := first.still || second.still;
            unknown := first.unknown || second.unknown;
            errors := first.errors || second.errors;
        END IF;
END
$$;
