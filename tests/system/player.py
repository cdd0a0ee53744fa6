"""Plays a daemon to the SQL functions: calls what the daemon calls, as the role that the daemon has."""

import time
from collections import namedtuple

Row = namedtuple("Row", "what id attempt_id sender target target_kind body detail")
Outcome = namedtuple("Outcome", "id attempt_id outcome scope wait code message_id body error")


def login(cluster, role):
    """A login role that is a member of role; its name."""
    name = f"login_{role}"
    cluster.sql(f"DO $$ BEGIN IF to_regrole('{name}') IS NULL THEN CREATE ROLE {name} LOGIN IN ROLE {role}; END IF; END $$")
    return name


def accepted(claim, message_id="wamid.1", code=200, body="{}"):
    """The gateway took it."""
    return Outcome(claim.id, claim.attempt_id, "accepted", None, -1, code, message_id, body, None)


def rejected(claim, error="not on WhatsApp", code=400, scope=None):
    """The gateway will never take it; scope "recipient": as they have opted out."""
    return Outcome(claim.id, claim.attempt_id, "rejected", scope, -1, code, None, "{}", error)


def wait(claim, scope, seconds=-1, error="busy", code=503):
    """The gateway did not take it now."""
    return Outcome(claim.id, claim.attempt_id, "wait", scope, seconds, code, None, "{}", error)


def in_doubt(claim, error="cut off after the request had left"):
    """Nobody knows whether the gateway took it."""
    return Outcome(claim.id, claim.attempt_id, "in_doubt", None, -1, 0, None, None, error)


class Turn:
    """What herald.turn() yielded."""

    def __init__(self, rows):
        self.rows = [Row(*row) for row in rows]
        self.claims = [r for r in self.rows if r.what == "claim"]
        self.ids = [r.id for r in self.claims]
        self.again = {r.attempt_id for r in self.rows if r.what == "again"}
        self.tasks = [(r.target, r.target_kind) for r in self.rows if r.what == "task"]
        self.events = [(r.what, r.sender, r.body) for r in self.rows if r.what in ("held", "opened")]
        self.senders = {r.sender: r for r in self.rows if r.what == "sender"}
        self.look = self.rows[-1]
        assert self.look.what == "look"

    @property
    def due_sec(self):
        """Seconds until something is due; None: nothing is."""
        return None if self.look.id is None else self.look.id / 1e6


class Daemon:
    """A daemon of one node, on a connection of its own."""

    def __init__(self, db, node="node-1", incarnation=0, in_flight=()):
        self.db = db
        self.node = node
        self.connection = db.connect(login(db.cluster, "herald_daemon"))
        self.joined = self._row("SELECT incarnation, schema_version, given_back, in_doubt FROM herald.join(%s, %s, %s::bigint[], %s, 4711, '0', '', 0)",
                                node, incarnation, list(in_flight), "host-of-" + node)
        self.incarnation = self.joined[0]

    def _rows(self, statement, *parameters):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else None

    def _row(self, statement, *parameters):
        return self._rows(statement, *parameters)[0]

    def turn(self, *outcomes, room=100):
        """One turn of the dispatcher; what it left, as somebody had locked the row, is told again and again, for a second at most."""
        first = self._turn(outcomes, room)
        left = first.again
        for _ in range(50):
            if not left:
                break
            time.sleep(0.02)  # as the daemon waits before it tells it again
            left = self._turn([o for o in outcomes if o.attempt_id in left], 0).again
        return first

    def _turn(self, outcomes, room):
        columns = [list(column) for column in zip(*outcomes)] or [[] for _ in Outcome._fields]
        return Turn(self._rows("SELECT * FROM herald.turn(%s, %s, %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::int[],"
                               " %s::int[], %s::text[], %s::text[], %s::text[])", self.incarnation, room, *columns))

    def plan(self, rule, kind="sweep", batch=500):
        """One planner task; its figures as a dict."""
        names = "result more found new known suppressed failed set_aside took error".split()
        return dict(zip(names, self._row("SELECT * FROM herald.plan(%s, %s, %s)", rule, kind, batch)))

    def limit(self, seconds):
        """The longest time of a statement from here on."""
        self._rows("SELECT set_config('statement_timeout', %s, false)", str(int(seconds * 1000)))

    def work(self):
        """Does planner tasks until there are none; what each did."""
        did = []
        while tasks := self.turn(room=0).tasks:
            did += [(rule, kind, self.plan(rule, kind)) for rule, kind in tasks]
            assert len(did) < 1000
        return did

    def attend(self, asleep_sec=0):
        """Says that it is there, and whether it sleeps."""
        self._rows("SELECT herald.attend(%s, %s, %s)", self.node, self.incarnation, asleep_sec)

    def backstop(self, asleep_sec=0):
        """The look of every 30 s."""
        self._rows("SELECT herald.backstop(%s, %s, %s, '{1,2,3}')", self.node, self.incarnation, asleep_sec)

    def leave(self, *unsent):
        """Stops in good order."""
        self._rows("SELECT herald.leave(%s, %s, %s::bigint[])", self.node, self.incarnation, [c.attempt_id for c in unsent])
        self.close()

    def close(self):
        """Dies, as far as the database can see."""
        self.connection.close()


def add_senders(db, *names, **columns):
    """Senders that take whatever they are given."""
    given = {"channel": "whatsapp", "gateway": "webhook", "base_url": "http://127.0.0.1:9", **columns}
    for name in names:
        db.sql(f"INSERT INTO herald.senders (name, {', '.join(given)}) VALUES (%s{', %s' * len(given)})", name, *given.values())


def send(db, number=1, body="text", **named):
    """herald.send() to a number; the id."""
    recipient = number if isinstance(number, str) else f"+88017{number:08d}"
    more = "".join(f", {name} => %s" for name in named)
    return db.value(f"SELECT herald.send(%s, %s{more})", recipient, body, *named.values())


def add_rule(db, name, select, template=None, paused=False, **arguments):
    """A rule over a view of its own, which begins at once unless paused."""
    db.sql(f"CREATE VIEW public.{name} AS {select}")
    db.sql(f"GRANT SELECT ON public.{name} TO herald_rules")
    more = "".join(f', "{key}" => %s' for key in arguments)
    db.sql(f"SELECT herald.add_rule(%s, %s::regclass, %s{more})", name, f"public.{name}", template, *arguments.values())
    if not paused:
        db.sql("SELECT herald.resume('rule', %s)", name)


def row(db, ident):
    """A notification as a dict."""
    return db.row("SELECT * FROM whatsapp_notifications WHERE id = %s", ident)


def due_now(db, ident):
    """Lets the time of a row's next step come."""
    db.sql("UPDATE whatsapp_notifications SET next_at = clock_timestamp() - interval '1 ms' WHERE id = %s", ident)


def probe_now(db, sender):
    """Lets a held sender's pause end."""
    db.sql("UPDATE herald.holds SET until = clock_timestamp() - interval '1 ms' WHERE kind = 'sender' AND name = %s", sender)
