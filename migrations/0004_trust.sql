-- What faces the network speaks for its own account, and can hold up nobody.
SET LOCAL ROLE herald_owner;

ALTER TABLE herald.heard RENAME COLUMN language TO scope;
COMMENT ON COLUMN herald.heard.scope
    IS 'of a template its language; of a person the account that they told, or "pgherald" where the gateway said so; empty: a '
       'role of the database';

CREATE TABLE herald.wake_requests (
    name text COLLATE "C" NOT NULL
);
COMMENT ON TABLE herald.wake_requests
    IS 'Recipients and templates whose holds have gone: a turn wakes what was deferred for them. Who takes a hold away takes '
       'no lock';

RESET ROLE;
