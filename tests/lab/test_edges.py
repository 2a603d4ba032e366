"""A real kernel behind a TUN device: stray segments in each of its states (a part of `edges.py`), and round trips."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live.network import why_not

import handshake_inspect

EVERY = 211  # a prime: all ways, kinds and edges come up
LONGEST_S = 120  # of a few seconds' work, on a busy machine
WHY_NOT = why_not() or (None if Path("/dev/net/tun").exists() else "needs /dev/net/tun")


pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")


def played(script, *what):
    """What a script prints; the network is of a process of its own, which leaves that of this one for good."""
    environment = os.environ | {"PYTHONPATH": str(Path(handshake_inspect.__file__).resolve().parents[1])}
    done = subprocess.run(
        [sys.executable, "-P", str(Path(__file__).with_name(script)), *what],
        capture_output=True, text=True, env=environment, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("what", "least"),
    [
        (("--every", str(EVERY)), 80),
        (("--walks", "60"), 59),
        (("--walks", "50", "--settings"), 49),
        (("--walks", "50", "--uncommon"), 49),
    ],
)
def test_stray_segments_on_the_edges(what, least):
    good, all_of_them = map(int, played("edges.py", *what, "--show")[-1].split("/"))
    assert good == all_of_them > least


def test_the_round_trip_of_a_handshake_is_that_of_tcp_info():
    *handshakes, last = played("handshake_rtt.py")
    assert len(handshakes) == 8
    assert last.startswith("wrong: 0;")
