"""`predictable-isn`: a host's initial sequence numbers can be guessed, so that connections can be forged blindly.

RFC 9293 section 3.4.1 wants ISN = M + F(4-tuple, secret): a clock plus a keyed hash, so that the ISNs of one host look
random across 4-tuples. Judged are the ISNs of its SYN-ACKs, and of its SYNs on established connections, in time order
(a scanner or flooder builds its SYNs itself, and its ISNs say nothing about a stack). A 4-tuple counts once: its
incarnations share F, and their ISNs rightly grow.

Reported if, of at least `LEAST` ISNs, a share of `MOST`

* repeat, or progress by one and the same step, or
* grow by less than `SMALL_STEP` each time (a coincidence of 1 in 1024), or
* follow the 250 kHz clock of RFC 793 without the hash, within `SMALL_STEP`.

It must be most of them, because one ISN for many 4-tuples among random ones is a stack behind a load balancer.

Severity: `warning`.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts import grouping
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import BATCH, marked, take_column
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, earliest, endpoint, largest, ratio, window
from handshake_inspect.verdicts.numbering import ConnectionRows, EndpointRows, chained
from handshake_inspect.verdicts.pairs import hosts_of
from handshake_inspect.verdicts.sets import distinct, run_starts
from handshake_inspect.verdicts.words import ESTABLISHED

LEAST = 10
ENOUGH = 1000  # ISNs judged per host
LOOKED_AT = 200_000  # connections judged at most, the first ones per role
PARTS = 4  # hosts are judged in so many parts, to save memory
MOST = 0.8
SMALL_STEP = 1 << 22
CLOCK_NS = 4_000  # one tick of the clock of RFC 793

Words = NDArray[np.int64]


class Rule(NamedTuple):
    """The most frequent step of one host's ISNs, and the shares of that step, of small steps and of clock steps."""

    step: int
    regular: float
    small: float
    clocked: float


def detect(case: Case) -> list[Finding]:
    """Return one finding per host whose ISNs follow a rule."""
    trace = case.attempts
    ends, hosts, times = isns(case)
    if len(ends) < LEAST:
        return []
    iss = trace.endpoints["iss"][ends]
    # Indices into `ends`: columns are read in order of first frames, and sorted by time later, some hosts at a time.
    found: list[tuple[EndpointRows, Rule]] = []
    for mine in some_hosts(hosts):
        groups = grouping.group(take_column(hosts, mine), mine, at_least=LEAST)
        for some in groups.portions(BATCH):
            found += [(ends[mine], rule) for mine, rule in predictable(some, iss, times)]
    sizes = np.array([len(mine) for mine, _ in found], dtype=np.intp)

    def describe(at: int) -> Finding:
        return host_finding(trace, *found[at])

    return largest(KIND, "hosts with predictable ISNs", np.arange(len(found)), sizes, describe)


KIND = Kind(
    "predictable-isn",
    "Predictable initial sequence numbers",
    "ISNs of one host repeat or follow a pattern.",
    detect,
    {
        "isns": Metric(int, "ISNs of the host that were looked at."),
        "step": Metric(int | None, "The difference between ISNs that is nearly always the same; 0 for the same ISN."),
        "same_step_ratio": Metric(float | None, "Differences that are the most frequent one.", "ratio"),
        "small_step_ratio": Metric(float | None, f"Differences below {SMALL_STEP}.", "ratio"),
        "clock_ratio": Metric(float | None, "Differences that a clock explains.", "ratio"),
    },
    size="isns",
)


