"""Retention: what is old enough is blanked, and then deleted; what is not, and what is not final, is left alone."""

import pytest

from conftest import wait_until
from daemon import start_daemon  # noqa: F401 (fixture)
from player import Daemon, accepted, add_rule, add_senders, in_doubt, rejected, row, send


@pytest.fixture
def daemon(db):
    """A daemon with a sender, and two rules: one forgets, the other says nothing."""
    add_senders(db, "wa")
    db.sql("INSERT INTO herald.templates (name, body) VALUES ('t', 'Dear {{name}}')")
    for rule in ("forgetful", "silent"):
        add_rule(db, rule, f"""SELECT '{rule}' AS dedup_key, '+8801700000001' AS recipient, '{{"name": "Ada", "meter_number": "7"}}'::jsonb AS data""", "t")
    db.sql("UPDATE herald.rules SET forget_after = '90 days', delete_after = '1 year' WHERE name = 'forgetful'")
    player = Daemon(db)
    player.work()
    for _ in range(2):
        player.turn(*(accepted(c, message_id=f"m{c.id}") for c in player.turn().claims), room=0)
    yield player
    player.close()


def age(db, days):
    """Everything was made so many days ago; and the last walk began long ago."""
    db.sql("UPDATE public.whatsapp_notifications SET created_at = clock_timestamp() - make_interval(days => %s)", days)
    db.sql("UPDATE herald.retention SET began_at = '-infinity'")


def words(db):
    """What the history still says, by rule."""
    return dict(db.sql("""SELECT rule, num_nonnulls(body, payload, recipient, target, response_body, gateway_template) FROM whatsapp_notifications"""))


def test_what_a_message_said_is_forgotten_and_that_it_was_sent_is_not(db, daemon):
    before = words(db)
    age(db, 89)
    daemon.backstop()
    assert words(db) == before
    age(db, 91)
    daemon.backstop()
    assert words(db) == {"forgetful": 0, "silent": before["silent"]}
    kept = db.row("SELECT * FROM whatsapp_notifications WHERE rule = 'forgetful'")
    assert (kept["send_status"], kept["dedup_key"], kept["meter_number"]) == ("sent", "forgetful", "7") and kept["sent_at"] and kept["message_id"]
    daemon.plan("forgetful")
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 2  # once is once


def test_in_the_end_the_row_goes_and_its_attempts(db, daemon):
    db.sql("INSERT INTO herald.attempts (attempt_id, notification_id, outcome) SELECT 9999, id, 'late: accepted' FROM whatsapp_notifications WHERE rule = 'forgetful'")
    age(db, 366)
    daemon.backstop()
    assert list(words(db)) == ["silent"]
    assert db.value("SELECT count(*) FROM herald.attempts") == 0


def test_settings_hold_for_what_no_rule_speaks_of(db, daemon):
    by_hand = send(db, 3)
    daemon.turn(rejected(daemon.turn().claims[0], error="+8801700000003 is not on WhatsApp"), room=0)
    db.sql("UPDATE herald.settings SET value = '30 days' WHERE name = 'forget_after'")
    age(db, 31)
    daemon.backstop()
    assert words(db)["silent"] == 0 and words(db)["forgetful"] > 0
    assert row(db, by_hand)["error"] == "forgotten"
    assert db.value("SELECT count(*) FROM herald.attempts") == 0


def test_what_is_not_final_is_kept(db, daemon):
    db.sql("UPDATE herald.settings SET value = '1 day' WHERE name IN ('forget_after', 'delete_after')")
    flying, doubted, waiting = send(db, 11), send(db, 12), send(db, 13)
    claims = {c.id: c for c in daemon.turn(room=2).claims}
    daemon.turn(in_doubt(claims[doubted]), room=0)
    db.sql("UPDATE public.whatsapp_notifications SET next_at = NULL WHERE id = %s", doubted)  # waits for a person
    age(db, 400)
    daemon.backstop()
    assert [i for i, in db.sql("SELECT id FROM whatsapp_notifications WHERE body IS NOT NULL ORDER BY id")] == [flying, doubted, waiting]


def test_a_row_that_somebody_has_locked_is_left_for_the_next_walk(db, daemon):
    age(db, 91)
    other = db.connect()
    with other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT FROM whatsapp_notifications FOR UPDATE")
        daemon.backstop()
        cursor.execute("ROLLBACK")
    assert words(db)["forgetful"] > 0
    age(db, 91)
    daemon.backstop()
    daemon.work()
    assert words(db)["forgetful"] == 0


