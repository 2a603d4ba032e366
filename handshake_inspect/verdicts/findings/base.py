"""What all findings share: targets, citations, the limit of findings per kind, and formatted numbers."""

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

CITED = 10  # a finding cites at most so many frames, connections and values
MAX_LISTED = 100  # findings of one kind in a report

Host = tuple[int, int]
Indices = NDArray[Any]  # row numbers of any integer width
_QUANTILES = {"p50": 50, "p90": 90, "max": 100}

Found = TypeVar("Found")


# -- limit of findings per kind ------------------------------------------------------------------------------------


def largest(
    kind: Kind, what: str, numbers: NDArray[np.intp], weights: NDArray[Any], describe: Callable[[int], Finding]
) -> list[Finding]:
    """Describe the groups `numbers` by descending weight, at most `MAX_LISTED`; `what` names the rest."""
    order = numbers[np.argsort(-weights.astype(np.int64), kind="stable")].tolist()
    return capped(kind, what, order, describe)


def capped(kind: Kind, what: str, ordered: Sequence[Found], describe: Callable[[Found], Finding]) -> list[Finding]:
    """Describe the first `MAX_LISTED` items of `ordered` (largest first); one more finding counts the rest."""
    left = len(ordered) - MAX_LISTED
    described = [describe(each) for each in ordered[:MAX_LISTED]]
    return described if left <= 0 else [*described, rest_finding(kind, what, left)]


def rest_finding(kind: Kind, what: str, left: int) -> Finding:
    """Return the finding that counts the items beyond `MAX_LISTED`."""
    advice = "Start with the largest, which are listed; the connections themselves are in `hsi analyze -T json`."
    return Finding(kind, "info", f"{left} more {what}", None, None, None, None, {"not_listed": left}, advice)


# -- target and evidence -------------------------------------------------------------------------------------------


def target(trace: Attempts, row: int) -> tuple[Host, int]:
    """Return the server address and port of an attempt."""
    return _end(trace, "server", row)


def client(trace: Attempts, row: int) -> tuple[Host, int]:
    """Return the client address and port of an attempt."""
    return _end(trace, "client", row)


def _end(trace: Attempts, who: Who, row: int) -> tuple[Host, int]:
    hi, lo, port = trace.one_end(who, row)
    return (hi, lo), port


def endpoint(trace: Attempts, row: int, side: int) -> tuple[Host, int]:
    """Return the address and port of one side of a connection."""
    c = trace.connections[row]
    return (int(c[f"hi{side}"]), int(c[f"lo{side}"])), int(c[f"port{side}"])


def span(trace: Attempts, rows: AttemptRows) -> tuple[int, int]:
    """Return when the first of these attempts began and the last one ended, in nanoseconds."""
    c = trace.connections
    return int(c["first_ns"][rows].min()), int(c["last_ns"][rows].max())


def window(trace: Attempts, rows: AttemptRows) -> dict[str, int]:
    """Return `span` as the keyword arguments `start_ns` and `end_ns` of a finding."""
    start, end = span(trace, rows)
    return {"start_ns": start, "end_ns": end}


def earliest(trace: Attempts, rows: Attempted) -> Attempted:
    """Return the attempts to cite: the first `CITED` by start."""
    return trace.earliest(rows, CITED)


def cite(case: Case, rows: AttemptRows) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the `frames` and `connections` of a finding: those of the earliest attempts."""
    cited = case.attempts.earliest(rows, CITED)
    return tuple(case.attempts.first_frames(cited).tolist()), tuple(cited.tolist())


# -- numbers and their format --------------------------------------------------------------------------------------


def ratio(part: Any, whole: Any) -> float | None:
    """Return `part / whole` rounded to four digits, or None if `whole` is 0."""
    return round(float(part) / float(whole), 4) if whole else None


def median(values: NDArray[np.int64]) -> int | None:
    """Return the median (the lower of two), or None if there are no values."""
    return selected(values, 50)


def quantiles(values: NDArray[Any], name: str) -> dict[str, int]:
    """Return p50, p90 and max (nearest rank) of durations as metrics in nanoseconds."""
    found = ranked(values, tuple(_QUANTILES.values()))
    return {f"{name}_{word}_ns": value for word, value in zip(_QUANTILES, found, strict=True)}


def addr(host: Host, port: int | None = None) -> str:
    """Format a host or service for a sentence."""
    return endpoint_text(address_text(*host), port)
