"""The bell: a daemon that falls asleep loses no wake-up, nobody rings while it is awake, and asleep it asks nothing."""

import contextlib
import io
import signal
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest

from conftest import Cluster, free_port, migrated_database, wait_until
from daemon import Daemon
from load import BACKENDS, CREDENTIALS, Application, is_asleep, last_query, receiving, wait_fast_asleep

PROMPT_SEC = 4.0  # far below the backstop, and above the longest pause of a doze


@pytest.fixture(scope="module")
def sink():
    with receiving() as server:
        yield server


@pytest.fixture(scope="module")
def app(cluster, sink):
    """One application for all tests here: most of their time goes by until a daemon sleeps, and it sleeps already."""
    db = migrated_database(cluster, "bell")
    application = Application(db, sink)
    yield application
    application.wait_settled()
    assert not application.repeats()
    db.close()


@pytest.fixture(scope="module")
def daemon(app, tmp_path_factory):
    runs = Daemon(tmp_path_factory.mktemp("bell"), app.db.dsn(), credentials=CREDENTIALS)
    yield runs
    assert runs.stop() == 0, runs.output()


def wait_awake(app):
    """Keeps it busy until it says that it is awake."""
    def busy():
        app.insert(1)
        return not is_asleep(app.db)
    wait_until(busy, "the daemon awake", 20, 0.001)


class Ear:
    """Listens to the bell."""

    def __init__(self, db):
        self.connection = db.connect()
        self.connection.cursor().execute("LISTEN herald")

    def rings(self):
        """How often it rang by now, without those that prove it."""
        with contextlib.suppress(psycopg2.Error):
            self.connection.cursor().execute("SELECT 1")
        rings = [n for n in self.connection.notifies if not n.payload]
        self.connection.notifies.clear()
        return len(rings)


@contextlib.contextmanager
def writer(db, isolation="read committed"):
    """A connection with an open transaction that has done nothing yet."""
    connection = db.connect()
    cursor = connection.cursor()
    cursor.execute(f"BEGIN ISOLATION LEVEL {isolation}")
    yield cursor
    connection.close()


INSERT = "INSERT INTO readings (meter) VALUES ('late') RETURNING id"


def inserted(cursor):
    cursor.execute(INSERT)
    return [cursor.fetchone()[0]]


def arrives_promptly(app, ids):
    """Asserts that they arrive, and not by the backstop; within how many seconds."""
    began = time.monotonic()
    app.wait_for(ids, PROMPT_SEC)
    return time.monotonic() - began


def test_a_sleeper_is_rung_for(app, daemon):
    ear = Ear(app.db)
    wait_fast_asleep(app.db)
    ear.rings()
    ids = app.insert(1)
    assert arrives_promptly(app, ids) < 1
    assert ear.rings() == 1


def test_nobody_rings_while_it_is_awake(app, daemon):
    wait_awake(app)
    ear = Ear(app.db)
    ids = []
    while len(ids) < 200:
        ids += app.insert(1)
    assert not is_asleep(app.db)
    assert ear.rings() == 0
    assert arrives_promptly(app, ids) < 2


def test_a_sleeper_asks_nothing_and_hardly_wakes_up(app, daemon):
    def switches():
        status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
        return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    commits = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
    app.db.sql("ALTER TABLE readings SET (autovacuum_enabled = off)")
    wait_fast_asleep(app.db, quiet_sec=1.1)
    before = last_query(app.db), switches()
    app.db.close()  # so that nothing but the daemon is counted; statistics are read from another database
    wait_until(lambda: app.db.cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name NOT LIKE 'pgherald %%'",
                                          app.db.name)[0][0] == 0, "nobody else connected")
    transactions = app.db.cluster.sql(commits, app.db.name)[0][0]
    time.sleep(3)  # nothing must happen
    assert switches() - before[1] <= 2
    # A worker of autovacuum may look in.
    assert app.db.cluster.sql(commits, app.db.name)[0][0] - transactions <= 3
    assert last_query(app.db) == before[0]
    assert is_asleep(app.db)


def test_a_writer_that_began_while_it_was_awake_and_commits_while_it_dozes(app, daemon):
    with writer(app.db) as late:
        ear = Ear(app.db)
        wait_awake(app)
        ids = inserted(late)
        # The trigger's own evidence that it read "awake": it did not ring, as the count below shows.
        wait_until(lambda: is_asleep(app.db), "the daemon says that it is asleep")
        ear.rings()
        time.sleep(1.6)  # many looks, the pauses between them at their longest
        assert is_asleep(app.db)
        assert app.arrivals().count(ids[0]) == 0
        late.execute("COMMIT")
        assert arrives_promptly(app, ids) < 2
        assert ear.rings() == 0
    wait_fast_asleep(app.db)
    assert arrives_promptly(app, app.insert(1)) < 1


