"""A vocabulary that builds frames as bytes: what hosts would put on the wire, right by default.

    syn()                                       an Ethernet frame from CLIENT to SERVER, seq 1000
    syn_ack(options=mss(1460) + timestamps(7, 5))
    data(b"x" * 100, seq=1001, ack=5001, src=("192.0.2.9", 1234), ttl=3, link=sll)
    icmp_error(syn(link=raw), type=3, code=1, reporter="192.0.2.254")

An end is `(address, port)`; two IPv6 addresses make an IPv6 packet. `link=raw` gives the bare IP packet.
"""

import ipaddress
import struct
from collections.abc import Callable, Iterable

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, AE = (1 << bit for bit in range(9))

CLIENT = ("192.0.2.1", 40000)
SERVER = ("198.51.100.2", 443)
CLIENT6 = ("2001:db8::1", 40000)
SERVER6 = ("2001:db8:ffff::2", 443)

CLIENT_ISN = 1000  # of syn(); data starts one later
SERVER_ISN = 5000  # of syn_ack()

LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_LOOP, LINK_SLL, LINK_SLL2 = 0, 1, 101, 108, 113, 276

Link = Callable[[bytes], bytes]


# TCP options.  tcp() pads what it is given with End of Option List to whole words.


def nop(count: int = 1) -> bytes:
    return b"\x01" * count


def mss(size: int) -> bytes:
    return struct.pack(">BBH", 2, 4, size)


def window_scale(shift: int) -> bytes:
    return struct.pack(">BBB", 3, 3, shift)


def sack_permitted() -> bytes:
    return b"\x04\x02"


def sack(*blocks: tuple[int, int]) -> bytes:
    return struct.pack(">BB", 5, 2 + 8 * len(blocks)) + b"".join(struct.pack(">II", *block) for block in blocks)


def timestamps(value: int, echo: int) -> bytes:
    """The option as nearly every segment carries it: NOP, NOP, Timestamps."""
    return nop(2) + struct.pack(">BBII", 8, 10, value, echo)


def fast_open(cookie: bytes = b"") -> bytes:
    return struct.pack(">BB", 34, 2 + len(cookie)) + cookie


def fast_open_experimental(cookie: bytes = b"") -> bytes:
    return struct.pack(">BBH", 254, 4 + len(cookie), 0xF989) + cookie


def mptcp(body: bytes = b"\x01\x81") -> bytes:
    return struct.pack(">BB", 30, 2 + len(body)) + body


def md5_signature(digest: bytes = bytes(16)) -> bytes:
    """RFC 2385."""
    return struct.pack(">BB", 19, 2 + len(digest)) + digest


def tcp_ao(key: int = 1, mac: bytes = bytes(12)) -> bytes:
    """RFC 5925: the key that signed, the key to answer with, the MAC."""
    return struct.pack(">BBBB", 29, 4 + len(mac), key, key) + mac


def linux_syn_options(value: int = 1, echo: int = 0, size: int = 1460, shift: int = 7) -> bytes:
    """MSS, SACK permitted, Timestamps, NOP, Window Scale: what a Linux SYN and SYN-ACK offer."""
    return mss(size) + sack_permitted() + struct.pack(">BBII", 8, 10, value, echo) + nop() + window_scale(shift)


# Checksums (RFC 1071), the slow and plain way.


