-- herald.acknowledged(gateways, accounts, is_receipt): webhooks of these accounts have come, in parallel arrays: their gateways
-- reach us, and senders that waited for that are open. is_receipt: they told of messages, ours or others'; from then on such a
-- sender must be acknowledged. Whose state is locked at this moment is told by the next webhook: with the daemon's turns,
-- waiting could be a deadlock.
CREATE OR REPLACE FUNCTION herald.acknowledged(gateways text[], accounts text[], is_receipt boolean) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    heard text[] := ARRAY(SELECT s.name
                            FROM (SELECT DISTINCT u.gateway, u.account FROM unnest(gateways, accounts) u (gateway, account)) a
                            JOIN herald.gateways g ON g.name = a.gateway AND g.must_acknowledge
                            JOIN herald.senders s
                              ON s.gateway = g.name AND herald.spoken_account(s.gateway, s.account, g.account_key) = a.account);
BEGIN
    IF heard = '{}' THEN
        RETURN;
    END IF;
    UPDATE herald.acknowledgements s
       SET acknowledged_at = CASE WHEN is_receipt THEN clock_timestamp() ELSE s.acknowledged_at END, acknowledge_by = NULL
     WHERE s.sender IN (SELECT l.sender FROM herald.acknowledgements l
                         WHERE l.sender = ANY (heard)
                           AND (l.acknowledge_by IS NOT NULL OR is_receipt AND l.acknowledged_at IS NULL)
                           FOR NO KEY UPDATE SKIP LOCKED);
    IF is_receipt THEN
        INSERT INTO herald.acknowledgements (sender, acknowledged_at)
        SELECT a, clock_timestamp() FROM unnest(heard) a
         WHERE NOT EXISTS (SELECT FROM herald.acknowledgements s WHERE s.sender = a)
        ON CONFLICT DO NOTHING;
    END IF;
    UPDATE herald.web w SET silent_since = NULL
     WHERE w.only_row IN (SELECT l.only_row FROM herald.web l WHERE l.silent_since IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED);
    DELETE FROM herald.holds h
     WHERE (h.kind, h.name, h.cause) IN (SELECT l.kind, l.name, l.cause FROM herald.holds l
                                          WHERE l.kind = 'sender' AND l.cause = 'blocked' AND l.proof = 'receipt'
                                            AND l.name = ANY (heard)
                                            FOR UPDATE SKIP LOCKED);
    IF FOUND THEN
        PERFORM herald.ring_bell();
    END IF;
END
$$;
