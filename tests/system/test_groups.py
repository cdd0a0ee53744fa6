"""The groups that an account is in: pgherald groups lists them as each gateway tells, and pgherald check finds those of the mapping table
that it is not in."""

import itertools
import json
import re
import subprocess
from pathlib import Path

import pytest

from conftest import PGHERALD, environment, free_port
from daemon import Sandbox
from hostile import Answer, Hostile, http
from world import TOKEN, TWILIO

FIELD, NORTH, NIGHT = "120363021234567890@g.us", "120363041234567890@g.us", "8801711000000-1412345678@g.us"
CLOUD_FIELD, CLOUD_NORTH = "Y2FwaV9ncm91cDo4ODAxNzAwMDAwMDAwOjEyMDM2MzA", "Y2FwaV9ncm91cDo4ODAxNzAwMDAwMDAwOjEyMDM2MzE"
ACCOUNTS = {"cloud": {"phone_number_id": "1065"}, "evolution": {"instance": "s"}, "waha": {"session": "s"}, "webjs": {"session": "s"},
            "wppconnect": {"session": "s"}}
MOST_MB = 24

pytestmark = pytest.mark.sanitize


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"), "--token", TOKEN)
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def hostile():
    server = Hostile()
    yield server
    server.stop()


@pytest.fixture
def credentials(tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    return {"PGHERALD_CREDENTIALS_DIR": str(tmp_path)}


def add(db, name, gateway, url, account=None):
    db.sql("INSERT INTO herald.senders (name, gateway, base_url, account, credential) VALUES (%s, %s, %s, %s, 'token')", name, gateway, url,
           json.dumps(ACCOUNTS[gateway] if account is None else account))


def listed(db, credentials, name="wa"):
    return json.loads(db.pgherald("groups", name, "--json", status=0, env=credentials).stdout)


def refused(db, credentials, name="wa"):
    done = db.pgherald("groups", name, status=1, env=credentials)
    assert done.stdout == "" and TOKEN not in done.stderr
    return done.stderr


# --- each gateway ---


@pytest.mark.parametrize("gateway", ACCOUNTS)
def test_each_gateway_tells_its_groups(db, sandbox, credentials, gateway):
    add(db, "wa", gateway, sandbox.url)
    groups = [(CLOUD_FIELD, "Field team"), (CLOUD_NORTH, "North district")] if gateway == "cloud" else [
        (FIELD, "Field team"), (NIGHT, "Night shift 🌙"), (NORTH, "North district")]
    assert [(g["id"], g["name"]) for g in listed(db, credentials)] == groups


def test_as_a_table(db, sandbox, credentials):
    add(db, "wa", "waha", sandbox.url)
    db.sql("INSERT INTO herald.recipients (name, kind, address, sender) VALUES ('ward 7', 'group', %s, 'wa'), ('ward 8', 'group', %s, NULL)", FIELD, FIELD)
    lines = db.pgherald("groups", "wa", status=0, env=credentials).stdout.splitlines()
    assert [re.split(r"  +", line) for line in lines] == [
        ["id", "name", "recipient"], [FIELD, "Field team", "ward 7, ward 8"], [NIGHT, "Night shift 🌙"], [NORTH, "North district"]]
    assert len({line.index(word) for line, word in zip(lines[1:], ("Field", "Night", "North"))}) == 1, "aligned"


SHAPES = {
    "webjs": {"success": True, "chats": [{"id": {"_serialized": FIELD, "user": "x"}, "name": "A\n\x1b[31m", "isGroup": True, "lastMessage": {"id": {"_serialized": NIGHT}}},
                                         {"id": {"_serialized": NORTH}, "groupMetadata": {"subject": "B"}}, {"id": {"_serialized": NIGHT}, "name": "left", "isReadOnly": True},
                                         {"id": {"_serialized": "8801712345678@c.us"}, "name": "Ada"}, None, 5]},
    "waha": {FIELD: {"id": FIELD, "subject": "A\n\x1b[31m", "participants": [{"id": NIGHT, "name": "x"}]}, NORTH: {"JID": NORTH, "Name": "B"}},
    "evolution": [{"id": FIELD, "subject": "A\n\x1b[31m"}, {"subject": "none"}, {"id": NORTH, "subject": "B"}, {"id": NORTH, "subject": "B"}],
    "wppconnect": [{"id": FIELD, "contact": {"formattedName": "A\n\x1b[31m", "name": "x"}}, {"id": {"_serialized": NORTH}, "name": "", "formattedTitle": "B"}],
    "cloud": {"data": {"groups": [{"id": CLOUD_FIELD, "subject": "A\n\x1b[31m"}, {"id": FIELD, "subject": "no such"}, {"id": CLOUD_NORTH, "subject": "B"}]},
              "paging": {"cursors": {"after": "x"}}},
}


@pytest.mark.parametrize("gateway", SHAPES)
def test_other_forms_of_the_same(db, hostile, credentials, gateway):
    """By engine and version; what is no group, or not to be written to, is passed over, and names hold no control byte."""
    hostile.routes["x"] = http(SHAPES[gateway])
    add(db, "wa", gateway, f"{hostile.url}/x")
    field, north = (CLOUD_FIELD, CLOUD_NORTH) if gateway == "cloud" else (FIELD, NORTH)
    assert [(g["id"], g["name"]) for g in listed(db, credentials)] == [(field, r"A\x0a\x1b[31m"), (north, "B")]
    request, = hostile.requests
    assert {"cloud": "/v25.0/1065/groups?limit=1024", "waha": "/api/s/groups?exclude=participants", "webjs": "/client/getChats/s",
            "evolution": "/group/fetchAllGroups/s?getParticipants=false", "wppconnect": "/api/s/list-chats"}[gateway] == request.path[2:]
    assert request.method == ("POST" if gateway == "wppconnect" else "GET")


# --- what goes wrong ---


@pytest.mark.parametrize("gateway, status, answer, words", [
    ("cloud", 401, {"error": {"code": 190, "message": "expired"}}, "token"),
    ("cloud", 200, {"data": []}, "no list of groups; check base_url"),
    ("evolution", 404, {"response": {"message": ['The "s" instance does not exist']}}, "correct account.instance"),
    ("waha", 422, {"error": "Session status is not as expected. Try again"}, "start or pair it"),
    ("webjs", 404, {"success": False, "error": "session_not_connected"}, "start or pair it"),
    ("webjs", 403, {"success": False, "error": "Invalid API key"}, "renew the credential"),
    ("webjs", 200, {"success": False}, "no list of groups"),
    ("wppconnect", 404, {"status": "Disconnected"}, "start or pair it"),
    ("wppconnect", 200, b"<html>", "no list of groups"),
    ("wppconnect", 200, b'[{"id":', "no list of groups"),
    ("wppconnect", 200, b"[" * 100, "no list of groups"),
    ("wppconnect", 200, b"", "no list of groups"),
])
def test_a_refusal_names_the_remedy(db, hostile, credentials, gateway, status, answer, words):
    hostile.routes["x"] = http(answer, status)
    add(db, "wa", gateway, f"{hostile.url}/x")
    said = refused(db, credentials)
    assert said.startswith("pgherald: sender wa: its groups can't be had: ") and words in said, said


def test_nobody_there(db, credentials):
    add(db, "wa", "waha", f"http://127.0.0.1:{free_port()}")
    assert "cannot connect: Connection refused" in refused(db, credentials)


def test_who_can_be_asked(db, credentials):
    add(db, "tw", "twilio", "", TWILIO)
    add(db, "bad", "waha", "http://127.0.0.1:3000", {})
    db.sql("UPDATE herald.senders SET credential = 'none' WHERE name = 'bad'")
    assert "its gateway twilio knows no groups; cloud, evolution, waha, webjs and wppconnect do" in refused(db, credentials, "tw")
    assert 'there is no sender "x"; there are bad, tw' in refused(db, credentials, "x")
    assert "sender bad: " in refused(db, credentials, "bad")
    assert db.pgherald("groups", status=2, env=credentials).stderr


# --- many ---


def many(count, padding):
    """Chats as whatsapp-web.js has them, each with participants and a last message, a piece at a time."""
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b'{"success":true,"chats":['
    for i in range(count):
        chat = {"lastMessage": {"body": "x" * padding}, "id": {"_serialized": f"1203630{i:012d}@g.us"}, "name": f"Group {i:05d}", "isGroup": True,
                "groupMetadata": {"participants": [{"id": {"_serialized": f"88017{j:08d}@c.us"}} for j in range(40)]}}
        yield (b"," if i else b"") + json.dumps(chat).encode()
    yield b"]}"


def test_ten_thousand_groups_in_bounded_memory(db, hostile, credentials):
    """80 MB of an answer, of which a megabyte is kept."""
    hostile.routes["x"] = lambda request: Answer(many(10000, 5000), close=True)
    add(db, "wa", "webjs", f"{hostile.url}/x")
    with subprocess.Popen([PGHERALD, "--dsn", db.dsn(), "groups", "wa", "--json"], stdout=subprocess.PIPE, env=environment(**credentials)) as process:
        first = process.stdout.read(1)  # a pipe does not hold it all: it has done its work, and waits for us
        most = int(re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(encoding="ascii"), re.M)[1]) / 1024
        groups = json.loads(first + process.stdout.read())
    assert process.returncode == 0 and len(groups) == 10000
    assert (groups[0]["name"], groups[-1]["name"]) == ("Group 00000", "Group 09999")
    assert "sanitize" in PGHERALD or most < MOST_MB, f"{most:.1f} MB"


