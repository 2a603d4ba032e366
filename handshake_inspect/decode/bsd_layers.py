"""What the systems of the BSD family put before a packet that they captured: pktap, enc and pflog.

* *pktap* (macOS, `tcpdump -i pktap`): Apple's header names the link type of the frame behind it, so that frames of
  several interfaces share one capture.  Written as link type 258, and as 149 (which is anybody's: USER2) before it had
  one: there the header has to be right.  Its integers are little-endian, as all hosts that write it are.
* *enc* (OpenBSD, FreeBSD: packets in the clear beside IPsec): address family, SPI and flags, 32 bits each; the family
  in the byte order of the host.
* *pflog* (what pf logged): a header whose first byte is its length without padding, and whose second is the family.
"""

from dpkt.dpkt import UnpackError

from handshake_inspect.decode.udp_tunnels import Step

_NONE: Step = ("", b"")
_FAMILIES = {2: "ipv4", 10: "ipv6", 24: "ipv6", 28: "ipv6", 30: "ipv6"}  # AF_INET, and AF_INET6 of each system
_ENC = 12
_PFLOG = 45  # the least that pf ever wrote
_PKTAP = 108  # the header of version 1 up to where others may have appended
_PKTAP_MOST = 512
_PACKET = 1  # the record holds a packet and not a message about interfaces


def enc(data: bytes) -> Step:
    """Step from an enc header to the packet."""
    if len(data) < _ENC:
        raise UnpackError("enc header cut")
    little, big = (int.from_bytes(data[:4], order) for order in ("little", "big"))
    return _FAMILIES.get(min(little, big), ""), data[_ENC:]


def pflog(data: bytes) -> Step:
    """Step from a pflog header to the packet, which begins at a multiple of four bytes."""
    length = (data[0] + 3) & ~3
    if data[0] < _PFLOG:
        return _NONE
    if len(data) < length:
        raise UnpackError("pflog header cut")
    return _FAMILIES.get(data[1], ""), data[length:]


def is_pktap(data: bytes) -> bool:
    """Whether a frame begins with Apple's header."""
    return len(data) >= _PKTAP and _PKTAP <= _word(data, 0) <= _PKTAP_MOST and _word(data, 4) in (0, _PACKET)


def behind_pktap(data: bytes) -> tuple[int, bytes]:
    """The link type that Apple's header names and the frame behind it; -1 where it holds no packet."""
    if len(data) < 12:
        raise UnpackError("pktap header cut")
    length = _word(data, 0)
    if _word(data, 4) != _PACKET or not _PKTAP <= length <= _PKTAP_MOST:
        return -1, b""
    if len(data) < length:
        raise UnpackError("pktap header cut")
    return _word(data, 8), data[length:]


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
