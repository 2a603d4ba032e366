"""The screen on a terminal: it answers, follows the size, and gives the terminal back whatever happens."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

import handshake_inspect

pytestmark = pytest.mark.any_build

TESTS = Path(__file__).resolve().parent.parent
PATIENCE_S = 30

PRELUDE = """
import fcntl, os, signal, sys, termios, threading, time
fcntl.ioctl(1, termios.TIOCSCTTY, 0)  # as a login would
from support.snapshots import troubled
from handshake_inspect.render.screen import Screen, can_show
given = troubled()
screen = Screen(ascii=False, color=True)
"""


class Session:
    """A process on a pseudo-terminal of its own."""

    def __init__(self, code, **options):
        self.master, slave = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.out = b""
        package = str(Path(handshake_inspect.__file__).resolve().parent.parent)
        environment = os.environ | {"PYTHONPATH": f"{package}:{TESTS}", "TERM": "xterm", "PYTHONUTF8": "1"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", PRELUDE + code], stdout=slave, stderr=slave, env=environment,
            start_new_session=True, **({"stdin": slave} | options),
        )  # fmt: skip

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, data):
        os.write(self.master, data)

    def read(self, wanted):
        """Read until the pattern `wanted` comes; what came since the last time."""
        end = time.monotonic() + PATIENCE_S
        came = b""
        while not re.search(wanted, came):
            ready = select.select([self.master], [], [], max(end - time.monotonic(), 0))[0]
            assert ready, f"{wanted!r} did not come, but {came[-2000:]!r}"
            came += os.read(self.master, 65536)
        self.out += came
        return came

    def end(self):
        """Wait for the process, and read to the end."""
        status = None
        end = time.monotonic() + PATIENCE_S
        while status is None or select.select([self.master], [], [], 0)[0]:
            if select.select([self.master], [], [], 0.01)[0]:
                self.out += os.read(self.master, 65536)
            status = self.process.poll()
            assert time.monotonic() < end, self.out[-2000:]
        return status

    def is_restored(self):
        """Whether the terminal is as it was: echo, the cursor, the screen of before."""
        last = {code: self.out.rfind(code) for code in (b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25l", b"\x1b[?25h")}
        assert last[b"\x1b[?1049h"] >= 0, "never shown"
        return (
            termios.tcgetattr(self.slave) == self.before
            and last[b"\x1b[?1049l"] > last[b"\x1b[?1049h"]
            and last[b"\x1b[?25h"] > last[b"\x1b[?25l"]
        )


@pytest.fixture
def session():
    with contextlib.ExitStack() as stack:

        def start(code, **options):
            made = Session(code, **options)
            stack.callback(os.close, made.master)
            stack.callback(os.close, made.slave)
            stack.callback(made.process.wait)
            stack.callback(made.process.kill)
            return made

        yield start


SHOW = "screen.run(lambda: given, on_quit=lambda: print('told to quit'))\nprint('after')"


def test_q_quits_and_says_so(session):
    run = session(SHOW)
    run.read(b"TROUBLE")
    assert not termios.tcgetattr(run.slave)[3] & termios.ECHO
    run.type(b"q")
    assert run.end() == 0
    assert run.is_restored()
    assert b"after" in run.out.split(b"told to quit")[1]


def test_keys_change_the_picture(session):
    run = session(SHOW)
    run.read(b"TROUBLE")
    run.type(b"j")
    run.read("▶".encode())
    run.type(b"\rj\r")  # unfold, and look at the first below
    run.read(b"CONNECTION 500")
    run.type(b"\x1b")
    run.read(b"TROUBLE")
    run.type(b"f8080")
    run.read(b"3 of 16 fit the filter")
    run.type(b"\rq")
    assert run.end() == 0


@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_new_size_is_drawn(session, where):
    thread = f"t = threading.Thread(target=lambda: {SHOW.splitlines()[0]}); t.start(); t.join()"
    run = session(SHOW if where == "main" else thread)
    run.read(b"TROUBLE")
    run.resize(160, 50)
    run.read(b"frames DROPPED \\(0.8 %\\)")  # only where there is room
    run.type(b"q")
    assert run.end() == 0
    assert run.is_restored()


def test_an_exception_comes_out_and_the_terminal_is_as_before(session):
    run = session(
        """
def get():
    if screen.view.paused:
        raise ValueError("spoiled")
    return given
screen.run(get, on_quit=lambda: print("told to quit"))
"""
    )
    run.read(b"TROUBLE")
    run.type(b"p")
    assert run.end() == 1
    assert run.is_restored()
    assert b"ValueError: spoiled" in run.out[run.out.rindex(b"\x1b[?1049l") :]
    assert b"told to quit" not in run.out


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, None), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_signals_leave_the_terminal_as_before(session, number, status):
    run = session(SHOW)
    run.read(b"TROUBLE")
    run.process.send_signal(number)
    ended = run.end()
    assert ended == status if status is not None else ended != 0
    assert run.is_restored()


def test_ctrl_c_still_interrupts(session):
    run = session("try:\n " + SHOW.splitlines()[0] + "\nexcept KeyboardInterrupt: print('interrupted')")
    run.read(b"TROUBLE")
    run.type(b"\x03")
    assert run.end() == 0
    assert b"interrupted" in run.out
    assert run.is_restored()


def test_the_end_of_the_program_does_not_forget_a_screen_in_a_thread(session):
    run = session(
        """
threading.Thread(target=screen.run, args=(lambda: given,), kwargs={"on_quit": print}, daemon=True).start()
while not screen.view.paused: time.sleep(0.01)
"""
    )
    run.read(b"TROUBLE")
    run.type(b"p")
    assert run.end() == 0
    assert run.is_restored()


def test_stop_ends_it_without_a_word(session):
    run = session(
        """
def get():
    if screen.view.paused:
        threading.Thread(target=screen.stop).start()
    return given
screen.run(get, on_quit=lambda: print("told to quit"), refresh_hz=20)
print("after")
"""
    )
    run.read(b"TROUBLE")
    run.type(b"p")
    assert run.end() == 0
    assert run.is_restored()
    assert b"told to quit" not in run.out


def test_keys_come_from_the_terminal_when_a_capture_is_piped_in(session):
    run = session(SHOW, stdin=subprocess.DEVNULL)
    run.read(b"TROUBLE")
    run.type(b"q")
    assert run.end() == 0
    assert run.is_restored()


def test_a_terminal_that_goes_away_is_a_quit(session, tmp_path):
    shown = tmp_path / "shown"
    run = session(
        f"""
signal.signal(signal.SIGHUP, signal.SIG_IGN)
screen.run(troubled, on_quit=lambda: open({str(shown)!r}, "w"))
"""
    )
    run.read(b"TROUBLE")
    os.close(run.slave)
    os.close(run.master)
    run.process.wait(PATIENCE_S)
    run.master, run.slave = os.pipe()  # for the fixture to close
    assert shown.exists()


def test_only_a_terminal_can_show_it(session):
    run = session("print('can', can_show(), can_show(open('/dev/null')))")
    run.read(b"can True False")
    assert run.end() == 0


def test_rich_is_loaded_when_a_screen_is_made_and_not_before():
    code = """
import sys
from handshake_inspect.render.screen import Screen
assert "rich" not in sys.modules
Screen()
assert "rich" in sys.modules
"""
    environment = os.environ | {"PYTHONPATH": str(Path(handshake_inspect.__file__).resolve().parent.parent)}
    subprocess.run([sys.executable, "-P", "-c", code], env=environment, check=True, timeout=PATIENCE_S)
