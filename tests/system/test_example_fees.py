"""fee_reminders, played through: rules that an office edits, at played and at real times; its limits, its failures, and what is nonsense."""

import pytest

from conftest import wait_until
from daemon import Sandbox, sandbox, settled, start_daemon  # noqa: F401 (fixtures)
from examples import ADMINISTRATOR, commented, load, plan, plan_at, psql
from player import Daemon

NAME = "fee_reminders"
RULE = {"kind": "daily", "send_at": "09:00", "template": "fee_open", "active_from": "-infinity"}


@pytest.fixture
def fees(db):
    """The example, let go: Ayesha (7A) owes 15,000 due on 10 March 2026, Bilal (8B) 500 due on the 20th."""
    load(db, NAME, administrator=ADMINISTRATOR)
    db.sql("SELECT herald.resume('rule', 'fee_reminders'), herald.resume('rule', 'fee_failures')")
    db.sql("""INSERT INTO fees.students VALUES (1, 'Ayesha', '7A', 'Mr Malik', '0300-1234567'), (2, 'Bilal', '8B', 'Ms Ahmed', '+92 301 7654321');
              INSERT INTO fees.invoices VALUES (1, 1, 15000, '2026-03-10', '2026-02-01'), (2, 2, 500, '2026-03-20', '2026-02-01')""")
    return db


def add_rule(db, name="rule", **columns):
    """A row as the office writes it; its rule_id."""
    given = {"name": name, **RULE, **columns}
    return db.value(f"INSERT INTO fees.reminder_rules ({', '.join(given)}) VALUES ({', '.join(['%s'] * len(given))}) RETURNING rule_id",
                    *given.values())


def told(db):
    """The keys of what was planned so far, without their rule's id."""
    return sorted(key.split("/", 1)[1] for key in db.column("SELECT dedup_key FROM whatsapp_notifications WHERE rule = 'fee_reminders'"))


ALL = ["student/1", "student/2"]


@pytest.mark.parametrize("columns, moments", [
    # 2 March 2026 is a Monday.
    ({"kind": "daily"}, {"2026-03-02 08:59": None, "2026-03-02 09:00": "2026-03-02", "2026-03-02 20:59": "2026-03-02", "2026-03-02 21:00": None}),
    ({"kind": "daily", "send_at": "23:30"}, {"2026-03-03 00:10": "2026-03-02", "2026-03-03 11:29": "2026-03-02", "2026-03-03 11:30": None}),
    ({"kind": "daily", "send_within": "3 days"}, {"2026-03-05 08:59": "2026-03-04", "2026-03-05 09:00": "2026-03-05"}),
    ({"kind": "weekly", "weekdays": ["mon", "Thu"]}, {"2026-03-02 09:00": "2026-03-02", "2026-03-03 09:00": None, "2026-03-05 09:00": "2026-03-05",
                                                     "2026-03-08 09:00": None}),
    ({"kind": "weekly", "weekdays": ["sun"], "send_within": "7 days"}, {"2026-03-15 08:59": "2026-03-08", "2026-03-15 09:00": "2026-03-15"}),
    ({"kind": "monthly", "day": 5}, {"2026-03-05 09:00": "2026-03", "2026-03-04 09:00": None, "2026-03-06 09:00": None}),
    ({"kind": "monthly", "day": 31}, {"2026-04-30 09:00": "2026-04", "2026-02-28 12:00": "2026-02", "2026-03-30 12:00": None, "2026-03-31 12:00": "2026-03"}),
])
def test_rules_with_a_calendar_are_due_in_karachi(fees, columns, moments):
    add_rule(fees, **columns)
    for moment, period in moments.items():
        fees.sql("DELETE FROM whatsapp_notifications")
        for _ in range(2):
            plan_at(fees, NAME, moment + "+05")
        assert told(fees) == ([f"{who}/{period}" for who in ALL] if period else []), moment


@pytest.mark.parametrize("kind, days, moments", [
    ("before", 3, {"2026-03-07 08:59": [], "2026-03-07 09:00": [1], "2026-03-07 21:00": [], "2026-03-17 10:00": [2]}),
    ("after", 7, {"2026-03-17 09:00": [1], "2026-03-16 12:00": [], "2026-03-27 20:59": [2]}),
    ("after", 0, {"2026-03-10 09:00": [1], "2026-03-20 09:00": [2]}),
])
def test_rules_about_the_due_date(fees, kind, days, moments):
    add_rule(fees, kind=kind, days=days)
    for moment, invoices in moments.items():
        fees.sql("DELETE FROM whatsapp_notifications")
        for _ in range(2):
            plan_at(fees, NAME, moment + "+05")
        assert told(fees) == [f"invoice/{i}/2026-03-{i}0" for i in invoices], moment


