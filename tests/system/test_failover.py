"""The primary dies and its standby is promoted, under a connection string of both hosts: real streaming replication."""

import contextlib
import re
import time

import pytest

from conftest import Cluster, Database, Standby, migrated_database, wait_until
from daemon import Daemon
from load import CREDENTIALS, Application, is_asleep, receiving
from test_database_loss import Writer

FLOWING_SEC = 2.0  # from the promotion's end to the next message


@pytest.fixture
def sink():
    with receiving(latency_ms=15) as server:
        yield server


@contextlib.contextmanager
def replicated(is_synchronous):
    """(primary's database, standby)"""
    primary = Cluster(synchronous_commit="on" if is_synchronous else "local")
    db = migrated_database(primary, "failover")
    standby = Standby(primary)
    if is_synchronous:
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.sql("SELECT pg_reload_conf()")
    wait_until(lambda: primary.sql("SELECT state, sync_state FROM pg_stat_replication")
               == [("streaming", "sync" if is_synchronous else "async")], "replication")
    try:
        yield db, standby
    finally:
        db.close()
        standby.remove()
        primary.remove()


def both_hosts(db, standby):
    """A connection string that finds whichever of them may be written to."""
    primary = db.cluster
    return (f"host={primary.directory},{standby.directory} port={primary.port},{standby.port} dbname={db.name} user=postgres"
            " target_session_attrs=read-write connect_timeout=2")


def fail_over(db, standby, is_synchronous, sink, directory):
    """The seconds from the promotion's end to the next message."""
    app = Application(db, sink)
    daemon = Daemon(directory, both_hosts(db, standby), credentials=CREDENTIALS, max_in_flight=16, log_level="info")
    writer = Writer(db)
    writer.start()
    wait_until(lambda: len(app.arrivals()) > 200 and app.in_flight() > 0, "messages in flight", 20, 0.001)
    db.cluster.stop("immediate")
    committed = writer.end()
    standby.promote()
    new = Database(standby, db.name)
    app.db = new
    if is_synchronous:
        new.sql("ALTER SYSTEM RESET synchronous_standby_names")
        new.sql("SELECT pg_reload_conf()")
    came, began = len(app.arrivals()), time.monotonic()
    ids = app.insert(5)
    wait_until(lambda: len(app.arrivals()) > came, "a message after the promotion", FLOWING_SEC, 0.01)
    took = time.monotonic() - began
    app.wait_for(ids)
    app.wait_settled()
    kept = set(new.column("SELECT id FROM readings"))
    assert kept <= set(app.arrivals()) and app.counts() == {"sent": len(kept)}
    if is_synchronous:  # what was acknowledged is there: nothing is lost, and nothing is repeated in silence
        assert set(committed) <= kept
        assert app.unmarked(app.repeats()) == []
    wait_until(lambda: is_asleep(new), "asleep again")
    app.wait_for(app.insert(1), 5)
    assert daemon.is_running() and daemon.stop() == 0
    new.close()
    return took


@pytest.mark.parametrize("is_synchronous", [True, False], ids=["synchronous", "asynchronous"])
def test_the_primary_dies_and_its_standby_is_promoted(is_synchronous, sink, tmp_path):
    with replicated(is_synchronous) as (db, standby):
        checked = db.pgherald("check").stdout
        assert ("Set synchronous_standby_names, or accept it." in checked) != is_synchronous
        fail_over(db, standby, is_synchronous, sink, tmp_path)


def test_what_a_failover_may_have_forgotten_is_marked_or_told(sink, tmp_path):
    """The standby had fallen behind: what was recorded since then is not there. It is in doubt where the claim at least is there, and
    the rest is counted."""
    with replicated(is_synchronous=False) as (db, standby):
        app = Application(db, sink)
        daemon = Daemon(tmp_path, both_hosts(db, standby), credentials=CREDENTIALS, max_in_flight=16, log_level="info")
        ids = app.insert(600)
        wait_until(lambda: sink.stats()["received"] > 100, "a flow", 20, 0.001)
        standby.sql("ALTER SYSTEM SET primary_conninfo = ''")
        standby.sql("SELECT pg_reload_conf()")
        wait_until(lambda: not db.sql("SELECT FROM pg_stat_replication"), "the standby is cut off", 20, 0.001)
        cut = sink.stats()["received"]
        wait_until(lambda: sink.stats()["received"] >= cut + 150, "messages that the standby does not hear of", 20, 0.001)
        db.cluster.stop("immediate")
        standby.promote()
        new = Database(standby, db.name)
        app.db = new
        app.wait_for(ids)
        app.wait_settled()
        said = re.search(r"another database server answers now.*: (\d+) messages are in doubt for that, and up to (\d+) may be sent again", daemon.output())
        in_doubt, forgotten = map(int, said.groups())
        repeats = app.repeats()
        print(f"{len(repeats)} came twice; {said[0]}")
        assert app.counts() == {"sent": 600} and len(repeats) >= 100
        assert len(app.unmarked(repeats)) <= forgotten <= len(repeats) + 64
        assert in_doubt == new.value("SELECT count(*) FROM herald.attempts WHERE error LIKE 'another database server%%'")
        assert daemon.stop() == 0
        new.close()
