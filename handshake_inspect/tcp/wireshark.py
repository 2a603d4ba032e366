"""Wireshark's `tcp.completeness`: which phases of a connection the capture contains."""

from typing import Any

from handshake_inspect.tcp.facts import (
    COMPLETE_ACK,
    COMPLETE_DATA,
    COMPLETE_FIN,
    COMPLETE_RST,
    COMPLETE_SYN,
    COMPLETE_SYNACK,
)
from handshake_inspect.wire.const import ACK, FIN, RST, SYN


def complete(connection: Any, segment: Any) -> None:
    """Update `completeness` as `tshark -2` prints it: a SYN counts only as first frame, and data is not an ACK."""
    flags = segment.flags
    bits = 0
    if flags & (SYN | ACK) == SYN:
        if segment.frame == connection.first_frame:
            bits = COMPLETE_SYN | COMPLETE_DATA if segment.payload_len else COMPLETE_SYN
    elif flags & ACK:
        bits = COMPLETE_DATA if segment.payload_len else COMPLETE_ACK
        if flags & SYN:
            bits = COMPLETE_SYNACK
        if flags & FIN:
            bits |= COMPLETE_FIN
    if flags & RST:
        bits |= COMPLETE_RST
    connection.completeness |= bits
