-- herald.add_up_latencies(): what sessions counted (herald.count_latencies()) in minutes that are over becomes one row a class.
CREATE OR REPLACE FUNCTION herald.add_up_latencies() RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    WITH counted AS (
        DELETE FROM herald.latency_counts c
         WHERE c.ctid = ANY (ARRAY(SELECT o.ctid FROM herald.latency_counts o
                                    WHERE o.minute BETWEEN 1 AND extract(epoch FROM clock_timestamp()) / 60 - 2
                                      FOR UPDATE SKIP LOCKED))
        RETURNING c.stage, c.place, c.n, c.sec
    )
    INSERT INTO herald.latency_counts AS c (stage, place, minute, session, n, sec)
    SELECT o.stage, o.place, 0, 0, sum(o.n), sum(o.sec) FROM counted o GROUP BY o.stage, o.place ORDER BY o.stage, o.place
    ON CONFLICT ON CONSTRAINT latency_counts_pkey DO UPDATE SET n = c.n + EXCLUDED.n, sec = c.sec + EXCLUDED.sec;
END
$$;
