"""Messages go out through daemon and sandbox, end to end: what each gateway is told, and what becomes of a message whatever the
gateway, or the way to it, does."""

import base64
import email.utils
import json
import re
import subprocess
import threading
import time
import urllib.parse

import pytest

from conftest import ROOT, free_port, wait_until
from hostile import Authority, Hostile, http, make_certificate
from world import CLOUD, TOKEN, TWILIO, World

CLOUD_GROUP = "Y2FwaV9ncm91cDo4ODAxNzAwMDAwMDAwOjEyMDM2MzA"
PHONE_GROUP = "120363021234567890@g.us"
HELD = "err: this sender fails and is held; it is probed by itself, and nothing is lost"
OPENED = "notice: this sender works again"


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """Certificates that the daemon is told to trust, and those that it is not; trust: the file that tells it."""
    directory = tmp_path_factory.mktemp("tls")
    known, unknown, trusted = Authority(directory, "known"), Authority(directory, "unknown"), make_certificate(directory, "trusted")
    trust = directory / "trust.crt"
    trust.write_bytes(trusted[0].read_bytes() + known.certificate.read_bytes())
    return {"trust": trust, "trusted": trusted, "certified": known.certify("certified"), "self-signed": make_certificate(directory, "self-signed"),
            "unknown authority": unknown.certify("unknown"), "expired": known.certify("expired", from_day=-3, to_day=-1),
            "not yet valid": known.certify("early", from_day=1, to_day=3), "another name": known.certify("other", host="DNS:localhost")}


@pytest.fixture(scope="module")
def proxy():
    """What the environment names as a proxy. Nothing may ever reach it."""
    server = Hostile()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared(cluster, template, tmp_path_factory, secure, proxy):
    names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    world = World(cluster, template, tmp_path_factory.mktemp("gateways"), sandbox_options=["--token", TOKEN],
                  env={"SSL_CERT_FILE": str(secure["trust"]), "NO_PROXY": "", **dict.fromkeys(names, proxy.url)})
    yield world
    world.close()


@pytest.fixture
def world(shared):
    """It works before and after; the sandbox behaves and has forgotten."""
    shared.sandbox.call("DELETE", "/sandbox/messages")
    with shared.others_go_on():
        yield shared


def add_cloud(world, name, **columns):
    """A Cloud API account on the sandbox, with a phone number id of its own, by which behaviours name it."""
    phone_number_id = str(1000 + world.db.value("SELECT count(*) FROM herald.senders"))
    world.add_sender(name, "cloud", world.sandbox.url, {"phone_number_id": phone_number_id}, columns.pop("credential", "token"), **columns)
    return phone_number_id


def arrivals(world, recipient):
    """Everything that the sandbox saw for a recipient, refused or not, in order."""
    return [m for m in world.sandbox.messages(refused="true") if m["recipient"].lstrip("+") == recipient.lstrip("+")]


# --- What each gateway is told ---


def test_cloud_text(world):
    phone_number_id = add_cloud(world, "cloud-text")
    body, number = "🚨 *Meter* 12 ৳1,234.56\nline two \"quoted\" \\ / \u2028", world.number()
    ident = world.send("cloud-text", body, number)
    row = world.wait_for(ident, "sent")
    [message] = world.sandbox.messages()
    assert {k: message[k] for k in ("gateway", "sender", "recipient", "kind", "body", "opaque", "template", "copies")} == {
        "gateway": "cloud", "sender": phone_number_id, "recipient": number, "kind": "individual", "body": body,
        "opaque": f"{ident}.{row['attempt_id']}", "template": None, "copies": 1}
    assert row["message_id"] == message["message_id"] and row["response_code"] == 200 and row["attempts"] == 1
    assert row["error"] is None and row["sent_at"] is not None and row["sender"] == "cloud-text"
    assert world.attempts(ident) == []


