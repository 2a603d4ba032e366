"""`stalled`: one end keeps sending on a connection, and nothing is acknowledged any more.

A connection counts if a segment was retransmitted at least 4 times over 3 s or longer, or at least 5 keep-alives were
sent, without any acknowledgment, on an established connection captured in both directions (thresholds and reasons:
`verdicts/silence.py`). 2 keep-alives suffice if their sender gave up with a RST: a kernel that found its peer dead
(tcp_keepalive_probes), not a client that reset the connection.

Not counted is what another finding explains: a path that takes only short packets (`path-mtu`), a full accept queue
(`accept-queue-overflow`); nor a receiver with a zero window.

Severity: `info`; `warning` from `MANY` connections of a service: one host may die, many at once suggest a device on the
path that dropped them. `idle_before_*` is the idle period before the segment that was never acknowledged: longer than
the lifetime of a NAT or firewall entry, and the connection is lost silently.
"""

from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import FACT_RST, TRAIT_FIN
from handshake_inspect.verdicts import silence
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import accept_queue, path_mtu
from handshake_inspect.verdicts.findings.base import CITED, addr, largest, median, target
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct
from handshake_inspect.verdicts.silence import Silence
from handshake_inspect.wire.text import duration, plural

MANY = 3
IDLE_NS = 10_000_000_000  # an idle period this long may have outlived a table entry of a device on the path


@once
def stalled(case: Case) -> Silence:
    """Return the stalled connections that no other finding explains."""
    waiting = silence.silent_ends(case.attempts, case.outcomes)
    if not len(waiting.rows):
        return waiting
    explained = path_mtu.hit(case).copy()
    explained[accept_queue.accused_rows(case)] = True
    return waiting.select(np.flatnonzero(~explained[waiting.rows]))


def detect(case: Case) -> list[Finding]:
    """Return one finding per service with stalled connections."""
    waiting = stalled(case)
    if not len(waiting.rows):
        return []
    groups = group(case.attempts.server_key[waiting.rows], np.arange(len(waiting.rows)))
    return largest(
        KIND,
        "services with connections that stand still",
        np.arange(len(groups)),
        groups.sizes,
        lambda g: finding(case.attempts, waiting.select(groups.of(g))),
    )


KIND = Kind(
    "stalled",
    "Connections stand still",
    "One end repeats data or keep-alives and the other no longer acknowledges anything: a dead host, or a device on "
    "the path that dropped the connection's state.",
    detect,
    {
        "connections": Metric(int, "Connections that have stalled."),
        "client_waits": Metric(int, "Those whose client repeats and gets no answer."),
        "server_waits": Metric(int, "Those whose server repeats and gets no answer."),
        "keep_alives_unanswered": Metric(int, "Those whose keep-alives get no answer."),
        "repeats_max": Metric(int, "Most repeats of one segment."),
        "waited_max_ns": Metric(int, "Longest time that one end repeated.", "ns"),
        "idle_before_min_ns": Metric(int, "Pause before the segment that was never acknowledged, the shortest.", "ns"),
        "idle_before_p50_ns": Metric(
            int | None, "Pause before the segment that was never acknowledged, the median.", "ns"
        ),
        "idle_before_max_ns": Metric(int, "Pause before the segment that was never acknowledged, the longest.", "ns"),
        "ended_as_peer_was_dead": Metric(int, "Connections that a kernel gave up since its peer was dead."),
        "ended_by_rst": Metric(int, "Other connections that ended with a RST."),
        "ended_by_fin": Metric(int, "Connections with a FIN and no RST."),
        "open": Metric(int, "Connections that neither end closed."),
    },
)


def finding(trace: Attempts, waiting: Silence) -> Finding:
    """Return the finding for one service."""
    host, port = target(trace, int(waiting.rows[0]))
    first, last = waiting.since(trace), waiting.until(trace)
    idle = waiting.idle(trace)
    connections = len(distinct(waiting.rows))
    by_client = waiting.sides == trace.connections["client"][waiting.rows]
    after = idle[idle >= IDLE_NS]
    metrics: dict[str, Any] = {
        "connections": connections,
        "client_waits": int(by_client.sum()),
        "server_waits": int((~by_client).sum()),
        "keep_alives_unanswered": int(waiting.probing.sum()),
        "repeats_max": int(np.where(waiting.probing, 0, waiting.of(trace, "repeats")).max()),
        "waited_max_ns": int((last - first).max()),
        "idle_before_min_ns": int(idle.min()),
        "idle_before_p50_ns": median(idle),
        "idle_before_max_ns": int(idle.max()),
        **endings(trace, waiting),
    }
    pause = f", after pauses of {duration(int(after.min()))} or more" if len(after) * 2 > len(idle) else ""
    cited = np.lexsort((trace.ids[waiting.rows], first))[:CITED]
    return Finding(
        KIND,
        "warning" if connections >= MANY else "info",
        f"{plural(connections, 'connection')} to {addr(host, port)} stalled: one end repeated what was never "
        f"acknowledged, for up to {duration(metrics['waited_max_ns'])}{pause}",
        host,
        port,
        int(first.min()),
        int(last.max()),
        metrics,
        advice(bool(pause)),
        tuple(waiting.select(cited).frames(trace)),
        tuple(dict.fromkeys(waiting.rows[cited].tolist())),
    )


def endings(trace: Attempts, waiting: Silence) -> dict[str, int]:
    """Count how the connections ended: given up by a kernel or an application, closed, or open."""
    rows = ConnectionRows(distinct(waiting.rows))
    reset = trace.facts[rows] & FACT_RST != 0
    dead = silence.has_given_up(trace, rows)
    closed = (trace.either_end[rows] & TRAIT_FIN != 0) & ~reset
    return {
        "ended_as_peer_was_dead": int(dead.sum()),
        "ended_by_rst": int((reset & ~dead).sum()),
        "ended_by_fin": int(closed.sum()),
        "open": int((~reset & ~closed).sum()),
    }


def advice(idle: bool) -> str:
    """Return the advice; `idle`: the connections stalled after idle periods."""
    if idle:
        return (
            "Let keep-alives run before the device on the path drops the connection's state (SO_KEEPALIVE with `sysctl "
            "net.ipv4.tcp_keepalive_time` below the shortest pause), or let the pool close idle connections sooner."
        )
    return (
        "Check whether the host was up, and what changed on the path (route, firewall state, failover); "
        "TCP_USER_TIMEOUT, or `sysctl net.ipv4.tcp_retries2`, lets the application know sooner."
    )
