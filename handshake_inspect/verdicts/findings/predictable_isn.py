"""predictable-isn: a host whose initial sequence numbers can be guessed, so that connections can be forged blindly.

RFC 9293 section 3.4.1 wants ISN = M + F(4-tuple, secret): a clock plus a keyed hash, so that across 4-tuples the ISNs
of one host look random.  Looked at are the ISNs of its SYN-ACKs, and of its SYNs in established connections, in order
of time (a scanner or flooder makes its SYNs by hand, and its ISNs say nothing of a stack).  A 4-tuple counts once:
incarnations of one 4-tuple share F, and their ISNs rightly grow.  Of at least `LEAST` ISNs `MOST` must

* repeat, or progress by one and the same step, or
* grow by less than `SMALL_STEP` each time (a coincidence of 1 in 1024), or
* follow the 250 kHz clock that RFC 793 had without the hash, within `SMALL_STEP`.

`warning`.  One ISN for all 4-tuples and random ones else is a stack behind a load balancer that is not, so it must be
most.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts import grouping
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import BATCH, marked, picked
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import earliest, endpoint, largest, ratio, window, write
from handshake_inspect.verdicts.findings.keys import distinct, run_starts
from handshake_inspect.verdicts.numbering import ConnectionRows, EndpointRows, chained
from handshake_inspect.verdicts.pairs import hosts_of
from handshake_inspect.verdicts.words import ESTABLISHED

LEAST = 10
ENOUGH = 1000  # ISNs of one host; a rule shows in these
LOOKED_AT = 200_000  # connections at most, the first of each role
PARTS = 4  # of the hosts
MOST = 0.8
SMALL_STEP = 1 << 22
CLOCK_NS = 4_000  # one step of the clock of RFC 793

Words = NDArray[np.int64]


class Rule(NamedTuple):
    """The step that one host's ISNs mostly take, and the shares of those, of small steps, and of steps of a clock."""

    step: int
    regular: float
    small: float
    clocked: float


def detect(case: Case) -> list[Finding]:
    """One finding for each host whose ISNs follow a rule."""
    trace = case.attempts
    ends, hosts, times = isns(case)
    if len(ends) < LEAST:
        return []
    iss = trace.endpoints["iss"][ends]
    # Numbers of `ends`: columns are read in order of first frames, and sorted by time afterwards, some hosts at a time.
    found: list[tuple[EndpointRows, Rule]] = []
    for mine in some_hosts(hosts):
        groups = grouping.group(picked(hosts, mine), mine, at_least=LEAST)
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
    """The places of the ISNs of some hosts at a time, in the order of these: less has to be put in order at once."""
    most, before = int(hosts.max()), np.zeros(len(hosts), dtype=bool)
    for part in range(PARTS):
        upto = hosts <= most * (part + 1) // PARTS
        yield marked(upto & ~before)
        before = upto


def predictable(
    groups: grouping.Groups[Any], iss: NDArray[np.uint32], times: Words
) -> Iterator[tuple[NDArray[Any], Rule]]:
    """The groups that follow a rule, in order of time."""
    # Rows are in order of time but for those whose SYN was repeated, and so are sorted at once.
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
    # A step that is most of them follows itself at least so often; few groups have to be put in order of their steps.
    again = np.zeros(len(step), dtype=bool)
    again[1:] = within[1:] & within[:-1] & (step[1:] == step[:-1])
    steady = shares(again, groups) + 1 >= (2 * MOST - 1) * count
    chosen = np.flatnonzero(steady | (small >= MOST) | (clocked >= MOST))
    if not len(chosen):
        return
    some = groups.chosen(chosen)
    usual, often = commonest(*steps(iss, some), some)
    regular = often / count[chosen]
    small, clocked = small[chosen], clocked[chosen]
    for g in np.flatnonzero((regular >= MOST) | (small >= MOST) | (clocked >= MOST)).tolist():
        yield some.of(g), Rule(int(usual[g]), float(regular[g]), float(small[g]), float(clocked[g]))


def steps(iss: NDArray[np.uint32], groups: grouping.Groups[Any]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """The steps from one ISN to the next, in 32 bits so that they come modulo 2^32; whether both are of one group."""
    return np.diff(iss[groups.rows]), groups.followed[:-1]


def isns(case: Case) -> tuple[EndpointRows, NDArray[Any], Words]:
    """Endpoint rows whose ISN speaks for a host's stack, with the host's key or number, and when the ISN was sent."""
    trace = case.attempts
    c, facts = trace.connections, trace.facts
    fresh = c["previous"] == 0
    answered = trace.earliest(trace.tracked_where(fresh & (facts & FACT_SYNACK != 0)), LOOKED_AT)
    served = fresh & (facts & FACT_SYN != 0) & (trace.of_connections(case.outcomes.outcome) == ESTABLISHED)
    opened = trace.earliest(trace.tracked_where(served), LOOKED_AT)
    ends = chained(trace.server_rows[answered], trace.client_rows[opened])
    return ends, hosts_of(trace, answered, opened), np.concatenate([c["synack_ns"][answered], c["syn_ns"][opened]])


def shares(matches: NDArray[np.bool_], groups: grouping.Groups[Any]) -> Words:
    """How many steps of each group match; a step stands between two ISNs, so each group ends with none."""
    return groups.sums(np.append(matches, False))


def commonest(step: NDArray[Any], within: NDArray[np.bool_], groups: grouping.Groups[Any]) -> tuple[Words, Words]:
    """The step that occurs most often in each group, and how often."""
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
    """The rule that one host's ISNs follow."""
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
        f"The initial sequence numbers of {write(host)} can be guessed: they {rule}",
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
    """Whether an endpoint row is its connection's server."""
    return end % 2 != int(trace.connections["client"][end // 2])
