"""Email through the daemon to a real SMTP server: what arrives, what is certainly unsent and what is in doubt, and by whom it may be read."""

import base64
import datetime
import email.utils
import json
import re
import threading
import time

import pytest

from conftest import wait_until
from daemon import start_daemon  # noqa: F401 (fixture)
from hostile import Hostile, http, make_certificate
from mail import CLOSE, HANG, RESET, MailServer
from world import TOKEN, WEBHOOK, World

FROM = "alerts@example.org"
ADA = "ada.lovelace+test@Example.ORG"
KEPT = "ada.lovelace+test@example.org"
LOGIN = "250-mail.test\r\n250 AUTH PLAIN"
BOTH = "250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN"


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    return {"trusted": make_certificate(directory, "trusted"), "strange": make_certificate(directory, "strange")}


@pytest.fixture(scope="module")
def shared(cluster, template, tmp_path_factory, secure):
    world = World(cluster, template, tmp_path_factory.mktemp("mail"), env={"SSL_CERT_FILE": str(secure["trusted"][0])})
    yield world
    world.close()


@pytest.fixture
def world(shared):
    with shared.others_go_on():
        yield shared


@pytest.fixture
def serve():
    """serve(certificate, is_secure, greeting=…, …): a server until the test is over."""
    servers = []

    def start(*arguments, **script):
        servers.append(MailServer(*arguments, **script))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def add(world, server, credential=None, url=None, **account):
    """A sender of its own; its name."""
    name = f"mail-{world.db.value('SELECT count(*) FROM herald.senders')}"
    world.add_sender(name, "smtp", url or server.url, {"from": FROM, **account}, credential, channel="email")
    return name


def send(world, name, body="Meter 12 is stuck", recipient=ADA):
    return world.send(name, body, recipient, channel="email")


def give_up(world, name):
    world.db.sql("UPDATE herald.senders SET enabled = false WHERE name = %s", name)


# --- what arrives ---


@pytest.mark.sanitize
def test_a_mail_arrives_whole(world, serve):
    server = serve()
    name = add(world, server)
    lines = ["🚨 Meter 12 ৳1,234.56 stuck since ten o'clock, and nobody has looked at it yet; please do so before noon or call us", "",
             ".", "..", ".hidden", "From here = 50%\t", "trailing  ", "x" * 300, "é" * 300, "\x07bell", "end"]
    began = time.time()
    ident = send(world, name, "\n".join(lines))
    row = world.wait_for(ident, "sent")
    [mail] = server.mails
    assert (mail.sender, mail.recipient) == (f"<{FROM}>", f"<{KEPT}>")
    assert mail.text.splitlines() == lines
    assert mail.parsed["From"] == FROM and mail.parsed["To"] == KEPT
    assert mail.parsed["Subject"] == lines[0]
    assert mail.parsed["Message-ID"] == row["message_id"]
    assert re.fullmatch(rf"<{ident}\.{row['attempt_id']}\.[0-9a-f]{{16}}@example\.org>", row["message_id"])
    assert mail.parsed["MIME-Version"] == "1.0" and mail.parsed["Content-Type"] == 'text/plain; charset="utf-8"'
    assert mail.parsed["Auto-Submitted"] == "auto-generated"
    at = email.utils.parsedate_to_datetime(mail.parsed["Date"])
    assert at.utcoffset() == datetime.timedelta(0) and began - 2 <= at.timestamp() <= time.time() + 2
    assert (row["target"], row["target_kind"], row["response_code"], row["attempts"]) == (KEPT, "individual", 250, 1)
    assert row["error"] is None and row["response_body"] == "250 2.0.0 queued as 4711"
    assert not re.search(rb"[^\r]\n|\r[^\n]|[^\x00-\x7f]", mail.raw) and max(map(len, mail.raw.split(b"\r\n"))) <= 78
    assert [c.split(" ")[0] for c in server.commands if c != "QUIT"] == ["EHLO", "MAIL", "RCPT", "DATA"]


@pytest.mark.sanitize
@pytest.mark.parametrize("body", ["one\r\n.\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx", "a\n.\nQUIT\n", "a\r.\rRSET\r", "a\n.\r\nQUIT",
                                  "a\r\n.\nQUIT", ".", "\n.\n", "Hi\r\nBcc: evil@example.org\r\n\r\nx", "Hi\rBcc: evil@example.org", "\tHi\x0bBcc: x@y"])
