"""Every example of docs/ci.md works."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

from handshake_inspect.checks import settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines() if line[:4] == "hsi "]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(hsi, pcaps, tmp_path, command):
    shutil.copy(pcaps / "healthy-burst.pcap", tmp_path / "capture.pcap")
    shutil.copy(pcaps / "refused.pcap", tmp_path / "refused.pcap")
    command, _, remark = command.partition("  # exit status ")
    done = hsi(*shlex.split(command)[1:], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (int(remark or 0), b"")


def test_there_are_commands():
    assert len(COMMANDS) > 15
    assert len([command for command in COMMANDS if command.startswith("hsi check")]) > 8


def test_rules():
    (block,) = [block for language, block in BLOCKS if language == "toml"]
    document = tomllib.loads(block)
    rules = settings.rules({}, document, "hsi.toml")
    assert rules.given == (set(document) | set(settings.PROFILES["smoke"])) - {"profile"}


def test_the_output_shown_is_the_output(hsi, pcaps, tmp_path):
    (shown,) = [block for language, block in BLOCKS if language == "text"]
    done = hsi("check", "--max-refused", "0", pcaps / "refused.pcap", cwd=tmp_path)
    assert done.stdout.decode().startswith(shown)


def test_every_rule_is_explained():
    for key in settings.KEYS:
        assert f"`--{key}" in PAGE
