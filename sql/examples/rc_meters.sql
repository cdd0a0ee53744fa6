-- A NOCS is told of meters whose remote connect does not get done.
--
--     psql -d app -f sql/examples/rc_meters.sql
--
-- A customer pays, and the metering system asks the meter to connect again. Mostly that takes minutes. In progress for one to
-- two hours it is an ALERT, for more than two hours the meter is STUCK and somebody has to go there: the WhatsApp group of its
-- NOCS (the local network operation and customer service) is told; the group DEFAULT where that NOCS has none. What nobody in
-- the group has read within half an hour goes to a supervisor, and what WhatsApp does not take goes out as an email.
--
-- Load it where `pgherald migrate` has been, as the owner of the tables and a member of herald_owner (or as superuser). It can
-- be loaded again after a change: tables, what is in them, and what an administrator changed in senders, recipients and holds
-- stay; view, templates and rule become what this file says.
--
-- Variables (psql -v NAME=VALUE), all optional:
--     gateway_url       base_url of wppconnect-server; without it http://127.0.0.1:21465
--     gateway_gap       least pause between two messages; without it 3 s
--     supervisor        number of who hears of what nobody read; without it the recipient SUPERVISOR stays as it is, and must
--                       be there
--     mail_url          base_url of a mail server, smtp://HOST:587 or smtps://HOST:465; without it nothing is mailed. With
--     mail_from         the address that mails come from
--     mail_to           the address for a NOCS that has none; without it the recipient DEFAULT of channel email stays as it is
--     metering_server   the meters are in another database, behind this foreign server: see part 1
\set ON_ERROR_STOP on

BEGIN;
SET LOCAL client_min_messages = warning;

-- 1. The application's tables -------------------------------------------------------------------------------------------------
--
-- They stand in for your own: leave this part out, and let the views of part 2 read what you have.
--
-- Where the metering system has a database of its own, they are foreign tables: the views read them as they read tables, but no
-- trigger can be put on what is elsewhere, so the sweep alone finds what is late, each minute. For a PostgreSQL, first
--
--     CREATE EXTENSION postgres_fdw;
--     CREATE SERVER metering FOREIGN DATA WRAPPER postgres_fdw
--            OPTIONS (host 'metering.example.org', dbname 'ami', connect_timeout '5');
--     CREATE USER MAPPING FOR CURRENT_USER SERVER metering OPTIONS (user 'reader', password 'kept in a file that psql reads');
--
-- as the role that loads this file, and then psql -v metering_server=metering. For an Oracle it is oracle_fdw, whose tables are
-- named OPTIONS (schema 'AMI', table 'METERS'): make the two foreign tables by hand, with the columns below, and load this
-- without the variable.

CREATE SCHEMA IF NOT EXISTS ami;

\if :{?metering_server}
CREATE FOREIGN TABLE IF NOT EXISTS ami.meters (
    meter_number text NOT NULL,
    nocs_name text,
    customer_number text NOT NULL
) SERVER :"metering_server" OPTIONS (schema_name 'ami', table_name 'meters');

CREATE FOREIGN TABLE IF NOT EXISTS ami.meter_status (
    meter_number text NOT NULL,
    rc_status text NOT NULL,
    rc_triggered_at timestamptz NOT NULL,
    balance numeric(12, 2)
) SERVER :"metering_server" OPTIONS (schema_name 'ami', table_name 'meter_status');
\else
CREATE TABLE IF NOT EXISTS ami.meters (
    meter_number text PRIMARY KEY,
    nocs_name text,
    customer_number text NOT NULL
);

CREATE TABLE IF NOT EXISTS ami.meter_status (
    meter_number text PRIMARY KEY REFERENCES ami.meters,
    rc_status text NOT NULL CHECK (rc_status IN ('IN_PROGRESS', 'CONNECTED', 'FAILED')),
    rc_triggered_at timestamptz NOT NULL DEFAULT now(),
    balance numeric(12, 2)
);
\endif
SELECT relkind = 'f' AS is_elsewhere FROM pg_class WHERE oid = 'ami.meter_status'::regclass \gset
\if :is_elsewhere
\else
-- What the sweep looks for: the few that are in progress, the oldest first.
CREATE INDEX IF NOT EXISTS meter_status_in_progress ON ami.meter_status (rc_triggered_at) WHERE rc_status = 'IN_PROGRESS';
\endif

