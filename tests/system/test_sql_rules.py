"""Rules: what herald.add_rule() refuses, what planning makes of a source's rows, and what one bad rule can't do to others."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from conftest import copied_database, wait_until
from player import Daemon, accepted, add_rule, add_senders, login

NUMBER = "'+8801700000001'::text"


@pytest.fixture
def daemon(db):
    """A daemon with a sender."""
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


@pytest.fixture
def meters(db, daemon):
    """A rule over a table: one message a meter that is stuck."""
    db.sql("""CREATE TABLE public.meter (id int PRIMARY KEY, number text, stuck boolean DEFAULT true, owner text DEFAULT '+8801700000001',
                                         more jsonb DEFAULT '{}');
              INSERT INTO herald.templates (name, body) VALUES ('stuck', 'Meter {{meter_number}} is stuck')""")
    add_rule(db, "meters", """SELECT id AS key, number AS dedup_key, owner AS recipient,
                                     jsonb_build_object('meter_number', number) || more AS data
                                FROM public.meter WHERE stuck""", "stuck")
    return db


@pytest.fixture(scope="module")
def still(cluster, template):
    """One database for the tests that leave it as it was."""
    yield from copied_database(cluster, template)


def notes(db, columns="dedup_key, send_status", where="true"):
    """Rows of the history."""
    return db.sql(f"SELECT {columns} FROM whatsapp_notifications WHERE {where} ORDER BY id")


def refused(db, statement, said, hint):
    """The statement fails with this text, and a hint with that one."""
    with pytest.raises(psycopg2.Error, match=said) as failed:
        db.sql(statement)
    assert hint in (failed.value.diag.message_hint or ""), failed.value.diag.message_hint


# --- add_rule ---


@pytest.mark.parametrize("select, said, hint", [
    (f"SELECT {NUMBER} AS recipient, '{{}}'::jsonb AS data", 'has no column "dedup_key"', "dedup_key text"),
    ("SELECT 'k'::text AS dedup_key, '{}'::jsonb AS data", 'has no column "recipient"', "AS"),
    (f"SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient", 'has no column "data" .it has: dedup_key, recipient', "jsonb"),
    (f"SELECT 1 AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data", "is of type integer", "text: (…)::text AS dedup_key"),
    (f"SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::json AS data", "is of type json", "(…)::jsonb AS data"),
    (f"SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data, '(1,2)'::point AS priority",
     'column "priority" of .* is of type point', "integer"),
    (f"SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data, 5 AS not_before",
     'column "not_before" of .* is of type integer', "timestamptz"),
])
def test_a_source_that_does_not_do_is_refused(still, select, said, hint):
    still.sql(f"DROP VIEW IF EXISTS public.odd; CREATE VIEW public.odd AS {select}; GRANT SELECT ON public.odd TO herald_rules")
    refused(still, "SELECT herald.add_rule('odd', 'public.odd')", said, hint)
    assert still.value("SELECT count(*) FROM herald.rules") == 0


def test_an_unreadable_source_is_refused(db):
    db.sql(f"CREATE SCHEMA app; CREATE VIEW app.v AS SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data")
    refused(db, "SELECT herald.add_rule('v', 'app.v')", "may not use the schema", "GRANT USAGE ON SCHEMA app TO herald_rules")
    db.sql("GRANT USAGE ON SCHEMA app TO herald_rules")
    refused(db, "SELECT herald.add_rule('v', 'app.v')", "may not read app.v", "GRANT SELECT ON app.v TO herald_rules")
    db.sql("GRANT SELECT ON app.v TO herald_rules; SELECT herald.add_rule('v', 'app.v')")
    refused(db, "SELECT herald.add_rule('v', 'app.nothing')", "does not exist", "")
    refused(db, "SELECT herald.add_rule('v', 'app.v', timezone => 'Asia/Atlantis')", 'there is no time zone "Asia/Atlantis"',
            "pg_timezone_names")


def test_tables_and_odd_names_are_sources_too(db, daemon):
    db.sql("""CREATE TABLE public."Weird""; drop table x;--" (dedup_key varchar(20), recipient varchar(20), data jsonb, "Other" int);
              INSERT INTO public."Weird""; drop table x;--" VALUES ('k', '+8801700000001', '{}', 1);
              GRANT SELECT ON public."Weird""; drop table x;--" TO herald_rules;
              INSERT INTO herald.templates (name, body) VALUES ('t', 'x')""")
    name = "it's \"a\" rule; drop --"
    db.sql("SELECT herald.add_rule(%s, %s::regclass, 't')", name, 'public."Weird""; drop table x;--"')
    db.sql("SELECT herald.resume('rule', %s)", name)
    assert daemon.plan(name)["new"] == 1
    assert notes(db, "rule, dedup_key") == [(name, "k")]


def test_a_new_rule_starts_paused(meters, daemon):
    db = meters
    db.sql("INSERT INTO public.meter VALUES (1, 'm1')")
    add_rule(db, "again", "SELECT * FROM public.meters", "stuck", paused=True)
    assert daemon.plan("again")["result"] == "paused"
    assert db.value("SELECT value FROM herald.status WHERE item = 'hold rule again'").startswith("new, since")
    assert "--dry-run" in db.value("SELECT attention FROM herald.status WHERE item = 'hold rule again'")
    shown = db.sql("SELECT * FROM herald.sweep_dry_run('again')")
    assert shown == [("m1", "+8801700000001", "+8801700000001", "pending", "Meter m1 is stuck")]
    assert notes(db) == [] and db.value("SELECT count(*) FROM herald.lanes") == 0
    assert "what is due is being sent" in db.value("SELECT herald.resume('rule', 'again')")
    assert ("again", "sweep") in daemon.turn().tasks
    assert daemon.plan("again")["new"] == 1
    assert len(daemon.turn().claims) == 1


def test_changing_a_rule_does_not_pause_it(meters, daemon):
    db = meters
    db.sql("SELECT herald.add_rule('meters', 'public.meters', 'stuck', priority => 7, max_age => '1 hour')")
    assert db.value("SELECT count(*) FROM herald.holds") == 0
    assert daemon.turn().tasks == [("meters", "sweep")]
    db.sql("INSERT INTO public.meter VALUES (1, 'm1')")
    daemon.plan("meters")
    assert db.value("SELECT l.priority FROM herald.lanes l JOIN whatsapp_notifications n ON n.lane = l.id") == 7
    assert db.value("SELECT expires_at - created_at = '1 hour' FROM whatsapp_notifications")


def test_resume_with_discard_begins_with_the_future(meters, daemon):
    db = meters
    db.sql("INSERT INTO public.meter VALUES (1, 'm1'), (2, 'm2')")
    daemon.plan("meters")
    db.sql("INSERT INTO public.meter VALUES (3, 'm3')")
    db.sql("SELECT herald.pause('rule', 'meters')")
    assert db.value("SELECT herald.resume('rule', 'meters', discard => true)").endswith("; 3 discarded")
    assert notes(db) == [("m1", "cancelled"), ("m2", "cancelled"), ("m3", "suppressed")]
    assert db.value("SELECT herald.retry_all('cancelled') + herald.retry_all('suppressed')") == 0
    db.sql("INSERT INTO public.meter VALUES (4, 'm4')")
    assert daemon.plan("meters")["new"] == 1
    assert notes(db)[3:] == [("m4", "pending")]
    refused(db, "SELECT herald.resume('all', discard => true)", "only a rule can be resumed with discard", "herald.cancel")


def test_drop_rule_cancels_what_waits_and_keeps_history(meters, daemon):
    db = meters
    db.sql("SELECT herald.watch('public.meter', 'meters'); INSERT INTO public.meter VALUES (1, 'm1'), (2, 'm2')")
    daemon.plan("meters")
    claim = daemon.turn(room=1).claims[0]
    db.sql("DROP TABLE public.meter CASCADE; SELECT herald.drop_rule('meters')")
    daemon.turn(accepted(claim))
    assert sorted(status for _, status in notes(db)) == ["cancelled", "sent"]
    assert db.sql("SELECT rule FROM herald.watches") == [] and db.value("SELECT count(*) FROM herald.events") == 0
    assert db.column("SELECT proname FROM pg_proc WHERE proname ~ '^(source|capture)_[0-9]'") == []
    refused(db, "SELECT herald.drop_rule('meters')", 'there is no rule "meters"', "herald.rules")


def test_rules_can_be_added_by_members_of_the_owners(cluster, db, daemon):
    """No superuser is needed: a member of the three roles that own things may add rules and watches."""
    cluster.sql("DO $$ BEGIN IF to_regrole('rule_admin') IS NULL THEN CREATE ROLE rule_admin LOGIN; END IF; END $$;"
                "GRANT herald_owner, herald_rules, herald_capture TO rule_admin")
    db.sql("GRANT CREATE ON SCHEMA public TO rule_admin")
    with db.connect("rule_admin") as connection, connection.cursor() as cursor:
        cursor.execute(f"""CREATE TABLE public.thing (id int);
            CREATE VIEW public.things AS SELECT id AS key, id::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data, 'b' AS body FROM public.thing;
            GRANT SELECT ON public.things TO herald_rules;
            SELECT herald.add_rule('things', 'public.things'), herald.watch('public.thing', 'things'), herald.resume('rule', 'things');
            INSERT INTO public.thing VALUES (1);
            SELECT herald.add_rule('things', 'public.things'), herald.watch('public.thing', 'things')""")
    assert {(rule, kind) for rule, kind, _ in daemon.work()} == {("things", "events"), ("things", "sweep")}
    assert notes(db) == [("1", "pending")]
    with db.connect("rule_admin") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT herald.drop_rule('things')")


# --- what becomes of rows ---


def test_once_for_each_rule_and_key(meters, daemon):
    db = meters
    db.sql("INSERT INTO public.meter VALUES (1, 'm1'), (2, 'm1'), (3, 'm2')")
    done = daemon.plan("meters")
    assert (done["found"], done["new"], done["known"]) == (3, 2, 1)
    done = daemon.plan("meters")
    assert (done["found"], done["new"], done["known"]) == (3, 0, 3)
    add_rule(db, "others", "SELECT * FROM public.meters", "stuck")
    assert daemon.plan("others")["new"] == 2
    db.sql("DELETE FROM whatsapp_notifications WHERE rule = 'meters' AND dedup_key = 'm2'")
    assert daemon.plan("meters")["new"] == 1, "for as long as its row is kept"


def test_keys_that_can_never_be_planned_are_counted_with_an_example(meters, daemon):
    db = meters
    db.sql("INSERT INTO public.meter (id, number) VALUES (1, NULL), (2, ''), (3, repeat('x', 513)), (4, repeat('y', 512)), (5, 'm5')")
    done = daemon.plan("meters")
    assert (done["result"], done["found"], done["new"], done["known"]) == ("done", 5, 2, 0)
    assert db.value("SELECT bad_keys FROM herald.rules") == 3
    assert "meter_number" in db.value("SELECT bad_key_example FROM herald.rules")
    daemon.plan("meters")
    assert db.value("SELECT bad_keys FROM herald.rules") == 3, "each is counted once"
    assert any("3 of its rows can never be planned" in problem for _, problem, _ in db.sql("SELECT * FROM herald.check()"))
    db.sql("DELETE FROM public.meter WHERE id IN (1, 2, 3)")
    daemon.plan("meters")
    assert (db.value("SELECT bad_keys FROM herald.rules"), db.value("SELECT bad_key_example FROM herald.rules")) == (0, None)


def test_a_missing_field_fails_with_the_reason(meters, daemon):
    db = meters
    db.sql("UPDATE herald.templates SET body = 'Meter {{meter_number}} at {{ place }}: 100% {literal}'")
    db.sql("""INSERT INTO public.meter (id, number, more) VALUES (1, 'm1', '{}'), (2, 'm2', '{"place": null}'), (3, 'm3', '{"place": "100% %s {{x}}"}')""")
    done = daemon.plan("meters")
    assert (done["new"], done["failed"]) == (3, 2)
    assert notes(db, "dedup_key, send_status, error, body, next_at IS NULL") == [
        ("m1", "failed", 'template "stuck" needs field "place", which the row\'s data does not have', None, True),
        ("m2", "failed", 'template "stuck" needs field "place", which the row\'s data has as null', None, True),
        ("m3", "pending", None, "Meter m3 at 100% %s {{x}}: 100% {literal}", False)]


@pytest.mark.parametrize("data, missing", [("NULL::jsonb", True), ("'[1]'::jsonb", True), ("'\"text\"'::jsonb", True),
                                           ("'{\"a\": {\"b\": [1, 2]}, \"meter_number\": [1], \"nocs_name\": 5}'::jsonb", False)])
def test_odd_data_never_fails_planning(db, daemon, data, missing):
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('t', 'a is {{a}}')")
    add_rule(db, "odd", f"SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient, {data} AS data", "t")
    done = daemon.plan("odd")
    assert (done["result"], done["new"]) == ("done", 1)
    assert notes(db, "send_status") == [("failed" if missing else "pending",)]
    if not missing:
        assert notes(db, "body, meter_number, nocs_name") == [('a is {"b": [1, 2]}', "[1]", "5")]


def test_an_unknown_template_fails_and_can_be_retried(db, daemon):
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('other', 'wrong text')")
    add_rule(db, "r", f"SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data, 'later'::text AS template", "other")
    assert daemon.plan("r")["failed"] == 1
    [(ident, status, error, template)] = notes(db, "id, send_status, error, template")
    assert (status, template) == ("failed", "later") and 'there is no template "later"' in error
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('later', 'right text')")
    db.sql("SELECT herald.retry(%s)", ident)
    assert [c.body for c in daemon.turn().claims] == ["right text"]


def test_neither_template_nor_body(db, daemon):
    add_rule(db, "r", f"SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data")
    daemon.plan("r")
    assert notes(db, "send_status, error") == [("failed", "neither the row nor its rule names a template, and the row has no body")]


def test_columns_of_a_row_override_the_rules_own(db, daemon):
    add_senders(db, "special")
    add_senders(db, "text", channel="sms")
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('t', 'by template'), ('u', 'by the other')")
    add_rule(db, "r", f"""SELECT k::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data,
                 CASE k WHEN 1 THEN 'own body' END AS body, CASE k WHEN 2 THEN 'u' END AS template,
                 CASE k WHEN 3 THEN 'special' END AS sender, CASE k WHEN 4 THEN 'sms' END AS channel,
                 CASE k WHEN 5 THEN 9 END AS priority, CASE k WHEN 6 THEN clock_timestamp() + interval '1 hour' END AS not_before,
                 CASE k WHEN 7 THEN timestamptz '2099-01-01' WHEN 8 THEN clock_timestamp() + interval '1 min' END AS expires_at
                 FROM generate_series(1, 8) k""", "t")
    assert daemon.plan("r")["new"] == 8
    found = notes(db, "body, template, sender, channel, (SELECT l.priority FROM herald.lanes l WHERE l.id = lane),"
                      " extract(epoch FROM next_at - created_at)::int, extract(epoch FROM expires_at - created_at)::int")
    plain = ("by template", "t", None, "whatsapp", 0, 0, 86400)
    expected = [plain] * 8
    for place, column, value in ((0, 0, "own body"), (0, 1, None), (1, 0, "by the other"), (1, 1, "u"), (2, 2, "special"),
                                 (3, 3, "sms"), (4, 4, 9), (5, 5, 3600), (5, 6, 90000), (7, 6, 60)):
        changed = list(expected[place])
        changed[column] = value
        expected[place] = tuple(changed)
    assert found == expected


def test_locale_of_row_then_recipient_then_rule_then_default(db, daemon):
    db.sql("""INSERT INTO herald.templates (name, locale, body) VALUES ('t', '', 'default'), ('t', 'bn', 'Bangla'), ('t', 'de', 'Deutsch'), ('t', 'en', 'English');
              INSERT INTO herald.recipients (name, address, locale) VALUES ('Karl', '+491700000001', 'de'), ('Rahim', '+8801700000001', NULL), ('Li', '+861700000001', 'zh')""")
    add_rule(db, "r", """SELECT r || coalesce(l, '') AS dedup_key, r AS recipient, '{}'::jsonb AS data, l AS locale
                           FROM (VALUES ('Karl', NULL), ('Karl', 'en'), ('Rahim', NULL), ('Li', NULL), ('Karl', 'xx')) v (r, l)""", "t", locale="bn")
    daemon.plan("r")
    assert dict(notes(db, "dedup_key, body || ' ' || locale")) == {
        "Karl": "Deutsch de", "Karlen": "English en", "Rahim": "Bangla bn", "Li": "Bangla bn", "Karlxx": "Bangla bn"}
    db.sql("DELETE FROM herald.templates WHERE locale = 'bn'; DELETE FROM whatsapp_notifications")
    daemon.plan("r")
    assert dict(notes(db, "dedup_key, body || ' ' || locale"))["Rahim"] == "default "


@pytest.mark.parametrize("recipient, default, country, target, kind, problem", [
    ("+8801711000000", None, "", "+8801711000000", "individual", None),
    (" +880 1711-000.000 ", None, "", "+8801711000000", "individual", None),
    ("008801711000000", None, "", "+8801711000000", "individual", None),
    ("01711000000", None, "880", "+8801711000000", "individual", None),
    ("8801711000000", None, "880", "+8801711000000", "individual", None),
    ("1711000000", None, "880", "+8801711000000", "individual", None),
    ("01711000000", None, "", None, None, "number without a country code"),
    ("01711000000", "office", "", None, None, "number without a country code"),
    ("+880 1711 000 000 000 000", "office", "880", None, None, "malformed telephone number"),
    ("12", "office", "880", None, None, "malformed telephone number"),
    ("+0123456789", "office", "880", None, None, "malformed telephone number"),
    ("Rahim", "office", "", "+8801711000001", "individual", None),
    ("nobody", "office", "", "+8801711000009", "individual", None),
    ("nobody", None, "", None, None, '"nobody" is no name'),
    ("nobody", "no one either", "", None, None, '"no one either" is no name'),
    ("", "office", "", "+8801711000009", "individual", None),
    (None, "office", "", "+8801711000009", "individual", None),
    (None, None, "", None, None, "no recipient"),
    ("   ", None, "", None, None, "no recipient"),
    ("120363012345678901@g.us", None, "", "120363012345678901@g.us", "group", None),
    ("8801711000000-1600000000@g.us", None, "", "8801711000000-1600000000@g.us", "group", None),
    ("Y2FwaV9ncm91cDoxMjM0NTY3ODkwMTIz", None, "", "Y2FwaV9ncm91cDoxMjM0NTY3ODkwMTIz", "group", None),
    ("NOCS Banani", None, "", "120363000000000001@g.us", "group", None),
    ("someone@example.org", "office", "", None, None, "is no name in herald.recipients"),
])
def test_recipients(still, recipient, default, country, target, kind, problem):
    still.sql("""BEGIN;
        INSERT INTO herald.senders (name, gateway) VALUES ('wa', 'webhook');
        INSERT INTO herald.recipients (name, kind, address, sender) VALUES
            ('Rahim', 'individual', '+8801711000001', NULL), ('office', 'individual', '+8801711000009', NULL),
            ('NOCS Banani', 'group', '120363000000000001@g.us', 'wa');
        UPDATE herald.settings SET value = %s WHERE name = 'default_country';
        CREATE TABLE public.r AS SELECT 'k'::text AS dedup_key, %s::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body;
        GRANT SELECT ON public.r TO herald_rules;
        SELECT herald.add_rule('r', 'public.r', default_recipient => %s), herald.resume('rule', 'r')""", country, recipient, default)
    try:
        suppressed = still.value("SELECT n_suppressed FROM herald.plan('r', 'sweep', 10)")
        [(status, to, to_kind, error)] = notes(still, "send_status, target, target_kind, error")
    finally:
        still.sql("ROLLBACK")
    assert (to, to_kind) == (target, kind)
    if problem:
        assert status == "suppressed" and problem in error and suppressed == 1
    else:
        assert (status, error, suppressed) == ("pending", None, 0)


def test_a_group_of_a_sender_goes_into_that_senders_lane(db, daemon):
    db.sql("INSERT INTO herald.recipients (name, kind, address, sender) VALUES ('g', 'group', '120363000000000001@g.us', 'wa')")
    add_rule(db, "r", "SELECT 'k'::text AS dedup_key, 'g'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body")
    daemon.plan("r")
    assert db.value("SELECT l.sender FROM herald.lanes l JOIN whatsapp_notifications n ON n.lane = l.id") == "wa"


def test_gateway_templates(db, daemon):
    db.sql("""INSERT INTO herald.templates (name, body, gateway_name, gateway_locale, parameters) VALUES
                  ('t', 'Meter {{m}}', 'meter_stuck', 'en_GB', '{m,place}'), ('named', 'Meter {{m}}', 'meter_named', NULL, '{number=m}')""")
    add_rule(db, "r", f"""SELECT k::text AS dedup_key, {NUMBER} AS recipient, d AS data, CASE k WHEN 3 THEN 'named' END AS template
                 FROM (VALUES (1, '{{"m": "a\\"b", "place": "x"}}'::jsonb), (2, '{{"m": 7}}'), (3, '{{"m": 7}}')) v (k, d)""", "t")
    daemon.plan("r")
    assert notes(db, "send_status, error, gateway_template") == [
        ("pending", None, {"name": "meter_stuck", "language": "en_GB", "parameters": [{"text": 'a"b'}, {"text": "x"}]}),
        ("failed", 'template "t" needs field "place" as a parameter, which the row\'s data does not have', None),
        ("pending", None, {"name": "meter_named", "language": "en", "parameters": [{"name": "number", "text": "7"}]})]
    refused(db, "INSERT INTO herald.templates (name, body, parameters) VALUES ('x', 'x', '{a b}')", "a parameter must be a field", "{student,class}")


# --- floods and failures ---


def test_a_flood_pauses_the_rule_and_asks(meters, daemon):
    db = meters
    db.sql("SELECT herald.add_rule('meters', 'public.meters', 'stuck', flood_limit => 10)")
    db.sql("SELECT herald.watch('public.meter', 'meters')")
    daemon.work()
    db.sql("INSERT INTO public.meter SELECT g, 'm' || g FROM generate_series(1, 9) g")
    daemon.work()
    assert len(notes(db)) == 9
    db.sql("INSERT INTO public.meter SELECT g, 'm' || g FROM generate_series(10, 30) g")
    [(_, _, done)] = daemon.work()
    assert done["result"] == "flood" and "30 messages within an hour" in done["error"]
    assert len(notes(db)) == 9, "nothing of the flood is made"
    assert daemon.turn().tasks == [], "and it is not tried again"
    assert db.row("SELECT kind, name, cause, who FROM herald.holds") == {"kind": "rule", "name": "meters", "cause": "flood", "who": "pgherald"}
    assert "--dry-run" in db.value("SELECT attention FROM herald.status WHERE item = 'hold rule meters'")
    db.sql("SELECT herald.resume('rule', 'meters')")
    daemon.work()
    assert len(notes(db)) == 30, "a person approved what is due"
    assert db.value("SELECT count(*) FROM herald.holds") == 0
    db.sql("INSERT INTO public.meter SELECT g, 'm' || g FROM generate_series(31, 41) g")
    assert daemon.work()[-1][2]["result"] == "flood", "but not what comes after"


def test_a_new_rule_with_more_than_its_flood_limit_can_be_approved(db, daemon):
    add_rule(db, "big", f"SELECT g::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data, 'b'::text AS body FROM generate_series(1, 2500) g",
             paused=True, flood_limit=100)
    assert db.value("SELECT count(*) FROM herald.sweep_dry_run('big')") == 2500
    db.sql("SELECT herald.resume('rule', 'big')")
    done = daemon.plan("big")
    assert (done["result"], done["found"], done["new"]) == ("done", 2500, 2500)
    assert daemon.plan("big")["known"] == 2500


def test_a_flood_found_by_a_sweep(db, daemon):
    db.sql("CREATE TABLE public.many (k int)")
    add_rule(db, "many_due", f"SELECT k::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data, 'b'::text AS body FROM public.many", flood_limit=100)
    daemon.work()
    db.sql("INSERT INTO public.many SELECT generate_series(1, 1500); SELECT herald.sweep('many_due')")
    assert [done["result"] for _, _, done in daemon.work()] == ["flood"]
    assert notes(db) == []
    db.sql("SELECT herald.resume('rule', 'many_due', discard => true)")
    daemon.work()
    assert db.sql("SELECT send_status, count(*) FROM whatsapp_notifications GROUP BY 1") == [("suppressed", 1500)]


@pytest.mark.parametrize("poison", ["1 / (id - 777)", "CASE id WHEN 777 THEN ('x' || id)::int ELSE 1 END"])
def test_one_poisoned_key_among_a_thousand_is_set_aside(db, daemon, poison):
    db.sql("CREATE TABLE public.reading (id int PRIMARY KEY)")
    add_rule(db, "readings", f"SELECT id AS key, id::text AS dedup_key, {NUMBER} AS recipient, jsonb_build_object('x', {poison}) AS data, 'b'::text AS body FROM public.reading", flood_limit=5000)
    daemon.work()
    db.sql("SELECT herald.watch('public.reading', 'readings')")
    daemon.work()
    db.sql("INSERT INTO public.reading SELECT generate_series(1, 1000)")
    done = daemon.plan("readings", "events", 1000)
    assert (done["result"], done["new"], done["set_aside"]) == ("done", 999, 1)
    assert db.sql("SELECT rule, key FROM herald.set_aside") == [("readings", "777")]
    assert "SQLSTATE 22" in db.value("SELECT error FROM herald.set_aside")
    assert db.value("SELECT count(*) FROM herald.events") == 0
    assert any("1 of its keys are set aside" in problem for _, problem, _ in db.sql("SELECT * FROM herald.check()"))
    # A sweep goes round it too, and does not note it twice.
    done = daemon.plan("readings")
    assert (done["result"], done["new"], done["known"], done["set_aside"]) == ("done", 0, 999, 1)
    db.sql("ALTER TABLE public.reading DISABLE TRIGGER ALL; INSERT INTO public.reading SELECT generate_series(1001, 1010)")
    done = daemon.plan("readings")
    assert (done["result"], done["new"], done["known"], done["set_aside"]) == ("done", 10, 999, 1)
    assert db.sql("SELECT rule, key FROM herald.set_aside") == [("readings", "777")]
    assert db.value("SELECT error FROM herald.rules") is None


@pytest.mark.parametrize("columns", ["id::text AS dedup_key", "nullif(id, 5) AS key, id::text AS dedup_key", "1 / (id - 7) AS key, id::text AS dedup_key"])
def test_a_sweep_cannot_go_round_a_row_that_no_key_tells_apart(db, daemon, columns):
    db.sql("CREATE TABLE public.reading (id int PRIMARY KEY); INSERT INTO public.reading SELECT generate_series(1, 10)")
    add_rule(db, "readings", f"SELECT {columns}, {NUMBER} AS recipient, jsonb_build_object('x', 1 / (id - 7)) AS data, 'b'::text AS body FROM public.reading")
    assert {done["result"] for _, _, done in daemon.work()} == {"failed"}
    error = db.value("SELECT error FROM herald.rules")
    assert error.startswith("sweep: division by zero")
    assert notes(db) == []


def test_a_rule_whose_view_is_gone_fails_alone(meters, daemon):
    db = meters
    add_rule(db, "broken", f"SELECT 1 AS key, 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data")
    db.sql("ALTER VIEW public.broken RENAME TO hidden; SELECT herald.ring('broken', '1'), herald.sweep()")
    db.sql("INSERT INTO public.meter VALUES (1, 'm1')")
    pauses = []
    for _ in range(4):
        done = daemon.plan("broken", "events")
        assert done["result"] == "failed" and "broken" in done["error"]
        pauses.append(float(db.value("SELECT extract(epoch FROM retry_at - clock_timestamp()) FROM herald.rules WHERE name = 'broken'")))
    assert all(0.8 * 2 ** i < pause <= 2 ** i for i, pause in enumerate(pauses)), pauses
    assert db.value("SELECT count(*) FROM herald.events WHERE rule = 'broken'") == 1, "its events stay"
    assert daemon.plan("broken")["result"] == "failed"
    assert daemon.turn(room=0).tasks == [("meters", "sweep")], "it waits until its retry, the other does not"
    assert daemon.plan("meters")["new"] == 1
    assert "it fails" in db.value("SELECT attention FROM herald.status WHERE item = 'rule broken'")
    assert any("does not exist any more" in problem for subject, problem, _ in db.sql("SELECT * FROM herald.check()") if "broken" in subject)
    db.sql("ALTER VIEW public.hidden RENAME TO broken; UPDATE herald.rules SET retry_at = clock_timestamp(), next_sweep_at = clock_timestamp()")
    assert all(done["result"] == "done" for _, _, done in daemon.work())
    assert db.sql("SELECT error, failures, retry_at FROM herald.rules WHERE name = 'broken'") == [(None, 0, None)]


def test_the_back_off_of_a_failing_rule_has_a_cap(db, daemon):
    add_rule(db, "broken", f"SELECT 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data WHERE 1 / 0 = 1")
    db.sql("UPDATE herald.rules SET failures = 100000")
    daemon.plan("broken")
    assert 290 < db.value("SELECT extract(epoch FROM next_sweep_at - clock_timestamp()) FROM herald.rules") <= 300


def test_the_time_limit_cancels(db, daemon):
    add_rule(db, "slow", f"SELECT 1 AS key, 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data FROM pg_sleep(30)", time_limit="0.2 s")
    db.sql("SELECT herald.ring('slow', '1')")
    turn = daemon.turn(room=0)
    assert {(r.target, r.target_kind, r.id) for r in turn.rows if r.what == "task"} == {("slow", "events", 200), ("slow", "sweep", 200)}
    for kind in ("events", "sweep"):
        with daemon.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', '200', false)")
        with pytest.raises(psycopg2.errors.QueryCanceled):
            daemon.plan("slow", kind)
        with daemon.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', '0', false), herald.plan_failed('slow', %s, 'over its time limit')", (kind,))
    assert db.value("SELECT error FROM herald.rules") == "sweep: over its time limit"
    assert daemon.turn(room=0).tasks == []
    # A key that is too slow all by itself is set aside, so that the others can be planned.
    daemon.limit(0.2)
    done = daemon.plan("slow", "events", 1)
    assert (done["result"], done["set_aside"], done["more"]) == ("done", 1, True)
    assert db.sql("SELECT key, error FROM herald.set_aside") == [("1", "it took longer than time_limit, 00:00:00.2")]
    assert daemon.plan("slow", "events", 1)["more"] is False


def test_what_is_written_after_the_planner_began_is_not_of_the_future(meters, daemon):
    """Its transaction may be older than the row that it sees."""
    meters.sql("CREATE TABLE public.written (at timestamptz DEFAULT now())")
    add_rule(meters, "timed", """SELECT 'k' AS dedup_key, '+8801700000001' AS recipient, '{}'::jsonb AS data, 'b' AS body
                                   FROM public.written WHERE at <= herald.now()""")
    planner = meters.connect()
    with planner.cursor() as cursor:
        cursor.execute("BEGIN; SELECT now()")
        meters.sql("INSERT INTO public.written DEFAULT VALUES")
        cursor.execute("SELECT n_new FROM herald.plan('timed', 'sweep', 100); COMMIT")
    planner.close()
    assert meters.value("SELECT count(*) FROM whatsapp_notifications WHERE rule = 'timed'") == 1


def test_one_task_a_rule_at_a_time(meters, daemon):
    db = meters
    with db.connect(login(db.cluster, "herald_daemon")) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("SELECT result FROM herald.plan('meters', 'sweep', 100)")
        assert cursor.fetchone() == ("done",)
        assert daemon.plan("meters")["result"] == "busy"
        connection.rollback()
    assert daemon.plan("meters")["result"] == "done"


@pytest.fixture
def planning(meters):
    """A planner whose sweep of three meters is done and not committed; its connection."""
    meters.sql("INSERT INTO public.meter SELECT g, 'm' || g FROM generate_series(1, 3) g")
    connection = meters.connect(login(meters.cluster, "herald_daemon"))
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("SELECT n_new FROM herald.plan('meters', 'sweep', 100)")
        assert cursor.fetchone() == (3,)
    yield connection
    connection.close()


@pytest.mark.parametrize("statement", ["SELECT herald.resume('rule', 'meters', discard => true)", "SELECT herald.drop_rule('meters')"])
def test_what_is_being_planned_is_discarded_too(meters, daemon, planning, statement):
    with ThreadPoolExecutor() as threads:
        done = threads.submit(meters.connect().cursor().execute, statement)
        wait_until(lambda: done.done() or meters.value("SELECT count(*) FROM pg_locks WHERE NOT granted"), "waits for the planner")
        planning.commit()
        done.result()
    assert notes(meters) == [(f"m{n}", "cancelled") for n in (1, 2, 3)]


def test_a_sweep_that_takes_long_is_not_waited_for_without_end(meters, daemon, planning):
    meters.sql("SELECT herald.pause('rule', 'meters'); ALTER FUNCTION herald.keep_planners_out SET lock_timeout = '50 ms'; SET statement_timeout = '20 s'")
    refused(meters, "SELECT herald.resume('rule', 'meters', discard => true)", 'rule "meters" is being planned', "Nothing is changed")
    assert meters.value("SELECT count(*) FROM herald.holds") == 1
    planning.rollback()
    assert "3 discarded" in meters.value("SELECT herald.resume('rule', 'meters', discard => true)")


def test_events_in_batches(meters, daemon):
    db = meters
    db.sql("SELECT herald.watch('public.meter', 'meters')")
    daemon.work()
    db.sql("INSERT INTO public.meter SELECT g, 'm' || g FROM generate_series(1, 25) g")
    figures = [daemon.plan("meters", "events", 10) for _ in range(3)]
    assert [(f["found"], f["more"]) for f in figures] == [(10, True), (10, True), (5, False)]


@pytest.mark.parametrize("key", ["int", "text", "uuid", "numeric", "varchar(40)", "date", "public.short"])
def test_messages_are_made_in_the_order_in_which_their_rows_were_written(db, daemon, key):
    """Whatever their keys' own order is; and a row that is written twice stands where it was first."""
    written = {"uuid": ["c0ffee00-0000-4000-8000-00000000000%d" % n for n in (5, 1, 9, 3)],
               "date": ["2026-05-01", "2025-01-31", "2027-12-01", "2026-02-10"]}.get(key, ["50", "1", "200", "9"])
    db.sql(f"""CREATE DOMAIN public.short AS text CHECK (length(VALUE) < 9);
               CREATE TABLE public.debts (id {key} PRIMARY KEY, n int)""")
    add_rule(db, "owed", "SELECT id AS key, 'd' || id AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body FROM public.debts")
    db.sql("SELECT herald.watch('public.debts', 'owed', key => 'id')")
    daemon.work()
    for one in written:
        db.sql("INSERT INTO public.debts VALUES (%s)", one)
    db.sql("UPDATE public.debts SET n = 1 WHERE id = %s", written[0])
    assert daemon.plan("owed", "events")["new"] == 4
    assert notes(db, "dedup_key") == [("d" + one,) for one in written]


