"""Captures read from a pipe, and capture programs as child processes."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from live.network import LAST, Watcher, needs, wait_readable

import handshake_inspect
from handshake_inspect.capture.source import Source
from handshake_inspect.errors import CaptureError, LiveError
from handshake_inspect.live import child, tshark
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.live.session import BACKENDS, open_live

PACKAGE = str(Path(handshake_inspect.__file__).resolve().parent.parent)
HEADER = bytes.fromhex("4d3cb2a1 02000400 00000000 00000000 00000400 01000000")
SYN = bytes.fromhex(
    "020000000001 020000000002 0800 4500002800000000400600000a0000010a000002"
    " 1000270f 00000001 00000000 50020400 00000000"
)
RECORD = (5).to_bytes(4, "little") + bytes(4) + 2 * len(SYN).to_bytes(4, "little") + SYN


@pytest.fixture
def pipe():
    """The write end of a pipe, and the source that reads from it."""
    reading, writing = os.pipe()
    os.write(writing, HEADER)
    source = PipeSource(Source(os.fdopen(reading, "rb", buffering=0), "pipe"), reading)
    with os.fdopen(writing, "wb", buffering=0) as end, source:
        yield end, source


def test_frames_are_available_as_they_arrive(pipe):
    end, source = pipe
    watcher = Watcher(source)
    while source.wait(0):  # the header
        assert source.fill()
        watcher.drain()
    assert watcher.seen == []
    end.write(RECORD + RECORD[:30])
    watcher.until(lambda watcher: watcher.seen)
    assert not source.wait(0)
    end.write(RECORD[30:])
    watcher.until(lambda watcher: len(watcher.seen) == 2)
    end.close()
    watcher.to_the_end()
    assert source.complete
    assert source.problems == []
    assert watcher.times == [5_000_000_000] * 2


def test_a_truncated_pipe(pipe):
    end, source = pipe
    end.write(RECORD + RECORD[:30])
    end.close()
    Watcher(source).to_the_end()
    assert [problem.kind for problem in source.problems] == ["cut"]


def test_stop_ends_a_wait_for_a_silent_pipe(pipe):
    _, source = pipe
    assert source.fill()
    stopper = threading.Thread(target=source.stop)
    stopper.start()
    assert not source.fill()
    stopper.join()
    assert source.failure is None


def test_standard_input():
    code = (
        "from handshake_inspect.live.session import open_standard_input\n"
        "with open_standard_input() as source:\n"
        "    while source.fill():\n"
        "        while source.reader.advance(): pass\n"
        "print(source.name, source.reader.frames, source.link_types)\n"
    )
    for given, said in ((HEADER + RECORD * 3, "standard input 3 [1]"), (b"", "is empty")):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            input=given,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": PACKAGE},
            check=False,
        )
        assert said in (done.stdout + done.stderr).decode()


def test_input_that_is_not_a_capture():
    reading, writing = os.pipe()
    os.write(writing, b"GET / HTTP/1.1\r\n\r\n")
    os.close(writing)
    with pytest.raises(CaptureError, match="not a capture"):
        Source(os.fdopen(reading, "rb", buffering=0), "pipe")


# Programs


def test_a_stream_that_ends_in_a_record_is_not_complete(pipe):
    end, source = pipe
    end.write(RECORD + RECORD[:30])
    end.close()
    Watcher(source).to_the_end()
    assert [problem.kind for problem in source.problems] == ["cut"]
    assert not source.complete


@pytest.mark.parametrize("backend", ["dumpcap", "tcpdump", "tshark"])
def test_a_missing_program(backend, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(LiveError, match=rf"^{backend}: is not installed; install .*, or choose another --backend$"):
        open_live("lo", backend=backend)


def test_a_program_that_dies(network):
    needs("tcpdump")
    network.client.ip("link", "add", "frail", "type", "veth", "peer", "name", "frail1")
    network.client.ip("link", "set", "frail", "up")
    with network.client(), open_live("frail", backend="tcpdump") as source:
        network.client.ip("link", "del", "frail")
        Watcher(source).to_the_end()
        assert str(source.failure).startswith("frail: tcpdump stopped capturing (")
        assert not source.complete


DROPS = """
import os, sys
from handshake_inspect.live import privileges
from handshake_inspect.live.session import open_live
from live.network import Watcher
with open_live("wire", backend=sys.argv[1], filter_text="tcp") as source:
    privileges.drop("nobody")
    assert os.geteuid() != 0
    print("captures", flush=True)
    watcher = Watcher(source).until_last().finish()
print(len(watcher.seen), *source.counters())
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_privileges_are_not_needed_after_opening(network, backend):
    """Neither to read, nor to stop, nor for the counters."""
    needs(backend)
    path = os.pathsep.join([PACKAGE, str(Path(__file__).resolve().parent.parent)])
    with network.client():
        running = subprocess.Popen(
            [sys.executable, "-P", "-c", DROPS, backend],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
    with running:
        assert running.stdout.readline() == b"captures\n"
        network.knock(LAST)
        assert running.stdout.read() == b"2 2 0\n"


def test_nothing_is_left_running_when_this_process_is_killed(network):
    needs("tcpdump")
    code = (
        "from handshake_inspect.live.session import open_live\n"
        "source = open_live('wire', backend='tcpdump')\n"
        "print(source._supervisor.pid, flush=True)\n"
        "input()\n"
    )
    with network.client():
        running = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": PACKAGE},
        )
    with running:
        keeper = os.pidfd_open(int(running.stdout.readline()))
        running.kill()
        assert wait_readable(keeper)  # it has ended, after its child
        os.close(keeper)


@pytest.mark.parametrize(
    ("words", "counters"),
    [
        ("7 packets captured\n9 packets received by filter\n2 packets dropped by kernel\n", (9, 2)),
        ("1 packet captured\n1 packet received by filter\n0 packets dropped by kernel\n", (1, 0)),
        ("3 packets received by filter\n1 packet dropped by kernel\n4 packets dropped by interface\n", (3, 5)),
        ("Packets received/dropped on interface 'Loopback: lo': 10/3 (pcap:3/dumpcap:0/flushed:0) (76.9%)\n", (13, 3)),
        ("nothing of the kind", (None, None)),
    ],
)
def test_parsing_counters_from_program_output(words, counters):
    assert child._parse_counts(words) == counters


# pyshark


@pytest.mark.parametrize(
    ("time", "ns"),
    [
        ("1795210783.722278659", 1_795_210_783_722_278_659),
        ("1795210783.7", 1_795_210_783_700_000_000),
        ("1795210783", 1_795_210_783_000_000_000),
        ("2026-11-20T21:39:43.722278659Z", 1_795_210_783_722_278_659),
    ],
)
def test_parsing_wireshark_times(time, ns):
    assert tshark.nanoseconds(time) == ns


def test_only_one_module_imports_pyshark():
    package = Path(child.__file__).resolve().parent
    importers = [file.name for file in package.glob("*.py") if "import pyshark" in file.read_text()]
    assert importers == ["tshark.py"]
