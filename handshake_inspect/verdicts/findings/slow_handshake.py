"""`slow-handshake` and `slow-client-ack`: handshakes far slower than usual for the service, and which half is to blame.

`slow-handshake` judges `synack` (SYN to SYN-ACK: the server and the path to it), `slow-client-ack` judges `ackdat`
(SYN-ACK to ACK: the client and the path to it). A half is judged only if it was measured (`exact` or `tsecr`; the cost
of lost segments is `syn-retransmission`), on services with at least `LEAST` measurements.

An outlier is more than `FACTOR` times the service's median, more than `LEAST_EXCESS_NS` above it (less goes unnoticed),
and more than `DEVIATIONS` median absolute deviations away (an unsteady service has a wide spread and no outliers). If
more than `MOST` of a service's handshakes are slow, that is its distribution.

A distant client is not slow. So an `ackdat` counts only if the same client answered `FACTOR` times faster at another
time, or if it exceeds `ANY_PATH_NS`, longer than any path on Earth (two geostationary hops).

Severity: `warning` from `MANY` outliers that are at least `SHARE` of the service's handshakes, else `info`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import METHOD_EXACT, METHOD_TSECR
from handshake_inspect.verdicts import grouping, percentiles
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, earliest, largest, quantiles, ratio, target, window
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.position import Position
from handshake_inspect.verdicts.sets import distinct, places
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.text import duration, plural

LEAST = 20
FACTOR = 4
LEAST_EXCESS_NS = 50_000_000
DEVIATIONS = 8
MOST = 0.2
ANY_PATH_NS = 1_200_000_000
MANY = 3
SHARE = 0.01
FEW = 1000  # for so few groups, selecting each median is faster than sorting all values


@dataclass(frozen=True)
class Half:
    """The wording for one half of the handshake."""

    id: str
    name: str
    advice: str
    end: str  # the end that answers

    def culprit(self, position: Position) -> str:
        """Return who is to blame: the end itself if the capture was made next to it, else the end or the path."""
        return f"the {self.end} itself" if position.place == self.end else f"the {self.end} or the path to it"


SERVER = Half(
    "slow-handshake",
    "SYN-ACK",
    "Compare with `ss -ltn` (full queues), `nstat -az TcpExtListenOverflows` and CPU steal on the server at that time; "
    "if it is idle, look for a firewall or load balancer that holds new flows back.",
    "server",
)
CLIENT = Half(
    "slow-client-ack",
    "final ACK",
    "Look at the clients named in the evidence: a busy host, a sleeping radio link, or a VPN; `mtr -T` towards them "
    "shows where the time goes.",
    "client",
)


def detect(case: Case) -> list[Finding]:
    """Return findings for services whose SYN-ACKs are sometimes far slower than usual."""
    return half_findings(case, case.legs.values[0], "synack_method", SERVER)


def detect_slow_client_ack(case: Case) -> list[Finding]:
    """Return findings for services whose clients sometimes acknowledge far more slowly than usual."""
    return half_findings(case, case.legs.values[1], "ackdat_method", CLIENT)


METRICS = {
    "connections": Metric(int, "Handshakes of the service whose time was measured."),
    "outliers": Metric(int, "Those that were far slower than usual."),
    "outlier_ratio": Metric(float | None, "`outliers` of `connections`.", "ratio"),
    "usual_p50_ns": Metric(int, "The usual time, the median of all.", "ns"),
    "outlier_p50_ns": Metric(int, "Time of the outliers, the median.", "ns"),
    "outlier_p90_ns": Metric(int, "Time of the outliers, the 90th percentile.", "ns"),
    "outlier_max_ns": Metric(int, "Time of the slowest.", "ns"),
    "clients": Metric(int, "Addresses of clients with outliers."),
    "capture_position": Metric(str | None, "Which end the capture was made next to, if known."),
}
KINDS = {
    "slow-handshake": Kind(
        "slow-handshake",
        "Slow handshakes",
        "Handshakes took far longer than others of the same service.",
        detect,
        METRICS,
        size="outliers",
    ),
    "slow-client-ack": Kind(
        "slow-client-ack",
        "Slow final ACKs",
        "Clients took far longer than others to answer the SYN-ACK.",
        detect_slow_client_ack,
        METRICS,
        size="outliers",
    ),
}


def half_findings(case: Case, values: Times, method: str, half: Half) -> list[Finding]:
    """Return one finding per service with outliers in one half; `values` has one duration per connection row."""
    trace = case.attempts
    methods = trace.connections[method]
    good = (methods == METHOD_EXACT) | (methods == METHOD_TSECR)
    good &= trace.of_connections(case.outcomes.outcome) == ESTABLISHED
    good &= values >= 0
    del methods
    good &= worth_a_median(trace.of_connections(trace.service), good & (values > LEAST_EXCESS_NS))
    groups = trace.by_service.among(good, LEAST)
    if not len(groups):
        return []
    usual, far = outliers(values[groups.rows], groups)
    out = groups.rows[far]
    if half is CLIENT:
        out = out[not_merely_far(trace, values, good, out)]
    slow = trace.connection_mask(out)
    hits = groups.sums(slow[groups.rows])
    picked = np.flatnonzero((hits > 0) & (hits <= MOST * groups.sizes))

    def describe(g: int) -> Finding:
        late = groups.of(g)[slow[groups.of(g)]]
        return service_finding(case, half, len(groups.of(g)), late, values[late], int(usual[g]))

    return largest(KINDS[half.id], f"services with slow {half.name}s", picked, hits[picked], describe)


def worth_a_median(service: NDArray[Any], slow: Bools) -> Bools:
    """Return a mask over connections to services with anything slow; others cannot have outliers."""
    hit = np.zeros(int(service.max(initial=0)) + 1, dtype=bool)
    hit[service[slow]] = True
    mine: Bools = hit[service]
    return mine


def outliers(values: Times, groups: grouping.Groups[ConnectionRows]) -> tuple[Times, Bools]:
    """Return the median of each group, and a mask over `values` that lie far above their group's median."""
    usual = middles(values, groups)
    centre = np.repeat(usual, groups.sizes)
    spread = np.repeat(middles(np.abs(values - centre), groups), groups.sizes)
    far: Bools = values > np.maximum(FACTOR * centre, centre + np.maximum(LEAST_EXCESS_NS, DEVIATIONS * spread))
    return usual, far


