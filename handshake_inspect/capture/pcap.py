"""Reader for classic pcap: a file header, then a record header before each frame.

It reads both byte orders, microsecond and nanosecond timestamps, and Kuznetzov's variant with 24-byte record headers.

Captures are sometimes joined with `cat` or appended to an existing file, so a file header, with its own byte order,
resolution and link type, may stand where a record header is expected.  It is recognised by its magic number and a
known version.  Read as a record header, those bytes would be a timestamp in 2055, or one specific nanosecond of 2011.
"""

from typing import Any

from handshake_inspect.capture import fields
from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader
from handshake_inspect.wire.const import MAGIC_HIGH, MAGIC_LOW, MASK16, NS_PER_SECOND

# Magic number, read as big-endian -> (is big-endian, ticks per second, record header length in bytes).
MAGICS = {
    0xA1B2C3D4: (True, 1_000_000, 16),
    0xD4C3B2A1: (False, 1_000_000, 16),
    0xA1B23C4D: (True, 1_000_000_000, 16),
    0x4D3CB2A1: (False, 1_000_000_000, 16),
    0xA1B2CD34: (True, 1_000_000, 24),
    0x34CDB2A1: (False, 1_000_000, 24),
}

# Known versions: 2.0 to 2.4, and 543.0, which some program wrote by mistake.  libpcap accepts the same ones.
_VERSIONS = {(2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (543, 0)}

_FILE_HEADER = 24
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_MAX_SNAP_LEN = 262_144  # bytes; libpcap accepts frames up to this length whatever the header's snap length
_MAX_FRAME_LEN = 1 << 26  # bytes; a longer frame is damage: do not allocate for it


def is_file_header(header: bytes) -> bool:
    """Return True if `header` (at least 8 bytes) begins with a pcap magic number and a known version."""
    kind = MAGICS.get(int.from_bytes(header[:4], "big"))
    if kind is None or len(header) < 8:
        return False
    return (fields.u16(header, 4, kind[0]), fields.u16(header, 6, kind[0])) in _VERSIONS


class PcapReader(FrameReader):
    """Reads the frames of a classic pcap file, starting at its file header."""

    def __init__(self) -> None:
        super().__init__()
        self.big = False
        self.header_len = _FILE_HEADER  # length of the next header: the file header, then record headers
        self.started = False
        self.ticks = 1_000_000  # per second
        self.tick_ns = 1_000
        self.snap_len = 0
        self.max_frame_len = -1  # bytes; -1 before the file header was read
        self.fcs_len = 0  # bytes of frame check sequence at the end of each frame
        self._header = b""  # the file header

    def feed(self, buffer: Any, position: int, limit: int, offset: int) -> None:
        """Set the buffer to read from, and parse the file header once it is complete (see `FrameReader.feed`)."""
        FrameReader.feed(self, buffer, position, limit, offset)
        if not self.started and limit - position >= _FILE_HEADER:
            self._parse_file_header(bytes(buffer[position : position + _FILE_HEADER]))

    def preamble(self) -> bytes:
        """Return the current file header: the last one, if files were joined."""
        return self._header

    def _parse_file_header(self, header: bytes) -> None:
        self._header = header
        self.big, self.ticks, record_header = MAGICS.get(int.from_bytes(header[:4], "big"), (False, 0, 0))
        if not self.ticks:
            return  # step() reports the damage
        self.started = True
        self.header_len = record_header
        self.tick_ns = NS_PER_SECOND // self.ticks
        self.snap_len = fields.u32(header, 16, self.big)
        network = fields.u32(header, 20, self.big)
        self.link_type = network & 0xFFFF
        self.add_link_type(self.link_type)
        # Bit 26 of the network field: the FCS length is given in bits 28-31, in units of 16 bits.
        self.fcs_len = (network >> 28) * 2 if network & 0x0400_0000 else 0
        snap_len = self.snap_len or _MAX_FRAME_LEN  # 0 means unlimited
        self.max_frame_len = min(max(snap_len, _MAX_SNAP_LEN), _MAX_FRAME_LEN)
        self.position += _FILE_HEADER

    def step(self) -> int:
        """Advance to the next frame; return FRAME, NEED_MORE or DAMAGED."""
        at = self.position
        header_len = self.header_len
        if self.limit - at < header_len:
            self.needed = header_len
            return NEED_MORE
        data = self.data
        big = self.big
        seconds = fields.u32(data, at, big)
        while (seconds >> 16 == MAGIC_HIGH or seconds & MASK16 == MAGIC_LOW) and self._is_file_header(at):
            if self.limit - at < _FILE_HEADER:
                self.needed = _FILE_HEADER
                return NEED_MORE
            self._start_next_file(at)
            at = self.position
            header_len = self.header_len
            big = self.big
            if self.limit - at < header_len:
                self.needed = header_len
                return NEED_MORE
            seconds = fields.u32(data, at, big)
        captured = fields.u32(data, at + 8, big)
        if captured > self.max_frame_len:
            return self._bad_record(captured)
        start = at + header_len
        if self.limit - start < captured:
            self.needed = header_len + captured
            return NEED_MORE
        fraction = fields.u32(data, at + 4, big)
        wire_len = fields.u32(data, at + 12, big)
        if fraction >= self.ticks:
            self.bad_timestamp(self.frames + 1, "a timestamp's fraction is a second or more")
        wire_len = max(wire_len, captured)  # some writers leave the original length 0
        if wire_len == 0 and seconds == 0 and fraction == 0:  # file space that was allocated but never written
            return self.report_damage("zeros where a record header should be")
        end = start + captured
        self.position = end
        if self.fcs_len and wire_len >= self.fcs_len:
            wire_len -= self.fcs_len
            end = min(end, start + wire_len)
        self.frame_start = start
        self.frame_end = end
        self.wire_len = wire_len
        self.ts_ns = seconds * NS_PER_SECOND + fraction * self.tick_ns
        self.frames += 1
        return FRAME

    def _is_file_header(self, at: int) -> bool:
        """Return True if another file header begins at `at`; at least 8 bytes must be available."""
        return is_file_header(bytes(self.buffer[at : at + 8]))

    def _start_next_file(self, at: int) -> int:
        """Continue with the joined file whose header begins at `at`."""
        self._parse_file_header(bytes(self.buffer[at : at + _FILE_HEADER]))
        return 0

    def _bad_record(self, captured: int) -> int:
        if not self.started:
            return self.report_damage("no pcap file header")
        if bytes(self.buffer[self.position : self.position + 4]) == _PCAPNG:
            return self.report_damage("a pcapng capture begins where a record should; split it into two files")
        return self.report_damage(
            f"a record claims a frame of {captured} bytes, but the snap length is {self.snap_len}"
        )
