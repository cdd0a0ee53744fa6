"""The gateways that keep sessions of WhatsApp Web, with the built binary: what each is told, what its answers do to a message, how it
is asked how it is, how its receipts come back; and that the sandbox stands in for each, traps included."""

import contextlib
import hashlib
import hmac
import http.client
import json
import time
import urllib.parse
from types import SimpleNamespace

import pytest

from conftest import wait_until
from hostile import http as answer
from test_web import Web
from world import TOKEN, World

GROUP = "120363021234567890@g.us"
SECRET = "kPz3-secret-of-the-webhook"


def webjs_ack(message, session, ack):
    return {"dataType": "message_ack", "sessionId": session, "data": {"ack": ack, "message": {"id": {"fromMe": True, "_serialized": message}}}}


def evolution_ack(message, session, ack):
    status = {-1: "ERROR", 0: "PENDING", 1: "SERVER_ACK", 2: "DELIVERY_ACK", 3: "READ"}[ack]
    return {"event": "messages.update", "instance": session, "data": {"keyId": message, "fromMe": True, "status": status}, "apikey": "x"}


def waha_ack(message, session, ack):
    return {"id": "evt_1", "event": "message.ack", "session": session, "engine": "WEBJS", "payload": {"id": message, "fromMe": True, "ack": ack}}


GATEWAYS = {
    "evolution": SimpleNamespace(
        key="instance", header="apikey", success=201, send="/message/sendText/{}", status="/instance/connectionState/{}", start="/instance/connect/{}",
        told=lambda chat, text, session: {"number": chat, "text": text},
        sent=lambda ident: {"key": {"id": ident}},
        lost=(400, {"status": 400, "error": "Bad Request", "response": {"message": ["Error: Connection Closed"]}}),
        unknown="the number is not on WhatsApp (HTTP 400)",
        disconnected="the instance is not connected; connect or pair it (HTTP 400): Error: Connection Closed",
        states={"open": {"instance": {"state": "open"}}, "closed": {"instance": {"state": "close"}}, "unpaired": {"instance": {"state": "connecting"}}},
        started={"count": 0},
        hook=f"/evolution/{SECRET}", ack=evolution_ack),
    "waha": SimpleNamespace(
        key="session", header="x-api-key", success=201, send="/api/sendText", status="/api/sessions/{}", start="/api/sessions/{}/start",
        told=lambda chat, text, session: {"session": session, "chatId": chat, "text": text},
        sent=lambda ident: {"id": {"_serialized": ident}},
        lost=(422, {"error": "Session status is not as expected. Try again later or restart the session", "status": "STOPPED"}),
        unknown="the number is not on WhatsApp (HTTP 500): No LID for user",
        disconnected="the session is not working; start or pair it (HTTP 422): Session status is not as expected",
        states={"open": {"status": "WORKING"}, "closed": {"status": "STOPPED"}, "unpaired": {"status": "SCAN_QR_CODE"}},
        started={"status": "STARTING"},
        hook="/waha", ack=waha_ack),
    "webjs": SimpleNamespace(
        key="session", header="x-api-key", success=200, send="/client/sendMessage/{}", status="/session/status/{}", start="/session/start/{}",
        told=lambda chat, text, session: {"chatId": chat, "contentType": "string", "content": text},
        sent=lambda ident: {"success": True, "message": {"id": {"_serialized": ident}}},
        lost=(404, {"success": False, "error": "session_not_connected"}),
        unknown="the number is not on WhatsApp (HTTP 500): No LID for user",
        disconnected="the session is not connected; start or pair it (HTTP 404): session_not_connected",
        states={"open": {"success": True, "state": "CONNECTED", "message": "session_connected"},
                "closed": {"success": False, "state": None, "message": "session_not_found"},
                "unpaired": {"success": False, "state": "UNPAIRED", "message": "session_not_connected"}},
        started={"success": True, "message": "Session initiated successfully"},
        hook=f"/webjs/{SECRET}", ack=webjs_ack),
}

pytestmark = pytest.mark.sanitize


@pytest.fixture(scope="module")
def shared(cluster, template, tmp_path_factory):
    world = World(cluster, template, tmp_path_factory.mktemp("sessions"), sandbox_options=["--token", TOKEN])
    yield world
    world.close()


