"""pgherald web: the built binary on a real socket and a real database. What it takes, what it refuses, and what becomes of messages."""

import base64
import hashlib
import hmac
import http.client
import json
import math
import os
import random
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import uuid

import pytest

from conftest import PGHERALD, Database, environment, wait_until
from daemon import Process, Sandbox, sandbox, start_daemon  # noqa: F401 (fixtures)
from player import Daemon, accepted, in_doubt, login, rejected

APP_SECRET = "4f1c-app-secret-of-the-first-app"
OTHER_APP_SECRET = "77aa-app-secret-of-another-app"
VERIFY_TOKEN = "meatyhamhock"
PATH_SECRET = "kPz3-secret-of-the-path"
AUTH_TOKEN = "d41d8cd98f00b204e9800998ecf8427e"
OTHER_AUTH_TOKEN = "00b204e9800998ecf8427ed41d8cd98f"
SECRETS = {"twilio": AUTH_TOKEN, "other_twilio": OTHER_AUTH_TOKEN, "app": APP_SECRET, "other_app": OTHER_APP_SECRET, "verify": VERIFY_TOKEN, "path": PATH_SECRET}
NUMBER = "106540352242922"
ACCOUNT, OTHER_ACCOUNT = "AC" + "1" * 32, "AC" + "2" * 32
CALLBACK = "https://hooks.example.org/in/twilio"
SENDERS = {
    "wa": ("cloud", {"phone_number_id": NUMBER, "app_secret": "app", "verify_token": "verify"}),
    "other": ("cloud", {"phone_number_id": "999", "app_secret": "other_app"}),
    "tw": ("twilio", {"account_sid": ACCOUNT, "from": "whatsapp:+14155238886", "status_callback": CALLBACK, "webhook_secret": "twilio"}),
    "tw-sms": ("twilio", {"account_sid": ACCOUNT, "from": "+14155238886", "status_callback": CALLBACK + "?by=sms", "webhook_secret": "twilio"}),
    "tw-other": ("twilio", {"account_sid": OTHER_ACCOUNT, "from": "+14155238887", "status_callback": CALLBACK, "webhook_secret": "other_twilio"}),
    "wpp": ("wppconnect", {"session": "alerts", "webhook_secret": "path"}),
}
MOMENT = 1_700_000_000


class Web(Process):
    """pgherald web on a free port, as a login role that is a member of herald_web alone."""

    def __init__(self, directory, db, *options, name="web", secrets=None, log_level="debug"):
        credentials = directory / "web-credentials"
        credentials.mkdir(mode=0o700, exist_ok=True)
        for secret, value in (SECRETS if secrets is None else secrets).items():
            (credentials / secret).write_text(value + "\n", encoding="utf-8")
        config = directory / f"{name}.conf"
        dsn = db.dsn(login(db.cluster, "herald_web"))
        config.write_text(f"dsn = {dsn}\ncredentials_dir = {credentials}\nlog_level = {log_level}\n", encoding="utf-8")
        super().__init__(directory, name, ["--config", config, "web", "--listen", "127.0.0.1:0", *options])
        self.port = int(wait_until(lambda: re.search(r"http://127\.0\.0\.1:(\d+)/", self.output()) or self._fail_if_ended(), "web")[1])

    def _fail_if_ended(self):
        assert self.is_running(), self.output()

    def connect(self):
        """A bare socket."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def call(self, method, path, body=None, headers=None):
        """One request on a connection of its own: status and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path):
        return self.call("GET", path)

    def post_cloud(self, body, secret=APP_SECRET, signature=None):
        """A webhook, signed unless told otherwise: the status."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", "/cloud", raw, {"X-Hub-Signature-256": sign(raw, secret) if signature is None else signature})[0]

    def post_wppconnect(self, body, secret=PATH_SECRET):
        return self.call("POST", f"/wppconnect/{secret}", json.dumps(body))[0]

    def post_twilio(self, form, query="", callback=CALLBACK, token=AUTH_TOKEN, signature=None, body=None):
        """A status callback, as a proxy passes it on: the path is another than the one that was signed."""
        signed = callback + "".join(name + value for name, value in sorted(form.items()))
        mac = base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
        return self.call("POST", "/twilio" + query, urllib.parse.urlencode(form) if body is None else body,
                         {"X-Twilio-Signature": mac if signature is None else signature, "Content-Type": "application/x-www-form-urlencoded"})[0]

    def figure(self, name):
        """A sample of /metrics."""
        text = self.get("/metrics")[1]
        return float(re.search(rf"^pgherald_{re.escape(name)} (\S+)$", text, re.M)[1])


def sign(raw, secret=APP_SECRET):
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def status(message_id, what, echo=None, at=MOMENT, **more):
    """One update, as the Cloud API writes it."""
    update = {"id": message_id, "status": what, "timestamp": str(at), "recipient_id": "8801700000001", **more}
    return update if echo is None else {**update, "biz_opaque_callback_data": f"{echo[0]}.{echo[1]}"}


def webhook(*statuses, number=NUMBER):
    value = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550783881", "phone_number_id": number},
             "statuses": list(statuses)}
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}]}


def onack(message_id, ack, session="alerts"):
    return {"event": "onack", "session": session, "id": {"fromMe": True, "_serialized": message_id}, "ack": ack}


class World:
    """A database with senders, a daemon that is played, and the process."""

    def __init__(self, cluster, template, directory):
        self.cluster = cluster
        name = f"w_{uuid.uuid4().hex[:12]}"
        cluster.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        self.db = Database(cluster, name)
        for sender, (gateway, account) in SENDERS.items():
            self.db.sql("INSERT INTO herald.senders (name, gateway, account, gap, max_in_flight) VALUES (%s, %s, %s, '0', 1000)",
                        sender, gateway, json.dumps(account))
        self.db.sql("DELETE FROM herald.health")  # a daemon that is played asks no gateway
        self.web = Web(directory, self.db, "--time-limit", "500 ms")
        self.player = Daemon(self.db)
        self.count = 0

    def close(self):
        ended = self.web.stop()
        assert ended == 0, f"exit {ended}:\n{self.web.output()}"
        self.player.connection.close()
        self.db.close()
        self.cluster.sql(f"DROP DATABASE {self.db.name} WITH (FORCE)")

    def claim(self, sender="wa", recipient=None):
        """A message in flight."""
        self.count += 1
        ident = self.db.value("SELECT herald.send(%s, 'hello', sender => %s)", recipient or f"+88017{self.count:08d}", sender)
        claim, = [c for c in self.player.turn().claims if c.id == ident]
        return claim

    def sent(self, sender="wa", prefix="wamid."):
        """A message that its gateway took: the claim, and the gateway's id."""
        claim = self.claim(sender)
        message_id = f"{prefix}{uuid.uuid4().hex}"
        self.player.turn(accepted(claim, message_id))
        return claim, message_id

    def row(self, claim):
        return self.db.row("SELECT * FROM whatsapp_notifications WHERE id = %s", claim.id)

    def status(self, claim):
        return self.row(claim)["send_status"]

    def counts(self):
        return dict(self.db.sql("SELECT kind, n FROM herald.receipt_counts"))


