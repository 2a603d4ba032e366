"""Parse the blocks of a TPACKET_V3 ring, which the kernel fills in shared memory (packet(7)).

A block belongs either to the kernel or to this process.  It holds frames, each preceded by a tpacket3_hdr, a
sockaddr_ll and headroom.  The headroom takes the VLAN tag that the kernel stripped, or the header of a cooked capture,
so that frames need not be copied.
"""

import sys
from typing import Any

from handshake_inspect.capture import fields
from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader
from handshake_inspect.live import memory
from handshake_inspect.wire.const import ETHERNET, NS_PER_SECOND

_LINUX_SLL2 = 276

HEADROOM = 24  # bytes before every frame, for a cooked capture header and a VLAN tag

_BIG = sys.byteorder == "big"

# Offsets in struct tpacket_block_desc.
BLOCK_STATUS = 8
_BLOCK_FRAMES = 12
_BLOCK_FIRST = 16
_BLOCK_HEADER = 48

# Offsets in struct tpacket3_hdr (48 bytes) and the sockaddr_ll after it (20 bytes).
_NEXT = 0
_SECONDS = 4
_NANOSECONDS = 8
_CAPTURED = 12
_LENGTH = 16
_STATUS = 20
_MAC = 24
_VLAN_TCI = 32
_VLAN_TPID = 36
_PROTOCOL = 50  # in network byte order
_INTERFACE = 52
_HARDWARE = 56
_PACKET_TYPE = 58
_ADDRESS_LENGTH = 59
_ADDRESS = 60
_HEADERS = 68

_OUTGOING = 4
_VLAN_VALID = 1 << 4
_TPID_VALID = 1 << 6
_TAG = 0x8100
_SLL2_HEADER = 20


class RingReader(FrameReader):
    """Reads the frames of one ring block at a time.

    A frame is valid until its block is returned to the kernel.  A block must be read only once, since restored headers
    are written into it.
    """

    def __init__(self, ring: Any, link_type: int, loopback: int) -> None:
        """Read the mapped `ring`; skip outgoing packets of interface `loopback`, which are also received (0: none)."""
        super().__init__()
        self.buffer = ring
        self.data = memory.address(ring)
        self.ring = memory.address(ring)
        self.size = len(ring)
        self.link_type = link_type
        self.loopback = loopback
        self.frames_left = 0  # unread frames of the block
        self.add_link_type(link_type)

    def set_block(self, block: int, size: int) -> None:
        """Continue with the block of `size` bytes at offset `block` of the ring; raises ValueError if it is outside."""
        if block < 0 or size < _BLOCK_HEADER or block + size > self.size:
            raise ValueError("no such block in the ring")
        data = self.data
        self.frames_left = fields.u32(data, block + _BLOCK_FRAMES, _BIG)
        self.position = block + fields.u32(data, block + _BLOCK_FIRST, _BIG)
        self.limit = block + size

    def detach(self) -> None:
        """Drop all references to the ring before it is unmapped."""
        self.frames_left = self.position = self.limit = self.size = 0
        self.buffer = b""
        self.data = b""

    def incomplete_at(self) -> int:
        """Return -1: blocks hold only complete frames."""
        return -1

    def step(self) -> int:
        """Step to the next frame of the block: FRAME, or NEED_MORE if there is none left."""
        data = self.data
        while self.frames_left:
            at = self.position
            if self.limit - at < _HEADERS:
                return self.skip_block()
            start = at + fields.u16(data, at + _MAC, _BIG)
            end = start + fields.u32(data, at + _CAPTURED, _BIG)
            length = fields.u32(data, at + _NEXT, _BIG)
            self.frames_left -= 1
            if start < at + _HEADERS or end < start or end > self.limit or (length < _HEADERS and self.frames_left):
                return self.skip_block()
            self.position = at + length
            if data[at + _PACKET_TYPE] == _OUTGOING and fields.u32(data, at + _INTERFACE, _BIG) == self.loopback:
                continue
            before = start
            if self.link_type == _LINUX_SLL2:
                start = self.add_cooked_header(at, start)
            elif self.link_type == ETHERNET and fields.u32(data, at + _STATUS, _BIG) & _VLAN_VALID:
                start = self.restore_vlan_tag(at, start, end)
            self.frame_start = start
            self.frame_end = end
            self.wire_len = fields.u32(data, at + _LENGTH, _BIG) + before - start
            seconds = fields.u32(data, at + _SECONDS, _BIG)
            self.ts_ns = seconds * NS_PER_SECOND + fields.u32(data, at + _NANOSECONDS, _BIG)
            self.frames += 1
            return FRAME
        return NEED_MORE

    def restore_vlan_tag(self, at: int, start: int, end: int) -> int:
        """Move the Ethernet addresses forward by 4 bytes and insert the VLAN tag; return the new start of the frame."""
        ring = self.ring
        if start - 4 < at + _HEADERS or end - start < 12:
            return start
        start -= 4
        memory.copy(ring, start, ring, start + 4, 12)
        self.write_tag(at, start + 12)
        return start

    def write_tag(self, at: int, where: int) -> int:
        """Write the VLAN tag (TPID, TCI) that the kernel stripped from the frame with the header at `at`."""
        data = self.data
        ring = self.ring
        tpid = _TAG
        if fields.u32(data, at + _STATUS, _BIG) & _TPID_VALID:
            tpid = fields.u16(data, at + _VLAN_TPID, _BIG)
        where = memory.put_be16(ring, where, tpid)
        return memory.put_be16(ring, where, fields.u32(data, at + _VLAN_TCI, _BIG))

    def add_cooked_header(self, at: int, start: int) -> int:
        """Prepend a Linux cooked header (SLL2) and the VLAN tag, if any; return the new start of the frame."""
        data = self.data
        ring = self.ring
        tagged = fields.u32(data, at + _STATUS, _BIG) & _VLAN_VALID
        packet = start
        start -= _SLL2_HEADER + 4 if tagged else _SLL2_HEADER
        if start < at + _HEADERS:
            self.skip_block()
            return packet
        protocol = data[at + _PROTOCOL] << 8 | data[at + _PROTOCOL + 1]
        if tagged:
            self.write_tag(at, start)  # the TPID becomes the protocol of the header
            memory.put_be16(ring, packet - 4, fields.u32(data, at + _VLAN_TCI, _BIG))
            memory.put_be16(ring, packet - 2, protocol)
        else:
            memory.put_be16(ring, start, protocol)
        memory.put_be16(ring, start + 2, 0)
        interface = fields.u32(data, at + _INTERFACE, _BIG)
        memory.put_be16(ring, start + 4, interface >> 16)
        memory.put_be16(ring, start + 6, interface & 0xFFFF)
        memory.put_be16(ring, start + 8, fields.u16(data, at + _HARDWARE, _BIG))
        ring[start + 10] = data[at + _PACKET_TYPE]
        ring[start + 11] = data[at + _ADDRESS_LENGTH]
        memory.copy(ring, start + 12, data, at + _ADDRESS, 8)
        return start

    def skip_block(self) -> int:
        """Skip the rest of a block with invalid headers."""
        self.frames_left = 0
        self.bad_timestamp(self.frames, "a block of the ring is not as the kernel should have written it")
        return NEED_MORE
