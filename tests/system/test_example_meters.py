"""rc_meters, played through beyond the first message: meters of another database, what nobody reads, what WhatsApp does not take, reports,
and two hundred meters in one message."""

from decimal import Decimal

import pytest

from conftest import Database, wait_until
from daemon import sandbox, settled, start_daemon  # noqa: F401 (fixtures)
from examples import EXAMPLES, SUPERVISOR, attended, commented, load, plan, psql
from mail import MailServer
from player import Daemon, accepted

NAME = "rc_meters"
CREDENTIALS = {"ami_token": "token-of-ami"}


def add_meter(db, number="12345678", nocs="NOCS-1", late="3 hours", status="IN_PROGRESS"):
    """One meter, as the application writes it."""
    db.sql("INSERT INTO ami.meters VALUES (%s, %s, 'CUST123')", number, nocs)
    db.sql("INSERT INTO ami.meter_status VALUES (%s, %s, now() - %s::interval, 10)", number, status, late)


def told(db, rule, columns="body"):
    return db.sql(f"SELECT {columns} FROM whatsapp_notifications WHERE rule = %s ORDER BY id", rule)


@pytest.fixture
def meters(db):
    """The example, let go, and attended."""
    load(db, NAME, supervisor=SUPERVISOR)
    db.sql("SELECT herald.resume('rule', name) FROM herald.rules")
    attended(db)
    return db


# --- meters of another database ---

@pytest.fixture
def metering(cluster, db):
    """Another database with the metering system's tables, and db with a foreign server for it."""
    name = f"metering_{db.name}"
    cluster.sql(f"CREATE DATABASE {name}")
    source = Database(cluster, name)
    text = (EXAMPLES / f"{NAME}.sql").read_text(encoding="utf-8")
    for table in ("meters", "meter_status"):
        start = text.index(f"CREATE TABLE IF NOT EXISTS ami.{table} (")
        source.sql("CREATE SCHEMA IF NOT EXISTS ami; " + text[start:text.index(";", start)])
    server = (commented(NAME, "CREATE EXTENSION") + commented(NAME, "CREATE SERVER") + commented(NAME, "CREATE USER MAPPING"))
    for written, here in (("metering.example.org", str(cluster.directory)), ("dbname 'ami'", f"port '{cluster.port}', dbname '{name}'"),
                          ("'reader'", "'postgres'")):
        assert written in server
        server = server.replace(written, here)
    psql(db, text=server)
    yield source
    source.close()
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_sweep_alone_finds_meters_of_another_database(db, metering, sandbox, start_daemon):  # noqa: F811
    for _ in range(2):
        load(db, NAME, gateway_url=sandbox.url, gateway_gap="10 ms", metering_server="metering")
    load(db, NAME)  # and once they are there, without being told again
    assert db.value("SELECT count(*) FROM herald.watches") == 0
    assert db.value("SELECT every::text FROM herald.rules WHERE name = 'rc_meters'") == "00:01:00"
    assert db.sql("SELECT * FROM herald.check()") == []
    # What is looked for is looked for there.
    assert "rc_status = 'IN_PROGRESS'" in "".join(db.column("EXPLAIN VERBOSE SELECT * FROM ami.late_meters"))
    start_daemon(credentials=CREDENTIALS)
    db.sql("SELECT herald.resume('rule', 'rc_meters')")
    add_meter(metering, "1", "NOCS-2")
    add_meter(metering, "2", "NOCS-2", status="CONNECTED")
    db.pgherald("sweep", "rc_meters", status=0)
    message, = sandbox.wait_for(1)
    assert message["recipient"] == "120363000000000002@g.us" and "\n🔢 Meter: 1\n" in message["body"]


