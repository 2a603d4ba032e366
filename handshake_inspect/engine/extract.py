"""The frames of some connections, written as pcapng with the verdicts as comments: Wireshark opens them annotated.

The captures are read once more.  A frame belongs to the last connection of its 4-tuple that began before it, which is
how the tracker parts the incarnations of one; an ICMP error belongs to the connection that it quotes, and a later
fragment to that of the first one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from handshake_inspect.capture.frames import FRAME
from handshake_inspect.capture.source import Input
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine import Progress
from handshake_inspect.engine.belonging import Frame, Owners, Pair, ordered
from handshake_inspect.live.writer import enhanced_packet, interface_description, only_filter, section_header
from handshake_inspect.report.column import Addresses, Numbers
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.fields import find
from handshake_inspect.report.model import Connection, Connections
from handshake_inspect.verdicts.sets import host_key
from handshake_inspect.wire.address import address_halves

_CHUNK = 2_000


def extract(
    inputs: Sequence[Input], every: Connections, chosen: Connections, out: BinaryIO, progress: Progress | None = None
) -> int:
    """Write the frames of `chosen` to `out`, and return how many; `every` are all connections of these captures."""
    wanted = _Wanted(every, chosen)
    interfaces: dict[int, int] = {}
    written = 0

    def write(frame: Frame, found: Connection) -> None:
        nonlocal written
        if frame.link_type not in interfaces:
            interfaces[frame.link_type] = len(interfaces)
            out.write(interface_description(frame.link_type, "", 0, only_filter(source.filters)))
        comment = wanted.comment(found, frame.number)
        number = interfaces[frame.link_type]
        out.write(enhanced_packet(number, frame.ts_ns, frame.data, frame.wire_len, comment))
        written += 1

    owners = Owners(wanted.find, write)
    out.write(section_header())
    with open_trace(inputs) as source:
        while True:
            got = source.reader.advance()
            if got == FRAME:
                reader = source.reader
                data = bytes(memoryview(reader.buffer)[reader.frame_start : reader.frame_end])
                owners.take(Frame(reader.frames, reader.ts_ns, data, reader.wire_len, reader.link_type))
            elif not source.fill():
                break
            elif progress is not None:
                progress(source.consumed, source.size)
        owners.end()
    return written


class _Wanted:
    """The chosen connections by 4-tuple, among all incarnations of these."""

    def __init__(self, every: Connections, chosen: Connections) -> None:
        self.chosen: dict[int, Connection] = {}  # by first frame, which no two share
        self.commented: set[int] = set()
        for chunk in chosen.chunks(_CHUNK):
            self.chosen.update((connection.first_frame, connection) for connection in chunk)
        self.begun = _begun(every, np.array(sorted(self.chosen), dtype=np.int64))

    def find(self, pair: Pair, frame: int) -> Connection | None:
        """The chosen connection that a frame belongs to."""
        begun = self.begun.get(pair)
        if begun is None:
            return None
        return self.chosen.get(begun[max(bisect_right(begun, frame) - 1, 0)])

    def comment(self, connection: Connection, frame: int) -> str:
        """The verdict beside the first frame of a connection, and what the frames are that prove it."""
        said = []
        if connection.first_frame not in self.commented:
            self.commented.add(connection.first_frame)
            cause = f", {connection.cause}" if connection.cause else ""
            doubt = "" if connection.decided else " (undecided)"
            said.append(f"hsi #{connection.id}: {connection.outcome}{cause}{doubt}. {connection.why}")
        if frame in connection.evidence:
            said.append(f"hsi #{connection.id}: evidence for {connection.outcome}")
        return "\n".join(said)


def _begun(every: Connections, chosen: Any) -> dict[Pair, list[int]]:
    """First frames of all connections that share a 4-tuple with a chosen one, in order."""
    columns = Columns(every)
    keys = _keys(columns)
    first = columns.of(find("first_frame"))
    assert isinstance(first, Numbers)  # noqa: S101
    among = np.isin(keys, keys[np.isin(first.values, chosen)])
    begun: dict[Pair, list[int]] = {}
    for place in np.flatnonzero(among).tolist():
        connection = every[place]
        ends = [(*address_halves(end.ip), end.port) for end in (connection.client, connection.server)]
        begun.setdefault(ordered(*ends), []).append(connection.first_frame)
        if (other := connection.answered_from) is not None:  # its answers are of another 4-tuple, and have no row
            elsewhere = (*address_halves(other.ip), other.port)
            begun.setdefault(ordered(ends[0], elsewhere), []).append(connection.first_frame)
        if (behind := connection.translated_to) is not None:
            ends = [(*address_halves(end.ip), end.port) for end in (behind.client, behind.server)]
            begun.setdefault(ordered(*ends), []).append(connection.first_frame)
    return {pair: sorted(frames) for pair, frames in begun.items()}


def _keys(columns: Columns) -> Any:
    """A 64-bit name of every 4-tuple, the same for both directions."""
    total = None
    for who in ("client", "server"):
        address, port = columns.of(find(f"{who}.ip")), columns.of(find(f"{who}.port"))
        assert isinstance(address, Addresses)  # noqa: S101
        assert isinstance(port, Numbers)  # noqa: S101
        key = host_key(address.hi, address.lo, port.values)
        total = key if total is None else total + key
    return total
