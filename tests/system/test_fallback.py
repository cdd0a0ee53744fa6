"""Fallback: what failed for good is told on another channel, once, and both rows say so."""

import psycopg2
import pytest

from player import Daemon, accepted, add_senders, in_doubt, rejected, row, send, wait


@pytest.fixture
def daemon(db):
    """A daemon with a sender on each channel; WhatsApp falls back to SMS, and that to email. "Ada" can be reached on all of them."""
    add_senders(db, "wa")
    add_senders(db, "text", channel="sms")
    add_senders(db, "mail", channel="email")
    db.sql("""UPDATE herald.channels SET fallback = 'email' WHERE name = 'sms';
              UPDATE herald.channels SET fallback = 'sms' WHERE name = 'whatsapp';
              INSERT INTO herald.recipients (name, channel, address) VALUES ('Ada', 'whatsapp', '+8801700000001'),
                     ('Ada', 'sms', '+8801800000001'), ('Ada', 'email', 'ada@example.org')""")
    player = Daemon(db)
    yield player
    player.close()


def reject(daemon):
    """Whatever is due is refused for good."""
    daemon.turn(*(rejected(c) for c in daemon.turn().claims), room=0)
    daemon.work()


def story(db, ident):
    return [what for _, what in db.sql("SELECT at, what FROM herald.explain(%s)", ident)]


def test_what_failed_is_told_on_the_next_channel_and_the_next(db, daemon):
    first = send(db, "Ada", "The pump stands still.")
    reject(daemon)
    by_sms, = daemon.turn().claims
    assert (by_sms.sender, by_sms.target, by_sms.body) == ("text", "+8801800000001", "The pump stands still.")
    daemon.turn(rejected(by_sms), room=0)
    daemon.work()
    by_mail, = daemon.turn().claims
    assert (by_mail.sender, by_mail.target) == ("mail", "ada@example.org")
    daemon.turn(accepted(by_mail), room=0)
    assert row(db, first)["send_status"] == "failed"
    assert any(f"told by sms instead: notification {by_sms.id} (failed)" in line for line in story(db, first))
    assert any(f"in place of notification {first}, which failed" in line for line in story(db, by_sms.id))
    assert any(f"told by email instead: notification {by_mail.id} (sent)" in line for line in story(db, by_sms.id))
    assert row(db, by_sms.id)["payload"]["fallback_of"] == first
    daemon.work()
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 3


def test_a_number_is_its_own_address_for_sms_and_none_for_email(db, daemon):
    send(db, 7, "hello")
    reject(daemon)
    by_sms, = daemon.turn().claims
    assert by_sms.target == "+8801700000007"
    daemon.turn(rejected(by_sms), room=0)
    daemon.work()
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 2


def test_who_has_no_address_there_is_left_alone(db, daemon):
    db.sql("INSERT INTO herald.recipients (name, kind, address) VALUES ('Ops', 'group', '120363000000000001@g.us')")
    send(db, "Ops", "hello")
    reject(daemon)
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 1


def test_what_waits_to_be_tried_again_is_not_told_yet(db, daemon):
    ident = send(db, "Ada")
    for _ in range(3):
        assert db.value("SELECT count(*) FROM whatsapp_notifications") == 1
        db.sql("UPDATE public.whatsapp_notifications SET next_at = clock_timestamp() WHERE next_at IS NOT NULL")
        daemon.turn(wait(daemon.turn().claims[0], "message"), room=0)
        daemon.work()
    assert row(db, ident)["send_status"] == "failed"
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 2


@pytest.fixture
def told(db, daemon):
    """A message whose receipt said that it failed, and its fallback's claim."""
    db.sql("UPDATE herald.senders SET gateway = 'wppconnect', account = '{\"session\": \"x\"}' WHERE name = 'wa'")
    ident = send(db, "Ada")
    daemon.turn(accepted(daemon.turn().claims[0], message_id="m1"), room=0)
    db.sql("SELECT herald.receive('{wppconnect}', '{x}', '{m1}', '{NULL}', '{NULL}', '{failed}', '{NULL}', '{broken}')")
    daemon.work()
    return ident, daemon.turn().claims[0]


def test_what_a_receipt_says_has_failed_falls_back_too_and_a_late_one_hides_nothing(db, daemon, told):
    ident, by_sms = told
    assert row(db, ident)["send_status"] == "failed" and by_sms.sender == "text"
    db.sql("SELECT herald.receive('{wppconnect}', '{x}', '{m1}', '{NULL}', '{NULL}', '{delivered}', '{NULL}', '{NULL}')")
    daemon.turn(accepted(by_sms), room=0)
    assert row(db, ident)["send_status"] == "delivered" and row(db, by_sms.id)["send_status"] == "sent"
    assert any("told by sms instead" in line for line in story(db, ident)) and any("delivered" in line for line in story(db, ident))


