"""An application under load: a watched table whose every row is a message, and a receiving server that remembers each arrival."""

import contextlib
import os
import sys
from pathlib import Path

import psycopg2

from conftest import PGHERALD, ROOT, wait_until

os.environ.setdefault("PGHERALD_BUILD", str(Path(PGHERALD).parent))
sys.path.insert(0, str(ROOT / "tests" / "bench"))
from harness import SCHEMA, Sink  # noqa: E402 pylint: disable=wrong-import-position

CREDENTIALS = {"bench": "bench-token"}
# A daemon's own connections, and nobody else's.
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pgherald %%'"


@contextlib.contextmanager
def receiving(latency_ms=0):
    """The receiving server."""
    sink = Sink(latency_ms)
    try:
        yield sink
    finally:
        sink.stop()


class Application:
    """A row of readings is a message to a recipient of its own; its text is the row's id and its time."""

    def __init__(self, db, sink, in_doubt="resend", grace="100 ms"):
        self.db = db
        self.sink = sink
        db.sql(SCHEMA)
        db.sql("""INSERT INTO herald.senders (name, channel, gateway, base_url, account, credential)
                  VALUES ('bench', 'whatsapp', 'cloud', %s, '{"phone_number_id": "100000000000001", "api_version": "v23.0"}', 'bench')""",
               sink.url)
        db.sql("UPDATE herald.rules SET in_doubt = %s, in_doubt_grace = %s", in_doubt, grace)

    def insert(self, count=1, connection=None):
        """Rows, in one statement; their ids."""
        with (connection or self.db.connection).cursor() as cursor:
            cursor.execute("INSERT INTO readings (meter) SELECT 'M' || n FROM generate_series(1, %s) n RETURNING id", (count,))
            return [row[0] for row in cursor.fetchall()]

    def insert_until_taken(self, count):
        """Like insert(), where the database may go away at any moment: again until it is known to be there."""
        wanted = self.try_sql("SELECT count(*) FROM readings")[0][0] + count
        while (there := self.try_sql("SELECT count(*) FROM readings")[0][0]) < wanted:
            with contextlib.suppress(psycopg2.Error):
                self.insert(wanted - there)

    def try_sql(self, statement, timeout_sec=30):
        """The statement's rows, once the database gives them."""
        def attempt():
            with contextlib.suppress(psycopg2.Error):
                return [self.db.sql(statement)]
            self.db.close()
            return None
        return wait_until(attempt, "an answer from the database", timeout_sec)[0]

    def arrivals(self):
        """The readings' ids that came, in the order in which they came."""
        return [int(text.split(" ")[0]) for *_, text in self.sink.dump()]

    def wait_for(self, ids, timeout_sec=20.0):
        """Until each of these has come; how often anything did."""
        def arrived():
            came = self.arrivals()
            return came if set(ids) <= set(came) else None
        return wait_until(arrived, f"{len(ids)} messages at the gateway", timeout_sec)

    def counts(self):
        """How many messages have each status."""
        return dict(self.db.sql("SELECT send_status, count(*) FROM whatsapp_notifications GROUP BY send_status"))

    def is_settled(self):
        """Whether nothing is planned, waits, flies, or will be decided by the clock."""
        return self.try_sql("""SELECT NOT EXISTS (SELECT FROM herald.events) AND NOT EXISTS
                                 (SELECT FROM whatsapp_notifications n WHERE n.owner IS NOT NULL OR n.next_at IS NOT NULL)
                               AND (SELECT count(*) FROM readings) = (SELECT count(*) FROM whatsapp_notifications WHERE rule = 'bench')""")[0][0]

    def wait_settled(self, timeout_sec=60.0):
        wait_until(self.is_settled, "everything sent, or in doubt for a person", timeout_sec)

    def in_flight(self):
        """Rows that a daemon holds."""
        return self.db.value("SELECT count(*) FROM whatsapp_notifications WHERE owner IS NOT NULL")

    def wait_backends_gone(self):
        """Until the server has noticed that a daemon died: what it had asked last is committed, or never will be."""
        wait_until(lambda: not self.db.sql(BACKENDS), "the dead daemon's backends gone")

    def repeats(self):
        """(message id, times that it came) of those that came more than once."""
        times = {}
        for _, message, *_ in self.sink.dump():
            times[message] = times.get(message, 0) + 1
        return {message: n for message, n in times.items() if n > 1}

    def unmarked(self, messages):
        """Those of them whose row does not say that they may have come twice."""
        return self.db.column("""SELECT id FROM whatsapp_notifications
                                  WHERE id = ANY (%s) AND resends = 0 AND resent_at IS NULL AND doubled_at IS NULL""", list(messages))


def is_asleep(db, node="daemon"):
    """Whether the daemon says that it must be rung for."""
    return db.value("SELECT asleep_until > clock_timestamp() FROM herald.listeners WHERE node = %s", node)


def last_query(db):
    """When the daemon's connections last did anything."""
    return db.value("""SELECT max(greatest(state_change, query_start)) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name LIKE 'pgherald %%'""")


def wait_fast_asleep(db, node="daemon", quiet_sec=0.3, timeout_sec=20.0):
    """Until it sleeps, and has asked nothing for a while."""
    def quiet():
        return db.value("""SELECT (SELECT asleep_until > clock_timestamp() FROM herald.listeners WHERE node = %s)
                               AND count(*) > 0 AND bool_and(state = 'idle' AND state_change < clock_timestamp() - %s * interval '1 s')
                             FROM pg_stat_activity
                            WHERE datname = current_database() AND application_name LIKE 'pgherald %%'""", node, quiet_sec)
    wait_until(quiet, f"{node} asleep", timeout_sec)
