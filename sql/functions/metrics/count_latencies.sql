-- herald.count_latencies(stage, secs): counts messages that have just reached a stage, that many seconds after they were made.
-- Each session has rows of its own, so that it waits for no other, and new ones each minute, so that an old snapshot of
-- somebody's can't make them slow. herald.backstop() adds them up.
CREATE OR REPLACE FUNCTION herald.count_latencies(stage text, secs float8[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO herald.latency_counts AS c (stage, place, minute, session, n, sec)
    SELECT count_latencies.stage, 1 + width_bucket(s, herald.latency_bounds()) - (s = ANY (herald.latency_bounds()))::int,
           extract(epoch FROM date_trunc('minute', clock_timestamp())) / 60, pg_backend_pid(), count(*), sum(s)
      FROM unnest(secs) s GROUP BY 2, 3
    ON CONFLICT ON CONSTRAINT latency_counts_pkey DO UPDATE SET n = c.n + EXCLUDED.n, sec = c.sec + EXCLUDED.sec;
END
$$;