def test_nothing_in_a_text_ends_the_mail_or_adds_to_its_head(world, serve, body):
    server = serve()
    name = add(world, server)
    world.wait_for(send(world, name, body), "sent")
    [mail] = server.mails
    assert mail.text.split("\n")[:-1] == re.split("\r\n|\r|\n", re.sub("\r?\n\\Z|\r\\Z", "", body))
    assert mail.parsed["Bcc"] is None and mail.parsed["To"] == KEPT and not mail.parsed.defects
    assert len([c for c in server.commands if not c.startswith(("EHLO", "MAIL", "RCPT", "DATA", "QUIT"))]) == 0


def test_a_subject_for_all(world, serve):
    server = serve()
    name = add(world, server, subject="Zähler 12: =?utf-8?q?x?=")
    for body in ("first", "second"):
        world.wait_for(send(world, name, body), "sent")
    assert [(m.parsed["Subject"], m.text) for m in server.mails] == [("Zähler 12: =?utf-8?q?x?=", "first\n"), ("Zähler 12: =?utf-8?q?x?=", "second\n")]


def test_a_large_mail_arrives_whole(world, serve):
    """More than a socket takes at a time."""
    server = serve()
    name = add(world, server)
    body = "".join(f"{n} .line\n" for n in range(5_000))
    world.wait_for(send(world, name, body), "sent")
    is_same = server.mails[0].text == body  # a difference would be too long to be shown
    assert is_same


def test_many_at_a_time_with_others_between_them(world, serve):
    """More than there are places: each mail has a connection of its own, and each arrives once."""
    server = serve()
    name = add(world, server)
    idents = [ident for n in range(200) for ident in (send(world, name, f"text {n}", f"r{n}@example.org"), world.send("good"))]
    for ident in idents:
        world.wait_for(ident, "sent")
    assert sorted(m.text for m in server.mails) == sorted(f"text {n}\n" for n in range(200))
    assert all(m.recipient == f"<r{m.text[5:-1]}@example.org>" for m in server.mails)


def test_a_connection_that_a_mail_needs_is_not_given_away(db, start_daemon, serve):  # noqa: F811
    """There are two places, and others want new connections while a server thinks about a mail."""
    thinks = threading.Event()
    server = serve(end=lambda: thinks.wait(20) and "250 ok")
    others = [Hostile({"other": http({"id": "x"})}) for _ in range(5)]
    db.sql("INSERT INTO herald.senders (name, channel, gateway, base_url, account) VALUES ('mail', 'email', 'smtp', %s, %s)", server.url,
           json.dumps({"from": FROM}))
    for n, other in enumerate(others):
        db.sql("INSERT INTO herald.senders (name, gateway, base_url, account) VALUES (%s, 'webhook', %s, %s)", f"other-{n}", f"{other.url}/other",
               json.dumps(WEBHOOK))
    start_daemon(max_in_flight=2)
    db.sql("SELECT herald.send('ada@example.org', 'a mail', channel => 'email')")
    wait_until(lambda: server.mails, "the whole mail")
    for _ in range(3):
        for n in range(5):
            db.sql("SELECT herald.send(%s, 'hello', sender => %s)", f"+88017000000{n:02d}", f"other-{n}")
        wait_until(lambda: db.value("SELECT count(*) FROM whatsapp_notifications WHERE channel = 'whatsapp' AND send_status <> 'sent'") == 0, "the others")
    assert all(other.connections > 1 for other in others), "nobody wanted a place"
    thinks.set()
    wait_until(lambda: db.column("SELECT send_status FROM whatsapp_notifications WHERE channel = 'email'") == ["sent"], "the mail")
    assert len(server.sessions) == 1 and db.value("SELECT count(*) FROM herald.attempts") == 0
    for other in others:
        other.stop()


# --- who may read it ---


@pytest.mark.sanitize
@pytest.mark.parametrize("is_secure", [True, False], ids=["smtps", "STARTTLS"])
def test_tls_and_login(world, secure, serve, is_secure):
    server = serve(secure["trusted"], is_secure, ehlo=LOGIN if is_secure else BOTH)
    name = add(world, server, "token", user="alerts", starttls=True)
    world.wait_for(send(world, name), "sent")
    [session] = server.sessions
    assert session.is_secure and len(session.mails) == 1
    assert base64.b64decode(session.user) == b"\0alerts\0" + TOKEN.encode()


