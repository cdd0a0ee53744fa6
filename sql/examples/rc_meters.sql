-- A NOCS is told of meters whose remote connect does not get done.
--
--     psql -d app -f sql/examples/rc_meters.sql
--
-- A customer pays, and the metering system asks the meter to connect again. Mostly that takes minutes. In progress for one to
-- two hours it is an ALERT, for more than two hours the meter is STUCK and somebody has to go there: the WhatsApp group of its
-- NOCS (the local network operation and customer service) is told; the group DEFAULT where that NOCS has none.
--
-- Load it where `pgherald migrate` has been, as the owner of the tables and a member of herald_owner (or as superuser). It can
-- be loaded again after a change: tables, what is in them, and what an administrator changed in senders, recipients and holds
-- stay; view, templates and rule become what this file says.
--
-- Variables (psql -v NAME=VALUE), all optional:
--     gateway_url   base_url of wppconnect-server; without it http://127.0.0.1:21465
--     gateway_gap   least pause between two messages; without it 3 s
\set ON_ERROR_STOP on

BEGIN;
SET LOCAL client_min_messages = warning;

-- 1. The application's tables -------------------------------------------------------------------------------------------------
--
-- They stand in for your own: leave this part out, and let the view of part 2 read what you have.

CREATE SCHEMA IF NOT EXISTS ami;

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
-- What the sweep looks for: the few that are in progress, the oldest first.
CREATE INDEX IF NOT EXISTS meter_status_in_progress ON ami.meter_status (rc_triggered_at) WHERE rc_status = 'IN_PROGRESS';

-- 2. The rule's source ----------------------------------------------------------------------------------------------------------
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

-- The view is evaluated as herald_rules, which reads what it is granted here and nothing else.
GRANT USAGE ON SCHEMA ami TO herald_rules;
GRANT SELECT ON ami.late_meters TO herald_rules;

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
DPDC AMI Monitoring System')
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
-- GET /api/ami/list-chats of wppconnect-server gives them. A NOCS that is not here goes to DEFAULT.
INSERT INTO herald.recipients (name, kind, address, sender) VALUES
    ('DEFAULT', 'group', '120363000000000000@g.us', 'ami'),
    ('NOCS-1', 'group', '120363000000000001@g.us', 'ami'),
    ('NOCS-2', 'group', '120363000000000002@g.us', 'ami')
ON CONFLICT (name, channel) DO NOTHING;

-- 5. The rule -------------------------------------------------------------------------------------------------------------------
--
-- The trigger tells of what changes: a meter whose remote connect is reported late is told of at once. But most meters get
-- late by doing nothing, and no trigger fires when only the clock moves: those the sweep finds, every 15 minutes.

SELECT herald.add_rule('rc_meters', 'ami.late_meters', every => '15 min', sender => 'ami', default_recipient => 'DEFAULT');
SELECT herald.watch('ami.meter_status', 'rc_meters', key => 'meter_number', columns => '{rc_status,rc_triggered_at}');

COMMIT;

-- 6. Using it -------------------------------------------------------------------------------------------------------------------
--
-- A new rule starts paused. Look at what it would send, then let it go; `--discard` takes what is late now as told:
--
--     pgherald sweep rc_meters --dry-run
--     pgherald resume rule rc_meters
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
-- Take it out again (the history stays):
--
--     SELECT herald.drop_rule('rc_meters');
--     DELETE FROM herald.recipients WHERE sender = 'ami';
--     DELETE FROM herald.senders WHERE name = 'ami';
--     DROP SCHEMA ami CASCADE;