def middles(values: Times, groups: grouping.Groups[ConnectionRows]) -> Times:
    """Return the median (the lower of two) of each group."""
    middle = percentiles.places(groups.sizes, 50)
    if len(groups) > FEW:
        return grouping.in_order(groups.number, values)[groups.starts + middle]
    parts = zip(groups.starts.tolist(), groups.ends.tolist(), middle.tolist(), strict=True)
    return np.array([percentiles.in_places(values[start:end], [at])[0] for start, end, at in parts])


def not_merely_far(trace: Attempts, values: Times, good: Bools, out: ConnectionRows) -> Bools:
    """Return a mask over `out`: no distance explains the delay, or the client was faster in a `good` handshake."""
    if not len(out):
        return np.zeros(0, dtype=bool)
    clients = trace.of_connections(trace.client_host)
    wanted = distinct(clients[out])
    place, _ = places(clients[out], wanted)
    at, mine = places(clients, wanted)
    mine &= good
    best = np.full(len(wanted), np.iinfo(np.int64).max)
    np.minimum.at(best, at[mine], values[mine])
    quicker: Bools = (values[out] > ANY_PATH_NS) | (values[out] > FACTOR * best[place])
    return quicker


def service_finding(case: Case, half: Half, measured: int, late: ConnectionRows, values: Times, usual: int) -> Finding:
    """Return the finding for one service: `values` of the connections `late`, out of `measured`."""
    trace = case.attempts
    position = case.position
    cited = earliest(trace, late)
    excess = quantiles(values, "outlier")
    metrics = {
        "connections": measured,
        "outliers": len(late),
        "outlier_ratio": ratio(len(late), measured),
        "usual_p50_ns": usual,
        **excess,
        "clients": len(distinct(trace.client_host[late])),
        "capture_position": position.place,
    }
    host, port = target(trace, int(late[0]))
    frame = "synack_frame" if half is SERVER else "ack_frame"
    grave = len(late) >= MANY and len(late) >= SHARE * measured
    return Finding(
        KINDS[half.id],
        "warning" if grave else "info",
        f"{plural(len(late), half.name)} of {measured:,} took {duration(excess['outlier_p50_ns'])} "
        f"instead of {duration(usual)} at {addr(host, port)}: the delay is on {half.culprit(position)}",
        host,
        port,
        metrics=metrics,
        advice=half.advice,
        frames=tuple(trace.connections[frame][cited].tolist()),
        connections=tuple(cited.tolist()),
        **window(trace, late),
    )
