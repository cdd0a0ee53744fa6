-- What receipts need: a place for those that come before the answer that they belong to, counters, and a way to a row from a
-- gateway's message id.
SET LOCAL ROLE herald_owner;

CREATE TABLE herald.receipts_early (
    message_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    notification_id bigint,
    attempt_id bigint,
    gateway text NOT NULL,
    account text NOT NULL,
    at timestamptz,
    error text,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (message_id, status)
);
COMMENT ON TABLE herald.receipts_early IS 'Receipts of messages whose own answer is not recorded yet; nearly always empty';

CREATE TABLE herald.receipt_counts (
    kind text PRIMARY KEY,
    n bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE herald.receipt_counts IS 'Receipts taken so far by what they said, and those ignored';

-- For the figures: what went wrong lately, and what is in doubt.
CREATE INDEX attempts_at ON herald.attempts (at);
CREATE INDEX attempts_in_doubt ON herald.attempts (attempt_id) WHERE outcome LIKE '%in_doubt%';

RESET ROLE;

-- Only for gateways that echo nothing of ours: the Cloud API's receipts carry the row's id, and its messages stay out of this
-- index, so that recording their answers costs no more than before. Whose role moved the table to its place may index it there.
CREATE INDEX whatsapp_notifications_message ON public.whatsapp_notifications (message_id)
    WHERE message_id NOT LIKE 'wamid.%';
