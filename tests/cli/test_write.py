"""`--write`: the frames of the connections in question, and no others, with the verdicts."""

import shutil
import subprocess

import pytest
from support import captures, samples
from support.wire import Wire

from handshake_inspect import analyze
from handshake_inspect.engine.extract import extract
from handshake_inspect.expression.language import parse
from handshake_inspect.expression.select import filtered


def written(path, expression, where):
    whole = analyze(path)
    some = filtered(whole, parse(expression))
    with where.open("wb") as stream:
        frames = extract([path], whole.connections, some.connections, stream)
    return whole, some, frames


@pytest.mark.wide_table
@pytest.mark.parametrize("sample", samples.SAMPLES)
def test_what_is_written_of_all_reads_the_same(sample, tmp_path):
    path = samples.DIRECTORY / f"{sample}.pcap"
    whole, _, frames = written(path, "id >= 0", tmp_path / "all.pcapng")
    again = analyze(tmp_path / "all.pcapng")
    assert again.capture.frames == frames <= whole.capture.frames
    assert again.capture.tcp_segments == whole.capture.tcp_segments
    assert [c.outcome for c in again.connections] == [c.outcome for c in whole.connections]
    assert [c.first_ns for c in again.connections] == [c.first_ns for c in whole.connections]
    assert [c.client_to_server for c in again.connections] == [c.client_to_server for c in whole.connections]
    if frames:
        assert again.capture.link_types == whole.capture.link_types


@pytest.mark.parametrize("sample", ["port-reuse", "port-scan-connect", "happy-eyeballs", "rejected-port-unreachable"])
def test_each_connection_alone(sample, tmp_path):
    path = samples.DIRECTORY / f"{sample}.pcap"
    for number in range(min(4, len(analyze(path).connections))):
        _, some, _ = written(path, f"id == {number}", tmp_path / "one.pcapng")
        (wanted,), again = some.connections, analyze(tmp_path / "one.pcapng").connections
        (found,) = again
        assert (found.client, found.server, found.outcome) == (wanted.client, wanted.server, wanted.outcome)
        assert (found.first_ns, found.last_ns) == (wanted.first_ns, wanted.last_ns)
        assert found.client_to_server == wanted.client_to_server


def test_the_commands(hsi, pcaps, tmp_path):
    capture = pcaps / "port-scan-connect.pcap"
    done = hsi("-q", "-Y", "outcome == refused", "--write", tmp_path / "a.pcapng", capture)
    assert done.returncode == 0
    assert {c.outcome for c in analyze(tmp_path / "a.pcapng").connections} == {"refused"}
    done = hsi("check", "--max-refused", "0", "--limit", "1", "--write", tmp_path / "b.pcapng", capture, cwd=tmp_path)
    assert done.returncode == 1
    assert (tmp_path / "b.pcapng").read_bytes() == (tmp_path / "a.pcapng").read_bytes()


def test_what_cannot_be_read_twice(hsi, pcaps, tmp_path):
    content = (pcaps / "refused.pcap").read_bytes()
    done = hsi("--write", tmp_path / "a.pcapng", "-", input=content)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"reads the captures twice" in done.stderr
    same = tmp_path / "same.pcap"
    same.write_bytes(content)
    assert b"replace the capture" in hsi("--write", same, same).stderr
    assert same.read_bytes() == content


def test_wireshark_shows_the_verdict(pcaps, tmp_path):
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark")
    written(pcaps / "refused.pcap", "id == 0", tmp_path / "a.pcapng")
    command = ["tshark", "-r", tmp_path / "a.pcapng", "-T", "fields", "-e", "frame.comment"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown.startswith("hsi #0: refused, closed-port. 10.0.0.2 answered with RST")
    assert shown.splitlines()[-1] == "hsi #0: evidence for refused"


def test_the_filter_of_the_capture_is_kept(tmp_path, pcaps):
    """As far as one is known for all of it."""
    known, other, unknown = (tmp_path / f"{name}.pcapng" for name in ("known", "other", "unknown"))
    for path, text in ((known, b"\0tcp port 80"), (other, b"\0udp"), (unknown, b"")):
        frames = [captures.packet(frame, 1000) for frame in one_connection()]
        path.write_bytes(captures.section() + captures.interface(filter_text=text) + b"".join(frames))
    for inputs, filters in (([known], ["tcp port 80"]), ([known, other], []), ([known, unknown], []), ([unknown], [])):
        whole = analyze(*inputs)
        with (tmp_path / "out.pcapng").open("wb") as stream:
            extract(inputs, whole.connections, whole.connections, stream)
        assert analyze(tmp_path / "out.pcapng").capture.filters == filters


def one_connection():
    return [frame for _, frame in Wire().handshake().frames()]


def test_the_report_shows_the_filter(hsi, tmp_path):
    path = tmp_path / "a.pcapng"
    content = captures.section() + captures.interface(filter_text=b"\0tcp port 80 and \x1b[31m")
    path.write_bytes(content + b"".join(captures.packet(frame, 1000) for frame in one_connection()))
    shown = hsi(path).stdout.decode()
    assert "  filter    tcp port 80 and " in shown
    assert "\x1b" not in shown
