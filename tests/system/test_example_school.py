"""test_completion beyond its messages: a share of the educators, and an alarm when too many messages fail."""

import hashlib

import pytest

from conftest import wait_until
from daemon import sandbox, settled, start_daemon  # noqa: F401 (fixtures)
from examples import ADMINISTRATOR, attended, commented, load, plan, psql

NAME = "test_completion"
RULES = ("test_completed", "test_failed", "test_alarm")


@pytest.fixture
def school(db):
    """The example, let go, with a hundred educators of a class each."""
    load(db, NAME, administrator=ADMINISTRATOR)
    for rule in RULES:
        db.sql("SELECT herald.resume('rule', %s)", rule)
    db.sql("""INSERT INTO school.educators SELECT n, 'E' || n, '017' || lpad(n::text, 8, '0') FROM generate_series(1, 100) n;
              INSERT INTO school.classes SELECT 'C' || n, n FROM generate_series(1, 100) n""")
    attended(db)
    return db


def end_tests(db, test_num, ago="0 s"):
    """The same test of each class has been processed."""
    db.sql("""INSERT INTO school.test_processing (class_id, test_num, kind, status, changed_at)
              SELECT class_id, %s, 'mcq', 'Successful', now() - %s::interval FROM school.classes""", test_num, ago)


def told(db, test_num):
    """The classes that were told of it."""
    plan(db, "test_completed", "events")
    plan(db, "test_completed")
    return set(db.column("SELECT class_id FROM whatsapp_notifications WHERE rule = 'test_completed' AND test_num = %s", str(test_num)))


# --- the cohort ---

def test_a_share_is_always_the_same_and_only_grows(school):
    before = set()
    for test_num, percent in enumerate((0, 1, 20, 21, 50, 100)):
        school.sql("INSERT INTO school.rollout (percent) VALUES (%s)", percent)
        end_tests(school, test_num)
        now = told(school, test_num)
        assert now >= before and abs(len(now) - percent) <= 10, (percent, len(now))
        assert now == set(school.column("SELECT 'C' || educator_id FROM school.cohort WHERE is_in"))
        before = now
    assert len(before) == 100
    school.sql("INSERT INTO school.rollout (percent) VALUES (0)")
    end_tests(school, 9)
    assert told(school, 9) == set()


def test_places_are_the_same_on_every_server(school):
    assert school.column("SELECT place FROM school.cohort ORDER BY educator_id") == [
        int(hashlib.md5(f"test_completion/{n}".encode()).hexdigest()[:8], 16) % 100 for n in range(1, 101)]


def test_who_comes_in_later_is_not_told_of_what_was_before(school):
    psql(school, text=commented(NAME, "INSERT INTO school.rollout (percent) VALUES (20)"))
    end_tests(school, 1)
    first = told(school, 1)
    psql(school, text=commented(NAME, "INSERT INTO school.rollout (percent) VALUES (100)"))
    assert told(school, 1) == first and 10 <= len(first) <= 30
    end_tests(school, 2)
    assert len(told(school, 2)) == 100
    assert psql(school, text=commented(NAME, "SELECT name, is_in")).count("| t\n") == 100


def test_a_class_without_educator_is_noticed_once_everybody_is_told(school):
    school.sql("INSERT INTO school.classes VALUES ('none', NULL); INSERT INTO school.rollout (percent) VALUES (99)")
    end_tests(school, 1)
    assert "none" not in told(school, 1)
    school.sql("INSERT INTO school.rollout (percent) VALUES (100)")
    end_tests(school, 2)
    assert "none" in told(school, 2)


# --- the alarm ---

def add_history(db, failed, others, rule="test_completed", status="sent", ago="59 min"):
    for state, count in (("failed", failed), (status, others)):
        db.sql("""INSERT INTO whatsapp_notifications (rule, dedup_key, send_status, error, created_at)
                  SELECT %s, gen_random_uuid(), %s, CASE WHEN %s = 'failed' THEN 'not on WhatsApp' END, now() - %s::interval FROM generate_series(1, %s)""",
               rule, state, state, ago, count)


def alarms(db):
    for _ in range(2):
        plan(db, "test_alarm")
    return db.column("SELECT body FROM whatsapp_notifications WHERE rule = 'test_alarm'")


@pytest.mark.parametrize("history, expected", [
    ([(1, 9)], None),  # a tenth is not more than a tenth
    ([(2, 8)], "🔥 2 of 10 messages about tests failed within the hour (20 %)\nFor example: not on WhatsApp"),
    ([(2, 7)], None),  # too few
    ([(9, 1, "test_failed")], "🔥 9 of 10 messages about tests failed within the hour (90 %)\nFor example: not on WhatsApp"),
    ([(9, 1, "another")], None),
    ([(9, 9, "test_completed", "sent", "61 min")], None),
    ([(2, 3), (0, 90, "test_completed", "suppressed")], None),
    ([(5, 90, "test_completed", "read")], None),
])
def test_an_alarm_when_the_last_hours_rate_passes_the_threshold(school, history, expected):
    for entry in history:
        add_history(school, *entry)
    assert alarms(school) == ([expected] if expected else [])


def test_the_threshold_is_a_row(school):
    psql(school, text=commented(NAME, "UPDATE school.alerting"))
    add_history(school, 2, 37)
    assert alarms(school) == []
    add_history(school, 1, 0)
    assert len(alarms(school)) == 1
    assert school.sql("SELECT DISTINCT target FROM whatsapp_notifications WHERE rule = 'test_alarm'") == [(ADMINISTRATOR,)]


def test_the_administrator_hears_that_messages_fail(db, sandbox, start_daemon):  # noqa: F811
    load(db, NAME, gateway_url=sandbox.url, administrator=ADMINISTRATOR)
    start_daemon(credentials={"school_token": "token-of-school"})
    for rule in RULES:
        db.sql("SELECT herald.resume('rule', %s)", rule)
    wait_until(lambda: settled(db), "all is swept")
    sandbox.behave({"recipients": {"+8801711000009": {"status": 400, "code": 131026}}})
    db.sql("""INSERT INTO school.educators VALUES (1, 'E', '01711000009'); INSERT INTO school.classes VALUES ('7A', 1);
              INSERT INTO school.test_processing (class_id, test_num, kind, status) SELECT '7A', n, 'mcq', 'Successful' FROM generate_series(1, 12) n""")
    wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'failed'") == 12, "all fail")
    db.pgherald("sweep", "test_alarm", status=0)
    message, = sandbox.wait_for(1)
    assert message["recipient"] == ADMINISTRATOR and message["body"].startswith("🔥 12 of 12 messages about tests failed within the hour (100 %)")
