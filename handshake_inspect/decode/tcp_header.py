"""The TCP header, its options and its checksum (RFC 9293 section 3.1)."""

from typing import Any

from handshake_inspect.decode import payload
from handshake_inspect.wire import big_endian, checksum, fourtuple
from handshake_inspect.wire.const import (
    ACK,
    AE,
    CWR,
    ECE,
    KIND_DAMAGED,
    KIND_TCP,
    MASK16,
    MASK32,
    NOTE_BAD_CHECKSUM,
    NOTE_BAD_HEADER_LENGTH,
    NOTE_CHECKSUM_GOOD,
    NOTE_CHECKSUM_OFFLOADED,
    NOTE_CUT_HEADER,
    NOTE_CUT_OPTIONS,
    NOTE_FIRST_FRAGMENT,
    NOTE_OFFLOADED,
    OPT_ACCECN,
    OPT_ECN,
    OPT_MPTCP,
    OPT_MSS,
    OPT_SACK,
    OPT_SACK_PERMITTED,
    OPT_TFO,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
    PROTO_TCP,
    SYN,
)

# Options as most stacks write them: nearly every segment (RFC 7323 appendix A), and a SYN or SYN-ACK of Linux.
_STAMPS = 0x0101_080A  # NOP, NOP, Timestamps
_MSS = 0x0204
_SACK_AND_STAMPS = 0x0402_080A  # SACK-permitted, Timestamps
_SCALE = 0x01_0303  # NOP, window scale


def ended_early(end: int, wire_end: int, out: Any) -> int:
    """Note why a header is incomplete: the capture was cut, or the packet itself is too short."""
    out.notes |= NOTE_CUT_HEADER if end < wire_end else NOTE_BAD_HEADER_LENGTH
    return KIND_DAMAGED


def decode_tcp(data: bytes, at: int, end: int, ip_end: int, out: Any) -> int:
    """Read the TCP header at `at` of an IP packet that ends at `ip_end`, of which `end` was captured.

    Ports, sequence numbers and flags are what a handshake needs: a header cut after them
    (14 bytes) is still a segment, without its window and options.
    """
    captured = min(end, ip_end) - at
    if captured < 14:
        return ended_early(end, ip_end, out)
    header_len = (data[at + 12] >> 4) * 4
    if header_len < 20 or header_len > ip_end - at:
        out.notes |= NOTE_BAD_HEADER_LENGTH
        return KIND_DAMAGED
    out.payload_len = (ip_end - at - header_len) & MASK32
    read_header(data, at, header_len, min(captured, header_len), out)
    if captured >= header_len:
        payload.place(data, at + header_len, captured - header_len, out)
    return KIND_TCP


def read_header(data: bytes, at: int, header_len: int, captured: int, out: Any) -> None:
    """Read a header of which `captured` bytes are there: all of it, or at least 14."""
    flags = (data[at + 12] & 1) << 8 | data[at + 13]
    src_port = big_endian.be16(data, at)
    dst_port = big_endian.be16(data, at + 2)
    out.src_port = src_port
    out.dst_port = dst_port
    out.seq = big_endian.be32(data, at + 4)
    out.ack = big_endian.be32(data, at + 8)
    out.flags = flags
    out.options_len = header_len - 20
    out.hash = fourtuple.hash_four_tuple(out.src_hi, out.src_lo, src_port, out.dst_hi, out.dst_lo, dst_port)
    if captured == header_len:
        out.window = big_endian.be16(data, at + 14)
        read_options(data, at, header_len, out)
    else:
        out.notes |= NOTE_CUT_OPTIONS
        out.window = big_endian.be16(data, at + 14) if captured >= 16 else MASK16  # not known, but hardly 0
        decode_options(data, at + 20, at + captured, out)
    if flags & SYN and flags & (AE | CWR | ECE):
        out.options |= ecn_setup(flags)


def read_options(data: bytes, at: int, header_len: int, out: Any) -> None:
    """Read the options of a header that is there as a whole: as most stacks write them, at once."""
    if header_len == 32 and big_endian.be32(data, at + 20) == _STAMPS:
        out.options = OPT_TIMESTAMPS
        out.tsval = big_endian.be32(data, at + 24)
        out.tsecr = big_endian.be32(data, at + 28)
    elif (
        header_len == 40
        and big_endian.be16(data, at + 20) == _MSS
        and big_endian.be32(data, at + 24) == _SACK_AND_STAMPS
        and big_endian.be32(data, at + 36) >> 8 == _SCALE
    ):
        out.options = OPT_MSS | OPT_SACK_PERMITTED | OPT_TIMESTAMPS | OPT_WINDOW_SCALE
        out.mss = big_endian.be16(data, at + 22)
        out.tsval = big_endian.be32(data, at + 28)
        out.tsecr = big_endian.be32(data, at + 32)
        out.window_scale = data[at + 39]
    elif header_len > 20:
        decode_options(data, at + 20, at + header_len, out)


