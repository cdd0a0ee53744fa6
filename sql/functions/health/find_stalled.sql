-- herald.find_stalled(): senders that accept messages and have acknowledged none within acknowledge_limit, though their gateway
-- used to: what they accepted since is in doubt, once, and they are held until one is acknowledged. Of one that is held for
-- that already, what it accepted was a probe, and is in doubt however often it was. Their messages are looked for among the
-- 100,000 newest. Yields ('held', sender, why).
--
-- Only if the receipts would have come: `pgherald web` was up all the while, and another sender was acknowledged lately, or
-- none waits for it. Else nothing is held against a sender, and herald.web.silent_since says so.
CREATE OR REPLACE FUNCTION herald.find_stalled() RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    patience interval := herald.setting('acknowledge_limit');
    stalled record;
    ids bigint[];
    is_heard boolean;
BEGIN
    FOR stalled IN
        SELECT s.sender, s.acknowledge_by - patience AS since,
               EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'sender' AND h.name = s.sender AND h.cause = 'blocked'
                       AND h.proof = 'receipt') AS is_probed
          FROM herald.acknowledgements s
         WHERE s.acknowledge_by <= moment FOR NO KEY UPDATE OF s SKIP LOCKED LOOP
        ids := ARRAY(SELECT w.id FROM public.whatsapp_notifications w
                      WHERE w.id > (SELECT max(m.id) FROM public.whatsapp_notifications m) - 100000
                        AND w.sender = stalled.sender AND w.send_status = 'sent' AND w.sent_at >= stalled.since
                        FOR NO KEY UPDATE SKIP LOCKED);
        is_heard := EXISTS (SELECT FROM herald.web w WHERE w.up_since <= stalled.since AND w.seen_at > moment - interval '10 s')
            AND (EXISTS (SELECT FROM herald.acknowledgements o
                         WHERE o.sender <> stalled.sender AND o.acknowledged_at > moment - patience / 2)
                 OR NOT EXISTS (SELECT FROM herald.acknowledgements o
                                 WHERE o.sender <> stalled.sender
                                   AND (o.acknowledge_by IS NOT NULL
                                        OR EXISTS (SELECT FROM herald.holds h
                                                    WHERE h.kind = 'sender' AND h.name = o.sender AND h.cause = 'blocked'
                                                      AND h.proof = 'receipt'))));
        UPDATE herald.acknowledgements s SET acknowledge_by = CASE WHEN NOT is_heard AND ids <> '{}' THEN moment + patience END
         WHERE s.sender = stalled.sender;
        IF ids = '{}' THEN
            CONTINUE;
        ELSIF NOT is_heard THEN
            UPDATE herald.web w SET silent_since = stalled.since
             WHERE w.only_row IN (SELECT l.only_row FROM herald.web l WHERE l.silent_since IS NULL FOR NO KEY UPDATE SKIP LOCKED);
            CONTINUE;
        END IF;
        WITH doubted AS (
            UPDATE public.whatsapp_notifications n
               SET send_status = 'in_doubt', error = 'accepted, and never acknowledged by its gateway',
                   next_at = moment + coalesce((SELECT r.in_doubt_grace FROM herald.rules r WHERE r.name = n.rule), '10 s')
             WHERE n.id = ANY (ids) AND (n.resends = 0 OR stalled.is_probed)
            RETURNING n.id, n.attempt_id, n.sender, n.error
        )
        INSERT INTO herald.attempts (attempt_id, notification_id, sender, outcome, error)
        SELECT d.attempt_id, d.id, d.sender, 'in_doubt', d.error FROM doubted d WHERE d.attempt_id IS NOT NULL
        ON CONFLICT (attempt_id) DO UPDATE SET outcome = herald.attempts.outcome || ', then in_doubt';
        RETURN QUERY SELECT h.* FROM herald.hold_sender(stalled.sender, NULL,
            format('it accepts messages, and has acknowledged none for %s', patience), 'receipt') h;
    END LOOP;
END
$$;
