"""Every example of docs/ci.md works."""

import os
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from handshake_inspect.checks import settings

pytestmark = pytest.mark.any_build

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    match[1]
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if (match := re.fullmatch(r"(?:sudo )?(hsi .*)", line))
]
LIVE = [command for command in COMMANDS if " --live " in command]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in LIVE])
def test_commands(hsi, pcaps, tmp_path, command):
    shutil.copy(pcaps / "healthy-burst.pcap", tmp_path / "capture.pcap")
    shutil.copy(pcaps / "refused.pcap", tmp_path / "refused.pcap")
    status = re.search(r"  # exit status (\d)", command)
    done = hsi(*shlex.split(command, comments=True)[1:], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (int(status[1]) if status else 0, b"")


MAKE = """#!/bin/sh
exec %s -c 'import socket
with socket.create_server(("127.0.0.1", 8080)) as server, socket.create_connection(("127.0.0.1", 8080)):
    server.accept()[0].close()
'
"""


@pytest.mark.parametrize("command", LIVE)
def test_commands_that_capture(network, hsi, tmp_path, command):
    make = tmp_path / "make"
    make.write_text(MAKE % sys.executable)
    make.chmod(0o755)
    words = shlex.split(command.replace("-Z nobody", "-Z root"))  # the files of a test are for its user alone
    with network.client():
        done = hsi(*words[1:], cwd=tmp_path, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.returncode, done.stderr) == (0, b"")


def test_there_are_commands():
    assert len(COMMANDS) > 15
    assert len(LIVE) > 3
    assert len([command for command in COMMANDS if command.startswith("hsi check")]) > 8


def test_rules():
    (block,) = [block for language, block in BLOCKS if language == "toml"]
    document = tomllib.loads(block)
    rules = settings.rules({}, document, "hsi.toml")
    assert rules.given == (set(document) | set(settings.PROFILES["smoke"])) - {"profile"}


def test_the_output_shown_is_the_output(hsi, pcaps, tmp_path):
    (shown,) = [block for language, block in BLOCKS if language == "text"]
    shutil.copy(pcaps / "refused.pcap", tmp_path)
    done = hsi("check", "--max-refused", "0", "refused.pcap", cwd=tmp_path)
    assert done.stdout.decode().startswith(shown)


def test_every_rule_is_explained():
    for key in settings.KEYS:
        assert f"`--{key}" in PAGE
