"""Derived fields: sums over both directions, and forms that suit spreadsheets.

They are not keys of the JSON, which has the fields they are computed from.  `Connection` has a property for each.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Column, Numbers, Words, every
from handshake_inspect.report.leaves import Kind


class Made(Protocol):
    """A column function."""

    def __call__(self, attempts: AttemptColumns) -> Column:
        """Return the column of these attempts."""


class Derived(NamedTuple):
    """A derived field: type, help text, unit (unless the type implies one) and column function."""

    kind: Kind
    help: str
    unit: str
    column: Made


def _both(name: str, attempts: AttemptColumns) -> Column:
    return every(attempts.both(name))


def _duration(attempts: AttemptColumns) -> Column:
    return every(attempts.connection("last_ns") - attempts.connection("first_ns"))


def _rtt_ms(attempts: AttemptColumns) -> Column:
    values = attempts.case.legs.of(attempts.full).values[2]
    known = attempts.where(values, values >= 0, -1)
    return Numbers(known.values / 1e6, known.known)


def _time(attempts: AttemptColumns) -> Column:
    return Words(np.arange(len(attempts), dtype=np.intp), iso_times(attempts.connection("first_ns")))


def iso_times(times_ns: NDArray[Any]) -> list[str]:
    """Format times (ns since the epoch) in UTC with microseconds (ISO 8601)."""
    texts: list[str] = np.datetime_as_string((times_ns // 1_000).astype("datetime64[us]"), timezone="UTC").tolist()
    return texts


DERIVED: dict[str, Derived] = {
    "time": Derived("text", "Time of the first frame in UTC, as ISO 8601.", "", _time),
    "duration_ns": Derived("duration", "From the first frame to the last.", "", _duration),
    "rtt_ms": Derived("decimal", "The whole handshake RTT in milliseconds.", "ms", _rtt_ms),
    "frames": Derived("number", "Segments that both ends sent.", "segments", partial(_both, "frames")),
    "bytes": Derived("number", "Payload that both ends sent.", "bytes", partial(_both, "bytes")),
    **{
        name: Derived("number", f"{what}, of both ends.", "segments", partial(_both, name))
        for name, what in {
            "retransmissions": "Segments that were sent again",
            "out_of_order": "Segments that were overtaken",
            "duplicates": "Further copies of a packet in the capture",
            "keep_alives": "Keep-alive probes",
            "zero_windows": "Segments with a zero window",
        }.items()
    },
    "zero_window_ns": Derived(
        "duration", "How long the windows of both ends were zero.", "", partial(_both, "zero_window_ns")
    ),
}
