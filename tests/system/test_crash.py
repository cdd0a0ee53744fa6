"""Daemons that die, stop, freeze and meet: nothing is lost, and nothing comes twice but what its row admits."""

import os
import random
import re
import signal
import time

import pytest

from conftest import migrated_database, wait_until
from daemon import Daemon, start_daemon  # noqa: F401 (fixture)
from load import CREDENTIALS, Application, receiving

MESSAGES = int(os.environ.get("PGHERALD_CRASH_MESSAGES", "3000"))
KILLS = int(os.environ.get("PGHERALD_CRASH_KILLS", "12"))


@pytest.fixture
def sink():
    """A gateway whose answers take a moment, so that there is always something in flight."""
    with receiving(latency_ms=15) as server:
        yield server


def trickle(app, count, batch=100):
    """Inserts count rows bit by bit, a step each time that it is asked."""
    while count > 0:
        app.insert(min(batch, count))
        count -= batch
        yield


def kill_at_random_moments(app, tmp_path, messages, kills):
    """Kills daemon after daemon while messages flow; how many requests were in flight at the kills, together."""
    rows = trickle(app, messages, batch=max(1, messages // (2 * kills)))
    in_flight = 0
    for _ in range(kills):
        daemon = Daemon(tmp_path, app.db.dsn(), credentials=CREDENTIALS, max_in_flight=32, log_level="warning")
        next(rows, None)
        time.sleep(random.uniform(0, 0.12))
        next(rows, None)
        time.sleep(random.uniform(0, 0.12))
        daemon.stop(signal.SIGKILL)
        app.wait_backends_gone()
        in_flight += app.in_flight()
    for _ in rows:
        pass
    daemon = Daemon(tmp_path, app.db.dsn(), credentials=CREDENTIALS, max_in_flight=32, log_level="warning")
    app.wait_settled()
    assert daemon.stop() == 0, daemon.output()
    return in_flight


@pytest.fixture(scope="module")
def frozen(cluster, tmp_path_factory):
    """A node that was frozen with 8 messages in flight, and another node. The lease is 16 s, the shortest that there is, so the
    other tests run meanwhile."""
    directory = tmp_path_factory.mktemp("frozen")
    db = migrated_database(cluster, "frozen")
    with receiving(latency_ms=600) as slow:
        app = Application(db, slow)
        db.sql("UPDATE herald.settings SET value = '1 s' WHERE name = 'request_time_limit'")
        node = Daemon(directory, db.dsn(), credentials=CREDENTIALS, name="frozen", max_in_flight=8)
        ids = app.insert(30)
        wait_until(lambda: len(app.arrivals()) == 8, "messages at the gateway, not yet answered", 20, 0.001)
        node.send_signal(signal.SIGSTOP)
        held = app.in_flight()
        other = Daemon(directory, db.dsn(), credentials=CREDENTIALS, name="other", max_in_flight=8)
        yield db, app, node, other, ids, held
        for daemon in node, other:
            if daemon.is_running():
                daemon.stop(signal.SIGKILL)
        db.close()


def test_a_node_freezes(frozen):
    assert frozen[-1] == 8


def test_kills_lose_nothing_and_every_repeat_is_marked(db, sink, tmp_path):
    app = Application(db, sink)
    in_flight = kill_at_random_moments(app, tmp_path, MESSAGES, KILLS)
    assert app.counts() == {"sent": MESSAGES}
    assert set(app.arrivals()) == set(range(1, MESSAGES + 1))
    repeats = app.repeats()
    assert in_flight > 0  # else the kills proved nothing
    assert sum(repeats.values()) - len(repeats) <= in_flight
    assert app.unmarked(repeats) == []


def test_with_hold_nothing_ever_comes_twice(db, sink, tmp_path):
    app = Application(db, sink, in_doubt="hold")
    in_flight = kill_at_random_moments(app, tmp_path, MESSAGES // 3, KILLS // 3)
    assert app.repeats() == {}
    counts = app.counts()
    assert set(counts) <= {"sent", "in_doubt"}
    assert sum(counts.values()) == MESSAGES // 3
    assert 0 < counts["in_doubt"] <= in_flight
    # What did not come is what is in doubt, or part of it.
    missing = set(range(1, MESSAGES // 3 + 1)) - set(app.arrivals())
    doubted = {int(key) for key in db.column("SELECT dedup_key FROM whatsapp_notifications WHERE send_status = 'in_doubt'")}
    assert missing <= doubted


def stop_again_and_again(app, directory, stops):
    """Stops a daemon in good order with messages in flight, and starts another; at last all is sent. The number of messages."""
    total = 0
    for _ in range(stops):
        daemon = Daemon(directory, app.db.dsn(), credentials=CREDENTIALS, max_in_flight=16, log_level="warning")
        total += len(app.insert(200))
        wait_until(lambda: app.in_flight() > 0, "messages in flight", 20, 0.001)
        time.sleep(random.uniform(0, 0.05))
        began = time.monotonic()
        assert daemon.stop() == 0, daemon.output()
        assert time.monotonic() - began < 2
        assert "STOPPING=1" in daemon.states()
        assert set(app.counts()) <= {"pending", "sent"}
        assert app.in_flight() == 0
        # What was given back costs no attempt.
        assert not app.db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'pending' AND attempts <> 0")
    daemon = Daemon(directory, app.db.dsn(), credentials=CREDENTIALS, log_level="warning")
    app.wait_settled()
    assert daemon.stop() == 0
    assert app.counts() == {"sent": total}
    assert sorted(app.arrivals()) == list(range(1, total + 1))
    assert not app.db.value("SELECT count(*) FROM herald.attempts")
    return total


def test_stops_under_load_leave_nothing_in_doubt(db, sink, tmp_path):
    stop_again_and_again(Application(db, sink), tmp_path, 10)


def test_two_nodes_share_the_work(app_of_two):
    app = app_of_two
    ids = app.insert(1000)
    app.wait_for(ids)
    app.wait_settled()
    assert app.repeats() == {}
    assert len(app.arrivals()) == 1000


@pytest.fixture
def app_of_two(db, sink, start_daemon):
    app = Application(db, sink)
    for name in "one", "two":
        start_daemon(credentials=CREDENTIALS, name=name, max_in_flight=16, log_level="warning")
    # Which of them claimed what is known while it is in flight only.
    db.sql("""CREATE TABLE shares AS SELECT 0::bigint AS owner WHERE false;
              CREATE FUNCTION note_share() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public
              AS $$ BEGIN INSERT INTO shares VALUES (NEW.owner); RETURN NULL; END $$;
              CREATE TRIGGER note_share AFTER UPDATE ON whatsapp_notifications FOR EACH ROW
                  WHEN (NEW.owner IS NOT NULL) EXECUTE FUNCTION note_share()""")
    yield app
    shares = dict(db.sql("SELECT i.node, count(*) FROM shares s JOIN herald.incarnations i ON i.id = s.owner GROUP BY i.node"))
    assert set(shares) == {"one", "two"} and min(shares.values()) >= 50, shares


def test_a_second_daemon_of_the_same_name_is_refused(db, sink, start_daemon, tmp_path):
    Application(db, sink)
    first = start_daemon(credentials=CREDENTIALS)
    (tmp_path / "second").mkdir()
    second = Daemon(tmp_path / "second", db.dsn(), credentials=CREDENTIALS, wait=False)
    assert second.wait(10) == 1
    assert re.search(rf'a daemon of node "daemon" is running already: pid {first.pid} on ', second.output()), second.output()
    assert "READY=1" not in second.states()
    assert first.is_running()
    # Its place is free at once when it dies, however it dies.
    first.stop(signal.SIGKILL)
    third = start_daemon(credentials=CREDENTIALS)
    assert third.is_running()


def test_a_node_frozen_beyond_its_lease_marks_nothing_that_it_lost(frozen):
    db, app, node, other, ids, held = frozen
    app.wait_for(ids)  # those in flight had arrived; the rest is the other's
    app.wait_settled(30)
    assert app.counts() == {"sent": len(ids)}
    assert db.value("SELECT count(*) FROM whatsapp_notifications WHERE resends > 0") == held == 8
    before = db.sql("SELECT id, sent_at, attempt_id, response_code, message_id FROM whatsapp_notifications ORDER BY id")
    node.send_signal(signal.SIGCONT)
    # It was answered while it was frozen, and its time limit has passed too: it learns the one or the other. What it has to say
    # now is kept, and changes nothing but, where it knows, that the message was doubled.
    wait_until(lambda: db.value("SELECT count(*) FROM herald.attempts WHERE outcome LIKE '%%late: %%'") == 8, "what it has to say")
    assert db.value("SELECT count(*) FROM herald.attempts WHERE outcome LIKE '%%late: accepted'") == \
        db.value("SELECT count(*) FROM whatsapp_notifications WHERE doubled_at IS NOT NULL")
    assert db.sql("SELECT id, sent_at, attempt_id, response_code, message_id FROM whatsapp_notifications ORDER BY id") == before
    assert app.counts() == {"sent": len(ids)}
    app.wait_for(app.insert(5))
    assert node.stop() == 0 and other.stop() == 0
    assert len(app.repeats()) == 8 and app.unmarked(app.repeats()) == []
