-- herald.limit_room(sender, moment): how many messages the sender's rolling windows still allow; opens_at: where none, when the
-- fullest of them has room again.
CREATE OR REPLACE FUNCTION herald.limit_room(sender herald.senders, moment timestamptz, OUT free bigint, OUT opens_at timestamptz)
LANGUAGE sql
AS $$
    SELECT min(l.n - used.n),
           max(to_timestamp((oldest.bucket + 1) * b.sec + ceil(extract(epoch FROM l.span) / b.sec) * b.sec)) FILTER (WHERE l.n <= used.n)
      FROM unnest(sender.limits) u
     CROSS JOIN LATERAL herald.parse_limit(u) l
     CROSS JOIN LATERAL (SELECT herald.limit_bucket_sec(l.span) AS sec) b
     CROSS JOIN LATERAL (SELECT floor(extract(epoch FROM moment - l.span) / b.sec)::bigint AS first) w
     CROSS JOIN LATERAL (SELECT coalesce(sum(c.n), 0)::bigint AS n, min(c.bucket) AS first_used FROM herald.counts c
                          WHERE c.kind = 'claimed' AND c.name = sender.name AND c.span_sec = b.sec AND c.bucket >= w.first) used
     CROSS JOIN LATERAL (
            SELECT min(r.bucket) AS bucket
              FROM (SELECT c.bucket, sum(c.n) OVER (ORDER BY c.bucket) AS freed FROM herald.counts c
                     WHERE c.kind = 'claimed' AND c.name = sender.name AND c.span_sec = b.sec AND c.bucket >= w.first) r
             WHERE r.freed > used.n - l.n) oldest;
$$;
