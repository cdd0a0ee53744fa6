"""The command line against a real database: what each verb does, prints and returns."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import PGHERALD, ROOT, environment, pgherald, wait_until
from player import login

pytestmark = pytest.mark.sanitize

VERBS = ["migrate", "uninstall", "run", "check", "groups", "status", "list", "show", "retry", "cancel", "send", "sweep", "replay", "pause",
         "resume", "pair", "unpair", "preview"]


@pytest.fixture
def gauges(db):
    """A rule over a table of the application."""
    db.sql("""CREATE TABLE public.gauges (id int PRIMARY KEY, name text, level int);
              GRANT SELECT ON public.gauges TO herald_rules;
              CREATE VIEW public.full_gauges AS
                  SELECT id AS key, name AS dedup_key, '+8801711000000'::text AS recipient,
                         jsonb_build_object('name', name, 'level', level) AS data
                    FROM public.gauges WHERE level > 90;
              GRANT SELECT ON public.full_gauges TO herald_rules;
              INSERT INTO public.gauges VALUES (1, 'north', 95), (2, 'south', 20), (3, 'east', 99);
              INSERT INTO herald.templates (name, body) VALUES ('full', E'Gauge {{name}}\\nis at {{level}} %');
              SELECT herald.add_rule('gauges', 'public.full_gauges', 'full')""")
    return db


def test_help_and_version():
    assert pgherald("--version", status=0).stdout.startswith("pgherald ")
    overview = pgherald("--help", status=0).stdout
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", overview, re.M), verb
        text = pgherald(verb, "--help", status=0).stdout
        assert text.startswith("pgherald [--dsn CONNINFO] [--config FILE] " + verb)
        assert "--help" in text
    assert "max_in_flight\t" in pgherald("--dump-config", status=0).stdout


@pytest.mark.parametrize("arguments, said", [
    ([], "which verb?"),
    (["stauts"], 'there is no verb "stauts" (did you mean "status"?)'),
    (["zzz"], 'there is no verb "zzz"'),
    (["--nonsense", "status"], "there is no option --nonsense before the verb"),
    (["--dsn"], "--dsn needs a value"),
    (["list", "--limt", "3"], "there is no option --limt (did you mean --limit?)"),
    (["status", "--dsn", "x"], "--dsn stands before the verb"),
    (["list", "--limit", "many"], "--limit takes a number"),
    (["show"], "something is missing: pgherald show ID"),
    (["show", "one"], '"one" is no id'),
    (["show", "1", "2"], 'too many words, from "2" on'),
    (["retry"], "give either ids, or --status"),
    (["retry", "1", "--status", "failed"], "give either ids, or --status"),
    (["retry", "--rule", "r"], "give either ids, or --status"),
    (["cancel", "-1"], "there is no option -1"),
    (["send", "somebody"], "something is missing"),
    (["pause", "planet", "mars"], '"planet" is none of'),
    (["pause", "rule"], "which rule?"),
    (["uninstall"], "say --yes"),
    (["status", "st\x1b[31mray"], "\\x1b"),
])
def test_wrong_usage(arguments, said):
    done = pgherald(*arguments, status=2)
    assert said in done.stderr
    assert "--help" in done.stderr
    assert done.stdout == ""
    assert "\x1b" not in done.stderr


def test_configuration_errors(tmp_path):
    assert "nowhere.conf" in pgherald("--config", tmp_path / "nowhere.conf", "status", status=1).stderr
    conf = tmp_path / "pgherald.conf"
    conf.write_text("no_such_key = 1\n")
    assert "no_such_key" in pgherald("--config", conf, "status", status=1).stderr


def test_database_named_by_configuration_and_environment(db, tmp_path):
    conf = tmp_path / "pgherald.conf"
    conf.write_text(f"dsn = {db.dsn()}\n")
    assert pgherald("--config", conf, "list", status=0).stdout.startswith("id")
    assert pgherald("list", status=0, env={"PGHERALD_DSN": db.dsn()}).stdout.startswith("id")
    libpq = {"PGHOST": str(db.cluster.directory), "PGPORT": str(db.cluster.port), "PGDATABASE": db.name, "PGUSER": "postgres"}
    assert pgherald("list", status=0, env=libpq).stdout.startswith("id")


def test_database_is_not_there(db, empty_db):
    done = pgherald("--dsn", "host=/nonexistent dbname=x", "status", status=1)
    assert done.stderr.startswith("pgherald: ") and "/nonexistent" in done.stderr and "--dsn" in done.stderr
    assert "does not exist" in pgherald("--dsn", db.cluster.dsn("no_such_database"), "status", status=1).stderr
    assert "pgherald migrate" in empty_db.pgherald("status", status=1).stderr


# --- migrate ---


def test_migrate_from_nothing_twice(empty_db):
    plan = empty_db.pgherald("migrate", "--dry-run", status=0).stdout
    assert "0001_roles would be applied" in plan
    assert empty_db.value("SELECT to_regnamespace('herald')") is None

    first = empty_db.pgherald("migrate", status=0).stdout
    assert re.search(r"^0001_roles … done \(\d+ ms\)$", first, re.M)
    assert re.search(r"^functions, views and grants … done \(\d+ ms\)$", first, re.M)
    version = empty_db.value("SELECT max(version) FROM herald.migrations")
    assert first.endswith(f"now at version {version}\n")

    before = empty_db.sql("SELECT * FROM herald.migrations, herald.code")
    assert empty_db.pgherald("migrate", status=0).stdout == f"already at version {version}\n"
    assert empty_db.pgherald("migrate", "--dry-run", status=0).stdout == f"already at version {version}\n"
    assert empty_db.sql("SELECT * FROM herald.migrations, herald.code") == before


def test_migrate_without_superuser(cluster, empty_db, template):
    """The owner of a database can migrate it, once the cluster has the roles and the owner is a member of them."""
    cluster.sql("DO $$ BEGIN IF to_regrole('plain_owner') IS NULL THEN CREATE ROLE plain_owner LOGIN; END IF; END $$")
    cluster.sql("REVOKE herald_owner, herald_rules, herald_capture FROM plain_owner")
    cluster.sql(f"ALTER DATABASE {empty_db.name} OWNER TO plain_owner")
    refused = empty_db.pgherald("migrate", user="plain_owner", status=1)
    assert "GRANT herald_owner, herald_rules, herald_capture TO plain_owner" in refused.stderr
    assert empty_db.value("SELECT to_regnamespace('herald')") is None
    cluster.sql("GRANT herald_owner, herald_rules, herald_capture TO plain_owner")
    empty_db.sql("GRANT CREATE ON SCHEMA public TO plain_owner")
    empty_db.pgherald("migrate", user="plain_owner", status=0)
    assert "already at" in empty_db.pgherald("migrate", user="plain_owner", status=0).stdout
    empty_db.sql("UPDATE herald.code SET checksum = 'old'")
    empty_db.pgherald("migrate", user="plain_owner", status=0)
    empty_db.pgherald("uninstall", "--history", "--yes", user="plain_owner", status=0)


def test_migrate_applies_changed_code_only(db):
    db.sql("UPDATE herald.code SET checksum = 'old'")
    done = db.pgherald("migrate", status=0).stdout
    assert "functions, views and grants … done" in done and "0001" not in done
    assert db.value("SELECT checksum FROM herald.code") != "old"


def test_everything_belongs_to_owners_that_cannot_log_in(db):
    owners = """SELECT DISTINCT r.rolname, r.rolcanlogin OR r.rolsuper FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
                 WHERE p.pronamespace = 'herald'::regnamespace
                UNION
                SELECT r.rolname, r.rolcanlogin OR r.rolsuper FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
                 WHERE c.relnamespace = 'herald'::regnamespace OR c.oid = 'public.whatsapp_notifications'::regclass"""
    assert [row for row in db.sql(owners) if row[1] or not row[0].startswith("herald_")] == []


def test_migrate_refuses_changed_and_newer_migrations(db):
    db.sql("INSERT INTO herald.migrations VALUES (9999, '9999_future', 'x')")
    done = db.pgherald("migrate", status=1)
    assert "9999_future" in done.stderr and "upgrade pgherald" in done.stderr
    db.sql("DELETE FROM herald.migrations WHERE version = 9999")
    db.sql("UPDATE herald.migrations SET checksum = 'x' WHERE version = 1")
    assert "migrations/0001_roles.sql" in db.pgherald("migrate", status=1).stderr


def test_migrate_refuses_what_is_not_ours(empty_db):
    empty_db.sql("CREATE TABLE public.whatsapp_notifications (id int)")
    done = empty_db.pgherald("migrate", status=1)
    assert "public.whatsapp_notifications" in done.stderr and "RENAME TO" in done.stderr and "dedup_key" in done.stderr
    assert empty_db.value("SELECT to_regnamespace('herald')") is None

    empty_db.sql("ALTER TABLE public.whatsapp_notifications RENAME TO whatsapp_notifications_before; CREATE SCHEMA herald")
    assert "a schema herald that is not pgherald's" in empty_db.pgherald("migrate", status=1).stderr
    empty_db.sql("DROP SCHEMA herald")
    empty_db.pgherald("migrate", status=0)
    assert empty_db.value("SELECT count(*) FROM whatsapp_notifications_before") == 0


def test_several_that_migrate_at_once(empty_db):
    """Each does what the others have not done, and all end well."""
    processes = [subprocess.Popen([PGHERALD, "--dsn", empty_db.dsn(), "migrate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  env=environment()) for _ in range(4)]
    done = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    assert [status for _, _, status in done] == [0] * 4, done
    assert sum(out.count("0002_tables … done (") for out, _, _ in done) == 1
    assert empty_db.value("SELECT count(*) FROM herald.migrations") == len(list((ROOT / "migrations").glob("*.sql")))
    assert "already at" in empty_db.pgherald("migrate", status=0).stdout


def test_migrate_waits_for_nobody_who_may_not_migrate(cluster, empty_db, template):
    """Whoever may connect could hold an advisory lock; who may read, a lock on the record."""
    empty_db.sql("SELECT pg_advisory_lock(hashtext('pgherald migrate'))")
    empty_db.pgherald("migrate", status=0)
    reader = empty_db.connect(login(cluster, "herald_reader"))
    with reader.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE herald.migrations IN ACCESS SHARE MODE; SELECT * FROM herald.migrations, herald.code")
        empty_db.sql("UPDATE herald.code SET checksum = 'old'")
        begun = time.monotonic()
        empty_db.pgherald("migrate", status=0)
        assert time.monotonic() - begun < 2
    reader.close()


def test_migrate_waits_for_another(empty_db):
    empty_db.pgherald("migrate", status=0)
    empty_db.sql("UPDATE herald.code SET checksum = 'old'")
    empty_db.sql("BEGIN; LOCK TABLE herald.migrations IN SHARE ROW EXCLUSIVE MODE")
    with subprocess.Popen([PGHERALD, "--dsn", empty_db.dsn(), "migrate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=environment()) as process:
        assert "has held a lock on herald.migrations since" in process.stderr.readline()
        empty_db.sql("ROLLBACK")
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "now at version" in out


def test_migrate_lets_a_busy_application_through(db):
    """A lock that somebody holds is waited for in short turns, and its holder is named."""
    db.sql("UPDATE herald.code SET checksum = 'old'")
    busy = db.connect()
    busy.autocommit = False
    with busy.cursor() as cursor:
        cursor.execute("SET application_name = 'nightly report'")
        cursor.execute("LOCK TABLE public.whatsapp_notifications IN ACCESS SHARE MODE")
        cursor.execute("SELECT * FROM herald.status")
    with subprocess.Popen([PGHERALD, "--dsn", db.dsn(), "migrate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=environment()) as process:
        # Replacing a view that a transaction has read needs a lock that conflicts with the reader's.
        said = process.stderr.readline()
        assert "nightly report" in said and "try 1 of 10" in said
        busy.rollback()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "functions, views and grants" in out
    busy.close()


def test_migrate_interrupted_leaves_nothing(db):
    db.sql("UPDATE herald.code SET checksum = 'old'")
    busy = db.connect()
    busy.autocommit = False
    with busy.cursor() as cursor:
        cursor.execute("SELECT * FROM herald.status")
    with subprocess.Popen([PGHERALD, "--dsn", db.dsn(), "migrate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=environment()) as process:
        wait_until(lambda: db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                                    " AND application_name = 'pgherald migrate' AND wait_event_type = 'Lock'"), "wait for the lock")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1 and "canceling statement" in err
    busy.rollback()
    busy.close()
    assert db.value("SELECT checksum FROM herald.code") == "old"


def test_uninstall_keeps_the_application_and_the_history(gauges):
    db = gauges
    db.sql("SELECT herald.watch('public.gauges', 'gauges')")
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.gauges'::regclass"
    assert db.value(triggers) > 0
    assert db.pgherald("uninstall", "--yes", status=0).stdout.count("\n") > 1
    assert db.value("SELECT to_regnamespace('herald')") is None
    assert db.value("SELECT to_regclass('public.whatsapp_notifications') IS NOT NULL")
    assert db.value("SELECT count(*) FROM gauges") == 3
    assert db.value(triggers) == 0
    assert "has no pgherald" in db.pgherald("uninstall", "--yes", status=0).stdout


def test_uninstall_with_history(db):
    db.pgherald("uninstall", "--yes", "--history", status=0)
    assert db.value("SELECT to_regclass('public.whatsapp_notifications')") is None
    assert "now at version" in db.pgherald("migrate", status=0).stdout


class Terminal:
    """The binary on a pseudo-terminal."""

    def __init__(self, *arguments, columns=80, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execve(PGHERALD, [PGHERALD, *map(str, arguments)], environment(TERM="xterm", **env))
        self.output = ""

    def read_until(self, pattern, timeout_sec=20):
        """Reads until the pattern is there."""
        end = time.monotonic() + timeout_sec
        while not re.search(pattern, self.output):
            assert time.monotonic() < end, self.output
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.output += os.read(self.fd, 65536).decode()
                except OSError:
                    assert re.search(pattern, self.output), self.output

    def write(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """The exit status."""
        try:
            while data := os.read(self.fd, 65536):
                self.output += data.decode()
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_uninstall_asks(db):
    asked = Terminal("--dsn", db.dsn(), "uninstall")
    asked.read_until(r"\[y/N\]")
    asked.write("n\n")
    assert asked.end() == 1
    assert db.value("SELECT to_regnamespace('herald') IS NOT NULL")
    asked = Terminal("--dsn", db.dsn(), "uninstall")
    asked.read_until(r"\[y/N\]")
    asked.write("y\n")
    assert asked.end() == 0
    assert db.value("SELECT to_regnamespace('herald')") is None


# --- looking ---


def test_status_table_json_and_exit_status(db):
    done = db.pgherald("status", status=1)  # no daemon, no sender: somebody is needed
    assert done.stdout.splitlines()[0].split() == ["item", "value", "attention"]
    assert "\x1b" not in done.stdout
    rows = json.loads(db.pgherald("status", "--json", status=1).stdout)
    assert {"item", "value", "attention"} == set(rows[0])
    assert any(row["attention"] for row in rows)
    db.sql("DROP VIEW herald.status; CREATE VIEW herald.status AS SELECT 'all'::text AS item, 'well'::text AS value, NULL::text AS attention")
    assert json.loads(db.pgherald("status", "--json", status=0).stdout) == [{"item": "all", "value": "well", "attention": None}]


def test_status_watch(db):
    watch = Terminal("--dsn", db.dsn(), "status", "--watch")
    watch.read_until("attention")
    db.sql("SELECT herald.pause('all', '', 'stock-taking')")
    watch.read_until("stock-taking")  # wrapped where the terminal is narrow, never cut off
    watch.write("\x03")
    assert watch.end() == 1
    assert "\x1b[" in watch.output


def test_watch_survives_a_restart(db):
    with subprocess.Popen([PGHERALD, "--dsn", db.dsn(), "status", "--watch", "--json"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=environment()) as watch:
        assert json.loads(watch.stdout.readline())
        db.close()
        db.cluster.restart("immediate")
        assert json.loads(watch.stdout.readline())
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=20)


def test_list_show_and_json(db):
    ids = [int(db.pgherald("send", f"+880171100000{i}", f"text {i}", status=0).stdout) for i in range(3)]
    lines = db.pgherald("list", status=0).stdout.splitlines()
    assert lines[0].split()[:3] == ["id", "created", "status"] and len(lines) == 4
    assert [int(line.split()[0]) for line in lines[1:]] == ids[::-1]
    assert all(line == line.rstrip() for line in lines)
    assert len(db.pgherald("list", "--limit", "1", status=0).stdout.splitlines()) == 2
    assert len(db.pgherald("list", "--recipient", "+8801711000001", status=0).stdout.splitlines()) == 2
    assert len(db.pgherald("list", "--since", "1 hour", "--status=pending", status=0).stdout.splitlines()) == 4
    rows = json.loads(db.pgherald("list", "--json", status=0).stdout)
    assert [row["id"] for row in rows] == ids[::-1] and rows[0]["attempts"] == 0 and rows[0]["rule"] is None

    shown = db.pgherald("show", ids[1], status=0).stdout
    assert re.search(r"^body +text 1$", shown, re.M) and "sent by hand" in shown
    assert "there is no notification 4711" in db.pgherald("show", "4711", status=1).stderr


def test_foreign_text_cannot_reach_the_terminal(db):
    number = db.pgherald("send", "+8801711000000", "first\nsecond \x1b[31mred\x07", status=0).stdout.strip()
    shown = db.pgherald("show", number, status=0).stdout
    assert "\x1b" not in shown and "\x07" not in shown and "\\x1b" in shown
    assert re.search(r"^body +first\n +second", shown, re.M)


def test_table_is_aligned_by_display_width(db):
    for name in ("Ünïcode", "北京 group", "plain", "👍"):
        db.sql("INSERT INTO herald.recipients (name, address) VALUES (%s, '+8801711000000')", name)
        db.pgherald("send", name, "x", status=0)
    lines = db.pgherald("list", status=0).stdout.splitlines()
    wide = {"北": 2, "京": 2, "👍": 2}
    column = lines[0].index("attempts") + len("attempts")  # a number: aligned to the right
    for line in lines[1:]:
        cells = [position for position, char in enumerate("".join(c + "\0" * (wide.get(c, 1) - 1) for c in line)) if char == "0"]
        assert column - 1 in cells, line


def test_wide_table_fits_the_terminal(db):
    name = "somebody " + "x" * 200
    db.sql("INSERT INTO herald.recipients (name, address) VALUES (%s, '+8801711000000')", name)
    db.pgherald("send", name, "text", status=0)
    coloured, plain = Terminal("--dsn", db.dsn(), "list", columns=100), Terminal("--dsn", db.dsn(), "list", columns=100, NO_COLOR="1")
    assert coloured.end() == 0 and plain.end() == 0
    assert "\x1b[1m" in coloured.output and "\x1b" not in plain.output
    assert "somebody xx" in plain.output and "…" in plain.output
    assert max(len(line) for line in plain.output.splitlines()) == 100
    assert name in db.pgherald("list", status=0).stdout  # where nobody's terminal limits it, all of it


# --- doing ---


def test_send_refuses_what_cannot_be(db):
    done = db.pgherald("send", "no such recipient", "text", status=1)
    assert done.stderr.startswith('pgherald: send: "no such recipient" is no name') and done.stdout == ""
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 0


def test_cancel_and_retry(db):
    one, two = (db.pgherald("send", "+8801711000000", text, status=0).stdout.strip() for text in ("a", "b"))
    assert db.pgherald("cancel", one, status=0).stdout == f"{one} will not be sent\n"
    assert db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", one) == "cancelled"
    done = db.pgherald("cancel", "4711", two, status=1)  # the second is done although the first can't be
    assert done.stderr.startswith("pgherald: cancel 4711: ") and done.stdout == f"{two} will not be sent\n"

    assert db.pgherald("retry", one, status=0).stdout == f"{one} will be tried again\n"
    assert db.value("SELECT send_status FROM whatsapp_notifications WHERE id = %s", one) == "pending"
    assert db.pgherald("retry", "--status", "cancelled", status=0).stdout == "1 will be tried again\n"
    assert db.pgherald("retry", "--status", "cancelled", "--rule", "none", status=0).stdout == "0 will be tried again\n"
    assert "nonsense" in db.pgherald("retry", "--status", "nonsense", status=1).stderr


def test_pause_and_resume(gauges):
    db = gauges
    assert "everything is paused" in db.pgherald("pause", "--reason", "stock-taking", status=0).stdout
    assert db.sql("SELECT kind, name, cause, reason FROM herald.holds WHERE cause = 'paused'") == [
        ("all", "", "paused", "stock-taking")]
    assert "resumed" in db.pgherald("resume", status=0).stdout
    db.pgherald("pause", "rule", "gauges", status=0)
    assert db.value("SELECT count(*) FROM herald.holds WHERE kind = 'rule' AND name = 'gauges' AND cause = 'paused'") == 1
    assert "gauges" in db.pgherald("resume", "rule", "gauges", "--discard", status=0).stdout
    assert db.value("SELECT count(*) FROM herald.holds") == 0
    assert db.column("SELECT send_status FROM whatsapp_notifications") == ["suppressed", "suppressed"]
    assert "no such rule" in db.pgherald("pause", "rule", "no such rule", status=1).stderr


def test_sweep_and_dry_run(gauges):
    db = gauges
    shown = db.pgherald("sweep", "gauges", "--dry-run", status=0).stdout
    assert "Gauge north↵is at 95 %" in shown and "Gauge east" in shown and "south" not in shown
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 0
    assert "rule gauges\n" in db.pgherald("sweep", "--dry-run", status=0).stdout
    assert db.pgherald("sweep", "gauges", status=0).stdout == "1 rule will be swept now\n"
    assert db.value("SELECT next_sweep_at <= clock_timestamp() FROM herald.rules")
    assert "nonsense" in db.pgherald("sweep", "nonsense", status=1).stderr


def test_the_database_knows_the_gateways_that_the_program_has(db):
    db.sql("INSERT INTO herald.senders (name, gateway) VALUES ('odd', 'pigeon')")
    said = db.pgherald("check", status=1).stdout
    assert re.search(r"there are ([a-z, ]+)", said)[1].split(", ") == db.column("SELECT name FROM herald.gateways ORDER BY name"), said


def test_replay_of_a_view_that_tells_the_time(gauges):
    db = gauges
    db.sql("""CREATE TABLE public.readings (id serial PRIMARY KEY, name text, at timestamptz, owner text DEFAULT '+8801711000001');
              CREATE VIEW public.late AS
                  SELECT id::text AS dedup_key, owner AS recipient, jsonb_build_object('name', name, 'level', id) AS data
                    FROM public.readings WHERE at <= herald.now() AND at > herald.now() - interval '1 hour';
              GRANT SELECT ON public.late TO herald_rules;
              SELECT herald.add_rule('late', 'public.late', 'full');
              INSERT INTO public.readings (name, at)
              SELECT 'g' || n, date_trunc('day', now()) - interval '2 days' + make_interval(mins => n) FROM generate_series(1, 5) n;
              INSERT INTO public.readings (name, at, owner) VALUES ('other', date_trunc('day', now()) - interval '1 day' + interval '3 hours', '+8801711000002'),
                     ('nobody', now() - interval '30 min', NULL)""")
    shown = db.pgherald("replay", "late", "--since", "5 days", status=0).stdout
    days = db.column("SELECT to_char(date_trunc('day', now()) - make_interval(days => d), 'YYYY-MM-DD') FROM unnest('{2,1}'::int[]) d")
    assert shown.startswith("6 messages to 2 recipients\n")
    assert re.search(rf"  {days[0]} +5 messages +1 recipients\n  {days[1]} +1 messages +1 recipients\n", shown)
    assert f"most within an hour: 5 messages to 1 recipients, at {days[0]} 00:00\n" in shown
    assert "1 not sent: suppressed: no recipient" in shown and "for example, to +8801711000001\nGauge g1\nis at 1 %" in shown
    assert db.value("SELECT count(*) FROM whatsapp_notifications") == 0 and db.value("SELECT count(*) FROM herald.lanes") == 0


def test_replay_of_a_view_that_does_not(gauges):
    shown = gauges.pgherald("replay", "gauges", "--since", "1 day", status=0).stdout
    assert shown.startswith("2 messages to 1 recipients\n") and "note: its view does not ask herald.now(): seen as of now\n" in shown
    assert "reads the history" not in shown
    for nonsense in ("yesteryear", "2026-13-45", "1 fortnite"):
        assert "is no time" in (said := gauges.pgherald("replay", "gauges", "--since", nonsense, status=1).stderr) and "30 days" in said
    assert "nothing to replay" in gauges.pgherald("replay", "gauges", "--since", "-1 day", status=1).stderr
    assert "--since is missing" in gauges.pgherald("replay", "gauges", status=2).stderr
    assert "no such rule" in gauges.pgherald("replay", "no such rule", "--since", "1 day", status=1).stderr


def test_replay_counts_messages_and_not_their_parts(gauges):
    db = gauges
    db.sql("""CREATE VIEW public.pictures AS
                  SELECT 'p' || n AS dedup_key, '+8801711000001' AS recipient, 'Look ' || n AS body, '{}'::jsonb AS data,
                         '[{"type": "image", "url": "https://example.org/a.png"}, {"type": "image", "url": "https://example.org/b.png"}]'::jsonb AS media
                    FROM generate_series(1, 2) n WHERE NOT EXISTS (SELECT FROM public.whatsapp_notifications h WHERE h.rule = 'x');
              GRANT SELECT ON public.pictures TO herald_rules;
              SELECT herald.add_rule('pictures', 'public.pictures')""")
    shown = db.pgherald("replay", "pictures", "--since", "1 day", status=0).stdout
    assert shown.startswith("2 messages to 1 recipients\n") and shown.count("for example") == 2 and "Look 2" in shown, shown
    assert "note: its source reads the history: what was told counts as told\n" in shown


def test_preview(gauges):
    db = gauges
    done = db.pgherald("preview", "full", '{"name": "west", "level": 3}', status=0)
    assert done.stdout == "Gauge west\nis at 3 %\n"
    assert "level" in db.pgherald("preview", "full", '{"name": "west"}', status=1).stderr
    assert "json" in db.pgherald("preview", "full", "{nonsense", status=1).stderr
    assert "no template" in db.pgherald("preview", "nothing", status=1).stderr


def test_check_looks_at_senders_and_secrets(db, tmp_path):
    db.sql("INSERT INTO herald.senders (name, gateway, account, credential) VALUES"
           " ('cloud-1', 'cloud', '{\"phone_number_id\": \"1234\"}', 'cloud_token'), ('odd', 'pigeon', '{}', NULL)")
    env = {"PGHERALD_CREDENTIALS_DIR": str(tmp_path)}
    done = db.pgherald("check", status=1, env=env)
    assert re.search(r'^sender odd: there is no gateway "pigeon"; there are .*cloud', done.stdout, re.M)
    assert re.search(r"^sender cloud-1: .*cloud_token", done.stdout, re.M)

    (tmp_path / "cloud_token").write_text("EAAG-very-secret\n")
    db.sql("UPDATE herald.senders SET enabled = false WHERE name = 'odd'")
    done = db.pgherald("check", env=env)
    assert "cloud-1" not in done.stdout and "odd" not in done.stdout
    assert "very-secret" not in done.stdout + done.stderr

    db.sql("UPDATE herald.senders SET account = '{}' WHERE name = 'cloud-1'")
    assert "phone_number_id" in db.pgherald("check", status=1, env=env).stdout


# --- who may do what ---


def test_roles(cluster, db):
    for role in ("herald_reader", "herald_operator"):
        cluster.sql(f"DO $$ BEGIN IF to_regrole('login_{role}') IS NULL THEN CREATE ROLE login_{role} LOGIN IN ROLE {role};"
                    " END IF; END $$")
    number = db.pgherald("send", "+8801711000000", "text", status=0).stdout.strip()
    for verb in (["list"], ["show", number], ["sweep", "--dry-run"]):
        db.pgherald(*verb, user="login_herald_reader", status=0)
    db.pgherald("status", user="login_herald_reader", status=1)
    refused = db.pgherald("cancel", number, user="login_herald_reader", status=1)
    assert "permission denied" in refused.stderr and "herald_operator" in refused.stderr
    db.pgherald("cancel", number, user="login_herald_operator", status=0)
    db.pgherald("send", "+8801711000000", "text", user="login_herald_operator", status=0)
    db.pgherald("pause", user="login_herald_operator", status=0)


def test_output_that_cannot_be_written(db):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([PGHERALD, "--dsn", db.dsn(), "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                              env=environment(), timeout=30)
    assert done.returncode == 1 and "standard output" in done.stderr
