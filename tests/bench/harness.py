"""What the benchmarks stand on: a private PostgreSQL cluster, the sink, the daemon, pgbench."""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psycopg2

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("PGHERALD_BUILD", ROOT / "build"))
TICKS_PER_SEC = os.sysconf("SC_CLK_TCK")
SENDER_IN_FLIGHT = 2000  # above every max_in_flight used here, so that the daemon's own limit counts


def wait_until(condition, what, timeout_sec=60.0, pause_sec=0.02):
    """Waits until condition() is true, and returns what it returned."""
    end = time.monotonic() + timeout_sec
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout_sec:.0f} s")
        time.sleep(pause_sec)


def postgres_bin():
    """The directory of the server's programs: PG_BIN, or that of the newest."""
    chosen = os.environ.get("PG_BIN")
    if chosen:
        if not (Path(chosen) / "initdb").exists():
            raise SystemExit(f"bench: PG_BIN={chosen}: there is no initdb")
        return Path(chosen).resolve()
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -int(p.parent.name)):
        if (directory / "initdb").exists():
            return directory
    found = shutil.which("initdb")
    if not found:
        raise SystemExit("bench: no initdb: apt-get install postgresql")
    return Path(found).resolve().parent


class Cluster:
    """A server of its own, on a real disk (/var/tmp), with fsync on, reached by unix socket."""

    SETTINGS = {
        "listen_addresses": "''",
        "shared_buffers": "256MB",
        "max_connections": "200",
        "log_min_messages": "warning",
        "fsync": "on",
        "synchronous_commit": "on",
    }

    def __init__(self):
        self.bin = postgres_bin()
        self.directory = Path(tempfile.mkdtemp(prefix="pgherald-bench-", dir="/var/tmp"))
        self.as_user = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            self.as_user = ["runuser", "-u", "postgres", "--"]
        self.data = self.directory / "data"

    def _run(self, program, *arguments):
        subprocess.run([*self.as_user, str(self.bin / program), *map(str, arguments)], check=True, cwd="/",
                       stdout=subprocess.DEVNULL)

    def start(self):
        self._run("initdb", "-D", self.data, "-U", "postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C.UTF-8")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"unix_socket_directories = '{self.directory}'\n")
            conf.writelines(f"{name} = {value}\n" for name, value in self.SETTINGS.items())
        self._run("pg_ctl", "-D", self.data, "-l", self.directory / "log", "-w", "start")

    def stop(self):
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")
        shutil.rmtree(self.directory)

    def dsn(self, database="postgres"):
        return f"host={self.directory} user=postgres dbname={database}"

    def connect(self, database="postgres"):
        connection = psycopg2.connect(self.dsn(database))
        connection.autocommit = True
        return connection

    def admin(self, statement):
        """One statement in a session of its own, outside a transaction."""
        connection = self.connect()
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def pgbench(self, database, script, clients, seconds):
        """Transactions a second."""
        file = self.directory / "script.sql"
        file.write_text(script, encoding="utf-8")
        out = subprocess.run(
            ["pgbench", "-n", "-f", str(file), "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds),
             "-h", str(self.directory), "-U", "postgres", database],
            check=True, capture_output=True, text=True, cwd="/").stdout
        return float(re.search(r"tps = ([0-9.]+)", out).group(1))