@pytest.mark.sanitize
@pytest.mark.parametrize("is_secure", [True, False], ids=["smtps", "STARTTLS"])
def test_a_certificate_that_nobody_vouches_for(world, secure, serve, is_secure):
    server = serve(secure["strange"], is_secure, ehlo=BOTH)
    name = add(world, server, "token", user="alerts", starttls=True)
    ident = send(world, name)
    hold = world.wait_for_hold(name, "nothing was sent: 127.0.0.1:")
    assert "certificate" in hold["reason"]
    assert not [c for c in server.commands if c.startswith(("AUTH", "MAIL"))] and world.row(ident)["attempts"] == 0
    give_up(world, name)


def test_a_certificate_for_another_name(world, secure, serve):
    server = serve(secure["trusted"], False, ehlo=BOTH)
    name = add(world, server, "token", f"smtp://localhost:{server.port}", user="alerts", starttls=True)
    send(world, name)
    world.wait_for_hold(name, "nothing was sent: localhost:")
    assert not [c for c in server.commands if c.startswith(("AUTH", "MAIL"))]
    give_up(world, name)


@pytest.mark.sanitize
@pytest.mark.parametrize("script", [{"ehlo": LOGIN}, {"ehlo": BOTH, "starttls": "454 4.7.0 not now"}, {"ehlo": "502 never heard"}])
def test_without_tls_that_is_needed_nothing_is_said(world, secure, serve, script):
    server = serve(secure["trusted"], False, **script)
    name = add(world, server, "token", user="alerts", starttls=True)
    ident = send(world, name)
    wait_until(lambda: world.hold(name), "the hold")
    assert not [c for c in server.commands if c.startswith(("AUTH", "MAIL"))]
    assert world.row(ident)["attempts"] == 0 and world.row(ident)["send_status"] == "pending"
    give_up(world, name)


def test_a_server_on_this_machine_needs_no_tls(world, serve, secure):
    """Its certificate is mostly one that nobody vouches for."""
    server = serve(secure["strange"], False, ehlo=BOTH)
    name = add(world, server, "token", user="alerts")
    world.wait_for(send(world, name), "sent")
    assert not server.sessions[0].is_secure and server.sessions[0].user


# --- certainly unsent, or in doubt ---


@pytest.mark.sanitize
# Of a server that hangs in the middle of a mail nobody knows how much it took: the kernel takes the largest at once.
@pytest.mark.parametrize("when, how", [pytest.param(when, how, id=f"{when}-{name}") for when in ("greeting", "ehlo", "auth", "mail", "rcpt", "data", "body")
                                       for name, how in (("closed", CLOSE), ("reset", RESET), ("hanging", HANG)) if (when, how) != ("body", HANG)])
def test_lost_before_the_end_is_unsent(world, serve, when, how):
    """The sender waits; no attempt is spent, nothing is in doubt."""
    server = serve(None, False, **{"ehlo": LOGIN, when: how})
    name = add(world, server, "token", user="alerts")
    ident = send(world, name, "x" * 2000 + "\n" * 63_000 + "y" if when == "body" else "short")
    world.wait_for_hold(name, "nothing was sent: 127.0.0.1:")
    row = world.row(ident)
    assert (row["send_status"], row["attempts"], server.mails) == ("pending", 0, [])
    assert {attempt[0:2] for attempt in world.attempts(ident)} == {("wait", "sender")}
    server.script[when] = {"greeting": "220 hi", "ehlo": LOGIN, "auth": "235 ok", "data": "354 go on"}.get(when, "250 ok")
    if when == "body":
        del server.script["body"]
    world.probe_now(name)
    assert world.wait_for(ident, "sent")["attempts"] == 1
    assert len(server.mails) == 1


@pytest.mark.sanitize
@pytest.mark.parametrize("how", [CLOSE, RESET, HANG, "what?", "354 go on", "150 wait", "25", "999 x"],
                         ids=["closed", "reset", "hanging", "not SMTP", "354", "150", "short", "999"])
def test_lost_after_the_end_is_in_doubt(world, serve, how):
    server = serve(end=how)
    name = add(world, server)
    ident = send(world, name)
    row = world.wait_for(ident, "in_doubt")
    assert len(server.mails) == 1 and row["attempts"] == 1
    assert [attempt[0] for attempt in world.attempts(ident)] == ["in_doubt"]


@pytest.mark.sanitize
def test_a_server_that_talks_ahead_is_not_believed(world, serve):
    """Its yes to what it was not told yet is none."""
    server = serve(mail="250 ok\r\n250 ok\r\n354 go on\r\n250 queued")
    name = add(world, server)
    ident = send(world, name)
    world.wait_for_hold(name, "the server answered before all was said")
    assert server.mails == [] and world.row(ident)["attempts"] == 0
    give_up(world, name)


