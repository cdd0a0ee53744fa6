"""The examples' lives, played through: loaded with psql, their texts byte for byte, and with daemon and sandbox what their
comments promise."""

import json
import re
import subprocess

import pytest

from conftest import environment, wait_until
from player import add_senders
from daemon import sandbox, settled, start_daemon  # noqa: F401 (fixtures)
from examples import ADMINISTRATOR, EXAMPLES, VARIABLES, attended, commented, dump, load, plan, psql

CREDENTIALS = {"school_token": "token-of-school", "ami_token": "token-of-ami"}

STUCK = """🚨 URGENT: RC METER STUCK 🚨

📍 NOCS: NOCS-1
🔢 Meter: 12345678
👤 Customer: CUST123

⏱️ Status: STUCK
⌛ Duration: 2h 30m
🕒 Triggered: 02-01-2025 14:30:00

💰 Balance: ৳1,234.56

⚠️ Action Required:
Requires physical connection - manual intervention needed

Generated: 2 Jan 2025, 5:00 PM
━━━━━━━━━━━━━━━━━
DPDC AMI Monitoring System"""

METER = {"nocs_name": "NOCS-1", "meter_number": "12345678", "customer_number": "CUST123", "duration_status": "STUCK",
         "duration": "2h 30m", "triggered": "02-01-2025 14:30:00", "balance": "৳1,234.56", "generated": "2 Jan 2025, 5:00 PM"}