@pytest.fixture
def world(shared):
    """It works before and after; the sandbox behaves and has forgotten."""
    shared.sandbox.call("DELETE", "/sandbox/messages")
    with shared.others_go_on():
        yield shared


@pytest.fixture(params=GATEWAYS)
def gateway(request):
    return SimpleNamespace(name=request.param, **vars(GATEWAYS[request.param]))


def chat_of(gateway, recipient):
    """As the gateway is told it."""
    if recipient.endswith("@g.us"):
        return recipient
    return recipient[1:] if gateway.name == "evolution" else f"{recipient[1:]}@c.us"


def add(world, gateway, what, url=None, **columns):
    """A sender of this gateway, and its session, both of a name of their own."""
    name = f"{gateway.name}-{what}"
    world.add_sender(name, gateway.name, url or world.sandbox.url, {gateway.key: name}, "token", **columns)
    return name


def test_individual_and_group(world, gateway):
    name, number = add(world, gateway, "both"), world.number()
    single, group = world.send(name, 'say "hi"\n৳', number), world.send(name, "to all", GROUP)
    assert world.wait_for(single, "sent")["response_code"] == gateway.success
    assert world.wait_for(group, "sent")["message_id"]
    messages = world.sandbox.messages()
    assert {(m["gateway"], m["sender"], m["recipient"], m["kind"], m["body"]) for m in messages} == {
        (gateway.name, name, number, "individual", 'say "hi"\n৳'), (gateway.name, name, GROUP, "group", "to all")}
    assert {world.row(i)["message_id"] for i in (single, group)} == {m["message_id"].split("_")[-1] for m in messages}  # the stanza's


def test_byte_for_byte(world, gateway):
    world.hostile.routes["wire"] = answer(gateway.sent("true_1@c.us_A"), gateway.success)
    name, number = add(world, gateway, "wire", f"{world.hostile.url}/wire/"), world.number()
    before = len(world.hostile.at("wire"))
    for recipient, text in ((number, "to one"), (GROUP, "to all")):
        assert world.wait_for(world.send(name, text, recipient), "sent")["message_id"] == "A"
    requests = world.hostile.at("wire")[before:]
    for request, recipient, text in zip(requests, (number, GROUP), ("to one", "to all"), strict=True):
        assert (request.method, request.path) == ("POST", "/wire" + gateway.send.format(name))
        assert sorted(request.headers) == sorted(["accept", "content-length", "content-type", "host", "user-agent", gateway.header])
        assert request.headers[gateway.header] == TOKEN
        assert request.json == gateway.told(chat_of(gateway, recipient), text, name)


def test_a_number_that_is_not_on_whatsapp(world, gateway):
    name, number = add(world, gateway, "refused"), world.number()
    world.sandbox.behave({"recipients": {number: {"status": 400}}})
    row = world.wait_for(world.send(name, "hello", number), "failed")
    assert gateway.unknown in row["error"] and row["attempts"] == 1
    assert number[1:] not in row["error"]
    assert world.wait_for(world.send(name, "hello"), "sent")


def test_a_disconnected_session_waits_and_recovers_by_itself(world, gateway):
    name = add(world, gateway, "unpaired")
    world.sandbox.behave({"disconnected_sessions": [name]})
    ident = world.send(name)
    assert world.wait_for_hold(name, gateway.disconnected)["who"] == "pgherald"
    world.wait_for_hold(name, "started again")
    world.sandbox.behave()
    world.probe_now(name)
    assert world.wait_for(ident, "sent")["attempts"] == 1


class Session:
    """A server with one session, at a route of the hostile server."""

    def __init__(self, world, gateway):
        self.world, self.gateway, self.state = world, gateway, "open"
        self.route = f"{gateway.name}-state"
        world.hostile.routes[self.route] = self.answer
        self.name = add(world, gateway, "state", f"{world.hostile.url}/{self.route}")

    def calls(self):
        known = {getattr(self.gateway, call).format(self.name): call for call in ("send", "status", "start")}
        return [known[request.path.removeprefix(f"/{self.route}")] for request in self.world.hostile.at(self.route)]

    def answer(self, request):
        assert request.headers[self.gateway.header] == TOKEN
        path = request.path.removeprefix(f"/{self.route}")
        if path == self.gateway.status.format(self.name):
            assert request.method == "GET" and "content-type" not in request.headers
            return answer(self.gateway.states[self.state])
        if path == self.gateway.start.format(self.name):
            self.state = "unpaired"
            return answer(self.gateway.started)
        if self.state != "open":
            status, body = self.gateway.lost
            return answer(body, status)
        return answer(self.gateway.sent("true_state_1"), self.gateway.success)


