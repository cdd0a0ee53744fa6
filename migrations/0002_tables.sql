-- Configuration, queue, history and state. What is compared with a rule's name, a key or a target is COLLATE "C" everywhere:
-- bytes, as fast as it goes, and the same in every locale.
SET LOCAL ROLE herald_owner;

-- Configuration ------------------------------------------------------------------------------------------------------

CREATE TABLE herald.settings (
    name text COLLATE "C" PRIMARY KEY,
    value text NOT NULL,
    meaning text
);
COMMENT ON TABLE herald.settings IS 'What holds for the whole installation';
INSERT INTO herald.settings (name, value, meaning) VALUES
    ('timezone', current_setting('TimeZone'), 'rules are evaluated and schedules kept in this time zone'),
    ('default_country', '', 'calling code (880, 91, …) put before numbers that are written without one; empty: none'),
    ('request_time_limit', '30 s', 'longest time that one request to a gateway may take'),
    ('retry_base', '15 s', 'first back-off of a message that its gateway could not take; doubles, with full jitter'),
    ('retry_cap', '15 min', 'longest back-off of a message'),
    ('probe_base', '5 s', 'first pause of a sender that fails; doubles'),
    ('probe_cap', '5 min', 'longest pause of a sender before it is probed again'),
    ('health_interval', '5 min', 'so often a sender whose gateway can say how it is is asked, without a message; empty: only '
                                 'when it is held'),
    ('acknowledge_limit', '1 min',
     'a sender of an unofficial gateway that acknowledges nothing for so long, though it used to, is held'),
    ('failures_in_a_row', '5', 'so many messages of one sender that failed or were left in doubt, with no acceptance between, '
                               'hold the sender'),
    ('part_gap', '2 s', 'least time between a message and its media, and between one of these and the next'),
    ('old_snapshot', '10 min', 'a session that holds a snapshot for longer is named by pgherald status'),
    ('resend_limit', '10', 'a message that was in doubt so many times waits for a person'),
    ('forget_after', '', 'so long after it was made, what a final message said, and to whom, is blanked; empty: never; a rule '
                         'may say otherwise'),
    ('delete_after', '', 'so long after it was made, a final message''s row is deleted; empty: never; a rule may say otherwise');

CREATE TABLE herald.channels (
    name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) <= 256),
    fallback text COLLATE "C" REFERENCES herald.channels
);
COMMENT ON TABLE herald.channels IS 'Ways to reach people';
COMMENT ON COLUMN herald.channels.fallback IS 'where a message goes that failed for good, if its recipient has an address there';
INSERT INTO herald.channels (name) VALUES ('whatsapp'), ('sms'), ('email');

CREATE TABLE herald.senders (
    name text COLLATE "C" PRIMARY KEY CHECK (name <> '' AND octet_length(name) <= 256),
    channel text COLLATE "C" NOT NULL DEFAULT 'whatsapp' REFERENCES herald.channels,
    gateway text COLLATE "C" NOT NULL,
    base_url text NOT NULL DEFAULT '',
    account jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(account) = 'object'),
    credential text,
    limits text[] NOT NULL,
    gap interval NOT NULL CHECK (gap >= '0'),
    max_in_flight int CHECK (max_in_flight > 0),
    priority int NOT NULL DEFAULT 0,
    enabled boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE herald.senders IS 'Accounts on gateways. Those of a channel share its load and stand in for one another';
COMMENT ON COLUMN herald.senders.credential IS 'the NAME of a secret (see pgherald.conf(5)); never the secret';
COMMENT ON COLUMN herald.senders.limits
    IS 'rolling windows: {80/1 s,1000/1 day}; not given: what herald.gateways says; ''{}'': none';
COMMENT ON COLUMN herald.senders.gap
    IS 'least time between two messages, stretched by up to a half at random; not given: as limits';
COMMENT ON COLUMN herald.senders.max_in_flight
    IS 'most requests at a time, all nodes together; not given: as limits; NULL: no limit of its own';

