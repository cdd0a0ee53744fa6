"""Whatever is wrong in rules, messages, senders, secrets, answers, files or options: the error names the thing, the reason and
the remedy where a person looks for it, and everything else goes on."""

import json
import re
import socket

import psycopg2
import pytest

from conftest import pgherald, wait_until
from daemon import Daemon, start_daemon  # noqa: F401 (fixture)
from hostile import Answer, http
from world import CLOUD, World

@pytest.fixture(scope="module")
def shared(cluster, template, tmp_path_factory):
    """One daemon for the whole module: whatever a test does to it, the next one finds it at work."""
    world = World(cluster, template, tmp_path_factory.mktemp("bad"))
    yield world
    world.close()


@pytest.fixture
def world(shared):
    """It was at work before the test, and is after it."""
    with shared.others_go_on():
        yield shared


# --- Answers ---


def id_answer(gateway, ident):
    """A gateway's success, with the id as it stands between the quotes."""
    return {"cloud": b'{"messages":[{"id":"%s"}]}', "wppconnect": b'{"status":"success","response":[{"id":"%s"}]}',
            "webjs": b'{"success":true,"message":{"id":{"_serialized":"%s"}}}',
            "evolution": b'{"key":{"id":"%s"}}',
            "waha": b'{"id":{"_serialized":"%s"}}', "webhook": b'{"id":"%s"}'}[gateway] % ident


ANSWERS = {
    "empty": (lambda gateway: b"", "it is empty"),
    "html": (lambda gateway: b"<html><body>It works!</body></html>", "a web page, not the gateway's answer"),
    "cut": (lambda gateway: id_answer(gateway, b"abc")[:-3], "can't be understood"),
    "deep": (lambda gateway: b"[" * 100_000 + b"]" * 100_000, "can't be understood"),
    "deeper": (lambda gateway: b"[" * 400_000 + b"]" * 400_000, "the answer was too long"),
    "huge": (lambda gateway: b'{"padding":"' + b"x" * 10_000_000 + b'"}', "the answer was too long"),
    "not UTF-8": (lambda gateway: id_answer(gateway, b"wamid.\xff\xfe"), "can't be"),
    "NUL in the id": (lambda gateway: id_answer(gateway, b"wamid.\\u0000x"), "can't be kept"),
    "line end in the id": (lambda gateway: id_answer(gateway, b"wamid.\\nx"), "can't be kept"),
    "long id": (lambda gateway: id_answer(gateway, b"w" * 5000), "can't be kept"),
    "empty id": (lambda gateway: id_answer(gateway, b""), "can't be kept"),
    "no id": (lambda gateway: id_answer(gateway, b"").replace(b"id", b"no"), "id"),
    "NUL bytes": (lambda gateway: b"\0" * 100, "can't be understood"),
}


def add_gateway(world, name, gateway, answer):
    """A sender whose gateway always answers so."""
    world.hostile.routes[name] = answer
    account = {"webhook": {"body": {"text": "{{body}}"}, "success": {"status": [200, 201], "path": "id"}}}.get(gateway)
    world.add_sender(name, gateway, f"{world.hostile.url}/{name}", account, "token")


# What is a yes all the same: an id that can't be kept is none, and the message was taken; that of WAHA and Evolution may be cut off.
WITHOUT_AN_ID = {"not UTF-8", "NUL in the id", "line end in the id", "long id", "empty id", "no id"}
TAKEN = {"webhook": WITHOUT_AN_ID | {"empty", "cut", "deep", "NUL bytes"}, "wppconnect": WITHOUT_AN_ID, "webjs": WITHOUT_AN_ID, "waha": WITHOUT_AN_ID | {"empty", "cut"}, "evolution": WITHOUT_AN_ID | {"empty", "cut"}}


