-- What webhooks need: a place for receipts that come before the answer that they belong to, counters, a way to a row from a
-- gateway's message id, and a memory of what was last said of people and templates.
SET LOCAL ROLE herald_owner;

CREATE TABLE herald.receipts_early (
    message_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    notification_id bigint,
    attempt_id bigint,
    gateway text COLLATE "C" NOT NULL,
    account text NOT NULL,
    at timestamptz,
    error text,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (message_id, status)
);
COMMENT ON TABLE herald.receipts_early IS 'Receipts of messages whose own answer is not recorded yet; nearly always empty';

CREATE TABLE herald.receipt_counts (
    kind text COLLATE "C" PRIMARY KEY,
    n bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE herald.receipt_counts
    IS 'What webhooks told so far: receipts by what they said, those ignored, and what changed of people and templates';

CREATE TABLE herald.latency_counts (
    stage text COLLATE "C",
    place int,
    minute bigint,
    session int,
    n bigint NOT NULL,
    sec float8 NOT NULL,
    PRIMARY KEY (stage, place, minute, session)
) WITH (fillfactor = 50);
COMMENT ON TABLE herald.latency_counts
    IS 'How many messages took how long until they were sent, delivered and read: see herald.count_latencies()';
COMMENT ON COLUMN herald.latency_counts.place
    IS 'of the first of herald.latency_bounds() that is not below; one more than these are: all are below';
COMMENT ON COLUMN herald.latency_counts.minute
    IS 'since 1970, counted by the session of this process id; 0: all earlier minutes together';

CREATE TABLE herald.web (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    up_since timestamptz NOT NULL DEFAULT '-infinity',
    seen_at timestamptz NOT NULL DEFAULT '-infinity',
    silent_since timestamptz
) WITH (fillfactor = 10);
INSERT INTO herald.web DEFAULT VALUES;
COMMENT ON TABLE herald.web IS 'Whether receipts can come: since when pgherald web has been up without a break, and when it '
                               'was last seen';
COMMENT ON COLUMN herald.web.silent_since
    IS 'since when no sender has been acknowledged, and that can''t be their fault alone; NULL: it is not so';

CREATE TABLE herald.heard (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('recipient', 'template')),
    name text COLLATE "C" NOT NULL,
    language text COLLATE "C" NOT NULL DEFAULT '',
    said text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (kind, name, language)
);
CREATE INDEX heard_at ON herald.heard (at) WHERE kind = 'recipient';
COMMENT ON TABLE herald.heard IS 'What was last said of a person or a gateway''s template, and when: what is older does not '
                                 'count, as webhooks come in any order';

INSERT INTO herald.settings (name, value, meaning) VALUES
    ('stop_words', 'STOP, UNSUBSCRIBE',
     'who types one of these, and nothing else, is opted out; in any case, with commas between; empty: none'),
    ('start_words', 'START, SUBSCRIBE', 'who types one of these, and nothing else, is opted in again');

-- For the figures: what went wrong lately, and what is in doubt.
CREATE INDEX attempts_at ON herald.attempts (at);
CREATE INDEX attempts_in_doubt ON herald.attempts (attempt_id) WHERE outcome LIKE '%in_doubt%';

RESET ROLE;

-- Only for gateways that echo nothing of ours: the Cloud API's receipts carry the row's id, and its messages stay out of this
-- index, so that recording their answers costs no more than before. Whose role moved the table to its place may index it there.
CREATE INDEX whatsapp_notifications_message ON public.whatsapp_notifications (message_id)
    WHERE message_id NOT LIKE 'wamid.%';

-- Only its layout has changed since it was first applied: databases may have it as
-- formerly 486299dba0f9b6e9135e3ba8008bd336f95f788108c90166bb355dd39974b13b
