"""Pairing: what a person wants of a sender's session goes to its gateway by way of a daemon, and what comes of it stands in a view."""

import psycopg2
import pytest

from player import Daemon, add_senders, send
from test_sql_health import CALM, ask_now, asked


@pytest.fixture
def daemon(db):
    add_senders(db, "wa", gateway="wppconnect", account='{"session": "alerts"}', **CALM)
    player = Daemon(db)
    yield player
    player.close()


def tell(db, answer, reason=None, code=None, purpose="pair"):
    return db.sql("SELECT * FROM herald.tell('{wa}', ARRAY[%s], '{NULL}', ARRAY[%s], ARRAY[%s], ARRAY[%s])", answer, reason, code, purpose)


def session(db):
    return tuple(db.row("SELECT state, code, reason FROM herald.sessions").values())


def wanted(turn):
    return [(r.sender, r.target) for r in turn.rows if r.what == "ask"]


def asked_for(daemon):
    return wanted(daemon.turn())


def time_is_up(db):
    db.sql("UPDATE herald.health SET purpose_until = clock_timestamp()")


def test_a_session_is_paired_by_the_code_that_its_gateway_shows(db, daemon):
    assert session(db) == ("unknown", None, None)
    db.sql("SELECT herald.pair('wa')")
    send(db, 1)
    turn = daemon.turn()
    assert wanted(turn) == [("wa", "pair")] and turn.claims == []
    assert session(db) == ("pairing", None, "it is being paired")
    assert tell(db, "ill", "the session is being started") == []
    assert session(db) == ("pairing", None, "the session is being started")
    assert 1 < daemon.turn().due_sec <= 2
    ask_now(db)
    assert wanted(daemon.turn()) == [("wa", "pair")]
    assert tell(db, "code", None, "2@first") == []
    assert session(db)[:2] == ("pairing", "2@first")
    assert tell(db, "code", None, "2@second") == []
    assert session(db)[:2] == ("pairing", "2@second")
    assert tell(db, "well") == [("opened", "wa", "its session is paired")]
    assert session(db) == ("connected", None, None)
    assert len(daemon.turn().claims) == 1
    assert db.value("SELECT ask_at > clock_timestamp() + interval '4 min' AND purpose IS NULL FROM herald.health")


def test_a_code_that_nobody_scans_leaves_the_sender_unpaired(db, daemon):
    db.sql("SELECT herald.pair('wa')")
    daemon.turn()
    tell(db, "code", None, "2@code")
    time_is_up(db)
    assert session(db)[0] == "disconnected"  # also where no daemon is left to say so
    assert tell(db, "code", None, "2@code") == [("unpaired", "wa", "nobody scanned its code in time; pgherald pair wa pairs it")]
    assert session(db) == ("disconnected", None, "nobody scanned its code in time")
    send(db, 1)
    turn = daemon.turn()
    assert turn.claims == [] and asked(turn) == [] and turn.due_sec is None  # asking how it is might start it
    assert db.value("SELECT attention FROM herald.status WHERE item = 'hold sender wa'") == "pgherald pair wa"


def test_what_was_in_the_way_is_told_when_the_time_is_up(db, daemon):
    db.sql("SELECT herald.pair('wa')")
    daemon.turn()
    time_is_up(db)
    assert tell(db, "ill", "connection refused")[0][2] == "connection refused; pgherald pair wa pairs it"
    assert session(db) == ("disconnected", None, "connection refused")


def test_a_code_that_is_not_renewed_is_not_shown_for_long(db, daemon):
    db.sql("SELECT herald.pair('wa')")
    daemon.turn()
    tell(db, "code", None, "2@code")
    db.sql("UPDATE herald.health SET code_until = clock_timestamp()")
    assert session(db) == ("pairing", None, "it is being paired")


def test_a_session_is_logged_out_on_request_and_can_be_paired_again(db, daemon):
    db.sql("SELECT herald.unpair('wa')")
    send(db, 1)
    turn = daemon.turn()
    assert wanted(turn) == [("wa", "unpair")] and turn.claims == []
    assert session(db)[0] == "disconnecting"
    assert tell(db, "well", purpose="unpair") == [("unpaired", "wa", "it was unpaired on request; pgherald pair wa pairs it")]
    assert session(db) == ("disconnected", None, "it was unpaired on request")
    assert daemon.turn().claims == []
    db.sql("SELECT herald.pair('wa')")
    assert wanted(daemon.turn()) == [("wa", "pair")]
    tell(db, "well")
    assert session(db)[0] == "connected" and len(daemon.turn().claims) == 1


