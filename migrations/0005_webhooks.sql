-- What webhooks say, and what it means that none come.
SET LOCAL ROLE herald_owner;

-- What a gateway says of a template holds the messages of the senders whose app secret has signed it.
ALTER TABLE herald.holds ADD COLUMN app_secrets text[];
COMMENT ON COLUMN herald.holds.app_secrets
    IS 'of a template: the names of the app secrets with which its gateway signed that it is not sent; it is held for senders '
       'of these alone. NULL: for all';

-- Their scope is now the language and the name of the app secret; what is said next counts.
DELETE FROM herald.heard WHERE kind = 'template';
COMMENT ON COLUMN herald.heard.scope
    IS 'of a template its language and, after a space, the name of the app secret that signed it; of a person the account that '
       'they told, or "pgherald" where the gateway said so; empty: a role of the database';

-- Silence proves nothing about a message.
DELETE FROM herald.moves WHERE from_status = 'sent' AND to_status = 'in_doubt';

-- A copy needs a reason: what is in doubt is sent again once, unless a rule wants it otherwise.
ALTER TABLE herald.rules ADD COLUMN resend_limit int NOT NULL DEFAULT 1 CHECK (resend_limit >= 0);
COMMENT ON COLUMN herald.rules.resend_limit IS 'a message that was in doubt and sent again so many times waits for a person';
ALTER TABLE herald.settings DISABLE TRIGGER USER;
DELETE FROM herald.settings WHERE name = 'resend_limit';
ALTER TABLE herald.settings ENABLE TRIGGER USER;

RESET ROLE;
