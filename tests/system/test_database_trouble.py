"""PostgreSQL in trouble: no connection left, backends that end one by one, a postmaster that is killed, recovery. The daemon waits without a
spin and without a flood of lines, and goes on by itself: nothing is lost, nothing comes twice."""

import contextlib
import time

import psycopg2
import pytest

from conftest import Cluster, free_port, migrated_database, wait_until
from daemon import Daemon, Sandbox
from hostile import Hostile, http
from load import BACKENDS, CREDENTIALS, Application, receiving
from player import add_senders, login
from test_database_loss import Writer, readings_and_messages_agree, statuses
from test_web import APP_SECRET, Web

LONG_SEC = 20.0  # what takes a second on an idle machine


@pytest.fixture
def sink():
    with receiving(latency_ms=15) as server:
        yield server


@pytest.fixture(scope="module")
def own_cluster():
    """A server with a handful of connections, three of them for superusers."""
    server = Cluster(max_connections="12")
    server.sql("CREATE ROLE hog LOGIN")
    yield server
    server.remove()


@pytest.fixture
def own_db(own_cluster):
    db = migrated_database(own_cluster, "trouble")
    yield db
    db.close()
    own_cluster.sql("DROP DATABASE trouble WITH (FORCE)")


class Hog:
    """Takes all connections that there are, and those that the daemon had."""

    def __init__(self, db):
        self.db = db
        self.taken = []

    def take_what_is_free(self):
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                self.taken.append(self.db.connect("hog"))

    def take_all(self):
        def has_all():
            self.db.sql(f"SELECT pg_terminate_backend(pid) FROM ({BACKENDS}) d")
            self.take_what_is_free()
            return not self.db.sql(BACKENDS)
        wait_until(has_all, "all connections taken")

    def let_go(self):
        while self.taken:
            self.taken.pop().close()


def refusals(cluster):
    """How often the server had no connection to give."""
    return (cluster.directory / "log").read_text(encoding="utf-8").count("connection slots are reserved")


def test_out_of_connections(own_cluster, own_db, sink, tmp_path):
    app = Application(own_db, sink)
    daemon = Daemon(tmp_path, own_db.dsn(login(own_cluster, "herald_daemon")), credentials=CREDENTIALS, log_level="info")
    app.wait_for(app.insert(3))
    hog = Hog(own_db)
    hog.take_all()
    wait_until(lambda: "connection slots are reserved" in statuses(daemon)[-1], "its word on why the database is away")
    ids = app.insert(5)
    before, lines = refusals(own_cluster), daemon.output().count("\n")
    time.sleep(2)  # nothing must happen, but attempts now and then
    # Three connections that are tried every half a second, about; and not a word more.
    assert 0 < refusals(own_cluster) - before < 40
    assert daemon.output().count("\n") == lines
    assert daemon.output().count("the database is away") == 1
    assert "STOPPING=1" not in daemon.states() and daemon.is_running()
    hog.let_go()
    began = time.monotonic()
    app.wait_for(ids, LONG_SEC)
    print(f"flowing again after {time.monotonic() - began:.2f} s")
    readings_and_messages_agree(app, ids)
    assert statuses(daemon)[-1].startswith("up")
    assert daemon.stop() == 0


REFUSE = """
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON whatsapp_notifications EXECUTE FUNCTION public.refuse();
    CREATE TRIGGER refuse BEFORE UPDATE ON herald.rules EXECUTE FUNCTION public.refuse()"""
# One after the other: a transaction that locks both tables could meet a planner that does so in another order.
ADMIT = "DROP TRIGGER refuse ON whatsapp_notifications", "DROP TRIGGER refuse ON herald.rules", "DROP FUNCTION public.refuse()"


def test_a_rule_fails_and_nor_can_its_failure_be_recorded(own_db, sink, tmp_path):
    """As on a full disk. Without a record nothing says when it may be tried again."""
    app = Application(own_db, sink)
    daemon = Daemon(tmp_path, own_db.dsn(), credentials=CREDENTIALS, log_level="warning")
    app.wait_for(app.insert(1))
    own_db.sql(REFUSE)
    ids = app.insert(100)
    wait_until(lambda: "could not be recorded" in daemon.output(), "its word on it")
    lines, cpu = daemon.output(), daemon.cpu_sec()
    time.sleep(2)  # nothing must happen, but an attempt now and then
    assert daemon.output() == lines and lines.count("\n") == 2, daemon.output()[-3000:]
    assert daemon.cpu_sec() - cpu <= 0.1
    for statement in ADMIT:
        own_db.sql(statement)
    readings_and_messages_agree(app, ids)
    assert daemon.stop() == 0


