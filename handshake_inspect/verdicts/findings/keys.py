"""Sets and counts of 64-bit keys, made for millions of rows, and what else the detectors of attempts share.

One sort of plain integers is 0.1 s for 3 million; `np.unique` of random ones is seconds.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind
from handshake_inspect.verdicts.findings.evidence import CITED, Host, endpoint
from handshake_inspect.verdicts.percentiles import selected
from handshake_inspect.verdicts.sets import FEW, places
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.wire.address import address_text

Bools = NDArray[np.bool_]
Indices = NDArray[Any]  # numbers of rows, of any width
Keys = NDArray[np.uint64]
Times = NDArray[np.int64]

Result = TypeVar("Result")


def once_per_case(compute: Callable[[Case], Result]) -> Callable[[Case], Result]:
    """Compute what several detectors need once for each case, as `cached_property` would."""
    name = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def remembered(case: Case) -> Result:
        known = vars(case)
        if name not in known:
            known[name] = compute(case)
        result: Result = known[name]
        return result

    return remembered


def run_starts(ordered: NDArray[Any]) -> Bools:
    """Where in sorted keys another key begins."""
    starts = np.ones(len(ordered), dtype=bool)
    if len(ordered) > 1:
        np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
    return starts


def distinct(keys: NDArray[Any]) -> NDArray[Any]:
    """The different keys, sorted."""
    ordered = np.sort(keys)
    return ordered[run_starts(ordered)]


def count_distinct(keys: NDArray[Any], rows: Indices | None = None) -> int:
    """How many different keys there are, of all or of some rows."""
    mine = keys.copy() if rows is None else keys[rows]
    mine.sort()
    return int(np.count_nonzero(run_starts(mine)))


def counts(keys: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The different keys, sorted, and how often each occurs."""
    ordered = np.sort(keys)
    starts = np.flatnonzero(run_starts(ordered))
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


def frequent(keys: Keys, least: int) -> Keys:
    """The keys that occur at least so often, sorted."""
    ordered = np.sort(keys)
    if len(ordered) < least:
        return ordered[:0]
    first = ordered[: len(ordered) - least + 1]
    often: Keys = first[first == ordered[least - 1 :]]
    return distinct(often)


def is_member(keys: Keys, members: Keys) -> Bools:
    """Which keys are among `members`, which must be sorted.  A table of high bits answers for most others."""
    if len(members) == 0 or len(keys) == 0:
        return np.zeros(len(keys), dtype=bool)
    if len(members) <= FEW:
        return places(keys, members)[1]
    bits = 20
    shift = np.uint64(64 - bits)
    table = np.zeros(1 << bits, dtype=bool)
    table[(members >> shift).astype(np.intp)] = True
    found = table[(keys >> shift).astype(np.uint32)]
    maybe = np.flatnonzero(found)
    wanted = keys[maybe]
    place = np.minimum(np.searchsorted(members, wanted), len(members) - 1)
    found[maybe] = members[place] == wanted
    return found


def client_of(trace: Trace, row: int) -> Host:
    """The address of the client of any attempt."""
    if row < len(trace.connections):
        return endpoint(trace, row, int(trace.connections["client"][row]))[0]
    embryo = trace.embryos[row - len(trace.connections)]
    return int(embryo["client_hi"]), int(embryo["client_lo"])


def top_clients(trace: Trace, rows: Indices, most: int = 5) -> list[dict[str, Any]]:
    """The clients with the most of these attempts."""
    keys = trace.client_host[rows]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(run_starts(keys[order]))
    sizes = np.diff(np.append(starts, len(keys)))
    first = rows[order[starts]]
    best = np.lexsort((first, -sizes))[:most]
    return [{"ip": address_text(*client_of(trace, int(first[at]))), "connections": int(sizes[at])} for at in best]


def cite(case: Case, rows: Indices) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """`frames` and `connections` of a finding: the first of these attempts and their first frames."""
    rows = case.trace.earliest(rows, CITED)
    return tuple(case.trace.first_frames(rows).tolist()), tuple(rows.tolist())


def ratio(part: Any, whole: Any) -> float | None:
    """A share between 0 and 1, four digits; None of nothing."""
    return round(float(part) / float(whole), 4) if whole else None


def median(values: Times) -> int | None:
    """The middle value, the lower one of two; None of nothing."""
    return selected(values, 50)


def rest(kind: Kind, what: str, left: Sequence[Any]) -> list[Finding]:
    """One finding for all that were found beyond the number that a reader can use."""
    if not left:
        return []
    metrics = {"not_listed": len(left)}
    advice = "Begin with the largest, which are listed; the connections themselves are in `hsi analyze -T json`."
    return [Finding(kind, "info", f"{len(left)} more {what}", None, None, None, None, metrics, advice)]
