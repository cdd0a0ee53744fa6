"""What tools/demo says, and in which colours."""

import os
import sys
import time


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