def alternative_key(name, ending):
    """A commented expression for dedup_key, up to AS."""
    text = (EXAMPLES / f"{name}.sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip().startswith("--") and line.rstrip().endswith(f"{ending} AS dedup_key,")]
    assert len(lines) == 1, lines
    return re.sub(r"^ *-- *", "", lines[0]).removesuffix(",")


# --- all files ---

@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.sql")))
def test_loads_twice_and_changes_nothing_the_second_time(db, name):
    more = VARIABLES.get(name, {})
    load(db, name, **more)
    first = dump(db)
    load(db, name, **more)
    assert dump(db) == first
    if name == "over_history":
        add_senders(db, "any")  # it brings none of its own
    if name == "campaigns":
        db.sql("INSERT INTO campaigns.accounts (name) VALUES ('Ada')")  # whose account is its first sender
    assert db.sql("SELECT * FROM herald.check()") == []


def test_both_live_in_one_database_and_come_out_again(db):
    load(db, "test_completion")
    load(db, "rc_meters")
    assert db.column("SELECT name FROM herald.rules ORDER BY 1") == ["rc_meters", "rc_meters_unread", "test_alarm", "test_completed", "test_failed"]
    assert db.column("SELECT DISTINCT sender FROM herald.rules ORDER BY 1") == ["ami", "school", None]
    assert db.column("SELECT name FROM herald.holds WHERE cause = 'new' ORDER BY 1") == ["rc_meters", "rc_meters_unread", "test_alarm", "test_completed", "test_failed"]
    for name in ("test_completion", "rc_meters"):
        for beginning in ("SELECT herald.drop_rule", "DELETE FROM herald.recipients", "DELETE FROM herald.senders", "DROP SCHEMA"):
            if name == "rc_meters" or "recipients" not in beginning:
                psql(db, text=commented(name, beginning))
    assert db.value("SELECT (SELECT count(*) FROM herald.rules) + (SELECT count(*) FROM herald.senders)") == 0
    assert db.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'herald_capture%%'") == 0


def test_what_an_administrator_set_stays(db):
    load(db, "rc_meters", gateway_url="http://127.0.0.1:1", gateway_gap="20 ms")
    db.sql("UPDATE herald.recipients SET address = '120363999999999999@g.us' WHERE name = 'NOCS-1'")
    db.sql("UPDATE herald.senders SET limits = '{5/1 day}'")
    load(db, "rc_meters")
    assert db.sql("SELECT base_url, gap::text, limits FROM herald.senders") == [("http://127.0.0.1:1", "00:00:00.02", ["5/1 day"])]
    assert db.value("SELECT address FROM herald.recipients WHERE name = 'NOCS-1'") == "120363999999999999@g.us"
    load(db, "rc_meters", gateway_url="http://127.0.0.1:2")
    assert db.value("SELECT base_url FROM herald.senders") == "http://127.0.0.1:2"
    db.sql("UPDATE herald.settings SET value = '91' WHERE name = 'default_country'")
    load(db, "test_completion", phone_number_id="42")
    assert db.value("SELECT value FROM herald.settings WHERE name = 'default_country'") == "91"
    assert db.value("SELECT account ->> 'phone_number_id' FROM herald.senders WHERE name = 'school'") == "42"


# --- rc_meters: text and view ---

@pytest.fixture
def meters(db):
    """rc_meters, let go, and attended."""
    load(db, "rc_meters")
    db.sql("SELECT herald.resume('rule', 'rc_meters')")
    attended(db)
    return db


def add_meter(db, number, nocs, late, status="IN_PROGRESS", balance=1234.56, customer="CUST123"):
    """One meter, as the application writes it; late: how long ago its remote connect was triggered."""
    db.sql("INSERT INTO ami.meters VALUES (%s, %s, %s)", number, nocs, customer)
    db.sql("INSERT INTO ami.meter_status VALUES (%s, %s, now() - %s::interval, %s)", number, status, late, balance)


def test_stuck_text_byte_for_byte(meters):
    text = meters.value("SELECT herald.preview('rc_meter_stuck', %s::jsonb)", json.dumps(METER))
    assert text.encode() == STUCK.encode()
    alert = meters.value("SELECT herald.preview('rc_meter_alert', %s::jsonb)",
                         json.dumps({**METER, "duration_status": "ALERT"}))
    lines = alert.split("\n")
    assert lines[0] == "⚠️ ALERT: RC METER DELAYED ⚠️"
    changed = {0, 6, 13}
    assert [line for i, line in enumerate(lines) if i not in changed] == [
        line for i, line in enumerate(STUCK.split("\n")) if i not in changed]


def test_view_makes_the_values(meters):
    meters.sql("UPDATE herald.settings SET value = 'Asia/Dhaka' WHERE name = 'timezone'")
    add_meter(meters, "12345678", "NOCS-1", "2 hours 30 min 20 s")
    generated = "SELECT to_char(now() AT TIME ZONE 'Asia/Dhaka', 'FMDD Mon YYYY, FMHH12:MI AM')"
    triggered = meters.value("""SELECT to_char(rc_triggered_at AT TIME ZONE 'Asia/Dhaka', 'DD-MM-YYYY HH24:MI:SS')
                                  FROM ami.meter_status""")
    # The same for whoever looks, in whatever time zone and formats.
    for zone in ("UTC", "America/New_York"):
        meters.sql(f"SET timezone = '{zone}'; SET datestyle = 'SQL, DMY'")
        before = meters.value(generated)
        row = meters.row("SELECT * FROM ami.late_meters")
        assert (row["key"], row["dedup_key"], row["recipient"], row["template"]) == (
            "12345678", "12345678", "NOCS-1", "rc_meter_stuck")
        assert row["data"].pop("generated") in (before, meters.value(generated))
        assert row["data"] == {**{k: v for k, v in METER.items() if k != "generated"}, "triggered": triggered}


def test_formats_of_times(db):
    """The view's own expressions, on fixed instants."""
    definition = (EXAMPLES / "rc_meters.sql").read_text("utf-8")
    for name, at, text in (("triggered", "2025-01-02 14:30:00", "02-01-2025 14:30:00"),
                           ("generated", "2025-01-02 17:00:59", "2 Jan 2025, 5:00 PM"),
                           ("generated", "2025-12-31 00:05:00", "31 Dec 2025, 12:05 AM")):
        pattern = re.search(rf"'{name}', to_char\(.*?, '([^']*)'\)", definition)[1]
        assert db.value("SELECT to_char(%s::timestamp, %s)", at, pattern) == text


@pytest.mark.parametrize("late, status, duration", [
    ("59 min 55 s", None, None),
    ("1 hour", "ALERT", "1h 0m"),
    ("1 hour 59 min", "ALERT", "1h 59m"),
    ("1 hour 59 min 50 s", "ALERT", "1h 59m"),
    ("2 hours 1 s", "STUCK", "2h 0m"),
    ("26 hours 5 min", "STUCK", "26h 5m"),
])
def test_one_to_two_hours_is_alert_and_more_is_stuck(meters, late, status, duration):
    add_meter(meters, "1", "NOCS-1", late)
    found = meters.sql("SELECT data ->> 'duration_status', data ->> 'duration', template FROM ami.late_meters")
    assert found == ([] if status is None else [(status, duration, f"rc_meter_{status.lower()}")])


@pytest.mark.parametrize("balance, text", [(0, "৳0.00"), (0.5, "৳0.50"), (-1234.5, "-৳1,234.50"), (1234567.89, "৳1,234,567.89"),
                                           (9999999999.99, "৳9,999,999,999.99"), (None, "unknown")])
def test_balances(meters, balance, text):
    add_meter(meters, "1", None, "3 hours", balance=balance)
    assert meters.sql("SELECT data ->> 'balance', data ->> 'nocs_name', recipient FROM ami.late_meters") == [(text, "unknown", None)]


def test_groups_and_history_columns(meters):
    for number, nocs in (("11", "NOCS-1"), ("12", "NOCS-2"), ("13", "NOCS-9"), ("14", None)):
        add_meter(meters, number, nocs, "3 hours")
    add_meter(meters, "15", "NOCS-1", "90 min")
    add_meter(meters, "16", "NOCS-1", "3 hours", status="CONNECTED")
    done = plan(meters, "rc_meters")
    assert (done["result"], done["n_new"]) == ("done", 5)
    assert meters.sql("""SELECT meter_number, nocs_name, duration_status, target, target_kind, send_status, sender, class_id
                           FROM whatsapp_notifications n JOIN herald.lanes l ON l.id = n.lane
                          CROSS JOIN LATERAL (SELECT l.sender) s (lane_sender) ORDER BY meter_number""".replace(
        "send_status, sender,", "send_status, lane_sender,")) == [
        ("11", "NOCS-1", "STUCK", "120363000000000001@g.us", "group", "pending", "ami", None),
        ("12", "NOCS-2", "STUCK", "120363000000000002@g.us", "group", "pending", "ami", None),
        ("13", "NOCS-9", "STUCK", "120363000000000000@g.us", "group", "pending", "ami", None),
        ("14", "unknown", "STUCK", "120363000000000000@g.us", "group", "pending", "ami", None),
        ("15", "NOCS-1", "ALERT", "120363000000000001@g.us", "group", "pending", "ami", None)]


def test_one_for_each_meter_for_good_and_the_alternatives(meters):
    def told(after):
        plan(meters, "rc_meters")
        meters.sql(f"UPDATE ami.meter_status SET rc_triggered_at = rc_triggered_at - interval '{after}'")
        plan(meters, "rc_meters")
        meters.sql("UPDATE ami.meter_status SET rc_status = 'CONNECTED'")
        plan(meters, "rc_meters")
        meters.sql("UPDATE ami.meter_status SET rc_status = 'IN_PROGRESS', rc_triggered_at = now() - interval '5 hours'")
        plan(meters, "rc_meters")
        return meters.column("SELECT duration_status FROM whatsapp_notifications ORDER BY id")

    add_meter(meters, "1", "NOCS-1", "90 min")
    assert told("0 s") == ["ALERT"]

    definition = re.search(r"^CREATE OR REPLACE VIEW ami\.late_meters.*?;\n", (EXAMPLES / "rc_meters.sql").read_text("utf-8"), re.M | re.S)[0]
    for ending, expected in (("::bigint", ["ALERT", "STUCK"]), ("v.severity", ["ALERT", "STUCK"])):
        meters.sql("DELETE FROM whatsapp_notifications")
        meters.sql("UPDATE ami.meter_status SET rc_triggered_at = now() - interval '90 min'")
        psql(meters, text=definition.replace("s.meter_number AS dedup_key", alternative_key("rc_meters", ending)))
        assert told("0 s") == expected, ending
    # Per severity: the same episode is told of as ALERT, and an hour later as STUCK.
    meters.sql("DELETE FROM whatsapp_notifications")
    meters.sql("UPDATE ami.meter_status SET rc_triggered_at = now() - interval '110 min'")
    plan(meters, "rc_meters")
    epoch = meters.value("SELECT dedup_key FROM whatsapp_notifications")
    assert re.fullmatch(r"1/\d+/ALERT", epoch)


def test_trigger_captures_changes_of_the_status_alone(meters):
    add_meter(meters, "1", "NOCS-1", "3 hours")
    assert meters.column("SELECT key FROM herald.events") == ["1"]
    done = plan(meters, "rc_meters", "events")
    assert (done["n_found"], done["n_new"]) == (1, 1)
    meters.sql("UPDATE ami.meter_status SET balance = 0")
    assert meters.value("SELECT count(*) FROM herald.events") == 0
    meters.sql("UPDATE ami.meter_status SET rc_status = 'CONNECTED'")
    assert meters.column("SELECT key FROM herald.events") == ["1"]
    assert plan(meters, "rc_meters", "events")["n_found"] == 0


def test_the_view_is_looked_up_by_index(meters):
    meters.sql("""INSERT INTO ami.meters SELECT n, 'NOCS-1', n FROM generate_series(1, 20000) n;
                  INSERT INTO ami.meter_status SELECT n, 'CONNECTED', now() - interval '1 day' FROM generate_series(1, 20000) n;
                  ANALYZE ami.meters; ANALYZE ami.meter_status""")
    for condition in ("key = ANY ('{77}'::text[])", "true"):
        shown = "\n".join(meters.column(f"EXPLAIN SELECT * FROM ami.late_meters s WHERE {condition}"))
        assert "Seq Scan on meter_status" not in shown, shown


# --- test_completion: views ---

@pytest.fixture
def school(db):
    """test_completion, let go, and attended; two classes, one of which nobody can be told of."""
    load(db, "test_completion")
    db.sql("SELECT herald.resume('rule', 'test_completed'), herald.resume('rule', 'test_failed')")
    attended(db)
    psql(db, text="".join(commented("test_completion", f"INSERT INTO school.{table}") for table in ("educators", "classes")))
    return db


def add_test(db, class_id, test_num, kind="mcq", students=30):
    """One run, uploaded; its processing_id."""
    return db.value("INSERT INTO school.test_processing (class_id, test_num, kind, students) VALUES (%s, %s, %s, %s) RETURNING processing_id",
                    class_id, test_num, kind, students)


def end_test(db, processing_id, status="Successful", processed=30):
    """What the application writes when a run has ended."""
    db.sql("UPDATE school.test_processing SET status = %s, processed = %s, changed_at = now() WHERE processing_id = %s",
           status, processed, processing_id)


def plan_school(db):
    for rule in ("test_completed", "test_failed"):
        plan(db, rule, "events")
        plan(db, rule)


def test_once_for_each_class_test_and_kind(school):
    mcq, written = add_test(school, "7A", 3, "mcq"), add_test(school, "7A", 3, "written")
    plan_school(school)
    assert school.value("SELECT count(*) FROM whatsapp_notifications") == 0
    end_test(school, mcq)
    end_test(school, written)
    plan_school(school)
    end_test(school, mcq, "Processing")
    end_test(school, mcq)
    plan_school(school)
    # A further run of the same test and kind, by the same key.
    end_test(school, add_test(school, "7A", 3, "mcq"))
    plan_school(school)
    assert school.sql("""SELECT dedup_key, class_id, test_num, recipient, target, send_status, body
                           FROM whatsapp_notifications ORDER BY dedup_key""") == [
        (f"7A/3/{kind}", "7A", "3", "+8801711000001", "+8801711000001", "pending",
         f"✅ Test results are ready\n\nClass: 7A\nTest: 3 ({kind})\nProcessed: 30 of 30") for kind in ("mcq", "written")]


def test_failed_is_told_by_a_rule_of_its_own(school):
    run = add_test(school, "7A", 4)
    end_test(school, run, "Failed", 12)
    plan_school(school)
    end_test(school, run, "Successful", 30)
    plan_school(school)
    assert school.sql("SELECT rule, body FROM whatsapp_notifications ORDER BY id") == [
        ("test_failed", "❌ Test processing failed\n\nClass: 7A\nTest: 4 (mcq)\nProcessed: 12 of 30\n\nPlease upload the sheets again."),
        ("test_completed", "✅ Test results are ready\n\nClass: 7A\nTest: 4 (mcq)\nProcessed: 30 of 30")]


@pytest.mark.parametrize("phone, status, target, error", [
    ("01711-000001", "pending", "+8801711000001", None),
    ("+880 1711 000001", "pending", "+8801711000001", None),
    ("008801711000001", "pending", "+8801711000001", None),
    ("8801711000001", "pending", "+8801711000001", None),
    ("+44 20 7946 0000", "pending", "+442079460000", None),
    ("12", "suppressed", None, '"no number: 12" is no name in herald.recipients for channel whatsapp, no group id and no number'),
    ("  ", "suppressed", None, "no recipient: the row names none, and the rule has no default"),
    (None, "suppressed", None, "no recipient: the row names none, and the rule has no default"),
])
def test_numbers(school, phone, status, target, error):
    school.sql("UPDATE school.educators SET phone = %s WHERE educator_id = 1", phone)
    end_test(school, add_test(school, "7A", 1))
    plan_school(school)
    assert school.sql("SELECT send_status, target, error FROM whatsapp_notifications") == [(status, target, error)]


def test_a_class_without_educator_is_not_silent(school):
    school.sql("INSERT INTO school.classes VALUES ('9C', NULL)")
    end_test(school, add_test(school, "9C", 1))
    plan_school(school)
    assert school.sql("SELECT class_id, send_status FROM whatsapp_notifications") == [("9C", "suppressed")]


def test_only_a_change_of_status_is_captured(school):
    run = add_test(school, "7A", 1)
    plan_school(school)
    school.sql("UPDATE school.test_processing SET processed = processed + 1")
    assert school.value("SELECT count(*) FROM herald.events") == 0
    end_test(school, run)
    assert school.sql("SELECT rule, key FROM herald.events ORDER BY rule") == [("test_completed", str(run)), ("test_failed", str(run))]


def test_tests_of_long_ago_are_not_owed(school):
    school.sql("INSERT INTO school.test_processing (class_id, test_num, kind, status, changed_at) VALUES ('7A', 1, 'mcq', 'Successful', now() - interval '8 days')")
    plan_school(school)
    assert school.value("SELECT count(*) FROM whatsapp_notifications") == 0


def test_approved_template(school):
    positional = commented("test_completion", "UPDATE herald.templates\n")
    psql(school, text=positional)
    end_test(school, add_test(school, "7A", 1))
    plan_school(school)
    assert school.value("SELECT gateway_template FROM whatsapp_notifications") == {
        "name": "test_completed", "language": "en", "parameters": [{"text": t} for t in ("7A", "1", "mcq", "30", "30")]}
    named = re.findall(r"^--  +(UPDATE herald\.templates\n(?:--.*\n)*?--.*;)", (EXAMPLES / "test_completion.sql").read_text("utf-8"), re.M)[1]
    psql(school, text=re.sub(r"^ *-- ?", "", named, flags=re.M))
    end_test(school, add_test(school, "7A", 2))
    plan_school(school)
    assert [p["name"] for p in school.value("SELECT gateway_template -> 'parameters' FROM whatsapp_notifications ORDER BY id DESC")] == [
        "class", "test", "kind", "processed", "students"]


def test_the_application_needs_no_right_to_anything_of_pgherald(school):
    school.sql("""DROP ROLE IF EXISTS school_app; CREATE ROLE school_app LOGIN;
                  GRANT USAGE ON SCHEMA school TO school_app;
                  GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA school TO school_app""")
    try:
        with school.connect("school_app").cursor() as cursor:
            cursor.execute("INSERT INTO school.test_processing (class_id, test_num, kind, status) VALUES ('7A', 1, 'mcq', 'Successful')")
        plan_school(school)
        assert school.value("SELECT count(*) FROM whatsapp_notifications") == 1
    finally:
        school.sql("DROP OWNED BY school_app; DROP ROLE school_app")


# --- with daemon and sandbox ---

@pytest.fixture
def played(db, sandbox, start_daemon):  # noqa: F811
    """Both examples on one database, let go; the sandbox is their gateway, and a daemon runs."""
    load(db, "test_completion", gateway_url=sandbox.url)
    load(db, "rc_meters", gateway_url=sandbox.url, gateway_gap="10 ms")
    psql(db, text="".join(commented("test_completion", f"INSERT INTO school.{table}") for table in ("educators", "classes")))
    start_daemon(credentials=CREDENTIALS)
    db.sql("SELECT herald.resume('rule', name) FROM herald.rules")
    wait_until(lambda: settled(db), "all is swept")
    return db


def test_completion_arrives_once(played, sandbox):  # noqa: F811
    run = add_test(played, "7A", 3)
    end_test(played, run, "Processing", 10)
    end_test(played, run)
    end_test(played, run)
    end_test(played, add_test(played, "8B", 1))  # has no number on file
    end_test(played, add_test(played, "7A", 4), "Failed", 5)
    sandbox.wait_for(2)
    wait_until(lambda: settled(played), "nothing is left to do")
    played.sql("SELECT herald.sweep()")
    wait_until(lambda: settled(played), "all is swept")
    assert [(m["recipient"], m["kind"], m["gateway"], m["copies"], m["body"].split("\n")[0]) for m in sorted(
        sandbox.messages(), key=lambda m: m["body"], reverse=True)] == [
        ("+8801711000001", "individual", "cloud", 1, "❌ Test processing failed"),
        ("+8801711000001", "individual", "cloud", 1, "✅ Test results are ready")]
    assert played.sql("SELECT class_id, send_status, error FROM whatsapp_notifications WHERE send_status <> 'sent'") == [
        ("8B", "suppressed", "no recipient: the row names none, and the rule has no default")]


def test_stuck_meter_arrives_byte_for_byte(played, sandbox):  # noqa: F811
    psql(played, text=commented("rc_meters", "INSERT INTO ami.meters") + commented("rc_meters", "INSERT INTO ami.meter_status"))
    message, = sandbox.wait_for(1)
    payload = played.value("SELECT payload FROM whatsapp_notifications")
    assert (message["recipient"], message["kind"], message["gateway"]) == ("120363000000000001@g.us", "group", "wppconnect")
    expected = STUCK.replace("02-01-2025 14:30:00", payload["triggered"]).replace("2 Jan 2025, 5:00 PM", payload["generated"])
    assert message["body"].encode() == expected.encode()
    assert played.sql("SELECT meter_number, nocs_name, duration_status FROM whatsapp_notifications") == [("12345678", "NOCS-1", "STUCK")]


def test_the_sweep_finds_what_only_the_clock_moved(played, sandbox):  # noqa: F811
    add_meter(played, "1", "NOCS-2", "59 min 59.5 s")
    wait_until(lambda: played.value("SELECT count(*) FROM ami.late_meters"), "the meter is late")
    wait_until(lambda: settled(played), "what was captured is planned")
    assert sandbox.messages() == []
    played.pgherald("sweep", "rc_meters", status=0)
    message, = sandbox.wait_for(1)
    assert message["recipient"] == "120363000000000002@g.us"
    assert message["body"].startswith("⚠️ ALERT: RC METER DELAYED ⚠️\n")


def failed(db, count):
    return wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'failed'") == count,
                      f"{count} failed")


