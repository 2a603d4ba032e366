"""Reassemble DNS messages over TCP, which are prefixed by their length (RFC 1035 section 4.2.2), in any order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from handshake_inspect.wire.const import MASK32

MAX_STREAMS = 256  # streams with an incomplete message of at most 64 KiB each
MAX_LATER = 48  # segments of one that wait for bytes before them
SHORTEST, FAR = 12, 0xFFFF  # bytes: of the header of a message, and of the longest one


@dataclass
class _Stream:
    """What of a message came so far: from `seq` on, and segments beyond bytes that are missing."""

    seq: int
    data: bytearray = field(default_factory=bytearray)
    later: dict[int, bytes] = field(default_factory=dict)
    begun: bool = False  # a message was whole: what is before `seq` is known

    def put(self, seq: int, data: bytes) -> bool:
        """Take a segment; False where it is too far off to belong to the same connection."""
        ahead = (seq - self.seq - len(self.data)) & MASK32
        behind = (self.seq - seq) & MASK32
        if self.is_beyond(seq):
            if len(self.later) < MAX_LATER:
                self.later[seq] = data
        elif behind <= FAR and self.begun:
            self.data += data[behind + len(self.data) :]  # what of it was not sent before
        elif behind <= FAR:
            if behind > len(data):
                self.later[self.seq] = bytes(self.data)  # and more is missing between the two
                self.data.clear()
            self.data = bytearray(data[:behind]) + self.data + data[behind + len(self.data) :]
            self.seq = seq
        elif -ahead & MASK32 <= FAR:
            self.data += data[-ahead & MASK32 :]
        else:
            return False
        self.catch_up()
        return True

    def is_beyond(self, seq: int) -> bool:
        """Whether bytes are missing before a segment."""
        return 0 < (seq - self.seq - len(self.data)) & MASK32 <= FAR

    def is_apart(self, seq: int, length: int) -> bool:
        """Whether bytes are missing between this and a segment."""
        return self.is_beyond(seq) or length < (self.seq - seq) & MASK32 <= FAR

    def catch_up(self) -> None:
        """Take what waited for the bytes that are there now."""
        for seq in sorted(self.later, key=lambda each: (each - self.seq) & MASK32):
            sent = (self.seq + len(self.data) - seq) & MASK32
            if sent <= FAR:
                self.data += self.later.pop(seq)[sent:]

    def messages(self) -> list[bytes]:
        """The messages that are whole."""
        found, at = [], 0
        while at + 2 <= len(self.data):
            length = int.from_bytes(self.data[at : at + 2], "big")
            end = at + 2 + length
            if length < SHORTEST or end > len(self.data):
                break  # it goes on, or the stream begins in the middle of one
            found.append(bytes(self.data[at + 2 : end]))
            at = end
        self.begun |= at > 0
        del self.data[: at if len(self.data) - at < 2 + FAR else None]
        self.seq = (self.seq + at) & MASK32
        return found


class Streams:
    """What of a message came so far, by the ends of its direction."""

    def __init__(self) -> None:
        self.begun: OrderedDict[Hashable, _Stream] = OrderedDict()

    def messages(self, ends: Hashable, seq: int, data: bytes) -> list[bytes]:
        """The messages that a segment completes; what is whole waits for nothing that is missing before it."""
        stream = self.begun.pop(ends, None)
        fresh = _Stream(seq, bytearray(data))
        if stream is None:
            stream, whole = fresh, fresh.messages()
        elif stream.is_apart(seq, len(data)) and (whole := fresh.messages()) and not fresh.data:
            pass
        else:
            stream = stream if stream.put(seq, data) else fresh
            whole = stream.messages()
        if stream.data or stream.later:
            self.begun[ends] = stream
            if len(self.begun) > MAX_STREAMS:
                self.begun.popitem(last=False)
        return whole
