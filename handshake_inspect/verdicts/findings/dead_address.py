"""`dead-address`: one of several addresses of a name never answers.

A name counts that lookups gave two or more addresses of one family, of which one was tried by `TRIES` or more attempts
that all came to nothing, while another established a connection for somebody.  Clients that pick addresses in turn meet
it again and again.  A family that works for no address is `ipv6-broken` and not this.
"""

from collections import defaultdict

import numpy as np

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import cite, first_of, write
from handshake_inspect.verdicts.findings.named_attempts import Address, Named, by_name
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.wire.text import plural

TRIES = 2

Dead = tuple[Address, list[int], int, int]  # address, attempts, addresses of the name that work, clients


def detect(case: Case) -> list[Finding]:
    """One finding for each dead address, the one with the most attempts first."""
    return first_of(KIND, "addresses that never answer", dead_addresses(case), lambda dead: finding(case, *dead))


KIND = Kind(
    "dead-address",
    "An address of a name never answers",
    "A name has several addresses, and one of them never answers while others work: part of the clients wait.",
    detect,
    {
        "connections": Metric(int, "Attempts on the dead address."),
        "clients": Metric(int, "Clients that tried it."),
        "working_addresses": Metric(int, "Addresses of the same name and family that work."),
    },
)


def dead_addresses(case: Case) -> list[Dead]:
    """Addresses that never worked, beside others of their name and family that did."""
    merged: dict[tuple[str, bool], dict[Address, tuple[Named, set[Address]]]] = defaultdict(dict)
    for (name, client), addresses in by_name(case).items():
        for address, named in addresses.items():
            whole, clients = merged[name, named.is_v6].setdefault(address, (Named(), set()))
            whole.worked += named.worked
            whole.failed += named.failed
            clients.add(client)
    found = {}
    for together in merged.values():
        working = sum(bool(whole.worked) for whole, _ in together.values())
        for address, (whole, clients) in together.items():
            if working and not whole.worked and len(whole.failed) >= TRIES:
                found[address] = (address, whole.failed, working, len(clients))
    return sorted(found.values(), key=lambda dead: -len(dead[1]))


def finding(case: Case, address: Address, attempts: list[int], working: int, clients: int) -> Finding:
    """One address that never answers."""
    rows = AttemptRows(np.array(sorted(attempts), dtype=np.intp))
    frames, connections = cite(case, rows)
    others = "another address of its name works" if working == 1 else f"{working} other addresses of its name work"
    return Finding(
        KIND,
        "warning",
        f"{write(address)} never answers ({plural(len(rows), 'attempt')}), while {others}",
        address,
        None,
        int(case.attempts.first_times[rows].min()),
        int(case.attempts.last_times[rows].max()),
        {"connections": len(rows), "clients": clients, "working_addresses": working},
        "Take the address out of the name's records, or bring the host back; a health check on the name server's side "
        "does that by itself.",
        frames,
        connections,
    )
