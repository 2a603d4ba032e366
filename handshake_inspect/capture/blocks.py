"""pcapng block and option codes (draft-ietf-opsawg-pcapng), and parsers for the blocks that are not per frame.

They are separate from the reader because these parsers are not on the hot path and stay uncompiled.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from handshake_inspect.capture import fields

SECTION_HEADER = 0x0A0D0D0A  # the same in both byte orders
BYTE_ORDER_MAGIC = 0x1A2B3C4D
INTERFACE_DESCRIPTION = 1
PACKET = 2  # obsolete
SIMPLE_PACKET = 3
INTERFACE_STATISTICS = 5
ENHANCED_PACKET = 6

MIN_BLOCK = 12  # bytes: type, length, and the length again
MAX_BLOCK = 1 << 26  # bytes of a block that is read as a whole; a larger length is damage

# Blocks without a packet that Wireshark numbers as frames: systemd journal entries, sysdig events, custom blocks.
NUMBERED = frozenset({0x0009, 0x0204, 0x0208, 0x0216, 0x0217, 0x0221, 0x0222, 0x0BAD, 0x4000_0BAD})

EPB_FLAGS = 2
EPB_DROP_COUNT = 4

# How to convert timestamps to nanoseconds (Interface.resolution).
MULTIPLY = 0  # ticks of 1 ns or longer: multiply by `scale`
DIVIDE = 1  # shorter ticks: divide by `scale`
BINARY = 2  # ticks of 2**-scale seconds

_END_OF_OPTIONS = 0
_IF_NAME = 2
_IF_TSRESOL = 9
_IF_FILTER = 11
_IF_FCSLEN = 13
_IF_TSOFFSET = 14
_ISB_ENDTIME = 3
_ISB_IFRECV = 4
_ISB_IFDROP = 5
_ISB_OSDROP = 7
_ISB_USRDELIV = 8

_MAX_NS = 2**63 - 1
MAX_MICROSECONDS = _MAX_NS // 1000
_MAX_RAW = 2**64 - 1
_MICROSECONDS = 6  # default if_tsresol
_UNKNOWN_COUNT = _MAX_RAW


Order = Literal["big", "little"]


class Clock(NamedTuple):
    """How to convert an interface's timestamps to nanoseconds since the epoch (see `interface_table.Interface`)."""

    resolution: int
    scale: int
    max_raw: int
    offset_ns: int


class InterfaceDescription(NamedTuple):
    """The contents of an Interface Description Block."""

    link_type: int
    snap_len: int
    fcs_len: int
    name: str
    filter_text: str | None  # None if there is none, or not as text
    clock: Clock


def parse_interface_description(body: bytes, big: bool) -> InterfaceDescription:
    """Parse the body of an Interface Description Block (at least 8 bytes)."""
    order: Order = "big" if big else "little"
    options = dict(_options(body[8:], big))
    name = options.get(_IF_NAME, b"").split(b"\0")[0].decode("utf-8", "replace")
    resolution = options.get(_IF_TSRESOL, b"")
    offset = options.get(_IF_TSOFFSET, b"")
    fcs = options.get(_IF_FCSLEN, b"")
    return InterfaceDescription(
        link_type=int.from_bytes(body[:2], order),
        snap_len=int.from_bytes(body[4:8], order),
        fcs_len=fcs[0] if len(fcs) == 1 else 0,
        name=name,
        filter_text=_filter_text(options.get(_IF_FILTER, b"")),
        clock=clock(
            resolution[0] if len(resolution) == 1 else _MICROSECONDS,
            int.from_bytes(offset, order, signed=True) if len(offset) == 8 else 0,
        ),
    )


def _filter_text(value: bytes) -> str | None:
    """Return the expression in if_filter, None unless its first byte is 0 (libpcap filter text)."""
    if value[:1] != b"\0":
        return None
    return value[1:].split(b"\0")[0].decode("utf-8", "replace").strip() or None


def clock(resolution: int, offset_s: int) -> Clock:
    """Derive the clock from if_tsresol (power of ten, or of two with the high bit set) and if_tsoffset (seconds)."""
    power = resolution & 0x7F
    if resolution & 0x80:
        how, scale, ticks = BINARY, power, 2**power
    elif power <= 9:
        how, scale, ticks = MULTIPLY, 10 ** (9 - power), 10**power
    elif power <= 28:
        how, scale, ticks = DIVIDE, 10 ** (power - 9), 10**power
    else:  # even 2**64 such ticks are less than 1 ns, as with the shortest binary tick
        how, scale, ticks = BINARY, 0x7F, 10**power
    offset_ns = offset_s * 1_000_000_000
    if abs(offset_ns) > _MAX_NS // 2:
        offset_ns = 0  # centuries: damage
    latest = _MAX_NS - max(offset_ns, 0)
    return Clock(how, scale, min(latest * ticks // 1_000_000_000, _MAX_RAW), offset_ns)


class Statistics(NamedTuple):
    """The counts in an Interface Statistics Block since the start of the capture; None if missing."""

    interface: int
    dropped: int | None  # by the interface and the operating system
    delivered: int | None  # frames delivered to the capturing program
    end_high: int  # end of the capture as a timestamp of the interface; both halves 0 if missing
    end_low: int


def parse_statistics(body: bytes, big: bool) -> Statistics:
    """Parse the body of an Interface Statistics Block (at least 12 bytes)."""
    order: Order = "big" if big else "little"
    end = b""
    counts: dict[int, int] = {}
    for code, value in _options(body[12:], big):
        if len(value) != 8:
            continue
        if code == _ISB_ENDTIME:
            end = value
        elif (count := int.from_bytes(value, order)) != _UNKNOWN_COUNT:
            counts[code] = count
    drops = [counts[code] for code in (_ISB_IFDROP, _ISB_OSDROP) if code in counts]
    delivered = counts.get(_ISB_USRDELIV)
    if delivered is None and _ISB_IFRECV in counts:
        delivered = max(counts[_ISB_IFRECV] - sum(drops), 0)  # some writers count drops as received, some do not
    high, low = int.from_bytes(end[:4], order), int.from_bytes(end[4:], order)
    return Statistics(int.from_bytes(body[:4], order), sum(drops) if drops else None, delivered, high, low)


def unsupported_version(data: bytes, at: int, big: bool) -> str | None:
    """Return the version of the section header at `at` if it is not supported, else None.

    1.0 is the only version, which some programs wrote as 1.2.
    """
    major, minor = fields.u16(data, at + 12, big), fields.u16(data, at + 14, big)
    return None if major == 1 and minor in (0, 2) else f"{major}.{minor}"


def _options(data: bytes, big: bool) -> Iterator[tuple[int, bytes]]:
    order: Order = "big" if big else "little"
    at = 0
    while at + 4 <= len(data):
        code = int.from_bytes(data[at : at + 2], order)
        length = int.from_bytes(data[at + 2 : at + 4], order)
        at += 4
        if code == _END_OF_OPTIONS or at + length > len(data):
            return
        yield code, data[at : at + length]
        at += (length + 3) & -4