def test_a_sweep_makes_messages_in_the_order_of_its_source(db, daemon):
    add_rule(db, "owed", "SELECT n::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body"
                         " FROM generate_series(1, 3500) n ORDER BY n % 7, n", flood_limit=10000)
    daemon.plan("owed")
    assert [int(made) for made, in notes(db, "dedup_key")] == sorted(range(1, 3501), key=lambda n: (n % 7, n))


# --- who owns a view must not own the outbox ---


@pytest.fixture
def mallory(cluster, db):
    """A role that owns a view and the function in it; attempt(body) makes it a rule and runs it, and returns what it said."""
    cluster.sql("DO $$ BEGIN IF to_regrole('mallory') IS NULL THEN CREATE ROLE mallory LOGIN; END IF; END $$")
    db.sql("CREATE SCHEMA evil AUTHORIZATION mallory; GRANT USAGE, CREATE ON SCHEMA evil TO PUBLIC;"
           "INSERT INTO herald.senders (name, gateway, credential) VALUES ('wa', 'webhook', 'the name of a secret')")
    daemon = Daemon(db)

    def attempt(body):
        with db.connect("mallory") as connection, connection.cursor() as cursor:
            cursor.execute(f"""CREATE OR REPLACE FUNCTION evil.f() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN {body} END $f$;
                CREATE OR REPLACE VIEW evil.v AS SELECT 1 AS key, evil.f() AS dedup_key, '+8801700000001'::text AS recipient, '{{}}'::jsonb AS data, 'b'::text AS body;
                GRANT SELECT ON evil.v TO PUBLIC""")
        db.sql("DELETE FROM whatsapp_notifications; DELETE FROM herald.holds; SELECT herald.add_rule('v', 'evil.v'), herald.resume('rule', 'v')")
        return daemon.plan("v")["error"] or db.value("SELECT dedup_key FROM whatsapp_notifications")

    yield attempt
    daemon.close()


