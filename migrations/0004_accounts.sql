-- Who said what: a person's wish is of the account that they told it.
SET LOCAL ROLE herald_owner;

ALTER TABLE herald.heard RENAME COLUMN language TO scope;
COMMENT ON COLUMN herald.heard.scope
    IS 'of a template its language; of a person the account that they told, or "pgherald" where the gateway said so; empty: a '
       'role of the database';

RESET ROLE;
