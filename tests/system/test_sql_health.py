"""Health: gateways that can say how they are are asked before a sender's messages go on, and one that acknowledges nothing is held."""

import pytest

from player import Daemon, accepted, add_senders, in_doubt, probe_now, row, send, wait

CALM = {"limits": "{}", "gap": "0", "max_in_flight": 64}


@pytest.fixture
def daemon(db):
    """A daemon with a sender that can be asked, and that is acknowledged where it is asked for."""
    add_senders(db, "wa", gateway="wppconnect", account='{"session": "alerts"}', **CALM)
    player = Daemon(db)
    yield player
    player.close()


def ask_now(db):
    db.sql("UPDATE herald.health SET ask_at = clock_timestamp()")


def asked(turn):
    return [r.sender for r in turn.rows if r.what == "ask"]


def tell(db, answer, wait_sec=None, reason=None, sender="wa"):
    return db.sql("SELECT * FROM herald.tell(ARRAY[%s], ARRAY[%s], ARRAY[%s]::int[], ARRAY[%s], '{NULL}', '{NULL}')", sender, answer, wait_sec, reason)


def hold(db):
    return db.sql("SELECT name, cause, proof FROM herald.holds WHERE kind = 'sender'")


def block(db, daemon):
    """The sender would take no message."""
    send(db, 1)
    daemon.turn(wait(daemon.turn().claims[0], "sender", error="the session is not connected"), room=0)
    probe_now(db, "wa")
    ask_now(db)


def test_a_held_sender_is_asked_and_takes_no_message_before_it_is_well(db, daemon):
    block(db, daemon)
    assert hold(db) == [("wa", "blocked", "health, then message")]
    turn = daemon.turn()
    assert asked(turn) == ["wa"] and turn.claims == [] and turn.senders["wa"].detail == '{"session": "alerts"}'
    assert asked(daemon.turn()) == []  # by one daemon at a time
    assert tell(db, "well") == []
    claim, = daemon.turn().claims
    assert db.sql("SELECT is_well, ask_at > clock_timestamp() + interval '4 min' FROM herald.health") == [(True, True)]
    assert daemon.turn(accepted(claim)).events == [("opened", "wa", "the session is not connected")] and hold(db) == []


def test_what_it_answers_to_messages_weighs_more_than_that_it_is_well(db, daemon):
    """It refuses each message, and says each time that all is well: the pauses double, and no message is spent."""
    for number in range(3):
        send(db, number)
    daemon.turn(wait(daemon.turn(room=1).claims[0], "sender", error="too many requests", code=429), room=0)
    pauses = []
    for _ in range(6):
        pauses.append(db.value("SELECT extract(epoch FROM until - clock_timestamp())::float FROM herald.holds"))
        probe_now(db, "wa")
        ask_now(db)
        assert asked(daemon.turn()) == ["wa"]
        assert tell(db, "well") == []
        claim, = daemon.turn().claims
        assert daemon.turn(wait(claim, "sender", error="too many requests", code=429), room=0).events == []
    assert all(later > 1.4 * earlier for earlier, later in zip(pauses, pauses[1:])), pauses
    assert set(db.column("SELECT attempts FROM whatsapp_notifications")) == {0}


def test_one_that_is_ill_is_asked_again_after_its_pause(db, daemon):
    block(db, daemon)
    assert asked(daemon.turn()) == ["wa"]
    assert tell(db, "ill", 30, "the session waits to be paired") == []
    assert daemon.turn().claims == []
    assert 25 < daemon.turn().due_sec <= 30
    assert db.sql("SELECT reason, is_well FROM herald.health") == [("the session waits to be paired", False)]


def test_one_that_nobody_knew_to_be_ill_is_held(db, daemon):
    send(db, 1)
    ask_now(db)
    assert asked(daemon.turn(room=0)) == ["wa"]
    assert tell(db, "ill", None, "the session is closed") == [("held", "wa", "the session is closed")]
    assert daemon.turn().claims == []


def test_after_failures_a_message_must_prove_what_the_gateway_says(db, daemon):
    for i in range(7):
        send(db, i)
    for _ in range(5):
        daemon.turn(wait(daemon.turn(room=1).claims[0], "message"), room=0)
    assert hold(db) == [("wa", "blocked", "health, then message")]
    probe_now(db, "wa")
    ask_now(db)
    assert asked(daemon.turn()) == ["wa"]
    assert tell(db, "well") == [] and hold(db) == [("wa", "blocked", "message")]
    probe, = daemon.turn().claims
    daemon.turn(accepted(probe), room=0)
    assert hold(db) == []


def test_an_answer_that_tells_nothing_leaves_it_to_a_message(db, daemon):
    block(db, daemon)
    daemon.turn()
    assert tell(db, "unknown", None, "404") == [] and hold(db) == [("wa", "blocked", "message")]
    assert len(daemon.turn().claims) == 1


