"""A life with everything in it that may go wrong: the token is seen by nobody but its gateway, and people's numbers and
messages stay out of the logs."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from conftest import environment, pgherald, wait_until
from hostile import http
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
}


def live(world):
    """Messages by every gateway and every kind of answer, retries, probes, a rule, a reload, the whole command line."""
    hostile, idents = world.hostile, []
    hostile.routes.update(GATEWAYS)
    header = {"body": {"to": "{{target}}", "text": "{{body}}"}, "headers": {"X-Api-Key": "{{credential}}"}, "success": {"path": "id"}}
    for route in GATEWAYS:
        for gateway, account in (("cloud", None), ("wppconnect", None), ("webhook", header), ("webjs", None), ("waha", None), ("evolution", None)):
            name = f"{gateway}-{route}"
            world.add_sender(name, gateway, f"{hostile.url}/{route}", account, "canary_token")
            idents.append(world.send(name, BODY, NUMBER[:-4] + f"{1234 + len(idents):04d}"))
    for gateway, account in (("cloud", None), ("wppconnect", None), ("webjs", None), ("waha", None), ("evolution", None)):
        world.add_sender(f"{gateway}-works", gateway, world.sandbox.url, account, "canary_token")
        idents.append(world.send(f"{gateway}-works", BODY, NUMBER))
    world.add_sender("cloud-away", "cloud", "http://127.0.0.1:1", None, "canary_token")
    world.add_sender("cloud-odd", "cloud", f"http://127.0.0.1:1/{NUMBER[1:]} x", None, "canary_token")
    idents += [world.send("cloud-away", BODY, NUMBER), world.send("cloud-odd", BODY, NUMBER)]
    world.db.sql("INSERT INTO herald.templates (name, body, gateway_name, parameters) VALUES ('canary', %s, 'canary', '{x}')", BODY + " {{x}}")
    world.add_rule("canaries", [{"dedup_key": "1", "recipient": NUMBER, "data": json.dumps({"x": BODY}), "sender": "cloud-e400"},
                                {"dedup_key": "2", "recipient": NUMBER[:6], "data": json.dumps({"x": BODY}), "sender": "cloud-e400"},
                                {"dedup_key": "3", "recipient": NUMBER, "data": json.dumps({"y": BODY}), "sender": "cloud-e400"}],
                   template="canary", in_doubt_grace="0 s")
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


def everything_in_the_database(world):
    """All rows of all tables of pgherald, as text."""
    tables = world.db.column("SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                             " WHERE c.relkind IN ('r', 'p', 'v', 'm') AND (n.nspname = 'herald' OR c.relname = 'whatsapp_notifications')")
    assert len(tables) > 15
    return {table: "\n".join(world.db.column(f"SELECT t::text FROM {table} t")) for table in tables}


def command_line(world, ident):
    """What every verb that only looks prints, with the daemon's own configuration."""
    said = ""
    for arguments in (["status"], ["status", "--json"], ["list", "--limit", "500"], ["list", "--json"], ["show", ident], ["check"],
                      ["preview", "canary"], ["sweep", "--dry-run"], ["--dump-config"], ["retry", ident], ["cancel", ident]):
        done = subprocess.run([world.daemon.process.args[0], "--config", world.daemon.config, *map(str, arguments)],
                              capture_output=True, text=True, env=environment(), check=False, stdin=subprocess.DEVNULL)
        said += done.stdout + done.stderr
    return said


@pytest.mark.parametrize("level", ["info", pytest.param("debug", marks=pytest.mark.sanitize)])
def test_secrets_stay_secret_and_people_stay_out_of_the_logs(cluster, template, tmp_path, level):
    cluster.sql("DO $$ BEGIN IF to_regrole('canary_daemon') IS NULL THEN"
                f" CREATE ROLE canary_daemon LOGIN SUPERUSER PASSWORD '{PASSWORD}'; END IF; END $$")
    server_log = cluster.directory / "log"
    at = server_log.stat().st_size
    cluster.sql("ALTER ROLE canary_daemon SET log_statement = 'all'")
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
    kept = world.db.column("SELECT response_body FROM whatsapp_notifications WHERE response_body LIKE '%%bad request with%%'")
    assert kept and all("[…]" in body for body in kept), "the test tests nothing"

    world.close()
    said = world.daemon.output()
    people = {text.encode() for text in pieces(BODY, 16) | {NUMBER[1:10], NUMBER[4:-4], "1799-881"}}
    assert f"{'debug' if level == 'debug' else 'info'}: " in said
    assert not find(said, secrets)
    assert not find(said, people)
    assert said.count("PRIORITY") == 0
    with server_log.open("rb") as log:
        log.seek(at)
        server_said = log.read()
    assert b"herald.turn" in server_said and not find(server_said, secrets - {PASSWORD.encode()})
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
