"""Parts of the torture that have no short form of the same shape."""

import email.utils
import random
import signal
import statistics
import threading
import time

from conftest import migrated_database, wait_until
from daemon import Daemon
from hostile import http
from load import CREDENTIALS
from test_database_loss import Writer
from world import World

FLOWING_SEC = 1.0  # from the server's return to the next message


def start(app, directory, name="daemon", max_in_flight=32, **options):
    return Daemon(directory, app.db.dsn(), credentials=CREDENTIALS, name=name, max_in_flight=max_in_flight, log_level="warning", **options)


def account(app):
    """What became of the messages; figures that end with '!' must be 0."""
    ids = {row[0] for row in app.db.sql("SELECT id FROM readings")}
    came = set(app.arrivals())
    repeats = app.repeats()
    doubted = {int(key) for key in app.db.column("SELECT dedup_key FROM whatsapp_notifications WHERE send_status = 'in_doubt'")}
    return {
        "messages": len(ids),
        "came twice or more": len(repeats),
        "repeats": sum(repeats.values()) - len(repeats),
        "in doubt for a person": len(doubted),
        "    of these, arrived": len(doubted & came),
        "lost!": len(ids - came - doubted),
        "repeats not marked in their row!": len(app.unmarked(repeats)),
        "not settled!": sum(n for status, n in app.counts().items() if status not in ("sent", "in_doubt")),
    }


def kill(app, directory, kills, messages, holds):
    """kill -9 at random moments, so many messages for each."""
    in_flight, ready = 0, []
    for _ in range(kills):
        began = time.monotonic()
        daemon = start(app, directory)
        ready.append(time.monotonic() - began)
        for _ in range(2):
            app.insert(messages // 2)
            time.sleep(random.uniform(0, 0.15))
        daemon.stop(signal.SIGKILL)
        app.wait_backends_gone()
        in_flight += app.in_flight()
    daemon = start(app, directory)
    app.wait_settled(180)
    table = account(app)
    table["in flight at the kills"] = in_flight
    table["ready after a kill, median and most"] = f"{statistics.median(ready):.2f} s, {max(ready):.2f} s"
    table["repeats above those in flight!" if not holds else "repeats!"] = max(0, table["repeats"] - (0 if holds else in_flight))
    table["exit status!"] = daemon.stop()
    return table


def restart(app, cluster, directory, times):
    """The database ends in good order, at once, and by a kill of its postmaster, in turns, and is started again."""
    daemon = start(app, directory)
    writer = Writer(app.db)
    writer.start()
    took = []
    for one in range(times):
        time.sleep(random.uniform(0.1, 0.6))
        app.db.close()
        (lambda: cluster.stop("fast"), lambda: cluster.stop("immediate"), cluster.kill)[one % 3]()
        cluster.start()
        back, before = time.monotonic(), app.sink.stats()["received"]
        wait_until(lambda: app.sink.stats()["received"] > before, "a message after the restart", 30, 0.005)  # pylint: disable=cell-var-from-loop
        took.append(time.monotonic() - back)
    committed = writer.end()
    app.wait_settled(180)
    table = account(app)
    table["flowing again, median and most"] = f"{statistics.median(took):.2f} s, {max(took):.2f} s"
    table[f"times that it took longer than {FLOWING_SEC:g} s!"] = sum(sec > FLOWING_SEC for sec in took)
    table["repeats!"] = table.pop("repeats")
    table["committed, and not come!"] = len(set(committed) - set(app.arrivals()))
    table["it is not the same process any more!"] = not daemon.is_running()
    table["exit status!"] = daemon.stop()
    return table


def freeze(app, directory, messages):
    """Five nodes, of which one is stopped for longer than its lease, again and again, while messages flow."""
    app.db.sql("UPDATE herald.settings SET value = '1 s' WHERE name = 'request_time_limit'")
    running = {name: start(app, directory, name, 8) for name in ("one", "two", "three", "four", "five")}
    held, late, freezes = set(), 0, 0
    rows = threading.Thread(target=insert_at_a_pace, args=(app, messages), daemon=True)
    rows.start()
    while rows.is_alive():
        name = random.choice(list(running))
        owner = app.db.value("SELECT max(id) FROM herald.incarnations WHERE node = %s", name)
        wait_until(lambda: app.db.value("SELECT count(*) FROM whatsapp_notifications WHERE owner = %s", owner), "something in flight", 20, 0.001)  # pylint: disable=cell-var-from-loop
        running[name].send_signal(signal.SIGSTOP)
        time.sleep(0.5)  # what it had asked for is answered, though it can't hear it
        attempts = dict(app.db.sql("SELECT attempt_id, id FROM whatsapp_notifications WHERE owner = %s", owner))
        held |= set(attempts.values())
        freezes += 1
        time.sleep(18)  # the shortest lease there is is 16 s
        continued = time.time_ns() // 1000
        running[name].send_signal(signal.SIGCONT)
        time.sleep(1)
        late += sum(usec > continued and attempt in attempts for usec, _, attempt, _ in app.sink.dump())
    app.wait_settled(180)
    table = account(app)
    table["times that a node was frozen"] = freezes
    table["in flight then"] = len(held)
    table["sent by a node that had lost it!"] = late
    table["repeats of what was not in flight then!"] = len(set(app.repeats()) - held)
    table["exit status!"] = max(daemon.stop() for daemon in running.values())
    return table


def insert_at_a_pace(app, messages, a_second=1500):
    """On a connection of its own."""
    connection = app.db.connect()
    for _ in range(0, messages, 100):
        app.insert(100, connection)
        time.sleep(100 / a_second)
    connection.close()


class Impatient:
    """A gateway that refuses every other request, and says in seconds or by a date when to come again."""

    def __init__(self):
        self.until = {}  # by sender
        self.refusals = self.early = 0
        self.earliest = 1e9
        self.lock = threading.Lock()

    def __call__(self, request):
        sender = request.path.split("/")[2]
        with self.lock:
            spare = time.time() - self.until.pop(sender, 0)
            self.earliest = min(self.earliest, spare)
            self.early += spare < -0.02  # what a clock may be wrong by between two readings
            if random.random() < 0.5:
                return http({"id": "x"})
            self.refusals += 1
            self.until[sender] = time.time() + 1
            said = "1"
            if random.random() < 0.5:
                self.until[sender] = int(time.time()) + 2
                said = email.utils.formatdate(self.until[sender], usegmt=True)
        return http({"error": "slow down"}, random.choice((429, 503)), [f"Retry-After: {said}"])


def patience(cluster, directory, messages, senders=40):
    """About as many refusals as messages."""
    template = migrated_database(cluster, "patience")
    template.close()
    world, gateway = World(cluster, template.name, directory, max_in_flight=2 * senders), Impatient()
    try:
        world.hostile.routes["impatient"] = gateway
        for number in range(senders):
            world.add_sender(f"s{number}", url=f"{world.hostile.url}/impatient/s{number}", max_in_flight=1)
        for number in range(messages):
            world.send(f"s{number % senders}")
        wait_until(lambda: not world.db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status <> 'sent'"), "all sent", 600, 0.5)
        return {
            "messages": messages,
            "refusals": gateway.refusals,
            "nearest to its time, s": round(gateway.earliest, 3),
            "requests before their time!": gateway.early,
            "attempts that a refusal cost!": world.db.value("SELECT count(*) FROM whatsapp_notifications WHERE attempts > 1"),
        }
    finally:
        world.close()