@pytest.mark.sanitize
def test_cloud_template_positional_and_named(world):
    add_cloud(world, "cloud-template")
    world.db.sql("""INSERT INTO herald.templates (name, body, gateway_name, gateway_locale, parameters) VALUES
        ('stuck', 'Meter {{meter}} of {{customer}} is stuck', 'meter_stuck', 'en_US', '{meter,customer}'),
        ('done', 'Test done by {{student}}', 'test_done', 'bn', '{student_name=student}')""")
    positional = world.send("cloud-template", None, template="stuck", data='{"meter": "12", "customer": "CUST\\n\\t 1"}')
    named = world.send("cloud-template", None, template="done", data='{"student": "রহিম"}')
    for ident in (positional, named):
        world.wait_for(ident, "sent")
    told = {m["opaque"].split(".")[0]: m["template"] for m in world.sandbox.messages()}
    assert told[str(positional)] == {"name": "meter_stuck", "language": {"code": "en_US"}, "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "12"}, {"type": "text", "text": "CUST 1"}]}]}
    assert told[str(named)] == {"name": "test_done", "language": {"code": "bn"}, "components": [
        {"type": "body", "parameters": [{"type": "text", "parameter_name": "student_name", "text": "রহিম"}]}]}
    assert world.row(positional)["body"] == "Meter 12 of CUST\n\t 1 is stuck"


def test_cloud_group(world):
    add_cloud(world, "cloud-group")
    world.db.sql("INSERT INTO herald.recipients (name, kind, address, sender) VALUES ('Team', 'group', %s, 'cloud-group')", CLOUD_GROUP)
    ident = world.db.value("SELECT herald.send('Team', 'to all of you')")
    row = world.wait_for(ident, "sent")
    [message] = world.sandbox.messages()
    assert (message["recipient"], message["kind"], message["body"]) == (CLOUD_GROUP, "group", "to all of you")
    assert row["target_kind"] == "group" and row["sender"] == "cloud-group"


def test_wppconnect_individual_and_group(world):
    world.add_sender("wpp", "wppconnect", world.sandbox.url, credential="token")
    number = world.number()
    single, group = world.send("wpp", "to one", number), world.send("wpp", "to all", PHONE_GROUP)
    assert world.wait_for(single, "sent")["response_code"] == 201
    assert world.wait_for(group, "sent")["message_id"].startswith("3EB0")
    assert {(m["recipient"], m["kind"], m["body"]) for m in world.sandbox.messages()} == {
        (number, "individual", "to one"), (PHONE_GROUP, "group", "to all")}


@pytest.mark.sanitize
def test_wppconnect_byte_for_byte(world):
    """With another Content-Type the real one runs other code, and answers 201 to what it did not send."""
    world.hostile.routes["wire"] = http({"status": "success", "response": [{"id": "true_1@c.us_A"}]}, 201)
    world.add_sender("wpp-wire", "wppconnect", f"{world.hostile.url}/wire/", {"session": "my session"}, "token")
    number = world.number()
    world.wait_for(world.send("wpp-wire", "to one", number), "sent")
    world.wait_for(world.send("wpp-wire", "to all", PHONE_GROUP), "sent")
    first, second = world.hostile.at("wire")
    assert (first.method, first.path, first.version) == ("POST", "/wire/api/my%20session/send-message", "HTTP/1.1")
    assert first.headers["content-type"] == "application/json; charset=utf-8"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert sorted(first.headers) == ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]
    assert first.json == {"phone": number[1:], "isGroup": False, "isNewsletter": False, "isLid": False, "message": "to one"}
    assert second.json == {"phone": PHONE_GROUP, "isGroup": True, "isNewsletter": False, "isLid": False, "message": "to all"}


def webhook_examples():
    """The accounts in the comment that opens the gateway's source."""
    comment = (ROOT / "src/gateway/webhook.c").read_text(encoding="utf-8").split("*/")[0]
    blocks = re.findall(r"^ \*     (\{.*?\})$(?=\n \*\n)", comment, re.M | re.S)
    return [json.loads(re.sub(r"^ \*", "", block, flags=re.M)) for block in blocks]