def test_a_session_that_was_not_logged_out_in_time_may_still_be_connected(db, daemon):
    db.sql("SELECT herald.unpair('wa')")
    daemon.turn()
    assert tell(db, "ill", "connection refused", purpose="unpair") == []
    assert session(db) == ("disconnecting", None, "connection refused")
    time_is_up(db)
    assert session(db)[0] == "unknown"  # also where no daemon is left to say so
    assert tell(db, "ill", "connection refused", purpose="unpair") == [("unpaired", "wa", "connection refused; pgherald unpair wa tries it again")]
    assert session(db) == ("unknown", None, "connection refused")
    assert db.value("SELECT until IS NULL FROM herald.sessions")
    db.sql("SELECT herald.unpair('wa')")
    time_is_up(db)
    assert tell(db, "unknown", purpose="unpair")[0][2].startswith("its gateway did not say that it is logged out; ")
    send(db, 1)
    assert daemon.turn().claims == []


@pytest.mark.parametrize("wanted, answered", [("unpair", "pair"), ("pair", "unpair"), ("unpair", None), ("pair", None)])
def test_an_answer_to_what_was_wanted_before_counts_for_nothing(db, daemon, wanted, answered):
    """The gateway was asked, and before it answered a person wanted something else."""
    if answered:
        db.sql(f"SELECT herald.{answered}('wa')")
    else:
        ask_now(db)
    daemon.turn()
    db.sql(f"SELECT herald.{wanted}('wa')")
    for answer in "well", "ill", "unknown":
        assert tell(db, answer, "it waits", purpose=answered) == []
    assert session(db) == ({"pair": "pairing", "unpair": "disconnecting"}[wanted], None, db.value("SELECT reason FROM herald.holds"))
    assert asked_for(daemon) == [("wa", wanted)]


def test_a_session_that_drops_is_disconnected(db, daemon):
    ask_now(db)
    assert wanted(daemon.turn()) == [("wa", None)]
    tell(db, "ill", "the session is not connected", purpose=None)
    assert session(db) == ("disconnected", None, "the session is not connected")


def test_a_block_of_before_ends_with_the_pairing(db, daemon):
    ask_now(db)
    daemon.turn()
    tell(db, "ill", "the session waits to be paired", purpose=None)
    db.sql("SELECT herald.pair('wa')")
    daemon.turn()
    db.sql("UPDATE herald.holds SET until = clock_timestamp() WHERE cause = 'blocked'")
    assert tell(db, "well") == [("opened", "wa", "the session waits to be paired"), ("opened", "wa", "its session is paired")]
    assert db.sql("SELECT cause FROM herald.holds") == []


@pytest.mark.parametrize("prepare, sender, message, hint", [
    ("", "nobody", 'there is no sender "nobody"', "There is: wa."),
    ("UPDATE herald.senders SET gateway = 'webhook'", "wa", 'sender "wa" has no session to pair: its gateway is webhook', "Gateways with sessions: "),
    ("UPDATE herald.senders SET enabled = false", "wa", 'sender "wa" is not enabled', "UPDATE herald.senders SET enabled = true WHERE name = 'wa'"),
    ("UPDATE herald.listeners SET seen_at = '-infinity'", "wa", "no daemon is there to tell the gateway", "Start one: systemctl start pgherald."),
])
def test_what_can_not_be_paired_is_refused_with_the_remedy(db, daemon, prepare, sender, message, hint):
    if prepare:
        db.sql(prepare)
    with pytest.raises(psycopg2.Error) as refused:
        db.sql("SELECT herald.pair(%s)", sender)
    assert refused.value.diag.message_primary == message
    assert refused.value.diag.message_hint.startswith(hint)


def test_readers_see_how_a_session_is_and_not_its_code(db, daemon):
    for select in "SELECT code FROM herald.sessions", "SELECT * FROM herald.sessions", "SELECT code FROM herald.health":
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            db.sql("SET ROLE herald_reader; " + select)
    assert db.value("SET ROLE herald_reader; SELECT state FROM herald.sessions") == "unknown"
    db.sql("SET ROLE herald_operator; SELECT herald.pair('wa'); SELECT code FROM herald.sessions")