def some_hosts(hosts: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield the indices of the ISNs of a part of the hosts at a time, so that less is sorted at once."""
    most, before = int(hosts.max()), np.zeros(len(hosts), dtype=bool)
    for part in range(PARTS):
        upto = hosts <= most * (part + 1) // PARTS
        yield marked(upto & ~before)
        before = upto


def predictable(
    groups: grouping.Groups[Any], iss: NDArray[np.uint32], times: Words
) -> Iterator[tuple[NDArray[Any], Rule]]:
    """Yield the groups that follow a rule, each in time order, and the rule."""
    # Rows are nearly in time order (all but those with a retransmitted SYN), which a stable sort exploits.
    rows = groups.rows[grouping.sorting(groups.number, times[groups.rows], kind="stable")]
    early = np.arange(len(rows)) - np.repeat(groups.starts, groups.sizes) < ENOUGH
    rows, sizes = rows[early], np.minimum(groups.sizes, ENOUGH)
    groups = grouping.Groups(rows, np.cumsum(sizes) - sizes, np.cumsum(sizes))
    step, within = steps(iss, groups)
    passed = (np.diff(times[rows]) // CLOCK_NS).astype(np.uint32)
    count = np.maximum(sizes - 1, 1)
    small = shares(within & (step > 0) & (step < SMALL_STEP), groups) / count
    off = step - passed
    clocked = shares(within & (np.minimum(off, -off) < SMALL_STEP), groups) / count
    # A step that most ISNs take follows itself at least this often, so only few groups need sorting by step.
    again = np.zeros(len(step), dtype=bool)
    again[1:] = within[1:] & within[:-1] & (step[1:] == step[:-1])
    steady = shares(again, groups) + 1 >= (2 * MOST - 1) * count
    chosen = np.flatnonzero(steady | (small >= MOST) | (clocked >= MOST))
    if not len(chosen):
        return
    some = groups.select(chosen)
    usual, often = commonest(*steps(iss, some), some)
    regular = often / count[chosen]
    small, clocked = small[chosen], clocked[chosen]
    for g in np.flatnonzero((regular >= MOST) | (small >= MOST) | (clocked >= MOST)).tolist():
        yield some.of(g), Rule(int(usual[g]), float(regular[g]), float(small[g]), float(clocked[g]))


def steps(iss: NDArray[np.uint32], groups: grouping.Groups[Any]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Return the steps from one ISN to the next modulo 2^32, and a mask: both ISNs are of one group."""
    return np.diff(iss[groups.rows]), groups.followed[:-1]


def isns(case: Case) -> tuple[EndpointRows, NDArray[Any], Words]:
    """Return endpoint rows whose ISN characterises a host's stack, the host's key or number, and the ISNs' times."""
    trace = case.attempts
    c, facts = trace.connections, trace.facts
    fresh = c["previous"] == 0
    answered = trace.earliest(trace.tracked_where(fresh & (facts & FACT_SYNACK != 0)), LOOKED_AT)
    served = fresh & (facts & FACT_SYN != 0) & (trace.of_connections(case.outcomes.outcome) == ESTABLISHED)
    opened = trace.earliest(trace.tracked_where(served), LOOKED_AT)
    ends = chained(trace.server_rows[answered], trace.client_rows[opened])
    return ends, hosts_of(trace, answered, opened), np.concatenate([c["synack_ns"][answered], c["syn_ns"][opened]])


def shares(matches: NDArray[np.bool_], groups: grouping.Groups[Any]) -> Words:
    """Return how many steps of each group match; the last ISN of a group has no step."""
    return groups.sums(np.append(matches, False))


def commonest(step: NDArray[Any], within: NDArray[np.bool_], groups: grouping.Groups[Any]) -> tuple[Words, Words]:
    """Return the most frequent step of each group and its count."""
    number = groups.number[:-1][within]
    step = step[within].astype(np.int64)
    order = grouping.sorting(number, step)
    number, step = number[order], step[order]
    fresh = np.ones(len(step), dtype=bool)
    fresh[1:] = (np.diff(step) != 0) | (np.diff(number) != 0)
    starts = np.flatnonzero(fresh)
    runs = np.diff(np.append(starts, len(step)))
    best = grouping.sorting(number[starts], -runs)
    first = np.flatnonzero(run_starts(number[starts][best]))
    return step[starts][best][first], runs[best][first]


def host_finding(trace: Attempts, ends: EndpointRows, followed: Rule) -> Finding:
    """Return the finding for one host."""
    step, regular, small, clocked = followed
    rows = ConnectionRows(distinct(ends // 2))
    host, _ = endpoint(trace, int(ends[0]) // 2, int(ends[0]) % 2)
    cited = earliest(trace, rows)
    side = "synack_frame" if is_server(trace, int(ends[0])) else "syn_frame"
    if regular >= MOST:
        rule = f"grow by {step} each time" if step else "are the same again and again"
    elif small >= MOST:
        rule = f"grow by less than {SMALL_STEP} each time"
    else:
        rule = "follow a clock"
    return Finding(
        KIND,
        "warning",
        f"The initial sequence numbers of {addr(host)} can be guessed: they {rule}",
        host,
        None,
        metrics={
            "isns": len(ends),
            "step": step if regular >= MOST else None,
            "same_step_ratio": ratio(regular, 1),
            "small_step_ratio": ratio(small, 1),
            "clock_ratio": ratio(clocked, 1),
        },
        advice="Update the stack of this host to one that follows RFC 6528, or put it behind a proxy or a firewall "
        "that makes its ISNs random (`nmap -O -v` shows the difficulty of its TCP sequence prediction).",
        frames=tuple(trace.connections[side][cited].tolist()),
        connections=tuple(cited.tolist()),
        **window(trace, rows),
    )


def is_server(trace: Attempts, end: int) -> bool:
    """Return whether an endpoint row is the server's."""
    return end % 2 != int(trace.connections["client"][end // 2])