@pytest.mark.sanitize
def test_endless_words_end(world, serve):
    server = serve(rcpt="250-x\r\n" * 100_000 + "250 x")
    name = add(world, server)
    send(world, name)
    world.wait_for_hold(name, "the server's answer is none of SMTP")
    give_up(world, name)
    server = serve(rcpt="550 " + "x" * 1_000_000)
    name = add(world, server)
    assert len(world.wait_for(send(world, name), "failed")["error"]) < 600


def test_a_mail_server_that_hangs_leaves_the_others_alone(world, serve):
    """libcurl by itself would wait for the reply to the end, and to QUIT, and hold everything else up."""
    hanging = [serve(end=HANG), serve(ehlo=LOGIN, auth=HANG), serve(greeting=HANG)]
    names = [add(world, server, *(["token"] if n == 1 else []), **({"user": "u"} if n == 1 else {})) for n, server in enumerate(hanging)]
    idents = [send(world, name) for name in names]
    wait_until(lambda: hanging[0].mails and any("AUTH" in c for c in hanging[1].commands) and hanging[2].sessions, "all three hang")
    took = []
    for _ in range(5):
        began = time.monotonic()
        world.wait_for(world.send("good"), "sent")
        took.append(time.monotonic() - began)
    assert min(took) < 0.3, took
    world.wait_for(idents[0], "in_doubt")
    for name in names:
        give_up(world, name)


# --- what replies mean ---


@pytest.mark.sanitize
@pytest.mark.parametrize(("when", "words", "error"), [
    ("rcpt", "550 5.1.1 <ada.lovelace+test@example.org>: no such user here", "there is no such mailbox (SMTP 550): 5.1.1 […] no such user here"),
    ("rcpt", "550-5.7.1 Go\r\n550 5.7.1 away", "the recipient's server does not want mail from us (SMTP 550): 5.7.1 Go 5.7.1 away"),
    ("end", "552 5.3.4 message too big", "the mail is too large (SMTP 552): 5.3.4 message too big"),
    ("end", "554 5.7.1 spam", "the mail server read the mail and refused it (SMTP 554): 5.7.1 spam"),
    ("data", "554 no valid recipients", "the mail server refused the mail before it was sent (SMTP 554): no valid recipients")])
def test_refused_for_good(world, serve, when, words, error):
    server = serve(**{when: words})
    name = add(world, server)
    row = world.wait_for(send(world, name), "failed")
    assert row["error"] == error and row["attempts"] == 1 and row["response_code"] == int(words[:3])
    assert world.hold(name) is None


def test_refused_in_the_middle_of_the_content(world, serve):
    server = serve(body="552 5.3.4 too big")
    name = add(world, server)
    row = world.wait_for(send(world, name, "x" * 2000 + "\n" * 63_000 + "y"), "failed")
    assert row["error"].startswith("the mail is too large (SMTP 552)") and server.mails == []


@pytest.mark.sanitize
def test_greylisting_waits_and_comes_back(world, serve):
    server = serve(rcpt="451 4.7.1 greylisted, come back later")
    name = add(world, server)
    ident = send(world, name)
    wait_until(lambda: world.attempts(ident), "the first attempt")
    row = wait_until(lambda: (r := world.row(ident))["send_status"] == "pending" and r, "it waits")
    assert (row["next_at"] - datetime.datetime.now(datetime.timezone.utc)).total_seconds() > 240
    assert world.attempts(ident)[0][0:3] == ("wait", "message", 451) and world.hold(name) is None
    server.script["rcpt"] = "250 ok"
    world.db.sql("UPDATE whatsapp_notifications SET next_at = clock_timestamp() WHERE id = %s", ident)
    world.db.sql("SELECT herald.ring_bell()")
    assert world.wait_for(ident, "sent")["attempts"] == 2