def test_retries_shown_in_the_files_work(played, sandbox):  # noqa: F811
    played.sql("INSERT INTO school.classes VALUES ('7C', 1)")
    sandbox.behave({"recipients": {"+8801711000001": {"status": 400, "code": 131026}}})
    for class_id, test_num in (("7A", 3), ("7A", 4), ("7C", 3)):
        end_test(played, add_test(played, class_id, test_num))
    failed(played, 3)
    assert sandbox.messages() == []
    sandbox.behave()

    def retried(beginning, count):
        psql(played, text=commented("test_completion", beginning))
        wait_until(lambda: sandbox.figures()["received"] >= count, f"{count} received")
        wait_until(lambda: settled(played), "nothing is left to do")
        assert sandbox.figures()["received"] == count

    retry = "SELECT herald.retry(id) FROM whatsapp_notifications WHERE send_status = 'failed' AND class_id = '7A'"
    retried(retry + " AND test_num = '3';", 1)
    retried(retry + ";", 2)
    retried("SELECT herald.retry_all('failed', 'test_completed')", 3)
    retried("SELECT herald.retry_all('failed');", 3)
    # Again, as it was; and anew.
    retried("SELECT herald.retry(id) FROM whatsapp_notifications\n", 4)
    end_test(played, add_test(played, "8B", 1))
    wait_until(lambda: played.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'suppressed'"), "suppressed")
    played.sql("UPDATE school.educators SET phone = '01711-000002' WHERE educator_id = 2")
    psql(played, text=commented("test_completion", "DELETE FROM whatsapp_notifications"))
    retried("SELECT herald.ring(", 5)
    assert sandbox.messages()[-1]["recipient"] == "+8801711000002"


def test_retries_of_meters(played, sandbox):  # noqa: F811
    sandbox.behave({"status": 413})
    for number, nocs in (("12345678", "NOCS-1"), ("2", "NOCS-1"), ("3", "NOCS-2")):
        add_meter(played, number, nocs, "3 hours")
    failed(played, 3)
    sandbox.behave()

    def retried(beginning, count):
        psql(played, text=commented("rc_meters", beginning))
        wait_until(lambda: sandbox.figures()["received"] >= count, f"{count} received")
        wait_until(lambda: settled(played), "nothing is left to do")
        assert sandbox.figures()["received"] == count

    retry = "SELECT herald.retry(id) FROM whatsapp_notifications WHERE send_status = 'failed' AND "
    retried(retry + "meter_number = '12345678'", 1)
    retried(retry + "nocs_name = 'NOCS-1'", 2)
    retried("SELECT herald.retry_all('failed', 'rc_meters')", 3)
    psql(played, text=commented("rc_meters", "DELETE FROM whatsapp_notifications"))
    retried("SELECT herald.ring(", 4)
    # A row of one's own keeps it quiet.
    psql(played, text=commented("rc_meters", "DELETE FROM whatsapp_notifications") + commented("rc_meters", "INSERT INTO whatsapp_notifications"))
    retried("SELECT herald.ring(", 4)


def test_three_attempts(played, sandbox):  # noqa: F811
    played.sql("UPDATE herald.settings SET value = '50 ms' WHERE name IN ('retry_base', 'retry_cap', 'probe_base', 'probe_cap')")
    sandbox.behave({"status": 500})
    end_test(played, add_test(played, "7A", 3))
    failed(played, 1)
    assert played.value("SELECT attempts FROM whatsapp_notifications") == 3
    assert sandbox.figures()["refused"] == 3


@pytest.mark.parametrize("name, recipient", [("fee_reminders", "administrator"), ("test_completion", "administrator"), ("rc_meters", "SUPERVISOR")])
def test_that_nobody_would_hear_of_failures_is_said_where_it_is_loaded(db, name, recipient):
    for variables, is_said in (({}, True), ({recipient.lower(): ADMINISTRATOR}, False), ({}, False)):
        done = subprocess.run([db.cluster.bin / "psql", "-Xq", *(f"-v{key}={value}" for key, value in variables.items()), "-d", db.dsn(),
                               "-f", EXAMPLES / f"{name}.sql"], capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == 0 and (f'WARNING:  there is no recipient "{recipient}"' in done.stderr) == is_said, done.stderr
