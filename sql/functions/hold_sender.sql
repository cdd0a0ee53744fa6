-- herald.hold_sender(sender, wait_sec, why): the sender waits: as long as the gateway said, else for probe_base, doubling with
-- each failed probe up to probe_cap. Then one message probes it. Yields ('held', sender, why) when it was open before.
CREATE OR REPLACE FUNCTION herald.hold_sender(sender_name text, wait_sec int, why text)
RETURNS TABLE (what text, sender text, reason text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    moment timestamptz := clock_timestamp();
    base interval := herald.setting('probe_base');
    top interval := herald.setting('probe_cap');
    held herald.holds;
    pause interval;
BEGIN
    SELECT h.* INTO held FROM herald.holds h WHERE h.kind = 'sender' AND h.name = sender_name AND h.cause = 'blocked' FOR UPDATE;
    IF held.until > moment AND wait_sec IS NULL THEN
        RETURN;  -- others of the same moment: they are one failure
    END IF;
    pause := least(top, base * 2 ^ least(coalesce(held.failures, 0), 20));
    pause := CASE WHEN wait_sec IS NULL THEN pause * (0.75 + random() / 4) ELSE greatest(make_interval(secs => wait_sec), interval '1 s') END;
    INSERT INTO herald.holds AS h (kind, name, cause, until, reason, who, since, failures)
    VALUES ('sender', sender_name, 'blocked', moment + pause, why, 'pgherald', moment, 1)
    ON CONFLICT (kind, name, cause) DO UPDATE
       SET until = greatest(h.until, EXCLUDED.until), reason = EXCLUDED.reason,
           failures = h.failures + (h.until <= moment)::int;
    IF held.kind IS NULL THEN
        RETURN QUERY SELECT 'held', sender_name, why;
    END IF;
END
$$;