def test_an_invoice_that_is_put_off_is_told_of_again(fees):
    add_rule(fees, kind="before", days=1)
    plan_at(fees, NAME, "2026-03-09 09:30+05")
    fees.sql("UPDATE fees.invoices SET due_on = '2026-03-25' WHERE invoice_id = 1")
    plan_at(fees, NAME, "2026-03-24 09:30+05")
    assert told(fees) == ["invoice/1/2026-03-10", "invoice/1/2026-03-25"]


def test_criteria(fees):
    for name, columns in (("class", {"class": "7A"}), ("minimum", {"minimum_due": 500.01}), ("exactly", {"minimum_due": 500}), ("off", {"is_on": False}),
                          ("later", {"active_from": "2026-03-12 09:00:01+05"})):
        add_rule(fees, name, **columns)
    plan_at(fees, NAME, "2026-03-12 09:10+05")
    assert fees.sql("SELECT payload ->> 'rule', payload ->> 'student' FROM whatsapp_notifications ORDER BY 1, 2") == [
        ("class", "Ayesha"), ("exactly", "Ayesha"), ("exactly", "Bilal"), ("minimum", "Ayesha")]
    fees.sql("DELETE FROM whatsapp_notifications; UPDATE fees.students SET has_left = true WHERE student_id = 1")
    plan_at(fees, NAME, "2026-03-12 09:10+05")
    assert fees.column("SELECT payload ->> 'rule' FROM whatsapp_notifications") == ["exactly"]


def test_what_is_owed_and_how_it_reads(fees):
    fees.sql("""INSERT INTO fees.invoices VALUES (3, 1, 1234567.5, '2026-04-10', '2026-03-01');
                INSERT INTO fees.payments (invoice_id, amount, paid_at) VALUES (1, 5000, '2026-03-11'), (2, 500, '2026-03-12 09:01+05')""")
    add_rule(fees)
    add_rule(fees, "late", kind="after", days=2, template="fee_overdue")
    plan_at(fees, NAME, "2026-03-12 09:00+05")
    assert fees.column("SELECT body FROM whatsapp_notifications WHERE target = '+923001234567' ORDER BY template") == [
        "Dear Mr Malik,\n\nfor *Ayesha* (class 7A) Rs 1,244,567.50 are open, the oldest due on 10 Mar 2026.",
        "Dear Mr Malik,\n\nthe fee of *Ayesha* (class 7A), Rs 10,000.00, was due on 10 Mar 2026, 2 days ago. Please pay it at the office.\n\n"
        "If you have paid already, please disregard this message."]
    # Bilal's is paid a minute later.
    assert told(fees) == ["invoice/1/2026-03-10", "student/1/2026-03-12", "student/2/2026-03-12"]
    fees.sql("DELETE FROM whatsapp_notifications")
    plan_at(fees, NAME, "2026-03-12 09:02+05")
    assert told(fees) == ["invoice/1/2026-03-10", "student/1/2026-03-12"]


NONSENSE = [
    ({"kind": "hourly"}, 'there is no kind "hourly"'),
    ({"kind": None}, 'there is no kind ""'),
    ({"kind": "weekly"}, "it is weekly, and on no day of the week"),
    ({"kind": "weekly", "weekdays": []}, "it is weekly, and on no day of the week"),
    ({"kind": "weekly", "weekdays": ["mon", "funday"]}, "weekdays {mon,funday} are not all days of the week"),
    ({"kind": "weekly", "weekdays": [None]}, "weekdays {NULL} are not all days of the week"),
    ({"kind": "monthly"}, 'no month has a day ""'),
    ({"kind": "monthly", "day": 45}, 'no month has a day "45"'),
    ({"kind": "monthly", "day": -2147483648}, 'no month has a day "-2147483648"'),
    ({"kind": "before"}, '"" days before the due date'),
    ({"kind": "after", "days": 2147483647}, '"2147483647" days after the due date'),
    ({"kind": "before", "days": -2147483648}, '"-2147483648" days before the due date'),
    ({"send_at": None}, "it has no time of the day"),
    ({"send_within": None}, 'a window of ""'),
    ({"send_within": "-1 hour"}, 'a window of "-01:00:00"'),
    ({"send_within": "178000000 years"}, 'a window of "178000000 years"'),
]