-- 2. The rules' sources ---------------------------------------------------------------------------------------------------------
--
-- Every row is a notification that ought to exist; pgherald makes those that do not exist yet. A meter that is connected is no
-- row any more: nothing new is told of it.
--
-- Times are written in the installation's time zone, and not in that of whoever looks: the view shows in psql, letter by
-- letter, what would be sent. It reads the zone as its owner; herald_rules needs no right to the settings.

CREATE OR REPLACE VIEW ami.late_meters AS
SELECT s.meter_number AS key,  -- what the trigger captures; it must reach an index
       -- What "once" means: one notification for each meter, for good (as long as its row in the history is kept). A meter that
       -- was told of as ALERT is then not told of again when it is STUCK, nor when it hangs again next year. One of these in
       -- its place says otherwise; the epoch, as the text of a time would change with the time zone:
       --     one for each episode:
       --         s.meter_number || '/' || extract(epoch FROM s.rc_triggered_at)::bigint AS dedup_key,
       --     one for each severity of each episode (first ALERT, an hour later STUCK):
       --         s.meter_number || '/' || extract(epoch FROM s.rc_triggered_at)::bigint || '/' || v.severity AS dedup_key,
       s.meter_number AS dedup_key,
       m.nocs_name AS recipient,  -- a name in herald.recipients
       CASE v.severity WHEN 'STUCK' THEN 'rc_meter_stuck' ELSE 'rc_meter_alert' END AS template,
       -- For template and history: meter_number, nocs_name and duration_status fill the history's columns of these names.
       -- What may be missing gets a word of its own: a null would end the message as failed, and this one must get through.
       jsonb_build_object(
           'meter_number', s.meter_number,
           'nocs_name', coalesce(m.nocs_name, 'unknown'),
           'customer_number', m.customer_number,
           'duration_status', v.severity,
           'duration', v.minutes / 60 || 'h ' || v.minutes % 60 || 'm',
           'triggered', to_char(s.rc_triggered_at AT TIME ZONE z.value, 'DD-MM-YYYY HH24:MI:SS'),
           'balance', coalesce(CASE WHEN s.balance < 0 THEN '-' ELSE '' END || '৳'
                               || to_char(abs(s.balance), 'FM9,999,999,990.00'), 'unknown'),
           'generated', to_char(now() AT TIME ZONE z.value, 'FMDD Mon YYYY, FMHH12:MI AM')) AS data
  FROM ami.meter_status s
  JOIN ami.meters m ON m.meter_number = s.meter_number
  JOIN herald.settings z ON z.name = 'timezone'
 CROSS JOIN LATERAL (SELECT CASE WHEN s.rc_triggered_at < now() - interval '2 hours' THEN 'STUCK' ELSE 'ALERT' END AS severity,
                            floor(extract(epoch FROM now() - s.rc_triggered_at) / 60)::bigint AS minutes) v
 WHERE s.rc_status = 'IN_PROGRESS'
   AND s.rc_triggered_at <= now() - interval '1 hour';

-- What a group was told half an hour ago or more, and none of it has read, while the meter still hangs: once for each message.
-- It wants receipts (`pgherald web`): a group's message counts as read when one of its members has read it.
CREATE OR REPLACE VIEW ami.unread AS
SELECT n.id::text AS dedup_key,
       'SUPERVISOR' AS recipient,
       jsonb_build_object('what', coalesce('meter ' || n.meter_number, concat(n.payload ->> 'count', ' meters')),
                          'nocs_name', coalesce(n.nocs_name, n.recipient), 'duration_status', coalesce(n.duration_status, 'LATE'),
                          'minutes', floor(extract(epoch FROM now() - n.sent_at) / 60)::bigint) AS data
  FROM public.whatsapp_notifications n
 WHERE n.rule = 'rc_meters' AND n.created_at > now() - interval '1 day'
   AND n.send_status IN ('sent', 'delivered') AND n.sent_at < now() - interval '30 min'
   -- Itself, or one of several that it told together.
   AND n.id IN (SELECT coalesce(t.digest_id, t.id) FROM public.whatsapp_notifications t
                  JOIN ami.meter_status s ON s.meter_number = t.meter_number AND s.rc_status = 'IN_PROGRESS'
                 WHERE t.rule = 'rc_meters' AND t.created_at > now() - interval '2 days');

