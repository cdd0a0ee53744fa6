"""attendance_payments, played through: its texts byte for byte, numbers as people write them, two senders that share and stand in,
opt-outs, numbers that nothing reaches, and SMS in their place."""

import pytest

from conftest import wait_until
from daemon import sandbox, settled, start_daemon  # noqa: F401 (fixtures)
from examples import attended, commented, load, plan, psql
from hostile import Hostile, http
from player import Daemon, add_senders

NAME = "attendance_payments"
RULES = ("attendance", "payment_received")
CREDENTIALS = {"academy_key": "key-of-the-academy", "academy_sms": "token-of-twilio"}
SMS = {"account_sid": "AC00000000000000000000000000000000", "from": "+15005550006"}

ATTENDANCE = """📚 *Attendance Update*

Dear Mr Sharma,

Your child *Rohan Sharma* from *Class 10-A* has been marked *PRESENT* for *Mathematics* on 02 Jan 2025.

Time: 02:05 PM

Best regards,
*Sunrise Academy*
_Powered by EduTrack_"""

PAYMENT = """💰 *Payment Received*

Dear Mr Sharma,

We have successfully received the payment for *Rohan Sharma* from *Class 10-A*.

💵 Amount: ₹12,500.00
📅 For: January 2025
🕐 Time: 02 Jan 2025, 02:05 PM

Thank you for your prompt payment!

Best regards,
*Sunrise Academy*
_Powered by EduTrack_"""


def add_student(db, student_id=1, phone="98765 43210"):
    db.sql("INSERT INTO academy.students VALUES (%s, 'Rohan Sharma', 'Class 10-A', 'Mr Sharma', %s)", student_id, phone)


def scan(db, student_id=1, subject="Mathematics"):
    db.sql("INSERT INTO academy.attendance (student_id, subject) VALUES (%s, %s)", student_id, subject)


def pay(db, student_id=1, amount=12500):
    db.sql("INSERT INTO academy.payments (student_id, amount, for_month) VALUES (%s, %s, current_date)", student_id, amount)


def rows(db, columns="send_status, target, error"):
    return db.sql(f"SELECT {columns} FROM whatsapp_notifications ORDER BY id")


# --- texts and views ---

@pytest.fixture
def academy(db):
    """The example, let go, and attended."""
    load(db, NAME)
    for rule in RULES:
        db.sql("SELECT herald.resume('rule', %s)", rule)
    attended(db)
    return db


def test_texts_byte_for_byte(academy):
    add_student(academy)
    at = "2025-01-02 14:05:59+05:30"
    academy.sql("INSERT INTO academy.attendance (student_id, subject, scanned_at) VALUES (1, 'Mathematics', %s)", at)
    academy.sql("INSERT INTO academy.payments (student_id, amount, for_month, paid_at) VALUES (1, 12500, '2025-01-01', %s)", at)
    academy.sql("SET herald.now = '2025-01-02 14:06+05:30'")
    for zone in ("UTC", "America/New_York"):  # whoever looks
        academy.sql(f"SET timezone = '{zone}'; SET datestyle = 'SQL, DMY'")
        for view, template, expected in (("presence", "attendance", ATTENDANCE), ("paid", "payment_received", PAYMENT)):
            data = academy.value(f"SELECT data::text FROM academy.{view}")
            assert academy.value("SELECT herald.preview(%s, %s::jsonb)", template, data).encode() == expected.encode()
    for rule in RULES:
        assert plan(academy, rule)["n_new"] == 1
    assert academy.column("SELECT body FROM whatsapp_notifications ORDER BY rule") == [ATTENDANCE, PAYMENT]


@pytest.mark.parametrize("amount, text", [(0, "0.00"), (0.5, "0.50"), (999, "999.00"), (1234567.891, "1,234,567.89"), (9999999999.99, "9,999,999,999.99")])
def test_amounts(academy, amount, text):
    add_student(academy)
    pay(academy, amount=amount)
    assert academy.value("SELECT data ->> 'amount' FROM academy.paid") == text


@pytest.mark.parametrize("at, date, time", [("2025-01-02 00:05+05:30", "02 Jan 2025", "12:05 AM"), ("2025-12-31 18:35+00", "01 Jan 2026", "12:05 AM"),
                                            ("2025-07-09 12:00+05:30", "09 Jul 2025", "12:00 PM")])
def test_times_are_the_academys(academy, at, date, time):
    add_student(academy)
    academy.sql("SELECT set_config('herald.now', %s, false)", at)
    academy.sql("INSERT INTO academy.attendance (student_id, subject, scanned_at) VALUES (1, 'Art', %s)", at)
    assert academy.sql("SELECT data ->> 'date', data ->> 'time' FROM academy.presence") == [(date, time)]