@pytest.fixture(scope="module")
def world(cluster, template, tmp_path_factory):
    shared = World(cluster, template, tmp_path_factory.mktemp("web"))
    yield shared
    shared.close()


def echo(claim):
    return claim.id, claim.attempt_id


pytestmark = pytest.mark.sanitize


# --- what is taken, and what is refused ---


def handshake(world, mode="subscribe", token=VERIFY_TOKEN, challenge="1158201444"):
    return world.web.get(f"/cloud?hub.mode={mode}&hub.challenge={challenge}&hub.verify_token={token}")


def test_handshake(world):
    assert handshake(world) == (200, "1158201444")
    assert handshake(world, token="meatyhamhocK")[0] == 403
    assert handshake(world, token=APP_SECRET)[0] == 403
    assert handshake(world, token="")[0] == 403
    assert handshake(world, mode="unsubscribe")[0] == 400
    assert handshake(world, challenge="%3Cscript%3E")[0] == 400
    assert world.web.get("/cloud")[0] == 400


def test_only_what_is_signed_is_taken(world):
    claim, message_id = world.sent()
    body = webhook(status(message_id, "delivered", echo(claim)))
    raw = json.dumps(body).encode()
    good = sign(raw)
    for bad in ("", "sha256=", good[:-1], good + "0", good.upper().replace("SHA256", "sha256"), good.replace("sha256", "sha1"), good[7:],
                sign(raw + b" "), sign(raw, OTHER_APP_SECRET + "x"), "sha256=" + "0" * 64):
        assert world.web.post_cloud(body, signature=bad) == 401, bad
    assert world.web.call("POST", "/cloud", raw)[0] == 401
    assert world.status(claim) == "sent"
    assert world.web.post_cloud(raw, signature=good) == 200
    row = world.row(claim)
    assert row["send_status"] == "delivered" and row["delivered_at"] >= row["sent_at"] and row["read_at"] is None
    assert "4 webhooks refused" not in world.web.output() and "webhooks refused" in world.web.output()


def test_the_signature_of_the_escaped_form_counts(world):
    claim, message_id = world.sent()
    failed = status(message_id, "failed", echo(claim), errors=[{"code": 131026, "title": "Zustellung unmöglich 🙈"}])
    raw = json.dumps(webhook(failed), ensure_ascii=False).encode()
    escaped = json.dumps(webhook(failed)).encode()
    assert raw != escaped
    assert world.web.post_cloud(raw, signature=sign(escaped)) == 200
    assert world.row(claim)["error"] == "the gateway reports a failure 131026: Zustellung unmöglich 🙈"


def test_a_secret_is_good_for_its_own_numbers_only(world):
    claim, message_id = world.sent()
    before = world.counts().get("ignored", 0)
    assert world.web.post_cloud(webhook(status(message_id, "read", echo(claim))), secret=OTHER_APP_SECRET) == 200
    assert world.web.post_cloud(webhook(status(message_id, "read", echo(claim)), number="999"), secret=OTHER_APP_SECRET) == 200
    assert world.web.post_cloud(webhook(status(message_id, "read", echo(claim)), number="999")) == 200
    assert world.web.post_cloud(webhook(status("wamid.unknown", "read"))) == 200
    assert world.web.post_cloud(webhook(status("wamid.unknown", "read", (claim.id + 10 ** 6, 1)))) == 200
    assert world.status(claim) == "sent"
    assert world.counts()["ignored"] == before + 5


def test_what_is_no_webhook_is_refused(world):
    for body, expected in ((b"", 400), (b"{", 400), (b"[]", 400), (b'{"entry": 1}', 400), (b"[" * 100000, 400), (b'{"entry": []}', 200),
                           (b'{"entry": [1, null, {"changes": 5}, {"changes": [{"field": "messages"}]}]}', 200), (b"\xff\xfe", 400)):
        assert world.web.post_cloud(body) == expected, body[:40]
    for odd in ({"id": 5, "status": "read"}, {"id": "", "status": "read"}, {"id": "x" * 600, "status": "read"}, {"status": "read"}, "text",
                {"id": "wamid.1", "status": "deleted"}, {"id": "wamid.1", "status": ["read"]}, {"id": "wamid.1"}):
        assert world.web.post_cloud(webhook(odd)) == 200, odd
    assert world.web.get("/")[0] == 404
    assert world.web.get("/cloud/x")[0] == 404
    assert world.web.call("PUT", "/cloud", "x")[0] == 405
    assert world.web.call("POST", "/metrics", "x")[0] == 405


# --- what becomes of messages ---


def test_a_thousand_updates_are_one_call(world):
    ids = world.db.column("""INSERT INTO whatsapp_notifications (recipient, target, target_kind, sender, send_status, attempt_id, message_id, sent_at, next_at)
                             SELECT 'x', '+88018' || lpad(i::text, 8, '0'), 'individual', 'wa', 'sent', 10000000 + i, 'wamid.K' || i, clock_timestamp(), NULL
                               FROM generate_series(1, 1000) i RETURNING id""")
    body = webhook(*(status(f"wamid.K{i}", "delivered", (ident, 10000000 + i), pricing={"billable": True, "category": "utility"})
                     for i, ident in enumerate(ids, 1)))
    for _ in range(2):  # gateways send again what they will
        assert world.web.post_cloud(body) == 200
        assert world.db.sql("SELECT count(*), count(DISTINCT xmin::text) FROM whatsapp_notifications WHERE message_id LIKE 'wamid.K%%' AND send_status = 'delivered'"
                            ) == [(1000, 1)]


