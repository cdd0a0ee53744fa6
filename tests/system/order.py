"""Conversations: many messages to each of a number of recipients, by two nodes, over a gateway that fails one in five."""

import collections
import random
import threading
import time

from conftest import wait_until
from daemon import Daemon
from hostile import Hostile, http
from load import CREDENTIALS, Application
from world import FAST

NODES = ("one", "two")
FAILURES = (lambda: http({"error": {"message": "later", "code": 131000}}, 500), lambda: http(b"garbage"), lambda: None)


class Conversations(Application):
    """A row of readings is a message to recipient number id % recipients."""

    def __init__(self, directory, db, recipients):
        self.gateway = Hostile({"v23.0": self._answer})
        super().__init__(db, self.gateway)
        self.lock = threading.Lock()
        self.flying = collections.Counter()  # by recipient
        self.first = collections.defaultdict(list)  # by recipient: the messages, in the order in which each came first
        self.came = collections.Counter()  # by message
        self.taken = collections.Counter()
        self.most_flying = self.failures = 0
        for name, value in FAST.items():
            db.sql("UPDATE herald.settings SET value = %s WHERE name = %s", value, name)
        db.sql("UPDATE herald.senders SET limits = '{}', gap = '0'")
        db.sql(f"""CREATE OR REPLACE VIEW readings_due AS
                   SELECT id::text AS dedup_key, '+88017' || lpad((id % {recipients})::text, 8, '0') AS recipient,
                          jsonb_build_object('id', id, 'created_usec', created_usec) AS data, id AS key FROM readings""")
        db.sql("""SELECT herald.add_rule('bench', 'readings_due', 'bench', max_attempts => 50, resend_limit => 50, in_doubt_grace => '50 ms', flood_limit => 1000000000)""")
        self.nodes = [Daemon(directory, db.dsn(), credentials=CREDENTIALS, name=name, max_in_flight=32, log_level="warning") for name in NODES]

    def _answer(self, request):
        if request.method == "GET":  # how is it?
            return http({"id": "100000000000001", "status": "CONNECTED"})
        told = request.json
        to, message = told["to"], int(told["text"]["body"].split(" ")[0])
        with self.lock:
            self.flying[to] += 1
            self.most_flying = max(self.most_flying, self.flying[to])
            self.came[message] += 1
            if self.came[message] == 1:
                self.first[to].append(message)
            fails = random.random() < 0.2
            self.failures += fails
        time.sleep(random.uniform(0, 0.004))
        with self.lock:
            self.flying[to] -= 1
            self.taken[message] += not fails
        return random.choice(FAILURES)() if fails else http({"messages": [{"id": f"wamid.{message}"}]})

    def talk(self, messages, timeout_sec=120.0):
        """So many, and until all are sent."""
        for start in range(0, messages, 100):
            self.insert(min(100, messages - start))
        wait_until(self.is_settled, "everything sent", timeout_sec, 0.2)

    def account(self):
        """Figures that end with '!' must be 0."""
        inversions = sum(later < earlier for messages in self.first.values() for earlier, later in zip(messages, messages[1:]))
        return {
            "messages": self.db.value("SELECT count(*) FROM readings"),
            "recipients": len(self.first),
            "requests": sum(self.came.values()),
            "failures": self.failures,
            "sent": self.counts().get("sent", 0),
            "sent again, for a failure that may have been none": self.db.value("SELECT sum(resends) FROM whatsapp_notifications"),
            "came before one that was handed in earlier!": inversions,
            "in flight with another to the same recipient!": self.most_flying - 1,
            "not sent!": self.db.value("SELECT count(*) FROM whatsapp_notifications WHERE send_status <> 'sent'"),
            "taken more than once!": sum(times > 1 for times in self.taken.values()),
            "never taken!": len(self.came) - len(+self.taken),
        }

    def close(self):
        for node in self.nodes:
            node.stop()
        self.gateway.stop()
