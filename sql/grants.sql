-- Who may do what. Everything is refused but what stands here.

REVOKE ALL ON SCHEMA herald FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA herald FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE herald_owner IN SCHEMA herald REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE herald_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA herald TO herald_rules, herald_capture, herald_daemon, herald_web, herald_operator, herald_reader;

-- The daemon executes its functions, and nothing else.
GRANT EXECUTE ON FUNCTION
    herald.join(text, bigint, bigint[], text, int, text, text, bigint),
    herald.turn(bigint, int, bigint[], bigint[], text[], text[], int[], int[], text[], text[], text[]),
    herald.plan(text, text, int),
    herald.plan_and_claim(bigint, int, int, int),
    herald.plan_failed(text, text, text),
    herald.attend(text, bigint, int),
    herald.backstop(text, bigint, int, bigint[]),
    herald.horizon(),
    herald.leave(text, bigint, bigint[]),
    herald.tell(text[], text[], int[], text[], text[], text[]),
    herald.prove_bell(text)
TO herald_daemon;

-- What faces the network says what became of messages, and what people and gateways want, and nothing else.
GRANT EXECUTE ON FUNCTION
    herald.receive(text[], text[], text[], bigint[], bigint[], text[], bigint[], text[]),
    herald.hear(text[], text[], text[], text[], text[], text[], bigint[]),
    herald.web_looks(boolean),
    herald.web_senders(),
    herald.metrics()
TO herald_web;

-- Capture functions may add events, look who sleeps, ring; and no more.
GRANT INSERT ON herald.events TO herald_capture;
GRANT SELECT (asleep_until, attended_until) ON herald.listeners TO herald_capture;
GRANT EXECUTE ON FUNCTION herald.ring_bell(boolean), herald.capture_as_sweep(text, boolean) TO herald_capture;

-- For users' views.
GRANT EXECUTE ON FUNCTION herald.next_window(timestamptz, text, time, time), herald.now(), herald.e164(text, text)
    TO herald_rules, herald_reader, herald_operator;

-- Readers read; operators also retry, cancel, pause, send.
GRANT SELECT ON public.whatsapp_notifications TO herald_reader, herald_operator;
GRANT SELECT ON ALL TABLES IN SCHEMA herald TO herald_reader, herald_operator;
-- The code by which a session is paired is for operators.
REVOKE SELECT ON herald.health, herald.sessions FROM herald_reader;
GRANT SELECT (sender, ask_at, asked_at, is_well, reason, purpose, purpose_until) ON herald.health TO herald_reader;
GRANT SELECT (sender, gateway, state, reason, asked_at, until) ON herald.sessions TO herald_reader;
GRANT EXECUTE ON FUNCTION
    herald.explain(bigint),
    herald.show(bigint),
    herald.list(text, text, text, text, int),
    herald.check(),
    herald.check_groups(text, text[]),
    herald.list_groups(text, text[], text[]),
    herald.sender_accounts(),
    herald.lane_is_held(herald.lanes),
    herald.preview(text, jsonb, text),
    herald.local_time(timestamptz),
    herald.setting(text)
TO herald_reader, herald_operator;
GRANT EXECUTE ON FUNCTION
    herald.retry(bigint),
    herald.retry_all(text, text),
    herald.cancel(bigint),
    herald.pause(text, text, text),
    herald.resume(text, text, boolean),
    herald.send(text, text, text, jsonb, text, text, int, timestamptz, text, jsonb),
    herald.opt_out(text, text),
    herald.opt_in(text),
    herald.sweep(text),
    herald.sweep_dry_run(text),
    herald.replay(text, text),
    herald.pair(text),
    herald.unpair(text),
    herald.ring(text, text)
TO herald_operator;
