"""pgherald pair and pgherald unpair: what a person sees, on a terminal and without one. The QR code that is drawn is taken apart
into its modules and compared with one that another program made."""

import subprocess
import time

import pytest

from conftest import PGHERALD, environment, wait_until
from player import Daemon, add_senders, login
from terminal import Screen, Terminal
from test_sql_health import CALM
from world import TOKEN, World

CODES = ["2@" + "=,".join((letter * 88, "b" * 43, "c0+/" * 11, "D" * 43)) + "=" for letter in "axz"]
COLOURS = "38;5;16;48;5;231"
BLOCKS = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}

pytestmark = pytest.mark.sanitize


@pytest.fixture
def operator(db):
    """The connection string of somebody who may no more than operate."""
    return db.dsn(login(db.cluster, "herald_operator"))


@pytest.fixture
def daemon(db):
    """One that only attends: the test says what the gateway says."""
    add_senders(db, "wa", gateway="wppconnect", account='{"session": "alerts"}', **CALM)
    player = Daemon(db)
    yield player
    player.close()


def tell(db, answer, reason=None, code=None, purpose="pair"):
    wait_until(lambda: db.value("SELECT purpose = %s FROM herald.health", purpose), f"herald.{purpose}()")
    db.sql("SELECT * FROM herald.tell('{wa}', ARRAY[%s], '{NULL}', ARRAY[%s], ARRAY[%s], ARRAY[%s])", answer, reason, code, purpose)
    db.sql("UPDATE herald.health SET code_until = clock_timestamp() + interval '1 min' WHERE code IS NOT NULL")


def made_elsewhere(text, margin):
    """The modules of the QR code, row by row, as qrencode makes them."""
    drawn = subprocess.run(["qrencode", "-t", "ASCII", "-l", "L", "-m", str(margin), "-o", "-", text], capture_output=True, text=True, check=True)
    return [[line[i] == "#" for i in range(0, len(line), 2)] for line in drawn.stdout.splitlines()]


def modules(lines, ink_is_dark):
    """Of lines of half blocks: which modules are dark. The last line has one row more than the code."""
    halves = [[[BLOCKS[c][half] == ink_is_dark for c in line] for half in (0, 1)] for line in lines]
    rows = [row for line in halves for row in line]
    assert not any(rows[-1])
    return rows[:-1]


def on_screen(screen):
    """The modules in the cells that have the colours of the code; None: there are none, or not all of them yet."""
    lines = [[c for c, style in line if style == COLOURS] for line in screen.cells]
    lines = [line for line in lines if line]
    return modules(lines, True) if lines and {len(line) for line in lines} == {2 * len(lines) - 1} else None


def sees_code(terminal, code, margin=4):
    wait_until(lambda: terminal.see(on_screen) == made_elsewhere(code, margin), "the QR code on the screen")


