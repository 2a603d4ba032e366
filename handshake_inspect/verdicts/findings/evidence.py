"""What all findings say in the same way: targets, time windows, counts and percentages in words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.percentiles import nearest_rank
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.wire.address import address_text, format_endpoint

CITED = 10  # frames, connections and values that a finding names at most

Host = tuple[int, int]
_QUANTILES = {"p50": 50, "p90": 90, "max": 100}


def target(trace: Trace, row: int) -> tuple[Host, int]:
    """Address and port of the service of an attempt."""
    if row >= len(trace.connections):
        embryo = trace.embryos[row - len(trace.connections)]
        return (int(embryo["server_hi"]), int(embryo["server_lo"])), int(embryo["server_port"])
    return endpoint(trace, row, int(trace.connections["client"][row]) ^ 1)


def client(trace: Trace, row: int) -> tuple[Host, int]:
    """As `target`, for the client of an attempt."""
    if row >= len(trace.connections):
        embryo = trace.embryos[row - len(trace.connections)]
        return (int(embryo["client_hi"]), int(embryo["client_lo"])), int(embryo["client_port"])
    return endpoint(trace, row, int(trace.connections["client"][row]))


def endpoint(trace: Trace, row: int, side: int) -> tuple[Host, int]:
    """Address and port of one side of a connection."""
    c = trace.connections[row]
    return (int(c[f"hi{side}"]), int(c[f"lo{side}"])), int(c[f"port{side}"])


def span(trace: Trace, rows: NDArray[np.intp]) -> tuple[int, int]:
    """When the first of these connections began and the last ended."""
    c = trace.connections
    return int(c["first_ns"][rows].min()), int(c["last_ns"][rows].max())


def window(trace: Trace, rows: NDArray[np.intp]) -> dict[str, int]:
    """As `span`, by name."""
    start, end = span(trace, rows)
    return {"start_ns": start, "end_ns": end}


def write(host: Host, port: int | None = None) -> str:
    """A host or service in a sentence."""
    return address_text(*host) if port is None else format_endpoint(address_text(*host), port)


def earliest(trace: Trace, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """The few of these attempts to cite: those that began first."""
    return trace.earliest(rows, CITED)


def percent(part: int, whole: int) -> float:
    """A share in percent, rounded so that reports stay readable."""
    return round(100 * part / whole, 1) if whole else 0.0


def plural(count: int, noun: str) -> str:
    """`1 connection`, `2 connections`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def quantiles(values: NDArray[Any], name: str) -> dict[str, int]:
    """p50, p90 and max (nearest rank) of some durations, as metrics in nanoseconds."""
    ordered = np.sort(values)
    return {f"{name}_{word}_ns": nearest_rank(ordered, percent) for word, percent in _QUANTILES.items()}


def brief(duration_ns: float) -> str:
    """A duration for a sentence: `1.04 s`, `400 ms`, `23 µs`."""
    for size, unit in ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")):
        if duration_ns >= size:
            value = duration_ns / size
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
    return f"{int(duration_ns)} ns"
