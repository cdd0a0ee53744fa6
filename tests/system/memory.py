"""What a daemon needs of memory and descriptors, whatever waits, and whatever its gateways answer."""

import itertools
import zlib

from conftest import wait_until
from daemon import Daemon
from hostile import Answer, Hostile, http
from load import CREDENTIALS, Application

MOST_MB = 32  # half of what the unit grants
GROWTH_MB = 1  # after it is warm
PLACES = 64
OTHER_DESCRIPTORS = 16  # beside the gateways' connections


def endless(head, piece):
    """Until the other side has had enough."""
    yield head
    while True:
        yield piece


def bomb(size_mb):
    """So many MB of zeros, compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(bytes(1 << 20)) for _ in range(size_mb)]) + packer.flush()


OK = b"HTTP/1.1 200 OK\r\n"
BIG = http(b"x" * 10_000_000)
BOMB = http(bomb(200), headers=["Content-Encoding: gzip", "Content-Type: application/json"])

# What is answered, each by its turn; and what is said of it.
ANSWERS = {
    "10 MB": (lambda: BIG, "too long"),
    "10 MB in chunks": (lambda: Answer(OK + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 153 + b"0\r\n\r\n"), "too long"),
    "endless": (lambda: Answer(endless(OK + b"\r\n", b"x" * 65536)), "too long"),
    "endless chunk": (lambda: Answer(endless(OK + b"Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n", b"x" * 65536)), "too long"),
    "endless headers": (lambda: Answer(endless(OK, b"X-Padding: " + b"x" * 8000 + b"\r\n")), "too long"),
    "endless header": (lambda: Answer(endless(OK + b"X-Padding: ", b"x" * 65536)), "too long"),
    "endless interim answers": (lambda: Answer(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)), "too long"),
    "decompression bomb": (lambda: BOMB, "can't be understood"),
    "deep": (lambda: http(b"[" * 200_000), "can't be understood"),
    "wide": (lambda: http(b"{" + b'"a":{},' * 30_000 + b'"b":0}'), "id"),
}


class Feast(Application):
    """Messages of three senders: one that works, one whose gateway answers as above, and one that is paused."""

    def __init__(self, directory, db, sink):
        super().__init__(db, sink)
        turns = itertools.cycle(ANSWERS)
        self.served = {}  # of each message that the monster got, what it answered
        self.monster = Hostile({"v23.0": lambda request: self._answer(request, next(turns))})
        for name, url in (("monster", self.monster.url), ("paused", sink.url)):
            db.sql("""INSERT INTO herald.senders (name, gateway, base_url, account, credential, limits, gap, max_in_flight)
                      VALUES (%s, 'cloud', %s, '{"phone_number_id": "1", "api_version": "v23.0"}', 'bench', '{}', '0', 8)""", name, url)
        db.sql("UPDATE herald.senders SET limits = '{}', gap = '0'")
        db.sql("UPDATE herald.settings SET value = '1000000000' WHERE name = 'failures_in_a_row'")
        db.sql("SELECT herald.pause('sender', 'paused', 'memory')")
        db.sql("""CREATE OR REPLACE VIEW readings_due AS
                  SELECT id::text AS dedup_key, '+88017' || lpad(id::text, 8, '0') AS recipient,
                         jsonb_build_object('id', id, 'created_usec', created_usec) AS data, id AS key, meter AS sender FROM readings""")
        db.sql("SELECT herald.add_rule('bench', 'readings_due', 'bench', in_doubt => 'hold', flood_limit => 1000000000)")
        self.daemon = Daemon(directory, db.dsn(), credentials=CREDENTIALS, max_in_flight=PLACES, log_level="warning")
        self.most_descriptors = 0

    def _answer(self, request, kind):
        self.served[int(request.json["biz_opaque_callback_data"].split(".")[0])] = kind
        return ANSWERS[kind][0]()

    def owe(self, sender, count):
        """Rows that are messages of this sender."""
        for start in range(0, count, 1000):
            self.db.sql("INSERT INTO readings (meter) SELECT %s FROM generate_series(1, %s)", sender, min(1000, count - start))

    def wait(self, status, count, timeout_sec=60.0):
        """Until so many messages are in this state."""
        def there():
            self.most_descriptors = max(self.most_descriptors, self.daemon.descriptors())
            return self.db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status = %s", status) >= count
        wait_until(there, f"{count} messages {status}", timeout_sec, 0.2)

    def eat(self, rounds, messages, monsters, waiting, timeout_sec=60.0):
        """As much of everything in each round; the memory after each."""
        mb = []
        for number in range(1, rounds + 1):
            self.owe("paused", waiting // rounds)
            self.owe("monster", monsters // rounds)
            self.owe("bench", messages // rounds)
            self.wait("in_doubt", monsters // rounds * number, timeout_sec)
            self.wait("sent", messages // rounds * number, timeout_sec)
            self.wait("pending", waiting // rounds * number, timeout_sec)
            mb.append(round(self.daemon.memory_mb(), 2))
        return mb

    def account(self, mb):
        """What it took; figures that end with '!' must be 0."""
        wrong = [(kind, error) for ident, kind in self.served.items()
                 if ANSWERS[kind][1] not in (error := self.db.value("SELECT error FROM whatsapp_notifications WHERE id = %s", ident))]
        peak = round(self.daemon.memory_mb("VmHWM"), 1)
        return {
            "sent": self.counts().get("sent", 0),
            "answers that ought to fill memory": len(self.monster.requests),
            "waiting": self.counts().get("pending", 0),
            "memory after each round, MB": ", ".join(f"{figure:.1f}" for figure in mb),
            "the most that it ever had, MB": peak,
            "the most descriptors": self.most_descriptors,
            f"MB above {MOST_MB}!": max(0, peak - MOST_MB),
            f"MB grown after it was warm, above {GROWTH_MB}!": max(0, max(mb[len(mb) // 2:]) - mb[len(mb) // 2 - 1] - GROWTH_MB),
            f"descriptors above {PLACES} connections and {OTHER_DESCRIPTORS}!": max(0, self.most_descriptors - PLACES - OTHER_DESCRIPTORS),
            "requests that came twice!": len(self.monster.requests) - len(self.served) + len(self.repeats()),
            "outcomes that say something else!": wrong[:5],
        }

    def close(self):
        self.daemon.stop()
        self.monster.stop()
