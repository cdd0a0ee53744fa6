"""The sandbox on its socket: the contracts it speaks, how it misbehaves on request, what it keeps, and whom it tells.

Nothing here needs a database. The program is $PGHERALD, or build/pgherald.
"""

import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time
import urllib.parse

import pytest

PGHERALD = os.environ.get("PGHERALD") or str(pathlib.Path(__file__).resolve().parents[2] / "build" / "pgherald")
PHONE_ID = "104400012345"
TWILIO_ACCOUNT = "AC0123456789abcdef0123456789abcdef"
GROUP = "Y2FwaV9ncm91cDo4ODAxNzAwMDAwMDAwOjEyMDM2MzA"
PHONE_GROUP = "120363021234567890@g.us"

pytestmark = pytest.mark.sanitize


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Sandbox:
    def __init__(self, *options):
        self.process = subprocess.Popen([PGHERALD, "sandbox", "--listen", "127.0.0.1:0", *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.greeting = self.process.stdout.readline()
        found = re.fullmatch(r"sandbox: http://127\.0\.0\.1:(\d+)/ shows the chats\n", self.greeting)
        assert found, (self.greeting, self.process.stderr.read())
        self.port = int(found[1])

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    def call(self, method, path, body=None, headers=None, timeout=20):
        sent = {"Authorization": "Bearer secret", "Content-Type": "application/json; charset=utf-8", **(headers or {})}
        sent = {k: v for k, v in sent.items() if v is not None}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, data, sent)
            return Answer(connection.getresponse())

    def cloud(self, to="+8801712345678", body="hello", headers=None, timeout=20, **members):
        message = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "text",
                   "text": {"body": body}, **members}
        return self.call("POST", f"/v23.0/{PHONE_ID}/messages", {k: v for k, v in message.items() if v is not None},
                         headers, timeout)

    def wpp(self, phone="8801712345678", message="hello", session="ops", headers=None, **members):
        return self.call("POST", f"/api/{session}/send-message", {"phone": phone, "message": message, **members}, headers)

    def behave(self, behaviour):
        answer = self.call("PUT", "/sandbox/behaviour", behaviour)
        assert answer.status == 200, answer.body
        return answer.json

    def messages(self, **query):
        path = "/sandbox/messages" + ("?" + urllib.parse.urlencode(query) if query else "")
        return self.call("GET", path).json


@pytest.fixture(scope="module")
def running():
    sandbox = Sandbox()
    yield sandbox
    status, errors = sandbox.stop()
    assert status == 0, errors
    assert errors == ""


@pytest.fixture
def sandbox(running):
    """One that is as new: no messages, all normal."""
    running.call("DELETE", "/sandbox/messages")
    running.call("DELETE", "/sandbox/behaviour")
    return running


# --- Cloud API ---


def test_cloud_takes_a_text(sandbox):
    before = time.time()
    answer = sandbox.cloud(body="*Bold* ✓\nline", biz_opaque_callback_data="41.7")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["facebook-api-version"] == "v23.0"
    assert answer.json["messaging_product"] == "whatsapp"
    assert answer.json["contacts"] == [{"input": "+8801712345678", "wa_id": "8801712345678"}]
    [message] = answer.json["messages"]
    assert message["id"].startswith("wamid.") and list(message) == ["id"]

    kept = sandbox.messages()
    assert (kept["received"], kept["duplicates"], kept["refused"]) == (1, 0, 0)
    [m] = kept["messages"]
    assert m["message_id"] == message["id"]
    assert {k: m[k] for k in ("gateway", "sender", "recipient", "kind", "body", "opaque", "template", "copies", "answered")} == {
        "gateway": "cloud", "sender": PHONE_ID, "recipient": "+8801712345678", "kind": "individual",
        "body": "*Bold* ✓\nline", "opaque": "41.7", "template": None, "copies": 1, "answered": 200}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", m["received_at"])
    assert before - 1 < m["received_usec"] / 1e6 < time.time() + 1


def test_cloud_takes_a_template(sandbox):
    template = {"name": "result", "language": {"code": "en"},
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "Rahim"}]}]}
    answer = sandbox.cloud(type="template", text=None, template=template)
    assert answer.status == 200
    assert answer.json["messages"][0]["message_status"] == "accepted"
    [m] = sandbox.messages()["messages"]
    assert (m["body"], m["template"]) == ("", template)


def test_cloud_takes_a_group(sandbox):
    answer = sandbox.cloud(to=GROUP, recipient_type="group")
    assert answer.status == 200
    assert answer.json["messages"][0]["group_id"] == GROUP
    [m] = sandbox.messages()["messages"]
    assert (m["recipient"], m["kind"]) == (GROUP, "group")