def test_a_closed_session_is_started_and_no_message_is_spent_on_it(world, gateway):
    session = Session(world, gateway)
    assert world.wait_for(world.send(session.name), "sent")
    session.state = "closed"
    idents = [world.send(session.name, f"message {n}") for n in range(3)]
    world.wait_for_hold(session.name, "")
    wait_until(lambda: session.state == "unpaired", "the session to be started")
    world.wait_for_hold(session.name, "the session was closed, and has been started again")
    before = session.calls().count("send")
    world.probe_now(session.name)
    world.wait_for_hold(session.name, "pair")
    assert session.calls().count("start") == 1
    session.state = "open"
    world.probe_now(session.name)
    assert [world.wait_for(i, "sent")["attempts"] for i in idents] == [1, 1, 1]
    assert session.calls().count("send") == before + 3


def test_receipts(world, gateway, tmp_path):
    """From the daemon through the sandbox and back by the gateway's webhook."""
    name, stranger = add(world, gateway, "told"), add(world, gateway, "stranger")
    world.db.sql("UPDATE herald.senders SET account = account || '{\"webhook_secret\": \"hook\"}' WHERE name = %s", name)
    web = Web(tmp_path, world.db, secrets={"hook": SECRET})
    told, other = world.send(name), world.send(stranger)
    messages = [world.wait_for(ident, "sent")["message_id"] for ident in (told, other)]

    def post(message, ack, session=name, secret=SECRET, path=None):
        body = json.dumps(gateway.ack(message, session, ack)).encode()
        headers = {"X-Webhook-Hmac": hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()} if gateway.name == "waha" else {}
        return web.call("POST", path or gateway.hook.replace(SECRET, secret), body, headers)[0]

    try:
        refused = 401 if gateway.name == "waha" else 404
        for secret in ("x", SECRET + "x", SECRET[:-1]):
            assert post(messages[0], 3, secret=secret) == refused
        assert post(messages[1], 3, session=stranger) == 200  # whose sender names no secret
        assert world.row(other)["send_status"] == "sent"
        assert web.call("GET", gateway.hook)[0] == 405
        assert world.row(told)["send_status"] == "sent"
        for ack, expected in ((0, "sent"), (1, "sent"), (2, "delivered"), (1, "delivered"), (3, "read"), (-1, "read")):
            assert post(messages[0], ack) == 200
            assert world.row(told)["send_status"] == expected, ack
        failed = world.send(name)
        assert post(world.wait_for(failed, "sent")["message_id"], -1) == 200
        assert world.row(failed)["error"] == "the gateway reports a failure: ack -1 (failed)"
        assert world.db.value("SELECT acknowledged_at IS NOT NULL FROM herald.acknowledgements WHERE sender = %s", name)
        assert SECRET not in web.output()
    finally:
        assert web.stop() == 0


def typed(gateway, person, session, text, is_group=False):
    """The webhook of what somebody typed."""
    chat = "120363000000000001@g.us" if is_group else person + ("@s.whatsapp.net" if gateway.name == "evolution" else "@c.us")
    at = int(time.time())
    return {"webjs": {"dataType": "message", "sessionId": session, "data": {"message": {
                "id": {"fromMe": False, "remote": chat}, "from": chat, "fromMe": False, "type": "chat", "body": text, "timestamp": at}}},
            "waha": {"event": "message", "session": session, "payload": {"id": "false_1", "from": chat, "fromMe": False, "body": text, "timestamp": at}},
            "evolution": {"event": "messages.upsert", "instance": session, "data": {
                "key": {"remoteJid": chat, "fromMe": False, "id": "3EB0"}, "message": {"conversation": text}, "messageTimestamp": at}}}[gateway.name]


