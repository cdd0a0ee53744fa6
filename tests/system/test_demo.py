"""The demonstration, run as a newcomer runs it: with and without a terminal, interrupted, and where something does not work."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import types
import urllib.request
from pathlib import Path

import pytest

from conftest import PGHERALD, ROOT, environment, wait_until

DEMO = ROOT / "tools" / "demo"
TIME_LIMIT_SEC = 120  # what a newcomer is promised


@pytest.fixture
def place():
    """A directory for the demo's own; afterwards nothing may be left in it, nor any process that knows of it."""
    directory = Path(tempfile.mkdtemp(prefix="ph-", dir="/var/tmp"))
    directory.chmod(0o1777)
    yield directory
    left = [path.name for path in directory.iterdir()]
    running = processes_of(directory)
    shutil.rmtree(directory, ignore_errors=True)
    assert (left, running) == ([], [])


def processes_of(directory):
    """Command lines of processes that name the directory, or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            works_in = os.readlink(process / "cwd")
        except OSError:
            continue
        if (str(directory) in command or works_in.startswith(str(directory))) and int(process.name) != os.getpid():
            found.append(command)
    return found


def start(place, binary=PGHERALD, *examples, **options):
    """Starts the demo, of all examples or of these; without a terminal unless options say otherwise."""
    env = environment(PGHERALD=str(binary), TMPDIR=str(place), LC_ALL="C.UTF-8")
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([DEMO, *examples], env=env, text=True, **options)


def wrapper(tmp_path, script):
    """A pgherald that is something else for some verbs."""
    path = tmp_path / "pgherald"
    path.write_text(f'#!/bin/bash\n{script}\nexec {PGHERALD} "$@"\n')
    path.chmod(0o755)
    return path


def test_without_a_terminal_it_ends_by_itself(place):
    demo = start(place)
    out, err = demo.communicate(timeout=TIME_LIMIT_SEC)
    assert demo.returncode == 0, (out, err)
    assert err == "" and "\x1b" not in out
    assert "18 messages arrived, each exactly once; 4 suppressed" in out
    rows = re.findall(r"^  (\S.*?)  +(\+\d+|\d+@g\.us)  +([\d.]+) ms  (.+)$", out, re.M)
    assert len(rows) == 16 and all(float(row[2]) > 0 for row in rows)
    assert sum(row[3] == "🚨 URGENT: RC METER STUCK 🚨" for row in rows) == 3
    titles = [f"  {path.stem}: " for path in (ROOT / "sql" / "examples").glob("*.sql") if path.stem != "over_history"]
    assert len(titles) == 5 and all(f"\n\n{title}" in out for title in titles)
    assert re.search(r"^  class 9C, .* nobody .* suppressed: no recipient", out, re.M)
    # The columns stand under each other.
    assert len({row.index(" ms  ") for row in out.splitlines() if " ms  " in row}) == 1


@pytest.mark.parametrize("name, told, suppressed", [("test_completion", 5, 1), ("rc_meters", 4, 0), ("attendance_payments", 3, 1), ("fee_reminders", 2, 1),
                                                    ("campaigns", 4, 1)])
def test_one_example_alone(place, name, told, suppressed):
    demo = start(place, PGHERALD, name)
    out, err = demo.communicate(timeout=TIME_LIMIT_SEC)
    assert demo.returncode == 0, (out, err)
    assert f"{told} messages arrived, each exactly once; {suppressed} suppressed" in out and f"of sql/examples {name}.sql loaded" in out


def test_psql_in_a_database_with_an_example(place):
    shell = start(place, PGHERALD, "--psql", "rc_meters", stdin=subprocess.PIPE)
    out, err = shell.communicate("SELECT 'rules: ' || string_agg(name, ' ' ORDER BY name) FROM herald.rules;", timeout=TIME_LIMIT_SEC)
    assert shell.returncode == 0, (out, err)
    assert "rules: rc_meters rc_meters_unread" in out and "daemon.conf run" in out


def test_an_example_that_there_is_not(place):
    demo = start(place, PGHERALD, "rc_meters", "rc_metres")
    _, err = demo.communicate(timeout=TIME_LIMIT_SEC)
    assert demo.returncode == 2
    assert err == ("there is no example rc_metres to show; there is: test_completion, rc_meters, attendance_payments, fee_reminders, campaigns\n")


def test_with_a_terminal_it_stays_and_its_commands_work(place):
    outer, inner = pty.openpty()
    demo = start(place, stdin=inner, stdout=inner, start_new_session=True)
    os.close(inner)
    os.set_blocking(outer, False)
    shown = ""

    def staying():
        nonlocal shown
        try:
            shown += os.read(outer, 65536).decode(errors="ignore")
        except BlockingIOError:
            pass
        assert demo.poll() is None, shown
        return "Ctrl-C stops it all" in shown

    try:
        wait_until(staying, "it stays", TIME_LIMIT_SEC)
        plain = re.sub(r"\x1b\[\d+m", "", shown).replace("\r\n", "\n")
        assert plain != shown.replace("\r\n", "\n"), "a terminal gets colours"

        def command(what):
            return re.search(rf"^  {what} +(.+)$", plain, re.M)[1]

        def run(what):
            return subprocess.run(command(what), shell=True, capture_output=True, text=True, timeout=30, check=False, env=environment())

        with urllib.request.urlopen(command("the chats"), timeout=20) as page:
            assert b"<html" in page.read()
        assert "(10 rows)" in run("the history").stdout
        status = run("how things are")
        assert status.returncode == 0 and "daemon demo" in status.stdout, status
        assert "accepted by" in run("one message's life").stdout
        assert run("one more message").returncode == 0

        def count():
            with urllib.request.urlopen(command("the chats") + "sandbox/messages", timeout=20) as answer:
                return len(json.load(answer)["messages"])

        wait_until(lambda: count() == 19, "one more message")
        assert 'started as node "demo"' in Path(command("the daemon's log")).read_text()
        os.killpg(demo.pid, signal.SIGINT)  # as the terminal does
        assert demo.wait(60) == 0
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(60)
        os.close(outer)


@pytest.mark.parametrize("step", ["begins", "PostgreSQL", "pgherald migrate", "the daemon started"])
def test_interrupted_it_leaves_nothing(place, step):
    demo = start(place)
    if step != "begins":
        for line in demo.stdout:
            if step in line:
                break
    else:
        wait_until(lambda: list(place.iterdir()), "a directory")
    demo.terminate()
    demo.communicate(timeout=60)
    assert demo.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("script, said", [
    ('case "$*" in *" run") echo "it dies"; exit 3 ;; esac', ["daemon ended with 3", "it dies", "What to do"]),
    ('case "$1" in sandbox) exit 4 ;; esac', ["sandbox ended with 4", "What to do"]),
    ('case "$*" in *" migrate") echo "no way" >&2; exit 1 ;; esac', ["pgherald migrate failed:", "no way", "What to do"]),
])
def test_where_something_fails_it_says_so(place, tmp_path, script, said):
    demo = start(place, wrapper(tmp_path, script))
    _, err = demo.communicate(timeout=TIME_LIMIT_SEC)
    assert demo.returncode == 1
    for words in said:
        assert words in err, err


def test_it_counts_what_arrived():
    """Anything but exactly once, for whom it should be, is complained of."""
    demo = types.ModuleType("demo")
    demo.__file__ = str(DEMO)
    exec(compile(DEMO.read_text("utf-8"), DEMO, "exec"), demo.__dict__)  # its name has no .py

    class Mute(demo.Screen):
        def say(self, text=""):
            pass

    def complaints(change=lambda history, figures: None):
        shown, history, messages = demo.Demo(Mute()), {}, []
        for i, (rule, key, _, target, _) in enumerate(shown.events):
            message_id = f"id{i}" if target else None
            history[rule, key] = {"rule": rule, "key": key, "status": "sent" if target else "suppressed", "error": None,
                                  "message_id": message_id, "commit_usec": 1000}
            if target:
                messages.append({"message_id": message_id, "recipient": target, "copies": 1, "body": key, "received_usec": 2000})
        figures = {"messages": messages, "duplicates": 0}
        change(history, figures)
        return shown.show(history, figures)

    assert complaints() == []
    assert complaints(lambda h, f: f["messages"].pop()) != []
    assert complaints(lambda h, f: f["messages"][0].update(copies=2)) != []
    assert complaints(lambda h, f: f["messages"][0].update(recipient="+1")) != []
    assert complaints(lambda h, f: f["messages"].append({**f["messages"][0], "message_id": "other"})) != []
    assert complaints(lambda h, f: h.popitem()) != []
    image = {"message_id": "image", "recipient": "+923030000001", "copies": 1, "body": "", "received_usec": 2000}
    for images, arrived in ((["image"], [image]), ([], [image]), (["image"], []), (["image"], [{**image, "copies": 2}]), (["image"], [{**image, "recipient": "+1"}])):
        said = complaints(lambda h, f: (h["campaigns", "Farah"].update(images=images), f["messages"].extend(arrived)))
        assert (said == []) == (images == ["image"] and arrived == [image]), (images, arrived, said)
    assert complaints(lambda h, f: h.update({("rc_meters", "56789012"): {"status": "sent", "message_id": None}})) != []
    assert complaints(lambda h, f: f.update(duplicates=1)) != []
