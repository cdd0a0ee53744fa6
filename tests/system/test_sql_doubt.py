"""What is in doubt, where something else is to be said about the message too."""

import pytest

from player import Daemon, accepted, add_rule, add_senders, due_now, in_doubt, row, send

ONE = "SELECT 'a'::text AS dedup_key, '+8801711111111'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body"


@pytest.fixture
def daemon(db):
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


def left_in_doubt(db, daemon):
    """The rule's message, in doubt, and its grace over."""
    daemon.work()
    daemon.turn(in_doubt(daemon.turn().claims[0]))
    due_now(db, 1)


def test_what_must_not_be_sent_again_is_left_to_a_person_while_no_sender_is_open(db, daemon):
    add_rule(db, "careful", ONE, in_doubt="hold")
    left_in_doubt(db, daemon)
    db.sql("UPDATE herald.senders SET enabled = false")
    daemon.turn()
    assert row(db, 1)["next_at"] is not None
    daemon.backstop()
    assert (row(db, 1)["send_status"], row(db, 1)["next_at"]) == ("in_doubt", None)
    assert db.value("SELECT attention FROM herald.status WHERE item = 'messages in_doubt'").startswith("1 wait for a person")


def test_what_must_not_be_sent_again_is_left_to_a_person_however_old_it_is(db, daemon):
    add_rule(db, "careful", ONE, in_doubt="hold")
    left_in_doubt(db, daemon)
    db.sql("UPDATE whatsapp_notifications SET expires_at = clock_timestamp()")
    daemon.turn()
    assert (row(db, 1)["send_status"], row(db, 1)["next_at"]) == ("in_doubt", None)


def test_what_may_be_sent_again_is_not_when_it_is_too_old(db, daemon):
    add_rule(db, "eager", ONE, in_doubt="resend")
    left_in_doubt(db, daemon)
    db.sql("UPDATE whatsapp_notifications SET expires_at = clock_timestamp()")
    assert daemon.turn().claims == []
    assert row(db, 1)["send_status"] == "expired"
    assert row(db, 1)["error"] == "waited longer than it was worth telling: cut off after the request had left"


def test_who_has_opted_out_is_not_sent_again_what_was_in_doubt(db, daemon):
    add_rule(db, "eager", ONE, in_doubt="resend")
    left_in_doubt(db, daemon)
    db.sql("SELECT herald.opt_out('+8801711111111', 'said so')")
    assert daemon.turn().claims == []
    assert (row(db, 1)["send_status"], row(db, 1)["resends"]) == ("suppressed", 0)
    assert row(db, 1)["error"] == "opted out: said so; it is in doubt: cut off after the request had left"


def test_what_is_due_and_free_to_go_is_told_of_whatever_else_is_held(db, daemon):
    free, held = send(db, 1), send(db, 2)
    attention = "SELECT attention FROM herald.status WHERE item = 'messages pending'"
    db.sql("UPDATE whatsapp_notifications SET next_at = clock_timestamp() - interval '1 h'")
    db.sql("SELECT herald.pause('recipient', '+8801799999999')")
    assert db.value(attention).startswith("due for over five minutes")
    db.sql("SELECT herald.pause('sender', 'wa')")  # then that is what there is to say
    assert db.value(attention) is None
    add_senders(db, "other")
    assert db.value(attention).startswith("due for over five minutes")
    assert {free, held} == set(daemon.turn().ids)


@pytest.mark.parametrize("name, value, hint", [
    ("request_time_limit", "30 sekunden", "It is a time, as 30 s."),
    ("request_time_limit", "0", "It is a time, as 30 s."),
    ("health_interval", "often", "It is a time, as 5 min, or empty."),
    ("resend_limit", "many", "It is a number."),
    ("failures_in_a_row", "0", "It is a number."),
    ("timezone", "Dhaka", "It is a time zone, as Asia/Dhaka."),
    ("default_country", "+880", "It is a calling code, as 880, or empty."),
])
def test_a_setting_that_can_not_be_understood_is_refused(db, name, value, hint):
    with pytest.raises(Exception) as refused:
        db.sql("UPDATE herald.settings SET value = %s WHERE name = %s", value, name)
    assert (refused.value.diag.message_primary, refused.value.diag.message_hint) == (f'setting "{name}" can\'t be "{value}"', hint)


def test_no_setting_goes_and_none_is_made_up(db):
    with pytest.raises(Exception, match='setting "part_gap" is needed'):
        db.sql("DELETE FROM herald.settings WHERE name = 'part_gap'")
    with pytest.raises(Exception, match='there is no setting "partgap"'):
        db.sql("INSERT INTO herald.settings (name, value) VALUES ('partgap', '2 s')")
    for value in "", "90 days":
        db.sql("UPDATE herald.settings SET value = %s WHERE name = 'forget_after'", value)
