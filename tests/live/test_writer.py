"""Captured frames are also written to a file that stays readable whatever happens to the process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from live.network import PATIENCE_S, Network, Watcher, needs

import handshake_inspect
from handshake_inspect.capture.frames import FRAME
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.capture.source import open_source
from handshake_inspect.errors import LiveError
from handshake_inspect.live.session import BACKENDS, open_live
from handshake_inspect.live.writer import PcapngWriter

PACKAGE = str(Path(handshake_inspect.__file__).resolve().parent.parent)


def frames_of(path):
    with open_source(path) as source:
        found = []
        while True:
            while source.reader.advance() == FRAME:
                reader = source.reader
                data = bytes(reader.buffer[reader.frame_start : reader.frame_end])
                found.append((data, reader.ts_ns, reader.wire_len, reader.link_type))
            if not source.fill():
                return found, source


def tshark(path):
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_file_holds_what_was_seen(network: Network, tmp_path, backend):
    needs(backend)
    path = tmp_path / "out.pcapng"
    with network.client(), open_live("wire", backend=backend, filter_text="tcp", write_to=str(path)) as source:
        watcher = Watcher(source)
        network.exchange()
        watcher.until_last().finish()
    found, written = frames_of(path)
    lengths = watcher.wire_lengths
    assert found == [(o, t, n, 1) for o, t, n in zip(watcher.captured, watcher.times, lengths, strict=True)]
    assert written.complete
    assert written.dropped == 0  # an Interface Statistics Block says so
    assert written.filters == ["tcp"]
    shown = tshark(path)
    assert [int(time.replace(".", "")) for time, _ in shown] == watcher.times
    assert [int(length) for _, length in shown] == lengths


CHILD = """
import sys
from handshake_inspect.live.session import open_live
with open_live("wire", filter_text="tcp", write_to=sys.argv[1]) as source:
    print("captures", flush=True)
    while source.fill():
        while source.reader.advance():
            pass
        print(source.reader.frames, flush=True)
        pass  # and on
"""


def test_a_kill_leaves_a_readable_file(network: Network, tmp_path):
    path = tmp_path / "out.pcapng"
    # It is killed where it waits: a write that the signal interrupts may be there in part.
    command = [sys.executable, "-P", "-c", CHILD.replace("pass  # and on", "sys.stdin.readline()"), str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with network.client():
        child = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": PACKAGE}, **pipes)
    with child:
        assert child.stdout.readline() == b"captures\n"
        network.exchange()
        assert int(child.stdout.readline()) > 0
        child.stdin.write(b"\n")
        child.stdin.flush()
        network.exchange()
        seen = int(child.stdout.readline())  # the block before this one is written
        child.kill()
        child.wait(PATIENCE_S)
    shown = tshark(path)
    assert 0 < len(shown) <= seen
    assert frames_of(path)[1].complete


def test_standard_output(network: Network):
    with network.client():
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD.replace("flush=True", "file=sys.stderr, flush=True"), "-"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": PACKAGE},
        )
    with child:
        assert child.stderr.readline() == b"captures\n"
        network.exchange()
        assert child.stdout.read(4) == b"\x0a\x0d\x0d\x0a"
        child.kill()


def test_a_file_that_cannot_be_created(tmp_path):
    with pytest.raises(LiveError, match=r"out: cannot be written \(No such file or directory\); name another file$"):
        PcapngWriter(str(tmp_path / "none" / "out"), "lo", 0)


def test_a_full_disk_is_reported(network: Network):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with (
        network.client(),
        pytest.raises(LiveError, match=r"^/dev/full: writing failed .*; free some space, or write elsewhere$"),
    ):
        open_live("lo", write_to="/dev/full")


def test_frames_larger_than_the_buffer(tmp_path):
    """One larger than the buffer, between small ones, with lengths of every remainder modulo four."""
    frames = [bytes([n]) * n for n in range(9)] + [b"big" * 700_000] + [b"small"]
    capture = bytearray(bytes.fromhex("4d3cb2a1 02000400 00000000 00000000 00000004 01000000"))
    for number, frame in enumerate(frames):
        for value in (number, 2**31, len(frame), len(frame) + number) if number != 0 else (1, 5, 0, 0):
            capture += (value % 10**9 if value == 2**31 else value).to_bytes(4, "little")
        capture += frame
    reader = PcapReader()
    path = tmp_path / "out.pcapng"
    with PcapngWriter(str(path), "eth9", 0, "tcp") as writer:
        recording = writer.record(reader)
        reader.feed(capture, 0, len(capture), 0)
        while recording.advance() == FRAME:
            pass
    found, source = frames_of(path)
    assert [data for data, *_ in found] == frames
    assert source.complete
