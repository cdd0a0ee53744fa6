-- herald.sender_room(moment, room, flying, own): how many messages each sender may take now: enabled, not held, below its
-- max_in_flight, what it is trusted with after it failed, its limits and its gap. flying: the sender of each message in flight;
-- own: of each that is in flight from the daemon that has the room. Of its places one sender takes at most half where there are
-- others, so that a gateway that hangs leaves them room. A blocked sender whose pause is over may take one, to probe it, unless
-- its gateway is to be asked first. is_counted: what it takes must be told to herald.count_claimed(). opens_at: of a sender
-- that may take none, when that changes by the clock alone.
--
-- SQL, STABLE and without settings of its own, so that it becomes part of the query that calls it.
CREATE OR REPLACE FUNCTION herald.sender_room(moment timestamptz, room int, flying text[], own text[])
RETURNS TABLE (name text, channel text, priority int, free int, opens_at timestamptz, is_counted boolean)
LANGUAGE sql STABLE
AS $$
    SELECT s.name, s.channel, s.priority,
           CASE WHEN h.until > moment OR g.next_at > moment THEN 0
                ELSE greatest(0, least(room,
                     s.max_in_flight - f.n,
                     g.trusted - f.n,
                     CASE WHEN EXISTS (SELECT FROM herald.senders o WHERE o.enabled AND o.name <> s.name)
                          THEN (room + cardinality(own) + 1) / 2 - (SELECT count(*) FROM unnest(own) w WHERE w = s.name) END,
                     CASE WHEN h.until IS NOT NULL THEN CASE WHEN h.proof LIKE 'health%' THEN 0 ELSE 1 - f.n END END,
                     CASE WHEN s.gap > '0' THEN 1 END,
                     l.free)) END::int,
           nullif(greatest(CASE WHEN h.until > moment THEN h.until END, CASE WHEN g.next_at > moment THEN g.next_at END,
                           CASE WHEN l.free <= 0 THEN l.opens_at END), NULL),
           s.limits <> '{}' OR s.gap > '0'
      FROM herald.senders s
      CROSS JOIN LATERAL (SELECT count(*) AS n FROM unnest(flying) u WHERE u = s.name) f
      LEFT JOIN herald.holds h ON h.kind = 'sender' AND h.name = s.name AND h.cause = 'blocked'
      LEFT JOIN herald.sender_state g ON g.sender = s.name
      LEFT JOIN LATERAL (SELECT r.* FROM herald.limit_room(s, moment) r WHERE s.limits <> '{}' OFFSET 0) l ON true
     WHERE s.enabled
       AND NOT EXISTS (SELECT FROM herald.holds p
                        WHERE p.kind IN ('all', 'channel', 'sender') AND p.name IN ('', s.channel, s.name)
                          AND p.cause <> 'opt-out' AND p.cause <> 'blocked'
                          AND (p.kind = 'sender' AND p.name = s.name OR p.kind = 'channel' AND p.name = s.channel OR p.kind = 'all')
                          AND (p.until IS NULL OR p.until > moment));
$$;
