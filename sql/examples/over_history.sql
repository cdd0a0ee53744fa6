-- Rules over pgherald's own tables: the supervisor hears of what nobody read, the administrator of too many failures and of senders
-- that don't work.
--
--     psql -d app -v supervisor=+8801711000001 -v administrator=+8801711000002 -f sql/examples/over_history.sql
--
-- History and holds are tables, so a rule over it needs no more than a view. Fallback to another channel is built in and needs
-- none: UPDATE herald.channels SET fallback = 'sms' WHERE name = 'whatsapp'.
--
-- Load it where `pgherald migrate` has been, as a member of herald_owner (or as superuser); again after a change.
--
-- Variables (psql -v NAME=VALUE), both optional; without them the recipients stay as they are, and must be there:
--     supervisor, administrator   their numbers, in E.164
\set ON_ERROR_STOP on

BEGIN;
SET LOCAL client_min_messages = warning;

-- 1. Who is told ----------------------------------------------------------------------------------------------------------------

\if :{?supervisor}
INSERT INTO herald.recipients (name, address) VALUES ('supervisor', :'supervisor')
ON CONFLICT (name, channel) DO UPDATE SET address = EXCLUDED.address;
\endif
\if :{?administrator}
INSERT INTO herald.recipients (name, address) VALUES ('administrator', :'administrator')
ON CONFLICT (name, channel) DO UPDATE SET address = EXCLUDED.address;
\endif

-- 2. The rules' sources ---------------------------------------------------------------------------------------------------------
--
-- Both look at one day: on a history of millions, CREATE INDEX ON whatsapp_notifications (created_at) keeps that quick.

CREATE SCHEMA IF NOT EXISTS oversight;

-- What was sent half an hour ago or more, and not read: once for each message. It wants receipts (`pgherald web`); a group's
-- message counts as read when one of its members has read it. What supervisor and administrator were told is not escalated, to
-- the supervisor again.
CREATE OR REPLACE VIEW oversight.unread AS
SELECT n.id::text AS dedup_key,
       'supervisor' AS recipient,
       jsonb_build_object('id', n.id, 'rule', coalesce(n.rule, 'by hand'), 'recipient', coalesce(n.recipient, n.target),
                          'sent', to_char(n.sent_at AT TIME ZONE current_setting('TimeZone'), 'DD Mon, HH24:MI'),
                          'body', left(n.body, 500)) AS data
  FROM public.whatsapp_notifications n
 WHERE n.created_at > now() - interval '1 day'
   AND n.send_status IN ('sent', 'delivered') AND n.sent_at < now() - interval '30 min'
   AND n.rule IS DISTINCT FROM 'unread' AND n.rule IS DISTINCT FROM 'failing' AND n.channel = 'whatsapp'
   AND lower(coalesce(n.recipient, '')) NOT IN ('supervisor', 'administrator')
   -- A rule that has an escalation of its own, named after it, as rc_meters has.
   AND NOT EXISTS (SELECT FROM herald.rules r WHERE r.name = n.rule || '_unread');

-- More than a tenth of the last hour's messages failed, of twenty at least: once an hour, whatever the number. What is told here
-- does not count, or one that fails would raise the next alarm.
CREATE OR REPLACE VIEW oversight.failing AS
SELECT to_char(now(), 'YYYY-MM-DD HH24') AS dedup_key,
       'administrator' AS recipient,
       jsonb_build_object('failed', f.failed, 'total', f.total, 'percent', round(100.0 * f.failed / f.total),
                          'example', left(f.example, 200)) AS data
  FROM (SELECT count(*) AS total, count(*) FILTER (WHERE n.send_status = 'failed') AS failed,
               max(n.error) FILTER (WHERE n.send_status = 'failed') AS example
          FROM public.whatsapp_notifications n
         WHERE n.created_at > now() - interval '1 hour' AND n.next_at IS NULL
           AND n.rule IS DISTINCT FROM 'unread' AND n.rule IS DISTINCT FROM 'failing') f
 WHERE f.total >= 20 AND f.failed * 10 > f.total;

-- A sender that has been held for a minute: once each time. Another one must carry the news, of this channel or of another:
-- with a single sender, let the administrator have an address on the channel email, and the rule that channel.
CREATE OR REPLACE VIEW oversight.held AS
SELECT h.name || '/' || extract(epoch FROM h.since)::bigint AS dedup_key,
       'administrator' AS recipient,
       jsonb_build_object('sender', h.name, 'since', to_char(h.since AT TIME ZONE current_setting('TimeZone'), 'DD Mon, HH24:MI'),
                          'reason', left(h.reason, 300)) AS data
  FROM herald.holds h
 WHERE h.kind = 'sender' AND h.cause = 'blocked' AND h.since < now() - interval '1 min';

GRANT USAGE ON SCHEMA oversight TO herald_rules;
GRANT SELECT ON oversight.unread, oversight.failing, oversight.held TO herald_rules;

-- 3. Templates ------------------------------------------------------------------------------------------------------------------

INSERT INTO herald.templates (name, body) VALUES
('unread',  E'👀 Not read since {{sent}}\n'
             'For {{recipient}} ({{rule}}, no. {{id}}):\n'
             '\n'
             '{{body}}'),
('failing', E'🔥 {{failed}} of the last hour''s {{total}} messages failed ({{percent}} %)\n'
             'For example: {{example}}'),
('held',    E'⛔ Sender {{sender}} has been held since {{since}}\n'
             '{{reason}}')
ON CONFLICT (name, locale) DO UPDATE SET body = EXCLUDED.body;

-- 4. The rules ------------------------------------------------------------------------------------------------------------------
--
-- Time passes without any trigger, so they are swept often. recheck: what is read before the supervisor's turn is not told, nor a
-- sender that works again.
-- urgent: an alarm does not wait for the end of anybody's quiet hours.

SELECT herald.add_rule('unread', 'oversight.unread', 'unread', every => '5 min', recheck => true);
SELECT herald.add_rule('failing', 'oversight.failing', 'failing', every => '1 min', priority => 10, urgent => true);
SELECT herald.add_rule('held', 'oversight.held', 'held', every => '1 min', priority => 10, urgent => true, recheck => true);

COMMIT;

-- 5. Using it -------------------------------------------------------------------------------------------------------------------
--
--     pgherald sweep unread --dry-run
--     pgherald resume rule unread
--     pgherald resume rule failing
--     pgherald resume rule held
--
-- Of one rule only, or after another time: change the view; no rule has to be told of it.
--
-- Take it out again (the history stays, and so do the recipients, whom other rules may name):
--
--     SELECT herald.drop_rule('unread'), herald.drop_rule('failing'), herald.drop_rule('held');
--     DELETE FROM herald.templates WHERE name IN ('unread', 'failing', 'held');
--     DROP SCHEMA oversight CASCADE;