def test_cloud_knows_its_number(sandbox):
    assert sandbox.call("GET", f"/v23.0/{PHONE_ID}?fields=id").json["id"] == PHONE_ID
    unknown = sandbox.call("POST", "/v23.0/not-a-number/messages", {})
    assert (unknown.status, unknown.json["error"]["code"], unknown.json["error"]["error_subcode"]) == (400, 100, 33)


@pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer", "Basic c2VjcmV0"])
def test_cloud_wants_a_token(sandbox, authorization):
    answer = sandbox.cloud(headers={"Authorization": authorization})
    assert answer.status == 401
    error = answer.json["error"]
    assert (error["code"], error["type"]) == (190, "OAuthException")
    assert error["message"] and error["fbtrace_id"]
    assert answer.headers["WWW-Authenticate"].startswith("OAuth")
    assert sandbox.messages()["received"] == 0


@pytest.mark.parametrize("members, code", [
    ({"messaging_product": None}, 100),
    ({"messaging_product": "sms"}, 100),
    ({"to": None}, 100),
    ({"to": "Rahim"}, 100),
    ({"to": "+123"}, 100),
    ({"to": "+1234567890123456"}, 100),
    ({"recipient_type": "crowd"}, 100),
    ({"recipient_type": "group", "to": PHONE_GROUP}, 131041),
    ({"text": None}, 131008),
    ({"text": {"body": ""}}, 131008),
    ({"text": {"body": 7}}, 131009),
    ({"text": {"body": "ক" * 4097}}, 100),
    ({"biz_opaque_callback_data": "x" * 513}, 100),
    ({"type": "carrier_pigeon"}, 131051),
    ({"type": "template"}, 131008),
    ({"type": "template", "template": {"name": "x"}}, 131008),
    ({"type": "template", "template": {"name": "x", "language": {"code": "en"}, "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "two\nlines"}]}]}}, 132018),
])
def test_cloud_refuses_bad_parameters(sandbox, members, code):
    answer = sandbox.cloud(**members)
    assert answer.status == 400
    error = answer.json["error"]
    assert error["code"] == code
    assert error["message"].startswith(f"(#{code}) ")
    assert error["error_data"]["details"]
    assert sandbox.messages()["received"] == 0


def test_cloud_takes_what_is_just_in_bounds(sandbox):
    assert sandbox.cloud(body="ক" * 4096, biz_opaque_callback_data="খ" * 512).status == 200
    assert sandbox.messages()["messages"][0]["body"] == "ক" * 4096


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"7", b"\xff\xfe", b"[" * 100000])
def test_cloud_survives_what_is_no_message(sandbox, body):
    answer = sandbox.call("POST", f"/v23.0/{PHONE_ID}/messages", body)
    assert (answer.status, answer.json["error"]["code"]) == (400, 100)


def test_without_a_plus_the_recipient_is_another(sandbox):
    """The real one prepends a country code of its own; a client that relies on the '+' being there must be seen."""
    sandbox.cloud(to="8801712345678")
    assert sandbox.messages()["messages"][0]["recipient"] == "8801712345678"


# --- Twilio ---


def twilio(sandbox, headers=None, account=TWILIO_ACCOUNT, **fields):
    form = {"To": "whatsapp:+8801712345678", "From": "whatsapp:+14155238886", "Body": "hello", **fields}
    sent = {"Authorization": "Basic " + base64.b64encode(f"{account}:secret".encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    return sandbox.call("POST", f"/2010-04-01/Accounts/{account}/Messages.json",
                        urllib.parse.urlencode({k: v for k, v in form.items() if v is not None}).encode(), sent)


def test_twilio_takes_whatsapp_and_sms(sandbox):
    answer = twilio(sandbox, Body="a b&c ✓")
    assert answer.status == 201 and re.fullmatch("SM[0-9a-f]{32}", answer.json["sid"]) and answer.json["status"] == "queued"
    assert twilio(sandbox, To="+8801712345678", From="12345").status == 201
    service = twilio(sandbox, From=None, MessagingServiceSid="MG" + "0" * 32, Body=None, ContentSid="HX" + "0" * 32, ContentVariables='{"1":"x"}')
    assert service.status == 201 and service.json["status"] == "accepted"
    first, second, third = sandbox.messages()["messages"]
    assert (first["gateway"], first["sender"], first["recipient"], first["body"]) == ("twilio", TWILIO_ACCOUNT, "+8801712345678", "a b&c ✓")
    assert first["message_id"] == answer.json["sid"] and second["body"] == "hello"
    assert third["template"] == {"ContentSid": "HX" + "0" * 32, "ContentVariables": '{"1":"x"}'}


@pytest.mark.parametrize(("fields", "code"), [
    ({"To": None}, 21604), ({"To": "whatsapp:8801712345678"}, 21211), ({"To": "+1"}, 21211), ({"From": None}, 21603),
    ({"To": "+8801712345678"}, 63007), ({"Body": None}, 21619), ({"Body": "x" * 1601}, 21617), ({"ContentSid": "HX1"}, 21655),
    ({"StatusCallback": "/here"}, 21609)])
def test_twilio_refuses(sandbox, fields, code):
    answer = twilio(sandbox, **fields)
    assert (answer.status, answer.json["code"], answer.json["status"]) == (400, code, 400)
    assert sandbox.messages()["received"] == 0


def test_twilio_wants_the_account(sandbox):
    assert twilio(sandbox, {"Authorization": None}).json["code"] == 20003
    assert twilio(sandbox, {"Authorization": "Bearer secret"}).status == 401
    assert twilio(sandbox, account="ACme").json["code"] == 20404
    sandbox.behave({"status": 429, "retry_after_sec": 3})
    answer = twilio(sandbox)
    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (429, 20429, "3")


def test_twilio_token():
    sandbox = Sandbox("--token", "secret")
    assert twilio(sandbox).status == 201
    assert twilio(sandbox, {"Authorization": "Basic " + base64.b64encode(f"{TWILIO_ACCOUNT}:Secret".encode()).decode()}).status == 401
    assert sandbox.stop()[0] == 0


# --- wppconnect ---


def test_wppconnect_sends(sandbox):
    answer = sandbox.wpp()
    assert answer.status == 201
    assert (answer.json["status"], answer.json["mapper"]) == ("success", "return")
    assert "session" not in answer.json
    [message] = answer.json["response"]
    assert re.fullmatch(r"true_8801712345678@c\.us_[0-9A-F]+", message["id"])
    assert (message["to"], message["body"]) == ("8801712345678@c.us", "hello")
    [m] = sandbox.messages()["messages"]
    assert (m["gateway"], m["sender"], m["recipient"], m["kind"]) == ("wppconnect", "ops", "+8801712345678", "individual")
    assert (m["message_id"], m["answered"]) == (message["id"], 201)


def test_wppconnect_sends_to_a_group(sandbox):
    answer = sandbox.wpp(PHONE_GROUP, isGroup=True)
    assert answer.json["response"][0]["id"].startswith(f"true_{PHONE_GROUP}_")
    [m] = sandbox.messages()["messages"]
    assert (m["recipient"], m["kind"]) == (PHONE_GROUP, "group")


@pytest.mark.parametrize("phone, members, chat", [
    (PHONE_GROUP, {}, "120363021234567890@lid"),
    ("+55 21 98765-4321", {}, "55 21 98765-4321@lid"),
    ("123456789012345", {}, "123456789012345@lid"),
])
def test_wppconnect_sends_elsewhere_what_is_not_normalised(sandbox, phone, members, chat):
    assert sandbox.wpp(phone, **members).json["response"][0]["to"] == chat
    assert sandbox.messages()["messages"][0]["recipient"] == chat


def test_wppconnect_wants_a_token(sandbox):
    answer = sandbox.wpp(headers={"Authorization": None})
    assert (answer.status, answer.json) == (401, {"message": "Token is not present. Check your header and try again"})


def test_wppconnect_refuses_a_number_that_is_not_on_whatsapp(sandbox):
    sandbox.behave({"recipients": {"+8801700000009": {"status": 400}}})
    answer = sandbox.wpp("8801700000009")
    assert (answer.status, answer.json) == (
        400, {"response": None, "status": "Connected", "message": "O número 8801700000009 não existe."})
    # With several numbers, the good ones are sent although the answer is 400.
    assert sandbox.wpp(["8801700000009", "8801700000010"]).status == 400
    assert [m["recipient"] for m in sandbox.messages()["messages"]] == ["+8801700000010"]


def test_wppconnect_disconnected(sandbox):
    sandbox.behave({"disconnected_sessions": ["ops"]})
    answer = sandbox.wpp()
    assert (answer.status, answer.json) == (
        404, {"response": None, "status": "Disconnected", "message": "A sessão do WhatsApp não está ativa."})
    assert sandbox.call("GET", "/api/ops/status-session").json["status"] == "CLOSED"
    assert sandbox.call("GET", "/api/ops/check-connection-session").json == {"status": False, "message": "Disconnected"}
    assert sandbox.call("GET", "/api/other/status-session").json["status"] == "CONNECTED"
    assert sandbox.wpp(session="other").status == 201
    assert sandbox.messages()["received"] == 1


def test_wppconnect_traps(sandbox):
    exact = {"Content-Type": "application/json"}
    answer = sandbox.wpp("", headers=exact)
    assert (answer.status, answer.json["response"], answer.json["session"]) == (201, [], "ops")
    answer = sandbox.wpp("")
    assert (answer.status, answer.json["message"]) == (400, "Error sending message")
    assert (sandbox.wpp(8801712345678).status, sandbox.wpp(8801712345678).json["status"]) == (404, "Disconnected")
    answer = sandbox.call("POST", "/api/ops/send-message", b"{")
    assert (answer.status, answer.headers.get_content_type()) == (400, "text/html")
    assert sandbox.messages()["received"] == 0
    assert sandbox.call("GET", "/healthz", headers={"Content-Type": None}).json["message"] == "OK"
    with pytest.raises(TimeoutError):
        sandbox.call("GET", "/healthz", headers=exact, timeout=0.5)


def test_wppconnect_generates_a_token(sandbox):
    answer = sandbox.call("POST", "/api/ops/THISISMYSECURETOKEN/generate-token")
    assert answer.status == 201
    assert (answer.json["status"], answer.json["session"]) == ("success", "ops")
    assert answer.json["full"] == "ops:" + answer.json["token"]
    answer = sandbox.call("POST", "/api/ops/guess/generate-token")
    assert (answer.status, answer.json) == (400, {"response": False, "message": "The SECRET_KEY is incorrect"})


# --- Webhooks ---


def test_minimal_gateway(sandbox):
    answer = sandbox.call("POST", "/send-message", {"phone": "8801712345678", "message": "hello"})
    assert (answer.status, answer.json["success"]) == (200, True)
    assert answer.json["messageId"] and isinstance(answer.json["timestamp"], int)
    [m] = sandbox.messages()["messages"]
    assert (m["gateway"], m["recipient"], m["body"]) == ("webhook", "+8801712345678", "hello")
    assert m["message_id"] == answer.json["messageId"]
    assert sandbox.call("GET", "/health").json == {"status": "ready"}
    assert sandbox.call("POST", "/send-message", {"phone": "8801712345678"}).status == 400

    sandbox.behave({"recipients": {"+8801700000009": {"status": 400}}})
    answer = sandbox.call("POST", "/send-message", {"phone": "8801700000009", "message": "x"})
    assert (answer.status, answer.json["success"]) == (400, False)
    assert "not registered" in answer.json["error"]

    sandbox.behave({"disconnected_sessions": ["minimal"]})
    answer = sandbox.call("POST", "/send-message", {"phone": "8801712345678", "message": "hello"})
    assert (answer.status, answer.json) == (
        503, {"success": False, "error": "WhatsApp client not ready", "qrCode": None})
    assert sandbox.call("GET", "/health").json == {"status": "not_ready"}


def test_n8n_workflow(sandbox):
    answer = sandbox.call("POST", "/webhook/alerts/eu", {"phone": PHONE_GROUP, "message": "hello"})
    assert (answer.status, answer.json) == (200, {"message": "Workflow was started"})
    [m] = sandbox.messages()["messages"]
    assert (m["sender"], m["recipient"], m["kind"], m["body"]) == ("alerts/eu", PHONE_GROUP, "group", "hello")
    assert sandbox.call("POST", "/webhook/x", {"other": [1]}).status == 200
    assert sandbox.messages()["messages"][1]["body"] == '{"other": [1]}'

    sandbox.behave({"disconnected_sessions": ["alerts"]})
    answer = sandbox.call("POST", "/webhook/alerts", {})
    assert (answer.status, answer.json["code"]) == (404, 404)
    assert answer.json["message"] == 'The requested webhook "POST alerts" is not registered.'
    answer = sandbox.call("GET", "/webhook/x")
    assert answer.status == 404 and "not registered for GET" in answer.json["message"]


# --- Duplicates ---


def test_duplicates_by_the_clients_own_id(sandbox):
    for opaque, body in (("7.1", "one"), ("7.2", "one again"), ("8.1", "one")):
        sandbox.cloud(body=body, biz_opaque_callback_data=opaque)
    for key in ("k1", "k1", "k2"):
        sandbox.call("POST", "/webhook/x", {"phone": "+8801712345678", "message": "same", "key": key})
    kept = sandbox.messages()
    assert [(m["body"], m["copies"]) for m in kept["messages"]] == [("one", 2), ("one", 1), ("same", 2), ("same", 1)]
    assert (kept["received"], kept["duplicates"]) == (6, 2)


def test_duplicates_by_what_they_say(sandbox):
    for phone, message, session in (("8801712345678", "a", "ops"), ("8801712345678", "a", "ops"),
                                    ("8801712345679", "a", "ops"), ("8801712345678", "b", "ops"),
                                    ("8801712345678", "a", "other")):
        sandbox.wpp(phone, message, session)
    kept = sandbox.messages()
    assert [m["copies"] for m in kept["messages"]] == [2, 1, 1, 1]
    assert (kept["received"], kept["duplicates"]) == (5, 1)


def test_a_retry_of_what_was_refused_is_no_duplicate(sandbox):
    sandbox.behave({"status": 500})
    assert sandbox.cloud(biz_opaque_callback_data="9.1").status == 500
    sandbox.call("DELETE", "/sandbox/behaviour")
    assert sandbox.cloud(biz_opaque_callback_data="9.2").status == 200
    kept = sandbox.messages()
    assert (kept["received"], kept["duplicates"], kept["refused"]) == (1, 0, 1)
    assert [m["opaque"] for m in kept["messages"]] == ["9.2"]
    assert [(m["opaque"], m["answered"], m["refused"]) for m in sandbox.messages(refused="true")["messages"]] == [
        ("9.1", 500, True), ("9.2", 200, False)]


# --- Misbehaviour ---


@pytest.mark.parametrize("status, code", [(401, 190), (429, 130429), (500, 131000), (503, 2), (418, 100)])
def test_every_answer_is_an_error(sandbox, status, code):
    sandbox.behave({"status": status, "retry_after_sec": 17})
    answer = sandbox.cloud()
    assert (answer.status, answer.json["error"]["code"], answer.headers["Retry-After"]) == (status, code, "17")
    assert sandbox.wpp().status == status
    assert sandbox.wpp().headers["Retry-After"] == "17"
    assert sandbox.call("POST", "/send-message", {"phone": "8801712345678", "message": "x"}).status == status
    assert sandbox.call("POST", "/webhook/x", {"phone": "8801712345678"}).status == status
    assert sandbox.messages()["received"] == 0


def test_errors_for_one_recipient(sandbox):
    sandbox.behave({"recipients": {"+8801700000009": {"status": 400, "code": 131026}}})
    answer = sandbox.cloud("+8801700000009")
    assert (answer.status, answer.json["error"]["code"]) == (400, 131026)
    assert sandbox.cloud("+8801700000010").status == 200


def test_errors_at_a_rate(sandbox):
    sandbox.behave({"error_rate": 0.5, "error_status": 503, "error_code": 133004})
    answers = [sandbox.cloud(body=str(i)) for i in range(200)]
    failed = [a for a in answers if a.status == 503]
    assert 50 < len(failed) < 150
    assert {a.json["error"]["code"] for a in failed} == {133004}
    assert {a.status for a in answers} == {200, 503}
    assert sandbox.messages()["received"] == 200 - len(failed)


def test_latency(sandbox):
    sandbox.behave({"latency_ms": 300})
    before = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: sandbox.cloud(body=str(i)).status, range(8)))
    took = time.monotonic() - before
    assert answers == [200] * 8
    assert 0.3 <= took < 1.5  # one after the other would take 2.4 s


def test_hanging_until_the_client_leaves(sandbox):
    sandbox.behave({"mode": "hang"})
    with pytest.raises(TimeoutError):
        sandbox.cloud(timeout=0.5)
    assert [(m["answered"], m["copies"]) for m in sandbox.messages()["messages"]] == [(0, 1)]


@pytest.mark.parametrize("mode, received", [("cut_before", 0), ("cut_after", 1)])
def test_cut_connections(sandbox, mode, received):
    sandbox.behave({"mode": mode})
    with pytest.raises(http.client.RemoteDisconnected):
        sandbox.cloud()
    assert sandbox.messages()["received"] == received


def test_cut_in_the_middle(sandbox):
    sandbox.behave({"mode": "truncated"})
    with pytest.raises(http.client.IncompleteRead) as caught:
        sandbox.cloud()
    assert len(caught.value.partial) > 10
    assert sandbox.messages()["received"] == 1


def test_answers_that_make_no_sense(sandbox):
    sandbox.behave({"mode": "garbage"})
    with pytest.raises(ValueError):
        assert sandbox.cloud(body="1").json
    sandbox.behave({"mode": "empty"})
    answer = sandbox.cloud(body="2")
    assert (answer.status, answer.body) == (200, b"")
    sandbox.behave({"mode": "huge"})
    assert len(sandbox.cloud(body="3").body) > 15 * 1024 * 1024
    sandbox.behave({"mode": "deep"})
    assert sandbox.wpp(message="4").body.startswith(b"[" * 200000)
    assert sandbox.messages()["received"] == 4


def test_dripping(sandbox):
    sandbox.behave({"mode": "drip"})
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as s:
        body = b'{"phone":"8801712345678","message":"x"}'
        s.sendall(b"POST /send-message HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        got = b""
        while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 1:
            got += s.recv(4096)
        before = time.monotonic()
        first = got.split(b"\r\n\r\n", 1)[1]
        while len(got.split(b"\r\n\r\n", 1)[1]) < len(first) + 2:
            got += s.recv(4096)
        assert 1 < time.monotonic() - before < 4
        assert got.split(b"\r\n\r\n", 1)[1] == b'{"success":true'[:len(first) + 2]


def test_mode_at_a_rate(sandbox):
    sandbox.behave({"mode": "empty", "mode_rate": 0.5})
    sizes = [len(sandbox.cloud(body=str(i)).body) for i in range(100)]
    assert 20 < sizes.count(0) < 80


def test_behaviours_for_some_only(sandbox):
    sandbox.behave([{"only": {"sender": "slow"}, "status": 503}, {"only": {"gateway": "cloud"}, "status": 429}])
    assert sandbox.wpp(session="slow").status == 503
    assert sandbox.wpp(session="fine").status == 201
    assert sandbox.cloud().status == 429
    assert len(sandbox.call("GET", "/sandbox/behaviour").json) == 2


def test_behaviour_comes_back_as_it_was_put(sandbox):
    assert sandbox.call("GET", "/sandbox/behaviour").json == {
        "latency_ms": 0, "error_rate": 0, "error_status": 500, "error_code": None, "retry_after_sec": None, "status": None,
        "mode_rate": 1, "mode": "normal", "recipients": {}, "disconnected_sessions": []}
    put = {"latency_ms": 1.5, "error_rate": 0.25, "error_status": 503, "error_code": 131016, "retry_after_sec": 3, "status": 429,
           "mode_rate": 0.5, "mode": "drip", "recipients": {"+880": {"status": 400, "code": 1}},
           "disconnected_sessions": ["x"], "only": {"sender": "nobody"}}
    assert sandbox.behave(put) == put
    assert sandbox.call("GET", "/sandbox/behaviour").json == put
    assert sandbox.behave(sandbox.call("GET", "/sandbox/behaviour").json) == put
    assert sandbox.call("DELETE", "/sandbox/behaviour").json["mode"] == "normal"


@pytest.mark.parametrize("behaviour, named", [
    ({"latencyms": 1}, '"latencyms"'),
    ({"latency_ms": -1}, '"latency_ms"'),
    ({"latency_ms": "1"}, '"latency_ms"'),
    ({"error_rate": 1.5}, '"error_rate"'),
    ({"status": 200}, '"status"'),
    ({"status": 404.5}, '"status"'),
    ({"mode": "sulk"}, '"mode"'),
    ({"mode": None}, '"mode"'),
    ({"recipients": []}, '"recipients"'),
    ({"recipients": {"+1": {"status": 400, "colour": 1}}}, '"colour"'),
    ({"disconnected_sessions": "x"}, '"disconnected_sessions"'),
    ({"disconnected_sessions": [1]}, '"disconnected_sessions"'),
    ({"only": {"moon": "x"}}, '"moon"'),
    ([{}] * 17, "16"),
    ([7], "object"),
    (b"{", "JSON"),
])
def test_a_wrong_behaviour_is_refused_and_changes_nothing(sandbox, behaviour, named):
    sandbox.behave({"latency_ms": 1})
    answer = sandbox.call("PUT", "/sandbox/behaviour", behaviour)
    assert answer.status == 400
    assert named in answer.json["error"]
    assert sandbox.call("GET", "/sandbox/behaviour").json["latency_ms"] == 1


# --- What it keeps ---


def test_messages_after_and_of_one_recipient(sandbox):
    for i in range(5):
        sandbox.cloud(f"+880170000000{i % 2}", str(i))
    kept = sandbox.messages()["messages"]
    assert [m["body"] for m in kept] == list("01234")
    assert [m["body"] for m in sandbox.messages(after=kept[2]["seq"])["messages"]] == ["3", "4"]
    assert [m["body"] for m in sandbox.messages(recipient="+8801700000001")["messages"]] == ["1", "3"]
    assert [m["body"] for m in sandbox.call("GET", "/sandbox/messages?recipient=+8801700000001").json["messages"]] == ["1", "3"]
    assert sandbox.messages(after=10**9)["messages"] == []
    assert sandbox.call("GET", "/sandbox/messages?after=x").status == 400
    assert sandbox.call("DELETE", "/sandbox/messages").json == {"received": 0, "duplicates": 0, "refused": 0}
    assert sandbox.messages()["messages"] == []
    sandbox.cloud()
    assert sandbox.messages()["messages"][0]["seq"] > kept[-1]["seq"]


def test_the_stream_answers_when_something_comes(sandbox):
    sandbox.cloud(body="first", biz_opaque_callback_data="1.1")
    start = sandbox.call("GET", "/sandbox/stream").json
    assert [m["body"] for m in start["messages"]] == ["first"]
    query = "/sandbox/stream?after={revision}&generation={generation}"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sandbox.call, "GET", query.format(**start))
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(0.3)
        sandbox.cloud(body="copy", biz_opaque_callback_data="1.2")
        changed = waiting.result(5).json
        assert [(m["body"], m["copies"]) for m in changed["messages"]] == [("first", 2)]
        waiting = pool.submit(sandbox.call, "GET", query.format(**changed))
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(0.3)
        sandbox.call("DELETE", "/sandbox/messages")
        cleared = waiting.result(5).json
        assert cleared["messages"] == [] and cleared["generation"] != changed["generation"]


def test_memory_is_bounded():
    sandbox = Sandbox("--keep", "100")
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=20)
    message = {"messaging_product": "whatsapp", "to": "+8801712345678", "type": "text", "text": {"body": "x"}}
    for i in range(1000):
        body = json.dumps({**message, "biz_opaque_callback_data": f"{i % 500}.1"})
        connection.request("POST", f"/v23.0/{PHONE_ID}/messages", body, {"Authorization": "Bearer t"})
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (200, True)
    kept = sandbox.messages()
    assert len(kept["messages"]) == 100
    # A copy of what is kept no more is not known as one.
    assert (kept["received"], kept["duplicates"]) == (1000, 0)
    assert [m["opaque"] for m in kept["messages"]] == [f"{i}.1" for i in range(400, 500)]
    assert sandbox.call("POST", "/webhook/x", {"message": "ক" * 60000}).status == 200
    assert len(sandbox.messages()["messages"][-1]["body"].encode()) == 65535  # whole characters below 64 KiB
    assert sandbox.stop()[0] == 0


