"""`rst-injection`: RSTs that their alleged sender did not send, or that their target ignored.

A connection counts if its RST

- does not fit its alleged sender by TTL, timing or IP ID, or the sender went on (`verdicts/resets.py`); or
- was ignored: its target went on acknowledging and sending; or
- had an impossible sequence or acknowledgment number. This applies only to established connections that no RST or FIN
  ended: a RST of an old connection, one repeated after the end, and the answers of a closed host to old segments are
  out of sequence, too.

Exceptions: if two hosts own the address, the RST is the other host's (`address-conflict`); if many RSTs agree on the
idle period before them, a device's table dropped the connections (`idle-timeout`).

Severity: `warning`. The target is the service whose connections are hit.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_RST, FACT_RST_DOUBTED, FACT_RST_IGNORED, TRAIT_FIN
from handshake_inspect.verdicts import grouping, resets
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import idle_timeout
from handshake_inspect.verdicts.findings.base import CITED, addr, earliest, largest, target, window
from handshake_inspect.verdicts.flag_filter import hides_final_acks
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.text import plural


def detect(case: Case) -> list[Finding]:
    """Return one finding per service whose connections were hit."""
    trace = case.attempts
    signs = resets.signs(trace)
    ignored, doubted = ignored_rsts(case), impossible_rsts(case)
    rows = injected_rows(case)
    groups = grouping.group(trace.server_key[rows], rows)
    return largest(
        KIND,
        "services with forged RSTs",
        np.arange(len(groups)),
        groups.sizes,
        lambda g: service_finding(trace, groups.of(g), signs, ignored, doubted),
    )


KIND = Kind(
    "rst-injection",
    "Forged RST",
    "A RST does not fit the host that it claims to be from, or its target ignored it: a device on the way sent it.",
    detect,
    {
        "connections": Metric(int, "Connections that a forged RST hit."),
        "ended_by_it": Metric(int, "Those that it ended."),
        "ignored_by_target": Metric(int, "RSTs after which their target went on."),
        "impossible_sequence": Metric(int, "RSTs whose sequence number their target could not accept."),
        "odd_ttl": Metric(int, "RSTs with another TTL than their host's."),
        "odd_timing": Metric(int, "RSTs that came sooner than their host can answer."),
        "odd_ip_id": Metric(int, "RSTs whose IP ID is out of their host's count."),
        "sender_went_on": Metric(int, "RSTs whose claimed sender went on."),
        "rst_ttls": Metric(list[int], "TTLs (hop limits) of the RSTs."),
        "host_ttls": Metric(list[int], "TTLs (hop limits) that the hosts are known by."),
    },
)


@once
def injected_rows(case: Case) -> ConnectionRows:
    """Return the connections with a forged RST."""
    forged = resets.signs(case.attempts).any | ignored_rsts(case) | impossible_rsts(case)
    forged[idle_timeout.explained_rows(case)] = False
    return case.attempts.tracked_where(forged & ~resets.two_hosts(case.attempts))


def ignored_rsts(case: Case) -> NDArray[np.bool_]:
    """Return a mask over connections whose RST did not end them: its target went on."""
    ignored: NDArray[np.bool_] = case.attempts.facts & FACT_RST_IGNORED != 0
    return ignored


def impossible_rsts(case: Case) -> NDArray[np.bool_]:
    """Return a mask over established connections that received a RST with an impossible number and were not ended.

    If a flag filter dropped the segments in between, no number counts as impossible.
    """
    trace, facts = case.attempts, case.attempts.facts
    if hides_final_acks(trace):
        return trace.connection_mask()
    doubted = (facts & FACT_RST_DOUBTED != 0) & (facts & FACT_RST == 0)
    doubted &= trace.of_connections(case.outcomes.outcome) == ESTABLISHED
    impossible: NDArray[np.bool_] = doubted & (trace.either_end & TRAIT_FIN == 0)
    return impossible


def service_finding(
    trace: Attempts,
    rows: ConnectionRows,
    signs: resets.Signs,
    ignored: NDArray[np.bool_],
    doubted: NDArray[np.bool_],
) -> Finding:
    """Return the finding for one service."""
    c = trace.connections
    ended = rows[trace.facts[rows] & FACT_RST != 0]
    believed = len(ended)
    known = rows[c["rst_frame"][rows] > 0]
    cited = earliest(trace, rows)
    frames = np.where(c["rst_frame"][cited] > 0, c["rst_frame"][cited], c["trouble_frame"][cited])
    metrics = {
        "connections": len(rows),
        "ended_by_it": believed,
        "ignored_by_target": int(ignored[rows].sum()),
        "impossible_sequence": int(doubted[rows].sum()),
        "odd_ttl": int(signs.ttl[rows].sum()),
        "odd_timing": int(signs.timing[rows].sum()),
        "odd_ip_id": int(signs.ip_id[rows].sum()),
        "sender_went_on": int(signs.went_on[rows].sum()),
        "rst_ttls": sorted({int(ttl) for ttl in distinct(c["rst_ttl"][known])})[:CITED],
        "host_ttls": host_ttls(trace, known),
    }
    host, port = target(trace, int(rows[0]))
    verb = "ended" if believed == len(rows) else "tried to end" if believed == 0 else "hit"
    return Finding(
        KIND,
        "warning",
        f"Forged RSTs {verb} {plural(len(rows), 'connection')} of {addr(host, port)}: {reason(metrics)}",
        host,
        port,
        metrics=metrics,
        advice="Look for a firewall, IPS or proxy on the path that resets connections: capture on both sides of it, or "
        "compare the TTL of the RST with the hops that `traceroute -T` shows.",
        frames=tuple(frames.tolist()),
        connections=tuple(cited.tolist()),
        **window(trace, rows),
    )


def reason(metrics: dict[str, object]) -> str:
    """Format the signs, the strongest first."""
    words = {
        "odd_ttl": "their TTL is not the host's",
        "odd_timing": "they came sooner than the host can answer",
        "odd_ip_id": "their IP ID is out of the host's count",
        "sender_went_on": "the host that they claim to be from went on",
        "ignored_by_target": "their target went on",
        "impossible_sequence": "their sequence number was impossible",
    }
    return ", ".join(text for key, text in words.items() if metrics[key])


def host_ttls(trace: Attempts, rows: ConnectionRows) -> list[int]:
    """Return the known TTLs of the alleged senders."""
    refused = rows[trace.connections["rst_side"][rows] != trace.connections["client"][rows]]
    low, _ = resets.ttls_of_hosts(trace, trace.server_host[refused])
    ends = trace.endpoints["syn_ttl"][2 * rows + trace.connections["rst_side"][rows]]
    return sorted({int(ttl) for ttl in np.concatenate([ends, low[low < 255]]).tolist() if ttl})[:CITED]
