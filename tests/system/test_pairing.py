"""Pairing, with the built binary: from herald.pair() by way of a daemon to the gateway, the code that it shows, and a session that
works; and back. The code is as good as a key: it must be in no log."""

import json
from types import SimpleNamespace

import pytest

from conftest import wait_until
from hostile import http
from test_session_gateways import ask
from world import TOKEN, World

GATEWAYS = {"evolution": "instance", "waha": "session", "webjs": "session", "wppconnect": "session"}
CODE = "2@canaryOfThePairing0123456789abcdefghijklmnop==,ABCDEFGH=,IJKLMNOP=,QRSTUVWX="

pytestmark = pytest.mark.sanitize


@pytest.fixture(scope="module")
def shared(cluster, template, tmp_path_factory):
    world = World(cluster, template, tmp_path_factory.mktemp("pairing"), sandbox_options=["--token", TOKEN])
    world.codes = {CODE}
    yield world
    logs = world.daemon.output() + world.sandbox.output() + (cluster.directory / "log").read_text()
    assert len(world.codes) > 1
    for code in world.codes:
        assert not [code[i:i + 12] for i in range(0, len(code) - 12) if code[i:i + 12] in logs]
    world.close()


@pytest.fixture
def world(shared):
    """It works before and after; the sandbox behaves and has forgotten."""
    shared.sandbox.call("DELETE", "/sandbox/messages")
    with shared.others_go_on():
        yield shared


@pytest.fixture(params=GATEWAYS)
def gateway(request):
    return request.param


def add(world, gateway, what, url=None):
    """A sender of this gateway, and its session, both of a name of their own."""
    name = f"{gateway}-{what}"
    world.add_sender(name, gateway, url or world.sandbox.url, {GATEWAYS[gateway]: name}, "token")
    return name


def session(world, name):
    return SimpleNamespace(**world.db.row("SELECT * FROM herald.sessions WHERE sender = %s", name))


def wait_for_session(world, name, **expected):
    """Waits until its row in herald.sessions is so; an expected text is a part. Meanwhile the daemon asks again at once."""
    def reached():
        world.db.sql("UPDATE herald.health SET ask_at = clock_timestamp() WHERE sender = %s AND purpose IS NOT NULL AND asked_at < ask_at"
                     " AND ask_at < clock_timestamp() + interval '3 s'; SELECT herald.ring_bell()", name)
        row = session(world, name)
        world.codes.update({row.code} - {None})
        return row if all(value in (getattr(row, key) or "") for key, value in expected.items()) else None
    try:
        return wait_until(reached, f"session {name}: {expected}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{session(world, name)}\n{world.daemon.output()}") from None


def scan(world, name, **members):
    return ask(world.sandbox, "POST", "/sandbox/scan", {"session": name, **members})


def pair(world, name):
    """Up to the code."""
    world.db.sql("SELECT herald.pair(%s)", name)
    return wait_for_session(world, name, state="pairing", code="2@")


def test_a_session_is_paired_and_what_waited_is_sent(world, gateway):
    name = add(world, gateway, "new")
    world.sandbox.behave({"disconnected_sessions": [name, "another"]})
    world.db.sql("SELECT herald.pair(%s)", name)
    ident = world.send(name)
    wait_for_session(world, name, state="pairing", reason="the session")
    row = wait_for_session(world, name, state="pairing", code="2@")
    assert row.reason == "its QR code waits to be scanned" and len(row.code) == 226
    [shown] = [s for s in world.sandbox.call("GET", "/sandbox/sessions")["sessions"] if s["session"] == name]
    assert shown == {"session": name, "state": "waiting", "code": row.code}
    assert scan(world, name, code=row.code + "x")[0] == 409
    assert world.row(ident)["send_status"] == "pending"
    assert scan(world, name, code=row.code) == (200, {"session": name, "state": "connected"})
    assert wait_for_session(world, name, state="connected").code is None
    assert world.wait_for(ident, "sent")["attempts"] == 1
    assert world.logged("this sender works again", name, "its session is paired")
    assert world.sandbox.call("GET", "/sandbox/behaviour")[0]["disconnected_sessions"] == ["another"]
    assert scan(world, name)[0] == 409  # it shows no code now


def test_one_that_is_connected_stays_so(world, gateway):
    name = add(world, gateway, "was-there")
    world.db.sql("SELECT herald.pair(%s)", name)
    wait_for_session(world, name, state="connected")
    assert world.wait_for(world.send(name), "sent")


