"""`ack-flood` and `rst-flood`: segments without a connection, from many sources, to one host.

A *stray* is a single segment of an unknown connection: an ACK, with or without payload (no SYN, FIN or RST), that drew
at most RSTs; or a RST that drew nothing. ACKs with timestamps do not count: tools that forge segments omit them, and
current kernels do not.

A host is flooded if strays of one kind come from `MIN_SOURCES` unknown sources or more within `WITHIN_NS`. A source is
*unknown* if it exchanges nothing else with that host in the whole capture. Strays that the start of the capture
explains are subtracted: the first captured segment of an open connection may be its last. The start explains as many
strays as there are connections of that host that are older than the capture and no strays.

Nothing is reported for a one-sided capture, or one of single segments (sampling), unless it consists of strays of one
kind to one host: ACKs, or RSTs that are not what a flag filter left of healthy connections (`is_no_filter_artifact`).

Not reported are scans (one source), clients that reconnect after a restart (they are known sources), and the RSTs of
`reflection`.

Severity: `warning`: a kernel drops them cheaply, stateful devices on the path do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import (
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_SYN,
    FACT_SYNACK,
    TRAIT_SEEN,
)
from handshake_inspect.verdicts.arrays import Bools, Indices, Keys, Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, cite, endpoint, span
from handshake_inspect.verdicts.findings.flooding import peak_rate
from handshake_inspect.verdicts.findings.reflection import reflected_rows
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, chained
from handshake_inspect.verdicts.sets import count_distinct, counts, distinct, frequent, host_key, is_member
from handshake_inspect.verdicts.words import MIDSTREAM, UNSOLICITED
from handshake_inspect.wire.const import ACK, FIN, RST, SYN
from handshake_inspect.wire.text import duration

MIN_SOURCES = 100
WITHIN_NS = 10_000_000_000
MAX_JUDGED = 100  # hosts judged per kind, those with the most strays
LISTED = 10  # ports in the metrics
START_TTLS = np.array([32, 64, 128, 255])  # initial TTLs of stacks
LONGEST_WAY = 32  # hops of the longest paths
ONE_TTL = 0.9
SPREAD = 0.5  # distinct networks (/16, IPv6 /32) per source
ODD_TTLS = 0.1

WORDS = {"ack-flood": "ACK", "rst-flood": "RST"}


@dataclass(frozen=True, eq=False, repr=False)
class Strays:
    """Strays of one kind to one host; `explained` of them are due to the start of the capture."""

    id: str
    rows: ConnectionRows
    explained: int


def detect(case: Case) -> list[Finding]:
    """Return one finding per host and kind of segment."""
    return [describe(case, strays) for strays in stray_floods(case)]


METRICS = {
    "segments": Metric(int, "Segments without a connection."),
    "sources": Metric(int, "Addresses that they claim to come from."),
    "duration_ns": Metric(int, "Time from the first segment to the last.", "ns"),
    "peak_per_s": Metric(int, "Segments in the busiest second.", "1/s"),
    "answered": Metric(int, "Segments that a RST answered."),
    "with_payload": Metric(int, "Segments with payload."),
    "explained_by_start": Metric(int, "Connections older than the capture, which explain as many such segments."),
    "ports": Metric(dict[str, int], "Segments by the port that they go to, of the busiest ports."),
}
KINDS = {
    "ack-flood": Kind(
        "ack-flood",
        "ACK flood",
        "ACKs that belong to no connection reach one host from many sources.",
        detect,
        METRICS,
        size="segments",
    ),
    "rst-flood": Kind(
        "rst-flood",
        "RST flood",
        "RSTs that belong to no connection reach one host from many sources.",
        detect,
        METRICS,
        size="segments",
    ),
}


@once
def stray_floods(case: Case) -> tuple[Strays, ...]:
    """Return the floods of a case."""
    acks, rsts = lone_acks(case), lone_rsts(case)
    if max(np.count_nonzero(acks), np.count_nonzero(rsts)) < MIN_SOURCES:
        return ()
    both_seen = (case.attempts.both_ends & TRAIT_SEEN).any()
    if not (both_seen or is_all(case, acks) or (is_all(case, rsts) and is_no_filter_artifact(case))):
        return ()
    strays = acks | rsts
    return (*floods_of(case, "ack-flood", acks, strays), *floods_of(case, "rst-flood", rsts, strays))


def is_all(case: Case, strays: Bools) -> bool:
    """Return whether the capture holds nothing but these strays, to one host.

    An ACK among them cannot be half of a healthy connection.
    """
    if len(strays) != len(case.attempts) or not strays.all():
        return False
    c = case.attempts.connections
    return len(distinct(host_key(c["hi1"], c["lo1"]))) == 1


def is_no_filter_artifact(case: Case) -> bool:
    """Return whether these RSTs are not what a flag filter left of healthy connections.

    The filter is known, or other frames show it. Otherwise TTLs do: those of hosts all over the world differ like their
    paths, none of which is longer than `LONGEST_WAY`; the RSTs of a flood all have one TTL, or random ones.
    """
    if not case.attempts.filtered:
        return True
    c = case.attempts.connections
    ttls = c["rst_ttl"].astype(np.int64)
    ways = START_TTLS[np.searchsorted(START_TTLS, ttls)] - ttls
    if np.count_nonzero(ways > LONGEST_WAY) >= ODD_TTLS * len(ttls):
        return True
    networks = np.where(c["hi0"] == 0, c["lo0"] >> np.uint64(16), c["hi0"] >> np.uint64(32))
    alike = np.bincount(ttls).max() >= ONE_TTL * len(ttls)
    return bool(alike and len(distinct(networks)) >= SPREAD * len(ttls))


@once
def stray_rows(case: Case) -> Bools:
    """Return a mask over connections that are part of such a flood."""
    return case.attempts.connection_mask(*(strays.rows for strays in stray_floods(case)))


# -- strays


def lone_acks(case: Case) -> Bools:
    """Return a mask over connections that are one ACK and at most RSTs in return."""
    trace, c = case.attempts, case.attempts.connections
    facts = trace.facts
    mask: Bools = (trace.of_connections(case.outcomes.outcome) == MIDSTREAM) & (facts & FACT_MIDSTREAM != 0)
    rows = trace.tracked_where(mask)
    lone = c["first_flags"][rows] & (SYN | FIN | RST | ACK) == ACK
    lone &= is_one_segment(case, rows) & (trace.endpoints["tsval"][2 * rows] == 0)
    reset = (facts[rows] & FACT_RST != 0) & (c["rst_side"][rows] == 1)
    silent = trace.endpoints["traits"][2 * rows + 1] & TRAIT_SEEN == 0
    mask[rows] = lone & (silent | (reset & (trace.endpoints["bytes"][2 * rows + 1] == 0)))
    return mask


def lone_rsts(case: Case) -> Bools:
    """Return a mask over connections that are one RST and not a reflection."""
    trace, c = case.attempts, case.attempts.connections
    facts = trace.facts
    mask: Bools = (trace.of_connections(case.outcomes.outcome) == UNSOLICITED) & (facts & (FACT_SYN | FACT_SYNACK) == 0)
    mask &= (facts & FACT_RST != 0) & ~reflected_rows(case)
    rows = trace.tracked_where(mask)
    mask[rows] = (
        (c["rst_side"][rows] == 0)
        & is_one_segment(case, rows)
        & (trace.endpoints["traits"][2 * rows + 1] & TRAIT_SEEN == 0)
    )
    return mask


def is_one_segment(case: Case, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the opener sent just one segment, not counting captured duplicates."""
    e = case.attempts.endpoints
    one: Bools = e["frames"][2 * rows].astype(np.int64) - e["duplicates"][2 * rows] <= 1
    return one