@pytest.mark.parametrize("phone, status, target, error", [
    ("98765 43210", "pending", "+919876543210", None),
    ("9198765432", "pending", "+919198765432", None),  # ten digits that begin as the country does
    ("919876543210", "pending", "+919876543210", None),
    ("+91 98765-43210", "pending", "+919876543210", None),
    ("0091 98765 43210", "pending", "+919876543210", None),
    ("098765 43210", "pending", "+919876543210", None),
    ("+971 50 1234567", "pending", "+971501234567", None),
    ("12", "suppressed", None, '"no number: 12" is no name in herald.recipients for channel academy, no group id and no number'),
    ("DEFAULT", "suppressed", None, '"no number: DEFAULT" is no name in herald.recipients for channel academy, no group id and no number'),
    ("120363000000000000@g.us", "suppressed", None,
     '"no number: 120363000000000000@g.us" is no name in herald.recipients for channel academy, no group id and no number'),
    (None, "suppressed", None, "no recipient: the row names none, and the rule has no default"),
])
def test_numbers(academy, phone, status, target, error):
    for name in ("DEFAULT", "12"):  # another system's
        academy.sql("INSERT INTO herald.recipients (name, channel, address) VALUES (%s, 'academy', '+8801711000009')", name)
    add_student(academy, phone=phone)
    pay(academy)
    plan(academy, "payment_received", "events")
    assert rows(academy) == [(status, target, error)]
    assert academy.column("SELECT problem FROM academy.unreachable") == ([error] if error else [])


def test_each_example_has_its_own_country(db):
    for country in ("", "880"):
        db.sql("UPDATE herald.settings SET value = %s WHERE name = 'default_country'", country)
        load(db, NAME)
        assert db.value("SELECT value FROM herald.settings WHERE name = 'default_country'") == country
    add_student(db)
    pay(db)
    assert db.value("SELECT recipient FROM academy.paid") == "+919876543210"
    load(db, NAME, country="92")
    assert db.value("SELECT recipient FROM academy.paid") == "+929876543210"


def test_scanned_twice_is_told_once_and_each_payment_is_told(academy):
    add_student(academy)
    for _ in range(2):
        scan(academy)
        pay(academy)
    scan(academy, subject="Physics / Lab")
    for rule in RULES:
        plan(academy, rule, "events")
        plan(academy, rule)
    assert [key.split("/", 2)[-1] for key in academy.column("SELECT dedup_key FROM whatsapp_notifications ORDER BY rule, dedup_key")] == [
        "Mathematics", "Physics / Lab", "1", "2"]
    academy.sql("INSERT INTO academy.attendance (student_id, subject, scanned_at) VALUES (1, 'Art', now() - interval '181 min')")
    assert plan(academy, "attendance")["n_new"] == 0  # nobody wants to hear it any more
    assert academy.value("SELECT max(expires_at - created_at) <= interval '3 hours' FROM whatsapp_notifications WHERE rule = 'attendance'")


def test_the_history_forgets_after_90_days_and_still_knows_that_it_told(academy):
    add_student(academy)
    pay(academy)
    plan(academy, "payment_received", "events")
    academy.sql("UPDATE public.whatsapp_notifications SET send_status = 'sending'")
    academy.sql("""UPDATE public.whatsapp_notifications SET send_status = 'sent', sent_at = now(), next_at = NULL,
                          created_at = now() - interval '89 days'""")
    walked = "UPDATE herald.retention SET passed_id = NULL, first_id = NULL, terms = NULL, began_at = '-infinity'; SELECT herald.retain()"
    academy.sql(walked)
    assert academy.value("SELECT body FROM whatsapp_notifications").startswith("💰 *Payment Received*")
    academy.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '2 days'")
    academy.sql(walked)
    assert rows(academy, "body, payload, recipient, target, send_status, dedup_key") == [(None, None, None, None, "sent", "1")]
    assert plan(academy, "payment_received")["n_new"] == 0


# --- senders ---

def test_both_take_turns_and_together_100_in_15_minutes(academy):
    academy.sql("""INSERT INTO academy.students SELECT n, 'S', 'C', 'P', '98765' || lpad(n::text, 5, '0') FROM generate_series(1, 130) n;
                   INSERT INTO academy.payments (student_id, amount, for_month) SELECT n, 1, current_date FROM generate_series(1, 130) n;
                   UPDATE herald.senders SET gap = '0', max_in_flight = 1000""")
    plan(academy, "payment_received")
    player = Daemon(academy)
    claims = [claim for _ in range(4) for claim in player.turn(room=1000).claims]
    player.close()
    assert sorted(claim.sender for claim in claims) == ["academy1"] * 50 + ["academy2"] * 50