@pytest.mark.parametrize("body", [
    "RETURN (SELECT credential FROM herald.senders);",
    "RETURN (SELECT count(*) FROM public.whatsapp_notifications);",
    "INSERT INTO public.whatsapp_notifications (body) VALUES ('spam'); RETURN 'k';",
    "DELETE FROM herald.holds; RETURN 'k';",
    "PERFORM herald.resume('all'); RETURN 'k';",
    "PERFORM herald.setting('timezone'); RETURN 'k';",
    "CREATE FUNCTION herald.x() RETURNS int LANGUAGE sql AS 'SELECT 1'; RETURN 'k';",
    "CREATE OR REPLACE FUNCTION herald.source_1(text[]) RETURNS SETOF herald.due LANGUAGE sql AS 'SELECT NULL::herald.due'; RETURN 'k';",
])
def test_what_a_view_calls_reads_nothing_of_heralds(mallory, body):
    assert mallory("RETURN current_user;") == "herald_rules"
    assert "permission denied" in mallory(body)


@pytest.mark.parametrize("statement", ["SET ROLE herald_owner", "RESET ROLE", "SET SESSION AUTHORIZATION postgres", "RESET SESSION AUTHORIZATION"])
def test_what_a_view_calls_cannot_become_another(mallory, statement):
    assert "within security-definer function" in mallory(f"{statement}; RETURN current_user;")


