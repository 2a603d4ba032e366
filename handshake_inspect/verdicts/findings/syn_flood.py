"""`syn-flood`: many attempts on one service that never complete, from sources that never complete anything.

Judged by the number of concurrently unfinished attempts and by the share that completes; never by the rate of SYNs,
which a healthy burst has, too.

An attempt is *bogus* if its SYN is in the capture and was sent once, nothing but SYN-ACKs followed (or the RST of an
unsuspecting host whose address was forged), and its source completes less than one in 20 of its attempts. A service is
flooded if

- `MIN_ATTEMPTS` bogus attempts were made, and `MIN_UNFINISHED` of them were unfinished at the same time: 64 is the
  smallest backlog in common use, and fewer harm nobody. An attempt is unfinished until 3 s (`Limits.unanswered_ns`)
  after its last segment, or until its RST, but for at least `MIN_HELD_NS`;
- they are at least `MIN_SHARE` of all attempts in that time: below that the service just loses packets;
- most failed attempts were not retransmitted. A kernel retransmits a SYN after 1 s (RFC 6298 section 2.1), so this
  covers attempts older than `RETRY_NS`. Real clients of a dead or overloaded server retransmit theirs, with the same
  ISN;
- the rest is not just missing from the capture, as with a filter that keeps only SYNs. One of these proves it: the
  server retransmits SYN-ACKs; the capture holds final ACKs of others, and these attempts were answered or come from a
  hundred scattered sources that each appear once (of so many kernels some would have retransmitted a SYN; at most a
  tenth as many attempts did); or the SYNs look forged.

SYNs look forged if at least half of them lack SACK, timestamps and window scale, which every current stack offers; or
have one ISN or ISNs in arithmetic progression; or have one TTL although they claim to come from a hundred sources in
networks all over the world that each appear once. The last is not enough if the capture ends too early to show
retransmissions.

A scan tries each service once or twice and never reaches these numbers. SYNs to many ports of one host are a flood on
the host (`port` null) only if they come from `MIN_UNFINISHED` sources. SYNs to many hosts of a network (IPv4 /24, IPv6
/64), none of which reaches the numbers alone, are a flood on the network, with the prefix as target (198.51.100.0/24):
see `carpet.py`.

The window is from the first to the last second with at least 1 % of the busiest second's bogus SYNs; all metrics are
for the window. Severity: `critical`; `warning` if nine in ten of the legitimate clients in the window connected without
retransmitting a SYN.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts.advice_steps import COOKIES_ON, Step, sentence
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, cite, median, ratio, target
from handshake_inspect.verdicts.findings.carpet import carpets
from handshake_inspect.verdicts.findings.flood_signs import SIGNS
from handshake_inspect.verdicts.findings.flooding import (
    MIN_UNFINISHED,
    Flood,
    Target,
    candidates,
    judge,
    narrow,
    unfinished,
)
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.host import QUEUE_SETTINGS, HostEvidence
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.sets import count_distinct, distinct, is_member
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.address import prefix_text
from handshake_inspect.wire.text import duration, plural

UNHARMED = 0.9
PORTS = 20  # a finding lists at most so many ports, the lowest

CARPET_ADVICE = (
    "Have {where} scrubbed upstream as a whole, since limits for each host do not see it, and enable SYN cookies "
    "(`sysctl -w net.ipv4.tcp_syncookies=1`) on all of its hosts."
)

FEW_RETRIES = 2  # the default is 5 retransmissions of a SYN-ACK; with fewer than this, a lost one is rarely repaired
STEPS = (
    Step("enable SYN cookies (`sysctl -w net.ipv4.tcp_syncookies=1`)", "tcp_syncookies", lambda mode: mode >= 1),
    Step("raise net.ipv4.tcp_max_syn_backlog and the listener's backlog"),
    Step("lower net.ipv4.tcp_synack_retries", "tcp_synack_retries", lambda most: most <= FEW_RETRIES),
    Step("have forged sources filtered upstream"),
)


def detect(case: Case) -> list[Finding]:
    """Return one finding per flooded service, host or network."""
    return [describe(case, flood) for flood in floods(case)]


FARED = {
    "connections": Metric(int, "Their attempts."),
    "established": Metric(int, "Attempts that were established."),
    "served_at_once": Metric(int, "Attempts that were established with their first SYN."),
    "success_ratio": Metric(float | None, "`established` of `connections`.", "ratio"),
    "rtt_p50_ns": Metric(int | None, "Handshake RTT, the median.", "ns"),
    "connect_p50_ns": Metric(int | None, "Time from the first SYN to the final ACK, the median.", "ns"),
    "connect_max_ns": Metric(int | None, "The longest time from the first SYN to the final ACK.", "ns"),
}
KIND = Kind(
    "syn-flood",
    "SYN flood",
    "Many attempts are unfinished at one target, from sources that never complete anything. Judged by the "
    "half-open population and the completion ratio, not by the rate of SYNs.",
    detect,
    {
        "syns": Metric(int, "SYNs of the flood."),
        "duration_ns": Metric(int, "Length of the flood's window.", "ns"),
        "peak_syns_per_s": Metric(int, "SYNs of the flood in its busiest second.", "1/s"),
        "peak_unfinished": Metric(int, "Peak number of unfinished attempts at the same time."),
        "sources": Metric(int, "Addresses that the SYNs claim to come from."),
        "hosts": Metric(int, "Hosts that were hit, of a flood on more than one service."),
        "ports": Metric(list[int], f"Ports that were hit, the lowest {PORTS}, of a flood on more than one service."),
        "port_count": Metric(int, "How many ports were hit, of a flood on more than one service."),
        "answered": Metric(int, "SYNs of the flood that a SYN-ACK answered."),
        "answered_ratio": Metric(float | None, "`answered` of `syns`.", "ratio"),
        "completion_ratio": Metric(float | None, "Established connections of all attempts in the window.", "ratio"),
        "retried_syns_ratio": Metric(float | None, "Those that repeated their SYN, of all that failed.", "ratio"),
        "spoofing_signs": Metric(dict[str, Any], "What says whether the sources are forged.", keys=SIGNS),
        "legitimate_clients": Metric(
            dict[str, Any],
            "How the other clients of the target fared.",
            keys={
                "inside": Metric(dict[str, Any], "In the window of the flood.", keys=FARED),
                "outside": Metric(dict[str, Any], "Before and after it.", keys=FARED),
            },
        ),
    },
    size="syns",
    steps=STEPS,
    at_target=(
        HostEvidence(
            ("syncookies_sent", "tcp_req_q_full_do_cookies", "tcp_req_q_full_drop", "listen_overflows", "listen_drops"),
            (*QUEUE_SETTINGS, "tcp_synack_retries"),
        ),
    ),
)


@once
def floods(case: Case) -> tuple[Flood, ...]:
    """Return the floods of a case: services, then hosts, then networks, which replace their hosts."""
    trace = case.attempts
    bogus, retried = unfinished(case)
    found = on_targets(case, bogus, retried, trace.server_key)
    for flood in found:
        bogus[flood.rows] = False
    found += on_targets(case, bogus, retried, trace.server_host, whole_host=True)
    return carpets(case, bogus, retried, found)


def on_targets(case: Case, bogus: Bools, retried: Bools, keys: Keys, *, whole_host: bool = False) -> list[Flood]:
    """Return the floods on targets with these keys, the largest first."""
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
        host, port = target(case.attempts, int(mine[0]))
        on = Target(host, None if whole_host else port)
        flood = judge(case, mine, others.get(int(keys[mine[0]]), rest[:0]), retried, on)
        if flood:
            found.append(flood)
    return sorted(found, key=lambda flood: -len(flood.rows))


def is_spread(case: Case, rows: AttemptRows) -> bool:
    """Return whether attempts on a host go to several ports and come from many sources."""
    trace = case.attempts
    return count_distinct(trace.server_key[rows]) > 1 and count_distinct(trace.client_host[rows]) >= MIN_UNFINISHED


@once
def flood_rows(case: Case) -> Bools:
    """Return a mask over attempts that are part of a flood."""
    return case.attempts.mask(*(flood.rows for flood in floods(case)))


# -- the finding ---------------------------------------------------------------------------------------------------


def describe(case: Case, flood: Flood) -> Finding:
    """Return the finding for one flood."""
    trace, on = case.attempts, flood.target
    rows = flood.rows
    where = addr(on.host, on.port) if on.prefix is None else prefix_text(*on.host, on.prefix)
    answered = int(np.count_nonzero(trace.facts[trace.tracked(rows)] & FACT_SYNACK))
    clients = legitimate(case, flood)
    inside = clients["inside"]
    unharmed = inside["connections"] > 0 and inside["served_at_once"] >= UNHARMED * inside["connections"]
    total = len(rows) + inside["connections"]
    spread = {} if on.port is not None else spread_over(case, rows)
    metrics: dict[str, Any] = {
        "syns": len(rows),
        "duration_ns": flood.end_ns - flood.start_ns,
        "peak_syns_per_s": flood.peak_syns_per_s,
        "peak_unfinished": flood.peak_unfinished,
        "sources": flood.sources,
        **spread,
        "answered": answered,
        "answered_ratio": ratio(answered, len(rows)),
        "completion_ratio": ratio(inside["established"], total),
        "retried_syns_ratio": ratio(flood.retried, flood.retried + len(rows)),
        "spoofing_signs": flood.signs,
        "legitimate_clients": clients,
    }
    return Finding(
        KIND,
        "warning" if unharmed else "critical",
        f"SYN flood on {where}: {len(rows):,} SYNs {'to ' + plural(spread['hosts'], 'host') + ' ' if on.prefix else ''}"
        f"from {plural(flood.sources, 'source')} in {duration(flood.end_ns - flood.start_ns)} never completed, "
        f"up to {flood.peak_unfinished:,} unfinished at once",
        on.host,
        on.port,
        flood.start_ns,
        flood.end_ns,
        metrics,
        sentence(STEPS) if on.prefix is None else CARPET_ADVICE.format(where=where),
        *cite(case, rows),
        prefix=on.prefix,
    )


def with_cookies(found: Finding) -> Finding:
    """Return the finding for a service that uses SYN cookies, without the advice to enable them."""
    return replace(found, advice=COOKIES_ON + sentence(STEPS[1:])) if found.advice == sentence(STEPS) else found


def spread_over(case: Case, rows: AttemptRows) -> dict[str, Any]:
    """Return the hosts and ports of a flood on more than one service, as metrics."""
    ports = distinct(case.attempts.server("port")[rows])
    return {
        "hosts": count_distinct(case.attempts.server_host[rows]),
        "ports": ports[:PORTS].tolist(),
        "port_count": len(ports),
    }


def legitimate(case: Case, flood: Flood) -> dict[str, dict[str, Any]]:
    """Return how the other clients of the target fared inside and outside of the window."""
    inside = within(case, flood)
    return {"inside": fared(case, flood.others[inside]), "outside": fared(case, flood.others[~inside])}


def within(case: Case, flood: Flood) -> Bools:
    """Return a mask over the other attempts on the target: began during the flood."""
    began = case.attempts.connection("first_ns", flood.others)
    inside: Bools = (began >= flood.start_ns) & (began <= flood.end_ns)
    return inside


def fared(case: Case, rows: AttemptRows) -> dict[str, Any]:
    """Return success counts and handshake times of some attempts."""
    c = case.attempts.connections
    tracked = case.attempts.tracked(rows)
    alone = len(rows) - len(tracked)
    tracked = tracked[c["facts"][tracked] & FACT_SYN != 0]
    attempts = len(tracked) + alone
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
