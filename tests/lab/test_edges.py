"""A part of `edges.py`: stray segments into each state of a real kernel, and hsi's state of it after each frame."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live.network import why_not

import handshake_inspect

EDGES = Path(__file__).with_name("edges.py")
EVERY = 211  # a prime: all ways, kinds and edges come up
LONGEST_S = 120  # of a few seconds' work, on a busy machine
WHY_NOT = why_not() or (None if Path("/dev/net/tun").exists() else "needs /dev/net/tun")


@pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")
@pytest.mark.parametrize(
    ("what", "least"), [(("--every", str(EVERY)), 80), (("--walks", "60"), 59), (("--walks", "50", "--settings"), 49)]
)
def test_stray_segments_on_the_edges(what, least):
    """The network is of a process of its own, which leaves that of this one for good."""
    environment = os.environ | {"PYTHONPATH": str(Path(handshake_inspect.__file__).resolve().parents[1])}
    done = subprocess.run(
        [sys.executable, "-P", str(EDGES), *what, "--show"],
        capture_output=True, text=True, env=environment, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    good, played = map(int, done.stdout.splitlines()[-1].split("/"))
    assert good == played > least