@pytest.mark.sanitize
@pytest.mark.parametrize("gateway", ["cloud", "wppconnect", "webhook", "webjs", "waha", "evolution"])
def test_an_answer_that_makes_no_sense_is_in_doubt(world, gateway):
    status = 201 if gateway in ("wppconnect", "waha", "evolution") else 200
    sent = {}
    for kind, (body, _) in ANSWERS.items():
        name = f"{gateway}-{kind.replace(' ', '-')}"
        add_gateway(world, name, gateway, http(body(gateway), status))
        sent[kind] = (name, world.send(name))
    for kind, (name, ident) in sent.items():
        if kind in TAKEN.get(gateway, ()):
            assert world.wait_for(ident, "sent")["message_id"] is None, kind
        else:
            row = world.wait_for(ident, "in_doubt")
            assert ANSWERS[kind][1] in row["error"], (kind, row["error"])
            assert row["message_id"] is None and row["attempts"] == 1, kind
            assert len(row["response_body"] or "") <= 4096, kind
            assert len(world.logged(f"id={ident} ", "outcome=in_doubt")) == 1, kind
            assert len(world.hostile.at(name)) == 1, kind
            assert (kind == "html") == bool(world.db.value("SELECT count(*) FROM herald.holds WHERE name = %s", name)), kind


