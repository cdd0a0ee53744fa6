-- herald.limit_use(sender, moment): of each of the sender's rolling windows how much is left, and, where nothing is, when it
-- has room again. What was claimed is counted in buckets (herald.limit_bucket_sec()), so a window is exact to one of them.
CREATE OR REPLACE FUNCTION herald.limit_use(sender herald.senders, moment timestamptz)
RETURNS TABLE (rolling_limit text, free bigint, opens_at timestamptz)
LANGUAGE sql
AS $$
    SELECT u, l.n - used.n,
           CASE WHEN l.n <= used.n
                THEN to_timestamp((oldest.bucket + 1) * b.sec + ceil(extract(epoch FROM l.span) / b.sec) * b.sec) END
      FROM unnest(sender.limits) u
     CROSS JOIN LATERAL herald.parse_limit(u) l
     CROSS JOIN LATERAL (SELECT herald.limit_bucket_sec(l.span) AS sec) b
     CROSS JOIN LATERAL (SELECT floor(extract(epoch FROM moment - l.span) / b.sec)::bigint AS first) w
     CROSS JOIN LATERAL (SELECT coalesce(sum(c.n), 0)::bigint AS n FROM herald.counts c
                          WHERE c.kind = 'claimed' AND c.name = sender.name AND c.span_sec = b.sec AND c.bucket >= w.first) used
     CROSS JOIN LATERAL (
            SELECT min(r.bucket) AS bucket
              FROM (SELECT c.bucket, sum(c.n) OVER (ORDER BY c.bucket) AS freed FROM herald.counts c
                     WHERE c.kind = 'claimed' AND c.name = sender.name AND c.span_sec = b.sec AND c.bucket >= w.first) r
             WHERE r.freed > used.n - l.n) oldest;
$$;
