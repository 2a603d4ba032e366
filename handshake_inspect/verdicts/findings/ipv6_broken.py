"""`ipv6-broken`: a client's IPv6 connections fail where IPv4 to the same name works.

A name counts if all of this client's attempts on its IPv6 addresses failed (no answer, or an ICMP error) while the
client reached an IPv4 address that a lookup of the same name had returned. Programs that race both families hide it
behind a wait of 250 ms or more (RFC 8305 section 5); others wait until TCP gives up.

One finding per client. The cost is the time from its first SYN over IPv6 to its first SYN over IPv4 after that; without
one, there was no fallback.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, median
from handshake_inspect.verdicts.findings.named_attempts import Address, pairs
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.wire.text import duration, plural

Broken = tuple[list[int], list[int]]  # failed IPv6 attempts, successful IPv4 attempts


def detect(case: Case) -> list[Finding]:
    """Return one finding per client, the one with the most failed attempts first."""
    found: dict[Address, list[Broken]] = defaultdict(list)
    for _, client, addresses in pairs(case):
        six = [each for each in addresses.values() if each.is_v6]
        failed = [attempt for each in six for attempt in each.failed]
        worked = [attempt for each in addresses.values() if not each.is_v6 for attempt in each.worked]
        if failed and worked and not any(each.worked for each in six):
            found[client].append((failed, worked))
    ordered = sorted(found.items(), key=lambda item: -sum(len(failed) for failed, _ in item[1]))
    return capped(KIND, "clients without IPv6", ordered, lambda item: finding(case, *item))


KIND = Kind(
    "ipv6-broken",
    "IPv6 does not work",
    "Connections to the IPv6 addresses of a name come to nothing, while its IPv4 addresses work for the same client.",
    detect,
    {
        "connections": Metric(int, "Attempts over IPv6 that came to nothing."),
        "names": Metric(int, "Names that were reached over IPv4 alone."),
        "fallback_p50_ns": Metric(int | None, "First SYN over IPv6 to first SYN over IPv4, the median.", "ns"),
        "without_fallback": Metric(int, "Names that the client did not try over IPv4 afterwards."),
    },
)


def fallback_ns(case: Case, broken: Broken) -> int | None:
    """Return the time from the first IPv6 attempt to the first IPv4 attempt after it, or None."""
    failed, worked = broken
    began = case.attempts.first_times
    first = int(began[failed].min())
    later = [int(each) for each in began[worked] if each >= first]
    return min(later) - first if later else None


def finding(case: Case, client: Address, broken: Sequence[Broken]) -> Finding:
    """Return the finding for one client."""
    rows = AttemptRows(np.array(sorted({attempt for failed, _ in broken for attempt in failed}), dtype=np.intp))
    costs = [fallback_ns(case, each) for each in broken]
    known = np.array([each for each in costs if each is not None], dtype=np.int64)
    cost = median(known)
    without = costs.count(None)
    wait = f"each costs {duration(cost)} until IPv4 is tried" if cost is not None else "IPv4 is not tried afterwards"
    frames, connections = cite(case, rows)
    times = case.attempts.first_times[rows]
    return Finding(
        KIND,
        "warning",
        f"IPv6 does not work for {addr(client)}: {plural(len(rows), 'attempt')} on {plural(len(broken), 'name')} "
        f"came to nothing; {wait}",
        client,
        None,
        int(times.min()),
        int(case.attempts.last_times[rows].max()),
        {"connections": len(rows), "names": len(broken), "fallback_p50_ns": cost, "without_fallback": without},
        "Mend the path (`ping -6`, `ip -6 route`, ICMPv6 through the firewalls), or stop announcing it: no AAAA record "
        "and no router advertisement is better than an IPv6 that goes nowhere.",
        frames,
        connections,
    )
