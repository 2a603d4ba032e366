"""Reader for pcapng (draft-ietf-opsawg-pcapng), whose sections consist of blocks.

Frame numbers match Wireshark's: every packet block has one, and so have the few other blocks that Wireshark shows as
frames (`blocks.NUMBERED`), which are counted as events.  All other blocks are skipped.
"""

from typing import NamedTuple

from handshake_inspect.capture import fields, interface_table
from handshake_inspect.capture.blocks import (
    BINARY,
    BYTE_ORDER_MAGIC,
    ENHANCED_PACKET,
    EPB_DROP_COUNT,
    EPB_FLAGS,
    INTERFACE_DESCRIPTION,
    INTERFACE_STATISTICS,
    MAX_BLOCK,
    MAX_MICROSECONDS,
    MIN_BLOCK,
    MULTIPLY,
    NUMBERED,
    PACKET,
    SECTION_HEADER,
    SIMPLE_PACKET,
    parse_interface_description,
    parse_statistics,
    unsupported_version,
)
from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader
from handshake_inspect.capture.pcap import is_file_header
from handshake_inspect.wire.const import MASK32, NS_PER_SECOND

_NOT_A_FRAME = 3  # the block was processed and is not a frame
_SECTION_HEADER_LEN = 28
_MAX_INTERFACES = 1 << 16


class MetadataBlock(NamedTuple):
    """A block that describes the section, and the reader's counts before it."""

    block: bytes
    frames: int
    events: int
    ts_ns: int