-- What WhatsApp did not take: refused, out of attempts, in doubt, or waiting for a quarter of an hour, as its gateway is down
-- or its session lost. It is mailed with the same text, to the address of its NOCS; once the gateway works again, the group
-- gets it too.
CREATE OR REPLACE VIEW ami.not_taken AS
SELECT n.id::text AS dedup_key,
       coalesce(n.recipient, 'DEFAULT') AS recipient,
       jsonb_build_object('meter_number', n.meter_number, 'nocs_name', n.nocs_name, 'duration_status', n.duration_status) AS data,
       n.body
  FROM public.whatsapp_notifications n
 WHERE n.rule = 'rc_meters' AND n.created_at > now() - interval '1 day' AND n.body IS NOT NULL
   AND (n.send_status = 'failed'
        OR n.send_status IN ('pending', 'sending', 'in_doubt', 'expired') AND n.created_at < now() - interval '15 min');

-- How it went, for reports: a line for each day, NOCS and severity; times are from planning to when the first of the group had
-- it, and had read it. What was told with others counts as the message that told it.
CREATE OR REPLACE VIEW ami.deliveries AS
SELECT (n.created_at AT TIME ZONE z.value)::date AS day, n.nocs_name, n.duration_status, count(*) AS meters,
       count(*) FILTER (WHERE m.status IN ('sent', 'delivered', 'read')) AS sent,
       count(*) FILTER (WHERE m.status IN ('delivered', 'read')) AS delivered,
       count(*) FILTER (WHERE m.status = 'read') AS read,
       count(*) FILTER (WHERE m.status = 'failed') AS failed,
       count(*) FILTER (WHERE m.status IN ('pending', 'sending', 'in_doubt')) AS waiting,
       count(*) FILTER (WHERE m.status IN ('suppressed', 'cancelled', 'expired')) AS not_sent,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY m.delivered_at - n.created_at) AS median_delivered_after,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY m.read_at - n.created_at) AS median_read_after
  FROM public.whatsapp_notifications n
  JOIN herald.settings z ON z.name = 'timezone'
  LEFT JOIN public.whatsapp_notifications d ON d.id = n.digest_id
 CROSS JOIN LATERAL (SELECT coalesce(d.send_status, n.send_status) AS status,
                            coalesce(d.delivered_at, n.delivered_at) AS delivered_at,
                            coalesce(d.read_at, n.read_at) AS read_at) m
 WHERE n.rule = 'rc_meters' AND n.meter_number IS NOT NULL
 GROUP BY 1, 2, 3;

-- The same of the last 30 days, a line for each NOCS, the one with most meters first.
CREATE OR REPLACE VIEW ami.statistics AS
SELECT d.nocs_name, sum(d.meters) AS meters, sum(d.meters) FILTER (WHERE d.duration_status = 'STUCK') AS stuck,
       round(100.0 * sum(d.sent) / nullif(sum(d.sent) + sum(d.failed), 0), 1) AS sent_percent,
       round(100.0 * sum(d.read) / nullif(sum(d.sent), 0), 1) AS read_percent, max(d.day) AS last_day
  FROM ami.deliveries d
 WHERE d.day > current_date - 30
 GROUP BY d.nocs_name
 ORDER BY meters DESC, d.nocs_name;

-- Views are evaluated as herald_rules, which reads what it is granted here and nothing else.
GRANT USAGE ON SCHEMA ami TO herald_rules;
GRANT SELECT ON ami.late_meters, ami.unread, ami.not_taken TO herald_rules;

-- 3. Templates: the view's column "template" chooses --------------------------------------------------------------------------

