-- herald.explain_sender(sender, moment): why it takes no message now, in sentences, apart from holds: its own limits, the pause
-- between two messages, what it has in flight. None: nothing of that keeps it.
CREATE OR REPLACE FUNCTION herald.explain_sender(s herald.senders, moment timestamptz) RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trusted int := (SELECT g.trusted FROM herald.sender_state g WHERE g.sender = s.name);
    flying bigint := (SELECT count(*) FROM public.whatsapp_notifications n WHERE n.owner IS NOT NULL AND n.sender = s.name);
BEGIN
    RETURN QUERY SELECT format('sender "%s" has reached its limit %s; it has room again at %s', s.name, u.rolling_limit,
                               herald.local_time(u.opens_at))
                   FROM herald.limit_use(s, moment) u WHERE u.free <= 0;
    RETURN QUERY SELECT format('sender "%s" pauses between two messages until %s', s.name, herald.local_time(g.next_at))
                   FROM herald.sender_state g WHERE g.sender = s.name AND g.next_at > moment AND s.gap > '0';
    IF flying >= trusted AND (s.max_in_flight IS NULL OR flying < s.max_in_flight) THEN
        RETURN NEXT format('sender "%s" works again after it had failed; it has %s in flight, and may have one more with each '
                           'that is taken',
                           s.name, flying);
    END IF;
    IF flying >= s.max_in_flight THEN
        RETURN NEXT format('sender "%s" has %s in flight, which is as many as it may', s.name, flying);
    END IF;
END
$$;