@pytest.mark.sanitize
def test_webhook_examples_as_they_stand(world):
    send_message, workflow = webhook_examples()
    world.add_sender("minimal", "webhook", world.sandbox.url, send_message)
    world.add_sender("n8n", "webhook", f"{world.sandbox.url}/webhook/alerts", workflow, "token")
    number = world.number()
    row = world.wait_for(world.send("minimal", "small", number), "sent")
    assert row["message_id"].startswith(f"true_{number[1:]}@c.us_")
    world.wait_for(world.send("n8n", "flow", number), "sent")
    assert [(m["sender"], m["recipient"], m["body"]) for m in world.sandbox.messages()] == [
        ("minimal", number, "small"), ("alerts", number, "flow")]

    world.hostile.routes["webhook"] = http({"message": "Workflow was started"})
    world.add_sender("n8n-wire", "webhook", f"{world.hostile.url}/webhook/alerts", workflow, "token")
    ident = world.send("n8n-wire", 'say "hi" {{body}} {{target}}', number)
    row = world.wait_for(ident, "sent")
    [request] = world.hostile.at("webhook")
    assert request.headers["x-api-key"] == TOKEN and request.path == "/webhook/alerts"
    assert request.json == {"to": number, "kind": "individual", "text": 'say "hi" {{body}} {{target}}', "key": f"{ident}.{row['attempt_id']}"}


def test_twilio_whatsapp_and_sms(world):
    """One gateway for both; what goes out besides the text is in the callback's address."""
    callback = "https://hooks.example.org/twilio"
    world.add_sender("twilio-wa", "twilio", world.sandbox.url, {**TWILIO, "status_callback": callback}, "token")
    world.add_sender("twilio-sms", "twilio", world.sandbox.url, {**TWILIO, "from": "+14155238886"}, "token", channel="sms")
    body, number = "🚨 *Meter* 12 ৳1,234.56 & 50% + \"quoted\"\nline two", world.number()
    ident, sms = world.send("twilio-wa", body, number), world.send("twilio-sms", "as SMS", number, channel="sms")
    row = world.wait_for(ident, "sent")
    assert world.wait_for(sms, "sent")["channel"] == "sms"
    told = {m["body"]: m for m in world.sandbox.messages()}
    assert told[body]["opaque"] == f"{callback}?id={ident}.{row['attempt_id']}" and told["as SMS"]["opaque"] is None
    assert {(m["gateway"], m["sender"], m["recipient"]) for m in told.values()} == {("twilio", TWILIO["account_sid"], number)}
    assert row["message_id"] == told[body]["message_id"] and re.fullmatch("SM[0-9a-f]{32}", row["message_id"])
    assert row["response_code"] == 201 and row["attempts"] == 1 and row["error"] is None


@pytest.mark.sanitize
def test_twilio_byte_for_byte(world):
    world.hostile.routes["twire"] = http({"sid": "SM" + "0" * 32, "status": "queued"}, 201)
    world.add_sender("twilio-wire", "twilio", f"{world.hostile.url}/twire", credential="token")
    world.db.sql("""INSERT INTO herald.templates (name, body, gateway_name, parameters) VALUES
        ('content', 'Meter {{meter}}', %s, '{meter}')""", "HX" + "a" * 32)
    number = world.number()
    world.wait_for(world.send("twilio-wire", "a b&c", number), "sent")
    world.wait_for(world.send("twilio-wire", None, number, template="content", data='{"meter": "12 ৳"}'), "sent")
    first, second = world.hostile.at("twire")
    assert (first.method, first.path) == ("POST", f"/twire/2010-04-01/Accounts/{TWILIO['account_sid']}/Messages.json")
    assert first.headers["authorization"] == "Basic " + base64.b64encode(f"{TWILIO['account_sid']}:{TOKEN}".encode()).decode()
    assert first.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sorted(first.headers) == ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]
    to = [("To", f"whatsapp:{number}"), ("From", TWILIO["from"])]
    assert urllib.parse.parse_qsl(first.body.decode()) == [*to, ("Body", "a b&c")]
    assert urllib.parse.parse_qsl(second.body.decode()) == [*to, ("ContentSid", "HX" + "a" * 32), ("ContentVariables", '{"1":"12 ৳"}')]


