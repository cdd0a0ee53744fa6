"""Several nodes on one database, one of them stopped or with a clock that is wrong: each message goes out once, and in time."""

import contextlib
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import wait_until
from daemon import start_daemon  # noqa: F401 (fixture)
from hostile import http
from load import CREDENTIALS, Application, receiving, wait_fast_asleep
from world import World

NODES = ("one", "two", "three", "four", "five")
DAY = 86_400


def test_five_nodes_of_which_one_is_stopped_for_longer_than_its_lease(db, start_daemon):  # noqa: F811
    """What it had in flight is sent again by another node, and marked; nothing else comes twice, and it changes nothing afterwards."""
    with receiving(latency_ms=40) as sink:
        app = Application(db, sink)
        db.sql("UPDATE herald.settings SET value = '1 s' WHERE name = 'request_time_limit'")
        nodes = {name: start_daemon(credentials=CREDENTIALS, name=name, max_in_flight=4, log_level="warning") for name in NODES}
        stopped = nodes["five"]
        owner = db.value("SELECT max(id) FROM herald.incarnations WHERE node = 'five'")
        app.insert(400)
        wait_until(lambda: db.column("SELECT id FROM whatsapp_notifications WHERE owner = %s", owner), "it has something in flight", 20, 0.001)
        stopped.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        held = db.column("SELECT id FROM whatsapp_notifications WHERE owner = %s", owner)
        ids = list(range(1, 401))
        while not db.value("SELECT bool_and(send_status = 'sent') FROM whatsapp_notifications"):
            assert time.monotonic() - began < 60, app.counts()
            ids += app.insert(20)
            time.sleep(0.1)  # the flow goes on at its own pace
        before = db.sql("SELECT id, sent_at, attempt_id, message_id FROM whatsapp_notifications ORDER BY id")
        stopped.send_signal(signal.SIGCONT)
        app.wait_for(more := app.insert(200))
        app.wait_settled()
        assert db.sql("SELECT id, sent_at, attempt_id, message_id FROM whatsapp_notifications WHERE id <= %s ORDER BY id", before[-1][0]) == before
        assert app.counts() == {"sent": len(ids + more)}
        repeats = app.repeats()
        assert set(repeats) <= set(held) and max(repeats.values(), default=0) <= 2
        assert app.unmarked(repeats) == []
        assert [daemon.stop() for daemon in nodes.values()] == [0] * 5


@pytest.mark.parametrize("way", ["ring", "turn"])
def test_a_node_that_is_stopped_before_it_reads_what_it_claimed_sends_nothing_of_it(db, start_daemon, way):  # noqa: F811
    """Another has sent it by then. The planner claims what a ring was for, the dispatcher's turn all else."""
    with receiving() as sink:
        app = Application(db, sink)
        db.sql("UPDATE herald.settings SET value = '1 s' WHERE name = 'request_time_limit'")
        stopped = start_daemon(credentials=CREDENTIALS, name="stopped", log_level="warning")
        app.wait_for(app.insert(1))
        wait_fast_asleep(db, "stopped")
        with contextlib.closing(db.connect()) as blocker:
            blocker.cursor().execute("BEGIN; LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE")
            if way == "ring":
                app.insert(3)
            else:
                db.sql("SELECT count(herald.send('+88019' || to_char(n, 'FM00000000'), -n || ' 0')) FROM generate_series(1, 3) n")
            waiter = "pgherald planner" if way == "ring" else "pgherald dispatcher"
            wait_until(lambda: db.value("SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted"
                                        " AND l.relation = 'herald.claim_lock'::regclass AND a.application_name = %s", waiter),
                       f"{waiter} waits to claim", 20, 0.002)
            stopped.send_signal(signal.SIGSTOP)
        claimed = "SELECT attempt_id FROM whatsapp_notifications WHERE owner IS NOT NULL"
        lost = set(wait_until(lambda: len(found := db.column(claimed)) == 3 and found, "three claimed"))
        other = start_daemon(credentials=CREDENTIALS, name="other", log_level="warning")
        wait_until(lambda: app.counts() == {"sent": 4}, "sent by the other", 60)
        stopped.send_signal(signal.SIGCONT)
        assert other.stop() == 0
        app.wait_for(app.insert(5))
        assert lost.isdisjoint(attempt for _, _, attempt, _ in sink.dump())
        app.wait_settled()
        assert app.repeats() == {} and app.counts() == {"sent": 9}


class Clock:
    """The time that a daemon believes it to be; the monotonic clock goes on as it should."""

    def __init__(self, directory):
        library = directory / "shift_clock.so"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("shift_clock.c")], check=True)
        self.file = directory / "shift"
        self.set(0)
        self.env = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(self.file)}

    def set(self, seconds):
        self.file.write_text(f"{seconds}\n")


def test_a_clock_that_is_off_by_a_day_has_no_effect(cluster, template, tmp_path):
    """Neither a jump while messages flow, nor a sender that waits as long as its gateway says, by a date."""
    clock = Clock(tmp_path)
    world = World(cluster, template, tmp_path, env=clock.env)
    later = world.send("good", not_before="2100-01-01")
    for jump in (0, DAY, -DAY, 3 * DAY, 0):
        clock.set(jump)
        for _ in range(5):
            began = time.monotonic()
            world.wait_for(world.send("good"), "sent")
            assert time.monotonic() - began < 2
    world.hostile.routes["busy"] = lambda request: http(b"", 429, [
        f"Retry-After: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + 100))}",
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}"])
    for jump in (-DAY, DAY):
        clock.set(jump)
        name = f"busy{jump}".replace("-", "_")
        world.add_sender(name, url=f"{world.hostile.url}/busy")
        world.send(name)
        hold = world.wait_for_hold(name, "429")
        assert 90 <= (hold["until"] - hold["since"]).total_seconds() <= 110
    assert world.row(later)["send_status"] == "pending"
    came = [request.body for request in world.hostile.at("good")]
    assert len(came) == len(set(came)) == 25
    world.close()
