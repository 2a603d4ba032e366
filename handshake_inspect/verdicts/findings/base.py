"""What all findings are made of: targets, citations, the largest hundred, and numbers as they are said."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.attempts import Attempted, Attempts, Who
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.percentiles import ranked, selected
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.text import endpoint_text

CITED = 10  # frames, connections and values that a finding names at most
MOST = 100  # findings of a kind that are listed

Host = tuple[int, int]
Indices = NDArray[Any]  # numbers of rows, of any width
_QUANTILES = {"p50": 50, "p90": 90, "max": 100}

Found = TypeVar("Found")


# -- no more findings of a kind than a reader can use ------------------------------------------------------------


def largest(
    kind: Kind, what: str, numbers: NDArray[np.intp], weights: NDArray[Any], describe: Callable[[int], Finding]
) -> list[Finding]:
    """Describe the groups `numbers`, the heaviest first, up to `MOST`; `what` names the others."""
    order = numbers[np.argsort(-weights.astype(np.int64), kind="stable")].tolist()
    return first_of(kind, what, order, describe)


def first_of(kind: Kind, what: str, ordered: Sequence[Found], describe: Callable[[Found], Finding]) -> list[Finding]:
    """Describe what was found, the largest first, up to `MOST`; one more finding counts the others."""
    left = len(ordered) - MOST
    described = [describe(each) for each in ordered[:MOST]]
    return described if left <= 0 else [*described, rest(kind, what, left)]


def rest(kind: Kind, what: str, left: int) -> Finding:
    """One finding for all that were found beyond the number that a reader can use."""
    advice = "Start with the largest, which are listed; the connections themselves are in `hsi analyze -T json`."
    return Finding(kind, "info", f"{left} more {what}", None, None, None, None, {"not_listed": left}, advice)


# -- target and evidence -------------------------------------------------------------------------------------------


def target(trace: Attempts, row: int) -> tuple[Host, int]:
    """Address and port of the service of an attempt."""
    return _end(trace, "server", row)


def client(trace: Attempts, row: int) -> tuple[Host, int]:
    """Address and port of the client of an attempt."""
    return _end(trace, "client", row)


def _end(trace: Attempts, who: Who, row: int) -> tuple[Host, int]:
    hi, lo, port = trace.one_end(who, row)
    return (hi, lo), port


def endpoint(trace: Attempts, row: int, side: int) -> tuple[Host, int]:
    """Address and port of one side of a connection."""
    c = trace.connections[row]
    return (int(c[f"hi{side}"]), int(c[f"lo{side}"])), int(c[f"port{side}"])


def span(trace: Attempts, rows: AttemptRows) -> tuple[int, int]:
    """When the first of these connections began and the last ended."""
    c = trace.connections
    return int(c["first_ns"][rows].min()), int(c["last_ns"][rows].max())


def window(trace: Attempts, rows: AttemptRows) -> dict[str, int]:
    """When the first of these connections began and the last ended, by the names of a finding."""
    start, end = span(trace, rows)
    return {"start_ns": start, "end_ns": end}


def earliest(trace: Attempts, rows: Attempted) -> Attempted:
    """The few of these attempts to cite: those that began first."""
    return trace.earliest(rows, CITED)


def cite(case: Case, rows: AttemptRows) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """`frames` and `connections` of a finding: the first of these attempts and their first frames."""
    cited = case.attempts.earliest(rows, CITED)
    return tuple(case.attempts.first_frames(cited).tolist()), tuple(cited.tolist())


# -- numbers, and how they are said ------------------------------------------------------------------------------


def ratio(part: Any, whole: Any) -> float | None:
    """A share between 0 and 1, four digits; None of nothing."""
    return round(float(part) / float(whole), 4) if whole else None


def median(values: NDArray[np.int64]) -> int | None:
    """The middle value, the lower one of two; None of nothing."""
    return selected(values, 50)


def quantiles(values: NDArray[Any], name: str) -> dict[str, int]:
    """p50, p90 and max (nearest rank) of some durations, as metrics in nanoseconds."""
    found = ranked(values, tuple(_QUANTILES.values()))
    return {f"{name}_{word}_ns": value for word, value in zip(_QUANTILES, found, strict=True)}


def write(host: Host, port: int | None = None) -> str:
    """A host or service in a sentence."""
    return endpoint_text(address_text(*host), port)