def test_large_requests_are_refused(sandbox):
    answer = sandbox.call("POST", "/webhook/x", b'"' + b"x" * (1024 * 1024) + b'"')
    assert answer.status == 413
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=20)
        connection.request("POST", "/webhook/x", (b"x" * 65536 for _ in range(400)), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        connection.getresponse()
    assert sandbox.messages()["received"] == 0


def test_many_connections_at_a_time(sandbox):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    sandbox.behave({"mode": "hang"})
    sockets = [socket.create_connection(("127.0.0.1", sandbox.port)) for _ in range(900)]
    body = b'{"phone":"8801712345678","message":"x"}'
    for s in sockets:
        s.sendall(b"POST /send-message HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    deadline = time.monotonic() + 20
    while sandbox.messages()["received"] < 900:
        assert time.monotonic() < deadline
    for s in sockets:
        s.close()
    # The clients have left: their places are free again.
    sandbox.call("DELETE", "/sandbox/behaviour")
    again = [socket.create_connection(("127.0.0.1", sandbox.port)) for _ in range(900)]
    assert sandbox.cloud(timeout=5).status == 200
    for s in again:
        s.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- The page, and who may see it ---


def test_the_page_loads_nothing_from_elsewhere(sandbox):
    answer = sandbox.call("GET", "/", headers={"Authorization": None, "Content-Type": None})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(d.strip().split(" ", 1) for d in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    [nonce] = re.findall(r"^'nonce-([0-9a-f]{32})'$", policy["script-src"])
    page = answer.body.decode()
    assert policy["style-src"] == f"'nonce-{nonce}'"
    assert re.findall(r"<(script|style)([^>]*)>", page) == [("style", f' nonce="{nonce}"'), ("script", f' nonce="{nonce}"')]
    assert "innerHTML" not in page and "@NONCE@" not in page and "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert not re.search(r"\s(on\w+|style)=\"", page)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert nonce not in sandbox.call("GET", "/").body.decode()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.0.2.1", ""])
def test_a_name_that_leads_here_does_not_open_it(sandbox, host):
    for path in ("/", "/sandbox/messages", "/sandbox/stream", "/sandbox/behaviour", "/client/getChats/s", "/api/s/all-groups"):
        answer = sandbox.call("GET", path, headers={"Host": host})
        assert answer.status == 403, path
    assert sandbox.call("GET", "/sandbox/messages", headers={"Host": "localhost:1"}).status == 200
    assert sandbox.call("GET", "/sandbox/messages", headers={"Host": "[::1]:8025"}).status == 200


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
                                     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
def test_another_page_can_change_nothing(sandbox, headers):
    sandbox.cloud()
    assert sandbox.call("DELETE", "/sandbox/messages", headers=headers).status == 403
    assert sandbox.call("PUT", "/sandbox/behaviour", {"status": 500}, headers).status == 403
    assert sandbox.call("GET", "/sandbox/messages", headers=headers).status == 403
    assert sandbox.call("POST", "/send-message", {"to": "8801711000001", "text": "from a form"}, {**headers, "Content-Type": "text/plain"}).status == 403
    assert sandbox.messages()["received"] == 1
    own = {"Origin": f"http://127.0.0.1:{sandbox.port}", "Sec-Fetch-Site": "same-origin"}
    assert sandbox.call("DELETE", "/sandbox/messages", headers=own).status == 200


def test_unknown_paths_and_methods(sandbox):
    assert sandbox.call("GET", "/nowhere").status == 404
    assert sandbox.call("POST", "/sandbox/messages", {}).status == 405
    assert sandbox.call("GET", "/api/ops/nowhere").status == 404


# --- Starting and stopping ---


def test_the_one_token():
    sandbox = Sandbox("--token", "right")
    assert sandbox.cloud(headers={"Authorization": "Bearer right"}).status == 200
    assert sandbox.cloud(headers={"Authorization": "Bearer wrong"}).json["error"]["code"] == 190
    answer = sandbox.wpp(headers={"Authorization": "Bearer wrong"})
    assert (answer.status, answer.json) == (401, {"error": "Check that the Session and Token are correct"})
    assert sandbox.wpp(headers={"Authorization": "Bearer right"}).status == 201
    assert sandbox.stop()[0] == 0


def test_a_port_in_use(running):
    address = f"127.0.0.1:{running.port}"
    second = subprocess.run([PGHERALD, "sandbox", "--listen", address], capture_output=True, text=True, timeout=20)
    assert (second.returncode, second.stdout) == (1, "")
    for part in (address, "in use", "--listen"):
        assert part in second.stderr
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [["--listen", "8025"], ["--listen", "example.com:80"], ["--listen", "127.0.0.1:99999"],
                                     ["--keep", "0"], ["--keep", "many"], ["--token", ""], ["--nonsense"], ["extra"]])
def test_wrong_usage(options):
    done = subprocess.run([PGHERALD, "sandbox", *options], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (2, "")
    assert options[0].lstrip("-").split("=")[0] in done.stderr


def test_help():
    done = subprocess.run([PGHERALD, "sandbox", "--help"], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: pgherald sandbox") and "127.0.0.1:8025" in done.stdout


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_stopping_while_requests_are_under_way(sig):
    sandbox = Sandbox()
    sandbox.behave([{"mode": "hang", "only": {"gateway": "cloud"}}, {"latency_ms": 60000}])
    sockets = []
    for path, body in ((f"/v23.0/{PHONE_ID}/messages", {"messaging_product": "whatsapp", "to": "+8801712345678",
                                                        "text": {"body": "x"}}),
                       ("/send-message", {"phone": "8801712345678", "message": "x"})):
        s = socket.create_connection(("127.0.0.1", sandbox.port), timeout=10)
        data = json.dumps(body).encode()
        s.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t\r\nContent-Length: %d\r\n\r\n"
                  % (path.encode(), len(data)) + data)
        sockets.append(s)
    stream = socket.create_connection(("127.0.0.1", sandbox.port), timeout=10)
    deadline = time.monotonic() + 10
    while sandbox.messages()["received"] < 2:
        assert time.monotonic() < deadline
    state = sandbox.call("GET", "/sandbox/stream").json
    stream.sendall(b"GET /sandbox/stream?after=%d&generation=%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
                   % (state["revision"], state["generation"]))
    sandbox.messages()  # was read after the stream's request
    assert sandbox.stop(sig) == (0, "")
    assert [s.recv(100) for s in [*sockets, stream]] == [b"", b"", b""]