def ones_sum(words: bytes) -> int:
    total = sum(struct.unpack(f">{(len(words) + 1) // 2}H", words + b"\0" * (len(words) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(words: bytes) -> int:
    return 0xFFFF ^ ones_sum(words)


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def pseudo_header(src: str, dst: str, protocol: int, length: int) -> bytes:
    if ":" in src:
        return address(src) + address(dst) + struct.pack(">II", length, protocol)
    return address(src) + address(dst) + struct.pack(">HH", protocol, length & 0xFFFF)


# Headers.


def tcp(
    src: tuple[str, int],
    dst: tuple[str, int],
    *,
    seq: int,
    ack: int = 0,
    flags: int = 0,
    window: int = 64240,
    options: bytes = b"",
    payload: bytes = b"",
    urgent: int = 0,
    data_offset: int | None = None,
    tcp_checksum: int | str = "good",
) -> bytes:
    """A TCP header and payload; `tcp_checksum` is a number, "good", "bad", or "partial" (left to the card)."""
    options += b"\0" * (-len(options) % 4)
    offset = 5 + len(options) // 4 if data_offset is None else data_offset
    header = struct.pack(">HHIIHHHH", src[1], dst[1], seq, ack, offset << 12 | flags, window, 0, urgent)
    whole = header + options + payload
    pseudo = pseudo_header(src[0], dst[0], 6, len(whole))
    good = checksum(pseudo + whole)
    named = {"good": good, "bad": good ^ 0x0101, "partial": ones_sum(pseudo)}
    value = named[tcp_checksum] if isinstance(tcp_checksum, str) else tcp_checksum
    return whole[:16] + struct.pack(">H", value) + whole[18:]


def ipv4(
    src: str,
    dst: str,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    ident: int = 0,
    dont_fragment: bool = True,
    more_fragments: bool = False,
    fragment_offset: int = 0,
    ip_options: bytes = b"",
    total_length: int | None = None,
    tos: int = 0,
) -> bytes:
    """An IPv4 packet; `fragment_offset` in bytes."""
    ip_options += b"\0" * (-len(ip_options) % 4)
    words = 5 + len(ip_options) // 4
    length = words * 4 + len(payload) if total_length is None else total_length
    fragment = dont_fragment << 14 | more_fragments << 13 | fragment_offset // 8
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x40 | words, tos, length, ident, fragment, ttl, protocol, 0, address(src), address(dst)
    )
    head += ip_options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(
    src: str,
    dst: str,
    next_header: int,
    payload: bytes,
    *,
    hop_limit: int = 64,
    length: int | None = None,
    extensions: Iterable[tuple[int, bytes]] = (),
) -> bytes:
    """An IPv6 packet; `extensions` are (protocol number, body behind the Next Header byte), in order."""
    body = b""
    chain = list(extensions)
    numbers = [number for number, _ in chain] + [next_header]
    for (_, rest), following in zip(chain, numbers[1:], strict=True):
        body += bytes([following]) + rest
    body += payload
    size = len(body) if length is None else length
    return struct.pack(">IHBB", 6 << 28, size, numbers[0], hop_limit) + address(src) + address(dst) + body


def hop_by_hop(options: bytes = b"\x01\x04\0\0\0\0") -> tuple[int, bytes]:
    """A Hop-by-Hop Options header; 6, 14, 22 … bytes of options."""
    return 0, bytes([(len(options) + 2) // 8 - 1]) + options


def jumbo(length: int) -> tuple[int, bytes]:
    """A Hop-by-Hop header with the Jumbo Payload option (RFC 2675)."""
    return hop_by_hop(b"\xc2\x04" + struct.pack(">I", length))


def routing(segments: bytes = b"") -> tuple[int, bytes]:
    return 43, bytes([len(segments) // 8, 4, 0]) + b"\0" * 4 + segments


def destination_options(options: bytes = b"\x01\x04\0\0\0\0") -> tuple[int, bytes]:
    return 60, bytes([(len(options) + 2) // 8 - 1]) + options


def fragment_header(offset: int, more: bool, ident: int = 7) -> tuple[int, bytes]:
    return 44, struct.pack(">BHI", 0, offset | more, ident)


def authentication(icv: bytes = b"\0" * 12) -> tuple[int, bytes]:
    """An Authentication Header (RFC 4302); 4, 12, 20 … bytes of ICV for IPv6."""
    return 51, bytes([(12 + len(icv)) // 4 - 2]) + b"\0\0" + b"\0\0\0\x09\0\0\0\x01" + icv


# Link layers: an IP packet in, a frame out.


def ethertype_of(packet: bytes) -> int:
    return 0x86DD if packet[0] >> 4 == 6 else 0x0800


def raw(packet: bytes) -> bytes:
    """Link types 101 (and 12, 14, 228, 229)."""
    return packet


def ethernet(packet: bytes, *, tags: Iterable[int] = (), ethertype: int | None = None, pad: bool = False) -> bytes:
    """Link type 1; `tags` are tag protocol identifiers, outermost first; `pad` fills up to 60 bytes."""
    head = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01"
    for number, tag in enumerate(tags):
        head += struct.pack(">HH", tag, 100 + number)
    frame = head + struct.pack(">H", ethertype_of(packet) if ethertype is None else ethertype) + packet
    return frame.ljust(60, b"\xaa") if pad else frame


def vlan(packet: bytes) -> bytes:
    return ethernet(packet, tags=[0x8100])


def qinq(packet: bytes) -> bytes:
    return ethernet(packet, tags=[0x88A8, 0x8100])


def sll(packet: bytes) -> bytes:
    """Linux cooked, link type 113."""
    return struct.pack(">HHH8sH", 0, 1, 6, b"\x02\0\0\0\0\x01\0\0", ethertype_of(packet)) + packet


def sll2(packet: bytes) -> bytes:
    """Linux cooked v2, link type 276."""
    return struct.pack(">HHIHBB8s", ethertype_of(packet), 0, 2, 1, 0, 6, b"\x02\0\0\0\0\x01\0\0") + packet


def null(packet: bytes, *, order: str = "<", family: int | None = None) -> bytes:
    """BSD loopback in the order of the capturing host, link type 0."""
    if family is None:
        family = 30 if packet[0] >> 4 == 6 else 2
    return struct.pack(f"{order}I", family) + packet


def loop(packet: bytes) -> bytes:
    """OpenBSD loopback in network order, link type 108."""
    return null(packet, order=">", family=24 if packet[0] >> 4 == 6 else 2)


LINKS: dict[int, Link] = {
    LINK_NULL: null,
    LINK_ETHERNET: ethernet,
    LINK_RAW: raw,
    LINK_LOOP: loop,
    LINK_SLL: sll,
    LINK_SLL2: sll2,
}


# Segments.


def packet(src: str, dst: str, protocol: int, payload: bytes, *, ttl: int = 64, **ip: object) -> bytes:
    """An IP packet of the version that the addresses are of."""
    if ":" in src:
        ip.pop("ident", None)
        ip.pop("dont_fragment", None)
        return ipv6(src, dst, protocol, payload, hop_limit=ttl, **ip)  # type: ignore[arg-type]
    return ipv4(src, dst, protocol, payload, ttl=ttl, **ip)  # type: ignore[arg-type]


_TCP_WORDS = frozenset({"ack", "window", "options", "payload", "urgent", "data_offset", "tcp_checksum"})


def segment(
    src: tuple[str, int], dst: tuple[str, int], flags: int, *, seq: int, link: Link = ethernet, **words: object
) -> bytes:
    """One frame; further words are those of tcp() and of ipv4() or ipv6()."""
    header = {key: words.pop(key) for key in _TCP_WORDS & words.keys()}
    body = tcp(src, dst, seq=seq, flags=flags, **header)  # type: ignore[arg-type]
    return link(packet(src[0], dst[0], 6, body, **words))  # type: ignore[arg-type]


def syn(
    src: tuple[str, int] = CLIENT,
    dst: tuple[str, int] = SERVER,
    *,
    seq: int = CLIENT_ISN,
    flags: int = SYN,
    **words: object,
) -> bytes:
    return segment(src, dst, flags, seq=seq, **words)


def syn_ack(
    src: tuple[str, int] = SERVER,
    dst: tuple[str, int] = CLIENT,
    *,
    seq: int = SERVER_ISN,
    ack: int = CLIENT_ISN + 1,
    flags: int = SYN | ACK,
    **words: object,
) -> bytes:
    return segment(src, dst, flags, seq=seq, ack=ack, **words)


def ack(
    src: tuple[str, int] = CLIENT,
    dst: tuple[str, int] = SERVER,
    *,
    seq: int = CLIENT_ISN + 1,
    ack: int = SERVER_ISN + 1,
    flags: int = ACK,
    **words: object,
) -> bytes:
    return segment(src, dst, flags, seq=seq, ack=ack, **words)


def data(
    payload: bytes = b"hello",
    src: tuple[str, int] = CLIENT,
    dst: tuple[str, int] = SERVER,
    *,
    seq: int = CLIENT_ISN + 1,
    ack: int = SERVER_ISN + 1,
    flags: int = PSH | ACK,
    **words: object,
) -> bytes:
    return segment(src, dst, flags, seq=seq, ack=ack, payload=payload, **words)


def fin(
    src: tuple[str, int] = CLIENT,
    dst: tuple[str, int] = SERVER,
    *,
    seq: int = CLIENT_ISN + 1,
    ack: int = SERVER_ISN + 1,
    flags: int = FIN | ACK,
    **words: object,
) -> bytes:
    return segment(src, dst, flags, seq=seq, ack=ack, **words)


def rst(
    src: tuple[str, int] = SERVER,
    dst: tuple[str, int] = CLIENT,
    *,
    seq: int = 0,
    ack: int | None = CLIENT_ISN + 1,
    **words: object,
) -> bytes:
    """A reset that acknowledges (as a closed port sends it), or a bare one with `ack=None`."""
    return segment(src, dst, RST if ack is None else RST | ACK, seq=seq, ack=ack or 0, **words)


def udp(
    src: tuple[str, int] = CLIENT, dst: tuple[str, int] = SERVER, payload: bytes = b"?", *, link: Link = ethernet
) -> bytes:
    body = struct.pack(">HHHH", src[1], dst[1], 8 + len(payload), 0) + payload
    return link(packet(src[0], dst[0], 17, body))


def icmp_error(
    offending: bytes,
    *,
    type: int = 3,  # noqa: A002  the field's name
    code: int = 3,
    reporter: str | None = None,
    quote: int | None = None,
    rest: int = 0,
    link: Link = ethernet,
    **words: object,
) -> bytes:
    """An ICMP or ICMPv6 error about the IP packet `offending`, sent to its source.

    `reporter` is the packet's destination unless given; `quote` is how much is quoted (IPv4: the
    header and 8 bytes, IPv6: all that fits); `rest` is the header's second word (an MTU, say).
    """
    if offending[0] >> 4 == 6:
        sender, target = (str(ipaddress.IPv6Address(offending[at : at + 16])) for at in (8, 24))
        body = struct.pack(">BBHI", type, code, 0, rest) + offending[: 1232 if quote is None else quote]
        reporter = reporter or target
        value = checksum(pseudo_header(reporter, sender, 58, len(body)) + body)
        protocol = 58
    else:
        sender, target = (str(ipaddress.IPv4Address(offending[at : at + 4])) for at in (12, 16))
        whole = (offending[0] & 15) * 4 + 8
        body = struct.pack(">BBHI", type, code, 0, rest) + offending[: whole if quote is None else quote]
        reporter = reporter or target
        value = checksum(body)
        protocol = 1
    body = body[:2] + struct.pack(">H", value) + body[4:]
    return link(packet(reporter, sender, protocol, body, **words))  # type: ignore[arg-type]
