"""All segments of a trace as columns, each with its connection, for comparing captures.

Copies the batches of the pump during the pass of `analyze`: 80 bytes per segment.  A segment belongs to the last
connection of its 4-tuple that began before it, just as the tracker separates incarnations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.capture.source import Input
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.analysis import Options
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import conclude
from handshake_inspect.engine.stream import Progress, pump_all
from handshake_inspect.report.column import Addresses, Numbers
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.fields import find
from handshake_inspect.report.model import Connections
from handshake_inspect.report.segment_columns import KEPT, KEPT_TYPE, WHOLE, SegmentColumns
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.sets import host_key
from handshake_inspect.wire.const import KIND_TCP


def segment_columns(
    inputs: Sequence[Input], *, options: Options | None = None, progress: Progress | None = None
) -> SegmentColumns:
    """Analyse captures as `analyze` does, and return their segments with the report."""
    options = options or Options()
    tracker = Tracker(options.max_connections)
    tracker.reads = options.setup
    pump = Pump(tracker)
    taken: list[NDArray[Any]] = []
    whole = np.frombuffer(pump.storage, dtype=WHOLE)

    def take(count: int) -> None:
        places = np.flatnonzero(whole["kind"][:count] == KIND_TCP)
        kept = np.empty(len(places), dtype=KEPT_TYPE)
        for name in KEPT:
            kept[name] = whole[name][places]
        taken.append(kept)

    pump.tap = take
    with open_trace(inputs) as source:
        pump_all(source, pump, progress)
    report = conclude(source, pump, options.limits)
    rows = np.concatenate(taken) if taken else np.empty(0, dtype=KEPT_TYPE)
    return SegmentColumns(report, rows, *_owned(rows, report.connections))


def _owned(rows: NDArray[Any], connections: Connections) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the connection index of every segment (-1 for none), and a mask of those sent by the client."""
    ends = _Ends(Columns(connections))
    if not len(rows) or not len(ends.first):
        return np.full(len(rows), -1), np.zeros(len(rows), dtype=bool)
    src = host_key(rows["src_hi"], rows["src_lo"], rows["src_port"])
    dst = host_key(rows["dst_hi"], rows["dst_lo"], rows["dst_port"])
    known, place = np.unique(ends.client + ends.server, return_inverse=True)
    at = np.minimum(np.searchsorted(known, src + dst), len(known) - 1)
    found = known[at] == src + dst
    # A single number that sorts by 4-tuple, then by frame.
    step = np.int64(max(int(rows["frame"].max()), int(ends.first.max())) + 2)
    begun = place * step + ends.first
    order = np.argsort(begun, kind="stable")
    nth = np.searchsorted(begun[order], at * step + rows["frame"].astype(np.int64), side="right") - 1
    nth += (nth < 0) | (place[order][np.maximum(nth, 0)] != at)  # out of order: before the first of its 4-tuple
    owners = order[np.minimum(nth, len(order) - 1)]
    found &= place[owners] == at
    return np.where(found, owners, -1), found & (src == ends.client[owners])


class _Ends:
    """Arrays over connections: hashes of the two ends, and first frames."""

    def __init__(self, columns: Columns) -> None:
        self.client = self._key(columns, "client")
        self.server = self._key(columns, "server")
        first = columns.of(find("first_frame"))
        assert isinstance(first, Numbers)  # noqa: S101
        self.first = first.values.astype(np.int64)

    @staticmethod
    def _key(columns: Columns, who: str) -> NDArray[np.uint64]:
        address, port = columns.of(find(f"{who}.ip")), columns.of(find(f"{who}.port"))
        assert isinstance(address, Addresses)  # noqa: S101
        assert isinstance(port, Numbers)  # noqa: S101
        keys: NDArray[np.uint64] = host_key(address.hi, address.lo, port.values)
        return keys
