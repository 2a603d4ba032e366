"""Messages of DNS over TCP, each behind its length (RFC 1035 section 4.2.2), wherever segments begin and end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from handshake_inspect.wire.const import MASK32

MOST_STREAMS = 256  # of which a message is under way, each of 64 KiB at most


class Streams:
    """What of a message came so far, by the ends of its direction."""

    def __init__(self) -> None:
        self.begun: OrderedDict[Hashable, tuple[int, bytearray]] = OrderedDict()  # where it goes on, and its bytes

    def messages(self, ends: Hashable, seq: int, data: bytes) -> list[bytes]:
        """The messages that a segment completes; what is sent again, or behind missing bytes, begins anew."""
        following, stream = self.begun.pop(ends, (seq, bytearray()))
        if seq != following:
            stream = bytearray()
        stream += data
        whole, at = [], 0
        while at + 2 <= len(stream):
            end = at + 2 + int.from_bytes(stream[at : at + 2], "big")
            if end > len(stream):
                break
            whole.append(bytes(stream[at + 2 : end]))
            at = end
        del stream[:at]
        if stream:
            self._keep(ends, (seq + len(data)) & MASK32, stream)
        return whole

    def _keep(self, ends: Hashable, following: int, stream: bytearray) -> None:
        self.begun[ends] = following, stream
        if len(self.begun) > MOST_STREAMS:
            self.begun.popitem(last=False)