def long_history(db, count=20000):
    db.sql("UPDATE herald.settings SET value = '1 day' WHERE name = 'forget_after'")
    db.sql("""INSERT INTO public.whatsapp_notifications (body, send_status, created_at)
              SELECT 'x', 'sent', clock_timestamp() - interval '2 days' FROM generate_series(1, %s)""", count)
    db.sql("UPDATE herald.retention SET began_at = '-infinity'")


def passed(db):
    return db.value("SELECT passed_id FROM herald.retention WHERE what = 'forget'")


def test_a_long_history_is_walked_in_steps_of_bounded_time(db, daemon):
    long_history(db)
    daemon.backstop()
    assert 0 < passed(db) < 20000
    # A planner goes on at once, in steps, and not only every half minute.
    assert ("", "sweep") in daemon.turn(room=0).tasks
    steps = [done["result"] for rule, _, done in daemon.work() if rule == ""]
    assert len(steps) > 2 and steps == ["busy"] * (len(steps) - 1) + ["retained"]
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE body = 'x'") == 0


def test_a_daemon_catches_up_by_itself(db, daemon, start_daemon):  # noqa: F811
    daemon.leave()
    long_history(db)
    db.sql("SELECT herald.retain(), herald.ring_bell()")
    assert passed(db) > 0
    start_daemon()
    wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE body = 'x'") == 0, "forgotten", 15)
    wait_until(lambda: passed(db) is None, "the walk has ended")


def test_a_walk_begins_where_the_last_one_left_something(db, daemon):
    long_history(db, 500)
    waits = send(db, 3)
    first = db.value("SELECT min(id) FROM whatsapp_notifications WHERE rule = 'silent'")
    daemon.backstop()
    daemon.work()
    assert db.value("SELECT first_id FROM herald.retention WHERE what = 'forget'") == first
    db.sql("UPDATE public.whatsapp_notifications SET created_at = clock_timestamp() - interval '2 days'; UPDATE herald.retention SET began_at = '-infinity'")
    daemon.backstop()
    daemon.work()
    assert db.value("SELECT first_id FROM herald.retention WHERE what = 'forget'") == db.value("SELECT min(id) FROM whatsapp_notifications WHERE rule = 'forgetful'")
    # Whoever changes what is kept for how long has the whole history walked anew.
    db.sql("UPDATE herald.rules SET forget_after = '1 day' WHERE name = 'forgetful'; UPDATE herald.retention SET began_at = '-infinity'")
    daemon.backstop()
    daemon.work()
    assert db.value("SELECT first_id FROM herald.retention WHERE what = 'forget'") == waits
    assert db.column("SELECT id FROM whatsapp_notifications WHERE body IS NOT NULL") == [waits]


@pytest.mark.parametrize("statement", ["DELETE FROM public.whatsapp_notifications WHERE id = 1", "TRUNCATE public.whatsapp_notifications"])
def test_whoever_deletes_history_deletes_what_is_known_of_its_attempts(db, daemon, statement):
    db.sql("INSERT INTO herald.attempts (attempt_id, notification_id, outcome) VALUES (9001, 1, 'rejected'), (9002, 2, 'rejected')")
    db.sql(statement)
    assert db.column("SELECT notification_id FROM herald.attempts") == ([2] if "DELETE" in statement else [])


def test_what_is_learned_of_an_attempt_when_its_message_is_forgotten_is_forgotten_too(db, daemon):
    age(db, 91)
    daemon.backstop()
    db.sql("INSERT INTO herald.attempts (attempt_id, notification_id, outcome, at) SELECT 9000 + id, id, 'late: accepted', clock_timestamp() - interval '91 days' FROM whatsapp_notifications")
    db.sql("UPDATE herald.retention SET began_at = '-infinity'")
    daemon.backstop()
    assert db.column("SELECT n.rule FROM herald.attempts a JOIN whatsapp_notifications n ON n.id = a.notification_id") == ["silent"]


def test_a_walk_begins_once_an_hour_and_costs_nothing_where_nothing_is_to_be_forgotten(db, daemon):
    age(db, 91)
    daemon.backstop()
    began = db.column("SELECT began_at FROM herald.retention ORDER BY what")
    daemon.backstop()
    assert db.column("SELECT began_at FROM herald.retention ORDER BY what") == began
    db.sql("UPDATE herald.rules SET forget_after = NULL, delete_after = NULL; UPDATE herald.retention SET began_at = '-infinity'")
    daemon.backstop()
    assert db.column("SELECT DISTINCT began_at::text FROM herald.retention") == ["-infinity"]
