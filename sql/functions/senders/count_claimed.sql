-- herald.count_claimed(senders): notes what the senders with limits or a gap have just taken; senders: one element a message (NULL:
-- not taken). A gap is stretched by up to a half at random: a person does not type like a clock.
CREATE OR REPLACE FUNCTION herald.count_claimed(claimed_senders text[]) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO herald.counts AS c (kind, name, span_sec, bucket, n)
    SELECT 'claimed', s.name, b.sec, floor(extract(epoch FROM clock_timestamp()) / b.sec), t.n
      FROM (SELECT u AS sender, count(*)::int AS n FROM unnest(claimed_senders) u GROUP BY u) t
      JOIN herald.senders s ON s.name = t.sender AND s.limits <> '{}'
     CROSS JOIN LATERAL (SELECT DISTINCT herald.limit_bucket_sec((herald.parse_limit(l)).span) AS sec FROM unnest(s.limits) l) b
    ON CONFLICT (kind, name, span_sec, bucket) DO UPDATE SET n = c.n + EXCLUDED.n;

    INSERT INTO herald.sender_state AS g (sender, next_at)
    SELECT DISTINCT s.name, clock_timestamp() + s.gap * (1 + random() / 2) FROM unnest(claimed_senders) u
        JOIN herald.senders s ON s.name = u AND s.gap > '0'
    ON CONFLICT (sender) DO UPDATE SET next_at = EXCLUDED.next_at;
END
$$;
