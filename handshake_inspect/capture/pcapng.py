"""pcapng (draft-ietf-opsawg-pcapng): sections of blocks, of which the packet blocks are frames.

Frame numbers are Wireshark's: every packet block has one, and so have the few other blocks that Wireshark shows as
frames (`blocks.NUMBERED`), which are counted as events and passed over.  All else is skipped by its length.
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
    LEAST_BLOCK,
    LONGEST_BLOCK,
    MOST_MICROSECONDS,
    MULTIPLY,
    NUMBERED,
    PACKET,
    SECTION_HEADER,
    SIMPLE_PACKET,
    interface_description,
    section_version,
    statistics,
)
from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader
from handshake_inspect.capture.pcap import exists
from handshake_inspect.wire.const import MASK32, NS_PER_SECOND

_PASSED = 3  # this block is done with and was no frame
_SECTION_HEADER_LEN = 28
_MOST_INTERFACES = 1 << 16


class Said(NamedTuple):
    """A block that says something of the section, and what had been read before it."""

    block: bytes
    frames: int
    events: int
    ts_ns: int


class PcapngReader(FrameReader):
    """Frames of one pcapng file, beginning with its first Section Header Block."""

    def __init__(self) -> None:
        super().__init__()
        self.big = False
        self.section = 0  # number of the section, from 1
        self.names: list[str] = []  # of the section's interfaces
        self._skip = 0  # bytes left of a block that is passed over
        self._skipped_from = 0  # where in the stream it began
        self._numbered = False  # and Wireshark would call it a frame
        self.said: list[Said] | None = None  # blocks without packets, where somebody wants them
        self.lost = -1  # drops that packet blocks counted, -1 when none of them says
        self._section_drops: dict[int, int] = {}  # by interface, as the last statistics say
        self._statistics = False
        self._earlier_drops = 0  # of the sections before
        self._earlier_frames = 0
        self._delivered: dict[int, int] = {}  # frames by interface, as the last statistics of this section say
        self._ends: dict[int, int] = {}  # by interface: until when it was captured on
        self._room = 4
        self._storage = interface_table.rows(self._room)
        self._table = interface_table.rows_of(self._storage)
        self._count = 0

    def step(self) -> int:
        """Step to the next frame: FRAME, NEED_MORE or DAMAGED."""
        outcome = _PASSED
        while outcome == _PASSED:
            if self._skip:
                self._pass_over()
            at = self.position
            if self.limit - at < LEAST_BLOCK:
                self.wanted = self._skip or LEAST_BLOCK
                return NEED_MORE
            kind = fields.u32(self.data, at, self.big)
            if kind == ENHANCED_PACKET:
                outcome = self._enhanced_packet(at)
            else:
                outcome = self._other_block(at, kind)
        return outcome

    def head(self) -> bytes:
        """The header of the section, and its interfaces so far: known where `said` is kept."""
        blocks = [said.block for said in self.said or ()]
        kinds = [int.from_bytes(block[:4], "big" if self.big else "little") for block in blocks]
        last = max((at for at, kind in enumerate(kinds) if kind == SECTION_HEADER), default=0)
        return b"".join(
            block
            for kind, block in zip(kinds[last:], blocks[last:], strict=True)
            if kind in (SECTION_HEADER, INTERFACE_DESCRIPTION)
        )

    def replay(self, said: Said) -> None:
        """Take in what another reader of the same container came across."""
        self.frames, self.events, self.ts_ns = said.frames, said.events, said.ts_ns
        self.feed(said.block, 0, len(said.block), 0)
        self.step()

    def unfinished(self) -> int:
        """Byte of the stream where the block starts that the input broke off in; -1 if it ended between blocks."""
        return self._skipped_from if self._skip else FrameReader.unfinished(self)

    def dropped(self) -> int | None:
        """How many frames the statistics blocks say were dropped, or else the packet blocks; None if neither says."""
        if self._statistics:
            return self._earlier_drops + sum(self._section_drops.values())
        return self.lost if self.lost >= 0 else None

    def seen_until(self) -> int | None:
        """When the capture ended, as the statistics say: later than the last frame if the link was idle then.

        None where they do not say, and where they count more frames than are here: what is cut out of a capture ends
        where it ends.
        """
        here = self.frames - self.events - self._earlier_frames
        if not self._ends or sum(self._delivered.values()) > here:
            return None
        return min(self._ends.values())

    def _enhanced_packet(self, at: int) -> int:
        outcome = self._whole(at, 32)
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
        self.has_time = self._stamp(number, high, low)
        return self._frame(at + 28, captured, wire_len, number, fcs_len)

    def _packet(self, at: int) -> int:
        """Read the obsolete Packet Block, which has 16 bits for the interface and a count of drops."""
        outcome = self._whole(at, 32)
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
        self.has_time = self._stamp(number, high, low)
        return self._frame(at + 28, captured, wire_len, number, interface_table.row_at(self._table, number).fcs_len)

    def _simple_packet(self, at: int) -> int:
        """Read a Simple Packet Block: of interface 0, without a time, cut to the snap length."""
        outcome = self._whole(at, 16)
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

    def _whole(self, at: int, least: int) -> int:
        """FRAME when the block at `at` is in the buffer entirely, and both its lengths agree."""
        length = fields.u32(self.data, at + 4, self.big)
        if length < least or length > LONGEST_BLOCK or length & 3:
            return self._bad_length(length)
        if self.limit - at < length:
            self.wanted = length
            return NEED_MORE
        if fields.u32(self.data, at + length - 4, self.big) != length:
            return self._bad_length(length)
        return FRAME

    def _frame(self, start: int, captured: int, wire_len: int, number: int, fcs_len: int) -> int:
        end = start + captured
        wire_len = max(wire_len, captured)  # some writers leave it 0: the frame was at least what is here
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

    def _stamp(self, number: int, high: int, low: int) -> bool:
        """Set the time, exact to the nanosecond whatever the unit; False, and the time stays, if it cannot be one."""
        record = interface_table.row_at(self._table, number)
        raw = high << 32 | low
        if raw > record.raw_most:
            self.odd_time(self.frames + 1, "a timestamp is centuries ahead: the previous frame's time is used")
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
        """Nanoseconds of a timestamp in units of 2**-power seconds, rounded down.

        raw * 10**9 has up to 94 bits, so it is kept in two halves: `upper` counts 2**32.
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
        """Walk the options of an Enhanced Packet Block: counts drops, gives the bytes of check sequence."""
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
        """Count the drops in an option of eight bytes."""
        return self._count_lost(int.from_bytes(self.buffer[at : at + 8], "big" if self.big else "little"))

    def _count_lost(self, drops: int) -> int:
        self.lost = max(self.lost, 0)
        if drops <= MASK32:  # no one loses more between two packets: such a count is damage
            self.lost += drops
        return 0

    def _other_block(self, at: int, kind: int) -> int:
        if kind == SECTION_HEADER:
            return self._section_header(at)
        if not self.section:
            return self.damage("no pcapng section header")
        if exists(bytes(self.buffer[at : at + 8])):
            return self.damage("a pcap capture begins where a block should; split it into two files")
        if kind == SIMPLE_PACKET:
            return self._simple_packet(at)
        if kind == PACKET:
            return self._packet(at)
        if kind == INTERFACE_DESCRIPTION:
            return self._interface_description(at)
        if kind == INTERFACE_STATISTICS:
            return self._interface_statistics(at)
        length = fields.u32(self.data, at + 4, self.big)
        if length < LEAST_BLOCK or length & 3:
            return self._bad_length(length)
        self._numbered = kind in NUMBERED
        return self._skip_block(length)

    def _section_header(self, at: int) -> int:
        if self.limit - at < _SECTION_HEADER_LEN:
            self.wanted = _SECTION_HEADER_LEN
            return NEED_MORE
        big = fields.u32(self.data, at + 8, True) == BYTE_ORDER_MAGIC
        if not big and fields.u32(self.data, at + 8, False) != BYTE_ORDER_MAGIC:
            return self.damage("a section header without the byte-order magic")
        length = fields.u32(self.data, at + 4, big)
        if length < _SECTION_HEADER_LEN or length & 3:
            return self._bad_length(length)
        version = section_version(bytes(self.buffer[at : at + _SECTION_HEADER_LEN]), 0, big)
        if version is not None:
            return self.damage(f"a section of pcapng version {version}, which does not exist")
        self.big = big
        short = _SECTION_HEADER_LEN.to_bytes(4, "big" if big else "little")
        header = bytes(self.buffer[at : at + _SECTION_HEADER_LEN])
        self._say(header[:4] + short + header[8:24] + short)  # without its options
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
        outcome = self._whole(at, 20)
        if outcome != FRAME:
            return outcome
        if self._count == _MOST_INTERFACES:
            return self.damage(f"more than {_MOST_INTERFACES} interfaces")
        length = fields.u32(self.data, at + 4, self.big)
        self._say(bytes(self.buffer[at : at + length]))
        said = interface_description(bytes(self.buffer[at + 8 : at + length - 4]), self.big)
        if self._count == self._room:
            self._grow()
        record = interface_table.row_at(self._table, self._count)
        record.link_type, record.snap_len, record.fcs_len = said.link_type, said.snap_len, said.fcs_len
        record.resolution, record.scale, record.raw_most, record.offset_ns = said.clock
        self._count += 1
        self.names.append(said.name)
        self.saw_link_type(said.link_type)
        self.saw_filter(said.filter_text)
        self.position = at + length
        return _PASSED

    def _say(self, block: bytes) -> None:
        if self.said is not None:
            self.said.append(Said(block, self.frames, self.events, self.ts_ns))

    def _grow(self) -> None:
        larger = interface_table.rows(2 * self._room)
        larger[: self._room] = self._storage[:]
        self._storage = larger
        self._table = interface_table.rows_of(larger)
        self._room *= 2

    def _interface_statistics(self, at: int) -> int:
        outcome = self._whole(at, 24)
        if outcome != FRAME:
            return outcome
        length = fields.u32(self.data, at + 4, self.big)
        self._say(bytes(self.buffer[at : at + length]))
        said = statistics(bytes(self.buffer[at + 8 : at + length - 4]), self.big)
        if said.interface < self._count:  # counted from the start: the last one holds
            if said.dropped is not None:
                self._statistics = True
                self._section_drops[said.interface] = said.dropped
            if said.delivered is not None:
                self._delivered[said.interface] = said.delivered
                self._note_end(said.interface, said.end_high, said.end_low)
        self.position = at + length
        return _PASSED

    def _note_end(self, number: int, high: int, low: int) -> int:
        """Keep the time at which an interface was captured on no more, if there is one."""
        if (not high and not low) or (high << 32 | low) > interface_table.row_at(self._table, number).raw_most:
            return 0
        before = self.ts_ns
        self._stamp(number, high, low)
        end = self.ts_ns
        self.ts_ns = before
        if end < before and end <= MOST_MICROSECONDS:
            end *= 1000  # dumpcap counts microseconds here, whatever it says of the interface
        self._ends[number] = end
        return 0

    def _skip_block(self, length: int) -> int:
        self._skip = length
        self._skipped_from = self.offset + self.position
        return _PASSED

    def _pass_over(self) -> None:
        """Pass over what is here of the block that is skipped; however long it is, it is never held."""
        step = min(self._skip, self.limit - self.position)
        self.position += step
        self._skip -= step
        if self._numbered and not self._skip:
            self._numbered = False
            self.frames += 1
            self.events += 1

    def _bad_length(self, length: int) -> int:
        return self.damage(f"a block of an impossible {length} bytes, or whose two lengths differ")

    def _bad_packet(self, number: int, captured: int) -> int:
        if number >= self._count:
            return self.damage(f"a packet of interface {number}, which is not described")
        return self.damage(f"a frame of {captured} bytes that does not fit into its block")