def test_the_code_is_drawn_until_it_is_scanned(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa")
    line = terminal.shows("wa: pairing, ")
    assert terminal.see(on_screen) is None and " s left: it is being paired" in line
    tell(db, "ill", "the session is being started")
    terminal.shows("s left: the session is being started")
    tell(db, "code", "its QR code waits to be scanned", CODES[0])
    sees_code(terminal, CODES[0])
    assert terminal.shows("its QR code waits") == terminal.see(Screen.text)[terminal.see(lambda s: s.row)]
    assert "Linked devices" in terminal.shows("On the telephone, in WhatsApp")
    first = terminal.shows("s left")
    wait_until(lambda: terminal.shows("s left") != first, "another second")
    for code in CODES[1], CODES[2], CODES[0]:
        tell(db, "code", "its QR code waits to be scanned", code)
        sees_code(terminal, code)
    assert terminal.see(lambda s: s.scrolled) == 0  # all in the same place
    assert len([line for line in terminal.see(Screen.text) if "s left" in line]) == 1
    tell(db, "well")
    assert terminal.end() == 0
    assert [line for line in terminal.see(Screen.text) if line] == ["wa is connected"]
    assert not any(code in terminal.raw for code in CODES)


def test_a_code_that_is_no_longer_shown_is_taken_away(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa")
    tell(db, "code", "its QR code waits to be scanned", CODES[0])
    sees_code(terminal, CODES[0])
    tell(db, "ill", "the session has no QR code yet, or it was scanned")
    terminal.shows("or it was scanned")
    assert terminal.see(on_screen) is None
    tell(db, "code", "its QR code waits to be scanned", CODES[1])
    sees_code(terminal, CODES[1])
    tell(db, "well")
    assert terminal.end() == 0


def test_nobody_scans(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa")
    tell(db, "code", "its QR code waits to be scanned", CODES[0])
    sees_code(terminal, CODES[0])
    db.sql("UPDATE herald.health SET purpose_until = clock_timestamp()")
    tell(db, "code", "its QR code waits to be scanned", CODES[0])
    assert terminal.end() == 1
    text = terminal.see(lambda s: "".join(s.text()))
    assert text == "pgherald: wa is not paired: nobody scanned its code in time (pgherald pair wa tries again)"


def test_no_daemon_says_what_came_of_it(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa", columns=120)
    terminal.shows("wa: pairing")
    db.sql("UPDATE herald.health SET purpose_until = clock_timestamp() - interval '8 s'")
    terminal.shows("wa: disconnected, 0 s left")
    assert terminal.end() == 1
    assert terminal.see(lambda s: "".join(s.text())) == (
        "pgherald: wa is not paired: its time is up, and no daemon told what came of it; does pgherald run? (pgherald pair wa tries again)")


def test_ctrl_c(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa", columns=200)
    tell(db, "code", "its QR code waits to be scanned", CODES[0])
    sees_code(terminal, CODES[0])
    terminal.press_interrupt()
    assert terminal.end() == 1
    [line] = [line for line in terminal.see(Screen.text) if line]
    assert line.startswith("pgherald: wa: it can still be paired for 1")
    assert line.endswith(" s; pgherald pair wa shows the code again, pgherald unpair wa ends it")
    assert terminal.see(on_screen) is None
    assert db.value("SELECT state FROM herald.sessions") == "pairing"


@pytest.mark.parametrize("columns, lines, margin", [(80, 40, 4), (61, 33, 4), (60, 40, 3), (57, 31, 2), (80, 31, 2), (80, 32, 3)])
def test_it_fits(db, daemon, operator, columns, lines, margin):
    """With a quiet zone of four modules, or as few as two."""
    terminal = Terminal("--dsn", operator, "pair", "wa", columns=columns, lines=lines)
    tell(db, "code", "its QR code waits to be scanned", CODES[0])
    assert len(made_elsewhere(CODES[0], 0)) == 53
    sees_code(terminal, CODES[0], margin)
    assert terminal.see(lambda s: s.scrolled) == 0
    tell(db, "well")
    assert terminal.end() == 0
    assert terminal.see(lambda s: s.scrolled) == 0


@pytest.mark.parametrize("columns, lines", [(56, 40), (80, 30), (80, 24), (40, 40)])
def test_a_terminal_that_is_too_small_gets_the_text(db, daemon, operator, columns, lines):
    terminal = Terminal("--dsn", operator, "pair", "wa", columns=columns, lines=lines)
    tell(db, "code", "its QR code waits to be scanned", CODES[0])
    terminal.shows("What it says")
    terminal.says(CODES[0])
    terminal.says("The terminal is too small for the QR code: that takes 57 columns and 31 lines.")
    assert terminal.see(on_screen) is None
    tell(db, "code", "its QR code waits to be scanned", CODES[1])
    terminal.says(CODES[1])
    assert CODES[0] not in terminal.see(Screen.unbroken)
    terminal.resize(90, 50)
    sees_code(terminal, CODES[1])
    assert not any("too small" in line or "left over" in line for line in terminal.see(Screen.text))
    terminal.resize(columns, lines)
    terminal.shows("What it says")
    tell(db, "well")
    assert terminal.end() == 0
    assert [line for line in terminal.see(Screen.text) if line] == ["wa is connected"]


def test_without_a_terminal_each_code_comes_once_and_without_colours(db, daemon, operator):
    with subprocess.Popen([PGHERALD, "--dsn", operator, "pair", "wa"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        for code in CODES[:2]:
            tell(db, "code", "its QR code waits to be scanned", code)
            block = []
            while not block or block[-1] != "\n":
                block.append(process.stdout.readline())
            assert modules([line[:-1] for line in block[:-1]], False) == made_elsewhere(code, 4)
            time.sleep(0.6)  # one more look: it would come again now
        tell(db, "well")
        out, errors = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "wa is connected\n")
        assert errors.splitlines()[-1] == "wa: its QR code waits to be scanned"  # what was before it may have passed too quickly
        assert "\x1b" not in errors


def test_a_terminal_without_colours_gets_the_same(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa", lines=120, env={"NO_COLOR": "1"})
    tell(db, "code", "its QR code waits to be scanned", CODES[0])
    terminal.shows("█" * 61)
    tell(db, "well")
    assert terminal.end() == 0 and "\x1b" not in terminal.raw


def test_foreign_text_does_nothing_to_the_terminal(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa", columns=200)
    tell(db, "ill", "evil \x1b[2J\x1b]0;title\x07\nline " + "x" * 300)
    line = terminal.shows("evil")
    assert "\\x1b[2J" in line and "line" in line and len(line) == 200
    tell(db, "code", "it waits", "2@\x1b[31m code")
    wait_until(lambda: terminal.see(on_screen), "its drawing")
    tell(db, "well")
    assert terminal.end() == 0


def test_a_long_code_is_too_large_for_any_terminal(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa", columns=80, lines=60)
    tell(db, "code", "its QR code waits to be scanned", "z" * 1023)
    terminal.shows("The terminal is too small")
    assert "".join(terminal.see(Screen.text)).count("z") == 1023
    tell(db, "well")
    assert terminal.end() == 0
    assert [line for line in terminal.see(Screen.text) if line] == ["wa is connected"]


def test_what_can_not_be_paired(db, daemon, operator):
    done = db.pgherald("pair", "nobody", status=1)
    assert done.stderr == 'pgherald: pair: there is no sender "nobody" · There is: wa.\n' and done.stdout == ""
    assert "something is missing" in db.pgherald("pair", status=2).stderr
    db.sql("UPDATE herald.senders SET gateway = 'webhook'")
    for verb in "pair", "unpair":
        assert "has no session to pair" in db.pgherald(verb, "wa", status=1).stderr
    reader = db.cluster.dsn(db.name, login(db.cluster, "herald_reader"))
    assert "herald_operator" in db.pgherald("--dsn", reader, "pair", "wa", status=1).stderr


def test_a_sender_that_goes_meanwhile(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa")
    terminal.shows("wa: pairing")
    db.sql("DELETE FROM herald.senders")
    assert terminal.end() == 1
    assert "there is no such session any more" in "".join(terminal.see(Screen.text))


def test_somebody_wants_something_else_meanwhile(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "pair", "wa")
    terminal.shows("wa: pairing")
    db.sql("SELECT herald.unpair('wa')")
    assert terminal.end() == 1
    assert "somebody wants something else of it now" in "".join(terminal.see(Screen.text))


def unpair(db, operator, *told):
    with subprocess.Popen([PGHERALD, "--dsn", operator, "unpair", "wa"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr.readline() == "wa: it was unpaired on request\n"
        for answer, reason in told:
            tell(db, answer, reason, purpose="unpair")
            if answer != "well":
                assert process.stderr.readline() == f"wa: {reason}\n"
        if told[-1][0] != "well":
            db.sql("UPDATE herald.health SET purpose_until = clock_timestamp()")
            tell(db, *told[-1], purpose="unpair")
        out, errors = process.communicate(timeout=20)
        return process.returncode, out, errors


def test_unpairing(db, daemon, operator):
    assert unpair(db, operator, ("well", None))[:2] == (0, "wa is logged out\n")
    assert unpair(db, operator, ("ill", "connection refused"), ("well", None))[:2] == (0, "wa is logged out\n")
    status, out, errors = unpair(db, operator, ("ill", "connection refused"))
    assert (status, out) == (1, "")
    assert errors == "pgherald: wa may still be connected: connection refused (pgherald unpair wa tries again)\n"


def test_ctrl_c_while_unpairing(db, daemon, operator):
    terminal = Terminal("--dsn", operator, "unpair", "wa", columns=120)
    terminal.shows("wa: it was unpaired on request")
    terminal.press_interrupt()
    assert terminal.end() == 1
    terminal.shows("pgherald: wa: its gateway is told to log it out all the same; herald.sessions has what comes of it")


def test_from_the_command_to_the_telephone(cluster, template, tmp_path):
    """With a daemon, and the sandbox as gateway; nobody hurries anybody."""
    world = World(cluster, template, tmp_path, sandbox_options=["--token", TOKEN])
    try:
        world.add_sender("wa", "waha", world.sandbox.url, {"session": "ops"}, "token")
        world.sandbox.behave({"disconnected_sessions": ["ops"]})
        terminal = Terminal("--dsn", world.db.dsn(), "pair", "wa")
        ident = world.send("wa")
        wait_until(lambda: terminal.see(on_screen), "the QR code")
        [session] = world.sandbox.call("GET", "/sandbox/sessions")["sessions"]
        assert terminal.see(on_screen) == made_elsewhere(session["code"], 4)
        world.sandbox.call("POST", "/sandbox/scan", {"session": "ops", "code": session["code"]})
        assert terminal.end() == 0
        assert [line for line in terminal.see(Screen.text) if line] == ["wa is connected"]
        assert world.wait_for(ident, "sent")["attempts"] == 1
        done = world.db.pgherald("unpair", "wa", status=0)
        assert done.stdout == "wa is logged out\n"
        assert [s["session"] for s in world.sandbox.call("GET", "/sandbox/sessions")["sessions"]] == ["ops"]
        assert session["code"][:20] not in world.daemon.output() + world.sandbox.output()
    finally:
        world.close()
