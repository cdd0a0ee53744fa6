"""A message that makes its gateway answer as if the sender were at fault: the others do not wait for it."""

import pytest

from player import Daemon, accepted, add_senders, probe_now, row, send, wait

PAGE = "a web page, not the gateway's answer; check base_url"


@pytest.fixture
def daemon(db):
    """A daemon with one sender."""
    add_senders(db, "wa", max_in_flight=1)
    return Daemon(db)


def judge(poison, code):
    """A gateway that works for all but one message."""
    return lambda claim: wait(claim, "sender", 60, PAGE, code) if claim.id == poison else accepted(claim)


def play(db, daemon, answer, rounds=40):
    """Whatever is claimed is answered; a sender that is held is probed at once. How often each message went out."""
    went, outcomes = {}, []
    for _ in range(rounds):
        turn = daemon.turn(*outcomes)
        for ident in turn.ids:
            went[ident] = went.get(ident, 0) + 1
        outcomes = [answer(claim) for claim in turn.claims]
        probe_now(db, "wa")
    daemon.turn(*outcomes, room=0)
    return went


@pytest.mark.parametrize("code", [0, 400, 401, 403, 404, 413, 429, 503])
def test_a_message_that_holds_its_sender_does_not_keep_the_others_waiting(db, daemon, code):
    poison = send(db, 1)
    others = [send(db, n) for n in range(2, 12)]
    went = play(db, daemon, judge(poison, code))
    assert {row(db, ident)["send_status"] for ident in others} == {"sent"}
    assert all(went[ident] == 1 for ident in others)
    assert (row(db, poison)["send_status"], row(db, poison)["attempts"]) == ("pending", 0)


@pytest.mark.parametrize("code", [400, 403, 404, 413])
def test_what_was_refused_by_a_sender_that_worked_waits_longer_each_time(db, daemon, code):
    """Else it would be the first to go each time that the sender is opened, and hold it again."""
    db.sql("UPDATE herald.settings SET value = '1 hour' WHERE name IN ('retry_base', 'retry_cap')")
    poison, holds = send(db, 1), 0
    for n in range(2, 12):
        ident = send(db, n)
        assert play(db, daemon, judge(poison, code), rounds=3).get(poison, 0) == (n == 2)
        assert row(db, ident)["send_status"] == "sent"
        holds += db.value("SELECT count(*) FROM herald.holds WHERE kind = 'sender'")
    assert holds == 0


def test_a_sender_that_fails_with_everything_is_probed_by_one_after_the_other(db, daemon):
    """However long it lasts, no message spends an attempt."""
    idents = [send(db, n) for n in range(1, 6)]
    db.sql("UPDATE herald.settings SET value = '1 ms' WHERE name IN ('retry_base', 'retry_cap')")
    went = play(db, daemon, lambda claim: wait(claim, "sender", 60, PAGE, 404))
    assert {(row(db, ident)["send_status"], row(db, ident)["attempts"]) for ident in idents} == {("pending", 0)}
    assert set(went) == set(idents) and max(went.values()) - min(went.values()) <= 1
    play(db, daemon, accepted)
    assert {row(db, ident)["send_status"] for ident in idents} == {"sent"}


def test_a_gateway_that_speaks_of_a_template_where_there_is_none_waits_for_the_message(db, daemon):
    ident = send(db, 1)
    daemon.turn(wait(daemon.turn().claims[0], "template", error="the template is paused"))
    assert (row(db, ident)["send_status"], row(db, ident)["attempts"]) == ("pending", 1)
    assert db.sql("SELECT outcome, scope FROM herald.attempts") == [("wait", "message")]
    assert db.sql("SELECT * FROM herald.holds") == []
