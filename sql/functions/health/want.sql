-- herald.want(sender, purpose, why): notes what is wanted of the sender's session ('pair', 'unpair') within two minutes, holds
-- the sender, and wakes a daemon, which tells the gateway.
CREATE OR REPLACE FUNCTION herald.want(sender_name text, wanted text, why text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    its_gateway text := (SELECT s.gateway FROM herald.senders s WHERE s.name = sender_name);
BEGIN
    PERFORM herald.check_held('sender', coalesce(sender_name, ''));
    IF NOT (SELECT g.pairs FROM herald.gateways g WHERE g.name = its_gateway) THEN
        RAISE EXCEPTION 'sender "%" has no session to pair: its gateway is %', sender_name, its_gateway
            USING HINT = format('Gateways with sessions: %s.', (SELECT string_agg(g.name, ', ' ORDER BY g.name)
                                                                FROM herald.gateways g WHERE g.pairs));
    ELSIF NOT EXISTS (SELECT FROM herald.health h WHERE h.sender = sender_name) THEN
        RAISE EXCEPTION 'sender "%" is not enabled', sender_name
            USING HINT = format('UPDATE herald.senders SET enabled = true WHERE name = %L', sender_name);
    ELSIF NOT EXISTS (SELECT FROM herald.listeners l WHERE l.seen_at > moment - interval '2 min') THEN
        RAISE EXCEPTION 'no daemon is there to tell the gateway' USING HINT = 'Start one: systemctl start pgherald.';
    END IF;
    UPDATE herald.health h
       SET purpose = wanted, purpose_until = moment + interval '2 min', ask_at = moment, code = NULL, code_until = NULL,
           reason = NULL
     WHERE h.sender = sender_name;
    INSERT INTO herald.holds (kind, name, cause, reason, who) VALUES ('sender', sender_name, 'unpaired', why, session_user)
    ON CONFLICT (kind, name, cause) DO UPDATE SET reason = EXCLUDED.reason, who = EXCLUDED.who;
    PERFORM herald.ring_bell();
END
$$;
