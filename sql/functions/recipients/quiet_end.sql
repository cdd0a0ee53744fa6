-- herald.quiet_end(message, moment): when the quiet hours of the message's recipient, by name or address, are over; NULL: there
-- are none now.
CREATE OR REPLACE FUNCTION herald.quiet_end(message public.whatsapp_notifications, moment timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT max(herald.quiet_until(p, moment))
      FROM (SELECT r FROM herald.recipients r
             WHERE r.name = message.recipient AND r.channel = message.channel AND r.quiet_hours IS NOT NULL
            UNION ALL
            SELECT r FROM herald.recipients r
             WHERE r.address = message.target AND r.channel = message.channel AND r.quiet_hours IS NOT NULL) q (p);
$$;
