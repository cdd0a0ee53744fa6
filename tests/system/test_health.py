"""Senders that fail, with the built binary: a gateway that can say how it is is asked before a message goes, and what is closed is
started again."""

import pytest

from conftest import wait_until
from hostile import http
from world import TOKEN, World


class Session:
    """A wppconnect server with one session, at a route of the hostile server: it says how it is, and takes messages when connected."""

    def __init__(self, world, name):
        self.world, self.name, self.state, self.hears = world, name, "CONNECTED", True
        self.sent = 0
        world.hostile.routes[name] = self.answer
        world.add_sender(name, "wppconnect", f"{world.hostile.url}/{name}", {"session": name}, "token")

    def answer(self, request):
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        verb = request.path.rsplit("/", 1)[1]
        if not self.hears:
            return None
        if verb == "status-session":
            return http({"status": self.state, "qrcode": None})
        if verb == "start-session":
            self.state = "INITIALIZING"
            return http({"status": "CLOSED", "qrcode": None})
        if self.state != "CONNECTED":
            return http({"response": None, "status": "Disconnected", "message": "A sessão do WhatsApp não está ativa."}, status=404)
        self.sent += 1
        return http({"status": "success", "response": [{"id": f"true_{self.name}_{self.sent}"}]}, status=201)

    def verbs(self):
        return [r.path.rsplit("/", 1)[1] for r in self.world.hostile.at(self.name)]


@pytest.fixture
def world(cluster, template, tmp_path):
    world = World(cluster, template, tmp_path)
    yield world
    world.close()


@pytest.mark.sanitize
def test_a_closed_session_is_started_and_no_message_is_spent_on_it(world):
    session = Session(world, "alerts")
    assert world.wait_for(world.send("alerts"), "sent")
    session.state = "CLOSED"
    idents = [world.send("alerts", f"message {n}") for n in range(3)]
    world.wait_for_hold("alerts", "the session is not connected")
    before = session.verbs().count("send-message")
    world.probe_now("alerts")
    wait_until(lambda: session.state == "INITIALIZING", "the session to be started")
    wait_until(lambda: (world.hold("alerts") or {}).get("reason", "").startswith("the session was closed, and has been started again"), "its word")
    session.state = "QRCODE"
    world.probe_now("alerts")
    wait_until(lambda: "scan its QR code" in (world.hold("alerts") or {}).get("reason", ""), "its word")
    assert session.verbs().count("send-message") == before and session.verbs().count("start-session") == 1
    session.state = "CONNECTED"
    world.probe_now("alerts")
    assert [world.wait_for(i, "sent")["attempts"] for i in idents] == [1, 1, 1]
    assert world.hold("alerts") is None
    assert world.db.value("SELECT is_well FROM herald.health WHERE sender = 'alerts'")


def test_a_session_that_nobody_uses_is_asked_every_so_often(world):
    session = Session(world, "idle")
    session.state = "QRCODE"
    world.db.sql("UPDATE herald.health SET ask_at = clock_timestamp(); SELECT herald.ring_bell()")
    world.wait_for_hold("idle", "the session waits to be paired with a telephone: scan its QR code")
    assert session.verbs() == ["status-session"]
    assert "scan its QR code" in world.db.pgherald("status", status=1).stdout


def test_one_that_hangs_up_is_ill_and_one_that_answers_nonsense_is_left_to_a_message(world):
    session = Session(world, "odd")
    session.state = "CLOSED"
    ident = world.send("odd")
    world.wait_for_hold("odd", "the session is not connected")
    session.hears = False
    world.probe_now("odd")
    wait_until(lambda: "asked how it is" in (world.hold("odd") or {}).get("reason", ""), "its silence to count")
    session.hears = True
    session.state = "CONNECTED"
    world.hostile.routes["odd"] = lambda r: http(b"<html>") if r.path.endswith("status-session") else session.answer(r)
    world.probe_now("odd")
    assert world.wait_for(ident, "sent")


def test_a_token_that_has_expired_is_noticed_before_a_message_is(world):
    world.hostile.routes["cloud"] = lambda _: http({"error": {"message": "Session has expired", "code": 190}}, status=401)
    world.add_sender("early", "cloud", f"{world.hostile.url}/cloud", {"phone_number_id": "7"}, "token")
    world.db.sql("UPDATE herald.health SET ask_at = clock_timestamp(); SELECT herald.ring_bell()")
    world.wait_for_hold("early", "the access token has expired")
    assert [(r.method, r.path) for r in world.hostile.at("cloud")] == [("GET", "/cloud/v25.0/7?fields=id")]