def test_nonsense_ends_in_a_line_for_who_can_mend_it_and_the_others_go_on(fees):
    expected = []
    for i, (columns, problem) in enumerate(NONSENSE):
        expected.append((add_rule(fees, f"nonsense {i}", **columns), f"nonsense {i}", True, problem))
    add_rule(fees, "sound")
    for moment in ("2026-03-09 09:30+05", "2026-03-12 09:30+05", "2026-03-31 09:30+05"):
        assert plan_at(fees, NAME, moment)["n_new"] == 2
    assert fees.column("SELECT DISTINCT payload ->> 'rule' FROM whatsapp_notifications") == ["sound"]
    assert fees.sql("SELECT rule_id, name, is_off, problem FROM fees.problems ORDER BY rule_id") == expected
    assert fees.value("SELECT count(*) FROM fees.problems WHERE remedy ~ '[.]$'") == len(NONSENSE)
    assert fees.sql("SELECT * FROM herald.check()") == []
    fees.sql("UPDATE fees.reminder_rules SET is_on = false WHERE name <> 'sound'")
    assert fees.sql("SELECT * FROM fees.problems") == []


def test_a_template_or_class_that_does_not_exist(fees):
    add_rule(fees, "typo", template="fee_opne")
    add_rule(fees, "none", template=None)
    add_rule(fees, "ghosts", **{"class": "13Z"})
    add_rule(fees, "sound")
    assert plan_at(fees, NAME, "2026-03-12 09:30+05")["n_new"] == 6
    assert fees.sql("SELECT name, is_off, problem FROM fees.problems ORDER BY name") == [
        ("ghosts", False, 'no student is in class "13Z"'), ("none", False, 'there is no template ""'), ("typo", False, 'there is no template "fee_opne"')]
    history = fees.sql("SELECT payload ->> 'rule', send_status, error FROM whatsapp_notifications WHERE payload ->> 'student' = 'Bilal' ORDER BY 1")
    assert history == [("none", "failed", "neither the row nor its rule names a template, and the row has no body"),
                       ("sound", "pending", None), ("typo", "failed", 'there is no template "fee_opne" in locale ""')]
    # One line to the administrator for each rule and reason, not one for each student.
    plan(fees, "fee_failures")
    plan(fees, "fee_failures")
    alerts = fees.sql("SELECT target, body FROM whatsapp_notifications WHERE rule = 'fee_failures' ORDER BY body")
    assert [(target, body.split(":")[0]) for target, body in alerts] == [(ADMINISTRATOR, '🔥 Fee reminders of the rule "none" fail\nFirst no. ' + str(i))
        for i in fees.column("SELECT min(id) FROM whatsapp_notifications WHERE payload ->> 'rule' = 'none' AND rule = 'fee_reminders'")] + [
        (ADMINISTRATOR, '🔥 Fee reminders of the rule "typo" fail\nFirst no. ' + str(i))
        for i in fees.column("SELECT min(id) FROM whatsapp_notifications WHERE payload ->> 'rule' = 'typo' AND rule = 'fee_reminders'")]
    # Mended, as the comment says.
    fees.sql("INSERT INTO herald.templates (name, body) VALUES ('fee_opne', 'Pay.')")
    psql(fees, text=commented(NAME, "DELETE FROM whatsapp_notifications"))
    plan_at(fees, NAME, "2026-03-12 10:00+05")
    assert fees.column("SELECT DISTINCT send_status FROM whatsapp_notifications WHERE payload ->> 'rule' = 'typo' AND rule = 'fee_reminders'") == ["pending"]


def test_an_invoice_without_a_day_and_what_is_no_number_stop_nobody(fees):
    add_rule(fees, "due", kind="before", days=3)
    add_rule(fees, "daily")
    fees.sql("""INSERT INTO fees.students VALUES (3, 'Danish', '8B', 'Mr Iqbal', 'DEFAULT');
                INSERT INTO fees.invoices SELECT 3 + n, n, 100, d::date, '2026-02-01' FROM (VALUES (1, 'infinity'), (2, '-infinity')) v (n, d);
                INSERT INTO fees.invoices VALUES (9, 3, 100, '2026-03-10', '2026-02-01');
                INSERT INTO herald.recipients (name, kind, address) VALUES ('DEFAULT', 'group', '120363000000000000@g.us');
                UPDATE herald.settings SET value = '880' WHERE name = 'default_country'""")
    plan_at(fees, NAME, "2026-03-07 09:30+05")
    assert fees.sql("SELECT DISTINCT target, send_status, error FROM whatsapp_notifications ORDER BY 1") == [
        ("+923001234567", "pending", None), ("+923017654321", "pending", None),
        (None, "suppressed", '"no number: DEFAULT" is no name in herald.recipients for channel whatsapp, no group id and no number')]
    assert fees.sql("SELECT name, problem FROM fees.problems ORDER BY 1") == [
        ("invoice 4", 'it is due on "infinity"'), ("invoice 5", 'it is due on "-infinity"')]