class Sink:
    """The receiving server: tests/bench/sink.c."""

    def __init__(self, latency_ms=0):
        self.process = subprocess.Popen([str(BUILD / "sink"), "--port", "0", "--latency-ms", str(latency_ms)],
                                        stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def _ask(self, path, method="GET"):
        with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method), timeout=60) as answer:
            return answer.read().decode()

    def stats(self):
        return json.loads(self._ask("/stats"))

    def reset(self):
        self._ask("/reset", "POST")

    def dump(self):
        """(arrival in µs since 1970, id, attempt, text) of every request, in order of arrival."""
        rows = (line.split(" ", 3) for line in self._ask("/dump").splitlines())
        return [(int(usec), int(message), int(attempt), text) for usec, message, attempt, text in rows]

    def wait_distinct(self, count, timeout_sec):
        return wait_until(lambda: self.stats()["distinct"] >= count, f"{count} messages at the sink", timeout_sec, 0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Deaf:
    """A gateway that takes every connection and every request, and never says a word: nobody is there but the kernel."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self):
        self.listener.close()


def dead_url():
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


class Daemon:
    """pgherald run."""

    def __init__(self, dsn, log, max_in_flight=64):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "WHATSAPP_"))}
        environment.update(PGHERALD_DSN=dsn, PGHERALD_MAX_IN_FLIGHT=str(max_in_flight), PGHERALD_NODE="bench",
                           PGHERALD_LOG_LEVEL="warning", PGHERALD_CREDENTIAL_bench="bench-token")
        with open(log, "a", encoding="utf-8") as errors:
            self.process = subprocess.Popen([str(BUILD / "pgherald"), "run"], env=environment, stderr=errors,
                                            stdout=errors, cwd="/")

    def cpu_sec(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SEC

    def peak_rss_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024

    def suspend(self):
        self.process.send_signal(signal.SIGSTOP)

    def proceed(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.proceed()
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


SCHEMA = """
CREATE TABLE readings (
    id bigserial PRIMARY KEY,
    meter text NOT NULL,
    created_usec bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
);
CREATE VIEW readings_due AS
SELECT id::text AS dedup_key,
       '+88017' || lpad(id::text, 8, '0') AS recipient,
       jsonb_build_object('id', id, 'created_usec', created_usec) AS data,
       id AS key
  FROM readings;
GRANT SELECT ON readings_due TO herald_rules;
INSERT INTO herald.templates (name, body) VALUES ('bench', '{{id}} {{created_usec}}');
SELECT herald.add_rule('bench', 'readings_due', 'bench', every => '6 hours', flood_limit => 100000000,
                       resend_limit => 10);
SELECT herald.watch('readings', 'bench');
SELECT herald.resume('rule', 'bench');
"""


class Application:
    """A database with a table that is watched: every row of it is a message to a recipient of its own, and the message's
    text is the row's id and the time when it was made."""

    def __init__(self, cluster, name, sink):
        self.cluster = cluster
        self.name = name
        self.sink = sink
        cluster.admin(f"CREATE DATABASE {name}")
        subprocess.run([str(BUILD / "pgherald"), "--dsn", self.dsn(), "migrate"], check=True, cwd="/",
                       stdout=subprocess.DEVNULL)
        self.connection = cluster.connect(name)
        self.sql(SCHEMA)
        self.sql("INSERT INTO herald.senders (name, channel, gateway, base_url, account, credential, limits, gap,"
                 " max_in_flight) VALUES ('bench', 'whatsapp', 'cloud', %s,"
                 """ '{"phone_number_id": "100000000000001", "api_version": "v23.0"}', 'bench', '{}', '0 s', %s)""",
                 sink.url, SENDER_IN_FLIGHT)

    def dsn(self):
        return self.cluster.dsn(self.name)

    def sql(self, text, *parameters):
        """Runs it; its first row, or None."""
        with self.connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return cursor.fetchone() if cursor.description else None

    def insert(self, count):
        """Rows, 1,000 a statement: as events, not as a request for a sweep."""
        for start in range(0, count, 1000):
            self.sql("INSERT INTO readings (meter) SELECT 'M' || n FROM generate_series(1, %s) n",
                     min(1000, count - start))

    def messages(self, status):
        return self.sql("SELECT count(*) FROM whatsapp_notifications WHERE send_status = %s", status)[0]

    def wait_messages(self, status, count, timeout_sec=120):
        wait_until(lambda: self.messages(status) >= count, f"{count} messages {status}", timeout_sec, 0.2)

    def wait_joined(self):
        """Until the daemon listens: it has proved the bell, and gone to sleep."""
        wait_until(lambda: self.sql("SELECT count(*) FROM herald.listeners WHERE asleep_until > clock_timestamp()")[0],
                   "the daemon asleep and listening", 30)

    @contextmanager
    def daemon(self, max_in_flight=64):
        running = Daemon(self.dsn(), self.cluster.directory / "daemon.log", max_in_flight)
        try:
            self.wait_joined()
            yield running
        except TimeoutError as error:
            log = (self.cluster.directory / "daemon.log").read_text(encoding="utf-8")
            raise SystemExit(f"bench: {error}\nthe daemon's log ends:\n{log[-3000:]}") from error
        finally:
            running.stop()

    def drop(self):
        self.connection.close()
        self.cluster.admin(f"DROP DATABASE {self.name} WITH (FORCE)")


@contextmanager
def application(cluster, name, latency_ms=0):
    sink = Sink(latency_ms)
    try:
        app = Application(cluster, name, sink)
        yield app
        app.drop()
    finally:
        sink.stop()