def test_many_writers_that_commit_one_after_the_other_around_its_falling_asleep(app, daemon):
    """At each of many moments of falling asleep a writer commits that did not ring."""
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(writer(app.db)) for _ in range(24)]
        wait_awake(app)
        ids = [inserted(late)[0] for late in writers]
        wait_until(lambda: is_asleep(app.db), "the daemon says that it is asleep", 20, 0.001)
        for number, late in enumerate(writers):
            late.execute("COMMIT")
            time.sleep(0.002 * number)
        arrives_promptly(app, ids)


def test_a_writer_with_an_old_snapshot(app, daemon):
    with writer(app.db, "repeatable read") as one, writer(app.db, "serializable") as two:
        wait_awake(app)
        for late in one, two:
            late.execute("SELECT count(*) FROM readings")  # its snapshot says that the daemon is awake, and has no transaction id
        wait_fast_asleep(app.db)
        for late in one, two:
            ids = inserted(late)
            late.execute("SELECT asleep_until > clock_timestamp() FROM herald.listeners WHERE node = 'daemon'")
            assert late.fetchone() == (False,)
            late.execute("COMMIT")
            assert arrives_promptly(app, ids) < 1


def test_of_two_nodes_one_sleeps_and_one_died(app, daemon, tmp_path):
    other = Daemon(tmp_path, app.db.dsn(), credentials=CREDENTIALS, name="other")
    wait_fast_asleep(app.db, "other")
    wait_fast_asleep(app.db)
    # It dies awake: it never says that it sleeps.
    wait_until(lambda: app.insert(1) and not is_asleep(app.db, "other"), "the other daemon awake", 20, 0.001)
    other.stop(signal.SIGKILL)
    wait_fast_asleep(app.db)
    assert not is_asleep(app.db, "other")
    assert arrives_promptly(app, app.insert(1)) < 1
    # And asleep: it is rung for, and does not come.
    other = Daemon(tmp_path, app.db.dsn(), credentials=CREDENTIALS, name="other")
    wait_fast_asleep(app.db, "other")
    other.stop(signal.SIGKILL)
    wait_fast_asleep(app.db)
    assert is_asleep(app.db, "other")
    assert arrives_promptly(app, app.insert(1)) < 1


def test_copy_rings(app, daemon):
    before = app.arrivals()
    wait_fast_asleep(app.db)
    with app.db.connection.cursor() as cursor:
        cursor.copy_expert("COPY readings (meter) FROM STDIN", io.StringIO("".join(f"M{n}\n" for n in range(500))))
    assert arrives_promptly(app, app.db.column("SELECT id FROM readings")) < 3
    assert len(app.arrivals()) == len(before) + 500


def test_a_cut_connection_is_found_while_it_sleeps(app, daemon):
    wait_fast_asleep(app.db)
    app.db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgherald dispatcher'"
               " AND datname = current_database()")
    # During the reconnect: whoever rings now is not heard.
    ids = app.insert(1)
    assert arrives_promptly(app, ids) < 1
    assert daemon.is_running()


def test_a_bell_proof_that_was_cut_off_is_no_reason_to_distrust_it(app, daemon):
    for _ in range(6):
        app.db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgherald %%'"
                   " AND datname = current_database()")
        wait_until(lambda: len(app.db.sql(BACKENDS)) >= 3, "all connections back, and the bell about to be proved", pause_sec=0.001)
    wait_fast_asleep(app.db)
    assert "do not reach" not in daemon.output()
    assert arrives_promptly(app, app.insert(1)) < 1