@pytest.mark.sanitize
def test_twilio_says_no(world):
    """About the recipient: failed. About the account: it is held, and the message waits."""
    world.add_sender("twilio-no", "twilio", world.sandbox.url, {**TWILIO, "account_sid": "AC" + "1" * 32}, "token", max_in_flight=1)
    unknown = world.number()
    only = {"only": {"sender": "AC" + "1" * 32}}
    world.sandbox.behave({**only, "recipients": {unknown: {"status": 400, "code": 63003}}})
    row = world.wait_for(world.send("twilio-no", recipient=unknown), "failed")
    assert row["error"].startswith("the recipient is not on WhatsApp (HTTP 400, code 63003)") and row["attempts"] == 1
    world.sandbox.behave({**only, "status": 401})
    ident = world.send("twilio-no")
    world.wait_for_hold("twilio-no", "the credential was refused; renew it, or correct account_sid (HTTP 401, code 20003)")
    world.sandbox.behave({**only, "mode": "cut_after"})
    world.probe_now("twilio-no")
    row = world.wait_for(ident, "in_doubt", "sent")
    assert row["attempts"] == 1
    group = world.send("twilio-no", recipient=PHONE_GROUP)
    assert "Twilio reaches no groups" in world.wait_for(group, "failed")["error"]


# --- Not taken ---


def test_retry_after_in_seconds_and_as_a_date(world):
    """No request of that sender is earlier than the gateway said; another sender's are."""
    until = {}

    def busy(request):
        route = request.path.split("/")[1]
        if route not in until:
            until[route] = time.time() + 2
            if route == "busy-date":
                until[route] = int(time.time()) + 3
            said = "2" if route == "busy-seconds" else email.utils.formatdate(until[route], usegmt=True)
            return http({"error": "slow down"}, 429, [f"Retry-After: {said}"])
        return http({"id": "x"})

    idents = []
    for name in ("busy-seconds", "busy-date"):
        world.hostile.routes[name] = busy
        world.add_sender(name, url=f"{world.hostile.url}/{name}", max_in_flight=1)
        idents += [world.send(name) for _ in range(3)]
    world.wait_for(world.send("good"), "sent", timeout_sec=1)
    for ident in idents:
        row = world.wait_for(ident, "sent")
        assert row["attempts"] == 1
    for name in until:
        first, *later = [request.at for request in world.hostile.at(name)]
        assert len(later) == 3 and min(later) >= until[name] - 0.02, (name, min(later) - until[name])
        assert min(later) < until[name] + 1.5, name
        assert len(world.logged(HELD, f"sender={name} ", "too many requests (HTTP 429)")) == 1
        assert len(world.logged(OPENED, f"sender={name}")) == 1


@pytest.mark.sanitize
def test_5xx_is_tried_again_and_then_given_up(world):
    phone_number_id = add_cloud(world, "failing")
    world.sandbox.behave({"only": {"sender": phone_number_id}, "status": 500})
    number = world.number()
    ident = world.send("failing", recipient=number)
    row = world.wait_for(ident, "failed")
    assert row["error"].startswith("given up after 3 attempts: an unknown error at WhatsApp (HTTP 500, code 131000)")
    assert (row["attempts"], row["response_code"]) == (3, 500)
    tries = world.attempts(ident)
    assert [(t[0], t[1]) for t in tries] == [("wait", "message")] * 3
    assert [m["answered"] for m in arrivals(world, number)] == [500] * 3
    gaps = [(b[4] - a[4]).total_seconds() for a, b in zip(tries, tries[1:])]
    assert all(gap >= 0.055 for gap in gaps), gaps
    assert world.hold("failing") is None
    assert "given up after 3 attempts" in world.db.pgherald("show", ident, status=0).stdout


def test_a_5xx_that_passes_costs_an_attempt_and_no_more(world):
    phone_number_id = add_cloud(world, "hiccup")
    world.db.sql("UPDATE herald.settings SET value = '300 ms' WHERE name = 'retry_base'")
    world.sandbox.behave({"only": {"sender": phone_number_id}, "status": 503})
    ident = world.send("hiccup")
    wait_until(lambda: world.attempts(ident), "the first attempt")
    world.sandbox.behave()
    row = world.wait_for(ident, "sent")
    assert row["attempts"] == 2 and row["error"] is None and len(world.attempts(ident)) == 1
    world.db.sql("UPDATE herald.settings SET value = '60 ms' WHERE name = 'retry_base'")


