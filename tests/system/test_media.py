"""Media: a message's images, videos, audio and documents, through the daemon and each gateway's contract in the sandbox; what is refused
before anything leaves; and what the sandbox and its page make of them."""

import json

import pytest

from conftest import wait_until
from hostile import http
from mail import MailServer
from test_sandbox import Sandbox
from world import CLOUD, TOKEN, TWILIO, World

PART_GAP_SEC = 0.4
CDN = "https://cdn.example.org"
IMAGES = [{"type": "image", "url": f"{CDN}/{i}.jpg", **({"caption": f"no. {i}"} if i == 2 else {})} for i in (1, 2, 3)]
KINDS = [{"type": "image", "url": f"{CDN}/a.jpg?v=1", "caption": 'an "image"'}, {"type": "video", "url": f"{CDN}/b.mp4"},
         {"type": "audio", "url": f"{CDN}/c.mp3"}, {"type": "document", "url": f"{CDN}/get?id=7", "filename": "May '26.pdf"}]
FORM = {"body": {"to": "{{target}}", "text": "{{body}}"},
        "media": {"body": {"to": "{{target}}", "text": "{{body}}", "type": "{{media.type}}", "url": "{{media.url}}", "filename": "{{media.filename}}"}}}
ACCOUNTS = {"cloud": CLOUD, "evolution": {"instance": "s"}, "twilio": TWILIO, "waha": {"session": "s"}, "webhook": FORM, "webjs": {"session": "s"},
            "wppconnect": {"session": "s"}}

pytestmark = pytest.mark.sanitize


@pytest.fixture(scope="module")
def shared(cluster, template, tmp_path_factory):
    world = World(cluster, template, tmp_path_factory.mktemp("media"), sandbox_options=["--token", TOKEN])
    world.db.sql("UPDATE herald.settings SET value = %s WHERE name = 'part_gap'", f"{PART_GAP_SEC} s")
    yield world
    world.close()


@pytest.fixture
def world(shared):
    shared.sandbox.call("DELETE", "/sandbox/messages")
    with shared.others_go_on():
        yield shared


def add(world, gateway, what, url=None, **columns):
    """A sender of this gateway, with an account of its own; its name."""
    name = f"{gateway}-{what}"
    key = {"cloud": "phone_number_id", "evolution": "instance", "twilio": "account_sid"}.get(gateway, "session")
    own = {"cloud": str(5000 + len(what)), "twilio": f"AC{len(what):032x}"}.get(gateway, name)
    account = ACCOUNTS[gateway] if gateway == "webhook" else {**ACCOUNTS[gateway], key: own}
    base = url or (f"{world.sandbox.url}/webhook/{name}" if gateway == "webhook" else world.sandbox.url)
    world.add_sender(name, gateway, base, account, None if gateway == "webhook" else "token", **columns)
    return name


def parts(world, ident):
    return world.db.column("SELECT id FROM whatsapp_notifications WHERE part_of = %s ORDER BY id", ident)


@pytest.mark.parametrize("gateway", ACCOUNTS)
def test_images_follow_the_text_in_order_by_the_same_sender(world, gateway):
    channel, number = f"c_{gateway}", world.number()
    world.db.sql("INSERT INTO herald.channels (name) VALUES (%s)", channel)
    for one in ("first", "other one"):
        add(world, gateway, one, channel=channel)
    ident = world.db.value("SELECT herald.send(%s, 'look', channel => %s, media => %s)", number, channel, json.dumps(IMAGES))
    rows = [world.wait_for(i, "sent") for i in (ident, *parts(world, ident))]
    assert len(rows) == 4 and len({r["sender"] for r in rows}) == 1
    arrived = world.sandbox.messages()
    assert [(m["recipient"], m["body"], m["media"] and m["media"]["url"]) for m in arrived] == [
        (number, "look", None), (number, "", f"{CDN}/1.jpg"), (number, "no. 2", f"{CDN}/2.jpg"), (number, "", f"{CDN}/3.jpg")]
    assert len({m["sender"] for m in arrived}) == 1 and all(m["copies"] == 1 for m in arrived)
    times = [m["received_usec"] / 1e6 for m in arrived]
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert all(PART_GAP_SEC - 0.05 <= gap < PART_GAP_SEC + 5 for gap in gaps), gaps
    assert gateway == "webhook" or {r["message_id"] for r in rows} == {m["message_id"].split("_")[-1] for m in arrived}  # the stanza's


