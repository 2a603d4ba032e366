"""Write the frames of chosen connections to a pcapng file, with the verdicts as packet comments for Wireshark.

Reads the captures once more.  A frame belongs to the last connection of its 4-tuple that began before it, just as the
tracker separates incarnations.  An ICMP error belongs to the connection that it quotes, a later fragment to that of the
first fragment.
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
from handshake_inspect.engine.frame_owners import FourTuple, Frame, OwnerAssignment, normalized
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
    """Write the frames of `chosen` to `out` and return their number; `every` is all connections of these captures."""
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

    owners = OwnerAssignment(wanted.find, write)
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
    """Looks up the chosen connection of a 4-tuple and frame, among all incarnations of that 4-tuple."""

    def __init__(self, every: Connections, chosen: Connections) -> None:
        self.chosen: dict[int, Connection] = {}  # by first frame, which is unique
        self.commented: set[int] = set()
        for chunk in chosen.chunks(_CHUNK):
            self.chosen.update((connection.first_frame, connection) for connection in chunk)
        self.begun = _begun(every, np.array(sorted(self.chosen), dtype=np.int64))

    def find(self, pair: FourTuple, frame: int) -> Connection | None:
        """Return the chosen connection that a frame belongs to, or None."""
        begun = self.begun.get(pair)
        if begun is None:
            return None
        return self.chosen.get(begun[max(bisect_right(begun, frame) - 1, 0)])

    def comment(self, connection: Connection, frame: int) -> str:
        """Return the packet comment: the verdict at the first frame of a connection, a mark at frames of evidence."""
        lines = []
        if connection.first_frame not in self.commented:
            self.commented.add(connection.first_frame)
            cause = f", {connection.cause}" if connection.cause else ""
            doubt = "" if connection.decided else " (undecided)"
            lines.append(f"hsi #{connection.id}: {connection.outcome}{cause}{doubt}. {connection.why}")
        if frame in connection.evidence:
            lines.append(f"hsi #{connection.id}: evidence for {connection.outcome}")
        return "\n".join(lines)


def _begun(every: Connections, chosen: Any) -> dict[FourTuple, list[int]]:
    """Return the sorted first frames of all connections that share a 4-tuple with a chosen one."""
    columns = Columns(every)
    keys = _keys(columns)
    first = columns.of(find("first_frame"))
    assert isinstance(first, Numbers)  # noqa: S101
    among = np.isin(keys, keys[np.isin(first.values, chosen)])
    begun: dict[FourTuple, list[int]] = {}
    for place in np.flatnonzero(among).tolist():
        connection = every[place]
        ends = [(*address_halves(end.ip), end.port) for end in (connection.client, connection.server)]
        begun.setdefault(normalized(*ends), []).append(connection.first_frame)
        if (other := connection.answered_from) is not None:  # answers under another 4-tuple, which has no row
            elsewhere = (*address_halves(other.ip), other.port)
            begun.setdefault(normalized(ends[0], elsewhere), []).append(connection.first_frame)
        if (behind := connection.translated_to) is not None:
            ends = [(*address_halves(end.ip), end.port) for end in (behind.client, behind.server)]
            begun.setdefault(normalized(*ends), []).append(connection.first_frame)
    return {pair: sorted(frames) for pair, frames in begun.items()}


def _keys(columns: Columns) -> Any:
    """Return a 64-bit hash of each connection's 4-tuple, the same for both directions."""
    total = None
    for who in ("client", "server"):
        address, port = columns.of(find(f"{who}.ip")), columns.of(find(f"{who}.port"))
        assert isinstance(address, Addresses)  # noqa: S101
        assert isinstance(port, Numbers)  # noqa: S101
        key = host_key(address.hi, address.lo, port.values)
        total = key if total is None else total + key
    return total
