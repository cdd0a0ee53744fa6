"""A life with everything in it that may go wrong: the token is seen by nobody but its gateway, and people's numbers and
messages stay out of the logs."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from conftest import environment, pgherald, wait_until
from hostile import Answer, http
from test_web import Web, status, webhook
from world import World

TOKEN = "EAAGcanary/Tok3n+zX9qLw7RtY2uVb5Nc8MdKe1Jf4Hg6Ss0AaPpOoIiUu"
BODY = "Canary sings of meter ZX-81 at daybreak"
NUMBER = "+8801799881234"
PASSWORD = "canary-password-of-the-database"


def pieces(secret, size=12):
    """What would still give a part of it away."""
    return {secret[i:i + size] for i in range(len(secret) - size + 1)}


def forms(secret):
    """The secret in parts, and as it may stand inside JSON, base64 or a URL."""
    raw = pieces(secret)
    return {text.encode() for text in raw} | {base64.b64encode(secret.encode())[4:40]}


def find(haystack, needles):
    """Those that are there, for the message of an assertion."""
    haystack = haystack if isinstance(haystack, bytes) else haystack.encode()
    return [needle for needle in needles if needle in haystack]


def echo(status, *, headers=(), plain=False):
    """A gateway that tells everything it knows in its error text: token, number and message."""
    def answer(request):
        token = next((request.headers[name] for name in ("authorization", "x-api-key", "apikey") if name in request.headers), "")
        told, body = request.body.decode(), request.json
        to = next(body[key] for key in ("to", "phone", "chatId", "number") if key in body).removesuffix("@c.us").lstrip("+")
        text = f"bad request with {token} for +{to}, {to} and +{to[:3]} {to[3:7]}-{to[7:]}: {BODY} in {told}"
        if plain:
            return http(text.encode(), status, headers)
        return http({"error": {"message": text, "code": 1, "error_data": {"details": text}}, "message": text, "echo": {"t": token}}, status, headers)
    return answer


GATEWAYS = {
    "e400": echo(400), "e401": echo(401), "e403": echo(403), "e404": echo(404), "e429": echo(429), "e500": echo(500), "e502": echo(502),
    "e200": echo(200), "e201": echo(201), "p400": echo(400, plain=True), "p500": echo(500, plain=True), "p200": echo(200, plain=True),
    "e307": echo(307, headers=["Location: http://127.0.0.1:1/"]), "cut": lambda request: None,
    "hang": lambda request: Answer(b"", after_sec=2), "garbage": lambda request: Answer(b"\xff\0" + request.body + b"\r\n\r\n", close=True),
    "short": lambda request: Answer(b"HTTP/1.1 400 " + request.body + b"\r\nContent-Length: 900\r\n\r\n" + request.body, close=True),
}


def live(world):
    """Messages by every gateway and every kind of answer, retries, probes, a rule, a reload, the whole command line."""
    hostile, idents = world.hostile, []
    hostile.routes.update(GATEWAYS)
    header = {"body": {"to": "{{target}}", "text": "{{body}}"}, "headers": {"X-Api-Key": "{{credential}}"}, "success": {"path": "id"}}
    for route in GATEWAYS:
        for gateway, account in (("cloud", None), ("twilio", None), ("wppconnect", None), ("webhook", header), ("webjs", None), ("waha", None),
                                 ("evolution", None)):
            name = f"{gateway}-{route}"
            world.add_sender(name, gateway, f"{hostile.url}/{route}", account, "canary_token")
            idents.append(world.send(name, BODY, NUMBER[:-4] + f"{1234 + len(idents):04d}"))
    for gateway in ("cloud", "twilio", "wppconnect", "webjs", "waha", "evolution"):
        world.add_sender(f"{gateway}-works", gateway, world.sandbox.url, None, "canary_token")
        idents.append(world.send(f"{gateway}-works", BODY, NUMBER))
    world.add_sender("cloud-away", "cloud", "http://127.0.0.1:1", None, "canary_token")
    world.add_sender("cloud-odd", "cloud", f"http://127.0.0.1:1/{NUMBER[1:]} x", None, "canary_token")
    idents += [world.send("cloud-away", BODY, NUMBER), world.send("cloud-odd", BODY, NUMBER)]
    world.db.sql("INSERT INTO herald.templates (name, body, gateway_name, parameters) VALUES ('canary', %s, 'canary', '{x}')", BODY + " {{x}}")
    world.add_rule("canaries", [{"dedup_key": "1", "recipient": NUMBER, "data": json.dumps({"x": BODY}), "sender": "cloud-e400"},
                                {"dedup_key": "2", "recipient": NUMBER[:6], "data": json.dumps({"x": BODY}), "sender": "cloud-e400"},
                                {"dedup_key": "3", "recipient": NUMBER, "data": json.dumps({"y": BODY}), "sender": "cloud-e400"}],
                   template="canary", in_doubt_grace="0 s")
    fail_to_evaluate(world)
    for ident in idents:
        wait_until(lambda: world.row(ident)["error"] or world.row(ident)["send_status"] == "sent", f"{ident} was tried")  # noqa: B023
    for key, status in (("1", ("failed", "pending")), ("2", ("suppressed",)), ("3", ("failed",))):
        world.planned("canaries", key, *status)
    for sender in world.db.column("SELECT name FROM herald.holds WHERE kind = 'sender'"):
        world.probe_now(sender)
    world.daemon.send_signal(1)
    wait_until(lambda: "configuration and secrets are read again" in world.daemon.output(), "the reload")
    world.wait_for(world.send("good"), "sent")
    return idents


def fail_to_evaluate(world):
    """Two rules that PostgreSQL can't evaluate, and says so in words that quote the row: by a captured key, and by a sweep."""
    world.db.sql("""CREATE TABLE public.sung (key int PRIMARY KEY, words text); GRANT SELECT ON public.sung TO herald_rules;
                    CREATE VIEW public.songs AS SELECT key, key::text AS dedup_key, '+8801700000000' AS recipient,
                        jsonb_build_object('x', words::int) AS data FROM public.sung;
                    CREATE VIEW public.singing AS SELECT dedup_key, recipient, data FROM public.songs;
                    GRANT SELECT ON public.songs, public.singing TO herald_rules""")
    for rule in ("songs", "singing"):
        world.db.sql("SELECT herald.add_rule(%s, %s::regclass)", rule, f"public.{rule}")
    world.db.sql("SELECT herald.watch('public.sung', 'songs', 'key')")
    world.db.sql("SELECT herald.resume('rule', 'songs')")
    wait_until(lambda: world.db.value("SELECT swept_at FROM herald.rules WHERE name = 'songs'"), "the first sweep")
    world.db.sql("INSERT INTO public.sung VALUES (1, %s), (2, %s)", BODY, NUMBER)
    world.db.sql("SELECT herald.resume('rule', 'singing')")
    wait_until(lambda: world.db.value("SELECT count(*) FROM herald.set_aside WHERE rule = 'songs'") == 2, "the keys are set aside")
    error = wait_until(lambda: world.db.value("SELECT error FROM herald.rules WHERE name = 'singing'"), "the rule's error")
    assert "invalid input syntax" in error, "the test tests nothing"


