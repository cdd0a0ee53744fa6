"""The processes that system tests talk to: the daemon, and the sandbox as its gateway. Fixtures: `start_daemon`, `sandbox`."""

import atexit
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest

from conftest import PGHERALD, environment, wait_until


class Process:
    """The binary, running. Its output goes to a file: a full pipe would stop it. within: the start of a command line that runs it."""

    started = []

    def __init__(self, directory, name, arguments, env=None, within=()):
        self.log = Path(directory) / f"{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*within, PGHERALD, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment(**(env or {})))
        self.started.append(self.process)

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        """Everything that it has written so far."""
        return self.log.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def cpu_sec(self):
        """How long it has run on a processor."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, figure="VmRSS"):
        """What it has of the machine's memory; VmHWM: the most that it ever had."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"^{figure}:\s+(\d+) kB", status, re.M)[1]) / 1024

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout_sec=30):
        """Waits until it has ended; the exit status."""
        return self.process.wait(timeout_sec)

    def stop(self, number=signal.SIGTERM, timeout_sec=60):
        """Ends it; the exit status."""
        if self.is_running():
            self.send_signal(number)
        try:
            return self.wait(timeout_sec)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait()
            raise


@atexit.register
def end_what_still_runs():
    """A test that failed may have left its daemon behind, which would look for its database for ever."""
    for process in Process.started:
        if process.poll() is None:
            process.kill()


class Sandbox(Process):
    """pgherald sandbox on a free port."""

    def __init__(self, directory, *options, name="sandbox"):
        super().__init__(directory, name, ["sandbox", "--listen", "127.0.0.1:0", *options])
        greeting = wait_until(lambda: re.search(r"http://127\.0\.0\.1:(\d+)/", self.output()) or self._fail_if_ended(), "sandbox")
        self.port = int(greeting[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def _fail_if_ended(self):
        assert self.is_running(), self.output()

    def call(self, method, path, body=None):
        """One request to the sandbox's own paths; its JSON."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, (answer.status, text)
            return json.loads(text)

    def behave(self, *behaviours):
        """Misbehaves as told from now on; nothing: behaves."""
        return self.call("PUT", "/sandbox/behaviour", list(behaviours)) if behaviours else self.call("DELETE", "/sandbox/behaviour")

    def figures(self, **query):
        """What GET /sandbox/messages says: messages, received, duplicates, refused."""
        return self.call("GET", "/sandbox/messages" + ("?" + urllib.parse.urlencode(query) if query else ""))

    def messages(self, **query):
        """The messages that it took, in the order in which they came."""
        return self.figures(**query)["messages"]

    def bodies(self, **query):
        return [message["body"] for message in self.messages(**query)]

    def wait_for(self, count, timeout_sec=20.0, **query):
        """Waits until so many messages have come; all of them."""
        def enough():
            found = self.messages(**query)
            return found if len(found) >= count else None
        return wait_until(enough, f"{count} messages at the sandbox", timeout_sec)


class Daemon(Process):
    """pgherald run on a database, with a configuration and credentials of its own. Ready when it says so, as to systemd."""

    def __init__(self, directory, dsn, credentials=None, wait=True, name="daemon", env=None, within=(), **config):
        directory = Path(directory)
        secrets = directory / "credentials"
        secrets.mkdir(mode=0o700, exist_ok=True)
        for secret, value in (credentials or {}).items():
            # Never half there: another daemon may be reading it.
            written = secrets / f".{secret}.{name}"
            with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(value + "\n")
            written.replace(secrets / secret)
        self.config = directory / f"{name}.conf"
        settings = {"dsn": dsn, "node": name, "credentials_dir": secrets, "log_level": "debug", **config}
        self.config.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()), encoding="utf-8")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # An abstract address: a path in a test's directory may be longer than an address may be.
        self.notify.bind(b"\0pgherald-test-%d-%d" % (os.getpid(), id(self)))
        # Read all the time: ten datagrams that nobody reads, and the daemon waits in sd_notify().
        self.heard = []
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        super().__init__(directory, name, ["--config", self.config, "run"],
                         {"NOTIFY_SOCKET": "@" + self.notify.getsockname()[1:].decode(), **(env or {})}, within)
        if wait:
            self.wait_ready()

    def _listen(self):
        with contextlib.suppress(OSError):
            while datagram := self.notify.recv(65536):
                self.heard += datagram.decode().split("\n")

    def states(self):
        """What it has told systemd so far, a line a state."""
        return list(self.heard)

    def wait_ready(self, timeout_sec=20.0):
        def ready():
            assert self.is_running(), f"the daemon ended with {self.process.returncode}:\n{self.output()}"
            return "READY=1" in self.states()
        try:
            wait_until(ready, "the daemon is ready", timeout_sec)
        except AssertionError:
            self.process.kill()
            self.wait()
            raise AssertionError(f"the daemon is not ready:\n{self.output()}") from None

    def stop(self, number=signal.SIGTERM, timeout_sec=60):
        try:
            return super().stop(number, timeout_sec)
        finally:
            with contextlib.suppress(OSError):
                self.notify.shutdown(socket.SHUT_RDWR)
            self.listener.join()
            self.notify.close()


@pytest.fixture
def sandbox(tmp_path):
    """A gateway that takes everything."""
    gateway = Sandbox(tmp_path)
    yield gateway
    gateway.stop()


@pytest.fixture
def start_daemon(db, tmp_path):
    """Starts a daemon on db: start_daemon(credentials={...}, name="b", max_in_flight=8, …). Those that still run at the end are
    stopped, and must then end by themselves with 0."""
    started = []

    def start(**options):
        daemon = Daemon(tmp_path, options.pop("dsn", db.dsn()), **options)
        started.append(daemon)
        return daemon

    yield start
    ended = [(daemon, daemon.stop()) for daemon in started if daemon.is_running()]
    for daemon, status in ended:
        assert status == 0, f"exit {status}:\n{daemon.output()}"


def settled(db):
    """Whether nothing is to be done any more: nothing captured, waiting, in flight or in doubt."""
    return not db.value("""SELECT (SELECT count(*) FROM herald.events)
                                + (SELECT count(*) FROM whatsapp_notifications WHERE next_at IS NOT NULL OR owner IS NOT NULL)
                                + (SELECT count(*) FROM herald.rules r WHERE r.next_sweep_at <= clock_timestamp()
                                      AND NOT EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'rule' AND h.name = r.name))""")
