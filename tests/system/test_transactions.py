"""Told is exactly what was committed, however it was written, and however the rest was taken back; in short. `make torture` has the long form."""

import contextlib

import pytest

from conftest import Cluster, migrated_database
from load import receiving
from player import Daemon, add_senders, send
from storm import faults
from transactions import Ledger

TRANSACTIONS = 400
SESSIONS = 4


@pytest.fixture(scope="module")
def preparing():
    """A server where transactions can be prepared: so nobody rings there, and the daemon looks every second."""
    server = Cluster(max_prepared_transactions="64")
    yield server
    server.remove()


@pytest.mark.parametrize("can_prepare", [False, True], ids=["rung for", "prepared transactions"])
def test_exactly_what_was_committed_is_told(cluster, request, tmp_path, can_prepare):
    db = migrated_database(request.getfixturevalue("preparing") if can_prepare else cluster, f"transactions_{can_prepare}".lower())
    with receiving(latency_ms=5) as sink, contextlib.closing(Ledger(tmp_path, db, sink, can_prepare)) as ledger:
        kills = ledger.work(TRANSACTIONS, SESSIONS)
        table = ledger.account()
    db.close()
    print(table)
    assert faults(table) == {}
    # Else it proved nothing.
    assert kills >= 1 and table["messages committed"] > TRANSACTIONS and table["messages taken back"] > 100
    assert not can_prepare or table["    rolled back when prepared"] > 0


def test_who_sends_first_keeps_nobody_waiting(db):
    """Nor himself, where his first transaction is prepared, and is to be decided by the session that sends the next message."""
    add_senders(db, "wa")
    first = db.connect()
    with first.cursor() as cursor:
        cursor.execute("BEGIN; SELECT herald.send('+8801700000001', 'x')")
        early = cursor.fetchone()[0]
        db.sql("SET statement_timeout = '5s'")
        sent = [send(db, 2), send(db, 3)]
        cursor.execute("COMMIT")
    first.close()
    daemon = Daemon(db)
    assert sorted(daemon.turn().ids) == sorted([early, *sent])
    daemon.close()
