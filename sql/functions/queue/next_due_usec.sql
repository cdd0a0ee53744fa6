-- herald.next_due_usec(incarnation, room): for this daemon, which has so much room: microseconds until something is next due by the
-- clock alone: a message whose senders are open, the end of a lease, of a hold, of a sender's gap or of a full limit, a sweep, a
-- rule's retry. 0: now; NULL: nothing.
CREATE OR REPLACE FUNCTION herald.next_due_usec(incarnation bigint, room int) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    first_attempt bigint := (SELECT f.attempt_id FROM herald.floors f);
    flying text[];
    own text[];
    due timestamptz;
BEGIN
    SELECT array_agg(n.sender), coalesce(array_agg(n.sender) FILTER (WHERE n.owner = incarnation), '{}') INTO flying, own
      FROM public.whatsapp_notifications n WHERE n.owner IS NOT NULL AND n.attempt_id >= first_attempt;
    WITH sender AS MATERIALIZED (
        SELECT * FROM herald.sender_room(moment, greatest(room, 1), flying, own)
    )
    SELECT min(x.at) INTO due FROM (
        SELECT n.next_at AS at
          FROM herald.lanes l
         CROSS JOIN LATERAL (SELECT w.next_at FROM public.whatsapp_notifications w
                              WHERE w.lane = l.id AND w.next_at >= l.floor AND w.owner IS NULL AND NOT w.behind
                              ORDER BY w.next_at LIMIT 1) n
         WHERE NOT EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'rule' AND h.name = l.rule)
           AND NOT EXISTS (SELECT FROM herald.rechecks c WHERE c.rule = l.rule)
           AND EXISTS (SELECT FROM sender s WHERE s.free > 0 AND s.channel = l.channel AND (l.sender IS NULL OR s.name = l.sender))
        UNION ALL
        -- OFFSET 0: lane by lane, from its floor; as a join it may be the whole index.
        SELECT s.opens_at FROM sender s
         WHERE s.free = 0 AND EXISTS (
               SELECT FROM herald.lanes l
                WHERE s.channel = l.channel AND (l.sender IS NULL OR s.name = l.sender)
                  AND EXISTS (SELECT FROM public.whatsapp_notifications w
                               WHERE w.lane = l.id AND w.next_at >= l.floor AND w.owner IS NULL AND NOT w.behind
                              OFFSET 0))
        UNION ALL
        SELECT min(h.ask_at) FROM herald.health h
        UNION ALL
        SELECT min(s.acknowledge_by) FROM herald.acknowledgements s
        UNION ALL
        SELECT min(h.until) FROM herald.holds h WHERE h.until > moment AND h.cause NOT IN ('opt-out', 'blocked')
        UNION ALL
        SELECT greatest(min(n.next_at), pg_postmaster_start_time() + herald.lease())
          FROM public.whatsapp_notifications n WHERE n.owner IS NOT NULL AND n.attempt_id >= first_attempt HAVING count(*) > 0
        UNION ALL
        SELECT min(r.next_sweep_at) FROM herald.rules r
        UNION ALL
        SELECT min(r.retry_at) FROM herald.rules r WHERE r.retry_at > moment
    ) x;
    RETURN CASE WHEN due < 'infinity' THEN greatest(0, extract(epoch FROM due - clock_timestamp()) * 1000000)::bigint END;
END
$$;
