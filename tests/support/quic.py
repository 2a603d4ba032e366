"""A vocabulary of QUIC packets and datagrams, sealed where keys of everybody seal them, and a wire that times them.

initial(crypto(client_hello("lab.test")))      a client's Initial of version 1
datagram(initial(...), handshake(40))          coalesced, padded to `least` bytes
flow = Flow(); flow.client(initial()); flow.wait(40 * MS); flow.server(initial(), handshake(800)); flow.rows()
"""

import io
import struct

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.quic import initial as opening
from handshake_inspect.tcp.tracker import Tracker
from support import frames
from support.captures import pcap_header, pcap_record
from support.tls import RETRY_RANDOM

MS = 1_000_000
DCID = bytes.fromhex("8394c8f03e515708")
SERVER_CID = bytes.fromhex("f067a5502a4262b5")
HELLO_RETRY = b"\x02\x00\x00\x28\x03\x03" + RETRY_RANDOM + bytes(6)  # a HelloRetryRequest without extensions
V1, V2 = 1, 0x6B3343CF
CLIENT, SERVER = ("192.0.2.1", 50000), ("198.51.100.2", 443)


def number(value: int, length: int = 0) -> bytes:
    """A variable-length integer (RFC 9000 section 16)."""
    length = length or next(each for each in (1, 2, 4, 8) if value < 1 << (8 * each - 2))
    return (value | {1: 0, 2: 1, 4: 2, 8: 3}[length] << (8 * length - 2)).to_bytes(length, "big")


def kind_bits(kind: int, version: int) -> int:
    """The two type bits for 0 Initial, 1 0-RTT, 2 Handshake, 3 Retry."""
    return (kind + 1) % 4 if version == V2 else kind


def long_header(kind: int, *, version=V1, dcid=DCID, scid=b"", low=0) -> bytes:
    first = 0xC0 | kind_bits(kind, version) << 4 | low
    return struct.pack(">BI", first, version) + bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid


def crypto(data: bytes, offset: int = 0) -> bytes:
    return number(6) + number(offset) + number(len(data)) + data


def close(code: int, reason: bytes = b"") -> bytes:
    return number(0x1C) + number(code) + number(0) + number(len(reason)) + reason


def acknowledge(largest: int = 0) -> bytes:
    return number(2) + number(largest) + number(0) + number(0) + number(0)


def initial(plain=b"\x01", *, version=V1, dcid=DCID, scid=b"", token=b"", keyed=None, from_server=False, pn=0, size=0):
    """An Initial, sealed with the keys of `keyed` (the client's first connection ID); padded so that it has `size`."""
    header = long_header(0, version=version, dcid=dcid, scid=scid, low=1) + number(len(token)) + token
    plain += bytes(max(size - len(header) - 4 - 16 - len(plain), 4 - len(plain), 0))
    header += number(2 + len(plain) + 16, 2)
    keys = opening.initial_keys(version, dcid if keyed is None else keyed)
    if keys is None or not opening.can_open():
        return header + bytes(len(plain) + 18)
    return seal(keys[from_server], header, pn, plain)


