-- herald.count_bad_keys(rule, due_rows): how many rows can never be planned, their dedup_key being null, empty or over 512
-- bytes; counts them on the rule, with an example.
CREATE OR REPLACE FUNCTION herald.count_bad_keys(rule herald.rules, due_rows herald.due[]) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad bigint;
    example text;
BEGIN
    SELECT count(*), min(left(d.data::text, 200)) INTO bad, example FROM unnest(due_rows) d
     WHERE d.dedup_key IS NULL OR d.dedup_key = '' OR octet_length(d.dedup_key) > 512;
    IF bad > 0 THEN
        UPDATE herald.rules r SET bad_keys = r.bad_keys + bad, bad_key_example = example WHERE r.name = rule.name;
    END IF;
    RETURN bad;
END
$$;