def everything_in_the_database(world):
    """All rows of all tables of pgherald, as text."""
    tables = world.db.column("SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                             " WHERE c.relkind IN ('r', 'p', 'v', 'm') AND (n.nspname = 'herald' OR c.relname = 'whatsapp_notifications')")
    assert len(tables) > 15
    return {table: "\n".join(world.db.column(f"SELECT t::text FROM {table} t")) for table in tables}


def command_line_of(world, *arguments):
    """What a verb prints, with the daemon's own configuration."""
    done = subprocess.run([world.daemon.process.args[0], "--config", world.daemon.config, *map(str, arguments)],
                          capture_output=True, text=True, env=environment(), check=False, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def command_line(world, ident):
    """What every verb that only looks prints."""
    said = ""
    for arguments in (["status"], ["status", "--json"], ["list", "--limit", "500"], ["list", "--json"], ["show", ident], ["check"],
                      ["preview", "canary"], ["sweep", "--dry-run"], ["--dump-config"], ["retry", ident], ["cancel", ident]):
        said += command_line_of(world, *arguments)
    return said


@pytest.mark.parametrize("level", ["info", pytest.param("debug", marks=pytest.mark.sanitize)])
def test_secrets_stay_secret_and_people_stay_out_of_the_logs(cluster, template, tmp_path, level):
    cluster.sql("DO $$ BEGIN IF to_regrole('canary_daemon') IS NULL THEN"
                f" CREATE ROLE canary_daemon LOGIN SUPERUSER PASSWORD '{PASSWORD}'; END IF; END $$")
    server_log = cluster.directory / "log"
    at = server_log.stat().st_size
    cluster.sql("ALTER ROLE canary_daemon SET log_statement = 'all'; ALTER ROLE canary_daemon SET log_parameter_max_length = 0")
    (tmp_path / "credentials").mkdir(mode=0o700)
    (tmp_path / "credentials" / "canary_token").write_text(TOKEN + "\n")
    (tmp_path / "credentials" / "canary_token").chmod(0o600)
    world = World(cluster, template, tmp_path, user=f"canary_daemon password={PASSWORD}", log_level=level)
    idents = live(world)

    process = Path(f"/proc/{world.daemon.pid}")
    secrets = forms(TOKEN) | {PASSWORD.encode()}
    assert not find((process / "cmdline").read_bytes(), secrets)
    assert not find((process / "environ").read_bytes(), secrets)
    activity = "\n".join(world.db.column("SELECT a::text FROM pg_stat_activity a"))
    assert "pgherald dispatcher" in activity and not find(activity, secrets)
    for table, rows in everything_in_the_database(world).items():
        assert not find(rows, secrets), table
    assert not find(command_line(world, idents[0]), secrets)
    assert not find("\n".join(world.daemon.states()), secrets)
    people = {text.encode() for text in pieces(BODY, 16) | {NUMBER[1:10], NUMBER[4:-4], "1799-881"}}
    for column in ("error FROM whatsapp_notifications", "error FROM herald.attempts", "reason FROM herald.holds"):
        assert not find("\n".join(filter(None, world.db.column(f"SELECT {column}"))), people), column
    # PostgreSQL's words about a rule may quote its rows: they are for who may read them, and not for the log.
    status_said = [line for line in command_line_of(world, "status").splitlines() if "invalid input syntax" not in line]
    assert len(status_said) > 20 and not find("\n".join(status_said), people)
    kept = world.db.column("SELECT response_body FROM whatsapp_notifications WHERE response_body LIKE '%%bad request with%%'")
    assert kept and all("[…]" in body for body in kept), "the test tests nothing"

    world.close()
    said = world.daemon.output()
    assert f"{'debug' if level == 'debug' else 'info'}: " in said
    assert not find(said, secrets)
    assert not find(said, people)
    assert said.count("PRIORITY") == 0
    with server_log.open("rb") as log:
        log.seek(at)
        # An error of a person's own statement, here of a dry run, is PostgreSQL's to log.
        server_said = b"".join(line for line in log if b"ERROR:  invalid input syntax" not in line)
    assert b"herald.turn" in server_said and not find(server_said, secrets - {PASSWORD.encode()} | people)
    assert server_said.count(PASSWORD.encode()) == server_said.count(b"CREATE ROLE canary_daemon")


@pytest.mark.parametrize("dsn", ["postgresql://u:PASSWORD@[", "postgresql://u:x/PASSWORD@127.0.0.1:1/db", "postgresql://u:PASSWORD/x@127.0.0.1:1/db",
                                 "postgresql://u:x@PASSWORD@127.0.0.1:1/db", "postgresql://u:PASSWORD%zz@127.0.0.1:1/db",
                                 "host=127.0.0.1 port=1 password=PASSWORD battery staple", "host=127.0.0.1 port=1 password=correct PASSWORD staple",
                                 "host=127.0.0.1 port=1 password='PASSWORD", 'postgresql://u:a"PASSWORD@[x', "host=127.0.0.1 port=1 password=PASSWORD"])
def test_no_error_quotes_a_password(dsn):
    """libpq does, where it can't make sense of a connection string."""
    done = pgherald("--dsn", dsn.replace("PASSWORD", PASSWORD), "status", status=1)
    assert done.stderr.startswith("pgherald: ") and not find(done.stdout + done.stderr, {PASSWORD.encode()}), done.stderr


def test_the_token_of_a_unit_is_not_in_the_environment(cluster, template, tmp_path):
    """Given by systemd's LoadCredential=: a directory that only the environment names."""
    loaded = tmp_path / "loaded"
    loaded.mkdir()
    (loaded / "token").write_text(TOKEN)
    world = World(cluster, template, tmp_path, env={"CREDENTIALS_DIRECTORY": str(loaded)})
    world.hostile.routes["wire"] = http({"messages": [{"id": "wamid.1"}]})
    world.add_sender("loaded", "cloud", f"{world.hostile.url}/wire", None, "token")
    world.wait_for(world.send("loaded"), "sent")
    assert world.hostile.at("wire")[0].headers["authorization"] == f"Bearer {TOKEN}", "that of systemd comes first"
    assert not find(Path(f"/proc/{world.daemon.pid}/environ").read_bytes(), forms(TOKEN))
    world.close()
    assert not find(world.daemon.output(), forms(TOKEN))


def incoming(text):
    """A message from a person, as the Cloud API tells of it."""
    told = webhook()
    told["entry"][0]["changes"][0]["value"]["messages"] = [{"from": NUMBER[1:], "id": "wamid.in", "type": "text", "text": {"body": text}}]
    return told


@pytest.mark.sanitize
def test_what_webhooks_tell_of_people_is_not_logged(cluster, template, tmp_path):
    """Receipts that are right, forged, broken, and of failures in words that hold everything, with the web process at level debug."""
    keys = {"app": TOKEN, "verify": f"verify-{TOKEN}", "path": f"path-{TOKEN}"}
    world = World(cluster, template, tmp_path)
    world.add_sender("wa", "cloud", f"{world.hostile.url}/away", {"phone_number_id": "1065", "app_secret": "app", "verify_token": "verify"}, "token")
    world.add_sender("wpp", "wppconnect", f"{world.hostile.url}/away", {"session": "alerts", "webhook_secret": "path"}, "token")
    ident = world.send("good", BODY, NUMBER)
    attempt = world.wait_for(ident, "sent")["attempt_id"]
    world.db.sql("UPDATE whatsapp_notifications SET sender = 'wa', message_id = 'wamid.out' WHERE id = %s", ident)
    web = Web(tmp_path, world.db, secrets=keys)
    told = f"{BODY} to {NUMBER} or {NUMBER[:4]} {NUMBER[4:8]}-{NUMBER[8:]} with {TOKEN}"
    failed = status("wamid.out", "failed", (ident, attempt), recipient_id=NUMBER[1:],
                    errors=[{"code": int(NUMBER[1:]), "title": told, "error_data": {"details": told}}])
    for body in (incoming(told), webhook(status("wamid.other", "delivered", recipient_id=NUMBER[1:]), number="1065"), webhook(failed, number="1065"),
                 told.encode(), b"[" * 10000, json.dumps(told).encode()):
        assert web.post_cloud(body, keys["app"]) in (200, 400)
        assert web.post_cloud(body, "another secret") == 401
    for path in (f"/wppconnect/{keys['path']}", f"/wppconnect/{keys['path']}x", f"/{told}".replace(" ", "%20"), f"/wppconnect/{NUMBER}"):
        web.call("POST", path, json.dumps({"event": "onmessage", "session": NUMBER, "body": told, "from": NUMBER}))
        web.call("GET", path)
    answer = web.get(f"/cloud?hub.mode=subscribe&hub.challenge=1&hub.verify_token={keys['verify']}".replace("+", "%2B"))
    assert answer == (200, "1")
    row = world.wait_for(ident, "failed")
    process = Path(f"/proc/{web.pid}")
    shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes() + "\n".join(
        world.db.column("SELECT a::text FROM pg_stat_activity a")).encode() + web.get("/metrics")[1].encode()
    assert web.stop() == 0
    people = {text.encode() for text in pieces(BODY, 16) | {NUMBER[1:10], NUMBER[4:-4]}}
    assert "webhooks refused" in web.output(), "the test tests nothing"
    assert not find(web.output(), forms(TOKEN) | people)
    assert not find(shown, forms(TOKEN) | people)
    assert row["error"] and not find(row["error"], {NUMBER[1:10].encode(), NUMBER[4:].encode()})
    world.close()
    assert not find(world.daemon.output(), forms(TOKEN) | people)


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_row_that_the_server_quotes_is_logged(cluster, template, tmp_path, level):
    """It does in the detail of an error: "Failing row contains (…)". The detail is there for debugging."""
    world = World(cluster, template, tmp_path, log_level=level)
    world.db.sql("ALTER TABLE whatsapp_notifications ADD CONSTRAINT canary CHECK (send_status NOT IN ('sent', 'delivered'))")
    world.hostile.routes["wire"] = http({"messages": [{"id": "wamid.1"}]})
    world.add_sender("wa", "cloud", f"{world.hostile.url}/wire", {"phone_number_id": "1065", "app_secret": "app"}, "token")
    keys = {"app": TOKEN}
    web = Web(tmp_path, world.db, secrets=keys, log_level=level)
    ident = world.send("wa", BODY, NUMBER)
    wait_until(lambda: "violates check constraint" in world.daemon.output(), "an error")
    attempt = world.wait_for(ident, "in_doubt")["attempt_id"]
    web.post_cloud(webhook(status("wamid.1", "delivered", (ident, attempt)), number="1065"), keys["app"])
    wait_until(lambda: "violates check constraint" in web.output(), "an error of web's")
    world.db.sql("ALTER TABLE whatsapp_notifications DROP CONSTRAINT canary")
    web.stop()
    world.close()
    people = {text.encode() for text in pieces(BODY, 16) | {NUMBER[1:10], NUMBER[4:-4]}}
    for process in (world.daemon, web):
        assert bool(find(process.output(), people)) == (level == "debug"), process.output()
