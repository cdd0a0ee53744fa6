-- What a gateway says of a template holds the messages of the senders whose app secret has signed it.
SET LOCAL ROLE herald_owner;

ALTER TABLE herald.holds ADD COLUMN app_secrets text[];
COMMENT ON COLUMN herald.holds.app_secrets
    IS 'of a template: the names of the app secrets with which its gateway signed that it is not sent; it is held for senders '
       'of these alone. NULL: for all';

-- Their scope is now the language and the name of the app secret; what is said next counts.
DELETE FROM herald.heard WHERE kind = 'template';
COMMENT ON COLUMN herald.heard.scope
    IS 'of a template its language and, after a space, the name of the app secret that signed it; of a person the account that '
       'they told, or "pgherald" where the gateway said so; empty: a role of the database';

RESET ROLE;
