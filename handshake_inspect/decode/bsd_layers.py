"""Pseudo link-layer headers of the BSD family: pktap, enc and pflog.

* *pktap* (macOS, `tcpdump -i pktap`): Apple's header gives the link type of the frame after it, so that one capture can
  hold frames of several interfaces.  The link type is 258; older captures use 149 (USER2), which anyone may use, so the
  header is checked there.  Integers are little-endian, as are all hosts that write it.
* *enc* (OpenBSD, FreeBSD: IPsec packets in the clear): address family, in host byte order, SPI and flags, 32 bits each.
* *pflog* (packets logged by pf): the first byte is the header length without padding, the second the address family.
"""

from dpkt.dpkt import UnpackError

from handshake_inspect.decode.udp_tunnels import Step

_NONE: Step = ("", b"")
_FAMILIES = {2: "ipv4", 10: "ipv6", 24: "ipv6", 28: "ipv6", 30: "ipv6"}  # AF_INET, and AF_INET6 of each system
_ENC = 12
_PFLOG = 45  # bytes of the shortest header that pf ever wrote
_PKTAP = 108  # bytes of a version 1 header; later versions may be longer
_MAX_PKTAP = 512
_PACKET = 1  # record type of a packet, as opposed to a message about interfaces


def enc(data: bytes) -> Step:
    """Step from an enc header to the packet."""
    if len(data) < _ENC:
        raise UnpackError("enc header cut")
    little, big = (int.from_bytes(data[:4], order) for order in ("little", "big"))
    return _FAMILIES.get(min(little, big), ""), data[_ENC:]


def pflog(data: bytes) -> Step:
    """Step from a pflog header, padded to a multiple of 4 bytes, to the packet."""
    length = (data[0] + 3) & ~3
    if data[0] < _PFLOG:
        return _NONE
    if len(data) < length:
        raise UnpackError("pflog header cut")
    return _FAMILIES.get(data[1], ""), data[length:]


def is_pktap(data: bytes) -> bool:
    """Return True if a frame begins with a valid pktap header."""
    return len(data) >= _PKTAP and _PKTAP <= _word(data, 0) <= _MAX_PKTAP and _word(data, 4) in (0, _PACKET)


def unwrap_pktap(data: bytes) -> tuple[int, bytes]:
    """Return the link type in a pktap header and the frame after it; -1 if the record holds no packet."""
    if len(data) < 12:
        raise UnpackError("pktap header cut")
    length = _word(data, 0)
    if _word(data, 4) != _PACKET or not _PKTAP <= length <= _MAX_PKTAP:
        return -1, b""
    if len(data) < length:
        raise UnpackError("pktap header cut")
    return _word(data, 8), data[length:]


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