def test_check_finds_a_template_that_asks_for_what_the_rows_do_not_have(meters, daemon):
    db = meters
    db.sql("INSERT INTO public.meter (id, number) VALUES (1, 'm1')")
    daemon.plan("meters", "sweep")
    assert db.sql("SELECT * FROM herald.check()") == []
    db.sql("UPDATE herald.templates SET body = 'Meter {{meter_number}} of {{district}}' WHERE name = 'stuck'")
    [(subject, problem, _)] = db.sql("SELECT * FROM herald.check()")
    assert subject == 'rule "meters"' and 'needs field "district"' in problem


# --- sweeps ---


def test_a_source_is_not_compiled_each_time_that_it_is_looked_at(db, daemon):
    """Which takes half a second on estimates that are high, every minute."""
    assert db.value("SHOW jit") == "on"
    add_rule(db, "jit", f"SELECT 1 AS key, 'k'::text AS dedup_key, {NUMBER} AS recipient, '{{}}'::jsonb AS data, current_setting('jit') AS body")
    for kind in ("sweep", "events"):
        db.sql("DELETE FROM whatsapp_notifications; SELECT herald.ring('jit', '1')")
        daemon.plan("jit", kind)
        assert db.column("SELECT body FROM whatsapp_notifications") == ["off"], kind


