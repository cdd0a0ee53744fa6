-- herald.find_stalled(): senders that accept messages, and of whose account no webhook has come within acknowledge_limit, though
-- receipts used to: they are held until one comes, and a message a pause probes them. What they accepted stays 'sent': silence
-- proves nothing about a message, and never makes a copy. Yields ('held', sender, why).
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
    is_waiting boolean;
    is_heard boolean;
BEGIN
    FOR stalled IN
        SELECT s.sender, s.acknowledge_by - patience AS since FROM herald.acknowledgements s
         WHERE s.acknowledge_by <= moment FOR NO KEY UPDATE OF s SKIP LOCKED LOOP
        -- Among the newest, as this must not walk through all that there ever was.
        is_waiting := EXISTS (SELECT FROM public.whatsapp_notifications w
                               WHERE w.id > (SELECT max(m.id) FROM public.whatsapp_notifications m) - 100000
                                 AND w.sender = stalled.sender AND w.send_status = 'sent' AND w.sent_at >= stalled.since);
        is_heard := EXISTS (SELECT FROM herald.web w WHERE w.up_since <= stalled.since AND w.seen_at > moment - interval '10 s')
            AND (EXISTS (SELECT FROM herald.acknowledgements o
                         WHERE o.sender <> stalled.sender AND o.acknowledged_at > moment - patience / 2)
                 OR NOT EXISTS (SELECT FROM herald.acknowledgements o
                                 WHERE o.sender <> stalled.sender
                                   AND (o.acknowledge_by IS NOT NULL
                                        OR EXISTS (SELECT FROM herald.holds h
                                                    WHERE h.kind = 'sender' AND h.name = o.sender AND h.cause = 'blocked'
                                                      AND h.proof = 'receipt'))));
        UPDATE herald.acknowledgements s SET acknowledge_by = CASE WHEN NOT is_heard AND is_waiting THEN moment + patience END
         WHERE s.sender = stalled.sender;
        IF NOT is_waiting THEN
            CONTINUE;
        ELSIF NOT is_heard THEN
            UPDATE herald.web w SET silent_since = stalled.since
             WHERE w.only_row IN (SELECT l.only_row FROM herald.web l WHERE l.silent_since IS NULL FOR NO KEY UPDATE SKIP LOCKED);
            CONTINUE;
        END IF;
        RETURN QUERY SELECT h.* FROM herald.hold_sender(stalled.sender, NULL,
            format('it accepts messages, and no receipt has come for %s: see that its gateway''s webhooks reach pgherald web, then '
                   'whether its messages arrive', patience), 'receipt') h;
    END LOOP;
END
$$;
