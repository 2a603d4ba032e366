"""Whether attempts on one target are a flood. Used by `syn_flood.py`, which states the rules, and `carpet.py`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_RST, FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts.arrays import Bools, Keys, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import BATCH, batches, marked
from handshake_inspect.verdicts.findings.base import Host
from handshake_inspect.verdicts.findings.flood_signs import from_everywhere, spoofing_signs
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, ascending, chained
from handshake_inspect.verdicts.sets import count_distinct, counts, distinct, frequent, is_member
from handshake_inspect.verdicts.words import ABORTED, CAUSE, ESTABLISHED, HALF_OPEN, PENDING, TIMED_OUT

MIN_ATTEMPTS = 100
MIN_UNFINISHED = 64
MIN_SHARE = 0.2
MIN_HELD_NS = 1_000_000_000
RETRY_NS = 1_200_000_000
ATTEMPTS_PER_COMPLETED = 20  # a source that completes less than one attempt in so many counts as completing none
MAX_RETRANSMITTED = 0.1  # if more retransmit their SYN, the others may have done so before the capture began
EDGE_SHARE = 0.01
SECOND_NS = 1_000_000_000
MAX_BINS = 1_000_000
MAX_PEELED = 3  # targets found without sorting
_PER_BIN = 4  # times per bin in a batch, so that adding up the bins costs less than binning the times


@dataclass(frozen=True)
class Target:
    """What is flooded: a service, a host (`port` is None), or a network with a `prefix` of so many bits."""

    host: Host
    port: int | None = None
    prefix: int | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Flood:
    """One flood: `rows` are the bogus attempts within its window."""

    target: Target
    rows: AttemptRows
    others: AttemptRows  # attempts on the same target that are not bogus, at any time
    retried: int  # failed attempts on the target that retransmitted their SYN
    start_ns: int
    end_ns: int
    peak_unfinished: int
    peak_syns_per_s: int
    sources: int
    signs: dict[str, Any]


def narrow(mask: Bools) -> AttemptRows:
    """Return the marked rows as 32-bit numbers, half the memory of NumPy's own."""
    return AttemptRows(marked(mask))


