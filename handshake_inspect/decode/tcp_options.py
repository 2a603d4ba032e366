"""Decode TCP options, and the ECN negotiation in a header's flags."""

from typing import Any

from handshake_inspect.wire import big_endian
from handshake_inspect.wire.const import (
    ACK,
    AE,
    CWR,
    ECE,
    NOTE_BAD_OPTIONS,
    OPT_ACCECN,
    OPT_ECN,
    OPT_MPTCP,
    OPT_MSS,
    OPT_SACK,
    OPT_SACK_PERMITTED,
    OPT_SIGNED,
    OPT_TFO,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
)


def decode_options(data: bytes, at: int, end: int, out: Any) -> bool:
    """Decode the options in `data[at:end]`; on malformed ones, set NOTE_BAD_OPTIONS and keep those read so far.

    Returns True if more options may follow: no End of Option List was found.
    """
    while at < end:
        kind = data[at]
        if kind == 1:
            at += 1
            continue
        if kind == 0:
            return False
        length = data[at + 1] if at + 1 < end else 0
        if length < 2 or length > end - at:
            out.notes |= NOTE_BAD_OPTIONS
            return True
        if not read_option(data, at, kind, length, out):
            out.notes |= NOTE_BAD_OPTIONS
        at += length
    return True


def read_option(data: bytes, at: int, kind: int, length: int, out: Any) -> bool:
    """Store one option in the record; return False if its length does not fit its kind."""
    if kind == 2:
        if length != 4:
            return False
        out.options |= OPT_MSS
        out.mss = big_endian.be16(data, at + 2)
    elif kind == 3:
        if length != 3:
            return False
        out.options |= OPT_WINDOW_SCALE
        out.window_scale = data[at + 2]  # as sent; users limit it to 14 (RFC 7323 section 2.3)
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
    elif kind in (19, 29):  # TCP MD5 (RFC 2385 section 3.0), TCP-AO (RFC 5925 section 2.2)
        if length != 18 if kind == 19 else length < 4:
            return False
        out.options |= OPT_SIGNED
    elif kind == 30:
        if length < 3:
            return False
        out.options |= OPT_MPTCP
    elif kind == 34:
        out.options |= OPT_TFO
        out.tfo_cookie_len = length - 2
    elif kind == 254 and length >= 4 and big_endian.be16(data, at + 2) == 0xF989:
        out.options |= OPT_TFO  # the experimental Fast Open option (RFC 7413 section 4.1.1)
        out.tfo_cookie_len = length - 4
    return True


def ecn_setup(flags: int) -> int:
    """Return OPT_ECN and OPT_ACCECN as negotiated by the flags of a SYN or SYN-ACK.

    An ECN-setup SYN has CWR and ECE, and AE to offer AccECN.  An ECN-setup SYN-ACK has ECE without CWR (RFC 3168
    section 6.1.1), or is one of the four AccECN replies (RFC 9768 section 3.1.2).  One of those has CWR and ECE, as has
    the SYN-ACK of a peer that merely reflects the bits: it gives OPT_ACCECN alone, valid only if the SYN offered it.
    """
    bits = flags & (AE | CWR | ECE)
    if bits == AE | CWR | ECE:
        return 0 if flags & ACK else OPT_ECN | OPT_ACCECN
    if bits == CWR | ECE:
        return OPT_ACCECN if flags & ACK else OPT_ECN
    return OPT_ECN if flags & ACK else 0
