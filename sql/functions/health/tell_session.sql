-- herald.tell_session(sender, answer, reason, code): of a sender of whose session something is wanted (see herald.want()): what
-- its gateway said. 'well': it is done; 'code': the session waits to be paired by this code; else reason says what is in the
-- way. Yields for what a person should hear of: 'opened', and 'unpaired' where the sender stays held until it is paired.
CREATE OR REPLACE FUNCTION herald.tell_session(sender_name text, answer text, why text, its_code text)
RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    h herald.health := (SELECT x FROM herald.health x WHERE x.sender = sender_name);
    is_done boolean := answer = 'well';
    is_over boolean := is_done OR coalesce(h.purpose_until, moment) <= moment;
    is_paired boolean := is_done AND h.purpose = 'pair';
    remedy text := CASE WHEN is_done OR h.purpose = 'pair' THEN 'pgherald pair %s pairs it'
                        ELSE 'pgherald unpair %s tries it again' END;
BEGIN
    why := CASE WHEN is_paired THEN NULL
                WHEN is_done THEN 'it was unpaired on request'
                WHEN NOT is_over OR answer <> 'code' AND why <> '' THEN why
                WHEN h.purpose = 'pair' THEN 'nobody scanned its code in time'
                ELSE 'its gateway did not say that it is logged out' END;
    UPDATE herald.health x
       SET is_well = is_paired, reason = why,
           purpose = CASE WHEN NOT (is_done OR is_over AND h.purpose = 'pair') THEN x.purpose END,
           purpose_until = CASE WHEN NOT is_over THEN x.purpose_until END,
           code = CASE WHEN NOT is_over THEN its_code END,
           code_until = CASE WHEN NOT is_over AND its_code IS NOT NULL THEN moment + interval '10 s' END,
           -- One that is not to be used is not asked how it is: that might start it again.
           ask_at = CASE WHEN NOT is_over THEN moment + interval '2 s'
                         WHEN is_paired THEN herald.next_health_at()
                         ELSE 'infinity' END
     WHERE x.sender = sender_name;
    IF is_paired THEN
        DELETE FROM herald.holds o WHERE o.kind = 'sender' AND o.name = sender_name AND o.cause = 'unpaired';
        RETURN QUERY SELECT t.* FROM herald.tell(ARRAY[sender_name], '{well}', '{NULL}', '{NULL}', '{NULL}', '{NULL}') t;
        RETURN QUERY SELECT 'opened', sender_name, 'its session is paired';
    ELSIF is_over THEN
        UPDATE herald.holds o SET reason = why WHERE o.kind = 'sender' AND o.name = sender_name AND o.cause = 'unpaired';
        RETURN QUERY SELECT 'unpaired', sender_name, why || '; ' || format(remedy, sender_name);
    END IF;
END
$$;