def test_what_was_not_sent_in_time_the_administrator_hears_too(fees):
    fees.sql("""INSERT INTO whatsapp_notifications (rule, dedup_key, payload, send_status, error)
                VALUES ('fee_reminders', 'late', '{"rule": "due"}', 'expired', 'the gateway was down')""")
    plan(fees, "fee_failures")
    assert "the gateway was down" in fees.value("SELECT body FROM whatsapp_notifications WHERE rule = 'fee_failures'")


def test_a_month_replayed(fees):
    add_rule(fees, "due", kind="before", days=3, template="fee_due_soon")
    fees.sql("""UPDATE fees.invoices SET due_on = (now() AT TIME ZONE 'Asia/Karachi')::date - 5, issued_at = now() - interval '60 days' WHERE invoice_id = 1;
                INSERT INTO fees.payments (invoice_id, amount) VALUES (1, 15000)""")
    out = fees.pgherald("replay", "fee_reminders", "--since", "30 days", status=0).stdout
    assert out.startswith("1 messages to 1 recipients\n") and "is due on" in out, out  # paid since, and open then
    assert fees.value("SELECT count(*) FROM whatsapp_notifications") == 0


def test_the_office_of_a_large_school_is_looked_at_every_minute(fees):
    fees.sql("""INSERT INTO fees.students SELECT n, 'S' || n, '7A', 'G', '+92300' || lpad(n::text, 7, '0') FROM generate_series(10, 4999) n;
                INSERT INTO fees.invoices SELECT s * 10 + i, s, 1000, date '2026-03-10' - i * 30, '2025-01-01' FROM generate_series(10, 4999) s, generate_series(0, 5) i;
                INSERT INTO fees.payments (invoice_id, amount, paid_at) SELECT invoice_id, 1000, '2026-01-01' FROM fees.invoices WHERE due_on < '2026-03-01';
                ANALYZE fees.students; ANALYZE fees.invoices; ANALYZE fees.payments""")
    for _ in range(20):
        add_rule(fees, kind="before", days=3)
    quiet = plan_at(fees, NAME, "2026-02-25 12:00+05")
    assert (quiet["n_found"], quiet["took"].total_seconds() < 2) == (0, True), quiet
    fees.sql("DELETE FROM fees.reminder_rules WHERE rule_id > 1")
    busy = plan_at(fees, NAME, "2026-03-07 12:00+05")
    assert (busy["n_new"], busy["took"].total_seconds() < 10) == (4991, True), busy


# --- its sender ---

def test_a_hundred_an_hour_and_a_thousand_a_day(fees):
    fees.sql("""INSERT INTO fees.students SELECT n, 'S' || n, '7A', 'G', '+92300' || lpad(n::text, 7, '0') FROM generate_series(10, 259) n;
                INSERT INTO fees.invoices SELECT n, n, 1000, current_date, now() - interval '1 day' FROM generate_series(10, 259) n;
                UPDATE herald.senders SET gap = '0', max_in_flight = 1000""")
    add_rule(fees, send_at=fees.value("SELECT ((now() - interval '5 min') AT TIME ZONE 'Asia/Karachi')::time"))
    plan(fees, NAME)
    player = Daemon(fees)
    claimed = len(player.turn(room=1000).claims) + len(player.turn(room=1000).claims)
    player.close()
    assert claimed == 100
    assert fees.sql("SELECT gateway, credential, limits FROM herald.senders") == [("wppconnect", "fees_token", ["100/1 hour", "1000/1 day"])]
    # What the limit holds back beyond its window is not sent any more.
    assert fees.value("SELECT count(DISTINCT expires_at) FROM whatsapp_notifications WHERE expires_at < now() + interval '12 hours'") == 1


# --- with daemon and sandbox ---