class PcapngReader(FrameReader):
    """Reads the frames of a pcapng file, starting at its first Section Header Block."""

    def __init__(self) -> None:
        super().__init__()
        self.big = False
        self.section = 0  # number of the section, from 1
        self.names: list[str] = []  # of the section's interfaces
        self._skip = 0  # bytes left of the block being skipped
        self._skipped_from = 0  # where it begins in the stream
        self._numbered = False  # it takes a frame number in Wireshark
        self.metadata: list[MetadataBlock] | None = None  # set to [] to keep section, interface and statistics blocks
        self.lost = -1  # drops counted in packet blocks, -1 if none reports any
        self._section_drops: dict[int, int] = {}  # by interface, from the latest statistics block
        self._has_drop_statistics = False
        self._earlier_drops = 0  # in previous sections
        self._earlier_frames = 0
        self._delivered: dict[int, int] = {}  # frames by interface, from the section's latest statistics block
        self._ends: dict[int, int] = {}  # by interface: end of its capture in ns since the epoch
        self._capacity = 4  # of the interface table
        self._storage = interface_table.rows(self._capacity)
        self._table = interface_table.rows_of(self._storage)
        self._count = 0

    def step(self) -> int:
        """Advance to the next frame; return FRAME, NEED_MORE or DAMAGED."""
        outcome = _NOT_A_FRAME
        while outcome == _NOT_A_FRAME:
            if self._skip:
                self._skip_buffered()
            at = self.position
            if self.limit - at < MIN_BLOCK:
                self.needed = self._skip or MIN_BLOCK
                return NEED_MORE
            kind = fields.u32(self.data, at, self.big)
            if kind == ENHANCED_PACKET:
                outcome = self._enhanced_packet(at)
            else:
                outcome = self._other_block(at, kind)
        return outcome

    def preamble(self) -> bytes:
        """Return the section header and its interfaces so far; requires `metadata` to be kept."""
        blocks = [kept.block for kept in self.metadata or ()]
        kinds = [int.from_bytes(block[:4], "big" if self.big else "little") for block in blocks]
        last = max((at for at, kind in enumerate(kinds) if kind == SECTION_HEADER), default=0)
        return b"".join(
            block
            for kind, block in zip(kinds[last:], blocks[last:], strict=True)
            if kind in (SECTION_HEADER, INTERFACE_DESCRIPTION)
        )

    def replay(self, kept: MetadataBlock) -> None:
        """Process a metadata block that another reader of the same file met."""
        self.frames, self.events, self.ts_ns = kept.frames, kept.events, kept.ts_ns
        self.feed(kept.block, 0, len(kept.block), 0)
        self.step()

    def incomplete_at(self) -> int:
        """Return where in the stream the truncated last block starts; -1 if the input ended between blocks."""
        return self._skipped_from if self._skip else FrameReader.incomplete_at(self)

    def dropped(self) -> int | None:
        """Return the number of dropped frames from statistics blocks, else from packet blocks; None if unknown."""
        if self._has_drop_statistics:
            return self._earlier_drops + sum(self._section_drops.values())
        return self.lost if self.lost >= 0 else None

    def seen_until(self) -> int | None:
        """Return the end of the capture from statistics blocks: after the last frame if the link was idle.

        None if they do not record it, or if they count more frames than the section has: then the file is an excerpt,
        and the statistics describe the original capture.
        """
        read = self.frames - self.events - self._earlier_frames
        if not self._ends or sum(self._delivered.values()) > read:
            return None
        return min(self._ends.values())

    def _enhanced_packet(self, at: int) -> int:
        outcome = self._complete_block(at, 32)
        if outcome != FRAME:
            return outcome
        data, big = self.data, self.big
        length = fields.u32(data, at + 4, big)
        number = fields.u32(data, at + 8, big)
        captured = fields.u32(data, at + 20, big)
        wire_len = fields.u32(data, at + 24, big)
        if number >= self._count or captured > length - 32:
            return self._bad_packet(number, captured)
        record = interface_table.row_at(self._table, number)
        fcs_len = record.fcs_len
        padded = (captured + 3) & -4
        if padded + 32 < length:
            fcs_len = self._options(at + 28 + padded, at + length - 4, fcs_len)
        high = fields.u32(data, at + 12, big)
        low = fields.u32(data, at + 16, big)
        self.has_time = self._set_time(number, high, low)
        return self._frame(at + 28, captured, wire_len, number, fcs_len)

    def _packet(self, at: int) -> int:
        """Read an obsolete Packet Block, with 16 bits each for the interface and a drop count."""
        outcome = self._complete_block(at, 32)
        if outcome != FRAME:
            return outcome
        data, big = self.data, self.big
        length = fields.u32(data, at + 4, big)
        number = fields.u16(data, at + 8, big)
        drops = fields.u16(data, at + 10, big)
        captured = fields.u32(data, at + 20, big)
        wire_len = fields.u32(data, at + 24, big)
        if number >= self._count or captured > length - 32:
            return self._bad_packet(number, captured)
        if drops != 0xFFFF:  # unknown
            self._count_lost(drops)
        high = fields.u32(data, at + 12, big)
        low = fields.u32(data, at + 16, big)
        self.has_time = self._set_time(number, high, low)
        return self._frame(at + 28, captured, wire_len, number, interface_table.row_at(self._table, number).fcs_len)

    def _simple_packet(self, at: int) -> int:
        """Read a Simple Packet Block: interface 0, no timestamp, truncated to the snap length."""
        outcome = self._complete_block(at, 16)
        if outcome != FRAME:
            return outcome
        length = fields.u32(self.data, at + 4, self.big)
        wire_len = fields.u32(self.data, at + 8, self.big)
        captured = length - 16
        if not self._count:
            return self._bad_packet(0, captured)
        record = interface_table.row_at(self._table, 0)
        captured = min(captured, wire_len)
        if record.snap_len and captured > record.snap_len:
            captured = record.snap_len
        self.has_time = False
        return self._frame(at + 12, captured, wire_len, 0, record.fcs_len)

    def _complete_block(self, at: int, least: int) -> int:
        """Return FRAME if the block at `at` is completely in the buffer and both its length fields agree."""
        length = fields.u32(self.data, at + 4, self.big)
        if length < least or length > MAX_BLOCK or length & 3:
            return self._bad_length(length)
        if self.limit - at < length:
            self.needed = length
            return NEED_MORE
        if fields.u32(self.data, at + length - 4, self.big) != length:
            return self._bad_length(length)
        return FRAME

    def _frame(self, start: int, captured: int, wire_len: int, number: int, fcs_len: int) -> int:
        end = start + captured
        wire_len = max(wire_len, captured)  # some writers leave the original length 0
        if fcs_len and wire_len >= fcs_len:
            wire_len -= fcs_len
            end = min(end, start + wire_len)
        self.frame_start = start
        self.frame_end = end
        self.wire_len = wire_len
        self.interface = number
        self.link_type = interface_table.row_at(self._table, number).link_type
        self.position += fields.u32(self.data, self.position + 4, self.big)
        self.frames += 1
        return FRAME

    def _set_time(self, number: int, high: int, low: int) -> bool:
        """Set `ts_ns` from a timestamp in any unit; return False and leave it unchanged if it is impossible."""
        record = interface_table.row_at(self._table, number)
        raw = high << 32 | low
        if raw > record.max_raw:
            self.bad_timestamp(self.frames + 1, "a timestamp is centuries ahead: the previous frame's time is used")
            return False
        if record.resolution == MULTIPLY:
            ns = raw * record.scale
        elif record.resolution == BINARY:
            ns = self._binary_ns(high, low, record.scale)
        else:
            ns = raw // record.scale
        self.ts_ns = ns + record.offset_ns
        return True

    def _binary_ns(self, high: int, low: int, power: int) -> int:
        """Convert a timestamp in units of 2**-power seconds to nanoseconds, rounded down.

        raw * 10**9 has up to 94 bits, so it is computed in two halves: `upper` is in units of 2**32.
        """
        product = low * NS_PER_SECOND
        upper = high * NS_PER_SECOND + (product >> 32)
        product &= MASK32
        if power >= 96:
            return 0
        if power >= 32:
            return upper >> (power - 32)
        return (upper << (32 - power)) + (product >> power)

    def _options(self, at: int, end: int, fcs_len: int) -> int:
        """Parse the options of an Enhanced Packet Block: count drops and return the FCS length in bytes."""
        data, big = self.data, self.big
        while end - at >= 4:
            code = fields.u16(data, at, big)
            length = fields.u16(data, at + 2, big)
            at += 4
            if code == 0 or end - at < length:
                break
            if code == EPB_FLAGS and length == 4:
                known = fields.u32(data, at, big) >> 5 & 0xF
                if known:
                    fcs_len = known
            elif code == EPB_DROP_COUNT and length == 8:
                self._count_drops(at)
            at += (length + 3) & -4
        return fcs_len

    def _count_drops(self, at: int) -> int:
        """Count the drops of an 8-byte option at `at`."""
        return self._count_lost(int.from_bytes(self.buffer[at : at + 8], "big" if self.big else "little"))

    def _count_lost(self, drops: int) -> int:
        self.lost = max(self.lost, 0)
        if drops <= MASK32:  # a larger count between two packets is damage
            self.lost += drops
        return 0

    def _other_block(self, at: int, kind: int) -> int:
        if kind == SECTION_HEADER:
            return self._section_header(at)
        if not self.section:
            return self.report_damage("no pcapng section header")
        if is_file_header(bytes(self.buffer[at : at + 8])):
            return self.report_damage("a pcap capture begins where a block should; split it into two files")
        if kind == SIMPLE_PACKET:
            return self._simple_packet(at)
        if kind == PACKET:
            return self._packet(at)
        if kind == INTERFACE_DESCRIPTION:
            return self._interface_description(at)
        if kind == INTERFACE_STATISTICS:
            return self._interface_statistics(at)
        length = fields.u32(self.data, at + 4, self.big)
        if length < MIN_BLOCK or length & 3:
            return self._bad_length(length)
        self._numbered = kind in NUMBERED
        return self._skip_block(length)

    def _section_header(self, at: int) -> int:
        if self.limit - at < _SECTION_HEADER_LEN:
            self.needed = _SECTION_HEADER_LEN
            return NEED_MORE
        big = fields.u32(self.data, at + 8, True) == BYTE_ORDER_MAGIC
        if not big and fields.u32(self.data, at + 8, False) != BYTE_ORDER_MAGIC:
            return self.report_damage("a section header without the byte-order magic")
        length = fields.u32(self.data, at + 4, big)
        if length < _SECTION_HEADER_LEN or length & 3:
            return self._bad_length(length)
        version = unsupported_version(bytes(self.buffer[at : at + _SECTION_HEADER_LEN]), 0, big)
        if version is not None:
            return self.report_damage(f"a section of pcapng version {version}, which does not exist")
        self.big = big
        short = _SECTION_HEADER_LEN.to_bytes(4, "big" if big else "little")
        header = bytes(self.buffer[at : at + _SECTION_HEADER_LEN])
        self._keep_metadata(header[:4] + short + header[8:24] + short)  # without its options
        self.section += 1
        self._earlier_drops += sum(self._section_drops.values())
        self._section_drops.clear()
        self._earlier_frames = self.frames - self.events
        self._delivered.clear()
        self._ends.clear()
        self.names.clear()
        self._count = 0
        return self._skip_block(length)

    def _interface_description(self, at: int) -> int:
        outcome = self._complete_block(at, 20)
        if outcome != FRAME:
            return outcome
        if self._count == _MAX_INTERFACES:
            return self.report_damage(f"more than {_MAX_INTERFACES} interfaces")
        length = fields.u32(self.data, at + 4, self.big)
        self._keep_metadata(bytes(self.buffer[at : at + length]))
        interface = parse_interface_description(bytes(self.buffer[at + 8 : at + length - 4]), self.big)
        if self._count == self._capacity:
            self._grow_table()
        record = interface_table.row_at(self._table, self._count)
        record.link_type, record.snap_len, record.fcs_len = interface.link_type, interface.snap_len, interface.fcs_len
        record.resolution, record.scale, record.max_raw, record.offset_ns = interface.clock
        self._count += 1
        self.names.append(interface.name)
        self.add_link_type(interface.link_type)
        self.add_filter(interface.filter_text)
        self.position = at + length
        return _NOT_A_FRAME

    def _keep_metadata(self, block: bytes) -> None:
        if self.metadata is not None:
            self.metadata.append(MetadataBlock(block, self.frames, self.events, self.ts_ns))

    def _grow_table(self) -> None:
        larger = interface_table.rows(2 * self._capacity)
        larger[: self._capacity] = self._storage[:]
        self._storage = larger
        self._table = interface_table.rows_of(larger)
        self._capacity *= 2

    def _interface_statistics(self, at: int) -> int:
        outcome = self._complete_block(at, 24)
        if outcome != FRAME:
            return outcome
        length = fields.u32(self.data, at + 4, self.big)
        self._keep_metadata(bytes(self.buffer[at : at + length]))
        stats = parse_statistics(bytes(self.buffer[at + 8 : at + length - 4]), self.big)
        if stats.interface < self._count:  # counts are cumulative: the latest block is valid
            if stats.dropped is not None:
                self._has_drop_statistics = True
                self._section_drops[stats.interface] = stats.dropped
            if stats.delivered is not None:
                self._delivered[stats.interface] = stats.delivered
                self._note_end(stats.interface, stats.end_high, stats.end_low)
        self.position = at + length
        return _NOT_A_FRAME

    def _note_end(self, number: int, high: int, low: int) -> int:
        """Record the end of capture on an interface, if the timestamp is valid."""
        if (not high and not low) or (high << 32 | low) > interface_table.row_at(self._table, number).max_raw:
            return 0
        before = self.ts_ns
        self._set_time(number, high, low)
        end = self.ts_ns
        self.ts_ns = before
        if end < before and end <= MAX_MICROSECONDS:
            end *= 1000  # dumpcap writes microseconds here, whatever the interface's resolution
        self._ends[number] = end
        return 0

    def _skip_block(self, length: int) -> int:
        self._skip = length
        self._skipped_from = self.offset + self.position
        return _NOT_A_FRAME

    def _skip_buffered(self) -> None:
        """Skip the buffered part of the current block, so that no block need fit into memory."""
        step = min(self._skip, self.limit - self.position)
        self.position += step
        self._skip -= step
        if self._numbered and not self._skip:
            self._numbered = False
            self.frames += 1
            self.events += 1

    def _bad_length(self, length: int) -> int:
        return self.report_damage(f"a block of an impossible {length} bytes, or whose two lengths differ")

    def _bad_packet(self, number: int, captured: int) -> int:
        if number >= self._count:
            return self.report_damage(f"a packet of interface {number}, which is not described")
        return self.report_damage(f"a frame of {captured} bytes that does not fit into its block")
