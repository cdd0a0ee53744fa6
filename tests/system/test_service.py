"""The daemon as a service: one line a record and one state a line whatever foreign text says, and what `make install` puts where."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from conftest import PGHERALD, ROOT, environment, wait_until
from hostile import http
from world import World

LINE = re.compile(r"(debug|info|notice|warning|err): .+")
STATE = re.compile(r"(READY=1|STOPPING=1|RELOADING=1|WATCHDOG=1|MONOTONIC_USEC=\d+|STATUS=.*)")
EVIL = "nice try\n<2>FORGED line\r\nWATCHDOG=trigger\nMAINPID=1\n\x1b[2J\x1b[31mred\x1b[0m\x07 \u009b31m \u202ereversed\u2028end"


@pytest.fixture(scope="module")
def shared(cluster, template, tmp_path_factory):
    """Its JOURNAL_STREAM is that of another file: it was inherited, and standard error redirected since."""
    world = World(cluster, template, tmp_path_factory.mktemp("service"), env={"JOURNAL_STREAM": "9:123456", "WATCHDOG_USEC": "600000"})
    yield world
    world.close()


@pytest.fixture
def world(shared):
    with shared.others_go_on():
        yield shared


def assert_plain(world):
    """Every line is one of ours, and every state one that we meant to tell."""
    said = world.daemon.output()
    assert said.endswith("\n")
    for line in said[:-1].split("\n"):
        assert LINE.fullmatch(line), repr(line)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]|[\x80-\x9f]", said), "a control character"
    for state in world.daemon.states():
        assert STATE.fullmatch(state), repr(state)
        assert not re.search(r"[\x00-\x1f\x7f]", state), repr(state)


@pytest.mark.sanitize
@pytest.mark.parametrize("gateway", ["cloud", "twilio", "wppconnect", "webhook", "webjs", "waha", "evolution"])
@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_gateways_words_forge_no_line_and_no_state(world, gateway, status):
    route = f"evil-{gateway}-{status}"
    world.hostile.routes[route] = http({"error": {"message": EVIL, "code": 131000 if status == 500 else 190}, "message": EVIL}, status)
    world.add_sender(route, gateway, f"{world.hostile.url}/{route}", credential="token")
    ident = world.send(route)
    error = wait_until(lambda: world.row(ident)["error"], "the error")
    assert "FORGED" in error and not re.search(r"[\x00-\x1f\x7f\x80-\x9f]", error)
    wait_until(lambda: world.log_lines(f"sender={route} "), "the log line")
    assert all("FORGED" not in line or not line.startswith("<") for line in world.daemon.output().splitlines())
    world.daemon.send_signal(1)  # states are told again
    assert_plain(world)
    shown = world.db.pgherald("show", ident, status=0).stdout
    assert "FORGED" in shown and "\x1b" not in shown and "\r" not in shown
    world.db.sql("UPDATE herald.senders SET enabled = false WHERE name = %s", route)


@pytest.mark.sanitize
def test_a_rules_words_forge_no_line_and_no_state(world):
    # Of most errors the log has the SQLSTATE alone; the words of this one it has.
    world.db.sql("CREATE FUNCTION public.shout() RETURNS text LANGUAGE plpgsql AS"
                 " $$ BEGIN RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = %s; END $$" % ("$e$" + EVIL + "$e$"))
    world.db.sql("""CREATE VIEW public.shouting AS SELECT public.shout() AS dedup_key, '+8801712345678'::text AS recipient, '{}'::jsonb AS data, 'x'::text AS body;
                    GRANT SELECT ON public.shouting TO herald_rules""")
    world.db.sql("SELECT herald.add_rule('shouting', 'public.shouting')")
    world.db.sql("SELECT herald.resume('rule', 'shouting')")
    wait_until(lambda: world.log_lines("err: this rule can't be planned", "rule=shouting ", "FORGED"), "the log line")
    assert_plain(world)
    checked = world.db.pgherald("check", status=1).stdout
    assert "FORGED" in checked and "\x1b" not in checked
    world.db.sql("SELECT herald.drop_rule('shouting')")


@pytest.mark.sanitize
def test_names_forge_no_line(world):
    """Whoever may add senders and rules names them as he likes."""
    world.add_sender("bad\n<2>FORGED\x1b[31m", url="ftp://x")
    world.send("bad\n<2>FORGED\x1b[31m")
    wait_until(lambda: world.log_lines("err: this sender fails and is held", "FORGED"), "the log line")
    assert_plain(world)
    world.db.sql("UPDATE herald.senders SET enabled = false WHERE name LIKE 'bad%%'")


@pytest.mark.sanitize
def test_states_told_to_systemd(world):
    daemon = world.daemon
    wait_until(lambda: "WATCHDOG=1" in daemon.states(), "the watchdog is fed")
    assert daemon.states().index("READY=1") >= 0
    assert [s for s in daemon.states() if s.startswith("STATUS=")], "no status"
    count = daemon.states().count("READY=1")
    daemon.send_signal(1)
    wait_until(lambda: daemon.states().count("READY=1") > count, "ready again after a reload")
    told = daemon.states()
    assert told.index("RELOADING=1") > told.index("READY=1") and re.fullmatch(r"MONOTONIC_USEC=\d+", told[told.index("RELOADING=1") + 1])
    assert_plain(world)


# --- make install ---

UNITS = ["pgherald.service", "pgherald@.service", "pgherald-web.service", "pgherald-web.socket"]


def make(*arguments):
    """make, with the binary as it is: what is installed is tested here, not how it is built."""
    kept = {name: value for name, value in environment().items() if not name.startswith("MAKE") and name != "MFLAGS"}
    done = subprocess.run(["make", "-C", ROOT, "-o", "all", f"BUILD={Path(PGHERALD).parent}", *arguments], capture_output=True, text=True,
                          env=kept, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tree(directory):
    """Every file with its mode."""
    return {str(path.relative_to(directory)): stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*") if path.is_file()}


def test_install_puts_everything_where_it_belongs(tmp_path):
    root, into = tmp_path / "root", [f"DESTDIR={tmp_path / 'root'}", "PREFIX=/usr"]
    make("install", *into)
    installed = tree(root)
    expected = {"usr/bin/pgherald": 0o755, "etc/pgherald/pgherald.conf": 0o644, "usr/lib/sysusers.d/pgherald.conf": 0o644,
                "usr/share/bash-completion/completions/pgherald": 0o644,
                **{f"usr/lib/systemd/system/{unit}": 0o644 for unit in UNITS}}
    for manual in (ROOT / "packaging").glob("*.[158]"):
        expected[f"usr/share/man/man{manual.name[-1]}/{manual.name}"] = 0o644
    for example in (ROOT / "sql/examples").iterdir():
        expected[f"usr/share/pgherald/examples/{example.name}"] = stat.S_IMODE(example.stat().st_mode)
    assert installed == expected
    assert len([name for name in installed if "/man/" in name]) >= 2 and len([name for name in installed if "/examples/" in name]) >= 2

    assert subprocess.run([root / "usr/bin/pgherald", "--version"], capture_output=True, check=True).stdout.startswith(b"pgherald ")
    for unit in UNITS:
        text = (root / "usr/lib/systemd/system" / unit).read_text(encoding="utf-8")
        assert (unit.endswith(".socket") or re.search(r"^ExecStart=/usr/bin/pgherald( --config \S+)? (run|web)$", text, re.M)) and "/usr/local/bin" not in text
    assert str(tmp_path) not in "".join(path.read_text() for path in root.rglob("*.service"))


def test_install_keeps_the_administrators_configuration(tmp_path):
    into = [f"DESTDIR={tmp_path}"]
    make("install", *into)
    assert (tmp_path / "usr/local/bin/pgherald").exists()
    conf = tmp_path / "etc/pgherald/pgherald.conf"
    assert conf.read_bytes() == (ROOT / "packaging/pgherald.conf").read_bytes()
    conf.write_text("node = mine\n")
    make("install", *into)
    assert conf.read_text() == "node = mine\n"
    make("uninstall", *into)
    assert list(tree(tmp_path)) == ["etc/pgherald/pgherald.conf"]
    assert conf.read_text() == "node = mine\n"


def test_the_installed_unit_starts_the_installed_binary(tmp_path, db):
    """The command of the unit, as systemd would run it, on the configuration that it names."""
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    text = (tmp_path / "usr/lib/systemd/system/pgherald@.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=(.*)$", text, re.M)[1].replace("%i", "main").split()
    (tmp_path / "etc/pgherald/main.conf").write_text(f"dsn = {db.dsn()}\nnode = installed\n")
    command = [str(tmp_path) + word if word.startswith("/") else word for word in command]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment())
    try:
        wait_until(lambda: 'notice: started as node "installed"' in (tmp_path / "log").read_text(), "the start")
    finally:
        process.terminate()
    assert process.wait(20) == 0
    assert os.access(tmp_path / "usr/bin/pgherald", os.X_OK)
