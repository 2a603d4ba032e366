"""After root is dropped, no file of the installation is needed: only root may be able to read it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live.network import PATIENCE_S
from live.test_run_command import Hsi

import handshake_inspect
from handshake_inspect.render import CHECKS, REPORTS

pytestmark = pytest.mark.any_build

PROGRAM = Path(__file__).with_name("only_before.py")
ROOT_IS_GIVEN_UP = {"SUDO_UID": "", "SUDO_GID": ""}
OPTIONAL = {"arrow": "pyarrow", "parquet": "pyarrow"}


def checked(network, *arguments, cwd):
    """Run `hsi check --live` on the cable and return its stderr."""
    package = str(Path(handshake_inspect.__file__).resolve().parent.parent)
    with network.client():
        done = subprocess.run(
            [sys.executable, "-P", PROGRAM, "check", "--live", "-i", "wire", *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S,
            env=os.environ | ROOT_IS_GIVEN_UP | {"PYTHONPATH": package},
            cwd=cwd,
            check=False,
        )
    return done.stderr.decode().splitlines()


@pytest.mark.parametrize("form", CHECKS)
def test_a_check_that_fails(network, tmp_path, form):
    rules = ["--max-refused", "0", "--no-finding", "refused", "-T", form, "-o", "shown", "--write", "broken.pcapng"]
    knock = "import socket; socket.socket().connect_ex(('10.93.7.2', 9))"
    said = checked(network, *rules, "--", sys.executable, "-c", knock, cwd=tmp_path)
    assert said == ["late: []"]
    assert (tmp_path / "shown").stat().st_size
    assert (tmp_path / "broken.pcapng").stat().st_size


def test_a_check_whose_interface_disappears(network, tmp_path):
    try:
        words = ["--min-connections", "0", "-o", "shown.json", "--", "ip", "link", "del", "wire"]
        said = checked(network, *words, cwd=tmp_path)
    finally:
        network.plug()
    error, late = said
    assert error.startswith("hsi: error: wire: the interface was removed")
    assert late == "late: []"


@pytest.mark.parametrize("form", REPORTS)
def test_a_report(network, tmp_path, form):
    if form in OPTIONAL:
        pytest.importorskip(OPTIONAL[form])
    shown = tmp_path / "shown"
    options = {"program": [PROGRAM], "env": ROOT_IS_GIVEN_UP}
    with network.client():
        running = Hsi("-i", "wire", "-T", form, "-o", shown, "-c", "2", "tcp port 9", **options)
    with running:
        running.says("as nobody")
        network.knock(9)
        running.ends()
    assert running.said[-1] == "late: []\n"
    assert shown.stat().st_size


def test_a_report_of_the_connections_that_pass_an_expression(network, tmp_path):
    shown = tmp_path / "shown"
    words = ["-Y", "outcome == established", "-T", "text", "-o", shown, "-c", "2", "tcp port 9"]
    with network.client():
        running = Hsi("-i", "wire", *words, program=[PROGRAM], env=ROOT_IS_GIVEN_UP)
    with running:
        running.says("as nobody")
        network.knock(9)
        running.ends()
    assert running.said[-1] == "late: []\n"
    assert "0 of 1 connection matches -Y 'outcome == established'" in shown.read_text()
