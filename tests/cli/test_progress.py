"""The bar comes only to those who wait and watch."""

import io
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from handshake_inspect.cli import progress


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("stream", "wanted", "waited", "drawn"),
    [
        (Screen, True, 1.5, True),
        (Screen, True, 0.9, False),
        (Screen, False, 1.5, False),
        (io.StringIO, True, 1.5, False),
    ],
)
@pytest.mark.parametrize("total", [1_000_000, None])
def test_the_bar(monkeypatch, clock, stream, wanted, waited, drawn, total):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream())
    with progress.ProgressBar(wanted=wanted) as meter:
        meter.update(10, total)
        clock[0] += waited
        meter.update(500_000, total)
        meter.update(600_000, total)
    assert ("analysing" in sys.stderr.getvalue()) == drawn


def test_no_stderr_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress.ProgressBar(wanted=True) as meter:
        meter.update(1, 2)


class Timers:
    """Stands in for threading.Timer: it runs when the test says so."""

    def __init__(self, seconds, function, arguments):
        self.seconds, self.run, self.state = seconds, lambda: function(*arguments), "made"
        Timers.last = self

    def start(self):
        self.state = "waiting"

    def cancel(self):
        self.state = "over"


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    monkeypatch.setattr("threading.Timer", Timers)
    Timers.last = None
    os.mkfifo(tmp_path / "pipe")
    return str(tmp_path / "pipe")


def test_a_pipe_that_nobody_writes_to_is_named_after_two_seconds(pipe, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    with progress.ProgressBar(wanted=True, inputs=[pipe]):
        assert (Timers.last.seconds, Timers.last.state) == (2, "waiting")
        Timers.last.run()
    assert sys.stderr.getvalue() == f"hsi: waiting: nobody has written to {pipe} yet (Ctrl-C ends)\n"
    assert Timers.last.state == "over"


def test_what_comes_ends_the_waiting(pipe, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    with progress.ProgressBar(wanted=True, inputs=[pipe]) as meter:
        meter.update(1, None)
        assert Timers.last.state == "over"


def test_only_pipes_are_waited_for_and_only_before_somebody_who_watches(pipe, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Screen())
    (tmp_path / "file").write_bytes(b"")
    with progress.ProgressBar(wanted=True, inputs=[str(tmp_path / "file"), str(tmp_path / "none")]):
        assert Timers.last is None
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.ProgressBar(wanted=True, inputs=[pipe]):
        assert Timers.last is None


@pytest.mark.parametrize("command", [["analyze"], ["analyze", "-T", "json"], ["check"]], ids=" ".join)
def test_a_command_waits_for_a_pipe_and_says_so(command, tmp_path, pcaps):
    """Whatever opens the pipe, it is the one who is watched: reading goes on when somebody writes."""
    os.mkfifo(tmp_path / "pipe")
    words = [sys.executable, "-P", "-m", "handshake_inspect", *command, str(tmp_path / "pipe")]
    environment = os.environ | {"PYTHONPATH": str(Path(progress.__file__).parents[2])}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=theirs, env=environment)
    os.close(theirs)
    said = b""
    while b"nobody has written" not in said:
        assert select.select([ours], [], [], 60)[0]
        said += os.read(ours, 4096)
    (tmp_path / "pipe").write_bytes((pcaps / "lost-syn.pcap").read_bytes())
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode in (0, 1)
    assert out
