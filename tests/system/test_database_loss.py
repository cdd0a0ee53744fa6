"""The database goes away and comes back: the daemon outlives it, loses nothing, repeats nothing, and tells systemd the truth."""

import contextlib
import os
import random
import signal
import threading
import time

import psycopg2
import pytest

from conftest import Cluster, Database, migrated_database, wait_until
from daemon import Daemon
from load import CREDENTIALS, Application, is_asleep, receiving, wait_fast_asleep

RESTARTS = int(os.environ.get("PGHERALD_RESTARTS", "6"))
BACK_SEC = 2.0  # from the server's return to the next message


@pytest.fixture(scope="module")
def own_cluster():
    """A server that may be stopped."""
    server = Cluster()
    yield server
    server.remove()


@pytest.fixture
def sink():
    with receiving(latency_ms=15) as server:
        yield server


def remove(db):
    db.close()
    db.cluster.sql(f"DROP DATABASE {db.name} WITH (FORCE)")


@pytest.fixture
def loss_db(own_cluster):
    db = migrated_database(own_cluster, "loss")
    yield db
    remove(db)


class Writer(threading.Thread):
    """Inserts rows one after the other, as long as the database lets it; each that it saw committed is counted."""

    def __init__(self, db):
        super().__init__(daemon=True)
        self.db = Database(db.cluster, db.name)
        self.ended = threading.Event()
        self.committed = []

    def run(self):
        while not self.ended.wait(0.002):
            with contextlib.suppress(psycopg2.Error):
                with self.db.connection.cursor() as cursor:
                    cursor.execute("INSERT INTO readings (meter) VALUES ('w') RETURNING id")
                    self.committed.append(cursor.fetchone()[0])
        self.db.close()

    def end(self):
        self.ended.set()
        self.join()
        return self.committed


def readings_and_messages_agree(app, committed):
    """Every row that was committed came once, and is recorded as sent."""
    app.wait_settled()
    ids = [row[0] for row in app.try_sql("SELECT id FROM readings ORDER BY id")]
    assert set(committed) <= set(ids)
    assert app.counts() == {"sent": len(ids)}
    assert sorted(app.arrivals()) == ids
    assert app.db.value("SELECT count(*) FROM whatsapp_notifications WHERE message_id IS NULL OR response_code <> 200") == 0


def test_restarts_under_load(own_cluster, loss_db, sink, tmp_path):
    app = Application(loss_db, sink)
    daemon = Daemon(tmp_path, loss_db.dsn(), credentials=CREDENTIALS, max_in_flight=16, log_level="info")
    pid = daemon.pid
    writer = Writer(loss_db)
    writer.start()
    took = []
    for number in range(RESTARTS):
        wait_until(lambda: app.in_flight() > 0, "messages in flight", 20, 0.001)
        time.sleep(random.uniform(0.1, 0.3))
        loss_db.close()
        own_cluster.restart("fast" if number % 2 else "immediate")
        back = time.monotonic()
        before = len(app.arrivals())
        wait_until(lambda: len(app.arrivals()) > before, "a message after the server's return", BACK_SEC, 0.01)
        took.append(time.monotonic() - back)
    committed = writer.end()
    assert len(committed) > 100
    readings_and_messages_agree(app, committed)
    assert daemon.is_running() and daemon.pid == pid
    assert daemon.stop() == 0
    print("flowing again after", [f"{sec:.2f}" for sec in took])


def test_what_the_gateway_accepted_meanwhile_is_recorded(own_cluster, loss_db, tmp_path):
    with receiving(latency_ms=700) as slow:
        app = Application(loss_db, slow)
        daemon = Daemon(tmp_path, loss_db.dsn(), credentials=CREDENTIALS, max_in_flight=16)
        ids = app.insert(16)
        app.wait_for(ids)  # all are there, none is answered yet
        assert app.counts() == {"sending": 16}
        loss_db.close()
        own_cluster.stop("immediate")
        wait_until(lambda: daemon.output().count("outcome=accepted") == 16, "the gateway's answers")
        assert not any("STOPPING" in state for state in daemon.states())
        own_cluster.start()
        wait_until(lambda: app.try_sql("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'sent'") == [(16,)],
                   "the answers recorded")
        readings_and_messages_agree(app, ids)
        assert app.try_sql("SELECT count(*) FROM herald.attempts") == [(0,)]
        assert daemon.stop() == 0


def cut_again_and_again(app, directory, times):
    """Ends the daemon's connections at random moments; nothing is lost, nothing comes twice. The number of messages."""
    daemon = Daemon(directory, app.db.dsn(), credentials=CREDENTIALS, max_in_flight=16)
    ids = []
    for _ in range(times):
        ids += app.insert(20)
        time.sleep(random.uniform(0, 0.06))
        app.db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE application_name LIKE 'pgherald %%' AND datname = current_database()")
    app.wait_for(ids)
    readings_and_messages_agree(app, ids)
    assert daemon.stop() == 0
    return len(ids)


def test_backends_are_cut_again_and_again(loss_db, sink, tmp_path):
    cut_again_and_again(Application(loss_db, sink), tmp_path, 30)