# -- floods


def floods_of(case: Case, kind: str, mine: Bools, strays: Bools) -> Iterator[Strays]:
    """Yield the floods of one kind of segment; `mine` marks its strays, `strays` those of any kind."""
    c = case.attempts.connections
    rows = case.attempts.tracked_where(mine)
    victims = host_key(c["hi1"][rows], c["lo1"][rows])
    chosen = is_member(victims, frequent(victims, MIN_SOURCES))
    parted = group(victims[chosen], rows[chosen], at_least=MIN_SOURCES)
    largest = np.argsort(-parted.sizes, kind="stable")[:MAX_JUDGED] if len(parted) else ()
    for g in largest:
        found = judge(case, kind, parted.of(int(g)), strays)
        if found:
            yield found


def judge(case: Case, kind: str, rows: ConnectionRows, strays: Bools) -> Strays | None:
    """Return the flood that these strays to one host amount to, or None."""
    c = case.attempts.connections
    victim = host_key(c["hi1"][rows[:1]], c["lo1"][rows[:1]])[0]
    known, older = others(case, victim, strays)
    sources = host_key(c["hi0"][rows], c["lo0"][rows])
    unknown = ~is_member(sources, known)
    rows, sources = rows[unknown], sources[unknown]
    order = np.argsort(c["first_ns"][rows], kind="stable")
    rows, sources = rows[order], sources[order]
    dense = in_dense_times(c["first_ns"][rows], first_of_each(sources))
    rows, sources = rows[dense], sources[dense]
    if count_distinct(sources) - older < MIN_SOURCES:
        return None
    return Strays(kind, rows, older)


