"""The storm: two nodes on one database are killed again and again at random moments, while messages flow and their gateway refuses,
hangs, cuts and mumbles at random. And what became of every message."""

import collections
import itertools
import json
import random
import signal
import threading
import time

from conftest import free_port, wait_until
from daemon import Daemon, Sandbox
from load import CREDENTIALS, Application
from test_web import APP_SECRET, Web
from world import FAST

NODES = ("one", "two")
NUMBERS = ("100000000000001", "100000000000002", "100000000000003")  # each a sender of its own, in trouble of its own

# What a sender's gateway does for a moment. Fair weather is in it too: else nobody would be held, probed and let go.
WEATHER = (
    {},
    {"latency_ms": 20},
    {"latency_ms": 150},
    {"mode": "hang", "mode_rate": 0.1},
    {"mode": "cut_before", "mode_rate": 0.2},
    {"mode": "cut_after", "mode_rate": 0.2, "latency_ms": 10},
    {"mode": "truncated", "mode_rate": 0.2},
    {"mode": "garbage", "mode_rate": 0.2},
    {"mode": "empty", "mode_rate": 0.2},
    {"error_rate": 0.2, "error_status": 500},
    {"error_rate": 0.2, "error_status": 429, "retry_after_sec": 1},
    {"error_rate": 0.1, "error_status": 400, "error_code": 131026},
    {"status": 503},
)
KILLED = "its daemon ended while the message was being sent"  # what herald.attempts says of them


class Repeating(threading.Thread):
    """Calls something again and again, with random pauses, until it is ended, which raises what the call raised."""

    def __init__(self, call, pause_sec):
        super().__init__(daemon=True)
        self.call, self.pause_sec = call, pause_sec
        self.ended = threading.Event()
        self.error = None
        self.start()

    def run(self):
        try:
            while not self.ended.wait(random.uniform(0, 2 * self.pause_sec)):
                self.call()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def end(self):
        """Ends it."""
        self.ended.set()
        self.join()
        if self.error:
            raise self.error


class Storm(Application):
    """An application whose messages leave by three numbers of one sandbox."""

    def __init__(self, directory, db, grace="100 ms", sandbox_options=(), **account):
        super().__init__(db, Sandbox(directory, "--keep", "1000000", *sandbox_options), grace=grace)
        self.directory = directory
        self.starts = dict.fromkeys(NODES, self.start)  # what is killed, and how it is started
        self.running = {}
        for name, value in FAST.items():
            db.sql("UPDATE herald.settings SET value = %s WHERE name = %s", value, name)
        db.sql("DELETE FROM herald.senders")
        for number in NUMBERS:
            db.sql("""INSERT INTO herald.senders (name, gateway, base_url, account, credential, max_in_flight)
                      VALUES (%s, 'cloud', %s, %s, 'bench', 16)""",
                   f"n{number[-1]}", self.sink.url, json.dumps({"phone_number_id": number, **account}))

    def start(self, node, wait=False):
        """A daemon of this node."""
        return Daemon(self.directory, self.db.dsn(), credentials=CREDENTIALS, wait=wait, name=node, max_in_flight=32, log_level="warning")

    def change_weather(self):
        """Another weather for each number."""
        self.sink.behave(*({"only": {"sender": number}, **random.choice(WEATHER)} for number in NUMBERS))

    def kill_again_and_again(self, kills, life_sec=0.25):
        """kill -9 at random moments, while they start too, and starts each again at once; as often as asked, and on until it shows something."""
        self.running.update((name, start(name)) for name, start in self.starts.items())
        for number in itertools.count():
            if number >= kills and self.shows_something():
                break
            assert number < 20 * kills, self.account()
            time.sleep(random.uniform(0, 2 * life_sec / len(NODES)))
            name = random.choice(list(self.starts))
            assert self.running[name].is_running(), self.running[name].output()[-3000:]
            self.running[name].stop(signal.SIGKILL)
            self.running[name] = self.starts[name](name)

    def shows_something(self):
        """Kills and the gateway have both left messages in doubt: on a busy machine many a daemon is killed before it sends."""
        return {killed for _, killed in self.doubts()} == {True, False}

    def rage(self, kills, rows_per_sec=200):
        """The whole storm, and the calm after it: until everything is settled."""
        writing = self.db.connect()
        weather = Repeating(self.change_weather, 0.2)
        writer = Repeating(lambda: self.insert(random.randint(1, 20), writing), 10 / rows_per_sec)
        try:
            self.kill_again_and_again(kills)
        finally:
            writer.end()
            weather.end()
            writing.close()
        self.sink.behave()
        self.wait_settled(120)
        for process in self.running.values():
            if isinstance(process, Daemon):
                process.wait_ready()
            status = process.stop()
            assert status == 0, f"exit {status}:\n{process.output()[-3000:]}"

    def close(self):
        """Whatever still runs ends."""
        for process in (*self.running.values(), self.sink):
            if process.is_running():
                process.stop(signal.SIGKILL)

    def copies(self):
        """How often the gateway took each message that it took: {id: times}."""
        taken, seq = {}, 0
        while True:
            figures = self.sink.figures(after=seq)
            for message in figures["messages"]:
                taken[int(message["opaque"].split(".")[0])] = message["copies"]
                seq = message["seq"]
            if not figures["more"]:
                return taken

    def doubts(self):
        """(message id, whether for a kill) of each attempt whose outcome nobody learned at once."""
        return self.db.sql("SELECT notification_id, error = %s FROM herald.attempts WHERE outcome LIKE 'in_doubt%%'", KILLED)

    def account(self):
        """What became of the messages; all figures that end with '!' must be 0."""
        copies, doubts = self.copies(), self.doubts()
        doubted = collections.Counter(ident for ident, _ in doubts)
        repeats = {ident: times for ident, times in copies.items() if times > 1}
        counts = self.counts()
        return {
            "messages": self.db.value("SELECT count(*) FROM readings"),
            **{status: counts[status] for status in sorted(counts)},
            "in doubt for a kill": sum(killed for _, killed in doubts),
            "in doubt for what the gateway did": sum(not killed for _, killed in doubts),
            "came twice or more": len(repeats),
            "repeats": sum(repeats.values()) - len(repeats),
            "lost!": len(self.lost(copies)),
            "failed without a reason!": self.db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = 'failed' AND error IS NULL"),
            "repeats not marked in their row!": len(self.unmarked(repeats)),
            "repeats that no kill and no cut explains!": sum(times > 1 + doubted[ident] for ident, times in repeats.items()),
        }

    def lost(self, copies):
        """Messages without a final status, or said to be sent that the gateway never took."""
        return [ident for ident, status in self.db.sql("""
                    SELECT n.id, n.send_status FROM readings r LEFT JOIN whatsapp_notifications n ON n.dedup_key = r.id::text""")
                if status not in ("sent", "delivered", "read", "failed", "in_doubt")
                or status in ("sent", "delivered", "read") and ident not in copies]


