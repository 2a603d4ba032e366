"""Where the last record of a capture begins, found from its end: only its first and last bytes are read."""

from handshake_inspect.capture import fields
from handshake_inspect.capture.blocks import ENHANCED_PACKET, LEAST_BLOCK, PACKET, SIMPLE_PACKET
from handshake_inspect.capture.record_borders import AFTER_S, BEFORE_S


def last_record(buffer: bytes, header_len: int, big: bool, ticks: int, first_s: int) -> int:
    """Where the last record of a classic pcap begins in its last bytes; -1 where no place fits.

    What fits is a record header with the length that is left behind it, and a time about that of the first frame.
    """
    data = buffer
    end = len(buffer)
    at = end - header_len
    while at >= 0:
        captured = fields.u32(data, at + 8, big)
        if captured == end - at - header_len:
            seconds = fields.u32(data, at, big)
            fraction = fields.u32(data, at + 4, big)
            if fraction < ticks and first_s - BEFORE_S <= seconds <= first_s + AFTER_S:
                return at
        at -= 1
    return -1


def last_packet(buffer: bytes, big: bool) -> int:
    """Where the last block with a packet begins in the last bytes of a pcapng; -1 where none is among them."""
    data = buffer
    end = len(buffer)
    while end >= LEAST_BLOCK:
        length = fields.u32(data, end - 4, big)
        at = end - length
        if length < LEAST_BLOCK or length & 3 or at < 0 or fields.u32(data, at + 4, big) != length:
            break
        if fields.u32(data, at, big) in (ENHANCED_PACKET, SIMPLE_PACKET, PACKET):
            return at
        end = at
    return -1
