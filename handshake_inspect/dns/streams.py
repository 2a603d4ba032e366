"""Reassemble DNS messages over TCP, which are prefixed by their length (RFC 1035 section 4.2.2), in any order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from handshake_inspect.wire.const import MASK32

MAX_STREAMS = 256  # streams with an incomplete message
MAX_LATER = 48  # segments of a stream that are held until the bytes before them come
SHORTEST, FAR = 12, 0xFFFF  # bytes of a message's header, and of the longest message


@dataclass
class _Stream:
    """One direction of a connection: the incomplete message at `seq`, and segments held beyond missing bytes."""

    seq: int
    data: bytearray = field(default_factory=bytearray)
    later: dict[int, bytes] = field(default_factory=dict)
    begun: bool = False  # a message was complete: nothing before `seq` is missing

    def put(self, seq: int, data: bytes) -> bool:
        """Add a segment; return False if it is too far away to belong to the same connection."""
        ahead = (seq - self.seq - len(self.data)) & MASK32
        behind = (self.seq - seq) & MASK32
        if self.is_beyond(seq):
            self.hold(seq, data)
        elif behind <= FAR and self.begun:
            self.data += data[behind + len(self.data) :]  # only new bytes
        elif behind <= FAR:
            if behind > len(data):
                self.hold(self.seq, bytes(self.data))  # bytes between the two are missing
                self.data.clear()
            self.data = bytearray(data[:behind]) + self.data + data[behind + len(self.data) :]
            self.seq = seq
        elif -ahead & MASK32 <= FAR:
            self.data += data[-ahead & MASK32 :]
        else:
            return False
        self.catch_up()
        return True

    def hold(self, seq: int, data: bytes) -> None:
        """Keep bytes beyond a hole, if there is room."""
        if len(self.later) < MAX_LATER:
            self.later[seq] = data

    def is_beyond(self, seq: int) -> bool:
        """Return True if bytes are missing between the message and a segment after it."""
        return 0 < (seq - self.seq - len(self.data)) & MASK32 <= FAR

    def is_apart(self, seq: int, length: int) -> bool:
        """Return True if bytes are missing between the message and a segment after or before it."""
        return self.is_beyond(seq) or length < (self.seq - seq) & MASK32 <= FAR

    def catch_up(self) -> None:
        """Append the held segments that follow without a hole."""
        for seq in sorted(self.later, key=lambda each: (each - self.seq) & MASK32):
            sent = (self.seq + len(self.data) - seq) & MASK32
            if sent <= FAR:
                self.data += self.later.pop(seq)[sent:]

    def messages(self) -> list[bytes]:
        """Remove the complete messages and return them."""
        found, at = [], 0
        while at + 2 <= len(self.data):
            length = int.from_bytes(self.data[at : at + 2], "big")
            end = at + 2 + length
            if length < SHORTEST or end > len(self.data):
                break  # incomplete, or the stream begins within a message
            found.append(bytes(self.data[at + 2 : end]))
            at = end
        self.begun |= at > 0
        del self.data[: at if len(self.data) - at < 2 + FAR else None]
        self.seq = (self.seq + at) & MASK32
        return found


class Streams:
    """The incomplete messages of all connections, by the ends of their direction."""

    def __init__(self) -> None:
        self.begun: OrderedDict[Hashable, _Stream] = OrderedDict()

    def messages(self, ends: Hashable, seq: int, data: bytes) -> list[bytes]:
        """Return the messages that a segment completes; complete ones do not wait for bytes missing before them."""
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