INSERT INTO herald.templates (name, body) VALUES
('rc_meter_stuck', '🚨 URGENT: RC METER STUCK 🚨

📍 NOCS: {{nocs_name}}
🔢 Meter: {{meter_number}}
👤 Customer: {{customer_number}}

⏱️ Status: {{duration_status}}
⌛ Duration: {{duration}}
🕒 Triggered: {{triggered}}

💰 Balance: {{balance}}

⚠️ Action Required:
Requires physical connection - manual intervention needed

Generated: {{generated}}
━━━━━━━━━━━━━━━━━
DPDC AMI Monitoring System'),
('rc_meter_alert', '⚠️ ALERT: RC METER DELAYED ⚠️

📍 NOCS: {{nocs_name}}
🔢 Meter: {{meter_number}}
👤 Customer: {{customer_number}}

⏱️ Status: {{duration_status}}
⌛ Duration: {{duration}}
🕒 Triggered: {{triggered}}

💰 Balance: {{balance}}

⚠️ Action Required:
Monitor the remote connection - physical connection needed if it is not done within 2 hours

Generated: {{generated}}
━━━━━━━━━━━━━━━━━
DPDC AMI Monitoring System'),
('rc_meter_unread', '👀 {{duration_status}}: nobody in {{nocs_name}} has read of {{what}}, for {{minutes}} minutes')
ON CONFLICT (name, locale) DO UPDATE SET body = EXCLUDED.body;

-- 4. The sender, and the groups that it is a member of -------------------------------------------------------------------------
--
-- An unofficial gateway writes through an ordinary account, which WhatsApp bars when it behaves like a machine: one message at
-- a time, a pause between two (with jitter), and a limit a day, held across all nodes. credential is the NAME of the session's
-- token, whose value is a file that only the daemon reads: pgherald.conf(5).

INSERT INTO herald.senders (name, gateway, base_url, account, credential, limits, gap, max_in_flight)
VALUES ('ami', 'wppconnect', 'http://127.0.0.1:21465', '{"session": "ami"}', 'ami_token', '{1000/1 day}', '3 s', 1)
ON CONFLICT (name) DO NOTHING;
\if :{?gateway_url}
UPDATE herald.senders SET base_url = :'gateway_url' WHERE name = 'ami';
\endif
\if :{?gateway_gap}
UPDATE herald.senders SET gap = :'gateway_gap' WHERE name = 'ami';
\endif

-- A group belongs to the account that is a member of it, so each names its sender. Put your groups' ids here, as
-- `pgherald groups ami` lists them; `pgherald check` names those that the account is not in. A NOCS that is not here goes to
-- DEFAULT.
INSERT INTO herald.recipients (name, kind, address, sender) VALUES
    ('DEFAULT', 'group', '120363000000000000@g.us', 'ami'),
    ('NOCS-1', 'group', '120363000000000001@g.us', 'ami'),
    ('NOCS-2', 'group', '120363000000000002@g.us', 'ami')
ON CONFLICT (name, channel) DO NOTHING;

\if :{?supervisor}
INSERT INTO herald.recipients (name, address) VALUES ('SUPERVISOR', :'supervisor')
ON CONFLICT (name, channel) DO UPDATE SET address = EXCLUDED.address;
\endif
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM herald.recipients r WHERE r.name = 'SUPERVISOR') THEN
        RAISE WARNING 'there is no recipient "SUPERVISOR", so nobody hears of what it is for'
            USING HINT = 'psql -v supervisor=+… -f this file, or INSERT INTO herald.recipients (name, address) VALUES '
                         '(''SUPERVISOR'', …).';
    END IF;
END
$$;

-- Mails. An address for a NOCS is a row of its own: ('NOCS-1', 'email', 'nocs-1@example.org'). credential: the password of
-- "user" in account.
\if :{?mail_url}
INSERT INTO herald.senders (name, channel, gateway, base_url, account)
VALUES ('ami_mail', 'email', 'smtp', :'mail_url', jsonb_build_object('from', :'mail_from')) ON CONFLICT (name) DO NOTHING;
\if :{?mail_to}
INSERT INTO herald.recipients (name, channel, address) VALUES ('DEFAULT', 'email', :'mail_to')
ON CONFLICT (name, channel) DO UPDATE SET address = EXCLUDED.address;
\endif
\endif

-- 5. The rules ------------------------------------------------------------------------------------------------------------------
--
-- The trigger tells of what changes: a meter whose remote connect is reported late is told of at once. But most meters get
-- late by doing nothing, and no trigger fires when only the clock moves: those the sweep finds, every 15 minutes.

\if :is_elsewhere
SELECT herald.add_rule('rc_meters', 'ami.late_meters', every => '1 min', sender => 'ami', default_recipient => 'DEFAULT');
\else
SELECT herald.add_rule('rc_meters', 'ami.late_meters', every => '15 min', sender => 'ami', default_recipient => 'DEFAULT');
SELECT herald.watch('ami.meter_status', 'rc_meters', key => 'meter_number', columns => '{rc_status,rc_triggered_at}');
\endif

-- recheck: what is read, or connected, before the supervisor's turn is not told. urgent: it does not wait for the end of quiet
-- hours.
SELECT herald.add_rule('rc_meters_unread', 'ami.unread', 'rc_meter_unread', every => '1 min', sender => 'ami', recheck => true,
                       urgent => true, priority => 5);
\if :{?mail_url}
SELECT herald.add_rule('rc_meters_mail', 'ami.not_taken', every => '1 min', channel => 'email', sender => 'ami_mail',
                       default_recipient => 'DEFAULT');
\endif

COMMIT;

-- 6. Using it -------------------------------------------------------------------------------------------------------------------
--
-- A new rule starts paused. Look at what it would send, then let it go; `--discard` takes what is late now as told:
--
--     pgherald sweep rc_meters --dry-run
--     pgherald resume rule rc_meters
--     pgherald resume rule rc_meters_unread
--     pgherald resume rule rc_meters_mail
--
-- What the application does:
--
--     INSERT INTO ami.meters VALUES ('12345678', 'NOCS-1', 'CUST123');
--     INSERT INTO ami.meter_status VALUES ('12345678', 'IN_PROGRESS', now() - interval '2 hours 30 min', 1234.56);
--
-- What was told:
--
--     SELECT meter_number, nocs_name, duration_status, send_status, sent_at FROM whatsapp_notifications ORDER BY id DESC LIMIT 10;
--     SELECT nocs_name, count(*) FROM whatsapp_notifications WHERE rule = 'rc_meters' GROUP BY nocs_name;
--
-- How it went, by NOCS, severity and day; by NOCS in the last 30 days; this week's figures of one NOCS as CSV:
--
--     SELECT * FROM ami.deliveries ORDER BY day DESC, nocs_name, duration_status LIMIT 20;
--     SELECT * FROM ami.statistics;
--     COPY (SELECT * FROM ami.deliveries WHERE nocs_name = 'NOCS-1' AND day > current_date - 7 ORDER BY day)
--       TO STDOUT (FORMAT csv, HEADER);
--
-- Retry what failed: all of it, of this rule, of one NOCS, of one meter. Each gets fresh attempts and today's group; the text is
-- made again of the values that were kept, so duration and time are those of the first time.
--
--     SELECT herald.retry_all('failed');
--     SELECT herald.retry_all('failed', 'rc_meters');
--     SELECT herald.retry(id) FROM whatsapp_notifications WHERE send_status = 'failed' AND nocs_name = 'NOCS-1';
--     SELECT herald.retry(id) FROM whatsapp_notifications WHERE send_status = 'failed' AND meter_number = '12345678';
--
-- Tell of a meter anew, if it is still late, with what is true now: forget that it was told, and ring for it. Without the second
-- line the next sweep does it.
--
--     DELETE FROM whatsapp_notifications WHERE rule = 'rc_meters' AND dedup_key = '12345678';
--     SELECT herald.ring('rc_meters', '12345678');
--
-- Leave a meter alone from now on: as long as this row is kept, nothing is told of it.
--
--     INSERT INTO whatsapp_notifications (rule, dedup_key, recipient, send_status, error)
--     VALUES ('rc_meters', '12345678', 'NOCS-1', 'suppressed', 'under repair, says the NOCS');
--
-- One failed concentrator leaves two hundred meters stuck. A message to the group for all that got late within five minutes,
-- with a line for each of the first ten, in place of two hundred:
--
--     CREATE OR REPLACE VIEW ami.late_meters_gathered AS SELECT key, dedup_key, recipient, data FROM ami.late_meters;
--     GRANT SELECT ON ami.late_meters_gathered TO herald_rules;
--     INSERT INTO herald.templates (name, body) VALUES
--         ('rc_meter_line', '{{duration_status}} {{meter_number}}, customer {{customer_number}}, for {{duration}}'),
--         ('rc_meters_gathered', E'🚨 {{count}} RC METERS LATE 🚨\n\n{{list}}\n{{more}}');
--     SELECT herald.add_rule('rc_meters', 'ami.late_meters_gathered', 'rc_meter_line', every => '15 min', sender => 'ami',
--                            default_recipient => 'DEFAULT', digest => '5 min', digest_template => 'rc_meters_gathered');
--
-- Take it out again (the history stays, and so do SUPERVISOR and addresses for mails, which other rules may name):
--
--     SELECT herald.drop_rule(name) FROM herald.rules WHERE name LIKE 'rc\_meters%';
--     DELETE FROM herald.templates WHERE name LIKE 'rc\_meter%';
--     DELETE FROM herald.recipients WHERE sender IN ('ami', 'ami_mail');
--     DELETE FROM herald.senders WHERE name IN ('ami', 'ami_mail');
--     DROP SCHEMA ami CASCADE;
