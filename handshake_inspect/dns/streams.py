"""Reassemble DNS messages over TCP, which are prefixed by their length (RFC 1035 section 4.2.2)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from handshake_inspect.wire.const import MASK32

MAX_STREAMS = 256  # streams with an incomplete message of at most 64 KiB each


class Streams:
    """Incomplete messages, by stream (one direction of a connection)."""

    def __init__(self) -> None:
        self.begun: OrderedDict[Hashable, tuple[int, bytearray]] = OrderedDict()  # next sequence number, bytes so far

    def messages(self, ends: Hashable, seq: int, data: bytes) -> list[bytes]:
        """Return the messages that a segment completes; a retransmission or a gap restarts the stream."""
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
        if len(self.begun) > MAX_STREAMS:
            self.begun.popitem(last=False)
