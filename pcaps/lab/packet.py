"""Frames by hand: just enough of Ethernet, IP and TCP to look into a frame on the path, and to forge one."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, replace

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
_ETHERNET = 14


@dataclass(frozen=True)
class Segment:
    """One TCP segment with its addresses: what a path looks at, and what an attacker invents."""

    src: str
    sport: int
    dst: str
    dport: int
    flags: int
    seq: int = 0
    ack: int = 0
    window: int = 0
    options: bytes = b""
    payload: bytes = b""
    ttl: int = 64
    ip_id: int = 0
    urgent: int = 0

    def packet(self) -> bytes:
        """The segment as an IPv4 or IPv6 packet with right checksums."""
        family = socket.AF_INET6 if ":" in self.src else socket.AF_INET
        src, dst = socket.inet_pton(family, self.src), socket.inet_pton(family, self.dst)
        length = 20 + len(self.options)
        numbers = self.seq & 0xFFFFFFFF, self.ack & 0xFFFFFFFF
        offset, flags = length << 2 | self.flags >> 8, self.flags & 0xFF
        tcp = struct.pack("!HHIIBBHHH", self.sport, self.dport, *numbers, offset, flags, self.window, 0, self.urgent)
        tcp += self.options + self.payload
        check = checksum(src + dst + struct.pack("!II", len(tcp), socket.IPPROTO_TCP) + tcp)
        tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
        if family == socket.AF_INET6:
            return struct.pack("!IHBB", 6 << 28, len(tcp), socket.IPPROTO_TCP, self.ttl) + src + dst + tcp
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), self.ip_id, 0, self.ttl, socket.IPPROTO_TCP, 0)
        head += src + dst
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + tcp

    def answer(self, flags: int, **changes: object) -> Segment:
        """A segment back to the sender of this one, at the place in the sequence space that it asks for."""
        length = len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)
        back = Segment(self.dst, self.dport, self.src, self.sport, flags, self.ack, self.seq + length)
        return replace(back, **changes)  # type: ignore[arg-type]


def checksum(data: bytes) -> int:
    """The Internet checksum of RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def parse(frame: bytes) -> Segment | None:
    """The TCP segment in an Ethernet frame, None when there is none."""
    if len(frame) < _ETHERNET + 20:
        return None
    kind = struct.unpack_from("!H", frame, 12)[0]
    ip = frame[_ETHERNET:]
    if kind == 0x0800 and ip[9] == socket.IPPROTO_TCP:
        tcp = ip[(ip[0] & 15) * 4 : struct.unpack_from("!H", ip, 2)[0]]
        src, dst = socket.inet_ntop(socket.AF_INET, ip[12:16]), socket.inet_ntop(socket.AF_INET, ip[16:20])
        ttl, ip_id = ip[8], struct.unpack_from("!H", ip, 4)[0]
    elif kind == 0x86DD and ip[6] == socket.IPPROTO_TCP:
        tcp = ip[40 : 40 + struct.unpack_from("!H", ip, 4)[0]]
        src, dst = socket.inet_ntop(socket.AF_INET6, ip[8:24]), socket.inet_ntop(socket.AF_INET6, ip[24:40])
        ttl, ip_id = ip[7], 0
    else:
        return None
    sport, dport, seq, ack, offset, flags, window = struct.unpack_from("!HHIIBBH", tcp)
    length = (offset >> 4) * 4
    return Segment(src, sport, dst, dport, flags & 63, seq, ack, window, tcp[20:length], tcp[length:], ttl, ip_id)


def mss_option(mss: int = 1460) -> bytes:
    """The maximum segment size option of a SYN."""
    return struct.pack("!BBH", 2, 4, mss)
