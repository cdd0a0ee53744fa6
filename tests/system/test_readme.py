"""The README, played: its tour from an empty database on, and every other command that it shows and that can run here."""

import concurrent.futures
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from conftest import PGHERALD, ROOT, environment, wait_until
from daemon import Daemon, sandbox, settled  # noqa: F401 (fixture)
from mail import MailServer

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading):
    """The code blocks of a section: (language, text)."""
    section = re.search(rf"^(##+) {heading}\n(.*?)(?=^\1 |^## |\Z)", README, re.M | re.S)[2]
    return re.findall(r"^```(sh|sql)\n(.*?)^```", section, re.M | re.S)


def with_role(sql, cluster):
    """Roles belong to the cluster, and another test may have made them."""
    cluster.sql("DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY ARRAY['pgherald', 'pgherald_web', 'ops', 'reporting'] LOOP "
                "IF to_regrole(r) IS NOT NULL THEN EXECUTE 'DROP ROLE ' || r; END IF; END LOOP; END $$")
    return sql


class Terminal:
    """Runs the README's blocks on a database, with the sandbox where the README has it at port 8025."""

    def __init__(self, db, gateway, directory):
        self.db = db
        programs = Path(directory) / "bin"
        programs.mkdir()
        (programs / "pgherald").symlink_to(PGHERALD)
        self.gateway = gateway
        cluster = db.cluster
        self.env = environment(PATH=f"{programs}:{cluster.bin}:{os.environ['PATH']}", PGHOST=str(cluster.directory),
                               PGPORT=str(cluster.port), PGUSER="postgres", PGDATABASE=db.name, LC_ALL="C.UTF-8",
                               PGHERALD_CREDENTIAL_main_token="anything")

    def sql(self, text):
        return self._run(["psql", "-X", "-v", "ON_ERROR_STOP=1"], text.replace("http://127.0.0.1:8025", self.gateway.url))

    def sh(self, text, status=0):
        return self._run(["bash", "-euc", text], None, status)

    def _run(self, command, text, status=0):
        done = subprocess.run(command, input=text, stdin=None if text else subprocess.DEVNULL, capture_output=True, text=True,
                              env=self.env, cwd=ROOT, check=False, timeout=60)
        assert done.returncode == status, (text or shlex.join(command), done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def terminal(empty_db, sandbox, tmp_path):  # noqa: F811
    return Terminal(empty_db, sandbox, tmp_path)


def test_the_tour(terminal, tmp_path):
    tour = blocks("A tour: from an empty database to your first message")
    (_, create), *tour = tour
    assert create.splitlines()[:2] == ["createdb app", "export PGDATABASE=app"]
    terminal.sh("\n".join(create.splitlines()[2:]))
    daemon = None
    told = []
    for language, text in tour:
        if "pgherald run &" in text:
            assert "pgherald sandbox &" in text
            assert "everything is in order" in terminal.sh("pgherald check")
            daemon = Daemon(tmp_path, terminal.db.dsn(), {"main_token": "anything"})
            terminal.gateway.wait_for(1)
            continue
        done = terminal.sql(text) if language == "sql" else terminal.sh(text)
        if "--dry-run" in text:
            assert "Dear Ada, order 1 is on its way." in done
        if "'Grace'" in text:
            told = terminal.gateway.wait_for(2)
            wait_until(lambda: settled(terminal.db), "nothing is left to do")
        if "pgherald show" in text:
            assert "accepted by main" in done
        if text.startswith("UPDATE herald.senders"):
            # What the README sets is in order, but for its address, which is not here.
            assert "everything is in order" in terminal.sh("pgherald check")
    assert [message["body"] for message in told] == ["Dear Ada, order 1 is on its way.", "Dear Grace, order 2 is on its way."]
    assert daemon.stop() == 0
    terminal.sh("pgherald uninstall --history --yes")
    assert terminal.db.value("SELECT count(*) FROM orders") == 2
    assert terminal.db.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = 'orders'::regclass") == 0


@pytest.mark.parametrize("gateway", ["webhook", "evolution", "waha", "webjs", "wppconnect", "twilio", "cloud"])
def test_each_gateway_of_the_tour_sends(terminal, tmp_path, gateway):
    tour = blocks("A tour: from an empty database to your first message")
    terminal.sh("pgherald migrate")
    for language, text in tour:
        if language == "sql" and text.startswith("INSERT INTO herald.templates"):
            terminal.sql(text.split("SELECT herald.add_rule")[0])
    change, = [text for _, text in tour if text.startswith("UPDATE herald.senders") and f"gateway = '{gateway}'" in text]
    terminal.sql(re.sub(r"base_url = '[^']*'", f"base_url = '{terminal.gateway.url}'", change))
    daemon = Daemon(tmp_path, terminal.db.dsn(), {"main_token": "anything"})
    terminal.sh("pgherald send +8801711000009 'The pump is running.'")
    message, = terminal.gateway.wait_for(1)
    wait_until(lambda: terminal.db.column("SELECT send_status FROM whatsapp_notifications") == ["sent"], "sent")
    assert (message["recipient"].lstrip("+"), message["body"]) == ("8801711000009", "The pump is running.")
    assert message["gateway"] == gateway
    assert daemon.stop() == 0


def test_the_mail_of_the_tour_arrives(terminal, tmp_path):
    """But for the server's address, which is not here, and has no TLS here."""
    terminal.sh("pgherald migrate")
    text, = [text for _, text in blocks("A tour: from an empty database to your first message") if "'smtp'" in text]
    server = MailServer()
    terminal.sql(text.replace("smtp://mail.example.org:587", server.url))
    daemon = Daemon(tmp_path, terminal.db.dsn(), {"mail_password": "anything"})
    terminal.sql("SELECT herald.send('Ada', 'The pump is running.', channel => 'email')")
    wait_until(lambda: terminal.db.column("SELECT send_status FROM whatsapp_notifications") == ["sent"], "sent")
    mail, = server.mails
    assert (mail.sender, mail.recipient, mail.text) == ("<alerts@example.org>", "<ada@example.org>", "The pump is running.\n")
    assert daemon.stop() == 0
    server.stop()


def test_the_other_commands(terminal):
    terminal.sh("pgherald migrate")
    terminal.sql("INSERT INTO herald.templates (name, body) VALUES ('shipped', 'Dear {{customer}}, order {{order}} is on its way.');"
                 "CREATE VIEW orders AS SELECT ''::text dedup_key, ''::text recipient, '{}'::jsonb data;"
                 "GRANT SELECT ON orders TO herald_rules; SELECT herald.add_rule('order_shipped', 'orders')")
    for language, text in blocks("Commands") + blocks("History") + blocks("Keeping and deleting"):
        terminal.sql(text) if language == "sql" else terminal.sh(text)
    cluster = terminal.db.cluster
    try:
        for _, text in blocks("Roles"):
            terminal.sql(with_role(text, cluster))
        terminal.env["PGUSER"] = "reporting"
        terminal.sh("pgherald list")
        terminal.sh("pgherald send +8801711000009 no", status=1)
        terminal.env["PGUSER"] = "ops"
        terminal.sh("pgherald send +8801711000009 yes; pgherald pause; pgherald resume")
    finally:
        with_role("", cluster)


def test_pairing_as_it_says(terminal, tmp_path):
    """In the terminal nobody looks at a sandbox: somebody scans as soon as there is a code."""
    terminal.sh("pgherald migrate")
    terminal.sql("INSERT INTO herald.senders (name, gateway, base_url, account, credential) VALUES"
                 " ('main', 'wppconnect', 'http://127.0.0.1:8025', '{\"session\": \"alerts\"}', 'main_token')")
    terminal.gateway.behave({"disconnected_sessions": ["alerts"]})
    daemon = Daemon(tmp_path, terminal.db.dsn(), {"main_token": "anything"})
    (_, pair), (_, unpair) = blocks("Pairing a session")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        paired = pool.submit(terminal.sh, pair)
        wait_until(lambda: terminal.db.value("SELECT code FROM herald.sessions"), "the code")
        terminal.gateway.call("POST", "/sandbox/scan", {"session": "alerts"})
        assert paired.result(20).endswith("main is connected\n")
    assert terminal.sh(unpair) == "main is logged out\n"
    assert daemon.stop() == 0


def test_every_example_and_its_commands(terminal, sandbox):  # noqa: F811
    terminal.sh("pgherald migrate")
    shown = "".join(text for _, text in blocks("Examples"))
    for path in (ROOT / "sql" / "examples").glob("*.sql"):
        assert f"-f sql/examples/{path.name}\n" in shown
    terminal.sh(shown)
    assert terminal.db.value("SELECT count(*) FROM herald.rules") > 0
    assert terminal.db.sql("SELECT * FROM herald.holds WHERE cause = 'new'") == []
    for credential in terminal.db.column("SELECT credential FROM herald.senders"):
        terminal.env[f"PGHERALD_CREDENTIAL_{credential}"] = "anything"
    # The account is in other groups than those that stand in the file, which the one command lists and the other misses.
    terminal.db.sql("UPDATE herald.senders SET base_url = %s WHERE name = 'ami'", terminal.gateway.url)
    assert terminal.sh("pgherald check", status=1).count("120363000000000000@g.us") == 1
    for name, group in zip(("DEFAULT", "NOCS-1", "NOCS-2"), re.findall(r"\S+@g\.us", terminal.sh("pgherald groups ami"))):
        terminal.db.sql("UPDATE herald.recipients SET address = %s WHERE name = %s AND channel = 'whatsapp'", group, name)
    assert "everything is in order" in terminal.sh("pgherald check")


def test_receipts_as_it_says(terminal):
    terminal.sh("pgherald migrate")
    terminal.sql("INSERT INTO herald.senders (name, gateway, account) VALUES ('a', 'cloud', '{\"phone_number_id\": \"1\"}'),"
                 " ('b', 'wppconnect', '{\"session\": \"s\"}'), ('c', 'twilio', '{\"account_sid\": \"AC1\"}')")
    for language, text in blocks("Receipts"):
        if language == "sql":
            terminal.sql(text)
    assert terminal.db.sql("SELECT * FROM herald.web_senders()") == [
        ("a", "cloud", "1", "whatsapp_app", "whatsapp_verify", None, None),
        ("b", "wppconnect", "s", None, None, "wppconnect_path", None),
        ("c", "twilio", "AC1", None, None, "twilio_token", "https://HOST/twilio")]


def test_every_verb_and_column_that_it_names_exists(db):
    verbs = re.search(r"VERB`: (.*?)\.", README, re.S)[1]
    known = re.findall(r"^  ([a-z]+) ", db.pgherald("--help", status=0).stdout, re.M)
    assert sorted(re.findall(r"`([a-z]+)`", verbs)) == sorted(known)
    functions = set(re.findall(r"`herald\.([a-z_]+)\(", README)) | set(re.findall(r", `herald\.([a-z_]+)\(", README))
    assert functions - set(db.column("SELECT proname FROM pg_proc WHERE pronamespace = 'herald'::regnamespace")) == set()
    relations = set(re.findall(r"`herald\.([a-z_]+)`", README)) - functions
    assert {r for r in relations if db.value("SELECT to_regclass('herald.' || %s)", r) is None} - {"watch"} == set()
    settings = re.search(r"^### Settings\n(.*?)^###", README, re.M | re.S)[1]
    for name in db.column("SELECT name FROM herald.settings"):
        assert f"`{name}`" in settings, name
    history = re.search(r"^### History\n(.*?)^### ", README, re.M | re.S)[1]
    for column in db.column("""SELECT attname FROM pg_attribute WHERE attrelid = 'whatsapp_notifications'::regclass AND attnum > 0
                                  AND attnum <= (SELECT attnum FROM pg_attribute WHERE attrelid = 'whatsapp_notifications'::regclass
                                                    AND attname = 'test_num')"""):
        assert f"`{column}`" in history, column
    for link in re.findall(r"\]\(((?!http|#)[^)]+)\)", README):
        assert (ROOT / link).exists(), link