def others(case: Case, victim: np.uint64, strays: Bools) -> tuple[Keys, int]:
    """Return the hosts that exchange more than strays with the victim (sorted keys).

    Also return the number of such connections that began before the capture.
    """
    trace = case.attempts
    others = ~trace.column(strays, False)
    served = trace.where((trace.server_host == victim) & others)
    opened = trace.where((trace.client_host == victim) & others)
    known = distinct(np.concatenate([trace.client_host[served], trace.server_host[opened]]))
    tracked = chained(trace.tracked(served), trace.tracked(opened))
    return known, int(np.count_nonzero(case.outcomes.outcome[tracked] == MIDSTREAM))


def first_of_each(sources: Keys) -> Indices:
    """Return the index of the first occurrence of each source, ascending."""
    _, first = np.unique(sources, return_index=True)
    return np.sort(first)


def in_dense_times(times: Times, first: Indices) -> Bools:
    """Return a mask over `times`: within some `WITHIN_NS` with `MIN_SOURCES` new sources."""
    came = times[first]
    dense = np.zeros(len(times), dtype=bool)
    if len(came) < MIN_SOURCES:
        return dense
    begins = came[: len(came) - MIN_SOURCES + 1]
    starts = begins[came[MIN_SOURCES - 1 :] - begins <= WITHIN_NS]
    if len(starts):
        at = np.searchsorted(starts, times, side="right") - 1
        dense = (at >= 0) & (times - starts[np.maximum(at, 0)] <= WITHIN_NS)
    return dense


def describe(case: Case, strays: Strays) -> Finding:
    """Return the finding for one flood."""
    trace, c, rows = case.attempts, case.attempts.connections, strays.rows
    victim, _ = endpoint(trace, int(rows[0]), 1)
    sources = count_distinct(host_key(c["hi0"][rows], c["lo0"][rows]))
    start, end = span(trace, rows)
    ports, often = counts(c["port1"][rows])
    answered = int(np.count_nonzero(trace.endpoints["traits"][2 * rows + 1] & TRAIT_SEEN))
    metrics: dict[str, Any] = {
        "segments": len(rows),
        "sources": sources,
        "duration_ns": end - start,
        "peak_per_s": peak_rate(c["first_ns"][rows]),
        "answered": answered,
        "with_payload": int(np.count_nonzero(trace.endpoints["bytes"][2 * rows])),
        "explained_by_start": strays.explained,
        "ports": {str(ports[at]): int(often[at]) for at in np.argsort(-often, kind="stable")[:LISTED]},
    }
    word = WORDS[strays.id]
    return Finding(
        KINDS[strays.id],
        "warning",
        f"{word} flood on {addr(victim)}: {len(rows):,} {word}s without a connection from {sources:,} sources in "
        f"{duration(end - start)}",
        victim,
        None,
        start,
        end,
        metrics,
        f"Drop segments without a connection before {addr(victim)} (`nft add rule inet filter input ct state "
        "invalid drop`, with `sysctl -w net.netfilter.nf_conntrack_tcp_loose=0`), and have forged "
        "sources filtered upstream.",
        *cite(case, rows),
    )
