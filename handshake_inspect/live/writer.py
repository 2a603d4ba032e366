"""Write captured frames as pcapng during the capture, in whole blocks, so that the file stays readable if killed."""

import contextlib
import errno
import os
import stat
import struct
import sys
from collections.abc import Sequence

from handshake_inspect.capture.closable import Closable
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.errors import LiveError
from handshake_inspect.live.recorder import RecordingReader

_SECTION_HEADER = 0x0A0D0D0A
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_INTERFACE_DESCRIPTION = 1
_INTERFACE_STATISTICS = 5
_ENHANCED_PACKET = 6
_END_TIME, _RECEIVED, _DROPPED, _DELIVERED = 3, 4, 5, 8  # options of the statistics
_NANOSECONDS = 9  # if_tsresol: ten to the power of minus nine
_MASK32 = 0xFFFF_FFFF


class PcapngWriter(Closable):
    """A pcapng file with the frames of a reader; timestamps in nanoseconds."""

    def __init__(self, where: str, interface: str, snap_len: int, filter_text: str = "") -> None:
        """Create the file `where` (`-` for standard output); raises LiveError if that fails."""
        self.name = "standard output" if where == "-" else where
        self._interface = interface
        self._filter = filter_text
        self._snap_len = snap_len
        self._reader: RecordingReader | None = None
        self._last_ns = 0
        self._descriptor = self._open(where)
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._write(section_header())

    def record(self, reader: FrameReader) -> RecordingReader:
        """Return a reader to use instead of `reader`, whose frames are also written."""
        self._reader = RecordingReader(reader, self._describe, self._write)
        return self._reader

    def flush(self) -> None:
        """Write the buffered frames: called once per block of the ring, not per frame."""
        if self._reader is not None:
            self._reader.flush()
            self._last_ns = self._reader.ts_ns

    def close(self, received: int | None = None, dropped: int | None = None, ended_ns: int | None = None) -> None:
        """Write buffered frames and the statistics (kernel counters, end of the capture), and close the file."""
        if self._descriptor < 0:
            return
        try:
            self.flush()
            written = self._reader.frames - self._reader.events if self._reader is not None else 0
            if written:
                counts = {_RECEIVED: received, _DROPPED: dropped, _DELIVERED: written}
                values = {code: struct.pack("=Q", count) for code, count in counts.items() if count is not None}
                end = {} if ended_ns is None else {_END_TIME: struct.pack("=II", *_halves(ended_ns))}
                time = struct.pack("=III", 0, *_halves(max(self._last_ns, ended_ns or 0)))
                self._write(_block(_INTERFACE_STATISTICS, time, end | values))
        finally:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _open(self, where: str) -> int:
        try:
            if where == "-":
                sys.stdout.flush()
                return os.dup(sys.stdout.fileno())
            return os.open(where, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except (OSError, ValueError) as error:
            raise LiveError(f"{self.name}: cannot be written ({_reason(error)}); name another file") from None

    def _describe(self, link_type: int) -> bytes:
        passed = self._reader.filters if self._reader is not None else []
        return interface_description(link_type, self._interface, self._snap_len, self._filter or only_filter(passed))

    def _write(self, blocks: memoryview | bytes) -> None:
        done = 0
        try:
            while done < len(blocks):
                done += os.write(self._descriptor, blocks[done:])
        except BrokenPipeError:
            raise  # the consumer has gone: the command ends quietly
        except OSError as error:
            self._truncate(done)
            fix = "free some space, or write elsewhere" if error.errno == errno.ENOSPC else "write elsewhere"
            raise LiveError(f"{self.name}: writing failed ({_reason(error)}); {fix}") from None

    def _truncate(self, count: int) -> None:
        """Remove the last `count` bytes, an incomplete write, from the file."""
        if self._regular and count:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_CUR) - count)


def section_header() -> bytes:
    """Return the Section Header Block."""
    return _block(_SECTION_HEADER, struct.pack("=IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1), {4: b"hsi"})


def only_filter(filters: Sequence[str | None]) -> str:
    """Return the filter that all frames passed; empty if unknown."""
    return filters[0] or "" if len(filters) == 1 else ""


def interface_description(link_type: int, interface: str, snap_len: int, filter_text: str = "") -> bytes:
    """Return an Interface Description Block with nanosecond timestamps."""
    options = {2: interface.encode(errors="replace"), 9: bytes([_NANOSECONDS])}
    if filter_text:
        options[11] = b"\0" + filter_text.encode(errors="replace")  # if_filter; 0: a libpcap expression follows
    return _block(_INTERFACE_DESCRIPTION, struct.pack("=HHI", link_type, 0, snap_len), options)


def enhanced_packet(interface: int, ts_ns: int, data: bytes, wire_len: int, comment: str = "") -> bytes:
    """Return an Enhanced Packet Block (frames of the ring are written by the recorder instead)."""
    options = {1: comment.encode(errors="replace")[:0xFFFC]} if comment else {}
    return _block(_ENHANCED_PACKET, struct.pack("=5I", interface, *_halves(ts_ns), len(data), wire_len) + data, options)


def _block(kind: int, body: bytes, options: dict[int, bytes]) -> bytes:
    """Return a block with its options, padded to 32 bits."""
    body = _padded(body)
    for code, value in options.items():
        body += struct.pack("=HH", code, len(value)) + _padded(value)
    body = _padded(body) + (bytes(4) if options else b"")  # the end of options
    total = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + total + body + total


def _halves(ns: int) -> tuple[int, int]:
    return ns >> 32 & _MASK32, ns & _MASK32


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)
