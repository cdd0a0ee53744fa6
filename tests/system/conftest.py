"""Fixtures of the system tests: a PostgreSQL cluster of their own, fresh migrated databases, and the built binary."""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import psycopg2
import psycopg2.extras
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = secrets.token_hex(16)  # of the superusers of the servers that are started here
PGHERALD = os.environ.get("PGHERALD", str(ROOT / "build" / "pgherald"))


def pytest_configure(config):
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: the servers go too
        signal.signal(number, signal.default_int_handler)
    for name in [n for n in os.environ if n.startswith("PG") and n != "PG_BIN" and not n.startswith("PGHERALD")]:
        del os.environ[name]  # libpq's: the tests have servers of their own
    config.addinivalue_line("markers", "sanitize: also run against the binary built with sanitizers")
    config.addinivalue_line("markers", "fails_from(version, reason): known to fail on PostgreSQL of that major version and later")
    postgres_bin()  # what is wrong with it is said here: from a worker it would not be read


def pytest_collection_modifyitems(items):
    """What is known to fail must fail: once it is mended, its mark goes."""
    marked = [(item, mark) for item in items for mark in item.iter_markers("fails_from")]
    version = server_version() if marked else 0
    for item, mark in marked:
        if version >= mark.args[0]:
            item.add_marker(pytest.mark.xfail(strict=True, reason=mark.kwargs["reason"]))


def wait_until(condition, what, timeout_sec=20.0, pause_sec=0.02):
    """Waits until condition() is true, and returns what it returned."""
    end = time.monotonic() + timeout_sec
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"{what}: not within {timeout_sec:.0f} s"
        time.sleep(pause_sec)


def free_port():
    """A TCP port of 127.0.0.1 that is free now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def postgres_bin():
    """The directory of the server's programs: PG_BIN, or that of the newest."""
    chosen = os.environ.get("PG_BIN")
    if chosen:
        if not (Path(chosen) / "initdb").exists():
            pytest.exit(f"PG_BIN={chosen}: there is no initdb", returncode=1)
        return Path(chosen).resolve()
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -int(p.parent.name)):
        if (directory / "initdb").exists():
            return directory
    found = shutil.which("initdb")
    if not found:
        pytest.exit("no initdb: install postgresql", returncode=1)
    return Path(found).resolve().parent


def server_version():
    """The major version of the server's programs."""
    said = subprocess.run([postgres_bin() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"\) (\d+)", said)[1])


def roomy_memory():
    """Where copying a database costs a fifth: a file system in memory with room to spare; None: there is none."""
    memory = "/dev/shm"
    if os.access(memory, os.W_OK | os.X_OK) and shutil.disk_usage(memory).free > 4 << 30:
        return memory
    return None


