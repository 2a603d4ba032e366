"""Where bytes come from: files, pipes, file objects; and what is said when they are no capture."""

import gzip
import io
import os
import shutil
import struct
import subprocess

import pytest
from support.captures import block, drain, option, packet, pcap, pcap_header, pcap_record, pcapng, read, section

import handshake_inspect
from handshake_inspect.capture import wireshark
from handshake_inspect.capture.frames import FRAME, NEED_MORE
from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import analyze
from handshake_inspect.errors import CaptureError

FRAMES = [(1_000 * n, bytes([n]) * (n % 90)) for n in range(1, 200)]
WHOLE = pcap(FRAMES)


def bytes_of(seen):
    return [(s.ns, s.data) for s in seen]


def refusal(where):
    with pytest.raises(CaptureError) as caught:
        open_source(where)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_status == 2
    return message


@pytest.mark.parametrize("as_what", [str, lambda path: path, os.fsencode], ids=["str", "Path", "bytes"])
def test_a_path(tmp_path, as_what):
    path = tmp_path / "a.pcap"
    path.write_bytes(WHOLE)
    where = as_what(path)
    if isinstance(where, bytes):
        where = os.fsdecode(where)
    with open_source(where) as source:
        assert bytes_of(drain(source)) == FRAMES
        assert (source.name, source.size, source.consumed) == (str(path), len(WHOLE), len(WHOLE))
        assert (source.compression, source.names) == (None, [str(path)])


def test_a_file_object_stays_open():
    file = io.BytesIO(WHOLE)
    source = open_source(file)
    assert bytes_of(drain(source)) == FRAMES
    assert (source.size, source.name) == (None, "input")
    source.close()
    assert not file.closed