def test_one_gateway_is_the_rest_server_and_the_other_n8n(db):
    load(db, NAME)
    assert db.sql("SELECT gateway, account, credential, gap::text, max_in_flight FROM herald.senders ORDER BY name") == [
        ("webjs", {"session": f"academy{n}"}, "academy_key", "00:00:03", 1) for n in (1, 2)]
    db.sql("SELECT herald.drop_rule(name) FROM herald.rules; DELETE FROM herald.senders")
    load(db, NAME, gateway="webhook", gateway_url="http://127.0.0.1:5678")
    assert db.sql("SELECT gateway, base_url, account ->> 'path', account -> 'headers' FROM herald.senders ORDER BY name") == [
        ("webhook", "http://127.0.0.1:5678", f"/webhook/academy{n}", {"X-API-Key": "{{credential}}"}) for n in (1, 2)]


# --- with daemon and sandbox ---

@pytest.fixture(params=["webjs", "webhook"])
def played(request, db, sandbox, start_daemon):  # noqa: F811
    """As its comments say, by either gateway, let go; a daemon runs."""
    db.gateway = request.param
    load(db, NAME, gateway=db.gateway, gateway_url=sandbox.url, gateway_gap="10 ms")
    db.sql("UPDATE herald.settings SET value = '50 ms' WHERE name IN ('retry_base', 'retry_cap', 'probe_base', 'probe_cap')")
    start_daemon(credentials=CREDENTIALS)
    for rule in RULES:
        db.sql("SELECT herald.resume('rule', %s)", rule)
    wait_until(lambda: settled(db), "all is swept")
    return db


def test_its_life_as_the_comments_have_it(played, sandbox):  # noqa: F811
    for table in ("students", "attendance", "payments"):
        psql(played, text=commented(NAME, f"INSERT INTO academy.{table}"))
    sandbox.wait_for(3)
    wait_until(lambda: settled(played), "nothing is left to do")
    assert sorted((m["recipient"], m["copies"], m["body"].split("\n")[0]) for m in sandbox.messages()) == [
        ("+919825011111", 1, "📚 *Attendance Update*"), ("+919876543210", 1, "💰 *Payment Received*"), ("+919876543210", 1, "📚 *Attendance Update*")]
    assert played.sql(commented(NAME, "SELECT name, parent").replace("%", "%%")) == [
        ("Kabir Singh", "Mr Singh", None, "no recipient: the row names none, and the rule has no default")]
    psql(played, text=commented(NAME, "SELECT sender, send_status"))
    psql(played, text=commented(NAME, "SELECT herald.opt_out"))
    pay(played)
    wait_until(lambda: played.value("SELECT error FROM whatsapp_notifications WHERE send_status = 'suppressed' AND target IS NOT NULL")
               == "opted out: asked at the office", "no more messages, as was asked for")
    psql(played, text=commented(NAME, "SELECT herald.opt_in"))
    pay(played, amount=9000)  # the sandbox takes a message with the same words for a copy
    sandbox.wait_for(4)
    assert len(played.sql("SELECT * FROM academy.unreachable")) == 1  # who opted out can be reached, and does not want to be


def test_one_number_stands_in_for_the_other(played, sandbox):  # noqa: F811
    for i in range(1, 7):
        add_student(played, i, f"98765 0000{i}")
        scan(played, i)
    sandbox.wait_for(6)
    assert {m["sender"] for m in sandbox.messages()} == {"academy1", "academy2"}
    sandbox.behave({"disconnected_sessions": ["academy1"]})
    for i in range(1, 7):
        pay(played, i)
    messages = sandbox.wait_for(12)
    wait_until(lambda: settled(played), "nothing is left to do")
    assert {m["sender"] for m in messages[6:]} == {"academy2"}
    assert played.column("SELECT name FROM herald.holds WHERE kind = 'sender'") == ["academy1"]
    assert played.value("SELECT max(attempts) FROM whatsapp_notifications") == 1  # the gateway's trouble costs no message an attempt