def test_receipts_move_a_message_forward_only_and_may_come_again(world):
    claim, message_id = world.sent()
    for what in ("sent", "read", "delivered", "sent", "failed", "read"):
        assert world.web.post_cloud(webhook(status(message_id, what, echo(claim)))) == 200
        assert world.status(claim) == ("sent" if what == "sent" and world.row(claim)["read_at"] is None else "read")
    row = world.row(claim)
    assert row["delivered_at"] and row["read_at"] and row["error"] is None
    assert world.web.post_cloud(webhook(status(message_id, "delivered", echo(claim)))) == 200
    assert world.row(claim) == row


def test_failed_counts_unless_more_is_known(world):
    claim, message_id = world.sent()
    failed = status(message_id, "failed", echo(claim), errors=[{"code": 131049, "title": "withheld", "error_data": {"details": "cap\nreached"}}])
    assert world.web.post_cloud(webhook(failed)) == 200
    row = world.row(claim)
    assert row["delivered_at"] is None and row["read_at"] is None
    assert row["send_status"] == "failed" and row["error"] == "the gateway reports a failure 131049: withheld: cap reached"
    assert world.web.post_cloud(webhook(status(message_id, "sent", echo(claim)))) == 200
    assert world.status(claim) == "failed"
    # It overtook; the message had arrived.
    assert world.web.post_cloud(webhook(status(message_id, "delivered", echo(claim)))) == 200
    assert world.status(claim) == "delivered" and world.row(claim)["error"] is None
    # All in one.
    claim, message_id = world.sent()
    assert world.web.post_cloud(webhook(*(status(message_id, w, echo(claim)) for w in ("failed", "read", "sent", "delivered")))) == 200
    assert world.status(claim) == "read"


def test_of_a_group_the_furthest_participant_counts(world):
    claim, message_id = world.sent()
    def of(participant, what):
        return status(message_id, what, echo(claim), recipient_type="group", recipient_participant_id=participant)
    assert world.web.post_cloud(webhook(of("a", "failed"))) == 200
    assert world.status(claim) == "sent"
    assert world.web.post_cloud(webhook(of("a", "delivered"), of("b", "read"), of("c", "failed"))) == 200
    assert world.status(claim) == "read"


def test_an_early_receipt_waits_for_the_answer(world):
    claim = world.claim()
    before = world.counts().get("early", 0)
    for what in ("delivered", "read", "delivered"):
        assert world.web.post_cloud(webhook(status("wamid.early", what, echo(claim)))) == 200
    assert world.status(claim) == "sending"
    assert world.counts()["early"] == before + 2
    world.player.turn(accepted(claim, "wamid.early"))
    row = world.row(claim)
    assert row["send_status"] == "read" and row["delivered_at"] and row["read_at"]
    assert world.db.value("SELECT count(*) FROM herald.receipts_early") == 0


def test_an_early_receipt_settles_an_answer_that_never_came(world):
    claim = world.claim()
    assert world.web.post_cloud(webhook(status("wamid.lost", "delivered", echo(claim)))) == 200
    world.player.turn(in_doubt(claim))
    row = world.row(claim)
    assert row["send_status"] == "delivered" and row["message_id"] == "wamid.lost" and row["next_at"] is None


def test_an_early_receipt_that_missed_its_answer_is_found_later(world):
    claim, message_id = world.sent()
    world.db.sql("INSERT INTO herald.receipts_early (message_id, status, notification_id, attempt_id, gateway, account) VALUES (%s, 'read', %s, %s, 'cloud', %s)",
                 message_id, *echo(claim), f"app {NUMBER}")
    world.db.sql("INSERT INTO herald.receipts_early (message_id, status, gateway, account, kept_at) VALUES ('gone', 'read', 'cloud', '1', now() - interval '11 min')")
    world.db.sql("SELECT herald.apply_early(NULL, NULL)")
    assert world.status(claim) == "read"
    assert world.db.value("SELECT count(*) FROM herald.receipts_early") == 0


def test_web_says_that_it_is_there_and_since_when(db, tmp_path):
    def look(condition, *parameters):
        return db.value(f"SELECT array[up_since, seen_at] FROM herald.web WHERE {condition}", *parameters)

    web = Web(tmp_path, db)
    _, seen = wait_until(lambda: look("seen_at > up_since AND up_since > now() - interval '1 min'"), "two looks")
    assert web.stop() == 0
    web = Web(tmp_path, db)
    _, seen = wait_until(lambda: look("up_since > %s AND seen_at > up_since", seen), "another one's looks")
    # What can't reach the database is not there.
    db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgherald web watcher'")
    wait_until(lambda: look("up_since > %s", seen), "a look on a new connection")
    assert web.stop() == 0


def test_what_could_not_be_recorded_is_as_if_web_had_been_away(world):
    before = world.db.value("SELECT clock_timestamp()")
    world.db.sql("REVOKE EXECUTE ON FUNCTION herald.receive FROM herald_web")
    try:
        assert world.web.post_cloud(webhook(status("wamid.refused", "delivered"))) == 503
    finally:
        world.db.sql("GRANT EXECUTE ON FUNCTION herald.receive TO herald_web")
    wait_until(lambda: world.db.value("SELECT up_since > %s FROM herald.web", before), "a look")


