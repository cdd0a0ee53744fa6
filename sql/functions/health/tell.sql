-- herald.tell(senders, answers, waits, reasons, codes, purposes): what the gateways that herald.ask() named said of these senders:
--
--   answers  'well', 'ill', or 'unknown' (the gateway was there, and its answer told nothing)
--   waits    of an ill one: seconds until it is worth asking again; NULL: the back-off decides
--   reasons  why, for a person
--   codes    of one that answers 'code', which it may where pairing was asked for: what its QR code says
--   purposes for which it was asked, as herald.ask() yielded them; where something else is wanted by now the answer is not
--   looked at
--
-- One that is well, or not known to be ill, gets what its hold still waits for, once its pause is over: nothing, or one message
-- as a probe. One that is ill is held. Yields what a person should hear of: 'held' and 'opened', as herald.turn() does, and
-- 'unpaired', as herald.tell_session() does.
CREATE OR REPLACE FUNCTION herald.tell(senders text[], answers text[], waits int[], reasons text[], codes text[], purposes text[])
RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    one record;
BEGIN
    FOR one IN SELECT u.sender, u.answer, u.wait_sec, u.reason, u.code, h.purpose
                 FROM unnest(senders, answers, waits, reasons, codes, purposes) u (sender, answer, wait_sec, reason, code, purpose)
                 JOIN herald.health h ON h.sender = u.sender AND h.purpose IS NOT DISTINCT FROM u.purpose LOOP
        IF one.purpose IS NOT NULL THEN
            RETURN QUERY SELECT t.* FROM herald.tell_session(one.sender, one.answer, one.reason, one.code) t;
            CONTINUE;
        END IF;
        UPDATE herald.health h
           SET is_well = CASE one.answer WHEN 'well' THEN true WHEN 'ill' THEN false END,
               reason = one.reason,
               ask_at = coalesce((SELECT b.until FROM herald.holds b
                                   WHERE b.kind = 'sender' AND b.name = one.sender AND b.cause = 'blocked'
                                       AND b.until > moment), herald.next_health_at())
         WHERE h.sender = one.sender;
        IF one.answer = 'ill' THEN
            RETURN QUERY SELECT h.* FROM herald.hold_sender(one.sender, one.wait_sec, one.reason, 'health') h;
        ELSE
            UPDATE herald.holds h SET proof = 'message', until = moment
             WHERE h.kind = 'sender' AND h.name = one.sender AND h.cause = 'blocked' AND h.until <= moment
               AND (h.proof = 'health, then message' OR h.proof = 'health' AND one.answer = 'unknown');
            RETURN QUERY DELETE FROM herald.holds h
                          WHERE h.kind = 'sender' AND h.name = one.sender AND h.cause = 'blocked' AND h.proof = 'health'
                              AND h.until <= moment
                         RETURNING 'opened', h.name, h.reason;
        END IF;
    END LOOP;
END
$$;
