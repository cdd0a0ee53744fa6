-- herald.latencies(): a histogram, as Prometheus wants it, of how long messages took from their making until they were sent
-- (their gateway had said that it took them), delivered and read: the samples of each stage, with the part of the name that
-- follows pgherald_latency_seconds.
CREATE OR REPLACE FUNCTION herald.latencies() RETURNS TABLE (suffix text, labels text, value float8)
LANGUAGE sql STABLE
AS $$
    WITH class AS (
        SELECT s.stage, b.place, b.sec AS bound, coalesce(sum(c.n), 0) AS n, coalesce(sum(c.sec), 0) AS sec
          FROM unnest('{sent,delivered,read}'::text[]) s (stage)
         CROSS JOIN unnest(herald.latency_bounds() || 'Infinity'::float8) WITH ORDINALITY b (sec, place)
          LEFT JOIN herald.latency_counts c ON c.stage = s.stage AND c.place = b.place
         GROUP BY s.stage, b.place, b.sec
    )
    SELECT x.suffix, x.labels, x.value
      FROM (SELECT '_bucket' AS suffix, format('stage="%s",le="%s"', c.stage,
                   CASE c.bound WHEN 'Infinity' THEN '+Inf' ELSE c.bound::text END) AS labels,
                   sum(c.n) OVER (PARTITION BY c.stage ORDER BY c.place) AS value, c.stage, c.place FROM class c
            UNION ALL SELECT '_sum', format('stage="%s"', c.stage), sum(c.sec), c.stage, 1000 FROM class c GROUP BY c.stage
            UNION ALL SELECT '_count', format('stage="%s"', c.stage), sum(c.n), c.stage, 1001 FROM class c GROUP BY c.stage) x
     ORDER BY x.stage, x.place;
$$;