@pytest.mark.sanitize
def test_401_holds_the_sender_until_the_token_is_right(world):
    token = world.directory / "credentials" / "renewed"
    token.write_text("expired-token\n")
    token.chmod(0o600)
    add_cloud(world, "expired", credential="renewed")
    idents = [world.send("expired", f"message {n}") for n in range(3)]
    hold = world.wait_for_hold("expired", "the access token has expired or was revoked; renew the credential (HTTP 401, code 190)")
    assert (hold["until"] - hold["since"]).total_seconds() >= 55
    wait_until(lambda: world.db.value("SELECT count(*) FROM whatsapp_notifications WHERE owner IS NOT NULL") == 0, "those that had left already")
    attempts = world.db.value("SELECT count(*) FROM herald.attempts WHERE sender = 'expired'")
    for _ in range(2):  # it is asked how it is, without a message
        world.probe_now("expired")
        wait_until(lambda: world.db.value("SELECT until > clock_timestamp() FROM herald.holds WHERE name = 'expired'"), "an answer")
    assert world.db.value("SELECT count(*) FROM herald.attempts WHERE sender = 'expired'") == attempts
    assert [world.row(i)["send_status"] for i in idents] == ["pending"] * 3
    assert [world.row(i)["attempts"] for i in idents] == [0] * 3
    assert world.db.pgherald("status", status=1).stdout.count("expired") >= 1
    token.write_text(TOKEN + "\n")
    world.probe_now("expired")
    for ident in idents:
        assert world.wait_for(ident, "sent")["attempts"] == 1
    assert world.hold("expired") is None
    assert len(world.logged(HELD, "sender=expired ")) == 1
    wait_until(lambda: world.log_lines(OPENED, "sender=expired"), "the line that says so")
    assert len(world.logged(OPENED, "sender=expired")) == 1


def test_a_disconnected_session_waits_and_recovers_by_itself(world):
    world.add_sender("unpaired", "wppconnect", world.sandbox.url, {"session": "unpaired"}, "token")
    world.sandbox.behave({"disconnected_sessions": ["unpaired"]})
    ident = world.send("unpaired")
    hold = world.wait_for_hold("unpaired", "the session is not connected; start or pair it (HTTP 404)")
    assert hold["who"] == "pgherald"
    wait_until(lambda: world.hold("unpaired")["failures"] >= 2, "a second probe")
    explained = world.db.pgherald("show", ident, status=0).stdout
    assert "no attempt spent" in explained
    world.sandbox.behave()
    assert world.wait_for(ident, "sent")["attempts"] == 1
    assert len(world.logged(HELD, "sender=unpaired ")) == len(world.logged(OPENED, "sender=unpaired")) == 1


def test_several_failures_in_a_row_hold_the_sender(world):
    phone_number_id = add_cloud(world, "sick")
    world.sandbox.behave({"only": {"sender": phone_number_id}, "status": 500})
    idents = [world.send("sick") for _ in range(6)]
    hold = world.wait_for_hold("sick", "failures in a row, the last: ")
    assert re.match(r"\d+ failures in a row", hold["reason"])
    world.sandbox.behave()
    for ident in idents:
        row = world.wait_for(ident, "sent", "failed")
    assert world.hold("sick") is None or row["send_status"] == "failed"


@pytest.mark.sanitize
def test_another_sender_of_the_channel_stands_in(world):
    """Messages that name no sender go to whoever works; the held one's own wait for it."""
    world.db.sql("INSERT INTO herald.channels (name) VALUES ('desk')")
    held, stands_in = (add_cloud(world, name, channel="desk", priority=priority) for name, priority in (("first", 5), ("second", 0)))
    world.sandbox.behave({"only": {"sender": held}, "status": 401})
    world.db.sql("INSERT INTO herald.recipients (name, channel, address) SELECT 'person ' || n, 'desk', '+88019' || to_char(n, 'FM00000000') FROM generate_series(1, 8) n")
    idents = world.db.column("SELECT herald.send('person ' || n, 'to the desk', channel => 'desk') FROM generate_series(1, 8) n")
    for ident in idents:
        row = world.wait_for(ident, "sent")
        assert (row["sender"], row["attempts"]) == ("second", 1)
    assert {m["sender"] for m in world.sandbox.messages(refused="true") if m["refused"]} <= {held}
    assert {m["sender"] for m in world.sandbox.messages()} == {stands_in}
    world.wait_for_hold("first", "HTTP 401")


# --- In doubt ---


def in_doubt_rule(world, name, sender, policy):
    world.add_rule(name, [{"dedup_key": "1", "recipient": world.number(), "body": "once, please", "sender": sender}],
                   in_doubt=policy, in_doubt_grace="150 ms")
    return world.planned(name, "1", "in_doubt", "pending", "sending", "sent")


