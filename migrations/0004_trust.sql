-- What faces the network speaks for its own account, and can hold up nobody.
SET LOCAL ROLE herald_owner;

ALTER TABLE herald.heard RENAME COLUMN language TO scope;
COMMENT ON COLUMN herald.heard.scope
    IS 'of a template its language; of a person the account that they told, or "pgherald" where the gateway said so; empty: a '
       'role of the database';

-- Receipts lock what they change of a sender; claims lock what they count for it: rows of their own, or the one could stop the
-- other.
CREATE TABLE herald.acknowledgements (
    sender text COLLATE "C" PRIMARY KEY,
    acknowledged_at timestamptz,
    acknowledge_by timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE herald.acknowledgements
    IS 'Of senders whose gateway acknowledges: since when it has, and until when something must be acknowledged';
COMMENT ON COLUMN herald.acknowledgements.acknowledged_at
    IS 'when something was acknowledged after it had been waited for, or for the first time';
INSERT INTO herald.acknowledgements (sender, acknowledged_at, acknowledge_by)
SELECT s.sender, s.acknowledged_at, s.acknowledge_by FROM herald.sender_state s
 WHERE s.acknowledged_at IS NOT NULL OR s.acknowledge_by IS NOT NULL;
ALTER TABLE herald.sender_state DROP COLUMN acknowledged_at, DROP COLUMN acknowledge_by;
COMMENT ON TABLE herald.sender_state IS 'Failures in a row, and when the gap to the next message ends';

ALTER TABLE herald.listeners ADD COLUMN backend int;
COMMENT ON COLUMN herald.listeners.backend
    IS 'the server''s process that serves its dispatcher, which must be there for the node''s name to be taken';

CREATE TABLE herald.wake_requests (
    name text COLLATE "C" NOT NULL
);
COMMENT ON TABLE herald.wake_requests
    IS 'Recipients and templates whose holds have gone: a turn wakes what was deferred for them. Who takes a hold away takes '
       'no lock';

RESET ROLE;