def test_each_backend_ends_one_by_one(own_db, tmp_path):
    """The dispatcher's, the planners', and those of the process that hears the receipts."""
    db, port = own_db, free_port()
    sandbox = Sandbox(tmp_path, "--receipts", f"http://127.0.0.1:{port}/cloud", "--app-secret", APP_SECRET)
    app = Application(db, sandbox)
    db.sql("UPDATE herald.senders SET account = account || '{\"app_secret\": \"app\", \"verify_token\": \"verify\"}'")
    web = Web(tmp_path, db, "--listen", f"127.0.0.1:{port}")
    daemon = Daemon(tmp_path, db.dsn(), credentials=CREDENTIALS, max_in_flight=16, log_level="info")
    writer = Writer(db)
    writer.start()
    names = wait_until(lambda: (found := db.column(f"SELECT application_name FROM pg_stat_activity WHERE pid IN ({BACKENDS})"))
                       and len(found) == 5 and found, "all connections")
    assert sorted(names) == ["pgherald dispatcher", "pgherald planner", "pgherald planner", "pgherald web", "pgherald web watcher"]
    for number in range(15):
        name = sorted(set(names))[number % 4]
        pid = wait_until(lambda: db.value(f"{BACKENDS} AND application_name = %s ORDER BY backend_start LIMIT 1", name), name)  # pylint: disable=cell-var-from-loop
        came = sandbox.figures(after=2**40)["received"]
        db.sql("SELECT pg_terminate_backend(%s)", pid)
        wait_until(lambda: sandbox.figures(after=2**40)["received"] >= came + 10, f"a flow without {name}")  # pylint: disable=cell-var-from-loop
    committed = writer.end()
    wait_until(lambda: app.counts() == {"read": len(committed)}, "all of them read", 60)
    assert sandbox.figures(after=2**40)["duplicates"] == 0
    for process in daemon, web, sandbox:
        assert process.stop() == 0, process.output()[-3000:]


def test_the_postmaster_is_killed_and_the_server_recovers(own_cluster, own_db, sink, tmp_path):
    """The kill comes under load. While the server recovers, it takes no connection and says so: as long as we want, here."""
    app = Application(own_db, sink)
    daemon = Daemon(tmp_path, own_db.dsn(), credentials=CREDENTIALS, max_in_flight=16, log_level="info")
    writer = Writer(own_db)
    writer.start()
    took = []
    for _ in range(2):
        wait_until(lambda: app.in_flight() > 0, "messages in flight", 20, 0.001)
        own_db.close()
        own_cluster.kill()
        own_cluster.recover()
        wait_until(lambda: "starting up" in statuses(daemon)[-1] or "not accepting" in statuses(daemon)[-1], "its word on the recovery")
        own_cluster.promote()
        back, before = time.monotonic(), sink.stats()["received"]
        wait_until(lambda: sink.stats()["received"] > before, "a message after the recovery", LONG_SEC, 0.005)  # pylint: disable=cell-var-from-loop
        took.append(f"{time.monotonic() - back:.2f}")
    committed = writer.end()
    readings_and_messages_agree(app, committed)
    assert daemon.stop() == 0
    print("flowing again after", took)


def test_an_answer_that_memory_does_not_suffice_for_gives_back_what_was_claimed_in_it(db, tmp_path):
    """Whoever wrote that row did not ask herald, which bounds what it makes."""
    server = Hostile({"x": http({"id": "1"})})
    add_senders(db, "s", base_url=f"{server.url}/x", account='{"body": {"text": "{{body}}"}}')
    db.sql("SELECT herald.pause('all'), herald.send('+8801700000001', 'a'), herald.send('+8801700000002', 'b')")
    db.sql("UPDATE whatsapp_notifications SET body = repeat('x', 50000000) WHERE body = 'a'; SELECT herald.resume('all')")
    daemon = Daemon(tmp_path, db.dsn(), within=("prlimit", f"--data={64 << 20}"))
    wait_until(lambda: "the database is back" in daemon.output(), "it has started over", LONG_SEC)
    db.sql("UPDATE whatsapp_notifications SET body = 'a' WHERE length(body) > 1")
    wait_until(lambda: db.column("SELECT DISTINCT send_status FROM whatsapp_notifications") == ["sent"], "sent", LONG_SEC)
    assert db.sql("SELECT attempts, resends FROM whatsapp_notifications") == [(1, 0)] * 2
    assert daemon.stop() == 0, daemon.output()
    server.stop()
