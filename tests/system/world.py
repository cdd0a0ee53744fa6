"""A database, a daemon, a sandbox and a hostile server that one module's tests share, each test with senders of its own. Clocks
run fast: back-offs, probes and requests take fractions of a second."""

import contextlib
import itertools
import json
import uuid

from conftest import Database, wait_until
from daemon import Daemon, Sandbox
from hostile import Hostile, http

FAST = {"retry_base": "60 ms", "retry_cap": "400 ms", "probe_base": "250 ms", "probe_cap": "500 ms", "request_time_limit": "1 s"}
TWILIO = {"account_sid": "AC0123456789abcdef0123456789abcdef", "from": "whatsapp:+14155238886"}
CLOUD = {"phone_number_id": "106540352242922"}
WEBHOOK = {"body": {"to": "{{target}}", "text": "{{body}}", "key": "{{key}}"}}
TOKEN = "EAAGm0PX4ZCpsBA-correct-horse-battery"


class World:
    """The senders, messages and log of one daemon."""

    def __init__(self, cluster, template, directory, sandbox_options=(), user="postgres", **daemon_options):
        self.cluster = cluster
        self.directory = directory
        self.numbers = itertools.count(1)
        name = f"w_{uuid.uuid4().hex[:12]}"
        cluster.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        self.db = Database(cluster, name)
        for setting, value in FAST.items():
            self.db.sql("UPDATE herald.settings SET value = %s WHERE name = %s", value, setting)
        self.hostile = Hostile({"good": http({"id": "good-1"})})
        self.sandbox = Sandbox(directory, *sandbox_options)
        self.add_sender("good", url=f"{self.hostile.url}/good", priority=-1)
        self.daemon = Daemon(directory, self.db.dsn(user), credentials={"token": TOKEN}, **daemon_options)

    def close(self):
        """Ends everything; the daemon must end by itself with 0, and leave no report of a sanitizer."""
        status = self.daemon.stop()
        assert status == 0, f"exit {status}:\n{self.daemon.output()}"
        assert self.sandbox.stop() == 0, self.sandbox.output()
        self.hostile.stop()
        self.db.close()
        self.cluster.sql(f"DROP DATABASE {self.db.name} WITH (FORCE)")

    def add_sender(self, name, gateway="webhook", url=None, account=None, credential=None, **columns):
        """A sender, without the pauses that a gateway gets by itself; its messages are those that name it."""
        usual = {"cloud": CLOUD, "twilio": TWILIO, "webhook": WEBHOOK, "evolution": {"instance": "alerts"}, "waha": {"session": "alerts"},
                 "webjs": {"session": "alerts"}, "wppconnect": {"session": "alerts"}}
        account = usual[gateway] if account is None else account
        given = {"name": name, "gateway": gateway, "base_url": url, "account": json.dumps(account), "credential": credential,
                 "limits": "{}", "gap": "0", "max_in_flight": 64, **columns}
        self.db.sql(f"INSERT INTO herald.senders ({', '.join(given)}) VALUES ({', '.join(['%s'] * len(given))})", *given.values())

    def number(self):
        """A telephone number that no other message has."""
        return f"+88017{next(self.numbers):08d}"

    def send(self, sender, body="hello", recipient=None, **named):
        """herald.send(); the id."""
        more = "".join(f", {name} => %s" for name in named)
        return self.db.value(f"SELECT herald.send(%s, %s, sender => %s{more})", recipient or self.number(), body, sender, *named.values())

    def row(self, ident):
        """The notification as a dict."""
        return self.db.row("SELECT * FROM whatsapp_notifications WHERE id = %s", ident)

    def wait_for(self, ident, *statuses, timeout_sec=20.0):
        """Waits until the notification is in one of these states; the row."""
        def reached():
            row = self.row(ident)
            return row if row["send_status"] in statuses else None
        try:
            return wait_until(reached, f"notification {ident} is {' or '.join(statuses)}", timeout_sec)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.row(ident)}\n{self.db.sql('SELECT * FROM herald.holds')}\n{self.daemon.output()}") from None

    def hold(self, sender):
        """The hold of a sender that fails, or None."""
        return self.db.row("SELECT * FROM herald.holds WHERE kind = 'sender' AND name = %s AND cause = 'blocked'", sender)

    def wait_for_hold(self, sender, reason):
        """Waits until the sender is held with a reason that says this; the hold."""
        def held():
            hold = self.hold(sender)
            return hold if hold and reason in hold["reason"] else None
        try:
            return wait_until(held, f"sender {sender} is held: {reason}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.hold(sender)}\n{self.daemon.output()}") from None

    def probe_now(self, sender):
        """Lets a held sender's pause end."""
        # In one transaction: what is told between the two would end one of them.
        self.db.sql("""UPDATE herald.health SET ask_at = clock_timestamp() WHERE sender = %s;
                       UPDATE herald.holds SET until = clock_timestamp() WHERE kind = 'sender' AND name = %s; SELECT herald.ring_bell()""", sender, sender)

    def attempts(self, ident):
        """What is kept of attempts that were not simply accepted, in order."""
        with self.db.connection.cursor() as cursor:
            cursor.execute("SELECT outcome, scope, response_code, error, at FROM herald.attempts WHERE notification_id = %s ORDER BY attempt_id", (ident,))
            return cursor.fetchall()

    def add_rule(self, name, rows, template=None, resume=True, **arguments):
        """A rule over a table of its own with dedup_key, recipient, data, body, sender."""
        self.db.sql(f"""CREATE TABLE public.{name} (dedup_key text, recipient text, data jsonb DEFAULT '{{}}', body text, sender text);
                        GRANT SELECT ON public.{name} TO herald_rules""")
        for row in rows:
            self.db.sql(f"INSERT INTO public.{name} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *row.values())
        more = "".join(f', "{key}" => %s' for key in arguments)
        self.db.sql(f"SELECT herald.add_rule(%s, %s::regclass, %s{more})", name, f"public.{name}", template, *arguments.values())
        if resume:
            self.db.sql("SELECT herald.resume('rule', %s)", name)

    def planned(self, rule, key, *statuses):
        """Waits until the rule's notification of this key is in one of these states; the row."""
        ident = wait_until(lambda: self.db.value("SELECT id FROM whatsapp_notifications WHERE rule = %s AND dedup_key = %s", rule, key),
                           f"notification {key} of rule {rule}")
        return self.wait_for(ident, *statuses)

    def log_lines(self, *words):
        """The daemon's lines that hold all of these words."""
        return [line for line in self.daemon.output().splitlines() if all(word in line for word in words)]

    def logged(self, *words):
        """Those lines, once there is one: a line comes a moment after the row that it tells of."""
        return wait_until(lambda: self.log_lines(*words), f"a log line with {words}")

    def settle(self):
        """Cancels whatever still waits, so that it disturbs nobody."""
        for ident in self.db.column("SELECT id FROM whatsapp_notifications WHERE send_status IN ('pending', 'in_doubt')"):
            with contextlib.suppress(Exception):
                self.db.sql("SELECT herald.cancel(%s)", ident)
        self.sandbox.behave()

    @contextlib.contextmanager
    def others_go_on(self):
        """Another sender's messages go through before, and while the trouble of the block lasts."""
        self.wait_for(self.send("good"), "sent")
        yield
        self.wait_for(self.send("good"), "sent")
        self.settle()