def test_answers_and_receipts_may_meet(world):
    """Both at once, and in other orders: neither loses the other, nor is there a deadlock."""
    for ident in range(300):
        world.db.sql("SELECT herald.send(%s, 'hello', sender => 'wa')", f"+88016{ident:08d}")
    claims = world.player.turn(room=600).claims
    assert len(claims) == 300
    updates = [status(f"wamid.M{c.id}", "read", echo(c)) for c in claims]
    random.Random(1).shuffle(updates)
    answers = []

    def tell(part):
        answers.extend(world.web.post_cloud(webhook(*updates[i:i + 7])) for i in range(part * 7, len(updates), 14))

    threads = [threading.Thread(target=tell, args=(part,)) for part in (0, 1)]
    for thread in threads:
        thread.start()
    for i in range(0, 300, 5):
        world.player.turn(*(accepted(c, f"wamid.M{c.id}") for c in reversed(claims[i:i + 5])))
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
    assert world.db.column("SELECT DISTINCT send_status FROM whatsapp_notifications WHERE message_id LIKE 'wamid.M%%'") == ["read"]
    assert world.db.value("SELECT count(*) FROM herald.receipts_early") == 0


def test_the_echo_settles_what_is_in_doubt(world):
    cases = {}
    for what in ("sent", "delivered", "read", "failed"):
        claim = world.claim()
        world.player.turn(in_doubt(claim))
        assert world.status(claim) == "in_doubt"
        cases[what] = claim
    assert world.web.post_cloud(webhook(*(status(f"wamid.D{c.id}", what, echo(c)) for what, c in cases.items()))) == 200
    for what, claim in cases.items():
        row = world.row(claim)
        assert row["send_status"] == what and row["next_at"] is None
        assert row["message_id"] == (None if what == "failed" else f"wamid.D{claim.id}")
    # Nothing of it is sent again.
    assert not {c.id for c in cases.values()} & set(world.player.turn().ids)


def test_an_earlier_attempt_that_turns_out_to_have_arrived_is_told(world):
    claim = world.claim()
    world.player.turn(in_doubt(claim))
    world.db.sql("UPDATE whatsapp_notifications SET next_at = now() WHERE id = %s", claim.id)
    again = wait_until(lambda: [c for c in world.player.turn().claims if c.id == claim.id], "sent again")[0]
    world.player.turn(accepted(again, "wamid.second"))
    for _ in range(2):
        assert world.web.post_cloud(webhook(status("wamid.first", "delivered", echo(claim)))) == 200
    row = world.row(claim)
    assert row["send_status"] == "sent" and row["doubled_at"] and "sent twice" in row["error"]
    assert world.db.column("SELECT outcome FROM herald.attempts WHERE notification_id = %s", claim.id) == ["in_doubt, then late: accepted"]


def test_a_person_who_tells_again_is_not_contradicted(world):
    claim, message_id = world.sent()
    world.db.sql("UPDATE herald.senders SET enabled = false WHERE name = 'wa'")
    try:
        world.db.sql("SELECT herald.retry(%s)", claim.id)
        assert world.web.post_cloud(webhook(status(message_id, "read", echo(claim)))) == 200
        assert world.status(claim) == "pending"
        world.db.sql("SELECT herald.cancel(%s)", claim.id)
    finally:
        world.db.sql("UPDATE herald.senders SET enabled = true WHERE name = 'wa'")


def test_a_locked_row_is_waited_for_outside_the_database(world):
    claim, message_id = world.sent()
    free, free_id = world.sent()
    other = world.db.connect()
    other.autocommit = False
    with other.cursor() as cursor:
        cursor.execute("SELECT FROM whatsapp_notifications WHERE id = %s FOR UPDATE", (claim.id,))
        raw = json.dumps(webhook(status(message_id, "read", echo(claim)), status(free_id, "read", echo(free)))).encode()
        connection = http.client.HTTPConnection("127.0.0.1", world.web.port, timeout=20)
        connection.request("POST", "/cloud", raw, {"X-Hub-Signature-256": sign(raw)})
        wait_until(lambda: world.status(free) == "read", "the other row's receipt")
        assert world.status(claim) == "sent"
        other.rollback()
    assert connection.getresponse().status == 200
    connection.close()
    other.close()
    assert world.status(claim) == "read"


# --- Twilio ---


def callback(message_id, what, account=ACCOUNT, **more):
    return {"MessageSid": message_id, "SmsSid": message_id, "MessageStatus": what, "SmsStatus": what, "AccountSid": account,
            "From": "whatsapp:+14155238886", "To": "whatsapp:+8801700000001", "ApiVersion": "2010-04-01", **more}


def tell(world, claim, message_id, what, sep="?", base=CALLBACK, **more):
    """A callback to the address that the gateway was given."""
    echoed = f"id={claim.id}.{claim.attempt_id}"
    query = ("?by=sms&" if sep == "&" else "?") + echoed
    return world.web.post_twilio(callback(message_id, what, **more), query, f"{base}{sep}{echoed}")


def test_twilio_callbacks_move_a_message_forward_only(world):
    claim, message_id = world.sent("tw", "SM")
    for what, expected in (("queued", "sent"), ("sending", "sent"), ("sent", "sent"), ("delivered", "delivered"), ("sent", "delivered"),
                           ("undelivered", "delivered"), ("read", "read"), ("delivered", "read"), ("failed", "read"), ("nonsense", "read")):
        assert tell(world, claim, message_id, what) == 200, what
        assert world.status(claim) == expected, what
    row = world.row(claim)
    assert row["delivered_at"] and row["read_at"] and row["error"] is None
    claim, message_id = world.sent("tw", "SM")
    assert tell(world, claim, message_id, "undelivered", ErrorCode="63016") == 200
    row = world.row(claim)
    assert row["send_status"] == "failed"
    assert row["error"] == "the gateway reports a failure 63016: more than 24 hours since the recipient wrote; send it as a template"


def test_twilio_the_address_is_part_of_what_is_signed(world):
    claim, message_id = world.sent("tw-sms", "SM")
    assert tell(world, claim, message_id, "delivered", "&", CALLBACK + "?by=sms") == 200
    assert world.status(claim) == "delivered"
    other, other_id = world.sent("tw", "SM")
    form, echoed = callback(other_id, "read"), f"id={other.id}.{other.attempt_id}"
    for query, signed in (("?" + echoed, CALLBACK), ("", f"{CALLBACK}?{echoed}"), (f"?id={claim.id}.{claim.attempt_id}", f"{CALLBACK}?{echoed}"),
                          ("?" + echoed, f"http://127.0.0.1/twilio?{echoed}"), ("?id=0" + echoed[3:], f"{CALLBACK}?id=0{echoed[3:]}")):
        assert world.web.post_twilio(form, query, signed) == 401, query
    assert world.status(other) == "sent"
    assert world.web.post_twilio(form, "", CALLBACK) == 200  # as a messaging service's own callback comes: found by the SID
    assert world.status(other) == "read"