CREATE TABLE herald.recipients (
    name text COLLATE "C" NOT NULL CHECK (name <> '' AND octet_length(name) <= 256),
    channel text COLLATE "C" NOT NULL DEFAULT 'whatsapp' REFERENCES herald.channels,
    kind text COLLATE "C" NOT NULL DEFAULT 'individual' CHECK (kind IN ('individual', 'group')),
    address text COLLATE "C" NOT NULL CHECK (octet_length(address) <= 256),
    sender text COLLATE "C" REFERENCES herald.senders ON UPDATE CASCADE,
    locale text COLLATE "C",
    timezone text,
    quiet_hours text CONSTRAINT quiet_hours_are_like_22_00_to_07_00
        CHECK (quiet_hours ~ '^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$'),
    PRIMARY KEY (name, channel)
);
CREATE INDEX recipients_quiet ON herald.recipients (name, channel) WHERE quiet_hours IS NOT NULL;
CREATE INDEX recipients_quiet_address ON herald.recipients (address, channel) WHERE quiet_hours IS NOT NULL;
COMMENT ON TABLE herald.recipients IS 'Names for people and groups, with an address on one or more channels';
COMMENT ON COLUMN herald.recipients.quiet_hours
    IS '22:00-07:00, in their time zone: what is due then waits, unless its rule is urgent';
COMMENT ON COLUMN herald.recipients.sender IS 'the only sender that reaches this address: a group belongs to one account';

CREATE TABLE herald.templates (
    name text COLLATE "C" NOT NULL CHECK (name <> '' AND octet_length(name) <= 256),
    locale text COLLATE "C" NOT NULL DEFAULT '' CHECK (octet_length(locale) <= 64),
    body text NOT NULL,
    gateway_name text CHECK (octet_length(gateway_name) <= 512),
    gateway_locale text CHECK (octet_length(gateway_locale) <= 64),
    parameters text[] NOT NULL DEFAULT '{}',
    fields text[] NOT NULL DEFAULT '{}',
    format text NOT NULL DEFAULT '',
    PRIMARY KEY (name, locale)
);
COMMENT ON TABLE herald.templates IS 'Texts with {{field}} over a row''s data';
COMMENT ON COLUMN herald.templates.gateway_name IS 'the approved template at the gateway (Cloud API); NULL: plain text';
COMMENT ON COLUMN herald.templates.parameters IS 'its parameters: a field (positional), or parameter_name=field (named)';
COMMENT ON COLUMN herald.templates.fields IS 'kept by a trigger: the fields of body, in order of appearance';
COMMENT ON COLUMN herald.templates.format IS 'kept by a trigger: body for format(), one %s a field';

