"""Decrypt Initial packets, whose keys derive from a connection ID sent in the clear (RFC 9001 section 5.2).

Nothing else is decrypted.  The cipher comes from the optional library `cryptography`, imported on first use.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from handshake_inspect.quic.const import LONG, LONGEST_CID, V1, V2

MAX_CRYPTO = 1 << 14  # bytes of handshake data that are reassembled
MAX_PIECES = 256
_SALTS = (  # first and last version that use the salt
    (V1, V1, "38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),  # RFC 9001 section 5.2
    (V2, V2, "0dede3def700a6db819381be6e269dcbf9bd2ed9"),  # RFC 9369 section 3.3.1
    (0xFF000021, 0xFF000022, "38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    (0xFF00001D, 0xFF000020, "afbfec289993d24c9e9786f19c6111e04390a899"),
    (0xFF000017, 0xFF00001C, "c3eef712c72ebb5a11a7d2432bb46365bef9f502"),
)
_PADDING, _PING, _ACK, _ACK_ECN, _CRYPTO, _CLOSE = 0x00, 0x01, 0x02, 0x03, 0x06, 0x1C


@dataclass(frozen=True)
class Close:
    """A CONNECTION_CLOSE in an Initial: error code and reason phrase."""

    code: int
    reason: str


@dataclass
class InitialData:
    """Contents of the Initials of one side."""

    crypto: bytes = b""  # handshake data up to the first gap
    close: Close | None = None
    packets: int = 0  # decrypted packets
    repeated: bool = False  # whether handshake data was retransmitted
    foreign: bool = False  # the client's first Initial cannot be decrypted: its keys derive from an earlier one
    pieces: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Keys:
    """The Initial keys of one side."""

    key: bytes
    iv: bytes
    header: bytes


def can_open() -> bool:
    """Return True if the library is installed."""
    return _ciphers() is not None


@cache
def _ciphers() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
    except ImportError:
        return None
    return AESGCM, lambda key: Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - as RFC 9001 has it


def initial_keys(version: int, dcid: bytes) -> tuple[Keys, Keys] | None:
    """Return the Initial keys of client and server; None for a version with an unknown salt."""
    salt = next((salt for first, last, salt in _SALTS if first <= version <= last), None)
    if salt is None:
        return None
    secret = hmac.digest(bytes.fromhex(salt), dcid, hashlib.sha256)
    prefix = "quicv2 " if version == V2 else "quic "
    client, server = (_expand(secret, f"{side} in", 32) for side in ("client", "server"))
    return _side_keys(client, prefix), _side_keys(server, prefix)


def _side_keys(secret: bytes, prefix: str) -> Keys:
    return Keys(*(_expand(secret, prefix + what, length) for what, length in (("key", 16), ("iv", 12), ("hp", 16))))


def _expand(secret: bytes, label: str, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context; one block suffices here."""
    name = b"tls13 " + label.encode()
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return hmac.digest(secret, info + b"\x01", hashlib.sha256)[:length]


def open_all(datagrams: Iterable[tuple[bool, bytes]]) -> tuple[InitialData, InitialData]:
    """Decrypt the Initials in a connection's datagrams, `(from_server, bytes)` in order; return (client, server).

    Input may be arbitrary bytes: packets that cannot be decrypted are skipped.
    """
    sides = InitialData(), InitialData()
    keys: tuple[Keys, Keys] | None = None
    keyed: tuple[int, bytes] | None = None
    opened = set()  # to skip packets that were captured twice
    for from_server, datagram in datagrams:
        for version, dcid, start, number_at, end in initials(datagram):
            if not from_server and keyed is None:
                keyed = version, dcid
                keys = initial_keys(version, dcid)
            plain = _open(keys, from_server, datagram[start:end], number_at - start)
            if plain is None and not from_server and keyed != (version, dcid):
                # After a Retry, or with another version, the client uses a new connection ID.
                fresh = initial_keys(version, dcid)
                plain = _open(fresh, from_server, datagram[start:end], number_at - start)
                if plain is not None:
                    keyed, keys = (version, dcid), fresh
            if plain is not None and datagram[start:end] not in opened:
                opened.add(datagram[start:end])
                _read_frames(plain, sides[from_server])
    for side in sides:
        side.crypto = _contiguous(side.pieces)
    sides[0].foreign = keys is not None and not sides[0].packets
    return sides