def test_a_code_that_nobody_scans(world, gateway):
    name = add(world, gateway, "ignored")
    world.sandbox.behave({"disconnected_sessions": [name]})
    ident = world.send(name)
    pair(world, name)
    world.db.sql("UPDATE herald.health SET purpose_until = clock_timestamp() WHERE sender = %s", name)
    row = wait_for_session(world, name, state="disconnected", reason="nobody scanned its code in time")
    assert row.code is None
    wait_until(lambda: session(world, name).until is None, "the daemon's word")
    line = world.logged("nobody scanned its code in time", name)[0]
    assert "this sender's session is not paired with a telephone; it is held until it is, and nothing is lost" in line
    assert f"pgherald pair {name} pairs it" in line and "probed" not in line
    assert world.row(ident)["send_status"] == "pending" and world.row(ident)["attempts"] == 0
    world.db.sql("SELECT herald.pair(%s)", name)
    code = wait_for_session(world, name, code="2@").code
    assert scan(world, name, code=code)[0] == 200
    assert world.wait_for(ident, "sent")


def test_a_session_is_logged_out(world, gateway):
    name = add(world, gateway, "leaving")
    world.sandbox.behave({"disconnected_sessions": ["another"]})
    assert world.wait_for(world.send(name), "sent")
    world.db.sql("SELECT herald.unpair(%s)", name)
    row = wait_for_session(world, name, state="disconnected", reason="it was unpaired on request")
    assert row.until is None
    assert world.sandbox.call("GET", "/sandbox/behaviour")[0]["disconnected_sessions"] == ["another", name]
    ident = world.send(name)
    assert world.logged("is not paired with a telephone", name, f"it was unpaired on request; pgherald pair {name} pairs it")
    world.db.sql("SELECT herald.unpair(%s)", name)  # what is away already counts as done
    wait_until(lambda: session(world, name).until is None, "the second time")
    assert session(world, name).state == "disconnected" and world.row(ident)["send_status"] == "pending"
    pair(world, name)
    assert scan(world, name)[0] == 200
    assert world.wait_for(ident, "sent")["attempts"] == 1


def test_a_session_that_its_gateway_does_not_know_is_created(world):
    """Of WAHA and Evolution; the others make a session where they start it."""
    waha, evolution = [add(world, g, "unknown", f"{world.hostile.url}/{g}-unknown") for g in ("waha", "evolution")]
    there = set()

    def answer_waha(request):
        if request.path.endswith("/auth/qr?format=raw"):
            return http({"value": CODE})
        if request.method == "POST":
            there.add(waha)
            assert (request.path, request.json) == (f"/{waha}/api/sessions", {"name": waha, "start": True})
            return http({"name": waha, "status": "STARTING"}, 201)
        return http({"name": waha, "status": "SCAN_QR_CODE"}) if waha in there else http(
            {"statusCode": 404, "message": "Session not found", "error": "Not Found"}, 404)

    def answer_evolution(request):
        if request.method == "POST":
            there.add(evolution)
            assert request.path == f"/{evolution}/instance/create"
            assert request.json == {"instanceName": evolution, "integration": "WHATSAPP-BAILEYS", "qrcode": False}
            return http({"instance": {"instanceName": evolution, "status": "close"}, "hash": TOKEN}, 201)
        if evolution not in there:
            return http({"status": 404, "error": "Not Found", "response": {"message": [f'The "{evolution}" instance does not exist']}}, 404)
        if "/connectionState/" in request.path:
            return http({"instance": {"instanceName": evolution, "state": "connecting"}})
        assert request.path == f"/{evolution}/instance/connect/{evolution}"
        return http({"pairingCode": None, "code": CODE, "base64": "data:image/png;base64,AAAA", "count": 1})

    world.hostile.routes.update({waha: answer_waha, evolution: answer_evolution})
    for name in waha, evolution:
        assert pair(world, name).code == CODE
        assert [r.method for r in world.hostile.at(name)].count("POST") == 1
        assert all(TOKEN in (r.headers.get("apikey"), r.headers.get("x-api-key")) for r in world.hostile.at(name))


def test_a_waha_session_that_has_failed_begins_anew(world):
    name = add(world, "waha", "failed", f"{world.hostile.url}/waha-failed")
    state = {"status": "FAILED"}

    def answer(request):
        if request.path.endswith("/auth/qr?format=raw"):
            return http({"value": CODE})
        if request.method == "POST":
            assert request.path == f"/{name}/api/sessions/{name}/logout"
            state["status"] = "SCAN_QR_CODE"
            return http({"status": "STARTING"}, 201)
        return http(state)

    world.hostile.routes[name] = answer
    assert pair(world, name).code == CODE