@pytest.mark.parametrize("mode, said", [
    pytest.param("hang", "the request was sent, but no whole answer came within 1 s", marks=pytest.mark.sanitize),
    ("cut_after", "without an answer"),
    ("cut_before", "without an answer"),
    ("garbage", "a web page, not the gateway's answer (HTTP 200)"),
    ("truncated", "broke off"),
    ("drip", "the request was sent, but no whole answer came within 1 s"),
])
@pytest.mark.parametrize("policy", ["resend", "hold"])
def test_in_doubt(world, mode, said, policy):
    """Nobody knows whether it was taken: sent again and marked so, or left for a person, as the rule says."""
    name = f"doubt_{mode}_{policy}"
    phone_number_id = add_cloud(world, name)
    world.sandbox.behave({"only": {"sender": phone_number_id}, "mode": mode})
    ident = in_doubt_rule(world, name, name, policy)["id"]
    wait_until(lambda: world.attempts(ident), "the attempt in doubt")
    world.sandbox.behave()
    [attempt] = world.attempts(ident)
    assert attempt[0] == "in_doubt" and said in attempt[3]
    copies = lambda: sum(m["copies"] for m in world.sandbox.messages() if m["sender"] == phone_number_id)  # noqa: E731
    taken = 0 if mode == "cut_before" else 1
    if policy == "resend":
        row = world.wait_for(ident, "sent")
        assert row["resends"] == 1 and row["resent_at"] is not None and row["attempts"] == 2
        assert copies() == taken + 1
        assert "it may have arrived twice" in world.db.pgherald("show", ident, status=0).stdout
    else:
        wait_until(lambda: world.row(ident)["next_at"] is None, "it is left for a person")
        row = world.row(ident)
        assert row["send_status"] == "in_doubt" and said in row["error"] and copies() == taken
        assert "a person must decide" in world.db.pgherald("show", ident, status=0).stdout
        assert world.db.pgherald("status", status=1)
        world.db.pgherald("cancel", ident, status=0)


# --- The way there ---


@pytest.mark.sanitize
def test_order_and_one_in_flight_for_each_recipient(world):
    flying, most, seen, lock = {}, {}, {}, threading.Lock()

    def slow(request):
        to = request.json["to"]
        with lock:
            flying[to] = flying.get(to, 0) + 1
            most[to] = max(most.get(to, 0), flying[to])
            seen.setdefault(to, []).append(int(request.json["text"]))
        time.sleep(0.01)
        with lock:
            flying[to] -= 1
        return http({"id": "x"})

    world.hostile.routes["slow"] = slow
    world.add_sender("slow", url=f"{world.hostile.url}/slow")
    numbers = [world.number() for _ in range(4)]
    idents = [world.send("slow", str(n), number) for n in range(12) for number in numbers]
    for ident in idents:
        world.wait_for(ident, "sent")
    assert most == dict.fromkeys(numbers, 1)
    assert seen == {number: list(range(12)) for number in numbers}


@pytest.mark.sanitize
@pytest.mark.parametrize("with_tls", [False, True], ids=["http", "https"])
def test_a_kept_connection_that_dies_brings_no_hidden_second_post(world, secure, with_tls):
    """The server takes the second request of a connection and closes without a word: one copy, in doubt. Where it had closed
    before, the message simply goes by another connection."""
    server = Hostile(certificate=secure["trusted"] if with_tls else None)

    def second_dies(request):
        if len([r for r in server.at("kept") if r.connection == request.connection]) == 2:
            return None
        return http({"id": "x"})

    server.routes["kept"] = second_dies
    kept, idle = f"kept-{with_tls}", f"idle-{with_tls}"
    world.add_sender(kept, url=f"{server.url}/kept", max_in_flight=1)
    world.wait_for(world.send(kept, "first"), "sent")
    ident = world.send(kept, "second")
    row = world.wait_for(ident, "in_doubt")
    assert [request.json["text"] for request in server.at("kept")] == ["first", "second"]
    assert "ended after the request was sent, without an answer" in row["error"]
    assert len({request.connection for request in server.at("kept")}) == 1, "the connection was not kept"

    server.routes["idle"] = http({"id": "x"}, close=True)
    world.add_sender(idle, url=f"{server.url}/idle", max_in_flight=1)
    for n in range(5):
        assert world.wait_for(world.send(idle, f"message {n}"), "sent")["attempts"] == 1
    assert [request.json["text"] for request in server.at("idle")] == [f"message {n}" for n in range(5)]
    server.stop()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(world, status):
    name = f"moved-{status}"
    world.hostile.routes[name] = http(b"", status, [f"Location: {world.hostile.url}/elsewhere"])
    world.add_sender(name, "cloud", f"{world.hostile.url}/{name}", CLOUD, "token")
    ident = world.send(name)
    world.wait_for_hold(name, f"redirected, which is not followed; correct base_url (HTTP {status})")
    assert world.row(ident)["attempts"] == 0 and world.row(ident)["send_status"] == "pending"
    assert len(world.hostile.at(name)) == 1 and not world.hostile.at("elsewhere")


