"""Behaviours of the samples, made by the kernel while `hsi live` watches the interface: verdicts are the offline ones.

Timing is part of a verdict, so frames of a file cannot be played back faster than they came.  Instead the scenarios
run once more, side by side, as far as they are quick.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from live.network import why_not
from support.samples import differences

import handshake_inspect
from handshake_inspect.engine import analyze

DRIVER = Path(__file__).with_name("live.py")
SIDE_BY_SIDE = 6
TRIES = 4
LONGEST_S = 90  # that a scenario takes on a busy machine

# Every outcome, and every cause that comes about within seconds; the slow ones first.
NAMES = (
    "timed-out-host-silent", "timed-out-syn-dropped", "timed-out-port-filtered", "backscatter",
    "half-open-no-final-ack", "accept-queue-overflow", "syn-flood-unanswered", "lost-syn",
    "rejected-ttl-exceeded", "pending", "aborted-connect", "middlebox-reset", "refused", "rejected-port-unreachable",
    "rejected-admin-prohibited", "accept-queue-overflow-reset", "closed-by-client", "reset-by-server", "midstream",
    "one-sided-client",
)  # fmt: skip

WHY_NOT = why_not() or next((f"needs {tool}" for tool in ("tcpdump", "nft", "ss") if not shutil.which(tool)), None)
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")


def made(out: Path, name: str) -> None:
    """Make one behaviour; again where the machine was too busy."""
    environment = os.environ | {"PYTHONPATH": str(Path(handshake_inspect.__file__).resolve().parents[1])}
    for attempt in range(TRIES):
        done = subprocess.run(
            [sys.executable, DRIVER, out, name],
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            env=environment,
            check=False,
        )
        if done.returncode == 0:
            return
        assert done.returncode == os.EX_TEMPFAIL, done.stderr
        assert attempt + 1 < TRIES, done.stderr
        time.sleep(attempt)  # the machine is busy


@pytest.fixture(scope="module")
def behaviours(tmp_path_factory):
    """Where each behaviour is or is being made."""
    out = tmp_path_factory.mktemp("lab")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        making: dict[str, Future[None]] = {name: pool.submit(made, out, name) for name in NAMES}
        yield out, making
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_seen_live_is_what_the_kernel_said_and_what_the_file_says(behaviours, name):
    out, making = behaviours
    making[name].result()
    if what_differs(out, name):  # a machine that was late makes another behaviour of some; a wrong verdict stays wrong
        made(out, name)
    assert what_differs(out, name) == []


def what_differs(out: Path, name: str) -> list[str]:
    """Where the live report differs from what is expected; that it is the report of the file is beyond doubt."""
    live = json.loads((out / f"{name}.live.json").read_text())
    offline = analyze([out / f"{name}.live.pcapng"])
    for each in live["connections"] + live["services"]:
        each.update(dict.fromkeys(each.keys() & {"process", "listener"}))  # whose socket it was, no file says
    assert live["connections"] == msgspec.to_builtins(list(offline.connections))
    assert live["summary"] == msgspec.to_builtins(offline.summary)
    assert live["services"] == msgspec.to_builtins(list(offline.services))
    assert [each["id"] for each in live["findings"]] == [each.id for each in offline.findings]
    expected = json.loads((out / f"{name}.json").read_text())["expected"]
    return list(differences(live["connections"], live["summary"]["outcomes"], expected))


def test_every_outcome_is_among_them(pcaps):
    outcomes = set()
    for name in NAMES:
        expected = json.loads((pcaps / f"{name}.json").read_text())["expected"]
        outcomes |= {each["outcome"] for each in expected.get("connections") or ()} | set(
            expected.get("outcomes") or ()
        )
    assert outcomes >= {
        "established", "refused", "rejected", "timed-out", "pending", "half-open", "aborted", "unsolicited",
        "midstream",
    }  # fmt: skip