def test_a_number_that_is_not_on_whatsapp_is_reported_and_not_retried_and_sms_stands_in(played, sandbox):  # noqa: F811
    status = {"webjs": 500, "webhook": 400}[played.gateway]  # the former says "No LID for user"
    sandbox.behave({"only": {"recipient": "+919876543210", "sender": "academy1"}, "status": status},
                   {"only": {"recipient": "+919876543210", "sender": "academy2"}, "status": status})
    add_student(played)
    pay(played)
    wait_until(lambda: rows(played, "send_status") == [("failed",)], "it is refused")
    wait_until(lambda: settled(played), "nothing is left to do")
    assert (sandbox.figures()["refused"], rows(played, "attempts")) == (1, [(1,)])
    assert played.sql("SELECT student_id, phone FROM academy.unreachable") == [(1, "98765 43210")]
    # With another number they are off the list, and that one is used.
    played.sql("UPDATE academy.students SET phone = '98765 43211'")
    assert played.sql("SELECT * FROM academy.unreachable") == []
    pay(played)
    sandbox.wait_for(1)
    wait_until(lambda: settled(played), "nothing is left to do")
    load(played, NAME, gateway=played.gateway, sms_account=SMS["account_sid"], sms_from=SMS["from"], sms_url=sandbox.url)
    played.sql("UPDATE academy.students SET phone = '98765 43210'")
    pay(played)
    *_, by_sms = sandbox.wait_for(2)
    assert (by_sms["gateway"], by_sms["recipient"], by_sms["body"].split("\n")[0]) == ("twilio", "+919876543210", "💰 *Payment Received*")
    wait_until(lambda: settled(played), "nothing is left to do")
    assert played.sql("SELECT rule, channel, send_status FROM whatsapp_notifications ORDER BY id DESC LIMIT 2") == [
        ("fallback", "sms", "sent"), ("payment_received", "academy", "failed")]
    assert played.sql("SELECT * FROM herald.check()") == []


def test_a_number_whose_account_is_bad_is_named_and_the_other_carries_all(db, sandbox, start_daemon):  # noqa: F811
    load(db, NAME, gateway_url=sandbox.url, gateway_gap="10 ms")
    db.sql("UPDATE herald.senders SET credential = 'key_that_nobody_gave' WHERE name = 'academy1'")
    daemon = start_daemon(credentials=CREDENTIALS)
    db.sql("SELECT herald.resume('rule', name) FROM herald.rules")
    for i in range(1, 5):
        add_student(db, i, f"98765 0000{i}")
        pay(db, i)
    messages = sandbox.wait_for(4)
    wait_until(lambda: settled(db), "nothing is left to do")
    assert {m["sender"] for m in messages} == {"academy2"}
    reason = wait_until(lambda: db.value("SELECT value FROM herald.status WHERE item = 'hold sender academy1'"), "the sender is held")
    assert "key_that_nobody_gave" in reason and "academy1" in daemon.output()
    assert db.value("SELECT max(attempts) FROM whatsapp_notifications") == 1
    assert "key_that_nobody_gave" in db.pgherald("check", status=1).stdout


def test_words_of_gateways_for_a_number_that_is_not_on_whatsapp(academy):
    add_student(academy)
    words = [("the gateway rejected it: The number is not registered on WhatsApp", None), ("the number is not on WhatsApp", None),
             ("the gateway rejected it", '{"error": "No LID for user"}'), ("the message is too large", None), ("given up after 3 attempts: x", None)]
    for error, body in words:
        academy.sql("DELETE FROM whatsapp_notifications")
        academy.sql("""INSERT INTO whatsapp_notifications (rule, dedup_key, recipient, target, payload, send_status, error, response_body)
                       VALUES ('attendance', '1', '+919876543210', '+919876543210', '{"student_id": 1, "phone": "98765 43210"}', 'failed', %s, %s)""", error, body)
        expected = {"the message is too large": ["the message is too large"], "given up after 3 attempts: x": []}
        assert academy.column("SELECT problem FROM academy.unreachable") == expected.get(error, ["the number is not on WhatsApp"])


def test_the_key_leaves_as_a_header_and_a_channel_of_its_own(db, start_daemon):  # noqa: F811
    gateway = Hostile({"webhook": http({"message": "Workflow was started"})})
    add_senders(db, "another_system", base_url=gateway.url + "/other", account='{"body": {"to": "{{target}}"}}')
    load(db, NAME, gateway="webhook", gateway_url=gateway.url, gateway_gap="10 ms")
    start_daemon(credentials=CREDENTIALS)
    db.sql("SELECT herald.resume('rule', name) FROM herald.rules")
    for i in range(1, 5):
        add_student(db, i, f"98765 0000{i}")
        pay(db, i)
    wait_until(lambda: rows(db, "DISTINCT id, send_status, channel") == [(i, "sent", "academy") for i in range(1, 5)], "all are sent")
    gateway.stop()
    assert sorted({r.path for r in gateway.requests}) == ["/webhook/academy1", "/webhook/academy2"]
    assert {(r.method, r.headers["x-api-key"]) for r in gateway.requests} == {("POST", "key-of-the-academy")}
    assert sorted(r.json["to"] for r in gateway.requests) == [f"+91987650000{i}" for i in range(1, 5)]


def test_it_comes_out_again(academy):
    for beginning in ("SELECT herald.drop_rule", "DELETE FROM herald.templates", "DELETE FROM herald.senders", "DROP SCHEMA"):
        psql(academy, text=commented(NAME, beginning))
    assert academy.value("SELECT (SELECT count(*) FROM herald.rules) + (SELECT count(*) FROM herald.senders) + (SELECT count(*) FROM herald.templates)") == 0
    assert academy.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'herald_capture%%'") == 0