@pytest.mark.sanitize
@pytest.mark.parametrize("kind, answer, said", [
    ("no HTTP", Answer(b"220 mail.example.org ESMTP\r\n", close=True), "may have been sent"),
    ("no end of headers", Answer(b"HTTP/1.1 200 OK\r\n" + b"X-Padding: " + b"x" * 60 * 1024 + b"\r\n", close=True), "broke off"),
    ("endless headers", Answer(b"HTTP/1.1 200 OK\r\n" + (b"X-Padding: " + b"x" * 8000 + b"\r\n") * 100, close=True), "too long"),
    ("cut body", Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", close=True), "broke off"),
    ("bad chunk", Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n", close=True), "may have been sent"),
    ("only interim answers", Answer(b"HTTP/1.1 100 Continue\r\n\r\n" * 20, close=True), "may have been sent"),
])
def test_a_transfer_that_breaks_is_in_doubt(world, kind, answer, said):
    name = "broken-" + kind.replace(" ", "-")
    add_gateway(world, name, "cloud", answer)
    row = world.wait_for(world.send(name), "in_doubt")
    assert said in row["error"]
    assert len(world.hostile.at(name)) == 1


# --- Senders ---

SENDERS = {
    "file": ({"url": "file:///etc/passwd"}, "doesn't begin with http:// or https://"),
    "gopher": ({"url": "gopher://127.0.0.1:70/1"}, "doesn't begin with http:// or https://"),
    "ftp": ({"url": "ftp://127.0.0.1/x"}, "doesn't begin with http:// or https://"),
    "user": ({"url": "http://me:word@127.0.0.1/"}, "put the secret into the sender's credential"),
    "space": ({"url": "http://127.0.0.1/a b"}, "holds a space or a control character"),
    "split": ({"url": "http://127.0.0.1/\r\nX-Smuggled: 1"}, "holds a space or a control character"),
    "metadata": ({"url": "http://169.254.169.254/latest"}, "169.254.169.254 is not allowed: no gateway is at a link-local"),
    "metadata6": ({"url": "http://[fd00:ec2::254]/latest"}, "is not allowed: no gateway is at a link-local"),
    "mapped": ({"url": "http://[::ffff:169.254.169.254]/"}, "is not allowed: no gateway is at a link-local"),
    "public": ({"url": "http://93.184.216.34/"}, "plain http goes to this machine and to private networks only; use https"),
    "unresolved": ({"url": "https://gateway.invalid/"}, "gateway.invalid: the name cannot be resolved"),
    "refused": ({"url": "http://127.0.0.1:1/"}, "127.0.0.1:1: cannot connect: Connection refused"),
    "number": ({"account": {"phone_number_id": "+880 1712"}}, "account: \"phone_number_id\" is not a number's id"),
    "account": ({"account": {}}, "account: \"phone_number_id\" is missing"),
    "nowhere": ({"credential": "no_such_token"}, "The credential \"no_such_token\" is nowhere: give it to the service with LoadCredential="),
    "lines": ({"credential": "two_lines"}, "The credential \"two_lines\" from credentials_dir cannot be used: it holds a control byte"),
    "long": ({"credential": "too_long"}, "it is longer than 4096 bytes"),
    "void": ({"credential": "void"}, "it is empty"),
    "dots": ({"credential": "../../etc/passwd"}, "The credential name \"../../etc/passwd\" is not allowed"),
    "none": ({"credential": None}, "credential: no access token. Store an access token"),
    "carrier": ({"gateway": "pigeon"}, "there is no gateway \"pigeon\" (there are: cloud, evolution, smtp, twilio, waha, webhook, webjs, wppconnect)"),
    "session": ({"gateway": "wppconnect", "account": {}}, "account: \"session\" is missing"),
    "body": ({"gateway": "webhook", "account": {}}, "account: \"body\" is missing"),
    "header": ({"gateway": "webhook", "account": {"body": "{{body}}", "headers": {"Content-Length": "0"}}}, "names Content-Length"),
    "placeholder": ({"gateway": "webhook", "account": {"body": {"x": "{{credential}}"}}}, "{{credential}}"),
    "array": ({"gateway": "webhook", "account": {"body": json.loads("[" * 60 + "]" * 60)}}, "account"),
}


def write_secrets(directory, **secrets):
    for name, value in secrets.items():
        (directory / "credentials" / name).write_bytes(value)
        (directory / "credentials" / name).chmod(0o600)


@pytest.mark.sanitize
def test_a_sender_that_cannot_work_is_held_with_the_remedy(world):
    write_secrets(world.directory, two_lines=b"abc\r\n\r\nGET /smuggled HTTP/1.1\r\n", too_long=b"x" * 5000, void=b"\n")
    sent = {}
    for name, (columns, _) in SENDERS.items():
        columns = {"gateway": "cloud", "url": f"{world.hostile.url}/never-{name}", "credential": "token", **columns}
        account = columns.pop("account", CLOUD if columns["gateway"] == "cloud" else None)
        if columns["gateway"] == "pigeon":
            columns["account"] = {}
        world.add_sender(name, account=columns.pop("account", account), **columns)
        sent[name] = world.send(name)
    for name, ident in sent.items():
        said = SENDERS[name][1]
        assert said in world.wait_for_hold(name, "")["reason"], name
        row = world.row(ident)
        assert row["send_status"] == "pending" and row["attempts"] == 0 and said in row["error"], (name, row)
        assert len(world.logged("err: this sender fails and is held", f"sender={name} ")) == 1, name
        assert not world.hostile.at(f"never-{name}"), name
    checked = world.db.pgherald("--config", world.daemon.config, "check", status=1).stdout
    for name in set(sent) - {"metadata", "metadata6", "mapped", "public", "unresolved", "refused"}:  # known only when it is tried
        assert f"sender {name}:" in checked, name
    world.db.sql("UPDATE herald.senders SET enabled = false WHERE name <> 'good'")
    # They were all tried meanwhile, and the daemon is still the same.
    assert world.daemon.is_running()


def test_limits_that_cannot_be_read_are_refused_at_once(world):
    with pytest.raises(psycopg2.Error) as refused:
        world.add_sender("limits", limits="{80 per second}")
    assert "80 per second" in str(refused.value) and "HINT" in str(refused.value)


# --- Messages ---


def test_a_body_over_the_limit_of_the_cloud_api(world):
    world.add_sender("long-body", "cloud", world.sandbox.url, credential="token")
    most = world.send("long-body", "অ" * 4096)
    over = world.send("long-body", "অ" * 4097)
    row = world.wait_for(over, "failed")
    assert row["error"] == "the message has 4097 characters, and the Cloud API takes 4096; shorten it or make it two"
    world.wait_for(most, "sent")
    assert [len(body) for body in world.sandbox.bodies()] == [4096]
    assert "4097 characters" in world.db.pgherald("show", over, status=0).stdout


@pytest.mark.sanitize
def test_messages_far_too_large(world):
    """Each is refused for what it is, and none is left in doubt: nothing of them left the daemon."""
    for gateway in ("cloud", "webhook"):
        world.add_sender(f"large-{gateway}", gateway, f"{world.hostile.url}/large", credential="token")
    world.db.sql("""INSERT INTO herald.templates (name, body, gateway_name, parameters) VALUES
                    ('large', '{{x}}', 'large', '{x}'), ('many', 'x', 'many', array_fill('x'::text, ARRAY[40000]))""")
    idents = [world.send("large-cloud", "y" * 65_536), world.send("large-cloud", None, template="large", data=json.dumps({"x": "y" * 40_000}))]
    for named in ({"body": "y" * 65_537}, {"body": None, "template": "large", "data": json.dumps({"x": "y" * 5_000_000})},
                  {"body": None, "template": "many", "data": '{"x": "y"}'}):
        with pytest.raises(psycopg2.Error, match="its (text has|data takes|template's parameters have) more than [0-9]+ bytes"):
            world.send("large-webhook", **named)
    for ident in idents:
        row = world.wait_for(ident, "failed")
        assert re.search(r"too large|characters|beyond bounds: .*; shorten it", row["error"]), row["error"]
    assert not world.hostile.at("large")


@pytest.mark.parametrize("said, least, most", [("9" * 30, 86400, 86400), ("Fri, 31 Dec 9999 23:59:59 GMT", 86400, 86400),
                                               ("-5", 0, 1), ("soon", 0, 1), ("1e3", 0, 1), ("0x10", 0, 1)])
def test_a_retry_after_that_makes_no_sense(world, said, least, most):
    """At most a day, and no less than the back-off."""
    name = f"later-{said[:4]}"
    world.hostile.routes[name] = http({}, 429, [f"Retry-After: {said}"])
    world.add_sender(name, url=f"{world.hostile.url}/{name}")
    world.send(name)
    hold = world.wait_for_hold(name, "too many requests")
    assert least <= (hold["until"] - hold["since"]).total_seconds() <= most
    world.db.sql("UPDATE herald.senders SET enabled = false WHERE name = %s", name)


def test_a_phones_group_is_refused_by_the_cloud_api(world):
    world.add_sender("wrong-group", "cloud", world.sandbox.url, credential="token")
    row = world.wait_for(world.send("wrong-group", recipient="120363021234567890@g.us"), "failed")
    assert "use a wppconnect sender" in row["error"]


@pytest.mark.parametrize("recipient, said", [
    ("call me", '"call me" is no name in herald.recipients'),
    ("017", "number without a country code"),
    ("+88017", "malformed telephone number"),
    ("+8801712345678,+8801812345678", "is no name in herald.recipients"),
    ("", "no recipient"),
    ("x" * 10_000, "longer than 256 bytes, which no name, group id or number is"),
])
def test_a_recipient_that_is_no_number(world, recipient, said):
    with pytest.raises(psycopg2.Error) as refused:
        world.send("good", recipient=recipient or " ")
    assert said in str(refused.value) and "HINT" in str(refused.value) and len(str(refused.value)) < 1000
    name = f"nobody_{abs(hash(recipient))}"
    world.add_rule(name, [{"dedup_key": "bad", "recipient": recipient, "body": "x", "sender": "good"},
                          {"dedup_key": "fine", "recipient": world.number(), "body": "x", "sender": "good"}])
    assert said in world.planned(name, "bad", "suppressed")["error"]
    world.planned(name, "fine", "sent")


# --- Rules ---


def test_a_source_without_the_needed_columns(world):
    world.db.sql("CREATE VIEW public.no_data AS SELECT 'k'::text AS dedup_key, '+8801712345678'::text AS recipient")
    with pytest.raises(psycopg2.Error) as refused:
        world.db.sql("SELECT herald.add_rule('no_data', 'public.no_data')")
    assert 'rule "no_data": no_data has no column "data" (it has: dedup_key, recipient)' in str(refused.value).replace("public.", "")
    assert "name the columns with AS" in str(refused.value)


def test_a_source_that_loses_a_column_later(world):
    world.add_rule("loser", [{"dedup_key": "1", "recipient": world.number(), "body": "x", "sender": "good"}])
    world.planned("loser", "1", "sent")
    world.add_rule("keeper", [{"dedup_key": "1", "recipient": world.number(), "body": "x", "sender": "good"}])
    world.db.sql("ALTER TABLE public.loser DROP COLUMN data")
    world.db.sql("SELECT herald.sweep('loser')")
    error = wait_until(lambda: world.db.value("SELECT error FROM herald.rules WHERE name = 'loser'"), "the rule's error")
    assert "data" in error and "does not exist" in error
    assert world.logged("err: this rule can't be planned", "rule=loser ")
    checked = world.db.pgherald("check", status=1).stdout
    assert 'rule "loser"' in checked and 'has no column "data"' in checked and "name the columns with AS" in checked
    world.planned("keeper", "1", "sent")
    assert world.db.value("SELECT error FROM herald.rules WHERE name = 'keeper'") is None
    world.db.sql("SELECT herald.drop_rule('loser')")


def test_keys_that_are_null_empty_or_too_long(world):
    rows = [{"dedup_key": key, "recipient": world.number(), "data": json.dumps({"row": n}), "body": "x", "sender": "good"}
            for n, key in enumerate([None, "", "k" * 513, "k" * 512, "fine"])]
    world.add_rule("keys", rows)
    world.planned("keys", "fine", "sent")
    world.planned("keys", "k" * 512, "sent")
    assert world.db.value("SELECT count(*) FROM whatsapp_notifications WHERE rule = 'keys'") == 2
    rule = world.db.row("SELECT bad_keys, bad_key_example, error FROM herald.rules WHERE name = 'keys'")
    assert rule["bad_keys"] == 3 and '"row"' in rule["bad_key_example"] and rule["error"] is None
    assert "dedup_key null, empty or over 512 bytes" in world.db.pgherald("check", status=1).stdout
    world.db.sql("SELECT herald.drop_rule('keys')")


def test_a_template_with_a_field_that_the_data_lacks(world):
    world.db.sql("INSERT INTO herald.templates (name, body) VALUES ('meter', 'Meter {{meter_number}} is {{state}}')")
    world.add_rule("fields", [{"dedup_key": "lacks", "recipient": world.number(), "data": '{"meter_number": "1"}', "sender": "good"},
                              {"dedup_key": "null", "recipient": world.number(), "data": '{"meter_number": "2", "state": null}', "sender": "good"},
                              {"dedup_key": "fine", "recipient": world.number(), "data": '{"meter_number": "3", "state": "up"}', "sender": "good"}],
                   template="meter")
    assert world.planned("fields", "fine", "sent")["body"] == "Meter 3 is up"
    assert world.planned("fields", "lacks", "failed")["error"] == 'template "meter" needs field "state", which the row\'s data does not have'
    assert world.planned("fields", "null", "failed")["error"] == 'template "meter" needs field "state", which the row\'s data has as null'
    preview = world.db.pgherald("preview", "meter", '{"meter_number": "4"}', status=1)
    assert '"state"' in preview.stdout + preview.stderr


def test_a_template_that_is_not_there(world):
    world.add_rule("gone", [{"dedup_key": "1", "recipient": world.number(), "sender": "good"}], template="no_such")
    assert 'there is no template "no_such"' in world.planned("gone", "1", "failed")["error"]
    assert 'there is no template "no_such"' in world.db.pgherald("check", status=1).stdout
    world.db.sql("SELECT herald.drop_rule('gone')")


@pytest.mark.sanitize
def test_a_source_that_fails_for_one_row(world):
    """The sweep of the whole source fails; the rule says why, and the others are not kept waiting."""
    world.db.sql("""CREATE TABLE public.odds (key int PRIMARY KEY, number text, divisor int); GRANT SELECT ON public.odds TO herald_rules;
                    CREATE VIEW public.quotients AS SELECT key, key::text AS dedup_key, number AS recipient, 'good' AS sender,
                        jsonb_build_object('x', 1 / divisor) AS data, 'x'::text AS body FROM public.odds;
                    GRANT SELECT ON public.quotients TO herald_rules""")
    world.db.sql("SELECT herald.add_rule('quotients', 'public.quotients')")
    world.db.sql("SELECT herald.watch('public.odds', 'quotients', 'key')")
    world.db.sql("SELECT herald.resume('rule', 'quotients')")
    wait_until(lambda: world.db.value("SELECT swept_at IS NOT NULL FROM herald.rules WHERE name = 'quotients'"), "the first sweep")
    world.db.sql("INSERT INTO public.odds SELECT i, '+88018' || to_char(i, 'FM00000000'), nullif(i, 3) - 3 + 3 FROM generate_series(1, 5) i")
    world.db.sql("INSERT INTO public.odds VALUES (7, %s, 0), (8, %s, 1)", world.number(), world.number())
    world.planned("quotients", "8", "sent")
    assert world.db.sql("SELECT key FROM herald.set_aside WHERE rule = 'quotients'") == [("7",)]
    assert "division by zero" in world.db.value("SELECT error FROM herald.set_aside WHERE rule = 'quotients'")
    assert world.logged("set aside: see herald.set_aside", "rule=quotients")
    assert "set aside, the last with: division by zero" in world.db.pgherald("check", status=1).stdout
    world.db.sql("SELECT herald.drop_rule('quotients')")


def test_a_source_that_takes_too_long(world):
    world.db.sql("""CREATE VIEW public.slow AS SELECT pg_sleep(5)::text AS dedup_key, '+8801712345678'::text AS recipient, '{}'::jsonb AS data;
                    GRANT SELECT ON public.slow TO herald_rules""")
    world.db.sql("SELECT herald.add_rule('slow', 'public.slow', time_limit => '100 ms')")
    world.db.sql("SELECT herald.resume('rule', 'slow')")
    error = wait_until(lambda: world.db.value("SELECT error FROM herald.rules WHERE name = 'slow'"), "the rule's error")
    assert "it took longer than its time_limit" in error and "herald.add_rule()" in error
    assert world.logged("err: this rule can't be planned", "rule=slow ", "time_limit")
    world.db.sql("SELECT herald.drop_rule('slow')")


def test_a_source_that_may_not_be_read_any_more(world):
    world.add_rule("secretive", [])
    wait_until(lambda: world.db.value("SELECT swept_at IS NOT NULL FROM herald.rules WHERE name = 'secretive'"), "the first sweep")
    world.db.sql("REVOKE SELECT ON public.secretive FROM herald_rules")
    world.db.sql("SELECT herald.sweep('secretive')")
    wait_until(lambda: "permission denied" in (world.db.value("SELECT error FROM herald.rules WHERE name = 'secretive'") or ""), "the rule's error")
    assert "GRANT SELECT ON public.secretive TO herald_rules;" in world.db.pgherald("check", status=1).stdout
    world.db.sql("SELECT herald.drop_rule('secretive')")


# --- Start ---


def run_to_end(directory, dsn, **options):
    """A daemon that can't run: its exit status and what it said."""
    daemon = Daemon(directory, dsn, wait=False, name="doomed", **options)
    try:
        return daemon.wait(20), daemon.output()
    finally:
        daemon.stop()


def test_a_database_of_a_newer_version(world, db, tmp_path):
    db.sql("INSERT INTO herald.migrations (version, name, checksum) VALUES (9999, '9999_from_the_future', 'x')")
    status, said = run_to_end(tmp_path, db.dsn())
    assert status == 1
    assert re.search(r"^err: the database has schema 9999, and this pgherald knows \d+: upgrade pgherald$", said, re.M)
    refused = db.pgherald("migrate", status=1).stderr
    assert "9999" in refused and "pgherald" in refused


@pytest.mark.sanitize
def test_a_database_that_becomes_newer_under_a_daemon(world, db, start_daemon):
    daemon = start_daemon()
    db.sql("INSERT INTO herald.migrations (version, name, checksum) VALUES (9999, '9999_from_the_future', 'x')")
    db.sql("SELECT herald.ring_bell()")
    assert daemon.wait(20) == 1
    assert "the database has schema 9999" in daemon.output()


def test_a_database_without_a_schema(world, empty_db, tmp_path):
    status, said = run_to_end(tmp_path, empty_db.dsn())
    assert status == 1 and "err: the database has no schema of pgherald: run pgherald migrate" in said


def test_a_role_without_rights(world, cluster, db, tmp_path):
    cluster.sql("DO $$ BEGIN IF to_regrole('powerless') IS NULL THEN CREATE ROLE powerless LOGIN; END IF; END $$")
    status, said = run_to_end(tmp_path, db.dsn(user="powerless"))
    assert status == 1 and "this role may not run the daemon: GRANT herald_daemon TO it" in said


@pytest.mark.sanitize
def test_a_node_name_that_is_taken(world, tmp_path):
    status, said = run_to_end(tmp_path, world.db.dsn(), node="daemon")
    assert status == 1
    assert f'a daemon of node "daemon" is running already: pid {world.daemon.pid} on {socket.gethostname()}, since ' in said
    assert "Give each daemon a node name of its own" in said


@pytest.mark.parametrize("line, said", [
    ("max_in_fligth = 3", ':1: there is no key "max_in_fligth"; did you mean "max_in_flight"?'),
    ("max_in_flight = many", ':1: max_in_flight: "many" is not a whole number from 1 to 1000'),
    ("max_in_flight = 100000", "is not a whole number from 1 to 1000"),
    ("enabled = maybe", '"maybe" is neither true nor false'),
    ("log_level = loud", '"loud" is no level; write debug, info, notice, warning or err.'),
    ("nonsense", '"nonsense" is not followed by "="'),
    ("dsn = postgres://a:secret-word@[", "secret-word"),
])
def test_a_configuration_that_cannot_be_read(tmp_path, line, said):
    conf = tmp_path / "pgherald.conf"
    conf.write_text(line + "\n")
    done = pgherald("--config", conf, "run", status=1)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    if "secret-word" in said:
        assert said not in done.stderr and "dsn" in done.stderr
    else:
        assert f"{conf}" in done.stderr and said in done.stderr


@pytest.mark.parametrize("variable, value, said", [
    ("WHATSAPP_ENABLED", "perhaps", 'environment variable WHATSAPP_ENABLED: "perhaps" is neither true nor false'),
    ("PGHERALD_PLANNERS", "99", 'environment variable PGHERALD_PLANNERS: planners: "99" is not a whole number from 1 to 8'),
    ("PGHERALD_NODE", "a\nb", "environment variable PGHERALD_NODE: node: "),
])
def test_an_environment_that_cannot_be_read(variable, value, said):
    assert said in pgherald("run", status=1, env={variable: value}).stderr


@pytest.mark.sanitize
def test_a_reload_that_cannot_be_read_changes_nothing(world):
    config = world.daemon.config
    before = config.read_text()
    config.write_text(before + "max_in_fligth = 3\n")
    world.daemon.send_signal(1)
    wait_until(lambda: world.log_lines("err: the configuration is left as it was", 'did you mean "max_in_flight"?'), "the complaint")
    config.write_text(before)
    world.daemon.send_signal(1)
    wait_until(lambda: world.log_lines("configuration and secrets are read again"), "the reload")


@pytest.mark.parametrize("arguments, said", [
    (["run", "--fast"], "there is no option --fast"),
    (["run", "now"], '"now"'),
    (["runn"], 'there is no verb "runn" (did you mean "run"?)'),
    (["sandbox", "--listen", "nowhere"], '--listen takes ADDRESS:PORT with a numeric address, such as 127.0.0.1:8025'),
    (["sandbox", "--keep", "none"], "--keep takes a number from 1 to"),
    (["sandbox", "--colour"], "Try: pgherald sandbox --help"),
])
def test_a_wrong_option(arguments, said):
    done = pgherald(*arguments, status=2)
    assert said in done.stderr and done.stdout == ""


def test_a_port_in_use(world):
    done = pgherald("sandbox", "--listen", f"127.0.0.1:{world.sandbox.port}", status=1)
    assert done.stderr == (f"sandbox: cannot listen on 127.0.0.1:{world.sandbox.port}: Address already in use; another program "
                           "has this port: stop it, or name a free port with --listen\n")