@pytest.mark.parametrize("gateway", ACCOUNTS)
def test_each_kind_arrives(world, gateway):
    name = add(world, gateway, "kinds")
    ident = world.send(name, "look", media=json.dumps(KINDS))
    for part in parts(world, ident):
        world.wait_for(part, "sent")
    arrived = {m["media"]["url"]: m for m in world.sandbox.messages() if m["media"]}
    assert set(arrived) == {item["url"] for item in KINDS}
    for item in KINDS:
        message = arrived[item["url"]]
        assert message["body"] == item.get("caption", "")
        kind, filename = item["type"], item.get("filename")
        if gateway == "twilio":  # which looks at the file itself, and passes on no name
            kind, filename = "media", None
        if gateway == "webhook":
            filename = filename or ""
        assert (message["media"]["type"], message["media"].get("filename")) == (kind, filename)


def test_what_cannot_be_carried_fails_with_the_remedy_and_the_others_go_on(world):
    name = add(world, "cloud", "refused")
    items = [{**IMAGES[0], "caption": "x" * 1025}, {"type": "audio", "url": f"{CDN}/c.mp3", "caption": "listen"},
             {"type": "image", "url": "https://user:hunter2@cdn.example.org/1.jpg"}, IMAGES[1]]
    ident = world.send(name, "look", media=json.dumps(items))
    long, spoken, private, good = parts(world, ident)
    world.wait_for(good, "sent")
    assert "the caption has 1025 characters, and the Cloud API takes 1024" in world.wait_for(long, "failed")["error"]
    assert "no caption with audio; leave it out" in world.wait_for(spoken, "failed")["error"]
    assert "holds a user name or a password, which the gateway would learn" in world.wait_for(private, "failed")["error"]
    assert len(world.sandbox.messages()) == 2 and "hunter2" not in world.daemon.output()


def test_a_webhook_that_takes_none_says_how_it_could(world):
    world.add_sender("plain", url=f"{world.sandbox.url}/webhook/plain")
    part, = parts(world, world.send("plain", "look", media=json.dumps(IMAGES[:1])))
    assert "put {{media.url}} into its body" in world.wait_for(part, "failed")["error"]


def test_a_gateway_that_cannot_fetch_it_is_asked_again(world):
    world.hostile.routes["fetch"] = http({"status": "Error", "message": "Erro ao enviar a mensagem.", "error": {"code": "empty_file"}}, 500)
    name = add(world, "wppconnect", "fetch", url=f"{world.hostile.url}/fetch")
    world.db.sql("UPDATE herald.senders SET enabled = false WHERE name = %s", name)
    ident = world.send(name, "look", media=json.dumps(IMAGES[:1]))
    part, = parts(world, ident)
    world.db.sql("UPDATE whatsapp_notifications SET send_status = 'sent', next_at = NULL WHERE id = %s", ident)
    world.db.sql("UPDATE whatsapp_notifications SET next_at = clock_timestamp() WHERE id = %s", part)
    world.db.sql("UPDATE herald.senders SET enabled = true WHERE name = %s", name)
    assert "could not fetch the media; see that it reaches the URL (HTTP 500)" in world.wait_for(part, "failed")["error"]
    assert len(world.attempts(part)) == 3


def test_a_mail_has_a_link(world):
    server = MailServer()
    world.add_sender("mail", "smtp", server.url, {"from": "alerts@example.org"}, None, channel="email")
    ident = world.send("mail", "look", "ada@example.org", channel="email", media=json.dumps(IMAGES[1:2]))
    part, = parts(world, ident)
    world.wait_for(part, "sent")
    _, linked = server.mails
    assert (linked.text.split(), linked.parsed["subject"]) == (["no.", "2", f"{CDN}/2.jpg"], "no. 2")
    server.stop()