CREATE TABLE herald.rules (
    name text COLLATE "C" PRIMARY KEY CHECK (name <> '' AND octet_length(name) <= 100),
    id int GENERATED ALWAYS AS IDENTITY UNIQUE,
    source text NOT NULL,
    template text COLLATE "C",
    every interval CHECK (every >= '1 s'),
    "offset" interval NOT NULL DEFAULT '0',
    timezone text,
    channel text COLLATE "C" NOT NULL DEFAULT 'whatsapp' REFERENCES herald.channels,
    sender text COLLATE "C" REFERENCES herald.senders ON UPDATE CASCADE,
    priority int NOT NULL DEFAULT 0,
    default_recipient text COLLATE "C",
    locale text COLLATE "C" NOT NULL DEFAULT '',
    max_attempts int NOT NULL DEFAULT 3 CHECK (max_attempts > 0),
    in_doubt text NOT NULL DEFAULT 'resend' CHECK (in_doubt IN ('resend', 'hold')),
    in_doubt_grace interval NOT NULL DEFAULT '10 s' CHECK (in_doubt_grace >= '0'),
    recheck boolean NOT NULL DEFAULT false,
    flood_limit int NOT NULL DEFAULT 1000 CHECK (flood_limit > 0),
    max_age interval NOT NULL DEFAULT '1 day' CHECK (max_age > '0'),
    time_limit interval NOT NULL DEFAULT '1 min' CHECK (time_limit > '0'),
    urgent boolean NOT NULL DEFAULT false,
    forget_after interval CHECK (forget_after > '0'),
    delete_after interval CHECK (delete_after > '0'),
    digest interval CHECK (digest > '0'),
    digest_template text COLLATE "C",
    digest_length int NOT NULL DEFAULT 10 CHECK (digest_length > 0),
    CONSTRAINT a_digest_needs_a_template CHECK (digest IS NULL OR digest_template IS NOT NULL),
    -- what the last sweep found
    next_sweep_at timestamptz,
    swept_at timestamptz,
    found bigint,
    new bigint,
    known bigint,
    suppressed bigint,
    failed bigint,
    took interval,
    -- what is wrong with it
    error text,
    error_at timestamptz,
    failures int NOT NULL DEFAULT 0,
    retry_at timestamptz,
    bad_keys bigint NOT NULL DEFAULT 0,
    bad_key_example text
);
COMMENT ON TABLE herald.rules IS 'A rule is a view; every row of it is a notification that ought to exist. Made by '
                                 'herald.add_rule()';
CREATE INDEX rules_recheck ON herald.rules (name) WHERE recheck OR digest IS NOT NULL;
COMMENT ON COLUMN herald.rules.digest
    IS 'what is due for one recipient within so long is told in one message, from digest_template over count, list and more';
COMMENT ON COLUMN herald.rules.digest_length IS 'so many of the gathered texts stand in the list';
COMMENT ON COLUMN herald.rules.forget_after
    IS 'so long after it was made, what a final message said, and to whom, is blanked; NULL: as herald.settings has it';
COMMENT ON COLUMN herald.rules.delete_after
    IS 'so long after it was made, a final message''s row goes, and its dedup_key with it; NULL: as herald.settings has it';
COMMENT ON COLUMN herald.rules.recheck IS 'what had to wait is sent only if the source still holds it';
COMMENT ON COLUMN herald.rules.bad_keys IS 'rows that can never be planned: dedup_key null, empty or over 512 bytes';

