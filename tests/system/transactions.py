"""An application whose sessions write in every way there is, and take back a part of it in every way there is, while daemons are killed.
Exactly what was committed is told."""

import collections
import io
import itertools
import random
import signal
import threading
import time

import psycopg2

from conftest import wait_until
from daemon import Daemon
from load import CREDENTIALS, Application

NODES = ("one", "two")
ISOLATION = ("READ COMMITTED",) * 4 + ("REPEATABLE READ", "SERIALIZABLE")
UNDONE_SHARE = 0.3

# Fails at COMMIT, after everything else went well.
SCHEMA = """
    CREATE FUNCTION public.refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('test.refuse', true) = 'on' THEN
            RAISE EXCEPTION 'refused at the end' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON readings DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION public.refuse_late()"""


class Ledger(Application):
    """What was committed and what was not, by number: of a reading its id, of what herald.send() was told that number, negative."""

    def __init__(self, directory, db, sink, can_prepare):
        super().__init__(db, sink)
        self.directory = directory
        self.can_prepare = can_prepare
        db.sql(SCHEMA)
        self.lock = threading.Lock()
        self.committed, self.undone = set(), set()
        self.transactions = collections.Counter()
        self.running = {}

    def book(self, kind, end, kept, lost):
        """The end of a transaction."""
        with self.lock:
            self.transactions[f"{kind}, {end}"] += 1
            self.committed.update(kept)
            self.undone.update(lost)

    def start(self, node):
        return Daemon(self.directory, self.db.dsn(), credentials=CREDENTIALS, wait=False, name=node, max_in_flight=32, log_level="warning")

    def work(self, transactions, sessions, life_sec=0.3):
        """So many transactions, and a kill of a daemon now and then until all are done; the number of kills."""
        self.running = {node: self.start(node) for node in NODES}
        workers = [Session(self, transactions // sessions) for _ in range(sessions)]
        kills = 0
        while any(worker.is_alive() for worker in workers):
            time.sleep(random.uniform(0, 2 * life_sec / len(NODES)))
            node = random.choice(NODES)
            self.running[node].stop(signal.SIGKILL)
            self.running[node] = self.start(node)
            kills += 1
        for worker in workers:
            worker.end()
        self.wait_settled(120)
        for daemon in self.running.values():
            wait_until(lambda: "READY=1" in daemon.states(), "the last daemons")  # pylint: disable=cell-var-from-loop
            assert daemon.stop() == 0, daemon.output()[-3000:]
        return kills

    def close(self):
        for daemon in self.running.values():
            if daemon.is_running():
                daemon.stop(signal.SIGKILL)

    def account(self):
        """What became of it; figures that end with '!' must be 0."""
        came = set(self.arrivals())
        rows = set(self.db.column("""SELECT CASE rule WHEN 'bench' THEN dedup_key::bigint ELSE split_part(body, ' ', 1)::bigint END
                                       FROM whatsapp_notifications"""))
        repeats = self.repeats()
        ends = collections.Counter()
        for name, count in self.transactions.items():
            ends[name.rsplit(", ", 1)[1]] += count
        return {
            "transactions": sum(ends.values()),
            **{f"    {end}": ends[end] for end in sorted(ends)},
            "messages committed": len(self.committed),
            "messages taken back": len(self.undone),
            "came twice, for a kill": len(repeats),
            "committed, and not told!": len(self.committed - came),
            "told, and not committed!": len(came - self.committed),
            "rows without a commit, or commits without a row!": len(rows ^ self.committed),
            "repeats not marked in their row!": len(self.unmarked(repeats)),
        }


class Session(threading.Thread):
    """One session of the application."""

    def __init__(self, ledger, transactions):
        super().__init__(daemon=True)
        self.ledger, self.transactions = ledger, transactions
        self.connection = ledger.db.connect()
        self.prepared = collections.deque()
        self.error = None
        self.start()

    def end(self):
        """Waits for its end, and raises what it raised."""
        self.join()
        if self.error:
            raise self.error

    def run(self):
        try:
            for _ in range(self.transactions):
                self.transaction()
                while len(self.prepared) > random.randint(0, 5):
                    self.decide()
            while self.prepared:
                self.decide()
            self.connection.close()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def sql(self, statement, *parameters):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return [row[0] for row in cursor.fetchall()] if cursor.description else None

    def transaction(self):
        """One, of a random kind with a random end."""
        numbers = self.sql("SELECT nextval('readings_id_seq') FROM generate_series(1, %s)", random.randint(1, 6))
        kind = random.choice(KINDS)
        offered = {-number if kind is send else number for number in numbers}
        self.sql(f"BEGIN ISOLATION LEVEL {random.choice(ISOLATION)}")
        try:
            kept = set(kind(self, numbers))
            lost = offered - kept
            if random.random() < 0.1:
                time.sleep(random.uniform(0, 0.03))
            if self.ledger.can_prepare and random.random() < 0.3:
                self.sql(f"PREPARE TRANSACTION '{numbers[0]}'")
                self.prepared.append((kind.__name__, numbers[0], kept, lost))
                return
            end = random.choice(UNDOINGS) if random.random() < UNDONE_SHARE else commit
            if not end(self):
                kept, lost = set(), kept | lost
            self.ledger.book(kind.__name__, end.__name__, kept, lost)
        except psycopg2.errors.SerializationFailure:
            self.sql("ROLLBACK")
            self.ledger.book(kind.__name__, "serialization failure", set(), offered)

    def decide(self):
        """Ends the oldest transaction that is prepared."""
        kind, name, kept, lost = self.prepared.popleft()
        if random.random() < UNDONE_SHARE:
            self.sql(f"ROLLBACK PREPARED '{name}'")
            self.ledger.book(kind, "rolled back when prepared", set(), kept | lost)
        else:
            self.sql(f"COMMIT PREPARED '{name}'")
            self.ledger.book(kind, "committed when prepared", kept, lost)


# How it writes: each yields the numbers of what there is if its transaction commits.


def insert(session, numbers):
    session.sql("INSERT INTO readings (id, meter) SELECT n, 'M' FROM unnest(%s) n", numbers)
    return numbers


def insert_one_by_one(session, numbers):
    for number in numbers:
        session.sql("INSERT INTO readings (id, meter) VALUES (%s, 'M')", number)
    return numbers


def copy(session, numbers):
    with session.connection.cursor() as cursor:
        cursor.copy_expert("COPY readings (id, meter) FROM STDIN", io.StringIO("".join(f"{number}\tM\n" for number in numbers)))
    return numbers


def savepoints(session, numbers):
    """One in the other, some taken back with all that came after them."""
    kept, open_ones = [], []
    for number in numbers:
        session.sql(f"SAVEPOINT s{number}")
        open_ones.append((number, len(kept)))
        session.sql("INSERT INTO readings (id, meter) VALUES (%s, 'M')", number)
        kept.append(number)
        if random.random() < 0.3:
            place = random.randrange(len(open_ones))
            name, had = open_ones[place]
            session.sql(f"ROLLBACK TO SAVEPOINT s{name}")
            del open_ones[place + 1:], kept[had:]
    return kept


def exceptions(session, numbers):
    """Blocks of plpgsql, of which some catch what they raised."""
    caught = set(random.sample(numbers, len(numbers) // 2))
    for number in numbers:
        session.sql(f"""DO $$ BEGIN
                            INSERT INTO readings (id, meter) VALUES ({number}, 'M');
                            {"RAISE EXCEPTION 'away'" if number in caught else "NULL"};
                        EXCEPTION WHEN raise_exception THEN NULL;
                        END $$""")
    return set(numbers) - caught


def insert_and_delete(session, numbers):
    """What is no longer there at the commit is owed to nobody."""
    gone = numbers[::2]
    session.sql("INSERT INTO readings (id, meter) SELECT n, 'M' FROM unnest(%s) n", numbers)
    session.sql("DELETE FROM readings WHERE id = ANY (%s)", gone)
    return set(numbers) - set(gone)


def send(session, numbers):
    """herald.send(), which is the outbox itself."""
    for number in numbers:
        session.sql("SELECT herald.send('+88019' || lpad(%s::text, 8, '0'), %s)", number, f"{-number} 0")
    return [-number for number in numbers]


KINDS = (insert, insert_one_by_one, copy, savepoints, exceptions, insert_and_delete, send)


# How it ends: each returns whether it was committed.


def commit(session):
    session.sql("COMMIT")
    return True


def roll_back(session):
    session.sql("ROLLBACK")
    return False


def fail_and_commit(session):
    """A COMMIT of what failed is none."""
    try:
        session.sql("SELECT 1 / 0")
    except psycopg2.errors.DivisionByZero:
        session.sql("COMMIT")
    return False


def fail_in_the_commit(session):
    """By a constraint that is deferred."""
    session.sql("INSERT INTO readings (meter) VALUES ('M')")
    session.sql("SET LOCAL test.refuse = 'on'")
    try:
        session.sql("COMMIT")
    except psycopg2.errors.IntegrityConstraintViolation:
        return False
    raise AssertionError("the constraint held nothing up")


def hang_up(session):
    """Without a word."""
    session.connection.close()
    session.connection = session.ledger.db.connect()
    return False


def be_terminated(session):
    try:
        session.sql("SELECT pg_terminate_backend(pg_backend_pid())")
    except psycopg2.Error:
        session.connection.close()
        session.connection = session.ledger.db.connect()
    return False


UNDOINGS = (roll_back, fail_and_commit, fail_in_the_commit, hang_up, be_terminated)