# --- the sandbox by itself ---


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox()
    yield sandbox
    assert sandbox.stop() == (0, "")


def post(sandbox, path, body):
    return sandbox.call("POST", path, body, {"X-Api-Key": "k", "apikey": "k"})


@pytest.mark.parametrize("path, body, status, words", [
    ("/api/s/send-file", {"phone": "8801712345678"}, 401, "Sending the file is mandatory"),
    ("/api/s/send-image", {"phone": "8801712345678", "path": "/etc/passwd"}, 500, "empty_file"),
    ("/client/sendMessage/s", {"chatId": "8801712345678@c.us", "contentType": "MessageMediaFromURL", "content": "x.jpg"}, 500, "Invalid URL"),
    ("/client/sendMessage/s", {"chatId": "8801712345678@c.us", "contentType": "Sticker", "content": "x"}, 400, "invalid contentType"),
    ("/api/sendImage", {"session": "s", "chatId": "8801712345678@c.us", "file": {}}, 500, "Invalid URL"),
    ("/message/sendMedia/s", {"number": "8801712345678", "media": f"{CDN}/1.jpg"}, 400, "mediatype"),
    ("/message/sendMedia/s", {"number": "8801712345678", "mediatype": "image", "media": "1.jpg"}, 400, "must be a url"),
    ("/message/sendMedia/s", {"number": "8801712345678", "mediatype": "document", "media": f"{CDN}/1", "fileName": "a"}, 500, "TypeError"),
])
def test_traps(sandbox, path, body, status, words):
    answer = post(sandbox, path, body)
    assert (answer.status, words in answer.body.decode()) == (status, True), answer.body
    assert not [m for m in sandbox.messages()["messages"] if m["media"]]


@pytest.mark.parametrize("kind, media, words", [
    ("image", {}, "link"), ("image", {"link": "ftp://x/y"}, "link"), ("image", {"link": f"{CDN}/1", "caption": "x" * 1025}, "1024"),
    ("audio", {"link": f"{CDN}/1", "caption": "x"}, "caption"), ("image", {"link": f"{CDN}/1", "filename": "x"}, "filename"),
    ("sticker", {"link": f"{CDN}/1"}, "of type text, template, image")])
def test_the_cloud_api_refuses(sandbox, kind, media, words):
    answer = sandbox.cloud(type=kind, text=None, **{kind: media})
    assert answer.status == 400 and words in answer.json["error"]["error_data"]["details"]


def test_twilio_refuses(sandbox):
    form = "To=%2B8801712345678&From=%2B14155238886&MediaUrl=x"
    answer = sandbox.call("POST", "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json", form.encode(), {"Authorization": "Basic eA=="})
    assert (answer.status, answer.json["code"]) == (400, 21620)


def test_two_images_of_the_same_words_are_two_messages(sandbox):
    for url in (f"{CDN}/1.jpg", f"{CDN}/2.jpg", f"{CDN}/2.jpg"):
        assert post(sandbox, "/api/twice/send-image", {"phone": "8801712345678", "path": url, "options": {"type": "image"}}).status == 201
    messages = [m for m in sandbox.messages()["messages"] if m["sender"] == "twice"]
    assert [(m["media"], m["copies"]) for m in messages] == [({"type": "image", "url": f"{CDN}/1.jpg"}, 1), ({"type": "image", "url": f"{CDN}/2.jpg"}, 2)]


def test_the_page_shows_its_own_pictures_only(sandbox):
    page = sandbox.call("GET", "/")
    policy = dict(d.strip().split(" ", 1) for d in page.headers["Content-Security-Policy"].split(";"))
    assert policy["img-src"] == "'self' data:" and "media-src" not in policy
    sample = sandbox.call("GET", "/sandbox/sample.png")
    assert (sample.status, sample.headers["Content-Type"], sample.body[:4]) == (200, "image/png", b"\x89PNG")
    assert sandbox.call("GET", "/sandbox/sample.png", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