# When each receipt was recorded, which nothing else says: those of a call that could not record them all ("again") come once more.
RECEIPTS_WITH_TIME = """
    CREATE TABLE public.receipts_came (attempt_id bigint, at timestamptz DEFAULT clock_timestamp());
    ALTER FUNCTION herald.receive RENAME TO receive_itself;
    CREATE FUNCTION herald.receive(text[], text[], text[], bigint[], bigint[], text[], bigint[], text[]) RETURNS TABLE (kind text, n bigint)
    LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        RETURN QUERY
            WITH told AS MATERIALIZED (SELECT r.* FROM herald.receive_itself($1, $2, $3, $4, $5, $6, $7, $8) r),
                 noted AS (INSERT INTO public.receipts_came (attempt_id)
                           SELECT unnest($5) WHERE NOT EXISTS (SELECT FROM told t WHERE t.kind = 'again'))
            SELECT t.kind, t.n FROM told t;
    END $$;
    GRANT EXECUTE ON FUNCTION herald.receive TO herald_web"""


class StormWithReceipts(Storm):
    """The gateway tells what became of its messages: what is in doubt is not sent again where its receipt came within the grace. The process
    that hears the receipts is killed too."""

    GRACE = "6 s"  # the receipts come after 0.3 s; or where nobody heard them, a second later; early ones are looked at every 3 s

    def __init__(self, directory, db):
        self.port = free_port()
        super().__init__(directory, db, grace=self.GRACE, app_secret="app", verify_token="verify",
                         sandbox_options=["--receipts", f"http://127.0.0.1:{self.port}/cloud", "--app-secret", APP_SECRET])
        db.sql(RECEIPTS_WITH_TIME)
        self.starts["web"] = self.start_web

    def start_web(self, name):
        """pgherald web, at the port that the gateway knows."""
        return Web(self.directory, self.db, "--listen", f"127.0.0.1:{self.port}", name=name)

    def wait_settled(self, timeout_sec=60.0):
        """And until everything that was taken is read: no receipt got lost either."""
        super().wait_settled(timeout_sec)
        wait_until(lambda: set(self.counts()) <= {"read", "failed", "in_doubt"}, "all receipts", timeout_sec)

    def shows_something(self):
        """And one of them its receipt has settled."""
        return super().shows_something() and self.receipts_in_time("=") > 0

    def account(self):
        table = super().account()
        table["in doubt, and settled by a receipt"] = self.receipts_in_time("=")
        table["sent again though its receipt came within the grace!"] = self.receipts_in_time(">")
        return table

    def receipts_in_time(self, compared):
        """How many attempts in doubt had their receipt in time, and were the last of their message (=), or were not (>)."""
        return self.db.value(f"""
            SELECT count(*) FROM herald.attempts a JOIN whatsapp_notifications n ON n.id = a.notification_id AND n.attempt_id {compared} a.attempt_id
             WHERE a.outcome LIKE 'in_doubt%%'
               AND (SELECT min(c.at) FROM receipts_came c WHERE c.attempt_id = a.attempt_id) < a.at + %s::interval""", self.GRACE)


def faults(table):
    """What in such a table ought to be 0, and is not."""
    return {name: figure for name, figure in table.items() if name.endswith("!") and figure}
