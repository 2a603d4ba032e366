"""No option of output destroys a capture, or anything else that is read."""

import bz2
import gzip
import lzma
import os
import shutil
import signal
import subprocess
import sys

import pytest

from handshake_inspect.cli.input_options import chosen_format
from handshake_inspect.cli.output import Target
from handshake_inspect.errors import UsageError

pytestmark = pytest.mark.any_build

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.fixture
def here(tmp_path, pcaps):
    """A folder with a capture, a second one, and a report; what is in it must stay as it is."""
    shutil.copy(pcaps / "refused.pcap", tmp_path / "v.pcap")
    shutil.copy(pcaps / "refused.pcap", tmp_path / "other.pcap")
    (tmp_path / "hard.pcap").hardlink_to(tmp_path / "v.pcap")
    (tmp_path / "soft.pcap").symlink_to("v.pcap")
    (tmp_path / "rules.toml").write_text("max-refused = 1\n")
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


COMMANDS = {
    "analyze": ["analyze", "IN"],
    "check": ["check", "--no-rules", "IN"],
    "diff-old": ["diff", "IN", "other.pcap"],
    "diff-new": ["diff", "other.pcap", "IN"],
    "explain": ["explain", "IN", "0"],
    "live": ["live", "-q", "-r", "IN"],
}
NAMES = ["v.pcap", "./v.pcap", "hard.pcap", "soft.pcap"]


