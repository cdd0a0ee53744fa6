"""The link to the database goes silent: nothing comes through any more, and nobody says so. In a network namespace of its own."""

import os
import subprocess
import time

import pytest

from conftest import Cluster, migrated_database, wait_until
from daemon import Daemon
from load import CREDENTIALS, Application, is_asleep
from test_database_loss import Writer

NOTICED_SEC = 15.0
NOTICED_IN_FLIGHT_SEC = 12.0
FLOWING_SEC = 5.0


class Namespace:
    """A network of its own, whose loopback device can be unplugged: established connections then hear nothing, not even an end."""

    def __init__(self, name):
        self.name = name
        self.within = ["ip", "netns", "exec", name]
        made = subprocess.run(["ip", "netns", "add", name], stderr=subprocess.PIPE, text=True, check=False)
        if made.returncode != 0:
            pytest.skip(f"no network namespace can be made here: {made.stderr}")
        self.plug("up")

    def plug(self, state):
        """state: up or down"""
        subprocess.run([*self.within, "ip", "link", "set", "lo", state], check=True)

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=True)


class CutOffCluster(Cluster):
    """A server in that network. Its unix socket is reached from everywhere."""

    def __init__(self, within):
        self.within = within
        super().__init__()

    def _run(self, program, *arguments, check=True):
        self.as_user = [*self.within, *(word for word in self.as_user if word not in self.within)]
        return super()._run(program, *arguments, check=check)


class Gateway:
    """The receiving server in that network, for whom the database tells what came."""

    def __init__(self, within):
        program = os.path.join(os.environ["PGHERALD_BUILD"], "sink")
        self.process = subprocess.Popen([*within, program, "--port", "0"], stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def network():
    namespace = Namespace(f"pgherald-{os.getpid()}")
    yield namespace
    namespace.remove()


@pytest.fixture
def silent(network, tmp_path):
    cluster = CutOffCluster(network.within)
    gateway = Gateway(network.within)
    db = migrated_database(cluster, "silence")
    daemon = Daemon(tmp_path, db.dsn(tcp=True), credentials=CREDENTIALS, wait=False, within=network.within, log_level="info")
    yield network, Application(db, gateway), daemon
    assert daemon.stop() == 0
    db.close()
    gateway.stop()
    cluster.remove()


def test_silence_is_noticed_and_outlived(silent):
    network, app, daemon = silent
    sent = 1
    app.insert(1)
    app.wait_settled()
    wait_until(lambda: is_asleep(app.db), "asleep")
    network.plug("down")
    began = time.monotonic()
    app.insert(5)  # it is rung for, and can't hear it
    wait_until(lambda: "the database is away" in daemon.output(), "the silence is noticed", NOTICED_SEC)
    print(f"noticed after {time.monotonic() - began:.1f} s")
    network.plug("up")
    wait_until(lambda: app.counts() == {"sent": sent + 5}, "what was inserted meanwhile is sent", FLOWING_SEC)
    assert app.db.value("SELECT count(*) FROM whatsapp_notifications WHERE resends > 0") == 0


def test_silence_is_noticed_in_the_middle_of_the_flow(silent):
    """Calls of the database are under way, and requests to the gateway: these have their own limit, and are in doubt then."""
    network, app, daemon = silent
    app.db.sql("UPDATE herald.settings SET value = '2 s' WHERE name = 'request_time_limit'")
    writer = Writer(app.db)
    writer.start()
    wait_until(lambda: app.counts().get("sent", 0) > 100 and app.in_flight() > 0, "a flow")
    network.plug("down")
    began = time.monotonic()
    wait_until(lambda: "the database is away" in daemon.output(), "the silence is noticed", NOTICED_IN_FLIGHT_SEC)
    print(f"noticed after {time.monotonic() - began:.1f} s")
    came = app.counts().get("sent", 0)
    network.plug("up")
    wait_until(lambda: app.counts().get("sent", 0) > came, "the flow goes on", FLOWING_SEC)
    ids = writer.end()
    app.wait_settled()
    assert app.counts() == {"sent": app.db.value("SELECT count(*) FROM readings")} and len(ids) > 100
    assert app.db.value("SELECT count(*) FROM whatsapp_notifications WHERE attempts > 1 AND resends = 0") == 0
