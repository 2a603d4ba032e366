"""`syn-retransmission`: connects that succeeded, but waited for the timeout of a lost SYN, SYN-ACK or ACK.

The delay of a connect is the time between the first SYN and the one that the SYN-ACK answers, plus the time between the
first SYN-ACK and the one that the final ACK answers. Less than `LEAST_DELAY_NS` is not a stack's timeout (RFC 6298
section 2.4 wants at least one second; some use less). A path slower than the timeout causes needless copies, which cost
nothing and are counted separately. If no timestamp shows which of two SYNs was answered, it was the first, provided
that nothing else was retransmitted and the server's first acknowledgment of payload takes `DELAYED_ACK_NS` longer than
the answer to the second SYN would have taken: no ACK may be delayed that long (RFC 9293 section 3.8.6.3).

Timestamp echoes show what was lost (RFC 7323 section 4.3: the echo is of the first copy that arrived):

* SYN lost after the capture point (it is in the capture): the SYN-ACK echoes the copy that it answers;
* SYN-ACK lost before the capture point: it echoes an earlier SYN, which therefore had arrived;
* SYN-ACK lost after the capture point: it is retransmitted in the capture, and the ACK echoes the last copy;
* ACK lost: the ACK echoes an earlier SYN-ACK, which therefore had arrived;
* otherwise unknown.

Not counted are SYNs that drew a challenge ACK, since they are retransmitted at once and for another reason
(`stale-peer`), and SYNs that were refused at first, as while a service starts.

Severity: `info`; `warning` from `MANY` delayed connects that are at least `SHARE` of the service's, because single
losses are normal.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_BLIND_SYN,
    FACT_REBUFFED,
    FACT_SYN,
    FACT_SYNACK,
    METHOD_AMBIGUOUS,
    METHOD_TSECR,
)
from handshake_inspect.verdicts import backoff, grouping
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, earliest, largest, quantiles, ratio, target, window
from handshake_inspect.verdicts.host import QUEUE_SETTINGS, HostEvidence
from handshake_inspect.verdicts.numbering import ConnectionRows, chained
from handshake_inspect.verdicts.words import ESTABLISHED, HALF_OPEN, TIMED_OUT
from handshake_inspect.wire.const import OPT_TIMESTAMPS
from handshake_inspect.wire.text import duration, plural, share

LEAST_DELAY_NS = 150_000_000
DELAYED_ACK_NS = 500_000_000
MANY = 3
SHARE = 0.01

LOSSES = ("unknown", "syn_after_capture", "synack_before_capture", "synack_after_capture", "ack_before_capture")
UNKNOWN, SYN, SYNACK_BEFORE, SYNACK_AFTER, ACK = range(5)


def detect(case: Case) -> list[Finding]:
    """Return one finding per service with delayed connects."""
    trace = case.attempts
    c = trace.connections
    repeated = trace.tracked_where(c["retries"])
    repeated = repeated[~rebuffed(trace, repeated)]
    if not len(repeated):
        return []
    connected = trace.of_connections(case.outcomes.outcome) == ESTABLISHED
    delay = np.zeros(len(trace.facts), dtype=np.int64)
    delay[repeated] = delays(trace, repeated)
    hurt = connected & (delay >= LEAST_DELAY_NS) & (trace.facts & FACT_SYN != 0)
    hit = np.zeros(len(trace.services), dtype=bool)
    hit[trace.of_connections(trace.service)[hurt]] = True
    attempts = trace.tracked_where(hit[trace.of_connections(trace.service)] & (trace.facts & FACT_SYN != 0))
    groups = grouping.group(trace.service[attempts], attempts)
    fits = backoff.profiles(trace)
    return largest(
        KIND,
        "services with delayed connects",
        np.arange(len(groups)),
        groups.sums(hurt[groups.rows]),
        lambda g: service_finding(case, groups.of(g), delay, fits),
    )


KIND = Kind(
    "syn-retransmission",
    "SYNs or SYN-ACKs were lost",
    "Connects waited for a retransmission timer, one second and more, because a SYN or SYN-ACK was lost.",
    detect,
    {
        "connections": Metric(int, "Connects to the service that succeeded."),
        "delayed": Metric(int, "Connects that waited for a timer."),
        "delayed_ratio": Metric(float | None, "`delayed` of `connections`.", "ratio"),
        "delay_p50_ns": Metric(int, "How long delayed connects waited for timers, the median.", "ns"),
        "delay_p90_ns": Metric(int, "How long delayed connects waited for timers, the 90th percentile.", "ns"),
        "delay_max_ns": Metric(int, "How long a connect waited for timers, at most.", "ns"),
        "delay_total_ns": Metric(int, "How long all of them waited together.", "ns"),
        "lost": Metric(
            dict[str, int],
            "Delayed connects by what was lost, and on which side of the capture.",
            keys={
                "unknown": Metric(int, "A SYN or SYN-ACK, place unknown."),
                "syn_after_capture": Metric(int, "A SYN, between the capture and the server."),
                "synack_before_capture": Metric(int, "A SYN-ACK, between the server and the capture."),
                "synack_after_capture": Metric(int, "A SYN-ACK, between the capture and the client."),
                "ack_before_capture": Metric(int, "The final ACK, between the client and the capture."),
            },
        ),
        "needless_copies": Metric(int, "Connects whose SYN or SYN-ACK was repeated although the first was answered."),
        "retried_and_failed": Metric(int, "Attempts that repeated their SYN and failed."),
        "backoff": Metric(dict[str, int], "Attempts by the stack whose timers their repeated SYNs keep to."),
        "gives_up_ns": Metric(
            dict[str, list[int]], "When each of these stacks gives up, counted from the first SYN.", "ns"
        ),
    },
    size="delayed",
    at_target=(
        HostEvidence(
            ("listen_overflows", "tcp_req_q_full_drop", "listen_drops"),
            QUEUE_SETTINGS,
            causes=("syn_after_capture", "unknown"),
        ),
        HostEvidence(("tcp_syn_retrans",), ("tcp_synack_retries",)),
    ),
    at_client=(HostEvidence(("tcp_syn_retrans",), ("tcp_syn_retries",)),),
)


def rebuffed(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the first answer to the SYN was a RST or belonged to an earlier incarnation."""
    c, facts = trace.connections, trace.facts
    found: Bools = facts[rows] & FACT_REBUFFED != 0
    found |= (c["rst_ns"][rows] > 0) & (c["rst_ns"][rows] < c["synack_ns"][rows])
    later, before = trace.reborn()
    found |= trace.connection_mask(later[facts[before] & FACT_BLIND_SYN != 0])[rows]
    return found