def test_the_rule_comes_with_the_first_fallback_and_can_be_paused(db, daemon):
    assert db.column("SELECT name FROM herald.rules") == ["fallback"]
    assert db.sql("SELECT * FROM herald.holds") == []
    assert not [p for p in db.column("SELECT problem FROM herald.check()") if "fallback" in p]
    db.sql("UPDATE herald.senders SET enabled = false WHERE name = 'text'")
    assert ('channel "whatsapp"', 'no sender of its fallback "sms" is enabled') in db.sql("SELECT subject, problem FROM herald.check()")
    db.sql("UPDATE herald.senders SET enabled = true WHERE name = 'text'")
    db.sql("SELECT herald.pause('rule', 'fallback', 'no')")
    send(db, "Ada")
    reject(daemon)
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 1
    db.sql("SELECT herald.resume('rule', 'fallback')")
    daemon.work()
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 2


def test_channels_that_fall_back_in_a_circle_are_refused(db, daemon):
    with pytest.raises(psycopg2.Error, match="would fall back to itself"):
        db.sql("UPDATE herald.channels SET fallback = 'whatsapp' WHERE name = 'email'")


def test_without_a_fallback_there_is_no_rule(db):
    add_senders(db, "wa")
    player = Daemon(db)
    send(db, 1)
    reject(player)
    player.close()
    assert db.sql("SELECT (SELECT count(*) FROM herald.rules), (SELECT count(*) FROM herald.events)") == [(0, 0)]


@pytest.mark.parametrize("late", [False, True])
def test_what_was_made_long_before_it_failed_is_told_all_the_same(db, daemon, late):
    """It may have had its time days ahead, been held for a week, or been in doubt."""
    ident = send(db, 7, "hello")
    claim, = daemon.turn().claims
    if late:
        daemon.turn(in_doubt(claim), room=0)
    db.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '9 days'; UPDATE herald.attempts SET at = at - interval '8 days'")
    daemon.turn(rejected(claim), room=0)
    daemon.work()
    assert row(db, ident)["send_status"] == "failed"
    assert [c.body for c in daemon.turn().claims] == ["hello"]


def test_what_failed_long_ago_is_not_told_by_a_sweep(db, daemon):
    send(db, 7, "hello")
    daemon.turn(*(rejected(c) for c in daemon.turn().claims), room=0)
    db.sql("UPDATE public.whatsapp_notifications SET created_at = created_at - interval '9 days'; UPDATE herald.attempts SET at = at - interval '3 days'; DELETE FROM herald.events")
    assert daemon.plan("fallback")["found"] == 0


def opted_out(db):
    return db.sql("SELECT name, reason FROM herald.holds WHERE kind = 'recipient' AND cause = 'opt-out'")


@pytest.mark.parametrize("late", [False, True])
def test_who_has_opted_out_by_the_gateways_word_is_told_nothing_more_anywhere(db, daemon, late):
    ident = db.value("SELECT herald.send('Ada', 'look', media => '{\"type\": \"image\", \"url\": \"https://example.org/1.jpg\"}')")
    claim, = daemon.turn().claims
    if late:
        daemon.turn(in_doubt(claim), room=0)
    daemon.turn(rejected(claim, "131050", scope="recipient"), room=0)
    assert opted_out(db) == [("+8801700000001", "the gateway says so: 131050")]
    db.sql("SELECT herald.sweep('fallback')")
    daemon.work()
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE rule = 'fallback'") == 0
    if not late:
        assert (row(db, ident)["send_status"], row(db, ident)["error"]) == ("suppressed", "opted out: 131050")
        assert db.column("SELECT send_status FROM whatsapp_notifications WHERE part_of IS NOT NULL") == ["cancelled"]
    again = send(db, "+8801700000001", "again")
    assert daemon.turn().claims == []
    assert row(db, again)["send_status"] == "suppressed"
    # They may change their mind, or a person may know better.
    db.sql("SELECT herald.opt_in('+8801700000001'), herald.retry(%s)", ident)
    assert [c.body for c in daemon.turn().claims] == ["look"]


@pytest.mark.parametrize("is_early", [False, True])
def test_who_has_opted_out_by_a_receipts_word_is_told_nothing_more_anywhere(db, daemon, is_early):
    db.sql("UPDATE herald.senders SET gateway = 'twilio', account = '{\"account_sid\": \"AC1\", \"from\": \"whatsapp:+14155238886\"}' WHERE name = 'wa'")
    ident = send(db, "Ada", "look")
    claim, = daemon.turn().claims
    if not is_early:
        daemon.turn(accepted(claim, message_id="SM1"), room=0)
    db.sql("SELECT herald.receive('{twilio}', '{AC1}', '{SM1}', %s, %s, '{opted out}', '{NULL}', '{21610}')", [ident], [claim.attempt_id])
    if is_early:
        daemon.turn(accepted(claim, message_id="SM1"), room=0)
    daemon.work()
    assert opted_out(db) == [("+8801700000001", "the gateway says so: 21610")]
    assert (row(db, ident)["send_status"], row(db, ident)["error"]) == ("failed", "21610")
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 1
    assert db.sql("SELECT kind FROM herald.receipt_counts WHERE kind IN ('failed', 'opted out')") == [("failed",)]