def test_well_does_not_end_a_pause_that_the_gateway_asked_for(db, daemon):
    send(db, 1)
    ask_now(db)
    claims = daemon.turn().claims
    daemon.turn(wait(claims[0], "sender", 3600, "too many requests"), room=0)
    assert tell(db, "well") == [] and hold(db) == [("wa", "blocked", "health, then message")]
    assert daemon.turn().due_sec > 3500


def test_a_gateway_that_cannot_be_asked_is_probed_by_a_message(db, daemon):
    add_senders(db, "hook")
    ident = send(db, 9, sender="hook")
    daemon.turn(wait(next(c for c in daemon.turn().claims if c.id == ident), "sender"), room=0)
    probe_now(db, "hook")
    assert [c.id for c in daemon.turn().claims] == [ident]
    assert db.column("SELECT sender FROM herald.health") == ["wa"]


def test_health_follows_the_senders(db, daemon):
    db.sql("UPDATE herald.senders SET enabled = false")
    assert db.column("SELECT sender FROM herald.health") == []
    db.sql("UPDATE herald.senders SET enabled = true; UPDATE herald.senders SET name = 'wb'")
    assert db.column("SELECT sender FROM herald.health") == ["wb"]
    db.sql("UPDATE herald.settings SET value = '' WHERE name = 'health_interval'; UPDATE herald.senders SET name = 'wc'")
    assert db.sql("SELECT sender, ask_at::text FROM herald.health") == [("wc", "infinity")]
    db.sql("DELETE FROM herald.senders")
    assert db.column("SELECT sender FROM herald.health") == []


# --- senders that acknowledge nothing ---


def receipt(db, message_id, status="sent"):
    db.sql("SELECT herald.receive('{wppconnect}', '{alerts}', ARRAY[%s], '{NULL}', '{NULL}', ARRAY[%s], '{NULL}', '{NULL}')", message_id, status)


def accept(db, daemon, number, message_id):
    ident = send(db, number)
    daemon.turn(accepted(next(c for c in daemon.turn().claims if c.id == ident), message_id=message_id), room=0)
    return ident


def minutes_pass(db, web_is_up=True):
    if web_is_up:
        db.sql("SELECT herald.web_looks(false); UPDATE herald.web SET up_since = up_since - interval '2 min'")
    db.sql("UPDATE herald.acknowledgements SET acknowledge_by = acknowledge_by - interval '2 min', acknowledged_at = acknowledged_at - interval '2 min'")
    db.sql("UPDATE public.whatsapp_notifications SET sent_at = sent_at - interval '2 min'")


@pytest.fixture
def stalled(db, daemon):
    """A sender that was acknowledged once; then it accepted two messages, and nothing has come since."""
    db.sql("SELECT herald.web_looks(true)")
    first = accept(db, daemon, 1, "m1")
    receipt(db, "m1")
    later = [accept(db, daemon, 2, "m2"), accept(db, daemon, 3, "m3")]
    assert 55 < daemon.turn(room=0).due_sec <= 60
    minutes_pass(db)
    return first, later


def test_a_sender_that_acknowledges_nothing_any_more_is_held_and_nothing_is_sent_again(db, daemon, stalled):
    first, later = stalled
    turn = daemon.turn()
    assert turn.events == [("held", "wa", "it accepts messages, and no receipt has come for 00:01:00: see that its gateway's webhooks reach pgherald web, "
                                          "then whether its messages arrive")]
    assert [(row(db, i)["send_status"], row(db, i)["next_at"]) for i in (first, *later)] == [("sent", None)] * 3
    assert hold(db) == [("wa", "blocked", "receipt")]


def test_the_others_take_over(db, daemon, stalled):
    add_senders(db, "other", priority=-1)
    daemon.turn()
    new = send(db, 40)
    assert [(c.id, c.sender) for c in daemon.turn().claims] == [(new, "other")]


@pytest.mark.parametrize("webhook", ["m2", "of another", "what somebody typed"])
def test_it_is_open_again_when_any_webhook_of_its_account_comes(db, daemon, stalled, webhook):
    daemon.turn()
    if webhook == "what somebody typed":
        hear = "SELECT herald.hear('{text}', '{wppconnect}', ARRAY[%s], '{8801711111111}', '{hello}', '{NULL}', '{NULL}')"
        db.sql(hear, "elsewhere")
        assert hold(db) != []
        db.sql(hear, "alerts")
    else:
        receipt(db, webhook, "delivered")
    assert hold(db) == []
    assert row(db, stalled[1][0])["send_status"] == ("delivered" if webhook == "m2" else "sent")
    assert len(daemon.turn(room=0).tasks) == 0