@pytest.fixture
def played(db, sandbox, tmp_path):  # noqa: F811
    """As its comments say, with a rule that was due five minutes ago; no daemon runs yet."""
    load(db, NAME, gateway_url=sandbox.url, gateway_gap="10 ms", administrator=ADMINISTRATOR)
    psql(db, text=commented(NAME, "INSERT INTO fees.students") + commented(NAME, "INSERT INTO fees.invoices"))
    db.sql("UPDATE herald.settings SET value = '50 ms' WHERE name IN ('retry_base', 'retry_cap', 'probe_base', 'probe_cap')")
    db.sql("SELECT herald.resume('rule', name) FROM herald.rules")
    add_rule(db, "due", send_at=db.value("SELECT ((now() - interval '5 min') AT TIME ZONE 'Asia/Karachi')::time"))
    return db


CREDENTIALS = {"fees_token": "$2b$10$of-the-session"}


def test_what_was_due_while_nobody_ran_is_sent_once(played, sandbox, start_daemon):  # noqa: F811
    add_rule(played, "too late", send_within="4 min", send_at=played.value("SELECT ((now() - interval '5 min') AT TIME ZONE 'Asia/Karachi')::time"))
    daemon = start_daemon(credentials=CREDENTIALS)
    sandbox.wait_for(2)
    wait_until(lambda: settled(played), "all is swept")
    daemon.stop()
    start_daemon(credentials=CREDENTIALS, name="next")
    played.sql("SELECT herald.sweep()")
    wait_until(lambda: settled(played), "all is swept again")
    assert sorted((m["recipient"], m["gateway"], m["copies"]) for m in sandbox.messages()) == [
        ("+923001234567", "wppconnect", 1), ("+923017654321", "wppconnect", 1)]
    assert played.sql("SELECT payload ->> 'student', send_status, error FROM whatsapp_notifications WHERE send_status <> 'sent'") == [
        ("Danish Iqbal", "suppressed", "no recipient: the row names none, and the rule has no default")]
    day, = played.sql("SELECT planned, sent, failed, waiting, not_sent, success_percent, median_time > '0', p95_time >= median_time FROM fees.daily")
    assert day == (3, 2, 0, 0, 1, 100, True, True)
    assert played.sql("SELECT * FROM herald.check()") == []