def initials(datagram: bytes) -> Iterator[tuple[int, bytes, int, int, int]]:
    """Yield the Initial packets of a datagram: version, destination ID, start, offset of the packet number, end."""
    at = 0
    try:
        while at < len(datagram) and datagram[at] & LONG:
            version = int.from_bytes(datagram[at + 1 : at + 5], "big")
            kind = datagram[at] >> 4 & 3
            length = datagram[at + 5]
            dcid = datagram[at + 6 : at + 6 + length]
            after = at + 6 + length
            after += 1 + datagram[after]
            is_initial = kind == (1 if version == V2 else 0)
            if version == 0 or length > LONGEST_CID or kind == (0 if version == V2 else 3):
                return
            if is_initial:
                token, after = _number(datagram, after)
                after += token
            size, after = _number(datagram, after)
            end = after + size
            if size < 1 or end > len(datagram):
                return
            if is_initial:
                yield version, dcid, at, after, end
            at = end
    except IndexError:
        return


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length integer (RFC 9000 section 16); return it and its end."""
    length = 1 << (data[at] >> 6)
    if at + length > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + length], "big") & ((1 << (8 * length - 2)) - 1), at + length


def _open(keys: tuple[Keys, Keys] | None, from_server: bool, packet: bytes, number_at: int) -> bytes | None:
    """Decrypt an Initial (RFC 9001 sections 5.3 and 5.4) and return its frames; None if the keys do not fit."""
    ciphers = _ciphers()
    if keys is None or ciphers is None or len(packet) < number_at + 20:
        return None
    seal, cipher = ciphers
    mine = keys[from_server]
    mask = cipher(mine.header).update(packet[number_at + 4 : number_at + 20])
    first = packet[0] ^ mask[0] & 0x0F
    length = (first & 3) + 1
    number = bytes(packet[number_at + i] ^ mask[1 + i] for i in range(length))
    header = bytes([first]) + packet[1:number_at] + number
    nonce = (int.from_bytes(mine.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    try:
        return bytes(seal(mine.key).decrypt(nonce, packet[number_at + length :], header))
    except Exception:  # InvalidTag, whose library may be missing
        return None


def _read_frames(plain: bytes, side: InitialData) -> None:
    """Parse the frames of an Initial (RFC 9000 section 12.4); stop at a frame that is not permitted there."""
    side.packets += 1
    at = 0
    try:
        while at < len(plain):
            kind, at = _number(plain, at)
            if kind in (_PADDING, _PING):
                continue
            if kind in (_ACK, _ACK_ECN):
                at = _skip_ack(plain, at, ecn=kind == _ACK_ECN)
            elif kind == _CRYPTO:
                offset, at = _number(plain, at)
                length, at = _number(plain, at)
                side.repeated |= 0 < length <= len(side.pieces.get(offset, b""))
                if offset + length <= MAX_CRYPTO and len(side.pieces) < MAX_PIECES:
                    side.pieces[offset] = max(plain[at : at + length], side.pieces.get(offset, b""), key=len)
                at += length
            elif kind == _CLOSE:
                side.close = _read_close(plain, at)
                return
            else:
                return
    except IndexError:
        return


def _skip_ack(plain: bytes, at: int, *, ecn: bool) -> int:
    """Return the end of an ACK frame (RFC 9000 section 19.3)."""
    for _ in range(2):
        _, at = _number(plain, at)
    count, at = _number(plain, at)
    for _ in range(1 + 2 * min(count, len(plain)) + 3 * ecn):
        _, at = _number(plain, at)
    return at


def _read_close(plain: bytes, at: int) -> Close:
    """Parse a CONNECTION_CLOSE frame (RFC 9000 section 19.19)."""
    code, at = _number(plain, at)
    _, at = _number(plain, at)
    length, at = _number(plain, at)
    return Close(code, plain[at : at + length].decode("utf-8", "replace"))


def _contiguous(pieces: dict[int, bytes]) -> bytes:
    """Concatenate the pieces, by offset, up to the first gap."""
    joined = bytearray()
    for offset in sorted(pieces):
        if offset > len(joined):
            break
        joined[offset:] = pieces[offset] if offset + len(pieces[offset]) > len(joined) else joined[offset:]
    return bytes(joined)