-- At most one task of a rule is planned at a time. An advisory lock could be taken by anybody who may connect; and who changes the
-- rule's own row need not wait for its planning.
CREATE TABLE herald.planning (
    rule text COLLATE "C" PRIMARY KEY REFERENCES herald.rules ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE herald.planning IS 'A row a rule: who plans it holds the row''s lock';

CREATE TABLE herald.watches (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tab text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL REFERENCES herald.rules ON DELETE CASCADE,
    key text COLLATE "C" NOT NULL,
    columns text[],
    may_ring boolean,
    UNIQUE (tab, rule)
);
COMMENT ON TABLE herald.watches IS 'Tables whose changes are captured for a rule. Made by herald.watch()';
COMMENT ON COLUMN herald.watches.may_ring
    IS 'NULL: ring unless max_prepared_transactions > 0, as a NOTIFY makes PREPARE TRANSACTION an error';

-- What was captured --------------------------------------------------------------------------------------------------

CREATE TABLE herald.events (
    rule text COLLATE "C" NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    key text COLLATE "C",
    captured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (rule, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);
COMMENT ON TABLE herald.events IS 'Changed rows'' keys, to be planned. A null key asks for a sweep';

CREATE TABLE herald.set_aside (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    error text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE herald.set_aside
    IS 'Keys whose row the rule''s source could not be evaluated for; delete the row, or herald.ring(rule, key) to try again';

CREATE TABLE herald.rechecks (
    rule text COLLATE "C" NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX rechecks_rule ON herald.rechecks (rule);
COMMENT ON TABLE herald.rechecks
    IS 'Rules whose due messages wait until the planner has confirmed or gathered them; nearly always empty';

-- History and queue in one -------------------------------------------------------------------------------------------

CREATE TABLE herald.lanes (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text COLLATE "C" NOT NULL,
    sender text COLLATE "C",
    rule text COLLATE "C",
    priority int NOT NULL DEFAULT 0,
    floor timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON COLUMN herald.lanes.floor IS 'nothing of it waits with an earlier next_at: see herald.raise_floors()';
-- Not unique: who makes one must not wait for another who does (herald.make_lane()).
CREATE INDEX lanes_key ON herald.lanes (channel, coalesce(sender, ''), coalesce(rule, ''), priority);
COMMENT ON TABLE herald.lanes IS 'Messages of one rule that the same senders may carry: what a hold of a rule or a sender '
                                 'stops as a whole';

CREATE TABLE herald.whatsapp_notifications (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    rule text COLLATE "C",
    dedup_key text COLLATE "C",
    recipient text COLLATE "C",
    target_kind text,
    target text COLLATE "C" CHECK (octet_length(target) <= 256),
    channel text COLLATE "C" NOT NULL DEFAULT 'whatsapp',
    sender text COLLATE "C",
    template text COLLATE "C",
    body text,
    payload jsonb,
    send_status text NOT NULL DEFAULT 'pending'
        CHECK (send_status IN ('pending', 'sending', 'sent', 'delivered', 'read', 'failed', 'in_doubt', 'suppressed', 'cancelled',
                               'expired')),
    attempts int NOT NULL DEFAULT 0,
    next_at timestamptz,
    response_code int,
    response_body text,
    error text,
    message_id text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    meter_number text,
    nocs_name text,
    duration_status text,
    class_id text,
    test_num text,
    -- internal
    lane int,
    owner bigint,
    attempt_id bigint,
    behind boolean NOT NULL DEFAULT false,
    resends int NOT NULL DEFAULT 0,
    resent_at timestamptz,
    doubled_at timestamptz,
    expires_at timestamptz,
    locale text COLLATE "C",
    gateway_template jsonb,
    confirmed_at timestamptz,
    media jsonb,
    part_of bigint,
    next_part bigint,
    gathers boolean,
    digest_id bigint
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 0.1);

-- What "once" means.
CREATE UNIQUE INDEX whatsapp_notifications_once ON herald.whatsapp_notifications (rule, dedup_key);
-- The queue: what waits, by lane and due time. send_status is in no index and no predicate, so that receipts stay HOT.
CREATE INDEX whatsapp_notifications_due ON herald.whatsapp_notifications (lane, next_at, id)
    WHERE next_at IS NOT NULL AND owner IS NULL AND NOT behind;
-- What is in flight. Attempt ids only grow.
CREATE INDEX whatsapp_notifications_in_flight ON herald.whatsapp_notifications (attempt_id) WHERE owner IS NOT NULL;
-- What waits for another message to the same target.
CREATE INDEX whatsapp_notifications_behind ON herald.whatsapp_notifications (target, id) WHERE behind;

COMMENT ON TABLE herald.whatsapp_notifications IS 'Every notification: what was sent, to whom, and what became of it';
COMMENT ON COLUMN herald.whatsapp_notifications.dedup_key
    IS 'what "once" means: one notification for each (rule, dedup_key), for as long as its row is kept';
COMMENT ON COLUMN herald.whatsapp_notifications.next_at IS 'when something must next be done about the row; NULL when final';
COMMENT ON COLUMN herald.whatsapp_notifications.attempts IS 'attempts spent; an attempt that was the sender''s fault costs none';
COMMENT ON COLUMN herald.whatsapp_notifications.lane IS 'internal: herald.lanes';
COMMENT ON COLUMN herald.whatsapp_notifications.owner IS 'internal: the incarnation that has it in flight';
COMMENT ON COLUMN herald.whatsapp_notifications.attempt_id IS 'internal: the last attempt; the fence of every later change';
COMMENT ON COLUMN herald.whatsapp_notifications.behind IS 'internal: waits for a message to the same target that is in flight';
COMMENT ON COLUMN herald.whatsapp_notifications.resends IS 'how often it was sent again after having been in doubt';
COMMENT ON COLUMN herald.whatsapp_notifications.confirmed_at IS 'internal: when its rule''s source was last seen to hold it still';
COMMENT ON COLUMN herald.whatsapp_notifications.media
    IS 'of a part: {"type": image, video, audio or document, "url", "caption", "filename"}';
COMMENT ON COLUMN herald.whatsapp_notifications.part_of IS 'of a part: the message that it belongs to';
COMMENT ON COLUMN herald.whatsapp_notifications.next_part IS 'the part that goes once this one is accepted';
COMMENT ON COLUMN herald.whatsapp_notifications.gathers IS 'internal: waits to be told with others of its rule in one message';
COMMENT ON COLUMN herald.whatsapp_notifications.digest_id IS 'the message that told it with others';
COMMENT ON COLUMN herald.whatsapp_notifications.doubled_at IS 'when it was learned that the recipient got it twice';

CREATE TABLE herald.attempts (
    attempt_id bigint PRIMARY KEY,
    notification_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sender text COLLATE "C",
    outcome text NOT NULL,
    scope text,
    response_code int,
    response_body text,
    error text,
    incarnation bigint
);
CREATE INDEX attempts_notification ON herald.attempts (notification_id);
COMMENT ON TABLE herald.attempts IS 'Attempts that were not simply accepted';

CREATE TABLE herald.moves (
    from_status text NOT NULL,
    to_status text NOT NULL,
    why text NOT NULL,
    PRIMARY KEY (from_status, to_status)
);
COMMENT ON TABLE herald.moves IS 'How send_status may change';
INSERT INTO herald.moves (from_status, to_status, why) VALUES
    ('pending', 'sending', 'claimed'),
    ('pending', 'sent', 'a late answer showed that it had been accepted'),
    ('pending', 'failed', 'a late answer showed that it had been rejected, or it can''t be rendered any more'),
    ('pending', 'cancelled', 'cancelled, or no longer true'),
    ('pending', 'expired', 'waited longer than its rule allows'),
    ('pending', 'suppressed', 'its recipient has opted out'),
    ('sending', 'sent', 'accepted'),
    ('sending', 'failed', 'rejected, or out of attempts'),
    ('sending', 'suppressed', 'rejected, as its recipient has opted out'),
    ('sending', 'pending', 'to be tried again, or given back unsent'),
    ('sending', 'in_doubt', 'no answer, or the daemon died'),
    ('in_doubt', 'pending', 'to be sent again: the rule''s policy, or a person'),
    ('in_doubt', 'sent', 'settled: it had been accepted'),
    ('in_doubt', 'failed', 'settled: it had been rejected'),
    ('in_doubt', 'cancelled', 'cancelled'),
    ('in_doubt', 'expired', 'waited longer than its rule allows'),
    ('in_doubt', 'suppressed', 'its recipient has opted out'),
    ('in_doubt', 'delivered', 'receipt'),
    ('in_doubt', 'read', 'receipt'),
    ('sent', 'in_doubt', 'accepted, and its gateway acknowledges nothing any more'),
    ('sent', 'delivered', 'receipt'),
    ('sent', 'read', 'receipt'),
    ('sent', 'failed', 'receipt'),
    ('delivered', 'read', 'receipt'),
    ('failed', 'pending', 'retried by a person'),
    ('failed', 'sent', 'a late answer showed that it had been accepted'),
    ('suppressed', 'pending', 'retried by a person'),
    ('cancelled', 'pending', 'retried by a person'),
    ('suppressed', 'sent', 'a late answer showed that it had been accepted'),
    ('cancelled', 'sent', 'a late answer showed that it had been accepted'),
    ('expired', 'pending', 'retried by a person'),
    ('expired', 'sent', 'a late answer showed that it had been accepted'),
    ('sent', 'pending', 'told again on request of a person'),
    ('delivered', 'pending', 'told again on request of a person'),
    ('read', 'pending', 'told again on request of a person');

-- State --------------------------------------------------------------------------------------------------------------

CREATE TABLE herald.holds (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('all', 'rule', 'sender', 'channel', 'recipient', 'template')),
    name text COLLATE "C" NOT NULL DEFAULT '',
    cause text COLLATE "C" NOT NULL CHECK (cause IN ('paused', 'new', 'flood', 'blocked', 'pair limit', 'template', 'opt-out',
                                                     'unpaired')),
    until timestamptz,
    reason text NOT NULL,
    who text NOT NULL DEFAULT session_user,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    failures int NOT NULL DEFAULT 0,
    proof text CHECK (proof IN ('health', 'health, then message', 'message', 'receipt')),
    PRIMARY KEY (kind, name, cause)
);
-- Opt-outs may be a million: what asks for other holds, or for the next that ends, does not meet them.
CREATE INDEX holds_opted_out ON herald.holds (name) WHERE cause = 'opt-out';
CREATE INDEX holds_others ON herald.holds (kind, name) WHERE cause <> 'opt-out';
CREATE INDEX holds_ending ON herald.holds (until) WHERE cause NOT IN ('opt-out', 'blocked');
COMMENT ON TABLE herald.holds IS 'What must not be sent now, and why. until NULL: until a person resumes it';
COMMENT ON COLUMN herald.holds.until IS 'of a blocked sender: when it is probed next';
COMMENT ON COLUMN herald.holds.proof
    IS 'of a blocked sender: what opens it: its gateway says that it is well, a message is accepted, a message is acknowledged';

CREATE TABLE herald.sender_state (
    sender text COLLATE "C" PRIMARY KEY,
    failures int NOT NULL DEFAULT 0,
    next_at timestamptz,
    acknowledged_at timestamptz,
    acknowledge_by timestamptz,
    trusted int
) WITH (fillfactor = 50);
COMMENT ON TABLE herald.sender_state
    IS 'Failures in a row, when the gap to the next message ends, and until when something must be acknowledged';
COMMENT ON COLUMN herald.sender_state.trusted
    IS 'after it was held: how many it may have in flight, one more with each that its gateway took or refused';
COMMENT ON COLUMN herald.sender_state.acknowledged_at
    IS 'when a receipt that was waited for last showed that its gateway acknowledges what it accepts';

CREATE TABLE herald.health (
    sender text COLLATE "C" PRIMARY KEY,
    ask_at timestamptz NOT NULL,
    asked_at timestamptz,
    is_well boolean,
    reason text,
    purpose text CHECK (purpose IN ('pair', 'unpair')),
    purpose_until timestamptz,
    code text,
    code_until timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE herald.health IS 'The senders whose gateway can say how they are: when it is asked next, and what it said last';
COMMENT ON COLUMN herald.health.purpose
    IS 'what a person wants of its session, until purpose_until; NULL: only to know how it is. One that was to be logged out, '
       'and may not be, keeps unpair without a time';
COMMENT ON COLUMN herald.health.code IS 'what the QR code says by which a telephone is paired: as good as a key';
COMMENT ON COLUMN herald.health.is_well IS 'NULL: not asked yet, or the answer told nothing';

CREATE TABLE herald.counts (
    kind text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    span_sec int NOT NULL,
    bucket bigint NOT NULL,
    n int NOT NULL,
    PRIMARY KEY (kind, name, span_sec, bucket)
) WITH (fillfactor = 50);
COMMENT ON TABLE herald.counts
    IS 'What was counted in each span of time: messages claimed of a sender (limits), made by a rule (flood)';

-- Claims follow each other, also across nodes. An advisory lock could be taken by anybody who may connect.
CREATE TABLE herald.claim_lock ();
COMMENT ON TABLE herald.claim_lock IS 'Empty: who claims messages holds its lock';

CREATE TABLE herald.floors (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    attempt_id bigint NOT NULL DEFAULT 0,
    event_id bigint NOT NULL DEFAULT 0,
    looked_at timestamptz NOT NULL DEFAULT '-infinity',
    event_id_then bigint NOT NULL DEFAULT 0,
    pending_at timestamptz NOT NULL DEFAULT '-infinity',
    pending_event_id bigint NOT NULL DEFAULT 0,
    pending_xid xid8 NOT NULL DEFAULT '0',
    reset_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
INSERT INTO herald.floors DEFAULT VALUES;
COMMENT ON TABLE herald.floors
    IS 'Where looks begin, so that they need not walk over what is long done and not yet vacuumed: see herald.raise_floors()';
COMMENT ON COLUMN herald.floors.attempt_id IS 'nothing in flight has a lower one';
COMMENT ON COLUMN herald.floors.event_id IS 'no event that waits has this id or a lower one';

CREATE TABLE herald.retention (
    what text PRIMARY KEY,
    passed_id bigint,
    began_at timestamptz NOT NULL DEFAULT '-infinity',
    first_id bigint,
    terms text
);
INSERT INTO herald.retention (what) VALUES ('delete'), ('forget');
COMMENT ON TABLE herald.retention
    IS 'How far the walks through the history have come that blank and delete what is old enough; '
       'passed_id NULL: none is under way';
COMMENT ON COLUMN herald.retention.first_id
    IS 'the first row that the next walk may have something to do with, as long as terms (what is kept for how long) are the same';

CREATE SEQUENCE herald.attempt_seq;
CREATE TABLE herald.incarnations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node text COLLATE "C" NOT NULL,
    host text,
    pid int,
    version text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE herald.incarnations IS 'Each start of a daemon';

CREATE TABLE herald.listeners (
    node text COLLATE "C" PRIMARY KEY,
    incarnation bigint NOT NULL,
    joins int NOT NULL DEFAULT 0,
    asleep_until timestamptz NOT NULL DEFAULT '-infinity',
    attended_until timestamptz NOT NULL DEFAULT '-infinity',
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    wakes bigint[] NOT NULL DEFAULT '{0,0,0}'
) WITH (fillfactor = 10);
COMMENT ON COLUMN herald.listeners.wakes IS 'how often it woke, since it started: rung for, by the clock, by the backstop';
COMMENT ON COLUMN herald.listeners.joins IS 'how often it joined: what it asked for before holds no longer';
-- Until a daemon has joined, nobody attends.
INSERT INTO herald.listeners (node, incarnation, seen_at) VALUES ('', 0, '-infinity');
COMMENT ON TABLE herald.listeners
    IS 'The daemons: who sleeps must be rung for; while none attends, only requests for sweeps are captured';

-- A row of a rule's source, with what it leaves out as NULL.
CREATE TYPE herald.due AS (
    dedup_key text,
    recipient text,
    data jsonb,
    template text,
    channel text,
    sender text,
    priority int,
    not_before timestamptz,
    expires_at timestamptz,
    locale text,
    body text,
    media jsonb
);

CREATE TYPE herald.plan_counts AS (
    found bigint,
    new bigint,
    known bigint,
    suppressed bigint,
    failed bigint,
    set_aside bigint
);

-- What herald.turn() yields; what each column holds depends on the kind of row: see there.
CREATE TYPE herald.turn_row AS (
    what text,
    id bigint,
    attempt_id bigint,
    sender text,
    target text,
    target_kind text,
    body text,
    detail text
);

RESET ROLE;
-- Created there for its owner's sake; its place is where the applications look.
ALTER TABLE herald.whatsapp_notifications SET SCHEMA public;

-- Only its layout has changed since it was first applied: databases may have it as
-- formerly 55b517a702a7bc2a6ad21d5391da377fb56f645f8f9287b50f17a3c40896ea5a