def candidates(keys: Keys, rows: AttemptRows) -> list[AttemptRows]:
    """Group bogus attempts by target; only targets with `MIN_ATTEMPTS` or more."""
    parts: list[AttemptRows] = []
    for _ in range(MAX_PEELED):  # a flood mostly has one target, which is found without sorting
        if len(rows) < MIN_ATTEMPTS:
            return parts
        sample = np.sort(keys[rows[:: len(rows) // MIN_ATTEMPTS]])
        at_top = np.empty(len(rows), dtype=bool)
        for some in batches(len(rows)):
            at_top[some] = keys[rows[some]] == sample[len(sample) // 2]
        if np.count_nonzero(at_top) < max(MIN_ATTEMPTS, len(rows) // 2):
            break
        parts.append(rows if at_top.all() else rows[at_top])
        rows = rows[~at_top]
    mine = keys[rows]
    chosen = is_member(mine, frequent(mine, MIN_ATTEMPTS))
    parted = group(mine[chosen], rows[chosen])
    return parts + [ascending(parted.of(g)) for g in range(len(parted))]


def unfinished(case: Case) -> tuple[Bools, Bools]:
    """Return two masks over attempts: the bogus ones, and those that failed although they retransmitted their SYN."""
    trace, outcomes = case.attempts, case.outcomes
    outcome, facts = outcomes.outcome, trace.facts
    failed = (outcome == TIMED_OUT) | (outcome == PENDING)
    failed |= (outcome == HALF_OPEN) & (outcomes.cause == CAUSE["no-final-ack"])
    of_connections = trace.of_connections(failed)
    of_connections |= (trace.of_connections(outcome) == ABORTED) & (facts & FACT_SYNACK != 0)
    of_connections &= facts & FACT_SYN != 0
    repeated = trace.column(of_connections & (trace.connections["syn_count"] > 1), False)
    bogus = failed & ~repeated
    suspects = narrow(bogus)
    if len(suspects) < MIN_ATTEMPTS:
        return bogus, repeated
    served = trace.client_host[marked(outcome == ESTABLISHED)]
    if len(suspects) < len(served):
        served = served[is_member(served, distinct(trace.client_host[suspects]))]
    sources, completed = counts(served)
    known = np.concatenate(
        [suspects[some][is_member(trace.client_host[suspects[some]], sources)] for some in batches(len(suspects))]
    )
    bogus[known] = False
    found, started = counts(trace.client_host[known])
    never = found[started > ATTEMPTS_PER_COMPLETED * completed[np.searchsorted(sources, found)]]
    bogus[known[is_member(trace.client_host[known], never)]] = True
    return bogus, repeated


def judge(case: Case, rows: AttemptRows, others: AttemptRows, failed: Bools, target: Target) -> Flood | None:
    """Return the flood that these bogus attempts on one target amount to, or None.

    `others` are all other attempts on the target.
    """
    trace = case.attempts
    times = trace.connection("first_ns", rows)
    inside = in_window(times)
    if not inside.all():
        others = ascending(chained(others, rows[~inside]))
        rows, times = rows[inside], times[inside]
    if len(rows) < MIN_ATTEMPTS:
        return None
    peak, rate = peak_unfinished(case, rows, times), peak_rate(times)
    start, end = extent(times)
    began = trace.connection("first_ns", others)
    during = np.count_nonzero((began >= start) & (began <= end))
    if peak < MIN_UNFINISHED or len(rows) < MIN_SHARE * (len(rows) + during):
        return None
    retried = int(np.count_nonzero(failed[others]))
    ripe = times <= trace.last_ns - RETRY_NS
    del times, inside  # frees memory for sorting millions of sources
    sources = count_distinct(trace.client_host, rows)
    signs = spoofing_signs(trace, rows, sources)
    if not is_proved(case, rows, ripe, others, retried, sources, signs):
        return None
    return Flood(target, rows, others, retried, start, end, peak, rate, sources, signs)


def is_proved(
    case: Case, rows: AttemptRows, ripe: Bools, others: AttemptRows, retried: int, sources: int, signs: dict[str, Any]
) -> bool:
    """Return whether the attempts had time to be retransmitted (`ripe`) and were not, for no reason of the capture."""
    trace = case.attempts
    old = int(np.count_nonzero(ripe))
    if old < MIN_UNFINISHED:
        return signs["made_by_a_tool"] and retried < len(rows)
    if retried >= old:
        return False
    if signs["looks_forged"]:
        return True
    completed = np.any(case.outcomes.outcome[others] == ESTABLISHED)
    if (
        completed
        and count_retransmitted(trace, others) <= MAX_RETRANSMITTED * old
        and from_everywhere(trace, rows, sources)
    ):
        return True
    tracked = trace.tracked(rows)
    answered = tracked[ripe[: len(tracked)]]
    answered = answered[trace.facts[answered] & FACT_SYNACK != 0]
    if len(answered) < MIN_UNFINISHED:
        return False
    insisting = np.count_nonzero(trace.connections["synack_count"][answered] > 1)
    return bool(completed or insisting >= MIN_SHARE * len(answered))


def count_retransmitted(trace: Attempts, rows: AttemptRows) -> int:
    """Return how many of these attempts retransmitted their SYN, successful or not."""
    return int(np.count_nonzero(trace.connections["syn_count"][trace.tracked(rows)] > 1))


# -- window and rates ----------------------------------------------------------------------------------------------


def extent(times: Times) -> tuple[int, int]:
    """Return the first and the last of these times."""
    return int(times.min()), int(times.max())


def bins(times: Times, first: int, width: int, count: int) -> NDArray[np.int64]:
    """Count these times in `count` bins of `width` ns from `first` on; later times are ignored."""
    often = np.zeros(count, dtype=np.int64)
    for some in batches(len(times), max(BATCH, _PER_BIN * count)):
        often += np.bincount((times[some] - first) // width, minlength=count)[:count]
    return often


def in_window(times: Times) -> Bools:
    """Return a mask over `times`: between the first and the last busy second."""
    first, last = extent(times)
    width = max(SECOND_NS, (last - first) // MAX_BINS + 1)
    busy = bins(times, first, width, (last - first) // width + 1)
    busy_at = np.flatnonzero(busy >= max(1.0, EDGE_SHARE * busy.max()))
    inside: Bools = times >= first + int(busy_at[0]) * width
    inside &= times < first + (int(busy_at[-1]) + 1) * width
    return inside


def peak_rate(times: Times) -> int:
    """Return the highest number of SYNs within one second, at a resolution of a tenth of a second."""
    first, last = extent(times)
    width = max(SECOND_NS // 10, (last - first) // MAX_BINS + 1)
    sums = np.concatenate([[0], np.cumsum(bins(times, first, width, (last - first) // width + 1))])
    many = max(1, SECOND_NS // width)
    most = int(np.max(sums[many:] - sums[:-many])) if len(sums) > many else int(sums[-1])
    return int(most * SECOND_NS // max(width, SECOND_NS))


def peak_unfinished(case: Case, rows: AttemptRows, times: Times) -> int:
    """Return the peak number of concurrently unfinished attempts, at a resolution of a millisecond. `rows` ascend.

    Every lone SYN counts as unfinished for the same time, so its end is a fixed number of bins after its start.
    """
    waits = case.attempts.limits.unanswered_ns
    answered = case.attempts.tracked(rows)
    ends, alone = ends_of(case, answered, times[: len(answered)]), times[len(answered) :]
    (first, last), final = extent(times), int(ends.max(initial=0))
    if len(alone):
        final = max(final, int(alone.max()) + waits)
    width = max(SECOND_NS // 1000, (final - first) // MAX_BINS + 1)
    delay, rest = divmod(waits, width)
    change = bins(times, first, width, (last - first) // width + 1)
    change[1:] -= bins(ends, first, width, len(change) - 1)
    if 1 + delay < len(change):
        change[1 + delay :] -= bins(alone, first - rest, width, len(change) - 1 - delay)
    return int(np.cumsum(change).max())


def ends_of(case: Case, rows: ConnectionRows, starts: Times) -> Times:
    """Return until when each of these connections, which began at `starts`, was unfinished."""
    c, waits = case.attempts.connections, case.attempts.limits.unanswered_ns
    ends = np.maximum(starts, c["last_synack_ns"][rows]) + waits
    reset = np.flatnonzero(c["facts"][rows] & FACT_RST != 0)
    ends[reset] = np.maximum(c["rst_ns"][rows[reset]], starts[reset] + MIN_HELD_NS)
    return ends