def ecn_setup(flags: int) -> int:
    """What the ECN bits of a SYN or SYN-ACK say, as OPT_ECN and OPT_ACCECN.

    An ECN-setup SYN has CWR and ECE, and AE too where it offers accurate feedback.  An ECN-setup SYN-ACK has ECE and
    not CWR (RFC 3168 section 6.1.1), or is one of the four answers of accurate feedback (RFC 9768 section 3.1.2).  One
    of these has CWR and ECE, as the SYN-ACK of a peer that sends back the bits it got: it is OPT_ACCECN alone, and
    agrees only where the SYN offered that.
    """
    bits = flags & (AE | CWR | ECE)
    if bits == AE | CWR | ECE:
        return 0 if flags & ACK else OPT_ECN | OPT_ACCECN
    if bits == CWR | ECE:
        return OPT_ACCECN if flags & ACK else OPT_ECN
    return OPT_ECN if flags & ACK else 0


def decode_options(data: bytes, at: int, end: int, out: Any) -> None:
    """Read the options in `data[at:end]`; what is cut or malformed is noted and what was read is kept."""
    while at < end:
        kind = data[at]
        if kind == 1:
            at += 1
            continue
        if kind == 0:
            return
        length = data[at + 1] if at + 1 < end else 0
        if length < 2 or length > end - at:
            out.notes |= NOTE_CUT_OPTIONS
            return
        if not read_option(data, at, kind, length, out):
            out.notes |= NOTE_CUT_OPTIONS
        at += length


def read_option(data: bytes, at: int, kind: int, length: int, out: Any) -> bool:
    """Take one option over into the record; False if its length is not that of its kind."""
    if kind == 2:
        if length != 4:
            return False
        out.options |= OPT_MSS
        out.mss = big_endian.be16(data, at + 2)
    elif kind == 3:
        if length != 3:
            return False
        out.options |= OPT_WINDOW_SCALE
        out.window_scale = data[at + 2]  # as sent: above 14 it counts as 14 (RFC 7323 section 2.3)
    elif kind == 4:
        if length != 2:
            return False
        out.options |= OPT_SACK_PERMITTED
    elif kind == 5:
        if length < 10 or (length - 2) % 8:
            return False
        out.options |= OPT_SACK
        out.sack_left = big_endian.be32(data, at + 2)
        out.sack_right = big_endian.be32(data, at + 6)
    elif kind == 8:
        if length != 10:
            return False
        out.options |= OPT_TIMESTAMPS
        out.tsval = big_endian.be32(data, at + 2)
        out.tsecr = big_endian.be32(data, at + 6)
    elif kind == 30:
        if length < 3:
            return False
        out.options |= OPT_MPTCP
    elif kind == 34:
        out.options |= OPT_TFO
        out.tfo_cookie_len = length - 2
    elif kind == 254 and length >= 4 and big_endian.be16(data, at + 2) == 0xF989:
        out.options |= OPT_TFO  # Fast Open before it had a number (RFC 7413 section 4.1.1)
        out.tfo_cookie_len = length - 4
    return True


def judge_checksum(data: bytes, at: int, ip_end: int, out: Any) -> None:
    """Verify the checksum of a wholly captured segment against the record's addresses.

    A sender that leaves the sum to the network card writes the sum of the pseudo-header, with or
    without the length, or nothing: what its own capture shows then is not what went out.
    """
    if out.notes & (NOTE_FIRST_FRAGMENT | NOTE_OFFLOADED):
        return
    addresses = (out.src_lo & MASK32) + (out.dst_lo & MASK32)
    if out.ip_version == 6:
        addresses += (out.src_lo >> 32) + (out.src_hi >> 32) + (out.src_hi & MASK32)
        addresses += (out.dst_lo >> 32) + (out.dst_hi >> 32) + (out.dst_hi & MASK32)
    bare = addresses + PROTO_TCP
    pseudo = bare + (ip_end - at)
    if checksum.fold(pseudo + checksum.ones_sum(data, at, ip_end)) == 0xFFFF:
        if not out.notes & NOTE_BAD_CHECKSUM:  # of the IP header
            out.notes |= NOTE_CHECKSUM_GOOD
        return
    field = big_endian.be16(data, at + 16)
    if field == 0 or field == checksum.fold(pseudo) or field == checksum.fold(bare):
        out.notes |= NOTE_CHECKSUM_OFFLOADED
    else:
        out.notes |= NOTE_BAD_CHECKSUM
