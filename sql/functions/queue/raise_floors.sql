-- herald.raise_floors(slack): moves up where looks begin. What is done leaves dead entries in the indexes of what waits; as
-- long as some session holds an old snapshot nothing can remove them, and a look that begins at the first of them takes longer
-- and longer. Called under the claim's lock, every two seconds at most.
--
-- What waits is not all visible: a transaction that is still open may have written a row, or an event, with an older time or id
-- than what is seen now. So a floor is proved in three looks: the first notes time and id; the second, in a later transaction,
-- takes a transaction id, which is above that of everybody who had written by then; and once all below it have ended, whatever
-- was written before the first look is seen, or gone. Between reading the clock and getting its transaction id a writer may
-- pause for slack. One that pauses longer, and a clock that is put back, are found when the floors are reset, every ten
-- minutes. Who puts a row back to an old time goes by herald.not_below_floor(), and shares the lane's lock until it has
-- committed.
CREATE OR REPLACE FUNCTION herald.raise_floors(slack interval DEFAULT '5 s') RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    f herald.floors;
    ids int[];
BEGIN
    SELECT x.* INTO f FROM herald.floors x;
    IF f.reset_at < moment - interval '10 min' OR f.pending_xid > pg_current_xact_id() THEN
        UPDATE herald.lanes l SET floor = '-infinity' WHERE l.floor > '-infinity';
        UPDATE herald.floors x SET attempt_id = 0, event_id = 0, looked_at = moment, event_id_then = 0, pending_at = '-infinity',
               pending_event_id = 0, pending_xid = '0', reset_at = moment;
        RETURN;
    ELSIF f.pending_xid > pg_snapshot_xmin(pg_current_snapshot()) OR transaction_timestamp() <= f.looked_at THEN
        UPDATE herald.floors x SET looked_at = greatest(x.looked_at, moment) WHERE transaction_timestamp() > x.looked_at;
        RETURN;
    END IF;
    -- The lock first: what somebody has put back before is seen by the next statement, and who does so now waits.
    ids := ARRAY(SELECT l.id FROM herald.lanes l FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE herald.lanes l SET floor = u.floor
      FROM (SELECT k.id, least(f.pending_at - slack,
                               (SELECT n.next_at FROM public.whatsapp_notifications n
                                 WHERE n.lane = k.id AND n.next_at >= k.floor AND n.owner IS NULL AND NOT n.behind
                                 ORDER BY n.next_at LIMIT 1)) AS floor
              FROM herald.lanes k WHERE k.id = ANY (ids)) u
     WHERE l.id = u.id AND u.floor > l.floor + slack;
    UPDATE herald.floors x
       SET attempt_id = coalesce((SELECT min(n.attempt_id) FROM public.whatsapp_notifications n
                                   WHERE n.owner IS NOT NULL AND n.attempt_id >= f.attempt_id),
                                 (SELECT s.last_value FROM herald.attempt_seq s)),
           event_id = greatest(x.event_id, least(f.pending_event_id,
                               (SELECT min(e.id) - 1 FROM herald.rules r
                                 CROSS JOIN LATERAL (SELECT v.id FROM herald.events v WHERE v.rule = r.name AND v.id > f.event_id
                                                      ORDER BY v.id LIMIT 1) e))),
           pending_at = f.looked_at, pending_event_id = f.event_id_then, pending_xid = pg_current_xact_id(),
           looked_at = moment, event_id_then = (SELECT s.last_value FROM herald.events_id_seq s);
END
$$;