def test_three_attempts_and_then_the_administrator_hears(played, sandbox, start_daemon):  # noqa: F811
    sandbox.behave({"recipients": {"+923001234567": {"status": 408}}})
    start_daemon(credentials=CREDENTIALS)
    failed = wait_until(lambda: played.sql("SELECT attempts, error FROM whatsapp_notifications WHERE send_status = 'failed'"), "it failed")
    assert failed[0][0] == 3 and failed[0][1].startswith("given up after 3 attempts: ")
    wait_until(lambda: played.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'sent'") == 1, "the other is told")
    played.pgherald("sweep", "fee_failures", status=0)
    alert, = [m for m in sandbox.wait_for(2) if m["recipient"] == ADMINISTRATOR]
    assert alert["body"].startswith('🔥 Fee reminders of the rule "due" fail\n') and failed[0][1][:100] in alert["body"]
    assert played.value("SELECT success_percent FROM fees.daily") == 50


def test_who_pays_meanwhile_is_not_reminded(played, sandbox, start_daemon):  # noqa: F811
    played.sql("UPDATE herald.senders SET enabled = false")
    start_daemon(credentials=CREDENTIALS)
    wait_until(lambda: played.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'pending'") == 2, "both wait")
    played.sql("INSERT INTO fees.payments (invoice_id, amount) VALUES (1, 15000)")
    played.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '2 min' WHERE next_at IS NOT NULL")  # as if they had waited
    played.sql("UPDATE herald.senders SET enabled = true; SELECT herald.ring_bell()")
    message, = sandbox.wait_for(1)
    wait_until(lambda: settled(played), "nothing is left to do")
    assert (message["recipient"], len(sandbox.messages())) == ("+923017654321", 1)
    status, error = played.sql("SELECT send_status, error FROM whatsapp_notifications WHERE payload ->> 'student' = 'Ayesha Malik'")[0]
    assert status == "cancelled" and error.startswith("no longer true: ")


def test_a_token_that_the_session_does_not_have_is_said_and_no_reminder_is_lost(played, tmp_path, start_daemon):  # noqa: F811
    gateway = Sandbox(tmp_path, "--token", CREDENTIALS["fees_token"], name="strict")
    played.sql("UPDATE herald.senders SET base_url = %s", gateway.url)
    daemon = start_daemon(credentials={"fees_token": "$2b$10$of-another-session"})
    said = wait_until(lambda: played.value("SELECT value FROM herald.status WHERE item = 'hold sender fees'"), "the sender is held")
    assert "token" in said and CREDENTIALS["fees_token"] not in daemon.output()
    assert gateway.messages() == []
    (tmp_path / "credentials" / "fees_token").write_text(CREDENTIALS["fees_token"] + "\n")  # the administrator mends it, and restarts nothing
    played.pgherald("resume", "sender", "fees", status=0)  # nor waits for the minute to be over
    gateway.wait_for(2)
    wait_until(lambda: settled(played), "nothing is left to do")
    assert played.value("SELECT max(attempts) FROM whatsapp_notifications") == 1
    assert gateway.stop() == 0


def test_the_gateway_is_asked_every_five_minutes_how_it_is(played, sandbox, start_daemon):  # noqa: F811
    assert played.value("SELECT value FROM herald.settings WHERE name = 'health_interval'") == "5 min"
    played.sql("UPDATE fees.reminder_rules SET is_on = false; UPDATE herald.settings SET value = '300 ms' WHERE name = 'health_interval'; UPDATE herald.health SET ask_at = now()")
    start_daemon(credentials=CREDENTIALS)
    shown = commented(NAME, "SELECT is_well")
    assert wait_until(lambda: played.sql(shown)[0][0], "it is well")
    sandbox.behave({"disconnected_sessions": ["fees"]})
    wait_until(lambda: played.sql(shown)[0][0] is False, "it is noticed although there is nothing to send")
    assert "session" in played.sql(shown)[0][1]
    sandbox.behave()
    assert wait_until(lambda: played.sql(shown)[0][0], "it is well again")


# --- what its comments show ---

def test_the_statements_shown_in_the_file_work(fees):
    fees.sql("DELETE FROM fees.invoices; DELETE FROM fees.students")
    fees.sql("DROP ROLE IF EXISTS application; CREATE ROLE application LOGIN")
    try:
        for beginning in ("INSERT INTO fees.students", "INSERT INTO fees.invoices", "INSERT INTO fees.reminder_rules", "SELECT * FROM fees.problems",
                          "SELECT * FROM fees.daily", "SELECT payload", "SELECT herald.retry_all", "GRANT USAGE", "GRANT SELECT, INSERT", "GRANT SELECT ON"):
            psql(fees, text=commented(NAME, beginning))
        assert fees.sql("SELECT name, problem FROM fees.problems") == [("student 3", "no number is on file")]
        day = fees.value("""UPDATE fees.invoices SET issued_at = now() - interval '1 day', due_on = (now() AT TIME ZONE 'Asia/Karachi')::date - 7
                             WHERE invoice_id = 2 RETURNING due_on + 7""")
        shown = "".join(commented(NAME, beginning) + "\n" for beginning in (
            "BEGIN;", "UPDATE fees.reminder_rules", "SET LOCAL herald.now", "SELECT recipient, template, data", "ROLLBACK;"))
        assert "2026-03-02 10:30+05" in shown
        assert "Bilal Ahmed" in psql(fees, text=shown.replace("2026-03-02 10:30+05", f"{day} 10:30+05"))
        assert fees.value("SELECT count(*) FROM whatsapp_notifications") == 0
        with fees.connect("application").cursor() as cursor:
            cursor.execute("INSERT INTO fees.reminder_rules (name, kind) VALUES ('x', 'yearly'); SELECT problem FROM fees.problems ORDER BY 1 LIMIT 1")
            assert cursor.fetchall() == [("it has no time of the day",)]
        fees.sql("INSERT INTO whatsapp_notifications (rule, dedup_key) VALUES ('fee_reminders', 'kept')")
    finally:
        fees.sql("DROP OWNED BY application; DROP ROLE application")
    for beginning in ("SELECT herald.drop_rule", "DELETE FROM herald.templates", "DELETE FROM herald.senders", "DROP SCHEMA"):
        psql(fees, text=commented(NAME, beginning))
    assert fees.value("SELECT (SELECT count(*) FROM herald.rules) + (SELECT count(*) FROM herald.senders) + (SELECT count(*) FROM herald.templates)") == 0
    assert fees.column("SELECT dedup_key FROM whatsapp_notifications") == ["kept"]
