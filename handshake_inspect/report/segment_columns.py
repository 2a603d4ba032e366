"""All segments of a trace as columns, with the connection of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.decode.segment import Segment
from handshake_inspect.report.model import Report

KEPT = (
    "ts_ns", "frame", "src_hi", "src_lo", "dst_hi", "dst_lo", "seq", "ack", "payload_len", "tsval", "src_port",
    "dst_port", "flags", "ip_id", "notes", "ttl", "window_scale",
)  # fmt: skip
WHOLE = np.dtype(Segment)
KEPT_TYPE = np.dtype([(name, WHOLE.fields[name][0]) for name in KEPT], align=True)  # type: ignore[index]


def grouped(keys: NDArray[np.int64], places: NDArray[np.int64] | None = None) -> dict[int, NDArray[np.int64]]:
    """Group indices by key, in order; `places` limits them to some indices."""
    places = np.arange(len(keys)) if places is None else places
    if not len(places):
        return {}
    order = np.argsort(keys[places], kind="stable")
    values, starts = np.unique(keys[places][order], return_index=True)
    return dict(zip(values.tolist(), np.split(places[order], starts[1:]), strict=True))


@dataclass(frozen=True)
class SegmentColumns:
    """The segments of a trace in frame order, without ICMP errors, and its report."""

    report: Report
    rows: NDArray[Any]  # of KEPT_TYPE
    owners: NDArray[np.int64]  # connection ids, -1 for none
    from_client: NDArray[np.bool_]
