"""Classic pcap: a file header, then one record header before each frame.

Both byte orders, microseconds and nanoseconds, and Kuznetzov's variant whose record headers are longer.

Files are joined with `cat`, and programs append to a file that is there: where a record header should be, there may be
the header of the next file, with a byte order, a resolution and a link type of its own.  Its magic, and a version that
exists, distinguish the two: as a record it would be of the year 2055 or, the other way round, of one nanosecond of
2011.
"""

from typing import Any

from handshake_inspect.capture import fields
from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader
from handshake_inspect.wire.const import MAGIC_HIGH, MAGIC_LOW, MASK16, NS_PER_SECOND

# Magic number as a big-endian reader sees it -> (big-endian, ticks per second, bytes of a record header).
MAGICS = {
    0xA1B2C3D4: (True, 1_000_000, 16),
    0xD4C3B2A1: (False, 1_000_000, 16),
    0xA1B23C4D: (True, 1_000_000_000, 16),
    0x4D3CB2A1: (False, 1_000_000_000, 16),
    0xA1B2CD34: (True, 1_000_000, 24),
    0x34CDB2A1: (False, 1_000_000, 24),
}

# Versions that exist: 2.0 to 2.4, and one that somebody wrote by mistake (libpcap reads the same).
_VERSIONS = {(2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (543, 0)}

_FILE_HEADER = 24
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_PLAUSIBLE = 262_144  # bytes of a frame that libpcap allows whatever the snap length says
_LONGEST = 1 << 26  # no frame is longer: a length above this is damage, not a reason to allocate


def exists(header: bytes) -> bool:
    """Whether the first eight bytes of a file header have a magic and a version that there is."""
    kind = MAGICS.get(int.from_bytes(header[:4], "big"))
    if kind is None or len(header) < 8:
        return False
    return (fields.u16(header, 4, kind[0]), fields.u16(header, 6, kind[0])) in _VERSIONS


class PcapReader(FrameReader):
    """Frames of one classic pcap file, beginning with its file header."""

    def __init__(self) -> None:
        super().__init__()
        self.big = False
        self.header_len = _FILE_HEADER  # the next header's length: the file's, then every record's
        self.started = False
        self.ticks = 1_000_000  # per second
        self.tick_ns = 1_000
        self.snap_len = 0
        self.longest = -1  # longest plausible frame; none before the file header
        self.fcs_len = 0  # bytes of frame check sequence behind each frame
        self._header = b""  # of the file

    def feed(self, buffer: Any, position: int, limit: int, offset: int) -> None:
        """Take bytes to read on from, and the file header as soon as it is whole (see `FrameReader.feed`)."""
        FrameReader.feed(self, buffer, position, limit, offset)
        if not self.started and limit - position >= _FILE_HEADER:
            self._start(bytes(buffer[position : position + _FILE_HEADER]))

    def head(self) -> bytes:
        """The header of the file, or of the last one that was joined to it."""
        return self._header

    def _start(self, header: bytes) -> None:
        self._header = header
        self.big, self.ticks, record_header = MAGICS.get(int.from_bytes(header[:4], "big"), (False, 0, 0))
        if not self.ticks:
            return  # step() will say so
        self.started = True
        self.header_len = record_header
        self.tick_ns = NS_PER_SECOND // self.ticks
        self.snap_len = fields.u32(header, 16, self.big)
        network = fields.u32(header, 20, self.big)
        self.link_type = network & 0xFFFF
        self.saw_link_type(self.link_type)
        # Upper bits of the network field: is the check sequence's length known, and that length in 16-bit units.
        self.fcs_len = (network >> 28) * 2 if network & 0x0400_0000 else 0
        bound = self.snap_len or _LONGEST  # 0 means without limit
        self.longest = min(max(bound, _PLAUSIBLE), _LONGEST)
        self.position += _FILE_HEADER

    def step(self) -> int:
        """Step to the next frame: FRAME, NEED_MORE or DAMAGED."""
        at = self.position
        header_len = self.header_len
        if self.limit - at < header_len:
            self.wanted = header_len
            return NEED_MORE
        data = self.data
        big = self.big
        seconds = fields.u32(data, at, big)
        while (seconds >> 16 == MAGIC_HIGH or seconds & MASK16 == MAGIC_LOW) and self._is_file_header(at):
            if self.limit - at < _FILE_HEADER:
                self.wanted = _FILE_HEADER
                return NEED_MORE
            self._next_file(at)
            at = self.position
            header_len = self.header_len
            big = self.big
            if self.limit - at < header_len:
                self.wanted = header_len
                return NEED_MORE
            seconds = fields.u32(data, at, big)
        captured = fields.u32(data, at + 8, big)
        if captured > self.longest:
            return self._unreadable(captured)
        start = at + header_len
        if self.limit - start < captured:
            self.wanted = header_len + captured
            return NEED_MORE
        fraction = fields.u32(data, at + 4, big)
        wire_len = fields.u32(data, at + 12, big)
        if fraction >= self.ticks:
            self.odd_time(self.frames + 1, "a timestamp's fraction is a second or more")
        wire_len = max(wire_len, captured)  # some writers leave it 0: the frame was at least what is here
        if wire_len == 0 and seconds == 0 and fraction == 0:  # the tail of a file that was allocated, not written
            return self.damage("zeros where a record header should be")
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
        """Whether another file begins here, of whose header there are eight bytes at least."""
        return exists(bytes(self.buffer[at : at + 8]))

    def _next_file(self, at: int) -> int:
        """Go on with the file whose header is here."""
        self._start(bytes(self.buffer[at : at + _FILE_HEADER]))
        return 0

    def _unreadable(self, captured: int) -> int:
        if not self.started:
            return self.damage("no pcap file header")
        if bytes(self.buffer[self.position : self.position + 4]) == _PCAPNG:
            return self.damage("a pcapng capture begins where a record should; split it into two files")
        return self.damage(f"a record claims a frame of {captured} bytes, but the snap length is {self.snap_len}")
