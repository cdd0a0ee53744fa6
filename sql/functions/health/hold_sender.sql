-- herald.hold_sender(sender, wait_sec, why, proof): the sender waits: as long as the gateway said, else for probe_base,
-- doubling with each failed probe up to probe_cap. Then its gateway is asked how it is, where it can be; and where it can't, or
-- proof says so, a message probes it:
--
--   'health'   it said itself that it is ill: its word is enough
--   'message'  it failed with messages, or would not take them: its gateway is asked, then one message goes, as what it answers to
--              messages weighs more than what it says of itself
--   'receipt'  it accepted messages and acknowledged none: one message a pause goes, until one is acknowledged
--
-- When it works again, one message goes, and one more at a time for each that its gateway takes: herald.sender_state.trusted.
--
-- Yields ('held', sender, why) when it was open before. One that is gone is not held.
CREATE OR REPLACE FUNCTION herald.hold_sender(sender_name text, wait_sec int, why text, proof text)
RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    base interval := herald.setting('probe_base');
    top interval := herald.setting('probe_cap');
    can_be_asked boolean := EXISTS (SELECT FROM herald.health h WHERE h.sender = sender_name);
    held herald.holds;
    pause interval;
    ends timestamptz;
BEGIN
    IF NOT EXISTS (SELECT FROM herald.senders s WHERE s.name = sender_name) THEN
        RETURN;
    END IF;
    -- First, as herald.settle() does: two that lock both in another order would wait for each other.
    INSERT INTO herald.sender_state AS s (sender, trusted) VALUES (sender_name, 1) ON CONFLICT (sender) DO UPDATE SET trusted = 1;
    SELECT h.* INTO held FROM herald.holds h WHERE h.kind = 'sender' AND h.name = sender_name AND h.cause = 'blocked'
       FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'sender' AND h.name = sender_name AND h.cause = 'blocked')
        THEN
        RETURN;  -- somebody takes it off at this moment
    END IF;
    IF held.until > moment AND wait_sec IS NULL THEN
        RETURN;  -- others of the same moment: they are one failure
    END IF;
    pause := least(top, base * 2 ^ least(coalesce(held.failures, 0), 20));
    pause := CASE WHEN wait_sec IS NULL THEN pause * (0.75 + random() / 4)
                  ELSE greatest(make_interval(secs => wait_sec), interval '1 s') END;
    -- What was asked for before is not forgotten for something that proves less.
    proof := CASE WHEN 'receipt' IN (hold_sender.proof, held.proof) THEN 'receipt'
                  WHEN NOT can_be_asked THEN 'message'
                  WHEN hold_sender.proof = 'message' OR held.proof LIKE '%message' THEN 'health, then message'
                  ELSE 'health' END;
    INSERT INTO herald.holds AS h (kind, name, cause, until, reason, who, since, failures, proof)
    VALUES ('sender', sender_name, 'blocked', moment + pause, why, 'pgherald', moment, 1, hold_sender.proof)
    ON CONFLICT (kind, name, cause) DO UPDATE
       SET until = greatest(h.until, EXCLUDED.until), reason = EXCLUDED.reason, proof = EXCLUDED.proof,
           failures = h.failures + (h.until <= moment)::int
    RETURNING h.until INTO ends;
    UPDATE herald.health h SET ask_at = ends WHERE h.sender = sender_name;
    IF held.kind IS NULL THEN
        RETURN QUERY SELECT 'held', sender_name, why;
    END IF;
END
$$;