def test_who_types_a_stop_word_is_opted_out(world, gateway, tmp_path):
    name, person = add(world, gateway, "heard"), world.number()
    world.db.sql("UPDATE herald.senders SET account = account || '{\"webhook_secret\": \"hook\"}' WHERE name = %s", name)
    web = Web(tmp_path, world.db, secrets={"hook": SECRET})

    def has_opted_out(*args, **more):
        body = json.dumps(typed(gateway, person[1:], *args, **more)).encode()
        headers = {"X-Webhook-Hmac": hmac.new(SECRET.encode(), body, hashlib.sha512).hexdigest()} if gateway.name == "waha" else {}
        assert web.call("POST", gateway.hook, body, headers)[0] == 200
        return world.db.value("SELECT count(*) FROM herald.holds WHERE cause = 'opt-out' AND name = %s", person) == 1

    assert not has_opted_out(name, "please stop")
    assert not has_opted_out(name, "stop", is_group=True)
    assert not has_opted_out("another", "stop")
    assert has_opted_out(name, " Stop ")
    assert world.wait_for(world.send(name, recipient=person), "suppressed")["error"] == "opted out: typed a stop word"
    assert person[1:] not in web.output()
    assert web.stop() == 0


def test_a_secret_is_good_for_its_own_gateway_only(world, tmp_path):
    """Though another's session has the same name."""
    name = add(world, SimpleNamespace(name="webjs", **vars(GATEWAYS["webjs"])), "twin")
    world.add_sender("twin", "wppconnect", world.sandbox.url, {"session": name}, "token")
    world.db.sql("UPDATE herald.senders SET account = account || '{\"webhook_secret\": \"hook\"}' WHERE name = %s", name)
    web = Web(tmp_path, world.db, secrets={"hook": SECRET})
    ident = world.send("twin")
    onack = {"event": "onack", "session": name, "id": {"_serialized": world.wait_for(ident, "sent")["message_id"]}, "ack": 3}
    assert web.call("POST", f"/wppconnect/{SECRET}", json.dumps(onack))[0] == 200
    assert world.row(ident)["send_status"] == "sent"
    assert web.stop() == 0


# --- The sandbox ---


