"""Find the last record of a capture from its final bytes, so that the file need not be read through."""

from handshake_inspect.capture import fields
from handshake_inspect.capture.blocks import ENHANCED_PACKET, MIN_BLOCK, PACKET, SIMPLE_PACKET
from handshake_inspect.capture.record_boundaries import CLOCK_SLACK_S, MAX_SPAN_S


def last_record(buffer: bytes, header_len: int, big: bool, ticks: int, first_s: int) -> int:
    """Return the offset in `buffer` of the last record of a classic pcap, -1 if none is found.

    `buffer` is the end of the file.  A match is a record header whose length reaches exactly to the end of the file and
    whose timestamp is plausible, given the first frame's (`first_s`, seconds since the epoch).
    """
    data = buffer
    end = len(buffer)
    at = end - header_len
    while at >= 0:
        captured = fields.u32(data, at + 8, big)
        if captured == end - at - header_len:
            seconds = fields.u32(data, at, big)
            fraction = fields.u32(data, at + 4, big)
            if fraction < ticks and first_s - CLOCK_SLACK_S <= seconds <= first_s + MAX_SPAN_S:
                return at
        at -= 1
    return -1


def last_packet(buffer: bytes, big: bool) -> int:
    """Return the offset in `buffer`, the end of a pcapng, of the last packet block; -1 if there is none."""
    data = buffer
    end = len(buffer)
    while end >= MIN_BLOCK:
        length = fields.u32(data, end - 4, big)
        at = end - length
        if length < MIN_BLOCK or length & 3 or at < 0 or fields.u32(data, at + 4, big) != length:
            break
        if fields.u32(data, at, big) in (ENHANCED_PACKET, SIMPLE_PACKET, PACKET):
            return at
        end = at
    return -1
