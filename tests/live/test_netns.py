"""Captures in another network namespace."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from live.network import LAST, SERVER

import handshake_inspect


def until_refused(lines):
    """Read the connection events, up to the last attempt of an exchange."""
    for line in lines:
        event = json.loads(line)
        if event["event"] == "connection":
            yield event
            if event["server"]["port"] == LAST:
                return


@pytest.mark.parametrize("backend", ["ring", "tcpdump"])
def test_frames_and_counters_are_those_of_the_namespace(network, tmp_path, backend):
    os.mkfifo(tmp_path / "ready")
    package = str(Path(handshake_inspect.__file__).parent.parent)
    words = [
        sys.executable, "-P", "-m", "handshake_inspect", "live", "--netns", network.server.name, "-i", "wire",
        "--ready", tmp_path / "ready", "-T", "ndjson", "--backend", backend, "-Z", "root",
    ]  # fmt: skip
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, env={**os.environ, "PYTHONPATH": package}, **pipes) as process:
        assert (tmp_path / "ready").read_text() == f"{process.pid}\n"  # waits until it is
        network.exchange()
        seen = list(until_refused(process.stdout))
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate()
    assert process.returncode == 0
    assert f"listening on wire in network namespace {network.server.name}" in said.decode()
    assert {each["server"]["ip"] for each in seen} >= {SERVER}
    report = json.loads(shown.splitlines()[-1])
    assert report["summary"]["outcomes"]["established"] == 2
    assert report["capture"]["host"]["counters"]["passive_opens"] == 2


def test_interfaces_of_a_namespace_are_listed(hsi, network):
    said = hsi("live", "-D", "--netns", network.server.name).stdout.decode()
    assert SERVER in said


def test_the_chosen_interface_is_reported(hsi, network):
    words = ("live", "--netns", network.server.name, "--duration", "1ms")
    assert b"no -i given, so wire (the first that is up)" in hsi(*words).stderr
    assert hsi(*words, "-q").stderr == b""
