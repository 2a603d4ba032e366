"""The bar comes only to those who wait and watch."""

import io
import sys

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
    with progress.Meter(wanted=wanted) as meter:
        meter.update(10, total)
        clock[0] += waited
        meter.update(500_000, total)
        meter.update(600_000, total)
    assert ("analysing" in sys.stderr.getvalue()) == drawn


def test_no_stderr_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress.Meter(wanted=True) as meter:
        meter.update(1, 2)
