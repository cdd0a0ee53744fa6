"""PostgreSQL's disk is full: first under its tables, then under its log as well, which ends the server. The daemon waits, without a spin and
without a flood of lines, and goes on by itself when there is room."""

import contextlib
import os
import pwd
import subprocess
import time

import psycopg2
import pytest

from conftest import Cluster, migrated_database, wait_until
from daemon import Daemon
from load import CREDENTIALS, Application, receiving
from test_database_loss import readings_and_messages_agree

WATCHED_SEC = 3.0
DISK = "size=160m,mode=700"


class SmallDisk(Cluster):
    """A server with a file system of its own, in memory. with_log: its write-ahead log is on it too."""

    def __init__(self, with_log):
        self.with_log = with_log
        # Autovacuum would find room by itself; a checkpoint that finds none ends the server, which then may come back, or may not.
        log = {"max_wal_size": "4MB", "min_wal_size": "2MB", "restart_after_crash": "off"} if with_log else {"max_wal_size": "1GB"}
        super().__init__(autovacuum="off", shared_buffers="16MB", **log)

    def _fill(self):
        self.data.mkdir()
        owner = pwd.getpwnam("postgres") if self.as_user else None
        options = f"{DISK},uid={owner.pw_uid},gid={owner.pw_gid}" if owner else DISK
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "pgherald-test", self.data], stderr=subprocess.PIPE, text=True, check=False)
        if made.returncode != 0:
            self.data.rmdir()
            self.directory.rmdir()
            pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
        elsewhere = [] if self.with_log else ["-X", self.directory / "log-files"]
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N", "--wal-segsize=1", *elsewhere)

    def fill_up(self):
        """Until not one block is left."""
        with contextlib.suppress(OSError), open(self.data / "ballast", "wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(65536) if self.free_bytes() > 65536 else bytes(4096))

    def free_bytes(self):
        found = os.statvfs(self.data)
        return found.f_bavail * found.f_frsize

    def make_room(self):
        """And starts the server, where it had to end."""
        (self.data / "ballast").unlink()
        if not self.is_running():
            self.start()

    def is_running(self):
        return self._run("pg_ctl", "-D", self.data, "status", check=False).returncode == 0

    def remove(self):
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop", check=False)
        subprocess.run(["umount", "-l", self.data], check=True)  # the last backend may still be ending
        super().remove()


@pytest.fixture
def sink():
    with receiving(latency_ms=15) as server:
        yield server


@pytest.fixture(params=[False, True], ids=["tables", "tables-and-log"])
def disk(request):
    cluster = SmallDisk(request.param)
    yield cluster
    cluster.remove()


def write_log(db):
    """Nothing but log, until the server has no room for it: it ends at once then."""
    with contextlib.suppress(psycopg2.Error):
        while True:
            db.sql("SELECT pg_logical_emit_message(false, 'pgherald-test', repeat('x', 100000))")


def test_the_disk_is_full(disk, sink, tmp_path):
    db = migrated_database(disk, "crowded")
    app = Application(db, sink)
    daemon = Daemon(tmp_path, db.dsn(), credentials=CREDENTIALS, max_in_flight=8, log_level="warning")
    ids = app.insert(600)
    wait_until(lambda: sink.stats()["received"] > 100, "a flow")
    disk.fill_up()
    if disk.with_log:
        write_log(db)
    db.close()
    word = "the database is away" if disk.with_log else "a turn failed"
    wait_until(lambda: word in daemon.output() and disk.is_running() != disk.with_log, word)
    lines, cpu = daemon.output(), daemon.cpu_sec()
    time.sleep(WATCHED_SEC)  # nothing must happen
    assert daemon.cpu_sec() - cpu <= 0.02 * WATCHED_SEC
    assert daemon.output() == lines and 1 <= lines.count("\n") <= 3, lines
    assert daemon.is_running() and "STOPPING=1" not in daemon.states()
    disk.make_room()
    began = time.monotonic()
    readings_and_messages_agree(app, ids)
    print(f"all sent {time.monotonic() - began:.1f} s after there was room; the daemon's words:\n{daemon.output()}")
    assert daemon.stop() == 0