def test_a_slow_rule_that_is_rung_for_holds_up_nobody(app, daemon):
    """A ring is planned before anything is looked at, as it is usually for a captured event; a slow rule must not make others wait."""
    app.db.sql("""CREATE TABLE slow_readings (id bigserial PRIMARY KEY);
                  CREATE VIEW slow_due AS SELECT id::text AS dedup_key, '+8801800000001'::text AS recipient,
                      '{"id": 0, "created_usec": 0}'::jsonb AS data, id AS key FROM slow_readings WHERE pg_sleep(3) IS NOT NULL;
                  GRANT SELECT ON slow_due TO herald_rules;
                  SELECT herald.add_rule('slow', 'slow_due', 'bench');
                  SELECT herald.watch('slow_readings', 'slow');
                  SELECT herald.resume('rule', 'slow')""")
    app.db.sql("SELECT herald.send('+8801900000001', '900001 0')")
    app.wait_for([900001], 1)
    wait_until(lambda: not app.db.sql("SELECT FROM herald.rules WHERE next_sweep_at <= clock_timestamp()"), "its first sweep done")
    wait_fast_asleep(app.db)
    with writer(app.db) as both:
        both.execute("INSERT INTO slow_readings DEFAULT VALUES")
        both.execute("SELECT herald.send('+8801900000001', '900002 0')")
        both.execute("COMMIT")
    app.wait_for([900002], 1)
    for number in range(900003, 900006):
        app.db.sql("SELECT herald.send('+8801900000001', %s)", f"{number} 0")
        app.wait_for([number], 1)
    assert arrives_promptly(app, app.insert(1)) < 1
    app.wait_for([0], 10)
    app.db.sql("SELECT herald.pause('rule', 'slow', 'tested')")


# --- where the bell can't be relied on ---


@pytest.fixture(scope="module")
def cluster_2pc():
    server = Cluster(max_prepared_transactions=4)
    yield server
    server.remove()


def test_a_prepared_transaction(cluster_2pc, sink, tmp_path):
    db = migrated_database(cluster_2pc, "prepared")
    app = Application(db, sink)
    sink.reset()
    daemon = Daemon(tmp_path, db.dsn(), credentials=CREDENTIALS)
    try:
        wait_until(lambda: is_asleep(db), "the daemon asleep")
        with writer(db) as late:
            ids = inserted(late)
            late.execute("PREPARE TRANSACTION 'one'")  # which a NOTIFY would make an error
        time.sleep(1.5)  # nothing must happen: it neither wakes nor finds anything
        assert is_asleep(db)
        db.sql("COMMIT PREPARED 'one'")
        assert arrives_promptly(app, ids) < 2.5
        before = last_query(db)
        wait_until(lambda: last_query(db) > before, "a look each second", 2)
        assert daemon.stop() == 0
    finally:
        db.close()


class Pooler:
    """pgbouncer in transaction mode before a cluster."""

    def __init__(self, cluster, directory):
        self.port = free_port()
        config = cluster.directory / f"pgbouncer-{self.port}.ini"
        config.write_text(f"""
            [databases]
            * = host={cluster.directory} port={cluster.port} user=postgres
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            default_pool_size = 5
            """.replace("            ", ""), encoding="utf-8")
        with open(Path(directory) / "pgbouncer.log", "ab") as log:
            self.process = subprocess.Popen([*cluster.as_user, "pgbouncer", str(config)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd="/")

    def dsn(self, database):
        return f"host=127.0.0.1 port={self.port} dbname={database} user=postgres"

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def pooler(cluster, tmp_path):
    server = Pooler(cluster, tmp_path)
    yield server
    server.stop()


def test_behind_a_pooler_it_warns_once_looks_every_second_and_loses_nothing(db, pooler, sink, tmp_path):
    def can_connect():
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(pooler.dsn(db.name)).close()
            return True
        return False

    wait_until(can_connect, "pgbouncer")
    sink.reset()
    app = Application(db, sink)
    daemon = Daemon(tmp_path, pooler.dsn(db.name), credentials=CREDENTIALS)
    assert daemon.output().count("do not reach this daemon") == 1
    for count in 1, 20, 1, 300, 1:
        arrives_promptly(app, app.insert(count))
    wait_until(lambda: is_asleep(db), "the daemon asleep")
    before = last_query(db)
    wait_until(lambda: last_query(db) > before, "a look while it sleeps")
    assert arrives_promptly(app, app.insert(1)) < 2.5
    assert not app.repeats()
    assert daemon.output().count("do not reach this daemon") == 1
    assert any("looks every second" in state for state in daemon.states())
    assert daemon.stop() == 0
    # What a pooler keeps of the old session must not keep the next daemon out: here another session has the node's lock.
    db.sql("SELECT pg_try_advisory_lock(hashtext('herald.node'), hashtext('daemon'))")
    daemon = Daemon(tmp_path, pooler.dsn(db.name), credentials=CREDENTIALS)
    arrives_promptly(app, app.insert(1))
    assert daemon.stop() == 0
