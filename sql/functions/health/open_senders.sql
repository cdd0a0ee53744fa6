-- herald.open_senders(names): these senders have just had a message accepted, or refused: those that were blocked are open again.
-- One that must be acknowledged first waits a while for that, before one more goes. Yields ('opened', sender, reason of the hold).
CREATE OR REPLACE FUNCTION herald.open_senders(names text[]) RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM herald.hold_sender(h.name, NULL, h.reason, 'receipt') FROM herald.holds h
      WHERE h.kind = 'sender' AND h.cause = 'blocked' AND h.proof = 'receipt' AND h.name = ANY (names);
    RETURN QUERY DELETE FROM herald.holds h
                  WHERE (h.kind, h.name, h.cause) IN (
                        SELECT l.kind, l.name, l.cause FROM herald.holds l
                         WHERE l.kind = 'sender' AND l.cause = 'blocked' AND l.proof IS DISTINCT FROM 'receipt'
                             AND l.name = ANY (names)
                           FOR UPDATE SKIP LOCKED)
                 RETURNING 'opened', h.name, h.reason;
END
$$;