def test_a_metering_system_that_is_away_is_named_and_others_go_on(db, metering, sandbox, start_daemon):  # noqa: F811
    load(db, NAME, gateway_url=sandbox.url, gateway_gap="10 ms", metering_server="metering")
    db.sql("UPDATE herald.rules SET every = '1 s'")
    start_daemon(credentials=CREDENTIALS)
    db.sql("SELECT herald.resume('rule', 'rc_meters')")
    wait_until(lambda: settled(db), "all is swept")
    db.sql("ALTER SERVER metering OPTIONS (SET host '/nowhere')")
    error = wait_until(lambda: db.value("SELECT problem FROM herald.check() WHERE subject = 'rule \"rc_meters\"'"), "it is said what is wrong")
    assert 'could not connect to server "metering"' in error
    db.sql("SELECT herald.send('+8801711000009', 'hello', sender => 'ami')")
    sandbox.wait_for(1)
    db.sql(f"ALTER SERVER metering OPTIONS (SET host '{db.cluster.directory}')")
    add_meter(metering)
    assert "\n🔢 Meter: 12345678\n" in sandbox.wait_for(2, timeout_sec=60)[1]["body"]
    wait_until(lambda: db.sql("SELECT * FROM herald.check()") == [], "all is well again")


# --- what nobody reads ---

def test_what_no_one_of_the_group_read_within_half_an_hour_goes_to_the_supervisor(meters):
    for number in ("1", "2", "3", "4"):
        add_meter(meters, number)
    plan(meters, "rc_meters")
    player = Daemon(meters)
    meters.sql("UPDATE herald.senders SET gap = '0', max_in_flight = 100")
    while claims := player.turn().claims:
        player.turn(*(accepted(claim, f"true_{claim.id}") for claim in claims), room=0)
    player.close()
    meters.sql("UPDATE whatsapp_notifications SET sent_at = now() - interval '29 min'")
    plan(meters, "rc_meters_unread")
    assert told(meters, "rc_meters_unread") == []
    meters.sql("""UPDATE whatsapp_notifications SET sent_at = now() - interval '31 min' WHERE dedup_key <> '1';
                  UPDATE whatsapp_notifications SET send_status = 'read', read_at = now() WHERE dedup_key = '2';
                  UPDATE ami.meter_status SET rc_status = 'CONNECTED' WHERE meter_number = '3'""")
    for _ in range(2):
        plan(meters, "rc_meters_unread")
    assert told(meters, "rc_meters_unread", "target, body, send_status") == [
        (SUPERVISOR, "👀 STUCK: nobody in NOCS-1 has read of meter 4, for 31 minutes", "pending")]


# --- what WhatsApp does not take ---

@pytest.fixture
def mailed(db, sandbox, start_daemon):  # noqa: F811
    """With a mail server, played."""
    server = MailServer()
    load(db, NAME, gateway_url=sandbox.url, gateway_gap="10 ms", mail_url=server.url, mail_from="alerts@example.org", mail_to="nocs@example.org")
    db.sql("INSERT INTO herald.recipients (name, channel, address) VALUES ('NOCS-1', 'email', 'nocs-1@example.org')")
    db.sql("UPDATE herald.settings SET value = '50 ms' WHERE name IN ('retry_base', 'retry_cap', 'probe_base', 'probe_cap')")
    start_daemon(credentials=CREDENTIALS)
    db.sql("SELECT herald.resume('rule', name) FROM herald.rules")
    wait_until(lambda: settled(db), "all is swept")
    yield db, server
    server.stop()


def test_what_whatsapp_refuses_is_mailed_to_the_nocs_or_to_the_default(mailed, sandbox):  # noqa: F811
    db, server = mailed
    sandbox.behave({"status": 413})
    add_meter(db, "1", "NOCS-1")
    add_meter(db, "2", "NOCS-9")
    wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'failed'") == 2, "both are refused")
    db.pgherald("sweep", "rc_meters_mail", status=0)
    wait_until(lambda: len(server.mails) == 2, "both are mailed")
    assert {mail.recipient: mail.parsed["Subject"] for mail in server.mails} == {
        "<nocs-1@example.org>": "🚨 URGENT: RC METER STUCK 🚨", "<nocs@example.org>": "🚨 URGENT: RC METER STUCK 🚨"}
    assert all("⌛ Duration: 3h 0m\n" in mail.text for mail in server.mails)
    db.pgherald("sweep", "rc_meters_mail", status=0)
    wait_until(lambda: settled(db), "nothing is left to do")
    assert len(server.mails) == 2
    assert db.sql("SELECT * FROM herald.check()") == []