def test_it_is_probed_by_one_message_a_pause_until_one_is_acknowledged(db, daemon, stalled):
    daemon.turn()
    for i in range(4):
        send(db, 20 + i)
    assert daemon.turn().claims == []
    probe_now(db, "wa")
    probe, = daemon.turn().claims
    turn = daemon.turn(accepted(probe, message_id="m9"))
    assert turn.claims == [] and turn.events == [] and hold(db) == [("wa", "blocked", "receipt")]
    probe_now(db, "wa")
    probe, = daemon.turn().claims
    receipt(db, "m9")
    assert hold(db) == [] and daemon.turn().claims == []  # one at a time, at first
    assert len(daemon.turn(accepted(probe, message_id="m10")).claims) == 2


def web(db):
    return [tuple(r) for r in db.sql("SELECT value ~ '^up since', value ~ 'no receipts since', attention FROM herald.status WHERE item = 'pgherald web'")]


NO_RECEIPTS = "no receipts come: look at pgherald web, and whether gateways reach it"


@pytest.mark.parametrize("way", ["never", "down", "back", "restarted"])
def test_nothing_is_held_against_a_sender_while_web_was_not_up(db, daemon, way):
    if way != "never":
        db.sql("SELECT herald.web_looks(true)")
    accept(db, daemon, 1, "m1")
    receipt(db, "m1")
    later = accept(db, daemon, 2, "m2")
    minutes_pass(db, web_is_up=way == "restarted")
    db.sql("UPDATE herald.web SET seen_at = seen_at - interval '1 min'")
    if way == "back":
        db.sql("SELECT herald.web_looks(false)")
    if way == "restarted":
        db.sql("SELECT herald.web_looks(true)")
    assert daemon.turn().events == [] and hold(db) == [] and row(db, later)["send_status"] == "sent"
    assert [attention for _, _, attention in web(db)] == [NO_RECEIPTS]
    # Of what is accepted from now on it is held to account, once web is there.
    db.sql("SELECT herald.web_looks(false)")
    minutes_pass(db)
    assert daemon.turn().events == [] and db.value("SELECT acknowledge_by FROM herald.acknowledgements") is None
    last = accept(db, daemon, 3, "m3")
    minutes_pass(db)
    assert [what for what, _, _ in daemon.turn().events] == ["held"]
    assert [row(db, i)["send_status"] for i in (later, last)] == ["sent", "sent"]
    receipt(db, "m3")
    assert web(db) == [(True, False, None)] and hold(db) == []


def test_where_nobody_is_acknowledged_no_sender_is_held_for_it(db, daemon):
    db.sql("SELECT herald.web_looks(true)")
    add_senders(db, "wb", gateway="wppconnect", account='{"session": "more"}', **CALM)
    for n, sender in enumerate(("wa", "wb")):
        send(db, n, sender=sender)
    daemon.turn(*(accepted(c, message_id=c.sender) for c in daemon.turn().claims))
    receipt(db, "wa")
    db.sql("SELECT herald.receive('{wppconnect}', '{more}', '{wb}', '{NULL}', '{NULL}', '{sent}', '{NULL}', '{NULL}')")
    later = {sender: send(db, 2 + n, sender=sender) for n, sender in enumerate(("wa", "wb"))}
    daemon.turn(*(accepted(c, message_id=f"later {c.sender}") for c in daemon.turn().claims))
    minutes_pass(db)
    for _ in range(2):
        assert daemon.turn().events == [] and hold(db) == []
    assert web(db) == [(True, True, NO_RECEIPTS)]
    # One of them is acknowledged: so they come.
    db.sql("SELECT herald.receive('{wppconnect}', '{more}', '{later wb}', '{NULL}', '{NULL}', '{sent}', '{NULL}', '{NULL}')")
    assert web(db) == [(True, False, None)]
    last = send(db, 9, sender="wa")
    daemon.turn(*(accepted(c, message_id="m9") for c in daemon.turn().claims), room=0)
    db.sql("UPDATE herald.acknowledgements SET acknowledge_by = clock_timestamp() WHERE sender = 'wa'")
    assert [(what, who) for what, who, _ in daemon.turn().events] == [("held", "wa")]
    assert (row(db, later["wa"])["send_status"], row(db, last)["send_status"]) == ("sent", "sent")


def test_probes_that_nobody_acknowledges_go_once_each(db, daemon, stalled):
    """One after the other, nobody is skipped in silence, and nobody gets a copy."""
    daemon.turn(room=0)
    idents = stalled[1] + [send(db, 30 + n) for n in range(4)]
    for _ in range(12):
        probe_now(db, "wa")
        turn = daemon.turn()
        assert len(turn.claims) <= 1
        daemon.turn(*(accepted(c, message_id=f"m{c.attempt_id}") for c in turn.claims), room=0)
        minutes_pass(db)
    assert {(row(db, i)["send_status"], row(db, i)["attempts"]) for i in idents} == {("sent", 1)}


def test_a_sender_that_never_acknowledged_need_not(db, daemon):
    accept(db, daemon, 1, "m1")
    minutes_pass(db)
    assert daemon.turn().events == [] and db.value("SELECT acknowledge_by FROM herald.acknowledgements") is None