def test_twilio_only_what_is_signed_is_taken(world):
    claim, message_id = world.sent("tw", "SM")
    form, query = callback(message_id, "read"), f"?id={claim.id}.{claim.attempt_id}"
    signed = CALLBACK + query + "".join(name + value for name, value in sorted(form.items()))
    good = base64.b64encode(hmac.new(AUTH_TOKEN.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    for bad in ("", good[:-1], good + "=", good.lower(), base64.b64encode(b"0" * 20).decode(), "x" * 5000):
        assert world.web.post_twilio(form, query, signature=bad) == 401, bad
    assert world.web.post_twilio(form, query, CALLBACK + query, token=OTHER_AUTH_TOKEN) == 401
    assert world.web.post_twilio({**form, "More": "x"}, query, signature=good) == 401
    assert world.web.post_twilio(callback(message_id, "delivered"), query, signature=good) == 401
    assert world.web.call("POST", "/twilio" + query, urllib.parse.urlencode(form))[0] == 401  # no signature at all
    assert world.web.get("/twilio")[0] == 405
    for body in (b"a=%", b"a=%00", b"\xff=1", "&".join(f"f{n}=1" for n in range(200)), "x=" + "y" * 70_000):
        assert world.web.post_twilio(form, query, signature=good, body=body) == 400, body[:20]
    assert world.status(claim) == "sent"
    assert world.web.post_twilio(form, query, signature=good) == 200
    assert world.status(claim) == "read"


def test_twilio_a_token_is_good_for_its_own_account_only(world):
    claim, message_id = world.sent("tw", "SM")
    before = world.counts().get("ignored", 0)
    query = f"?id={claim.id}.{claim.attempt_id}"
    assert world.web.post_twilio(callback(message_id, "read", OTHER_ACCOUNT), query, CALLBACK + query, OTHER_AUTH_TOKEN) == 200
    assert world.web.post_twilio(callback(message_id, "read", OTHER_ACCOUNT), query, CALLBACK + query) == 401
    assert world.web.post_twilio(callback(message_id, "read", "AC" + "9" * 32), query, CALLBACK + query) == 401
    assert world.status(claim) == "sent" and world.counts()["ignored"] == before + 1


def test_twilio_settles_what_is_in_doubt_and_may_come_early(world):
    claim = world.claim("tw")
    world.player.turn(in_doubt(claim))
    assert tell(world, claim, "SMdoubt", "sent") == 200
    assert (world.status(claim), world.row(claim)["message_id"]) == ("sent", "SMdoubt")
    claim = world.claim("tw")
    assert tell(world, claim, "SMearly", "delivered") == 200
    assert world.status(claim) == "sending"
    world.player.turn(accepted(claim, "SMearly"))
    assert world.status(claim) == "delivered"


def test_from_the_daemon_by_twilio_and_back(db, tmp_path, start_daemon):  # noqa: F811
    """The whole way: sent, told of by the sandbox at the address that it was given, recorded."""
    db.sql("INSERT INTO herald.senders (name, gateway, account, credential) VALUES ('tw', 'twilio', %s, 'twilio')",
           json.dumps({"account_sid": ACCOUNT, "from": "whatsapp:+14155238886", "webhook_secret": "twilio", "status_callback": "http://x/"}))
    web = Web(tmp_path, db)
    gateway = Sandbox(tmp_path, "--receipts", f"http://127.0.0.1:{web.port}/cloud", "--app-secret", AUTH_TOKEN)
    db.sql("UPDATE herald.senders SET base_url = %s, account = account || jsonb_build_object('status_callback', %s::text)",
           gateway.url, f"http://127.0.0.1:{web.port}/twilio")
    web.send_signal(1)
    start_daemon(credentials={"twilio": AUTH_TOKEN})
    db.sql("SELECT herald.send('+8801711000001', 'hello')")
    wait_until(lambda: db.column("SELECT send_status FROM whatsapp_notifications") == ["delivered"], "delivered")
    wait_until(lambda: db.column("SELECT send_status FROM whatsapp_notifications") == ["read"], "read")
    # Elsewhere than at the origin of --receipts the sandbox tells nobody.
    db.sql("UPDATE herald.senders SET account = account || %s", json.dumps({"status_callback": "http://127.0.0.2:1/twilio"}))
    db.sql("SELECT herald.send('+8801711000002', 'hello')")
    wait_until(lambda: len(gateway.messages()) == 2, "the second message")
    assert gateway.stop() == 0 and web.stop() == 0


# --- wppconnect ---


def test_wppconnect_acks_come_with_the_secret_in_the_path(world):
    claim, stanza = world.sent("wpp", "3EB0")
    message_id = f"true_8801700000001@c.us_{stanza}"
    for wrong in ("", "x", PATH_SECRET + "x", PATH_SECRET[:-1], APP_SECRET):
        assert world.web.post_wppconnect(onack(message_id, 3), secret=wrong) == 404
    assert world.web.post_wppconnect(onack(message_id, 3, session="elsewhere")) == 200
    assert world.web.post_wppconnect({"event": "onmessage", "session": "alerts", "id": "x", "body": "hi"}) == 200
    assert world.web.post_wppconnect([]) == 400
    assert world.status(claim) == "sent"
    for ack, expected in ((0, "sent"), (1, "sent"), (2, "delivered"), (1, "delivered"), (4, "read"), (-1, "read")):
        assert world.web.post_wppconnect(onack(message_id, ack)) == 200
        assert world.status(claim) == expected, ack
    claim, stanza = world.sent("wpp", "3EB0")
    assert world.web.post_wppconnect(onack(f"true_55000000000001@lid_{stanza}", -2)) == 200
    assert world.row(claim)["error"] == "the gateway reports a failure: ack -2 (expired)"


def test_two_servers_may_have_a_session_of_the_same_name(world):
    """Each is known by its own secret, and speaks for its own."""
    account = {"session": "default", "webhook_secret": "path_of_the_second"}
    world.db.sql("INSERT INTO herald.senders (name, gateway, base_url, account, credential) VALUES ('wpp2', 'wppconnect', 'http://127.0.0.1:2', %s, 'token')",
                 json.dumps(account))
    try:
        world.db.sql("UPDATE herald.senders SET account = account || '{\"session\": \"default\"}' WHERE name = 'wpp'")
        world.db.sql("SELECT herald.hear('{text}', '{wppconnect}', '{path_of_the_second default}', '{8801733333333}', '{STOP}', '{NULL}', '{NULL}')")
        world.db.sql("SELECT herald.hear('{text}', '{wppconnect}', '{path default}', '{8801733333333}', '{START}', '{NULL}', '{NULL}')")
        assert world.db.value("SELECT who FROM herald.holds WHERE name = '+8801733333333'") == "wppconnect path_of_the_second default"
        claim, stanza = world.sent("wpp2", "3EB0")
        for secret, expected in (("path", "sent"), ("path_of_the_second", "delivered")):
            world.db.sql("SELECT * FROM herald.receive('{wppconnect}', ARRAY[%s], ARRAY[%s], '{NULL}', '{NULL}', '{delivered}', '{NULL}', '{NULL}')",
                         f"{secret} default", stanza)
            assert world.status(claim) == expected
    finally:
        world.db.sql("UPDATE herald.senders SET account = account || '{\"session\": \"alerts\"}' WHERE name = 'wpp'; DELETE FROM herald.senders WHERE name = 'wpp2'")


def test_a_wppconnect_ack_before_the_answer_waits_for_it(world):
    claim = world.claim("wpp")
    assert world.web.post_wppconnect(onack("true_1@c.us_SOON", 2)) == 200
    assert world.web.post_wppconnect(onack("true_1@c.us_OF.THE.TELEPHONE", 2)) == 200
    world.player.turn(accepted(claim, "SOON"))
    assert world.status(claim) == "delivered"
    assert world.db.column("SELECT message_id FROM herald.receipts_early") == ["OF.THE.TELEPHONE"]
    # With nothing in flight it can be nobody's.
    assert world.web.post_wppconnect(onack("true_1@c.us_ANOTHER", 2)) == 200
    assert world.db.value("SELECT count(*) FROM herald.receipts_early") == 1
    world.db.sql("DELETE FROM herald.receipts_early")


def test_messages_of_the_cloud_are_not_in_the_index_of_message_ids(world):
    world.sent("wpp", "true_indexed_")
    before = world.db.value("SELECT pg_relation_size('whatsapp_notifications_message')")
    world.db.sql("""INSERT INTO whatsapp_notifications (recipient, sender, send_status, message_id)
                    SELECT 'x', 'wa', 'sent', 'wamid.I' || i FROM generate_series(1, 2000) i""")
    assert world.db.value("SELECT pg_relation_size('whatsapp_notifications_message')") == before


# --- bounds ---


def test_a_body_that_is_too_large_is_not_read(world):
    with world.web.connect() as s:
        s.sendall(b"POST /cloud HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=00\r\nContent-Length: 3145729\r\n\r\n")
        assert b" 413 " in s.recv(100)
    with world.web.connect() as s, pytest.raises(OSError):
        s.sendall(b"POST /cloud HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=00\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            s.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    raw = json.dumps(webhook()).encode()
    assert world.web.post_cloud(raw + b" " * (3 * 1024 * 1024 - len(raw))) == 200


def test_a_body_of_the_largest_size_may_be_full_of_statuses(world):
    """Meta repeats in vain what is refused for anything else than its size."""
    one = status("wamid." + "x" * 50, "delivered", recipient_id="8801712345678", conversation={"id": "c" * 32, "origin": {"type": "utility"}},
                 pricing={"billable": True, "pricing_model": "CBP", "category": "utility"})
    raw = json.dumps(webhook(*[one] * (3 * 1024 * 1024 // (len(json.dumps(one)) + 2) - 1))).encode()
    assert 2.95e6 < len(raw) <= 3 * 1024 * 1024
    assert world.web.post_cloud(raw) == 200


@pytest.mark.parametrize("head", [b"", b"POST /cloud HTTP/1.1\r\n", b"POST /cloud HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=00\r\nContent-Length: 100\r\n\r\n"])
def test_a_slow_client_is_cut_off(world, head):
    with world.web.connect() as s:
        begun = time.monotonic()
        s.sendall(head)
        s.settimeout(0.1)
        with pytest.raises((OSError, EOFError)):
            while time.monotonic() - begun < 10:  # a byte now and then: it is never idle for long
                try:
                    if s.recv(1) == b"":
                        raise EOFError
                except TimeoutError:
                    pass
                if head:
                    s.sendall(b"x")
    assert 0.4 < time.monotonic() - begun < 3


def test_a_connection_carries_many_requests(world):
    claim, message_id = world.sent()
    connection = http.client.HTTPConnection("127.0.0.1", world.web.port, timeout=20)
    for what in ("sent", "delivered", "read"):
        raw = json.dumps(webhook(status(message_id, what, echo(claim)))).encode()
        for signature, expected in ((sign(raw), 200), (sign(raw + b"x"), 401)):
            connection.request("POST", "/cloud", raw, {"X-Hub-Signature-256": signature})
            answer = connection.getresponse()
            assert (answer.status, answer.read() != b"") == (expected, True)
        assert world.status(claim) == what
    connection.close()
    # As curl sends large bodies: it waits until it is told to go on.
    with world.web.connect() as s:
        s.sendall(b"POST /cloud HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
                  % (sign(raw).encode(), len(raw)))
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(raw)
        assert s.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_does_not_wait_for_the_answer_is_no_loss(world):
    claims = [world.sent() for _ in range(20)]
    for claim, message_id in claims:
        raw = json.dumps(webhook(status(message_id, "read", echo(claim)))).encode()
        with world.web.connect() as s:
            s.sendall(b"POST /cloud HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s" % (sign(raw).encode(), len(raw), raw))
    wait_until(lambda: all(world.status(claim) == "read" for claim, _ in claims), "recorded")
    assert world.web.get("/readyz")[0] == 200


def test_many_idle_connections_do_not_keep_others_out(world):
    idle = [world.web.connect() for _ in range(400)]
    try:
        begun = time.monotonic()
        assert world.web.get("/healthz")[0] == 200
        assert time.monotonic() - begun < 2
    finally:
        for s in idle:
            s.close()


# --- health, figures, and the end ---


def test_figures(world):
    text = world.web.get("/metrics")[1]
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) pgherald_\w+ .+|pgherald_\w+(\{[^{}]*\})? [0-9.e+-]+", line), line
    names = re.findall(r"^# TYPE (\w+)", text, re.M)
    assert len(names) == len(set(names))
    assert {"pgherald_oldest_due_seconds", "pgherald_messages", "pgherald_attempts_total", "pgherald_receipts_total", "pgherald_receipts_ignored_total",
            "pgherald_holds", "pgherald_notification_queue_usage", "pgherald_oldest_xmin_age"} <= set(names)
    claim = world.claim()
    assert world.web.figure('messages{state="sending"}') == 1
    world.player.turn(rejected(claim))
    assert world.web.figure('attempts_last_hour{outcome="rejected",gateway="cloud"}') == 1
    assert world.web.figure("attempts_total") == world.db.value("SELECT last_value FROM herald.attempt_seq")
    world.db.sql("INSERT INTO herald.holds (kind, name, cause, reason) VALUES ('sender', 'wa', 'paused', 'x')")
    world.db.sql("SELECT herald.send('+8801900000001', 'x', sender => 'wa')")
    world.db.sql("UPDATE whatsapp_notifications SET next_at = now() - interval '1 hour' WHERE target = '+8801900000001'")
    world.db.sql("UPDATE herald.lanes SET floor = '-infinity'")  # as if it had been so for an hour
    assert world.web.figure('holds{kind="sender"}') == 1
    assert world.web.figure('messages{state="pending"}') == 1
    assert 3600 <= world.web.figure('oldest_due_seconds{held="true"}') < 3700
    assert world.web.figure('oldest_due_seconds{held="false"}') == 0
    world.db.sql("DELETE FROM herald.holds")
    world.db.sql("DELETE FROM whatsapp_notifications WHERE target = '+8801900000001'")
    assert world.web.figure('web_answers_total{status="200"}') > 1


def test_figures_of_limits_and_wakes(world):
    world.db.sql("UPDATE herald.senders SET limits = '{1000/1 day}' WHERE name = 'wa'")
    claim = world.claim()
    assert world.web.figure('limit_room{sender="wa",limit="1000/1 day"}') == 999
    world.player.backstop()
    assert [world.web.figure(f'wakes_total{{node="node-1",cause="{cause}"}}') for cause in ("rung", "clock", "backstop")] == [1, 2, 3]


def latencies(world, stage):
    """The histogram of a stage: {upper bound: messages up to it}, the number of messages, the sum of their seconds."""
    buckets = re.findall(rf'^pgherald_latency_seconds_bucket{{stage="{stage}",le="([^"]+)"}} (\S+)$', world.web.get("/metrics")[1], re.M)
    return ({float(bound): float(value) for bound, value in buckets}, world.web.figure(f'latency_seconds_count{{stage="{stage}"}}'),
            world.web.figure(f'latency_seconds_sum{{stage="{stage}"}}'))


def test_how_long_messages_took_is_a_histogram(world):
    """Of each stage, once for each message however often its receipts come; and no figure ever falls, also when minutes are added up."""
    world.db.sql("DELETE FROM herald.latency_counts")
    for age, message_id in ((2, "wamid.took2"), (40, "wamid.took40")):
        claim = world.claim()
        world.db.sql("UPDATE whatsapp_notifications SET created_at = clock_timestamp() - %s * interval '1 s' WHERE id = %s", age, claim.id)
        world.player.turn(accepted(claim, message_id))
    for what in ("delivered", "delivered", "read", "read"):
        assert world.web.post_cloud(webhook(status("wamid.took40", what, (claim.id, claim.attempt_id), int(time.time())))) == 200
    text = world.web.get("/metrics")[1]
    assert text.count("# TYPE pgherald_latency_seconds histogram\n") == 1 and "# TYPE pgherald_latency_seconds_" not in text
    for stage, ages in (("sent", (2, 40)), ("delivered", (40,)), ("read", (40,))):
        buckets, count, seconds = latencies(world, stage)
        assert list(buckets) == sorted(buckets) and list(buckets)[-1] == math.inf
        assert buckets == {bound: sum(age < bound for age in ages) for bound in buckets}
        assert count == len(ages) and sum(ages) <= seconds < sum(ages) + 5
    world.db.sql("SELECT herald.count_latencies('read', '{1}')")
    assert latencies(world, "read")[0][1] == 1 and latencies(world, "read")[0][0.5] == 0, "a bound belongs to its class"
    other = world.db.connect()
    with other.cursor() as cursor:  # who counts waits for nobody who counts the same
        cursor.execute("BEGIN; SELECT herald.count_latencies('read', '{1}')")
        world.db.sql("SET statement_timeout = '5s'; SELECT herald.count_latencies('read', '{1}'); RESET statement_timeout")
        cursor.execute("COMMIT")
    other.close()
    before = [latencies(world, stage) for stage in ("sent", "delivered", "read")]
    world.db.sql("UPDATE herald.latency_counts SET minute = minute - 5")
    world.player.backstop()
    assert set(world.db.column("SELECT minute FROM herald.latency_counts")) == {0}
    assert [latencies(world, stage) for stage in ("sent", "delivered", "read")] == before


def test_what_a_person_must_decide_is_counted(world):
    claim = world.claim()
    world.player.turn(in_doubt(claim))
    assert world.web.figure('messages{state="in_doubt"}') == 1
    world.db.sql("UPDATE whatsapp_notifications SET next_at = NULL WHERE id = %s", claim.id)
    assert world.web.figure('messages{state="in_doubt_for_a_person"}') == 1
    world.db.sql("SELECT herald.cancel(%s)", claim.id)


def test_health_without_a_database(world):
    assert world.web.get("/healthz")[0] == 200 and world.web.get("/readyz")[0] == 200
    claim, message_id = world.sent()
    world.db.sql(f"ALTER DATABASE {world.db.name} CONNECTION LIMIT 1")  # for those who are no superusers
    try:
        world.db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'login_herald_web'")
        wait_until(lambda: world.web.get("/readyz")[0] == 503, "not ready")
        assert world.web.get("/healthz")[0] == 200
        assert world.web.post_cloud(webhook(status(message_id, "read", echo(claim)))) == 503
        assert "pgherald_web_up 0" in world.web.get("/metrics")[1]
    finally:
        world.db.sql(f"ALTER DATABASE {world.db.name} CONNECTION LIMIT -1")
    wait_until(lambda: world.web.get("/readyz")[0] == 200, "ready again")
    assert world.web.post_cloud(webhook(status(message_id, "read", echo(claim)))) == 200
    assert world.status(claim) == "read"
    assert "the database is away" in world.web.output() and "the database is back" in world.web.output()


def test_no_secret_and_no_message_is_logged(world):
    claim, message_id = world.sent()
    world.web.post_cloud(webhook(status(message_id, "read", echo(claim))))
    for private in (*SECRETS.values(), message_id, "8801700000001"):
        assert private not in world.web.output()


def test_from_the_daemon_through_a_gateway_and_back(db, tmp_path, sandbox, start_daemon):  # noqa: F811
    """What the daemon really sends along comes back, and is understood; also for a message whose answer was never heard."""
    db.sql("UPDATE herald.settings SET value = '1 s' WHERE name = 'request_time_limit'")
    db.sql("INSERT INTO herald.senders (name, gateway, base_url, account, credential) VALUES ('wa', 'cloud', %s, %s, 'token')",
           sandbox.url, json.dumps(SENDERS["wa"][1]))
    web = Web(tmp_path, db)
    start_daemon(credentials={"token": "any"})
    def state(ident):
        return db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", ident)
    def told(message, what):
        return status(message["message_id"], what) | {"biz_opaque_callback_data": message["opaque"]}
    heard = db.value("SELECT herald.send('+8801711000001', 'heard')")
    wait_until(lambda: state(heard) == "sent", "sent")
    sandbox.behave({"mode": "hang"})
    unheard = db.value("SELECT herald.send('+8801711000002', 'unheard')")
    messages = sandbox.wait_for(2)
    assert state(unheard) == "sending"
    assert web.post_cloud(webhook(*(told(message, "delivered") for message in messages))) == 200
    assert state(heard) == "delivered"
    wait_until(lambda: state(unheard) == "delivered", "the answer that never came is settled")
    assert len(sandbox.messages()) == 2
    sandbox.behave()
    assert web.stop() == 0


def test_the_sandbox_tells_what_became_of_its_messages(db, tmp_path, start_daemon):  # noqa: F811
    db.sql("INSERT INTO herald.senders (name, gateway, account, credential) VALUES ('wa', 'cloud', %s, 'token')", json.dumps(SENDERS["wa"][1]))
    web = Web(tmp_path, db)
    gateway = Sandbox(tmp_path, "--receipts", f"http://127.0.0.1:{web.port}/cloud", "--app-secret", APP_SECRET)
    db.sql("UPDATE herald.senders SET base_url = %s", gateway.url)
    start_daemon(credentials={"token": "any"})
    db.sql("SELECT herald.send('+8801711000001', 'hello')")
    wait_until(lambda: db.column("SELECT send_status FROM whatsapp_notifications") == ["delivered"], "delivered")
    wait_until(lambda: db.column("SELECT send_status FROM whatsapp_notifications") == ["read"], "read")
    assert db.value("SELECT sent_at <= delivered_at AND delivered_at <= read_at FROM whatsapp_notifications")
    assert gateway.stop() == 0 and web.stop() == 0


def test_secrets_are_read_again_and_their_lack_is_said(db, tmp_path):
    db.sql("INSERT INTO herald.senders (name, gateway, account) VALUES ('wa', 'cloud', %s), ('wpp', 'wppconnect', %s)",
           json.dumps({"phone_number_id": "1", "app_secret": "app", "verify_token": "nowhere"}),
           json.dumps({"session": "s", "webhook_secret": "short"}))
    web = Web(tmp_path, db, secrets={"app": "first-secret", "short": "abc"})
    assert 'sender "wa": The credential "nowhere" is nowhere' in web.output()
    assert 'sender "wpp": its webhook_secret is shorter than 16 letters' in web.output()
    assert web.post_wppconnect(onack("x", 1), secret="abc") == 404
    assert web.post_cloud(webhook(), secret="first-secret") == 200
    (tmp_path / "web-credentials" / "app").write_text("second-secret\n", encoding="utf-8")
    web.send_signal(1)
    wait_until(lambda: web.post_cloud(webhook(), secret="second-secret") == 200, "the new secret")
    assert web.post_cloud(webhook(), secret="first-secret") == 401
    assert web.stop() == 0


def test_systemd_may_pass_the_socket(db, tmp_path):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        log = open(tmp_path / "log", "wb")

        def hand_over():
            os.dup2(listening.fileno(), 3)
            os.environ["LISTEN_PID"] = str(os.getpid())

        # Through a shell, as LISTEN_PID must be that of the program.
        process = subprocess.Popen(["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"', PGHERALD, "--dsn", db.dsn(login(db.cluster, "herald_web")),
                                    "web"], stdout=log, stderr=log, preexec_fn=hand_over, pass_fds=[3], env=environment())
        log.close()
    try:
        wait_until(lambda: f"http://127.0.0.1:{port}/" in (tmp_path / "log").read_text(), "started")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/readyz")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize("options", [["--listen", "nowhere"], ["--listen", "example.org:1"], ["--time-limit", "soon"], ["--time-limit", "0"], ["x"]])
def test_wrong_usage(db, options):
    assert db.pgherald("web", *options).returncode == 2