def test_figures_of_a_sweep(meters, daemon):
    db = meters
    db.sql("INSERT INTO public.meter (id, number, owner) VALUES (1, 'm1', '+8801700000001'), (2, 'm2', 'nobody'), (3, 'm1', ''), (4, NULL, '')")
    daemon.plan("meters")
    daemon.plan("meters")
    db.sql("INSERT INTO public.meter (id, number) VALUES (5, 'm5')")
    daemon.plan("meters")
    figures = db.row("SELECT found, new, known, suppressed, failed, took > '0' AS took, swept_at > clock_timestamp() - interval '1 min' AS recent,"
                     " next_sweep_at > clock_timestamp() AS scheduled, error FROM herald.rules")
    assert figures == {"found": 5, "new": 1, "known": 3, "suppressed": 0, "failed": 0, "took": True, "recent": True, "scheduled": True, "error": None}


@pytest.mark.parametrize("every, offset, zone, now, due", [
    ("15 min", "0", "UTC", "2024-05-01 10:07:00+00", "2024-05-01 10:15:00+00"),
    ("15 min", "0", "UTC", "2024-05-01 10:15:00+00", "2024-05-01 10:30:00+00"),
    ("15 min", "5 min", "UTC", "2024-05-01 10:07:00+00", "2024-05-01 10:20:00+00"),
    ("15 min", "5 min", "UTC", "2024-05-01 00:01:00+00", "2024-05-01 00:05:00+00"),
    ("1 day", "8 hours", "Asia/Dhaka", "2024-05-01 01:00:00+00", "2024-05-01 02:00:00+00"),
    ("1 day", "8 hours", "Asia/Dhaka", "2024-05-01 02:00:00+00", "2024-05-02 02:00:00+00"),
    ("7 hours", "0", "UTC", "2024-05-01 22:00:00+00", "2024-05-02 00:00:00+00"),
    ("7 days", "1 day 9 hours", "UTC", "2024-05-01 12:00:00+00", "2024-05-07 09:00:00+00"),
    # Daily at eight, by the clock on the wall, whenever summer time begins and ends.
    ("1 day", "8 hours", "Europe/Berlin", "2024-03-30 12:00:00+01", "2024-03-31 08:00:00+02"),
    ("1 day", "8 hours", "Europe/Berlin", "2024-10-26 12:00:00+02", "2024-10-27 08:00:00+01"),
    ("7 days", "8 hours", "America/New_York", "2024-03-05 12:00:00-05", "2024-03-11 08:00:00-04"),
    ("6 hours", "0", "Europe/Berlin", "2024-03-31 01:30:00+01", "2024-03-31 06:00:00+02"),
    # A daily sweep at an hour that does not exist, or exists twice, comes once.
    ("1 day", "2 hours 30 min", "Europe/Berlin", "2024-03-31 01:00:00+01", "2024-03-31 03:30:00+02"),
    ("1 day", "2 hours 30 min", "Europe/Berlin", "2024-10-27 02:30:00+01", "2024-10-28 02:30:00+01"),
    # Every quarter of an hour, also in the hour that comes twice or not at all.
    ("15 min", "0", "Europe/Berlin", "2024-10-27 02:32:00+02", "2024-10-27 02:45:00+02"),
    ("15 min", "0", "Europe/Berlin", "2024-10-27 02:50:00+02", "2024-10-27 02:00:00+01"),
    ("15 min", "0", "Europe/Berlin", "2024-10-27 02:50:00+01", "2024-10-27 03:00:00+01"),
    ("15 min", "0", "Europe/Berlin", "2024-03-31 01:50:00+01", "2024-03-31 03:00:00+02"),
    ("30 s", "0", "Asia/Kolkata", "2024-05-01 10:07:10+00", "2024-05-01 10:07:30+00"),
    (None, "0", "UTC", "2024-05-01 10:07:00+00", None),
])
def test_when_the_next_sweep_is_due(still, every, offset, zone, now, due):
    still.sql("SET timezone = 'Pacific/Auckland'")
    found = still.value("""SELECT herald.next_sweep(r, %s::timestamptz) FROM (SELECT (jsonb_populate_record(NULL::herald.rules,
                        jsonb_build_object('every', %s::text, 'offset', %s::text, 'timezone', %s::text))).*) r""", now, every, offset, zone)
    assert found == (due and datetime.datetime.fromisoformat(due))