def test_without_a_database_at_the_start_it_waits_for_it(own_cluster, loss_db, sink, tmp_path):
    app = Application(loss_db, sink)
    ids = app.insert(3)  # no daemon attends: the sweep at its start finds them
    loss_db.close()
    own_cluster.stop()
    daemon = Daemon(tmp_path, loss_db.dsn(), credentials=CREDENTIALS, wait=False)
    wait_until(lambda: "the database is away" in daemon.output(), "its word that the database is away")
    time.sleep(0.5)  # nothing must happen
    assert daemon.is_running() and "READY=1" not in daemon.states()
    own_cluster.start()
    daemon.wait_ready(BACK_SEC)
    app.wait_for(ids)
    assert daemon.stop() == 0


# --- what it refuses ---


def test_a_newer_schema_drains_it(db, tmp_path):
    with receiving(latency_ms=500) as slow:
        app = Application(db, slow)
        daemon = Daemon(tmp_path, db.dsn(), credentials=CREDENTIALS, max_in_flight=4)
        ids = app.insert(4)
        wait_until(lambda: app.in_flight() == 4, "messages in flight", 20, 0.001)
        db.sql("INSERT INTO herald.migrations (version, name, checksum) VALUES (9999, 'later', 'x')")
        assert daemon.wait(10) == 1
        assert "the database has schema 9999" in daemon.output() and "upgrade pgherald" in daemon.output()
        assert "STOPPING=1" in daemon.states()
        assert app.counts() == {"sent": 4}
        assert sorted(app.arrivals()) == ids
        # Nor does it start.
        again = Daemon(tmp_path, db.dsn(), credentials=CREDENTIALS, wait=False, name="again")
        assert again.wait(10) == 1
        assert "the database has schema 9999" in again.output() and "READY=1" not in again.states()


def test_a_newer_schema_that_comes_while_the_connection_is_lost_drains_it_too(db, tmp_path):
    with receiving(latency_ms=500) as slow:
        app = Application(db, slow)
        daemon = Daemon(tmp_path, db.dsn(), credentials=CREDENTIALS, max_in_flight=4)
        app.insert(4)
        wait_until(lambda: app.in_flight() == 4, "messages in flight", 20, 0.001)
        db.sql("""INSERT INTO herald.migrations (version, name, checksum) VALUES (9999, 'later', 'x');
                  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE application_name LIKE 'pgherald %' AND datname = current_database()""")
        assert daemon.wait(10) == 1
        assert app.counts() == {"sent": 4}


def test_an_unmigrated_database(empty_db, tmp_path):
    daemon = Daemon(tmp_path, empty_db.dsn(), wait=False)
    assert daemon.wait(10) == 1
    assert "run pgherald migrate" in daemon.output()
    assert "READY=1" not in daemon.states()


# --- what systemd hears ---


def statuses(daemon):
    return [state.removeprefix("STATUS=") for state in daemon.states() if state.startswith("STATUS=")]


def test_what_systemd_hears(own_cluster, loss_db, sink, tmp_path):
    app = Application(loss_db, sink)
    # Up to the proof of the bell it may take any time; systemd must not hear READY before, nor miss the pings.
    with contextlib.closing(loss_db.connect()) as blocker:
        cursor = blocker.cursor()
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE herald.listeners IN ACCESS EXCLUSIVE MODE")  # which a daemon that joins writes to
        daemon = Daemon(tmp_path, loss_db.dsn(), credentials=CREDENTIALS, wait=False,
                        env={"WATCHDOG_USEC": "400000"})
        wait_until(lambda: "WATCHDOG=1" in daemon.states(), "a watchdog ping before it is ready")
        assert "READY=1" not in daemon.states()
        cursor.execute("ROLLBACK")
    daemon.wait_ready()
    first = daemon.states().index("READY=1")
    assert not any(state.startswith("STATUS=up") for state in daemon.states()[:first])
    wait_until(lambda: any(status.startswith("up") for status in statuses(daemon)), "a sentence")
    app.wait_for(app.insert(3))
    wait_until(lambda: "3 accepted" in statuses(daemon)[-1], "its figures")

    ready = daemon.states().count("READY=1")
    daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.states().count("READY=1") > ready, "READY after the reload")
    told = daemon.states()
    reloading = told.index("RELOADING=1")
    assert told[reloading + 1].startswith("MONOTONIC_USEC=") and int(told[reloading + 1].split("=")[1]) > 0
    assert told.index("READY=1", reloading) > reloading

    loss_db.close()
    own_cluster.stop()
    wait_until(lambda: "the database is away" in statuses(daemon)[-1], "its word on the database")
    pings = daemon.states().count("WATCHDOG=1")
    wait_until(lambda: daemon.states().count("WATCHDOG=1") >= pings + 5, "pings while the database is away", 2)
    assert "STOPPING=1" not in daemon.states()
    own_cluster.start()
    wait_until(lambda: statuses(daemon)[-1].startswith("up"), "its word that it is back", 3)

    assert daemon.stop() == 0
    assert "STOPPING=1" in daemon.states()
    assert any(status.startswith("stopping") for status in statuses(daemon))
    assert all("\x00" not in state and len(state) < 1100 for state in daemon.states())


def test_it_sleeps_again_after_a_restart(own_cluster, loss_db, sink, tmp_path):
    """A restart starts the protocol over: whoever rings while it falls asleep anew is heard."""
    app = Application(loss_db, sink)
    daemon = Daemon(tmp_path, loss_db.dsn(), credentials=CREDENTIALS)
    loss_db.close()
    own_cluster.restart()
    wait_fast_asleep(loss_db)
    app.wait_for(app.insert(1), 1.0)
    assert is_asleep(loss_db)
    assert daemon.stop() == 0
