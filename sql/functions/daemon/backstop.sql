-- herald.backstop(node, incarnation, asleep_sec, wakes): the look that a daemon takes every 30 s whether or not it was rung
-- for: renews its listener's row, notes how often it woke (herald.listeners.wakes), leaves to a person what is in doubt and
-- must not be sent again, lets expire what no claim meets, since no enabled sender may carry it or since it is held until a
-- person resumes it, frees messages that wait behind one that a user deleted, forgets old counts and requests, adds up how long
-- messages took, and lets the history forget.
CREATE OR REPLACE FUNCTION herald.backstop(node_name text, daemon_incarnation bigint, asleep_sec int,
                                           daemon_wakes bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM herald.attend(node_name, daemon_incarnation, asleep_sec);
    UPDATE herald.listeners l SET wakes = daemon_wakes WHERE l.node = node_name;
    -- What a rule leaves to a person when it is in doubt is left to them also while no sender is open.
    PERFORM herald.claim_others(clock_timestamp(), array_agg(d.id), array_agg('decide'::text))
       FROM (SELECT n.id
               FROM (SELECT a.notification_id, a.attempt_id FROM herald.attempts a WHERE a.outcome LIKE '%in_doubt%'
                      ORDER BY a.attempt_id DESC LIMIT 1000) a
               JOIN public.whatsapp_notifications n ON n.id = a.notification_id AND n.attempt_id = a.attempt_id
               JOIN herald.rules r ON r.name = n.rule AND r.in_doubt = 'hold'
              WHERE n.send_status = 'in_doubt' AND n.owner IS NULL AND n.next_at <= clock_timestamp()
                FOR NO KEY UPDATE OF n SKIP LOCKED) d
     HAVING count(*) > 0;
    PERFORM herald.claim_others(clock_timestamp(), array_agg(x.id),
                                array_agg(CASE x.send_status WHEN 'in_doubt' THEN 'decide' ELSE 'expire' END))
       FROM (SELECT n.id, n.send_status
               FROM herald.lanes l
              CROSS JOIN LATERAL (
                    SELECT CASE WHEN EXISTS (SELECT FROM herald.senders s
                                              WHERE s.enabled AND s.channel = l.channel AND (l.sender IS NULL OR s.name = l.sender))
                                THEN 'infinity' ELSE l.floor END AS first) f
              CROSS JOIN LATERAL (
                    SELECT w.id, w.send_status FROM public.whatsapp_notifications w
                     WHERE w.lane = l.id AND w.next_at >= f.first AND w.owner IS NULL AND NOT w.behind
                         AND w.expires_at <= clock_timestamp()
                     ORDER BY w.next_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED) n) x
     HAVING count(*) > 0;
    IF EXISTS (SELECT FROM public.whatsapp_notifications n WHERE n.behind) THEN
        LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE;
        UPDATE public.whatsapp_notifications n SET behind = false, next_at = herald.not_below_floor(n.lane, n.next_at)
         WHERE n.id IN (SELECT w.id FROM public.whatsapp_notifications w
                         WHERE w.id IN (SELECT min(b.id) FROM public.whatsapp_notifications b WHERE b.behind
                                           AND NOT EXISTS (SELECT FROM public.whatsapp_notifications f
                                                           WHERE f.owner IS NOT NULL AND f.target = b.target)
                                         GROUP BY b.target) FOR NO KEY UPDATE SKIP LOCKED);
    END IF;
    DELETE FROM herald.rechecks c USING herald.rules r WHERE r.name = c.rule AND NOT r.recheck AND r.digest IS NULL;
    DELETE FROM herald.counts c
     WHERE c.bucket < floor(extract(epoch FROM clock_timestamp()) / c.span_sec) - 65;
    PERFORM herald.add_up_latencies();
    PERFORM herald.ring_bell() WHERE herald.retain();
END
$$;