def ask(sandbox, method, path, body=None, **headers):
    """Status, and JSON or text."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=20)) as connection:
        connection.request(method, urllib.parse.quote(path, safe="/?="), body if isinstance(body, (bytes, type(None))) else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read().decode()
        return response.status, json.loads(text) if response.getheader("Content-Type").startswith("application/json") else text


def test_the_sandbox_is_a_webjs(world):
    def send(session="ops", key=TOKEN, **members):
        message = {"chatId": "8801712345678@c.us", "contentType": "string", "content": "hello", **members}
        return ask(world.sandbox, "POST", f"/client/sendMessage/{session}", message, **{"x-api-key": key})

    status, said = send()
    assert (status, said["success"]) == (200, True) and said["message"]["id"]["_serialized"].startswith("true_8801712345678@c.us_")
    assert send(key="guess") == (403, {"success": False, "error": "Invalid API key"})
    assert send("o p")[0] == 422
    assert send(contentType="text") == (400, {"success": False, "error": "invalid contentType"})
    assert send(content="") == (200, {"success": True})  # trap: no message was given back
    for chat in ("+8801712345678@c.us", "8801712345678", "+8801712345678"):
        assert send(chatId=chat)[0] == 500, chat
    assert ask(world.sandbox, "POST", "/client/sendMessage/ops", b"{", **{"x-api-key": TOKEN})[0] == 400
    assert ask(world.sandbox, "GET", "/session/start/ops", **{"x-api-key": TOKEN})[0] == 422
    world.sandbox.behave({"disconnected_sessions": ["ops"]})
    assert send() == (404, {"success": False, "error": "session_not_connected"})
    assert ask(world.sandbox, "GET", "/session/status/ops", **{"x-api-key": TOKEN}) == (
        200, {"success": False, "state": None, "message": "session_not_found"})
    assert ask(world.sandbox, "GET", "/session/start/ops", **{"x-api-key": TOKEN})[1]["success"] is True
    world.sandbox.behave({"status": 429})
    assert send() == (429, "You can't make any more requests at the moment. Try again later")


def test_the_sandbox_is_a_waha(world):
    def send(key=TOKEN, **members):
        message = {"session": "ops", "chatId": "8801712345678@c.us", "text": "hello", **members}
        return ask(world.sandbox, "POST", "/api/sendText", message, **{"X-Api-Key": key})

    status, said = send()
    assert status == 201 and said["id"]["_serialized"].startswith("true_8801712345678@c.us_")
    assert send(key="guess") == (401, {"statusCode": 401, "message": "Unauthorized"})
    assert send(chatId="8801712345678")[1]["id"]["remote"] == "8801712345678@c.us"
    assert send(chatId="+8801712345678")[1]["id"]["remote"] == "+8801712345678@c.us"  # trap: another chat
    assert send(session="")[0] == 201 and world.sandbox.messages()[-1]["sender"] == "default"  # trap: another telephone
    status, said = send(chatId="")
    assert status == 500 and said["request"]["body"]["text"] == "hello"  # trap: it repeats the request
    assert ask(world.sandbox, "POST", "/api/sendText", b"{", **{"X-Api-Key": TOKEN})[0] == 400
    world.sandbox.behave({"disconnected_sessions": ["ops"]})
    status, said = send()
    assert status == 422 and (said["status"], said["expected"]) == ("STOPPED", ["WORKING"])
    assert ask(world.sandbox, "GET", "/api/sessions/ops", **{"X-Api-Key": TOKEN})[1]["status"] == "STOPPED"
    assert ask(world.sandbox, "POST", "/api/sessions/ops/start", **{"X-Api-Key": TOKEN})[1]["status"] == "STARTING"
    assert ask(world.sandbox, "GET", "/api/sessions/other", **{"X-Api-Key": TOKEN})[1]["status"] == "WORKING"


@pytest.mark.parametrize("code, said", [(463, "bars this account"), (475, "caps this account's messages")])
def test_new_contacts_wait_and_others_go_on(world, code, said):
    """WhatsApp bars new contacts: the recipient waits, and nothing is started anew."""
    name, barred = add(world, SimpleNamespace(name="waha", **vars(GATEWAYS["waha"])), f"new-{code}"), world.number()
    world.sandbox.behave({"recipients": {barred: {"status": 500, "code": code}}})
    ident = world.send(name, f"the server returned error {999 - code}", barred)
    wait_until(lambda: world.db.value("SELECT reason FROM herald.holds WHERE kind = 'recipient' AND name = %s", barred), "the recipient to be held")
    assert said in world.row(ident)["error"] and world.row(ident)["send_status"] == "pending"
    assert world.wait_for(world.send(name), "sent") and world.hold(name) is None


def test_the_sandbox_is_an_evolution(world):
    def send(key=TOKEN, **members):
        message = {"number": "8801712345678", "text": "hello", **members}
        return ask(world.sandbox, "POST", "/message/sendText/ops", message, apikey=key)

    status, said = send()
    assert status == 201 and said["key"]["remoteJid"] == "8801712345678@s.whatsapp.net"
    assert send(key="guess")[0] == 401
    for number, chat in (("+55 (21) 98765-4321", "5521987654321@s.whatsapp.net"), ("5531987654321", "553187654321@s.whatsapp.net"),
                         ("5531387654321", "553187654321@s.whatsapp.net"), ("5531912345678", "5531912345678@s.whatsapp.net"),
                         ("5215512345678", "525512345678@s.whatsapp.net"), ("120363021234567890", GROUP), (GROUP, GROUP),
                         ("8801712345678@c.us", "8801712345678@s.whatsapp.net")):
        assert send(number=number)[1]["key"]["remoteJid"] == chat, number  # trap: some become others
    assert send(number=5) == (400, {"status": 400, "error": "Bad Request", "response": {"message": [["requires property \"number\""]]}})
    world.sandbox.behave({"recipients": {"+8801712345678": {"status": 400}}})
    assert send()[1]["response"]["message"] == [{"jid": "8801712345678@s.whatsapp.net", "exists": False, "number": "8801712345678"}]
    world.sandbox.behave({"disconnected_sessions": ["ops"]})
    assert send() == (400, {"status": 400, "error": "Bad Request", "response": {"message": ["Error: Connection Closed"]}})
    assert ask(world.sandbox, "GET", "/instance/connectionState/ops", apikey=TOKEN)[1]["instance"]["state"] == "close"
    assert ask(world.sandbox, "GET", "/instance/connect/ops", apikey=TOKEN) == (200, {"count": 0})
    world.sandbox.behave({"status": 404})
    assert "instance does not exist" in send()[1]["response"]["message"][0]