def test_what_waits_for_a_session_that_is_lost_is_mailed_and_the_group_gets_it_later(mailed, sandbox):  # noqa: F811
    db, server = mailed
    sandbox.behave({"disconnected_sessions": ["ami"]})
    add_meter(db)
    wait_until(lambda: db.value("SELECT count(*) FROM herald.holds WHERE kind = 'sender' AND name = 'ami'"), "its sender is held")
    db.pgherald("sweep", "rc_meters_mail", status=0)
    wait_until(lambda: db.value("SELECT swept_at > now() - interval '5 s' FROM herald.rules WHERE name = 'rc_meters_mail'"), "it is swept")
    db.sql("UPDATE whatsapp_notifications SET created_at = now() - interval '16 min'")
    db.pgherald("sweep", "rc_meters_mail", status=0)
    wait_until(lambda: len(server.mails) == 1, "it is mailed")
    sandbox.behave()
    message, = sandbox.wait_for(1)
    assert message["recipient"] == "120363000000000001@g.us"


# --- reports ---

def test_reports(meters):
    meters.sql("""UPDATE herald.settings SET value = 'Asia/Dhaka' WHERE name = 'timezone';
        INSERT INTO whatsapp_notifications (rule, dedup_key, meter_number, nocs_name, duration_status, send_status, created_at, delivered_at, read_at)
        SELECT 'rc_meters', n, n, 'NOCS-' || least(n, 2), CASE n WHEN 3 THEN 'ALERT' ELSE 'STUCK' END, s, date_trunc('day', now()) - interval '6 hours 1 min',
               date_trunc('day', now()) - interval '6 hours 1 min' + d, date_trunc('day', now()) - interval '6 hours 1 min' + r
          FROM (VALUES (1, 'read', interval '1 s', interval '9 min'), (2, 'delivered', '2 s', NULL), (3, 'sent', NULL, NULL), (4, 'failed', NULL, NULL),
                       (5, 'pending', NULL, NULL), (6, 'cancelled', NULL, NULL), (7, 'read', '6 s', '1 min')) v (n, s, d, r);
        -- 30 seconds before midnight in Dhaka, and 30 seconds after
        INSERT INTO whatsapp_notifications (rule, dedup_key, meter_number, nocs_name, duration_status, send_status, created_at)
        VALUES ('rc_meters', 'a', '8', 'NOCS-3', 'STUCK', 'sent', date_trunc('day', now()) - interval '6 hours 30 s'),
               ('rc_meters', 'b', '9', 'NOCS-3', 'STUCK', 'sent', date_trunc('day', now()) - interval '5 hours 59 min 30 s')""")
    day = meters.value("SELECT (date_trunc('day', now()) - interval '1 day')::date")
    rows = [tuple(str(cell) if i > 9 and cell is not None else cell for i, cell in enumerate(row))
            for row in meters.sql("SELECT * FROM ami.deliveries ORDER BY day, nocs_name, duration_status")]
    assert [row[1:] for row in rows if row[0] == day] == [
        ("NOCS-1", "STUCK", 1, 1, 1, 1, 0, 0, 0, "0:00:01", "0:09:00"),
        ("NOCS-2", "ALERT", 1, 1, 0, 0, 0, 0, 0, None, None),
        ("NOCS-2", "STUCK", 5, 2, 2, 1, 1, 1, 1, "0:00:02", "0:01:00"),
        ("NOCS-3", "STUCK", 1, 1, 0, 0, 0, 0, 0, None, None)]
    assert len(rows) == 5
    assert [row[:-1] for row in meters.sql("SELECT * FROM ami.statistics")] == [
        ("NOCS-2", 6, 5, 75, Decimal("33.3")), ("NOCS-3", 2, 2, 100, 0), ("NOCS-1", 1, 1, 100, 100)]
    for beginning in ("SELECT * FROM ami.deliveries", "SELECT * FROM ami.statistics", "COPY"):
        assert "NOCS-1" in psql(meters, text=commented(NAME, beginning))


