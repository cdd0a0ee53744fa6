"""What is in doubt, where something else is to be said about the message too."""

import pytest

from player import Daemon, accepted, add_rule, add_senders, due_now, in_doubt, rejected, row, send, wait

ONE = "SELECT 'a'::text AS dedup_key, '+8801711111111'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body"


@pytest.fixture
def daemon(db):
    add_senders(db, "wa")
    player = Daemon(db)
    yield player
    player.close()


def again(db, daemon, ident):
    """It is in doubt, and claimed once more."""
    due_now(db, ident)
    daemon.turn(room=1)
    return daemon.turn(room=1).claims[0]


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


def test_who_has_opted_out_had_it_after_all(db, daemon):
    """A late answer of the one attempt that there was."""
    add_rule(db, "eager", ONE, in_doubt="resend")
    daemon.work()
    claim = daemon.turn().claims[0]
    daemon.turn(in_doubt(claim))
    db.sql("SELECT herald.opt_out('+8801711111111', 'said so')")
    due_now(db, 1)
    daemon.turn()
    assert row(db, 1)["send_status"] == "suppressed"
    daemon.turn(accepted(claim, "wamid.late"))
    assert [row(db, 1)[c] for c in ("send_status", "message_id", "doubled_at", "resends", "error")] == ["sent", "wamid.late", None, 0, None]


@pytest.mark.parametrize("status", ["suppressed", "cancelled", "expired", "failed"])
def test_what_an_earlier_attempt_was_accepted_for_was_sent_once_where_the_later_one_was_not(db, daemon, status):
    ident = send(db, 1)
    first = daemon.turn().claims[0]
    daemon.turn(in_doubt(first))
    daemon.turn(wait(again(db, daemon, ident), "message"), room=0)
    db.sql("UPDATE whatsapp_notifications SET send_status = %s, next_at = NULL", status)
    daemon.turn(accepted(first))
    assert (row(db, ident)["send_status"], row(db, ident)["doubled_at"]) == ("sent", None)


def receipt(db, message_id, status="delivered", session="x"):
    return db.sql("SELECT * FROM herald.receive('{wppconnect}', ARRAY[%s], ARRAY[%s], '{NULL}', '{NULL}', ARRAY[%s], '{NULL}', '{NULL}')",
                  session, message_id, status)


@pytest.fixture
def twice(db):
    """A message that was accepted as "m1", and is to go once more all the same."""
    add_senders(db, "x", gateway="wppconnect", account='{"session": "x"}', gap="0", limits="{}", max_in_flight=9)
    player = Daemon(db)
    ident = send(db, 1)
    player.turn(accepted(player.turn().claims[0], "m1"), room=0)
    db.sql("INSERT INTO herald.attempts (attempt_id, notification_id, sender, outcome) SELECT attempt_id, id, sender, 'accepted' FROM whatsapp_notifications")
    db.sql("UPDATE whatsapp_notifications SET send_status = 'pending', next_at = clock_timestamp(), resends = 1, resent_at = clock_timestamp()")
    yield player, ident
    player.close()


@pytest.mark.parametrize("status", ["suppressed", "cancelled", "expired"])
def test_a_receipt_settles_what_was_in_doubt_for_want_of_it(db, twice, status):
    _, ident = twice
    db.sql("UPDATE whatsapp_notifications SET send_status = %s, next_at = NULL", status)
    receipt(db, "m1")
    assert (row(db, ident)["send_status"], row(db, ident)["error"]) == ("delivered", None)


@pytest.mark.parametrize("by", ["x", "other"])
def test_a_receipt_of_the_first_while_the_second_is_on_its_way_says_that_it_was_doubled(db, twice, by):
    player, ident = twice
    if by == "other":
        add_senders(db, "other", priority=9)
    claim, = player.turn().claims
    assert (claim.id, claim.sender) == (ident, by)
    assert ("early", 1) in receipt(db, "m1")
    player.turn(accepted(claim, "m2"), room=0)
    n = row(db, ident)
    assert (n["send_status"], n["message_id"]) == ("sent", "m2") and n["doubled_at"] is not None and n["error"].startswith("sent twice")
    if by == "x":
        receipt(db, "m2", "read")
        assert row(db, ident)["send_status"] == "read"


@pytest.mark.parametrize("outcome", [wait, in_doubt, rejected])
def test_a_receipt_of_the_first_spares_what_the_second_was_not_taken_for(db, twice, outcome):
    player, ident = twice
    claim, = player.turn().claims
    receipt(db, "m1")
    player.turn(outcome(claim, "message") if outcome is wait else outcome(claim), room=0)
    assert (row(db, ident)["send_status"], row(db, ident)["doubled_at"]) == ("delivered", None)
    assert db.value("SELECT count(*) FROM herald.receipts_early") == 0


def test_a_person_who_sends_again_what_is_in_doubt_leaves_a_mark(db, daemon):
    ident = send(db, 1)
    daemon.turn(in_doubt(daemon.turn().claims[0]))
    db.sql("SELECT herald.retry(%s)", ident)
    assert row(db, ident)["resends"] == 1 and row(db, ident)["resent_at"] is not None
    daemon.turn(rejected(daemon.turn().claims[0]))
    db.sql("SELECT herald.retry(%s)", ident)
    assert row(db, ident)["resends"] == 0


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
    ("failures_in_a_row", "many", "It is a number."),
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