@pytest.mark.sanitize
@pytest.mark.parametrize(("script", "reason"), [
    ({"greeting": "554 5.7.1 we don't like you"}, "the mail server refused us; check base_url (SMTP 554): 5.7.1 we don't like you"),
    ({"greeting": "421 busy"}, "the mail server is closing, or too busy (SMTP 421): busy"),
    ({"auth": "535 5.7.8 bad"}, "user or password were refused; renew the credential, or correct account.user (SMTP 535): 5.7.8 bad"),
    ({"auth": "454 4.7.0 later"}, "the mail server can't check the log-in, or use TLS, for now (SMTP 454)"),
    ({"mail": "530 5.7.0 log in"}, "the mail server wants a log-in, or TLS; set account.user and the credential, or account.starttls (SMTP 530)"),
    ({"mail": "553 5.1.8 who?"}, "the mail server does not take account.from; correct it (SMTP 553)"),
    ({"rcpt": "554 5.7.1 <x@y>: Relay access denied"}, "the mail server passes nothing on for us"),
    ({"rcpt": "421 4.3.2 closing"}, "the mail server is closing"),
    ({"end": "421 4.3.2 closing"}, "the mail server is closing"),
    ({"end": "452 4.3.1 full"}, "the mail server has no room for now (SMTP 452)")])
def test_the_sender_is_held(world, serve, script, reason):
    server = serve(**{"ehlo": LOGIN, **script})
    name = add(world, server, "token", user="alerts")
    ident = send(world, name)
    world.wait_for_hold(name, reason)
    assert world.row(ident)["attempts"] == 0
    server.script.update({"greeting": "220 hi", "auth": "235 ok", "mail": "250 ok", "rcpt": "250 ok", "end": "250 ok"})
    world.probe_now(name)
    assert world.wait_for(ident, "sent")["attempts"] == 1


def test_no_password_and_no_address_in_the_log(world, serve):
    server = serve(ehlo=LOGIN, rcpt=f"550 5.1.1 <{KEPT}> {TOKEN} ada.lovelace unknown")
    name = add(world, server, "token", user="alerts")
    row = world.wait_for(send(world, name), "failed")
    output = world.daemon.output()
    for secret in (TOKEN, KEPT, ADA, base64.b64encode(b"\0alerts\0" + TOKEN.encode()).decode()):
        assert secret not in output and secret not in row["error"]


# --- addresses ---


@pytest.mark.parametrize(("address", "kept"), [
    ("ada@example.org", "ada@example.org"), ("A.b+c@EXAMPLE.Org", "A.b+c@example.org"), ("root@localhost", "root@localhost"),
    ("o'brien@x-y.example", "o'brien@x-y.example"), ("x" * 64 + "@example.org", "x" * 64 + "@example.org"),
    ("x" * 65 + "@example.org", None), ("x@" + "y" * 64 + ".org", None), ("x@" + "yy." * 70 + "org", None), ("ada", None), ("@example.org", None),
    ("ada@", None), ("ada@@example.org", None), ("a@b@c", None), (".ada@example.org", None), ("a..b@example.org", None), ("ada.@example.org", None),
    ("ada@-example.org", None), ("ada@example-.org", None), ("ada@example..org", None), ("ada@.example.org", None), ("ada@example.org.", None),
    ("ada lovelace@example.org", None), ("<ada@example.org>", None), ("ada@example.org,bob@example.org", None), ("ada@exam\nple.org", None),
    ("ada@example.org\n", None), (" ada@example.org ", "ada@example.org"), ('"a b"@example.org', None), ("ädä@example.org", None), ("ada@exämple.org", None), ("a@[127.0.0.1]", None)])
def test_addresses(shared, address, kept):
    row = shared.db.row("SELECT * FROM herald.resolve(%s, 'email', NULL, '')", address)
    assert (row["target"], row["target_kind"]) == (kept, "individual" if kept else None)
    assert bool(row["problem"]) == (kept is None)


def test_recipients_by_name(world, serve):
    server = serve()
    name = add(world, server)
    world.db.sql("INSERT INTO herald.recipients (name, channel, kind, address) VALUES ('Ada', 'email', 'individual', %s), ('All', 'email', 'group', %s)", ADA, ADA)
    world.add_rule("mailed", [{"dedup_key": "1", "recipient": "Ada", "body": "by name"}, {"dedup_key": "2", "recipient": "All", "body": "x"},
                              {"dedup_key": "3", "recipient": "+8801711000001", "body": "x"}], channel="email", sender=name)
    row = world.planned("mailed", "1", "sent")
    assert (row["target"], row["target_kind"], row["channel"]) == (KEPT, "individual", "email")
    assert "email knows no groups" in world.planned("mailed", "2", "suppressed")["error"]
    assert "no email address" in world.planned("mailed", "3", "suppressed")["error"]
    assert [m.text for m in server.mails] == ["by name\n"]