# --- two hundred meters in one message ---

def test_two_hundred_meters_behind_one_concentrator_are_one_message_to_the_group(meters, sandbox, start_daemon):  # noqa: F811
    for beginning in ("CREATE OR REPLACE VIEW ami.late_meters_gathered", "GRANT SELECT ON ami.late_meters_gathered", "INSERT INTO herald.templates",
                      "SELECT herald.add_rule"):
        psql(meters, text=commented(NAME, beginning).replace("'5 min'", "'2 s'"))
    load(meters, "rc_meters", gateway_url=sandbox.url, gateway_gap="10 ms")
    psql(meters, text=commented(NAME, "SELECT herald.add_rule").replace("'5 min'", "'2 s'"))
    start_daemon(credentials=CREDENTIALS)
    meters.sql("""INSERT INTO ami.meters SELECT n, 'NOCS-1', 'CUST' || n FROM generate_series(1, 200) n;
                  INSERT INTO ami.meters VALUES ('201', 'NOCS-2', 'CUST201');
                  INSERT INTO ami.meter_status SELECT n, 'IN_PROGRESS', now() - interval '3 hours', 10 FROM generate_series(1, 201) n""")
    messages = {m["recipient"]: m["body"] for m in sandbox.wait_for(2)}
    wait_until(lambda: settled(meters), "nothing is left to do")
    assert len(sandbox.messages()) == 2
    assert messages["120363000000000002@g.us"].rstrip() == "🚨 1 RC METERS LATE 🚨\n\nSTUCK 201, customer CUST201, for 3h 0m"
    lines = messages["120363000000000001@g.us"].split("\n")
    assert (lines[0], len(lines), lines[-1]) == ("🚨 200 RC METERS LATE 🚨", 13, "+ 190 more")
    assert meters.sql("SELECT sum(meters), sum(sent) FROM ami.deliveries") == [(201, 201)]
    # And nobody reads it. The second NOCS's only meter is connected meanwhile, and of the first's all but one.
    meters.sql("UPDATE ami.meter_status SET rc_status = 'CONNECTED' WHERE meter_number <> '7'")
    meters.sql("UPDATE whatsapp_notifications SET sent_at = now() - interval '31 min', created_at = now() - interval '35 min' WHERE send_status = 'sent'")
    plan(meters, "rc_meters_unread")
    assert sorted(told(meters, "rc_meters_unread")) == [("👀 LATE: nobody in NOCS-1 has read of 200 meters, for 31 minutes",)]


def test_it_comes_out_again(db):
    load(db, NAME, supervisor=SUPERVISOR, mail_url="smtp://127.0.0.1:1", mail_from="a@example.org", mail_to="b@example.org")
    for beginning in ("SELECT herald.drop_rule", "DELETE FROM herald.templates", "DELETE FROM herald.recipients", "DELETE FROM herald.senders", "DROP SCHEMA"):
        psql(db, text=commented(NAME, beginning))
    assert db.sql("SELECT name, channel FROM herald.recipients ORDER BY 1") == [("DEFAULT", "email"), ("SUPERVISOR", "whatsapp")]  # others' too
    for table in ("rules", "senders", "templates", "watches"):
        assert db.value(f"SELECT count(*) FROM herald.{table}") == 0, table
