"""What tools/demo is made with: what it says, and in which colours; waiting; the environment of what it starts."""

import os
import sys
import time
from pathlib import Path


class Failure(Exception):
    """Something went wrong; the text says what, and what to do."""


class Screen:
    """Steps with their times, in colours where a terminal shows them."""

    def __init__(self):
        self.has_colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.began = time.monotonic()

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.has_colours else text

    def bold(self, text):
        return self.paint("1", text)

    def say(self, text=""):
        print(text, flush=True)

    def step(self, text, function, *arguments):
        """Does one step, and says how long it took."""
        start = time.monotonic()
        result = function(*arguments)
        took = time.monotonic() - start
        self.say(f"  {self.paint('32', 'done')} {took:6.1f} s  {text(result) if callable(text) else text}")
        return result


def wait_until(condition, what, timeout_sec=60.0):
    """Waits until condition() is true, and returns what it returned."""
    end = time.monotonic() + timeout_sec
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {timeout_sec:.0f} s")
        time.sleep(0.01)


def environment(**more):
    """The environment without what would change which database, configuration or gateway is meant."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith(("PG", "WHATSAPP_", "CREDENTIALS_", "NOTIFY_", "WATCHDOG_", "MAKE"))}
    return {**kept, **more}


def tail(path, lines):
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
