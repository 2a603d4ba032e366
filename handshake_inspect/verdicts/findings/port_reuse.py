"""`port-reuse`: a 4-tuple is used again within 2 MSL of its last use.

TIME-WAIT keeps segments of the old connection out of the new one (RFC 9293 section 3.3.2); RFC 6191 and the ISN rule
allow it to end early, and stacks differ in whether they do. A reuse counts if

- the connection before was established, so that one end holds TIME-WAIT (or still the connection), and
- the new SYN is in the capture and came less than 2 MSL (`Limits.time_wait_ns`, an option) after TIME-WAIT was last
  entered or after the last segment.

A retry of an attempt that was refused or never answered does not count, since that left no state; a SYN into an open
connection is `stale-peer`.

Severity: `info`, since reuse is legal and mostly works; `warning` if attempts that reused a 4-tuple failed or had to
retransmit their SYN: the holder of TIME-WAIT or of a stale connection rejected it.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_BLIND_SYN, FACT_PORT_REUSED, FACT_SYN
from handshake_inspect.verdicts import grouping
from handshake_inspect.verdicts.advice_steps import PORTS, TW_REUSE, Step, sentence
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, earliest, largest, quantiles, target, window
from handshake_inspect.verdicts.host import PORT_SETTINGS, HostEvidence
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.text import duration, plural

STEPS = (
    Step("let the client choose its port instead of binding one, or keep connections open"),
    PORTS,
    TW_REUSE,
)


def detect(case: Case) -> list[Finding]:
    """Return one finding per service whose 4-tuples are reused too soon."""
    trace = case.attempts
    c = trace.connections
    rows, before = trace.reborn()
    soon = trace.facts[rows] & FACT_PORT_REUSED != 0
    rows, before = rows[soon], before[soon]
    gap = c["first_ns"][rows] - last_used_ns(case, rows, before)
    soon = (case.outcomes.outcome[before] == ESTABLISHED) & (gap < trace.limits.time_wait_ns)
    soon &= (trace.facts[before] & FACT_BLIND_SYN == 0) & (trace.facts[rows] & FACT_SYN != 0)
    rows, gap = rows[soon], np.maximum(gap[soon], 0)
    gaps = np.zeros(len(trace.facts), dtype=np.int64)
    gaps[rows] = gap
    groups = grouping.group(trace.server_key[rows], rows)
    return largest(
        KIND,
        "services whose 4-tuples come again too soon",
        np.arange(len(groups)),
        groups.sizes,
        lambda g: service_finding(case, groups.of(g), gaps),
    )


def last_used_ns(case: Case, rows: ConnectionRows, before: ConnectionRows) -> NDArray[np.int64]:
    """Return when `before` last used its 4-tuple, not counting a challenge ACK to the next connection's SYN."""
    c = case.attempts.connections
    last, closed = c["last_ns"][before], c["time_wait_ns"][before]
    used: NDArray[np.int64] = np.where((last > c["first_ns"][rows]) & (closed > 0), closed, np.maximum(last, closed))
    return used


KIND = Kind(
    "port-reuse",
    "4-tuple reused early",
    "The same addresses and ports were used again within 2 MSL.",
    detect,
    {
        "reuses": Metric(int, "Connections that took a 4-tuple again within 2 MSL."),
        "gap_min_ns": Metric(int, "Time since the 4-tuple was used last, the shortest.", "ns"),
        "gap_p50_ns": Metric(int, "Time since the 4-tuple was used last, the median.", "ns"),
        "gap_p90_ns": Metric(int, "Time since the 4-tuple was used last, the 90th percentile.", "ns"),
        "gap_max_ns": Metric(int, "Time since the 4-tuple was used last, the longest.", "ns"),
        "two_msl_ns": Metric(int, "2 MSL as assumed (`--time-wait`).", "ns"),
        "time_wait_at_client": Metric(int, "Reuses after which the client had closed first, and holds TIME_WAIT."),
        "time_wait_at_server": Metric(int, "Reuses after which the server had closed first, and holds TIME_WAIT."),
        "not_closed_before": Metric(int, "Reuses of a 4-tuple whose connection had not been closed."),
        "failed": Metric(int, "Reuses that failed."),
        "syn_repeated": Metric(int, "Reuses that needed more than one SYN."),
        "clients": Metric(int, "Addresses of clients that reuse."),
    },
    size="reuses",
    steps=STEPS,
    at_client=(HostEvidence((), PORT_SETTINGS),),
)


def service_finding(case: Case, rows: ConnectionRows, gaps: NDArray[np.int64]) -> Finding:
    """Return the finding for one service."""
    trace = case.attempts
    c = trace.connections
    before = c["previous"][rows].astype(np.intp) - 1
    closed = c["fin_frame"][before] > 0
    by_client = closed & (c["fin_side"][before] == c["client"][before])
    failed = int((case.outcomes.outcome[rows] != ESTABLISHED).sum())
    repeated = int(((case.outcomes.outcome[rows] == ESTABLISHED) & (c["syn_count"][rows] > 1)).sum())
    waited = quantiles(gaps[rows], "gap")
    host, port = target(trace, int(rows[0]))
    cited = earliest(trace, rows)
    result = (
        f"{failed} of them failed"
        if failed
        else f"{repeated} needed more than one SYN"
        if repeated
        else "all worked"
        if len(rows) > 1
        else "it worked"
    )
    return Finding(
        KIND,
        "warning" if failed or repeated else "info",
        f"{plural(len(rows), 'connection')} to {addr(host, port)} reused a 4-tuple after "
        f"{duration(waited['gap_p50_ns'])}: {result}",
        host,
        port,
        metrics={
            "reuses": len(rows),
            "gap_min_ns": int(gaps[rows].min()),
            **waited,
            "two_msl_ns": trace.limits.time_wait_ns,
            "time_wait_at_client": int(by_client.sum()),
            "time_wait_at_server": int((closed & ~by_client).sum()),
            "not_closed_before": int((~closed).sum()),
            "failed": failed,
            "syn_repeated": repeated,
            "clients": len(distinct(trace.client_host[rows])),
        },
        advice=sentence(STEPS) if failed or repeated else "Nothing needs to be done while all of them work.",
        frames=tuple(c["syn_frame"][cited].tolist()),
        connections=tuple(cited.tolist()),
        **window(trace, rows),
    )