def seal(keys, header: bytes, pn: int, plain: bytes) -> bytes:
    """Protect a packet (RFC 9001 sections 5.3 and 5.4) with a packet number of two bytes."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    head = header + pn.to_bytes(2, "big")
    nonce = (int.from_bytes(keys.iv, "big") ^ pn).to_bytes(12, "big")
    sealed = AESGCM(keys.key).encrypt(nonce, plain, head)
    mask = Cipher(algorithms.AES(keys.header), modes.ECB()).encryptor().update(sealed[2:18])
    first = head[0] ^ mask[0] & 0x0F
    return bytes([first]) + head[1:-2] + bytes(a ^ b for a, b in zip(head[-2:], mask[1:3], strict=True)) + sealed


def early(size: int = 300, *, version=V1, dcid=DCID, scid=b"") -> bytes:
    return long_header(1, version=version, dcid=dcid, scid=scid) + number(size, 2) + bytes(size)


def handshake(size: int = 100, *, version=V1, dcid=b"", scid=SERVER_CID) -> bytes:
    return long_header(2, version=version, dcid=dcid, scid=scid) + number(size, 2) + bytes(size)


def retry(*, version=V1, dcid=b"", scid=SERVER_CID, token=b"a token") -> bytes:
    return long_header(3, version=version, dcid=dcid, scid=scid) + token + bytes(16)


def negotiation(*versions: int, dcid=b"", scid=DCID) -> bytes:
    return long_header(0, version=0, dcid=dcid, scid=scid) + b"".join(struct.pack(">I", each) for each in versions)


def short(size: int = 100, *, dcid=SERVER_CID, spin=0) -> bytes:
    """A 1-RTT packet of that many bytes."""
    return bytes([0x40 | spin << 5]) + dcid + bytes(max(size - 1 - len(dcid), 0))


def client_hello(name: str, alpn: bytes = b"h3") -> bytes:
    """A ClientHello of TLS 1.3 with a name and one protocol."""
    host = name.encode()
    sni = struct.pack(">HHHBH", 0, len(host) + 5, len(host) + 3, 0, len(host)) + host
    offer = bytes([len(alpn)]) + alpn
    protocols = struct.pack(">HHH", 16, len(offer) + 2, len(offer)) + offer
    extensions = sni + protocols + bytes.fromhex("002b0003020304")
    body = b"\x03\x03" + bytes(32) + b"\0" + bytes.fromhex("00021301") + b"\x01\0"
    body += struct.pack(">H", len(extensions)) + extensions
    return b"\x01" + len(body).to_bytes(3, "big") + body


class Flow:
    """Datagrams between a client and a server, and what the tracker makes of them."""

    def __init__(self, client=CLIENT, server=SERVER) -> None:
        self.ends = client, server
        self.now = 1_000_000_000_000
        self.frames: list[tuple[int, bytes]] = []
        self.snap: int | None = None

    def wait(self, ns: int) -> "Flow":
        self.now += ns
        return self

    def client(self, *packets: bytes, least=0, src=None) -> "Flow":
        return self.put(src or self.ends[0], self.ends[1], b"".join(packets), least)

    def server(self, *packets: bytes, least=0, dst=None) -> "Flow":
        return self.put(self.ends[1], dst or self.ends[0], b"".join(packets), least)

    def put(self, src, dst, payload: bytes, least: int = 0) -> "Flow":
        payload += bytes(max(least - len(payload), 0))
        packet = frames.udp(src, dst, payload)
        self.frames.append((self.now, packet))
        return self

    def error(self, of: int = -1, *, type=3, code=3, reporter=None) -> "Flow":  # noqa: A002 - the field's name
        """An ICMP error that quotes the frame `of`."""
        quoted = self.frames[of][1][14:]
        self.frames.append(
            (self.now, frames.icmp_error(quoted, type=type, code=code, reporter=reporter or self.ends[1][0]))
        )
        return self

    def cut(self, snap: int) -> "Flow":
        """Captured with this snap length."""
        self.snap = snap
        return self

    def file(self) -> io.BytesIO:
        kept = (pcap_record(ns, frame[: self.snap], nano=True, wire_len=len(frame)) for ns, frame in self.frames)
        return io.BytesIO(pcap_header(nano=True) + b"".join(kept))

    def pump(self, limit: int = 1 << 10) -> Pump:
        pump = Pump(Tracker(limit))
        with open_trace([self.file()]) as source:
            pump_all(source, pump)
        return pump

    def rows(self, limit: int = 1 << 10) -> list:
        """The rows in use."""
        table = self.pump(limit).quic.table
        return [row for row in (table.row_storage or [])[: table.count] if row.in_use]