@pytest.mark.parametrize("name", ["v.pcap", "hard.pcap"])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("standard_input", [False, True], ids=["path", "standard-input"])
def test_a_report_does_not_replace_what_is_read(hsi, here, command, name, standard_input):
    before = contents(here)
    words = ["-" if word == "IN" and standard_input else word.replace("IN", "soft.pcap") for word in COMMANDS[command]]
    with (here / "v.pcap").open("rb") as stream:
        done = hsi(*words, "-T", "json", "-o", name, cwd=here, stdin=stream if standard_input else subprocess.DEVNULL)
    assert done.returncode == 2, done.stderr
    assert b"would replace the capture itself" in done.stderr
    assert done.stdout == b""
    assert contents(here) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "words",
    [
        ["analyze", "v.pcap", "--write"], ["check", "--no-rules", "v.pcap", "--write"], ["live", "-r", "v.pcap", "-w"],
        ["analyze", "other.pcap", "v.pcap", "--write"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_frames_do_not_replace_what_is_read(hsi, here, words, name):
    before = contents(here)
    done = hsi(*words, name, cwd=here)
    assert done.returncode == 2
    assert b"would replace the capture itself" in done.stderr
    assert contents(here) == before


def test_frames_of_standard_input(hsi, here):
    before = contents(here)
    with (here / "v.pcap").open("rb") as stream:
        done = hsi("live", "-r", "-", "-w", "hard.pcap", cwd=here, stdin=stream)
    assert done.returncode == 2
    assert contents(here) == before


@pytest.mark.parametrize("write", ["x.json", "dir/../x.json"])
@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["analyze", "v.pcap"], "--write"), (["check", "--no-rules", "v.pcap"], "--write"),
        (["live", "-r", "v.pcap"], "-w"), (["check", "--live", "-i", "lo", "--duration", "1s"], "--write"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("exists", [True, False])
def test_report_and_frames_are_two_files(hsi, here, words, option, write, exists):
    if exists:
        (here / "x.json").write_text("{}")
    (here / "dir").mkdir()
    (here / "link.json").symlink_to("x.json")
    before = names(here)
    done = hsi(*words, "-o", "x.json", option, write, cwd=here)
    assert done.returncode == 2
    assert b"are one file" in done.stderr
    assert names(here) == before


@pytest.mark.parametrize("packed", [None, *PACKERS])
def test_a_report_replaces_no_capture_at_all(hsi, here, pcaps, packed):
    content = (pcaps / "refused.pcap").read_bytes()
    (here / "precious").write_bytes(PACKERS[packed](content) if packed else content)
    before = contents(here)
    for command in COMMANDS.values():
        done = hsi(*(word.replace("IN", "v.pcap") for word in command), "-T", "json", "-o", "precious", cwd=here)
        assert done.returncode == 2
        assert b"would replace a capture" in done.stderr
    assert hsi("schema", "-o", "precious", cwd=here).returncode == 2
    assert contents(here) == before


@pytest.mark.parametrize("content", [b"\x0a\x0d\x0d\x0a", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1rest"])
def test_the_beginning_of_a_capture_is_enough(tmp_path, content):
    path = tmp_path / "a"
    for opened in (Target.open, Target.held):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="capture"), opened(str(path)):
            pass
        with opened(str(path), frames=True):
            pass


@pytest.mark.parametrize("content", [b"", b"{}", gzip.compress(b"{}", mtime=0), b"PAR1"])
def test_anything_else_is_replaced(hsi, here, content):
    (here / "old.json").write_bytes(content)
    assert hsi("v.pcap", "-o", "old.json", cwd=here).returncode == 0
    assert (here / "old.json").read_bytes().startswith(b'{"schema"')


def test_frames_may_replace_an_older_capture(hsi, here):
    assert hsi("v.pcap", "-o", "new.json", "--write", "other.pcap", cwd=here).returncode == 0
    assert (here / "other.pcap").read_bytes().startswith(b"\x0a\x0d\x0d\x0a")


def test_standard_output_appended_to_the_capture(hsi, here):
    before = contents(here)
    with (here / "v.pcap").open("ab") as out:
        done = hsi("v.pcap", cwd=here, capture_output=False, stdout=out, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert contents(here) == before


def test_a_report_and_rules_that_are_read(hsi, here):
    assert hsi("-T", "json", "-o", "r.json", "v.pcap", cwd=here).returncode == 0
    before = contents(here)
    assert hsi("diff", "r.json", "v.pcap", "-o", "r.json", cwd=here).returncode == 2
    assert hsi("check", "r.json", "--rules", "rules.toml", "-T", "text", "-o", "rules.toml", cwd=here).returncode == 2
    assert contents(here) == before


def test_devices_and_pipes_are_no_files(hsi, here):
    assert hsi("v.pcap", "-o", "/dev/null", "--write", "/dev/null", cwd=here).returncode == 0
    assert hsi("v.pcap", "-o", "/dev/stderr", cwd=here).returncode == 0


@pytest.mark.parametrize("name", ["x.foo", "x.json.gz"])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_ending_is_refused(hsi, here, command, name):
    before = contents(here)
    words = [word.replace("IN", "v.pcap") for word in COMMANDS[command]]
    done = hsi(*words, "-o", name, cwd=here)
    assert done.returncode == 2
    assert b".json" in done.stderr
    assert b"-T" in done.stderr
    assert contents(here) == before


@pytest.mark.parametrize("name", ["x.foo", "x.pcap", "x.json.gz", "X.PDF"])
def test_unknown_endings(name):
    with pytest.raises(UsageError, match=r"use one of \.json"):
        chosen_format(None, name)
    assert chosen_format("csv", name) == "csv"


@pytest.mark.parametrize(
    ("command", "number", "old"),
    [
        ("analyze", signal.SIGTERM, b"what was there"), ("analyze", signal.SIGHUP, None),
        ("analyze", signal.SIGINT, b"what was there"), ("check", signal.SIGHUP, b"what was there"),
        ("diff", signal.SIGTERM, None), ("explain", signal.SIGTERM, b"what was there"),
    ],
)  # fmt: skip
def test_a_signal_leaves_what_was_there(here, command, number, old):
    """A command that waits for the rest of a capture has its output open: that is the first thing it opens."""
    if old is not None:
        (here / "r.json").write_bytes(old)
    os.mkfifo(here / "fifo")
    before = names(here)
    words = [word.replace("IN", "fifo") for word in COMMANDS["diff-old" if command == "diff" else command]]
    process = subprocess.Popen(
        [sys.executable, "-m", "handshake_inspect", *words, "-T", "json", "-o", "r.json"],
        cwd=here, env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    with (here / "fifo").open("wb") as rest:
        rest.write((here / "v.pcap").read_bytes()[:200])
        rest.flush()
        assert any(name.endswith(".part") for name in names(here))
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode in ((-number,) if number != signal.SIGINT else (130,))
    assert names(here) == before
    assert old is None or (here / "r.json").read_bytes() == old
