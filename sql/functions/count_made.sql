-- herald.count_made(rule, n): notes that a rule makes n messages; raises SQLSTATE HR001 where that is more than its
-- flood_limit within an hour (to the minute).
CREATE OR REPLACE FUNCTION herald.count_made(rule herald.rules, n bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    minute bigint := floor(extract(epoch FROM clock_timestamp()) / 60);
    within_the_hour bigint;
BEGIN
    WITH this_minute AS (
        INSERT INTO herald.counts AS c (kind, name, span_sec, bucket, n)
        VALUES ('made', rule.name, 60, minute, count_made.n)
        ON CONFLICT (kind, name, span_sec, bucket) DO UPDATE SET n = c.n + EXCLUDED.n
        RETURNING c.n
    )
    SELECT t.n + coalesce((SELECT sum(c.n) FROM herald.counts c
                            WHERE c.kind = 'made' AND c.name = rule.name AND c.span_sec = 60
                              AND c.bucket BETWEEN minute - 59 AND minute - 1), 0)
      INTO within_the_hour FROM this_minute t;
    IF within_the_hour > rule.flood_limit THEN
        RAISE EXCEPTION USING ERRCODE = 'HR001',
            MESSAGE = format('%s messages within an hour, and its flood_limit is %s', within_the_hour, rule.flood_limit);
    END IF;
END
$$;
