"""`syn-flood`: many attempts on one service that never complete, from sources that never complete anything.

Judged by how many attempts stand unfinished at once, and by what share of them ever completes: never by the rate of
SYNs, which a healthy crowd has too.

An attempt is *bogus* when its SYN is in the capture, it was sent once, nothing but SYN-ACKs followed it (or the RST of
an unsuspecting host whose address was forged), and its source completes nothing: less than one in 20 of what it starts.
A service is flooded when

- `MIN_ATTEMPTS` bogus attempts were made and `MIN_UNFINISHED` stood unfinished at the same time: the smallest backlog
  in common use is 64, and what does not fill one harms nobody.  An attempt stands unfinished until 3 s (as
  `Limits.unanswered_ns`) after the last segment that belongs to it, or until its RST and for `MIN_HELD_NS`;
- they are at least `MIN_SHARE` of all attempts in that time: below that the service loses packets;
- most attempts that failed were not repeated.  A kernel repeats a SYN after 1 s (RFC 6298 section 2.1), so this is
  asked of attempts older than `RETRY_NS`.  Real clients of a dead or overloaded server repeat theirs, ISN and all;
- there is proof that the capture itself does not just lack the rest (a filter that keeps SYNs only makes every
  connection look like this).  One of: the server repeats SYN-ACKs; final ACKs of others are in the capture, and these
  attempts were answered; or the SYNs look forged.

SYNs look forged when at least half of them come without any of SACK, timestamps and window scale, which every current
stack offers; or have one ISN or ISNs in arithmetic progression; or one TTL though they claim to come from a hundred
sources that each appear once, in networks all over the world.  Where the capture ends too early to see whether they are
repeated, the last does not suffice.

A scan leaves each service alone after a try or two, so it never reaches the numbers.  SYNs to many ports of one host
are a flood on the host (`port` null) only when they come from `MIN_UNFINISHED` sources.

The window is from the first to the last second with at least 1 % of the busiest second's bogus SYNs; everything in the
metrics is of the window.  Severity: `critical`; `warning` when nine in ten of the legitimate clients in the window got
their connection without repeating a SYN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_RST, FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts.columns import BATCH, batches, marked
from handshake_inspect.verdicts.finding import Case, Finding
from handshake_inspect.verdicts.findings.evidence import Host, brief, target
from handshake_inspect.verdicts.findings.flood_signs import spoofing_signs
from handshake_inspect.verdicts.findings.keys import (
    Bools,
    Indices,
    Keys,
    Times,
    cite,
    count_distinct,
    counts,
    distinct,
    frequent,
    is_member,
    median,
    once_per_case,
    ratio,
)
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.words import ABORTED, CAUSE, ESTABLISHED, HALF_OPEN, PENDING, TIMED_OUT
from handshake_inspect.wire.address import address_text, format_endpoint

MIN_ATTEMPTS = 100
MIN_UNFINISHED = 64
MIN_SHARE = 0.2
MIN_HELD_NS = 1_000_000_000
RETRY_NS = 1_200_000_000
COMPLETES = 20  # a source with less than one completed attempt in so many completes nothing to speak of
EDGE_SHARE = 0.01
SECOND_NS = 1_000_000_000
MAX_BINS = 1_000_000
PEELED = 3
UNHARMED = 0.9


@dataclass(frozen=True)
class Flood:
    """One flood: rows are bogus attempts within its window."""

    host: Host
    port: int | None
    rows: Indices
    others: Indices  # attempts on the same target that are not bogus, at any time
    retried: int  # failed attempts on it that were repeated
    start_ns: int
    end_ns: int
    peak_unfinished: int
    peak_syns_per_s: int
    sources: int
    signs: dict[str, Any]


def detect(case: Case) -> list[Finding]:
    """One finding for each flooded service or host."""
    return [describe(case, flood) for flood in floods(case)]


@once_per_case
def floods(case: Case) -> tuple[Flood, ...]:
    """The floods of a case, services before hosts."""
    trace = case.trace
    bogus, retried = unfinished(case)
    found = on_targets(case, bogus, retried, trace.server_key)
    for flood in found:
        bogus[flood.rows] = False
    return (*found, *on_targets(case, bogus, retried, trace.server_host, whole_host=True))


def on_targets(case: Case, bogus: Bools, retried: Bools, keys: Keys, *, whole_host: bool = False) -> list[Flood]:
    """The floods on targets with these keys, the largest first."""
    parts = candidates(keys, narrow(bogus))
    if not parts:
        return []
    targets = np.sort(np.array([keys[mine[0]] for mine in parts], dtype=np.uint64))
    rest = narrow(~bogus)
    rest = rest[is_member(keys[rest], targets)]
    parted = group(keys[rest], rest)
    others = {int(keys[parted.of(g)[0]]): parted.of(g) for g in range(len(parted))}
    found = []
    for mine in parts:
        if whole_host and not is_spread(case, mine):
            continue
        flood = judge(case, mine, others.get(int(keys[mine[0]]), rest[:0]), retried, whole_host=whole_host)
        if flood:
            found.append(flood)
    return sorted(found, key=lambda flood: -len(flood.rows))


def is_spread(case: Case, rows: Indices) -> bool:
    """Whether attempts on a host are on several ports and from many sources."""
    trace = case.trace
    return count_distinct(trace.server_key[rows]) > 1 and count_distinct(trace.client_host[rows]) >= MIN_UNFINISHED


def narrow(mask: Bools) -> Indices:
    """The marked rows, in half the memory that NumPy would take."""
    return marked(mask)


@once_per_case
def flood_rows(case: Case) -> Bools:
    """Attempts that are part of some flood."""
    mask = np.zeros(len(case.trace), dtype=bool)
    for flood in floods(case):
        mask[flood.rows] = True
    return mask


def candidates(keys: Keys, rows: Indices) -> list[Indices]:
    """Bogus attempts by target, where there are enough."""
    parts: list[Indices] = []
    for _ in range(PEELED):  # most of a flood has one target, which is found without sorting
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
    return parts + [np.sort(parted.of(g)) for g in range(len(parted))]


def unfinished(case: Case) -> tuple[Bools, Bools]:
    """Which attempts are bogus, and which failed although their SYN was repeated."""
    trace, outcomes = case.trace, case.outcomes
    count = len(trace.connections)
    outcome, facts = outcomes.outcome, trace.facts
    failed = (outcome == TIMED_OUT) | (outcome == PENDING)
    failed |= (outcome == HALF_OPEN) & (outcomes.cause == CAUSE["no-final-ack"])
    failed[:count] |= (outcome[:count] == ABORTED) & (facts & FACT_SYNACK != 0)
    failed[:count] &= facts & FACT_SYN != 0
    repeated = np.zeros(len(failed), dtype=bool)
    repeated[:count] = failed[:count] & (trace.connections["syn_count"] > 1)
    bogus = failed & ~repeated
    suspects = narrow(bogus)
    if len(suspects) < MIN_ATTEMPTS:
        return bogus, repeated
    served = trace.client_host[:count][outcome[:count] == ESTABLISHED]
    if len(suspects) < len(served):
        served = served[is_member(served, distinct(trace.client_host[suspects]))]
    sources, completed = counts(served)
    known = np.concatenate(
        [suspects[some][is_member(trace.client_host[suspects[some]], sources)] for some in batches(len(suspects))]
    )
    bogus[known] = False
    found, started = counts(trace.client_host[known])
    never = found[started > COMPLETES * completed[np.searchsorted(sources, found)]]
    bogus[known[is_member(trace.client_host[known], never)]] = True
    return bogus, repeated


def judge(case: Case, rows: Indices, others: Indices, failed: Bools, *, whole_host: bool) -> Flood | None:
    """The flood that these bogus attempts on one target are, if they are one; `others` are all others on it."""
    trace = case.trace
    starts = trace.first_times[rows]
    inside = in_window(starts)
    if not inside.all():
        others = np.sort(np.concatenate([others, rows[~inside]]))
        rows, starts = rows[inside], starts[inside]
    if len(rows) < MIN_ATTEMPTS:
        return None
    peak, rate = peak_unfinished(case, rows, starts), peak_rate(starts)
    start, end = int(starts.min()), int(starts.max())
    del starts, inside  # tens of megabytes
    began = trace.first_times[others]
    meanwhile = np.count_nonzero((began >= start) & (began <= end))
    if peak < MIN_UNFINISHED or len(rows) < MIN_SHARE * (len(rows) + meanwhile):
        return None
    retried = int(np.count_nonzero(failed[others]))
    sources = count_distinct(trace.client_host, rows)
    signs = spoofing_signs(trace, rows, sources)
    if not is_proved(case, rows, others, retried, signs):
        return None
    host, service = target(trace, int(rows[0]))
    port = None if whole_host else service
    return Flood(host, port, rows, others, retried, start, end, peak, rate, sources, signs)


def is_proved(case: Case, rows: Indices, others: Indices, retried: int, signs: dict[str, Any]) -> bool:
    """Whether they were not repeated though they had the time, and are not just all that a filter kept."""
    trace = case.trace
    ripe = (trace.first_times <= trace.last_ns - RETRY_NS)[rows]
    old = int(np.count_nonzero(ripe))
    if old < MIN_UNFINISHED:
        return signs["made_by_a_tool"] and retried < len(rows)
    if retried >= old:
        return False
    if signs["looks_forged"]:
        return True
    count = int(np.searchsorted(rows, len(trace.connections)))
    answered = rows[:count][ripe[:count]]
    answered = answered[trace.facts[answered] & FACT_SYNACK != 0]
    if len(answered) < MIN_UNFINISHED:
        return False
    insisting = np.count_nonzero(trace.connections["synack_count"][answered] > 1)
    completed = np.any(case.outcomes.outcome[others] == ESTABLISHED)
    return bool(completed or insisting >= MIN_SHARE * len(answered))


# -- when, and how much ------------------------------------------------------------------------------------------


def bins(times: Times, first: int, width: int) -> NDArray[np.int64]:
    """How many of these times lie in each stretch of `width` from `first` on."""
    count = (int(times.max()) - first) // width + 1
    if count > BATCH:
        return np.bincount((times - first) // width)
    often = np.zeros(count, dtype=np.int64)
    for some in batches(len(times)):
        often += np.bincount((times[some] - first) // width, minlength=count)
    return often


def in_window(starts: Times) -> Bools:
    """Which attempts lie between the first and the last busy second."""
    first = int(starts.min())
    width = max(SECOND_NS, (int(starts.max()) - first) // MAX_BINS + 1)
    busy = bins(starts, first, width)
    busy_at = np.flatnonzero(busy >= max(1.0, EDGE_SHARE * busy.max()))
    inside: Bools = starts >= first + int(busy_at[0]) * width
    inside &= starts < first + (int(busy_at[-1]) + 1) * width
    return inside


def peak_rate(starts: Times) -> int:
    """The most SYNs in one second, to a tenth of a second."""
    first = int(starts.min())
    width = max(SECOND_NS // 10, (int(starts.max()) - first) // MAX_BINS + 1)
    sums = np.concatenate([[0], np.cumsum(bins(starts, first, width))])
    many = max(1, SECOND_NS // width)
    most = int(np.max(sums[many:] - sums[:-many])) if len(sums) > many else int(sums[-1])
    return int(most * SECOND_NS // max(width, SECOND_NS))


def peak_unfinished(case: Case, rows: Indices, starts: Times) -> int:
    """How many of these attempts stood unfinished at the same time at most, to a millisecond."""
    ends = ends_of(case, rows, starts)
    first = int(starts.min())
    width = max(SECOND_NS // 1000, (int(ends.max()) - first) // MAX_BINS + 1)
    begun, gone = np.cumsum(bins(starts, first, width)), np.cumsum(bins(ends, first, width))
    begun[1:] -= gone[: len(begun) - 1]
    return int(begun.max())


def ends_of(case: Case, rows: Indices, starts: Times) -> Times:
    """Until when each of these attempts stood unfinished; `rows` ascend."""
    trace, c = case.trace, case.trace.connections
    ends = starts + trace.limits.unanswered_ns
    answered = rows[: np.searchsorted(rows, len(c))]
    mine = ends[: len(answered)]
    np.maximum(mine, c["last_synack_ns"][answered] + trace.limits.unanswered_ns, out=mine)
    reset = np.flatnonzero(c["facts"][answered] & FACT_RST != 0)
    mine[reset] = np.maximum(c["rst_ns"][answered[reset]], starts[reset] + MIN_HELD_NS)
    return ends


# -- what is said ------------------------------------------------------------------------------------------------


def describe(case: Case, flood: Flood) -> Finding:
    """Numbers and words of one flood."""
    trace = case.trace
    rows = flood.rows
    where = address_text(*flood.host)
    where = where if flood.port is None else format_endpoint(where, flood.port)
    tracked = rows[: np.searchsorted(rows, len(trace.connections))]
    answered = int(np.count_nonzero(trace.facts[tracked] & FACT_SYNACK))
    sources = flood.sources
    clients = legitimate(case, flood)
    inside = clients["inside"]
    unharmed = inside["connections"] > 0 and inside["served_at_once"] >= UNHARMED * inside["connections"]
    total = len(rows) + inside["connections"]
    metrics: dict[str, Any] = {
        "syns": len(rows),
        "duration_ns": flood.end_ns - flood.start_ns,
        "peak_syns_per_s": flood.peak_syns_per_s,
        "peak_unfinished": flood.peak_unfinished,
        "sources": sources,
        "answered": answered,
        "answered_ratio": ratio(answered, len(rows)),
        "completion_ratio": ratio(inside["established"], total),
        "retried_syns_ratio": ratio(flood.retried, flood.retried + len(rows)),
        "spoofing_signs": flood.signs,
        "legitimate_clients": clients,
    }
    return Finding(
        "syn-flood",
        "warning" if unharmed else "critical",
        f"SYN flood on {where}: {len(rows)} SYNs from {sources} source{'s' * (sources != 1)} in "
        f"{brief(flood.end_ns - flood.start_ns)} never completed, up to {flood.peak_unfinished} unfinished at once",
        flood.host,
        flood.port,
        flood.start_ns,
        flood.end_ns,
        metrics,
        "Have SYN cookies on (sysctl -w net.ipv4.tcp_syncookies=1), raise net.ipv4.tcp_max_syn_backlog and the "
        "listener's backlog, lower net.ipv4.tcp_synack_retries, and have forged sources filtered upstream.",
        *cite(case, rows),
    )


def legitimate(case: Case, flood: Flood) -> dict[str, dict[str, Any]]:
    """How the other clients of the target fared, inside and outside of the window."""
    began = case.trace.first_times[flood.others]
    inside = (began >= flood.start_ns) & (began <= flood.end_ns)
    return {"inside": fared(case, flood.others[inside]), "outside": fared(case, flood.others[~inside])}


def fared(case: Case, rows: Indices) -> dict[str, Any]:
    """Success and handshake times of some attempts."""
    c = case.trace.connections
    tracked = rows[rows < len(c)]
    tracked = tracked[c["facts"][tracked] & FACT_SYN != 0]
    attempts = len(tracked) + np.count_nonzero(rows >= len(c))
    done = tracked[case.outcomes.outcome[tracked] == ESTABLISHED]
    at_once = done[c["syn_count"][done] == 1]
    total = case.legs.of(done).total.high
    took = c["ack_ns"][done] - c["syn_ns"][done]
    return {
        "connections": int(attempts),
        "established": len(done),
        "served_at_once": len(at_once),
        "success_ratio": ratio(len(done), attempts),
        "rtt_p50_ns": median(total[total >= 0]),
        "connect_p50_ns": median(took[took >= 0]),
        "connect_max_ns": int(took.max()) if len(took) else None,
    }