class Cluster:
    """A PostgreSQL server of its own: a unix socket in a directory that nobody else may enter, and a port of 127.0.0.1 that asks for a
    password: its superuser runs programs as who runs the server."""

    SETTINGS = {"fsync": "off", "max_connections": "100", "timezone": "UTC", "log_min_messages": "warning"}

    def __init__(self, **settings):
        self.bin = postgres_bin()
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="pgherald-test-", dir=roomy_memory()))
        self.data = self.directory / "data"
        self.as_user = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            self.as_user = ["runuser", "-u", "postgres", "--"]
            self.bin = self._readable(self.bin)
        self._fill()
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.directory}'\n")
            conf.writelines(f"{name} = '{value}'\n" for name, value in {**self.SETTINGS, **settings}.items())
        self.start()

    def _fill(self):
        with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=self.directory) as file:
            file.write(PASSWORD)
            file.flush()
            if self.as_user:
                shutil.chown(file.name, "postgres")
            self._run("initdb", "-D", self.data, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", file.name,
                      "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def _readable(self, programs):
        """The programs where the server's user may run them: a checkout may lie where only its owner can look."""
        if subprocess.run([*self.as_user, "test", "-x", programs / "initdb"], cwd="/", check=False).returncode == 0:
            return programs
        shutil.copytree(programs.parent, self.directory / "programs", symlinks=True)
        return self.directory / "programs" / "bin"

    def _run(self, program, *arguments, check=True):
        return subprocess.run([*self.as_user, str(self.bin / program), *map(str, arguments)], check=check, cwd="/",
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def start(self):
        """Starts it; after a kill, the old server's processes and shared memory may take a moment to go."""
        wait_until(lambda: self._run("pg_ctl", "-D", self.data, "-l", self.directory / "log", "-w", "start",
                                     check=False).returncode == 0, "start of the cluster", 30)

    def stop(self, mode="fast"):
        """mode: smart, fast or immediate."""
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def restart(self, mode="fast"):
        """Stops and starts it."""
        self.stop(mode)
        self.start()

    def kill(self):
        """SIGKILL of the postmaster; its children follow by themselves."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def recover(self):
        """Starts it, and it stays in recovery, where it takes no connection, until it is promoted."""
        self._be_standby("hot_standby = off")
        self.start()

    def promote(self):
        """From now on it is the primary."""
        self._run("pg_ctl", "-D", self.data, "-w", "promote")

    def _be_standby(self, setting):
        signal_file = self.data / "standby.signal"
        signal_file.touch()
        if self.as_user:
            owner = pwd.getpwnam("postgres")
            os.chown(signal_file, owner.pw_uid, owner.pw_gid)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(setting + "\n")

    def remove(self):
        """Stops it for good."""
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def dsn(self, database="postgres", user="postgres", tcp=False):
        """A connection string, by unix socket unless told otherwise."""
        host = f"127.0.0.1 password={PASSWORD}" if tcp else self.directory
        return f"host={host} port={self.port} dbname={database} user={user}"

    def connect(self, database="postgres", user="postgres"):
        """An autocommitting psycopg2 connection."""
        connection = psycopg2.connect(self.dsn(database, user))
        connection.autocommit = True
        return connection

    def sql(self, statement, *parameters, database="postgres"):
        """Runs a statement on a connection of its own; its rows, if it has any."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()


class Standby(Cluster):
    """A hot standby of another server, until it is promoted."""

    def __init__(self, primary, **settings):
        self.primary = primary
        super().__init__(**settings)

    def _fill(self):
        self._run("pg_basebackup", "-D", self.data, "-h", self.primary.directory, "-p", self.primary.port, "-U", "postgres", "-X", "stream",
                  "-c", "fast", "--no-sync")
        self._be_standby(f"primary_conninfo = '{self.primary.dsn()} application_name=standby'")


class Database:
    """One database of the cluster, with a connection that stays open."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self._connection = None

    @property
    def connection(self):
        """Made anew when it broke."""
        if self._connection is None or self._connection.closed:
            self._connection = self.connect()
        return self._connection

    def dsn(self, user="postgres", tcp=False):
        """A connection string."""
        return self.cluster.dsn(self.name, user, tcp)

    def connect(self, user="postgres"):
        """A further autocommitting connection."""
        return self.cluster.connect(self.name, user)

    def sql(self, statement, *parameters):
        """All rows, as tuples; None for a statement without rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else None

    def value(self, statement, *parameters):
        """The first column of the first row, or None."""
        rows = self.sql(statement, *parameters)
        return rows[0][0] if rows else None

    def column(self, statement, *parameters):
        """The first column of all rows."""
        return [row[0] for row in self.sql(statement, *parameters)]

    def row(self, statement, *parameters):
        """The first row as a dict, or None."""
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(statement, parameters or None)
            found = cursor.fetchone()
            return dict(found) if found else None

    def pgherald(self, *arguments, status=None, user="postgres", **options):
        """Runs the binary on this database; asserts its exit status where one is given."""
        return pgherald("--dsn", self.dsn(user), *arguments, status=status, **options)

    def close(self):
        """Closes the connection that stays open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def environment(**more):
    """The environment without anything that would change what pgherald or libpq does; tools/demo reads PG_BIN."""
    kept = {k: v for k, v in os.environ.items() if k == "PG_BIN" or not k.startswith(("PG", "WHATSAPP_", "CREDENTIALS_"))}
    return {**kept, **more}


def pgherald(*arguments, status=None, timeout=60, env=None, **options):
    """Runs the binary; the CompletedProcess, with text output."""
    done = subprocess.run([PGHERALD, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=options.pop("stdin", subprocess.DEVNULL) if "input" not in options else None,
                          env=environment(**(env or {})), **options)
    if status is not None:
        assert done.returncode == status, f"pgherald {arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def cluster():
    """The PostgreSQL server of this run."""
    server = Cluster()
    yield server
    server.remove()


# Whatever a test does, send_status changes only as herald.moves has it.
AUDIT = """
    CREATE FUNCTION public.audit_move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM herald.moves m WHERE m.from_status = OLD.send_status AND m.to_status = NEW.send_status) THEN
            RAISE EXCEPTION 'AUDIT: notification % moved from % to %, which herald.moves does not have', NEW.id, OLD.send_status, NEW.send_status;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit_move AFTER UPDATE ON public.whatsapp_notifications FOR EACH ROW
        WHEN (OLD.send_status IS DISTINCT FROM NEW.send_status) EXECUTE FUNCTION public.audit_move()"""


def migrated_database(cluster, name):
    """Makes a database with pgherald's schema and the audit."""
    cluster.sql(f"CREATE DATABASE {name}")
    pgherald("--dsn", cluster.dsn(name), "migrate", status=0)
    cluster.sql(AUDIT, database=name)
    return Database(cluster, name)


@pytest.fixture(scope="session")
def template(cluster):
    """The name of a database that has been migrated, to be copied."""
    migrated_database(cluster, "herald_template")
    return "herald_template"


def copied_database(cluster, source):
    """For fixtures: a copy of a database, until the test is over."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    cluster.sql(f"CREATE DATABASE {name} TEMPLATE {source}")
    database = Database(cluster, name)
    yield database
    database.close()
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(cluster, template):
    """A fresh database with pgherald's schema."""
    yield from copied_database(cluster, template)


@pytest.fixture
def empty_db(cluster):
    """A fresh database without anything."""
    yield from copied_database(cluster, "template0")
