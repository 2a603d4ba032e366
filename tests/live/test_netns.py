"""A capture in another network namespace, begun from this one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from live.network import SERVER

import handshake_inspect


@pytest.mark.parametrize("backend", ["ring", "tcpdump"])
def test_frames_and_counters_are_those_of_the_namespace(network, tmp_path, backend):
    os.mkfifo(tmp_path / "ready")
    package = str(Path(handshake_inspect.__file__).parent.parent)
    words = [
        sys.executable, "-P", "-m", "handshake_inspect", "live", "--netns", network.server.name, "-i", "wire",
        "--ready", tmp_path / "ready", "-o", tmp_path / "report.json", "--backend", backend, "-Z", "root",
    ]  # fmt: skip
    with subprocess.Popen(words, env={**os.environ, "PYTHONPATH": package}, stderr=subprocess.PIPE) as process:
        assert (tmp_path / "ready").read_text() == f"{process.pid}\n"  # waits until it is
        network.exchange()
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1].decode()
    assert process.returncode == 0
    assert f"listening on wire in network namespace {network.server.name}" in said
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert {each["server"]["ip"] for each in report["connections"]} >= {SERVER}
    assert report["summary"]["outcomes"]["established"] == 2
    assert report["capture"]["host"]["counters"]["passive_opens"] == 2


def test_interfaces_of_a_namespace_are_listed(hsi, network):
    said = hsi("live", "-D", "--netns", network.server.name).stdout.decode()
    assert SERVER in said