def test_no_proxy_of_the_environment_is_used(world, proxy):
    world.wait_for(world.send("good"), "sent")
    environ = open(f"/proc/{world.daemon.pid}/environ", "rb").read()
    assert f"http_proxy={proxy.url}".encode() in environ, "the test tests nothing"
    assert proxy.connections == 0


def test_tls(world, secure, proxy):
    server = Hostile({"tls": http({"id": "x"})}, secure["trusted"])
    world.add_sender("tls", url=f"{server.url}/tls")
    for _ in range(3):
        world.wait_for(world.send("tls"), "sent")
    assert len(server.requests) == 3 and server.connections == 1 and proxy.connections == 0
    server.stop()


@pytest.mark.sanitize
@pytest.mark.parametrize("kind, said", [
    ("self-signed", "self-signed certificate"),
    ("unknown authority", "unable to get local issuer certificate"),
    ("expired", "certificate has expired"),
    ("not yet valid", "certificate is not yet valid"),
    ("another name", "no alternative certificate subject name matches target host name '127.0.0.1'"),
])
def test_a_certificate_that_is_not_good(world, secure, kind, said):
    """Nothing is sent, the sender waits, and it goes on by itself when the gateway has a better one."""
    server, name = Hostile({"tls": http({"id": "x"})}, secure[kind]), f"tls {kind}"
    world.add_sender(name, url=f"{server.url}/tls")
    ident = world.send(name)
    world.wait_for_hold(name, "nothing was sent: 127.0.0.1:")
    wait_until(lambda: world.hold(name)["failures"] >= 2, "a probe")
    assert said in world.hold(name)["reason"]
    assert server.connections >= 2 and server.requests == []
    assert world.row(ident)["attempts"] == 0
    assert len(world.logged(HELD, f"sender={name} ")) == 1
    server.tls.load_cert_chain(*secure["certified"])
    world.probe_now(name)
    assert world.wait_for(ident, "sent")["attempts"] == 1
    assert len(server.requests) == 1
    server.stop()


@pytest.mark.sanitize
def test_http2_over_tls(world, secure, tmp_path):
    """Several at a time on one connection of HTTP/2; the server's own log says so."""
    port = free_port()
    (tmp_path / "hook").write_text("{}")
    with open(tmp_path / "nghttpd.log", "wb") as log:
        server = subprocess.Popen(["stdbuf", "-oL", "nghttpd", "--verbose", "--address=127.0.0.1", "-d", str(tmp_path), str(port),
                                   str(secure["trusted"][1]), str(secure["trusted"][0])], stdout=log, stderr=log)
    try:
        said = lambda: (tmp_path / "nghttpd.log").read_text(errors="replace")  # noqa: E731
        wait_until(lambda: subprocess.run(["bash", "-c", f"true >/dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL, check=False).returncode == 0, "nghttpd")
        world.add_sender("two", url=f"https://127.0.0.1:{port}/hook")
        idents = [world.send("two", f"message {n}") for n in range(20)]
        for ident in idents:
            assert world.wait_for(ident, "sent")["response_code"] == 200
        assert said().count(":method: POST") == 20, said()
        assert 1 <= said().count("The negotiated protocol: h2") <= 2, "not one connection for all of them"
    finally:
        server.terminate()
        server.wait()
