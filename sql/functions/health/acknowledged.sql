-- herald.acknowledged(ids): receipts have come for these messages: their senders are acknowledged, and open where they waited
-- for that. Whose state is locked at this moment is told by the next receipt: with the daemon's turns, waiting could be a
-- deadlock.
CREATE OR REPLACE FUNCTION herald.acknowledged(ids bigint[]) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    acknowledging text[] := ARRAY(SELECT DISTINCT s.name
                                    FROM public.whatsapp_notifications n JOIN herald.senders s ON s.name = n.sender
                                    JOIN herald.gateways g ON g.name = s.gateway AND g.must_acknowledge
                                   WHERE n.id = ANY (ids));
BEGIN
    IF acknowledging = '{}' THEN
        RETURN;
    END IF;
    UPDATE herald.acknowledgements s SET acknowledged_at = clock_timestamp(), acknowledge_by = NULL
     WHERE s.sender IN (SELECT l.sender FROM herald.acknowledgements l
                         WHERE l.sender = ANY (acknowledging) AND (l.acknowledged_at IS NULL OR l.acknowledge_by IS NOT NULL)
                           FOR NO KEY UPDATE SKIP LOCKED);
    INSERT INTO herald.acknowledgements (sender, acknowledged_at)
    SELECT a, clock_timestamp() FROM unnest(acknowledging) a
        WHERE NOT EXISTS (SELECT FROM herald.acknowledgements s WHERE s.sender = a)
    ON CONFLICT DO NOTHING;
    UPDATE herald.web w SET silent_since = NULL
     WHERE w.only_row IN (SELECT l.only_row FROM herald.web l WHERE l.silent_since IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED);
    DELETE FROM herald.holds h
     WHERE (h.kind, h.name, h.cause) IN (SELECT l.kind, l.name, l.cause FROM herald.holds l
                                          WHERE l.kind = 'sender' AND l.cause = 'blocked' AND l.proof = 'receipt'
                                            AND l.name = ANY (acknowledging)
                                            FOR UPDATE SKIP LOCKED);
    IF FOUND THEN
        PERFORM herald.ring_bell();
    END IF;
END
$$;