def test_a_sweep_in_the_night_when_the_clock_is_put_back(still):
    """Whatever the time, the next sweep is later, and never more than "every" and the change of the clock away."""
    late = still.sql("""SELECT r.every, m, herald.next_sweep(r, m) FROM
        (SELECT x.* FROM unnest('{30 s,15 min,1 hour,6 hours,1 day}'::text[]) e,
           LATERAL jsonb_populate_record(NULL::herald.rules, jsonb_build_object('every', e, 'offset', '0', 'timezone', 'Europe/Berlin')) x) r,
        generate_series(timestamptz '2024-10-26 20:00Z', '2024-10-27 04:00Z', '97 s') m
        WHERE NOT (herald.next_sweep(r, m) > m AND herald.next_sweep(r, m) <= m + r.every + CASE WHEN r.every > '1 hour' THEN interval '1 hour' ELSE '0' END)""")
    assert late == []


def test_a_sweep_keeps_to_the_installations_zone_and_schedule(meters, daemon):
    db = meters
    db.sql("UPDATE herald.settings SET value = 'Asia/Kolkata' WHERE name = 'timezone'")
    db.sql("SELECT herald.add_rule('meters', 'public.meters', 'stuck', every => '1 day', \"offset\" => '8 h')")
    daemon.plan("meters")
    assert db.value("SELECT to_char(next_sweep_at AT TIME ZONE 'Asia/Kolkata', 'HH24:MI:SS') FROM herald.rules") == "08:00:00"
    assert db.value("SELECT next_sweep_at - clock_timestamp() BETWEEN '0' AND '1 day' FROM herald.rules")
    db.sql("SELECT herald.add_rule('meters', 'public.meters', 'stuck', every => NULL)")
    daemon.plan("meters")
    assert db.value("SELECT next_sweep_at FROM herald.rules") is None
    db.sql("SELECT herald.sweep('meters')")
    assert daemon.turn().tasks == [("meters", "sweep")]