@pytest.mark.parametrize("code, reason", [
    (CODE * 20, "longer than any"), ("x" * 200000, "longer than any"), ("x" * (1 << 20), "asked to pair its session"),
    (7, "not a text"), ({"a": CODE}, "not a text"), (CODE + "\x1b[2J", "characters"), (CODE + "\n", "characters"), (CODE + "\0", "characters"),
    ("data:image/png;base64,iVBO", "as an image only"), ("", "no QR code yet"), (None, "no QR code yet"),
], ids=["long", "longer", "a megabyte", "a number", "an object", "an escape", "a line end", "a NUL", "an image", "empty", "null"])
def test_codes_that_are_none(world, code, reason):
    name = add(world, "webjs", f"odd{next(world.numbers)}", f"{world.hostile.url}/odd")
    world.hostile.routes["odd"] = lambda r: http({"success": "/qr/" in r.path, "message": "session_not_connected", "qr": code} if "/qr/" in r.path else
                                                 {"success": False, "message": "session_not_connected"})
    world.db.sql("SELECT herald.pair(%s)", name)
    assert wait_for_session(world, name, state="pairing", reason=reason).code is None


def test_what_is_in_the_way_is_told(world):
    name = add(world, "wppconnect", "blocked", f"{world.hostile.url}/blocked")
    world.hostile.routes["blocked"] = http({"error": "Check that the Session and Token are correct"}, 401)
    world.db.sql("SELECT herald.pair(%s)", name)
    wait_for_session(world, name, state="pairing", reason="the token was refused")
    world.db.sql("SELECT herald.unpair(%s)", name)
    wait_for_session(world, name, state="disconnecting", reason="the token was refused")
    world.hostile.routes["blocked"] = lambda _: None
    wait_for_session(world, name, state="disconnecting", reason="asked to log its session out")
    world.db.sql("UPDATE herald.health SET purpose_until = clock_timestamp() WHERE sender = %s", name)
    wait_until(lambda: session(world, name).until is None, "the daemon's word")
    assert session(world, name).state == "unknown"
    assert world.logged("asked to log its session out", f"pgherald unpair {name} tries it again")


# --- The sandbox ---


def test_the_sandbox_pairs_as_wppconnect_does(world):
    def call(verb, method="GET"):
        return ask(world.sandbox, method, f"/api/ops/{verb}", {} if method == "POST" else None, Authorization=f"Bearer {TOKEN}")

    assert call("logout-session", "POST") == (200, {"status": True, "message": "Session successfully closed"})
    assert call("status-session")[1]["status"] == "CLOSED"
    assert call("start-session", "POST")[1]["status"] == "CLOSED"  # how it was before
    assert call("status-session")[1]["status"] == "INITIALIZING"
    wait_until(lambda: call("status-session")[1]["status"] == "QRCODE", "the code")
    said = call("status-session")[1]
    assert said["urlcode"].startswith("2@") and said["qrcode"].startswith("data:image/png;base64,")
    assert call("logout-session", "POST")[0] == 404  # trap: it is not connected
    assert scan(world, "ops", code=said["urlcode"])[0] == 200
    assert call("status-session")[1] == {**said, "status": "CONNECTED"}  # trap: the code is still there
    assert call("check-connection-session")[1]["status"] is True


def test_the_sandbox_pairs_as_webjs_does(world):
    def call(verb):
        return ask(world.sandbox, "GET", f"/session/{verb}/ops", **{"x-api-key": TOKEN})[1]

    assert call("qr")["message"] == "qr code not ready or already scanned"
    assert call("terminate") == {"success": True, "state": None, "message": "Logged out successfully"}
    for verb in "status", "qr", "restart", "terminate":
        assert call(verb) == {"success": False, "state": None, "message": "session_not_found"}, verb
    assert call("start")["success"] is True
    assert call("start") == {"success": False, "error": "Session already exists"}
    assert call("status") == {"success": False, "state": "UNPAIRED", "message": "session_not_connected"}
    first = call("qr")
    assert first["success"] is True and first["qr"].startswith("2@")
    assert call("restart")["success"] is True and call("qr")["qr"] != first["qr"]
    assert scan(world, "ops", code=first["qr"])[0] == 409 and scan(world, "ops")[0] == 200
    assert call("status")["message"] == "session_connected"


