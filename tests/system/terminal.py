"""The binary on a terminal of its own: what it writes is drawn on a screen as a terminal would, which tests read cell by cell."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

from conftest import PGHERALD, environment, wait_until

SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Screen:
    """So much of a terminal as pgherald uses; whatever else it is sent is an error."""

    def __init__(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.cells = [[(" ", "")] * columns for _ in range(lines)]
        self.row = self.column = 0
        self.style = ""
        self.wraps = True
        self.rest = ""
        self.scrolled = 0

    def write(self, text):
        """Draws the text; the end of a sequence may come later."""
        text = self.rest + text
        self.rest = ""
        at = 0
        while at < len(text):
            found = SEQUENCE.match(text, at)
            if text[at] == "\x1b" and not found:
                self.rest = text[at:]
                assert len(self.rest) < 30, self.rest
                return
            if found:
                self._obey(*found.groups())
                at = found.end()
            else:
                self._put(text[at])
                at += 1

    def _blank(self, row, column):
        self.cells[row][column:] = [(" ", "")] * (self.columns - column)

    def _obey(self, private, numbers, letter):
        if letter == "m":
            self.style = "" if numbers in ("", "0") else numbers
        elif letter == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif letter == "H" and not numbers:
            self.row = self.column = 0
        elif letter == "K" and not numbers:
            self._blank(self.row, self.column)
        elif letter == "J" and numbers in ("", "2"):
            start = 0 if numbers else self.row
            self._blank(start, 0 if numbers else self.column)
            for row in range(start + 1, self.lines):
                self._blank(row, 0)
        elif private and numbers == "7" and letter in "hl":
            self.wraps = letter == "h"
        else:
            raise AssertionError(f"unknown sequence {private}{numbers}{letter}")

    def _put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._line_feed()
        else:
            assert character.isprintable(), repr(character)
            if self.column == self.columns and self.wraps:
                self.column = 0
                self._line_feed()
            column = min(self.column, self.columns - 1)
            self.cells[self.row][column] = (character, self.style)
            self.column = column + 1

    def _line_feed(self):
        self.row += 1
        if self.row == self.lines:
            self.cells = [*self.cells[1:], [(" ", "")] * self.columns]
            self.row -= 1
            self.scrolled += 1

    def text(self):
        """What can be read, line by line."""
        return ["".join(character for character, _ in line).rstrip() for line in self.cells]


    def unbroken(self):
        """All of it as one text, also where a line was broken."""
        return "".join("".join(character for character, _ in line).rstrip() + ("" if line[-1][0] != " " else "\n") for line in self.cells)


class Terminal:
    """Runs the binary; both its outputs are the terminal."""

    def __init__(self, *arguments, columns=80, lines=40, env=None):
        self.screen = Screen(columns, lines)
        self.raw = ""
        self.lock = threading.Lock()
        self.master, slave = pty.openpty()
        self.resize(columns, lines)
        self.process = subprocess.Popen([PGHERALD, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave, env=environment(**(env or {})),
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # noqa: PLW1509
        os.close(slave)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        decoder = __import__("codecs").getincrementaldecoder("utf-8")()
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            text = decoder.decode(data)
            with self.lock:
                self.raw += text
                self.screen.write(text)

    def resize(self, columns, lines):
        """As if a person did: what was there is somewhere else now, and so is the cursor."""
        with self.lock:
            if (columns, lines) != (self.screen.columns, self.screen.lines):
                self.screen = Screen(columns, lines)
                self.screen.write("left over\n" * (lines - 1))
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def see(self, look):
        """What look makes of the screen."""
        with self.lock:
            return look(self.screen)

    def shows(self, text):
        """Waits until a line of the screen holds the text; the line."""
        def found():
            return next((line for line in self.see(Screen.text) if text in line), None)
        try:
            return wait_until(found, f"{text!r} on the screen")
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.see(Screen.text)])) from None

    def says(self, text):
        """Waits until the screen holds the text, which may be broken into lines, though not at a space."""
        try:
            wait_until(lambda: text in self.see(Screen.unbroken), f"{text!r} on the screen")
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.see(Screen.text)])) from None

    def press_interrupt(self):
        """Ctrl-C, as the line discipline takes it."""
        os.write(self.master, b"\x03")

    def end(self, timeout_sec=20):
        """Waits until it has ended; the exit status."""
        try:
            status = self.process.wait(timeout_sec)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            raise AssertionError("\n".join(["it goes on", *self.see(Screen.text)])) from None
        self.reader.join(5)
        os.close(self.master)
        return status