def test_a_sweep_is_due_by_the_clock(meters, daemon):
    db = meters
    daemon.work()
    db.sql("UPDATE herald.rules SET next_sweep_at = clock_timestamp() + interval '0.3 s'")
    turn = daemon.turn()
    assert turn.tasks == [] and 0 < turn.due_sec <= 0.3
    wait_until(lambda: daemon.turn().tasks == [("meters", "sweep")], "the sweep")


def test_formats_do_not_depend_on_who_asks(db):
    db.sql("UPDATE herald.settings SET value = 'Asia/Dhaka' WHERE name = 'timezone'; INSERT INTO herald.senders (name, gateway) VALUES ('wa', 'webhook')")
    add_rule(db, "r", f"""SELECT 1 AS key, concat_ws('|', t, d, i, f, b, to_char(t, 'HH24:MI')) AS dedup_key, {NUMBER} AS recipient,
                 jsonb_build_object('at', t) AS data, 'at {{}}'::text AS body
               FROM (SELECT timestamptz '2024-05-01 20:00:00Z' AS t, date '2024-05-02' AS d, interval '1 day 2 hours' AS i,
                            0.1::float8 AS f, '\\xabcd'::bytea AS b) v""")
    plain = "2024-05-02 02:00:00+06|2024-05-02|1 day 02:00:00|0.1|\\xabcd|02:00"
    assert db.column("SELECT dedup_key FROM herald.sweep_dry_run('r')") == [plain]
    daemon = Daemon(db)
    for settings in ("", "SET timezone = 'America/New_York'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601';"
                         " SET extra_float_digits = -5; SET bytea_output = 'escape'"):
        for kind in ("sweep", "events"):
            with daemon.connection.cursor() as cursor:
                cursor.execute(settings or "SELECT 1")
            db.sql("DELETE FROM whatsapp_notifications; SELECT herald.ring('r', '1')")
            assert daemon.plan("r", kind)["new"] == 1
            assert notes(db, "dedup_key, payload ->> 'at'") == [(plain, "2024-05-02T02:00:00+06:00")]
    db.sql("SET timezone = 'America/New_York'; SET datestyle = 'German'; DELETE FROM whatsapp_notifications; SELECT herald.resume('rule', 'r', true)")
    assert notes(db) == [(plain, "suppressed")], "discard makes the same keys"
    daemon.close()


def test_templates_and_preview(db):
    db.sql("INSERT INTO herald.templates (name, locale, body) VALUES ('t', '', 'A {{a}} and {{ b }}: 100 %% {{}} {{a b}}'), ('t', 'bn', 'B {{a}}')")
    assert db.value("""SELECT herald.preview('t', '{"a": 1, "b": "%s"}')""") == "A 1 and %s: 100 %% {{}} {{a b}}"
    assert db.value("""SELECT herald.preview('t', '{"a": 1}', 'bn')""") == "B 1"
    refused(db, """SELECT herald.preview('t', '{"a": 1}')""", 'needs field "b"', "Its fields: a, b.")
    refused(db, "SELECT herald.preview('u')", 'there is no template "u"', "There is: t.")