def test_the_sandbox_pairs_as_waha_does(world):
    def call(method, path, body=None):
        return ask(world.sandbox, method, path, body, **{"X-Api-Key": TOKEN})

    status, said = call("POST", "/api/sessions/ops/logout", {})
    assert (status, said["status"]) == (201, "STARTING")  # trap: it begins anew by itself
    assert call("GET", "/api/ops/auth/qr?format=raw")[0] == 422
    wait_until(lambda: call("GET", "/api/sessions/ops")[1]["status"] == "SCAN_QR_CODE", "the code")
    assert call("GET", "/api/ops/auth/qr?format=raw")[1]["value"].startswith("2@")
    assert call("GET", "/api/ops/auth/qr")[1]["mimetype"] == "image/png"  # trap: the text is told only where it is asked for
    assert scan(world, "ops")[0] == 200
    assert call("GET", "/api/sessions/ops")[1]["status"] == "WORKING"
    assert ask(world.sandbox, "GET", "/api/ops/auth/qr?format=raw")[0] == 401
    world.sandbox.behave({"disconnected_sessions": ["ops"]})
    assert call("POST", "/api/sessions/ops/logout", {})[1]["status"] == "STOPPED"  # what was stopped stays so


def test_the_sandbox_pairs_as_evolution_does(world):
    def call(path, method="GET"):
        return ask(world.sandbox, method, f"/instance/{path}/ops", apikey=TOKEN)

    status, said = call("logout", "DELETE")
    assert (status, said["status"], said["error"]) == (200, "SUCCESS", False)
    status, said = call("logout", "DELETE")
    assert (status, said["response"]["message"]) == (400, ['The "ops" instance is not connected'])
    assert call("connectionState")[1]["instance"]["state"] == "close"
    assert call("connect")[1] == {"count": 0}  # trap: not there at the first time
    assert call("connectionState")[1]["instance"]["state"] == "connecting"
    wait_until(lambda: call("connect")[1].get("code"), "the code")
    assert scan(world, "ops")[0] == 200
    assert call("connect")[1] == {"instance": {"instanceName": "ops", "state": "open"}}


def test_the_sandboxs_code_changes(world):
    world.sandbox.behave({"disconnected_sessions": ["slow"]})
    ask(world.sandbox, "GET", "/session/start/slow", **{"x-api-key": TOKEN})
    codes = set()

    def seen():
        codes.update(s["code"] for s in world.sandbox.call("GET", "/sandbox/sessions")["sessions"])
        return len(codes - {None}) == 2
    wait_until(seen, "a second code", 30, 0.2)


def test_scanning_needs_a_code_that_is_shown(world):
    for body, status in ((b"{", 400), ({}, 400), ({"session": 7}, 409), ({"session": "ops"}, 409), ({"session": "x" * 1000}, 409), ([], 400)):
        assert ask(world.sandbox, "POST", "/sandbox/scan", body)[0] == status, body
    assert ask(world.sandbox, "GET", "/sandbox/scan")[0] == 405
    assert ask(world.sandbox, "POST", "/sandbox/scan", {"session": "ops"}, Origin="http://evil.example")[0] == 403
    world.sandbox.behave({"disconnected_sessions": ["ops"]})
    assert ask(world.sandbox, "POST", "/sandbox/scan", {"session": "ops"})[0] == 409
    assert world.sandbox.call("GET", "/sandbox/sessions") == {"sessions": [{"session": "ops", "state": "closed", "code": None}]}


def test_sessions_and_other_behaviour_do_not_disturb_each_other(world):
    behaviours = [{"status": 500, "only": {"gateway": "cloud"}, "disconnected_sessions": ["a"]}, {"latency_ms": 1.5, "disconnected_sessions": ["a", "b"]}]
    before = world.sandbox.behave(*behaviours)
    ask(world.sandbox, "GET", "/session/start/a", **{"x-api-key": TOKEN})
    assert scan(world, "a")[0] == 200
    after = world.sandbox.call("GET", "/sandbox/behaviour")
    assert [b["disconnected_sessions"] for b in after] == [[], ["b"]]
    assert [{**b, "disconnected_sessions": None} for b in after] == [{**b, "disconnected_sessions": None} for b in before]
    for many in range(100):
        ask(world.sandbox, "GET", f"/session/terminate/s{many}", **{"x-api-key": TOKEN})
        ask(world.sandbox, "POST", f"/api/sessions/s{many}/start", {}, **{"X-Api-Key": TOKEN})
    states = [s["state"] for s in world.sandbox.call("GET", "/sandbox/sessions")["sessions"]]
    assert len(states) == 101 and states.count("closed") == 37
    ask(world.sandbox, "PUT", "/sandbox/behaviour", [])
    ask(world.sandbox, "GET", "/session/terminate/a", **{"x-api-key": TOKEN})
    assert json.dumps(world.sandbox.call("GET", "/sandbox/behaviour")["disconnected_sessions"]) == '["a"]'
