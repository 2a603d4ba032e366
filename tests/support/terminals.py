"""A command on a terminal, and what a person would see there: a pseudo-terminal with pyte's emulator behind it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte

import handshake_inspect

PATIENCE_S = 60
_ENTER, _LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
_LONGEST = len(_ENTER)
_AS_A_LOGIN = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("handshake_inspect", run_name="__main__")
"""


class Seat:
    """`hsi` on a terminal of its own.  pyte has one screen only: the alternate one gets an emulator to itself."""

    def __init__(self, *arguments, columns=80, lines=24, **environment):
        self.master, self.slave = pty.openpty()
        self.resize(columns, lines, tell=False)
        self.before = termios.tcgetattr(self.slave)
        self.out = b""
        self._fed = 0
        self.main = pyte.Screen(columns, lines)
        self.alternate = pyte.Screen(columns, lines)
        self.screen = self.main
        self._streams = {id(screen): pyte.ByteStream(screen) for screen in (self.main, self.alternate)}
        package = str(Path(handshake_inspect.__file__).resolve().parent.parent)
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _AS_A_LOGIN, *map(str, arguments)],
            stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
            env=inherited | {"PYTHONPATH": package, "TERM": "xterm-256color", "PYTHONUTF8": "1"} | environment,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, columns, lines, *, tell=True):
        """Pull the window to another size; the kernel sends SIGWINCH."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        if tell:
            for screen in (self.main, self.alternate):
                screen.resize(lines, columns)

    def type(self, data):
        os.write(self.master, data)

    @property
    def text(self):
        """The screen that is shown, without blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def sees(self, *wanted, gone=()):
        """Wait until all of these patterns are on the screen, and none of `gone`; what is there then."""

        def shown(pattern):
            return re.search(pattern, self.text, re.MULTILINE) is not None

        return self.until(lambda: all(map(shown, wanted)) and not any(map(shown, gone)))

    def until(self, condition):
        """Wait until `condition()` holds; the screen then."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            ready = select.select([self.master], [], [], max(end - time.monotonic(), 0))[0]
            assert ready, f"it did not come to that, but to:\n{self.text}"
            self._feed(os.read(self.master, 65536))
        return self.text

    def ends(self):
        """Wait for the end of the process, and show all that it wrote; its exit status."""
        status, end = None, time.monotonic() + PATIENCE_S
        while status is None or select.select([self.master], [], [], 0)[0]:
            if select.select([self.master], [], [], 0.01)[0]:
                self._feed(os.read(self.master, 65536))
            status = self.process.poll()
            assert time.monotonic() < end, self.text
        return status

    @property
    def is_restored(self):
        """Whether the terminal is as it was: its settings (echo), the screen of before, the cursor."""
        return (
            termios.tcgetattr(self.slave) == self.before
            and self.screen is self.main
            and _ENTER in self.out
            and self.out.rfind(b"\x1b[?25h") > self.out.rfind(b"\x1b[?25l")
        )

    def _feed(self, data):
        """Draw what came, but for the beginning of a sequence at its end."""
        self.out += data
        while True:
            places = [at for at in (self.out.find(_ENTER, self._fed), self.out.find(_LEAVE, self._fed)) if at >= 0]
            if not places:
                break
            self._draw(min(places))
            self.screen = self.alternate if self.out.startswith(_ENTER, self._fed) else self.main
            self._fed += _LONGEST
        escape = self.out.rfind(b"\x1b", max(len(self.out) - _LONGEST, self._fed))
        self._draw(len(self.out) if escape < 0 else escape)

    def _draw(self, upto):
        self._streams[id(self.screen)].feed(self.out[self._fed : upto])
        self._fed = upto