def delays(trace: Attempts, rows: ConnectionRows) -> Times:
    """Return how much later than the first copies the answered SYN and the answered SYN-ACK left, in nanoseconds."""
    c = trace.connections
    fastest = np.where(is_far(trace, rows), c["synack_max_ns"][rows], c["synack_min_ns"][rows])
    forth = c["synack_ns"][rows] - c["syn_ns"][rows] - fastest
    back = c["ack_ns"][rows] - c["synack_ns"][rows] - c["ackdat_min_ns"][rows]
    lost = np.where(is_timed(c["synack_method"][rows]), np.maximum(forth, 0), 0)
    lost += np.where(is_timed(c["ackdat_method"][rows]), np.maximum(back, 0), 0)
    return lost


def is_far(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the server is too far away to have answered the second of two SYNs."""
    found, c = np.zeros(len(rows), dtype=bool), trace.connections
    twice = np.flatnonzero((c["synack_method"][rows] == METHOD_AMBIGUOUS) & (c["syn_count"][rows] == 2))
    if trace.exchanges is None or not len(twice):
        return found
    some = rows[twice]
    found[twice] = trace.exchanges["path"][some] > c["synack_min_ns"][some] + DELAYED_ACK_NS
    found[twice] &= trace.endpoints["retransmissions"][trace.client_rows[some]] == 1  # the SYN
    return found


def is_timed(methods: NDArray[np.uint8]) -> Bools:
    """Return a mask over `methods`: a timestamp, or the choice between several copies, gave the bounds."""
    timed: Bools = (methods == METHOD_TSECR) | (methods == METHOD_AMBIGUOUS)
    return timed


def losses(trace: Attempts, rows: ConnectionRows) -> NDArray[np.uint8]:
    """Return what was lost, as indices into `LOSSES`; the first loss of the handshake if there were several."""
    c = trace.connections
    e, client, server = trace.endpoints, trace.client_rows[rows], trace.server_rows[rows]
    stamped = (e["options"][client] & e["options"][server] & OPT_TIMESTAMPS) != 0
    forth, back = c["synack_method"][rows], c["ackdat_method"][rows]
    rules = [
        (forth == METHOD_TSECR, SYN),
        ((forth == METHOD_AMBIGUOUS) & stamped & (c["synack_tsecr"][rows] == e["syn_tsval"][client]), SYNACK_BEFORE),
        (forth == METHOD_AMBIGUOUS, UNKNOWN),
        (back == METHOD_TSECR, SYNACK_AFTER),
        ((back == METHOD_AMBIGUOUS) & stamped & (c["ack_tsecr"][rows] == e["syn_tsval"][server]), ACK),
    ]
    found: NDArray[np.uint8] = np.select([mask for mask, _ in rules], [code for _, code in rules], UNKNOWN).astype(
        np.uint8
    )
    return found


def service_finding(case: Case, attempts: ConnectionRows, delay: Times, fits: backoff.Fits) -> Finding:
    """Return the finding for one service."""
    trace = case.attempts
    c = trace.connections
    outcome = case.outcomes.outcome[attempts]
    connects = attempts[outcome == ESTABLISHED]
    late = connects[delay[connects] >= LEAST_DELAY_NS]
    prompt = connects[delay[connects] < LEAST_DELAY_NS]
    failed = attempts[((outcome == TIMED_OUT) | (outcome == HALF_OPEN)) & (c["syn_count"][attempts] > 1)]
    kinds = np.bincount(losses(trace, late), minlength=len(LOSSES))
    penalty = quantiles(delay[late], "delay")
    stacks = fits.counts(chained(late, failed))
    metrics = {
        "connections": len(connects),
        "delayed": len(late),
        "delayed_ratio": ratio(len(late), len(connects)),
        **penalty,
        "delay_total_ns": int(delay[late].sum()),
        "lost": dict(zip(LOSSES, kinds.tolist(), strict=True)),
        "needless_copies": int(answered_first(trace, prompt).sum()),
        "retried_and_failed": len(failed),
        "backoff": stacks,
        "gives_up_ns": {name: backoff.gives_up_ns(name) for name in stacks},
    }
    grave = len(late) >= MANY and len(late) >= SHARE * len(connects)
    host, port = target(trace, int(attempts[0]))
    several = f"{share(len(late), len(connects))} of connects to {addr(host, port)} were"
    hit = several if len(connects) > 1 else f"The connect to {addr(host, port)} was"
    cited = earliest(trace, late)
    frames = np.where(c["syn_count"][cited] > 1, c["syn_frame"][cited], c["synack_frame"][cited])
    return Finding(
        KIND,
        "warning" if grave else "info",
        f"{hit} delayed by {duration(penalty['delay_p50_ns'])}: {blame(kinds)}",
        host,
        port,
        metrics=metrics,
        advice="Capture at both ends to find where it is lost; on the server look at `nstat -az TcpExtListenDrops "
        "TcpExtTCPReqQFullDrop` and at conntrack or firewall drops, on the path at `mtr -T`.",
        frames=tuple(frames.tolist()),
        connections=tuple(cited.tolist()),
        **window(trace, late),
    )


def answered_first(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the first SYN or SYN-ACK was answered although it was retransmitted (a slow path)."""
    c = trace.connections
    first = is_far(trace, rows)
    for asked, answered, leg in (("syn", "synack", "synack"), ("synack", "ack", "ackdat")):
        echoed = np.flatnonzero(c[f"{leg}_method"][rows] == METHOD_TSECR)
        some = rows[echoed]
        since = c[f"{answered}_ns"][some] - c[f"{asked}_ns"][some]
        first[echoed] |= c[f"{leg}_min_ns"][some] >= since
    return first & (trace.facts[rows] & FACT_SYNACK != 0)


def blame(kinds: NDArray[np.intp]) -> str:
    """Format what was lost, the most frequent first."""
    words = {
        SYN: ("SYN", " lost between the capture and the server"),
        SYNACK_BEFORE: ("SYN-ACK", " lost between the server and the capture"),
        SYNACK_AFTER: ("SYN-ACK", " lost between the capture and the client"),
        ACK: ("final ACK", " lost between the client and the capture"),
        UNKNOWN: ("SYN or SYN-ACK", " lost"),
    }
    order = sorted((kind for kind in words if kinds[kind]), key=lambda kind: -kinds[kind])
    return ", ".join(plural(int(kinds[kind]), words[kind][0]) + words[kind][1] for kind in order)