@pytest.mark.parametrize("answer, words", [
    (lambda: itertools.chain([b'HTTP/1.1 200 OK\r\n\r\n{"chats":["'], itertools.repeat(b"x" * 65536)), "no list of groups"),
    (lambda: many(40000, 0), "it is in more than 32768 groups")])
def test_what_does_not_end_is_ended(db, hostile, credentials, answer, words):
    hostile.routes["x"] = lambda request: Answer(answer(), close=True)
    add(db, "wa", "webjs", f"{hostile.url}/x")
    assert words in refused(db, credentials)


def test_pages_that_do_not_end_are_ended(db, hostile, credentials):
    hostile.routes["x"] = http({"data": {"groups": [{"id": CLOUD_FIELD, "subject": "A"}]}, "paging": {"cursors": {"after": "a/&b"}, "next": "https://x"}})
    add(db, "wa", "cloud", f"{hostile.url}/x")
    assert [g["id"] for g in listed(db, credentials)] == [CLOUD_FIELD]
    assert len(hostile.requests) == 64 and hostile.requests[1].path.endswith("groups?limit=1024&after=a%2F%26b")


# --- check ---


def test_check_finds_groups_that_the_account_is_not_in(db, sandbox, credentials):
    add(db, "wa", "waha", sandbox.url)
    add(db, "other", "wppconnect", sandbox.url)
    db.sql("""INSERT INTO herald.recipients (name, kind, address, sender) VALUES
              ('in', 'group', %s, 'wa'), ('out', 'group', '120363099999999999@g.us', 'wa'), ('whose', 'group', '120363088888888888@g.us', NULL),
              ('person', 'individual', '+8801711000001', 'wa')""", FIELD)
    said = db.pgherald("check", status=1, env=credentials).stdout
    assert 'recipient "out": the account of sender "wa" is not in its group 120363099999999999@g.us\n  Add the account to the group' in said
    assert 'recipient "whose": the account of sender "other" is not in its group' in said and "UPDATE herald.recipients SET sender = " in said
    assert '"in"' not in said and '"person"' not in said
    db.sql("DELETE FROM herald.recipients WHERE name <> 'in'")
    assert "is not in its group" not in db.pgherald("check", env=credentials).stdout


def test_check_says_that_it_could_not_look(db, sandbox, credentials):
    add(db, "wa", "webjs", f"http://127.0.0.1:{free_port()}")
    assert "groups" not in db.pgherald("check", env=credentials).stdout, "nothing is asked for where nothing is mapped"
    db.sql("INSERT INTO herald.recipients (name, kind, address) VALUES ('g', 'group', %s)", FIELD)
    done = db.pgherald("check", env=credentials)
    assert "sender wa: its groups were not looked up: " in done.stderr and "groups" not in done.stdout, "no fault of the configuration"
    sandbox.behave({"disconnected_sessions": ["s"]})
    db.sql("UPDATE herald.senders SET base_url = %s", sandbox.url)
    assert "sender wa: its groups can't be looked up: the session is not connected; start or pair it" in db.pgherald("check", status=1, env=credentials).stdout
    sandbox.behave()
    db.sql("UPDATE herald.senders SET enabled = false")
    done = db.pgherald("check", env=credentials)
    assert "groups" not in done.stdout + done.stderr