class OnlyRead:
    """The least a binary file object can be."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, count):
        return self._file.read(min(count, 5))


def test_a_file_object_with_nothing_but_read():
    assert bytes_of(drain(open_source(OnlyRead(WHOLE)))) == FRAMES


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(WHOLE)))
    source = open_source("-")
    assert bytes_of(drain(source)) == FRAMES
    assert source.name == "standard input"


def test_standard_input_that_is_a_pipe_stays_open(monkeypatch):
    out, into = os.pipe()
    with os.fdopen(out, "rb") as stdin, os.fdopen(into, "wb") as pipe:
        pipe.write(WHOLE)
        pipe.close()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stdin))
        assert bytes_of(drain(open_source("-"))) == FRAMES
        assert not stdin.closed


@pytest.mark.parametrize("make", [pcap, pcapng], ids=["pcap", "pcapng"])
def test_the_buffer_grows_for_a_long_frame_only(make):
    frames = [(1, b"a" * 60), (2, b"b" * 200_000), (3, b"c" * 60)]
    seen, source = read(
        make([(1000 * ns, frame) for ns, frame in frames], snap_len=1 << 20) if make is pcap else make(frames), 5000
    )
    assert [s.data for s in seen] == [frame for _, frame in frames]
    assert 200_000 < len(source.reader.buffer) < 500_000


def test_a_claimed_length_does_not_allocate():
    record = pcap_record(1000, b"x")[:8] + (60_000_000).to_bytes(4, "little") * 2
    seen, source = read(pcap_header(snap_len=64_000_000) + record + b"abc", 4096)
    assert seen == []
    assert len(source.reader.buffer) == 4096
    assert (source.problems[0].kind, source.problems[0].offset) == ("cut", 24)


class Failing(io.RawIOBase):
    """A file of which so much can be read before the device fails."""

    def __init__(self, data):
        self.left = data

    def readinto(self, view):
        if not self.left:
            raise OSError(5, "Input/output error")
        part, self.left = self.left[: len(view)], self.left[len(view) :]
        view[: len(part)] = part
        return len(part)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("at_the_end_of_a_record", [False, True])
def test_an_error_of_the_device_is_no_shorter_capture(packed, at_the_end_of_a_record):
    data = pcap([(1000, b"x" * 60)] * 3)
    data = data if at_the_end_of_a_record else data[:-7]
    source = open_source(Failing(gzip.compress(data) if packed else data))
    with pytest.raises(CaptureError, match=r"Input/output error.* after frame \d, \d+ bytes into the file") as failed:
        drain(source)
    assert f"after frame {3 if at_the_end_of_a_record else 2}," in str(failed.value)
    with pytest.raises(CaptureError, match="Input/output error"):
        analyze([Failing(data), io.BytesIO(data)])


def test_an_error_of_the_device_before_anything():
    with pytest.raises(CaptureError, match=r"Input/output error.* before the first byte"):
        open_source(Failing(b""))
    with pytest.raises(CaptureError, match=r"Input/output error.*ends inside its file header, after 20 bytes"):
        open_source(Failing(pcap_header()[:20]))


HEADERS = {
    "pcap": pcap_header(),
    "big": pcap_header(big=True, nano=True),
    "pcapng": section(),
    "pcapng with options": block(
        0x0A0D0D0A, bytes.fromhex("4d3c2b1a01000000ffffffffffffffff") + option(4, b"an application") + option(0, b"")
    ),
}  # fmt: skip


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", HEADERS)
def test_a_file_whose_header_never_becomes_whole_is_no_capture(kind, pack):
    header = HEADERS[kind]
    for length in range(4, len(header)):
        with pytest.raises(CaptureError, match=f"file header, after {length} bytes"):
            open_source(io.BytesIO(pack(header[:length])))
    source = open_source(io.BytesIO(pack(header)))
    assert drain(source) == []
    assert source.complete


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 5, 0, 0, 65535, 1), "pcap version 2.5"),
        (struct.pack(">IHHiIII", 0xA1B2C3D4, 1, 0, 0, 0, 65535, 1), "pcap version 1.0"),
        (struct.pack("<IHHiIII", 0xA1B23C4D, 0, 0, 0, 0, 65535, 1), "pcap version 0.0"),
        (section(version=2), "pcapng version 2.0"),
        (section(version=0, big=True), "pcapng version 0.0"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "without the byte-order magic"),
        (b"\x0a\x0d\x0d\x0a\x05\0\0\0" + section()[8:], "claims an impossible 5 bytes"),
    ],
)
def test_a_version_that_does_not_exist(header, word):
    with pytest.raises(CaptureError, match=word):
        open_source(io.BytesIO(header + bytes(100)))


@pytest.mark.parametrize("version", [(2, 0), (2, 3), (543, 0)])
def test_versions_that_do_exist(version):
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, *version, 0, 0, 65535, 1)
    assert [seen.data for seen in drain(open_source(io.BytesIO(header + pcap_record(1000, b"x"))))] == [b"x"]


def test_missing(tmp_path):
    assert refusal(tmp_path / "none.pcap") == f"{tmp_path / 'none.pcap'}: no such file; check the path"


def test_directory(tmp_path):
    assert "is a directory" in refusal(tmp_path)


def test_no_permission(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert "permission denied" in refusal(tmp_path / "a.pcap")


def test_a_path_that_cannot_be():
    assert "is not a possible path" in refusal("a\0b")


def test_a_name_with_a_line_break_stays_on_one_line(tmp_path):
    assert "\\n" in refusal(tmp_path / "a\nb.pcap")


def test_standard_input_that_is_closed(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert "standard input" in refusal("-")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\xd4\xc3", "too short"),
        (gzip.compress(b""), "the gzip file is empty inside"),
        (gzip.compress(WHOLE)[:12], "the gzip data ends early"),
        (b"\x1f\x8b not gzip at all", "the gzip data is damaged"),
        (gzip.compress(gzip.compress(WHOLE)), "gzip-compressed data, packed with gzip; decompress it once"),
        (gzip.compress(b"BZh9" + bytes(20)), "bzip2-compressed data, packed with gzip"),
        (gzip.compress(b"hello, world, hello"), "text, packed with gzip"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "the zstd data"),
        (b"\xfd7zXZ\x00" + bytes(20), "the xz data is damaged"),
        (b"BZh9" + bytes(20), "the bzip2 data is damaged"),
        (b"\x04\x22\x4d\x18" + bytes(20), "the lz4 data is damaged"),
        (b"\x1f\x9d" + bytes(20), "uncompress -c FILE | hsi analyze -"),
        (b"PK\x03\x04" + bytes(20), "zip archive"),
        (b"snoop\x00\x00\x00\x00\x00\x00\x02", "snoop capture; install tshark, with which hsi reads it, or convert"),
        (b"GMBU" + bytes(20), "Network Monitor"),
        (bytes.fromhex("000000004433225501000060010000440000") + bytes(60), "ERF"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b'{"schema":"hsi-report/1","tool":{"name":"hsi"}}', "JSON; a report that hsi wrote has no segments"),
        (b'{\n  "schema": "hsi-report/1"', "JSON"),
        (b"  <html lang=en>", "HTML page"),
        (b"13:37:01.5 IP a > b: Flags [S]\n", "text"),
        (bytes(500), "zeros"),
        (b"\xde\xad\xbe\xef\x00\x01\x02\x03", "unknown kind (it begins with de ad be ef)"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value[:4].hex()}-{len(value)}",
)
def test_what_is_no_capture_is_named(tmp_path, data, word, monkeypatch):
    monkeypatch.setattr(wireshark, "convert", lambda _: None)  # as without tshark
    path = tmp_path / "thing"
    path.write_bytes(data)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert word in message


def test_nothing_is_read_after_the_end(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(WHOLE[:-1])
    source = open_source(path)
    drain(source)
    assert not source.fill()
    assert not source.fill()
    assert len(source.problems) == 1


def test_a_frame_lies_where_the_reader_says():
    source = open_source(io.BytesIO(section() + packet(b"")))
    assert source.reader.advance() == NEED_MORE
    source = open_source(io.BytesIO(WHOLE))
    while source.reader.advance() != FRAME:
        assert source.fill()
    assert source.reader.offset + source.reader.frame_start == 24 + 16


def erf(source):
    """The frames as Endace's cards store them: with their checksums, in multiples of 8 bytes."""
    records = []
    for seen in drain(source):
        body = b"\0\0" + seen.data + b"FCS?"
        body += bytes(-len(body) % 8)
        time = (seen.ns // 10**9) << 32 | (seen.ns % 10**9 << 32) // 10**9
        lengths = struct.pack(">HHH", 16 + len(body), 0, len(seen.data) + 4)
        records.append(struct.pack("<QBB", time, 2, 4) + lengths + body)
    return b"".join(records)


@pytest.mark.skipif(shutil.which("editcap") is None, reason="Wireshark's programs are not installed")
@pytest.mark.parametrize("form", ["snoop", "netmon2", "erf"])
def test_captures_of_other_programs_are_read_through_tshark(tmp_path, form, pcaps):
    other = tmp_path / "capture"
    if form == "erf":
        other.write_bytes(erf(open_source(pcaps / "closed-by-client.pcap")))
    else:
        subprocess.run(["editcap", "-F", form, pcaps / "closed-by-client.pcap", other], check=True)
    report = handshake_inspect.analyze(other)
    plain = handshake_inspect.analyze(pcaps / "closed-by-client.pcap")
    assert report.capture.frames == plain.capture.frames
    assert [each.why for each in report.connections] == [each.why for each in plain.connections]


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_what_tshark_cannot_convert_is_an_error(tmp_path):
    path = tmp_path / "thing"
    path.write_bytes(b"snoop\x00\x00\x00\x00\x00\x00\x09" + bytes(40))
    assert "tshark cannot convert it: " in refusal(path)
