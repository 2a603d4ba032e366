"""`dead-address`: one of several addresses of a name never answers.

A name counts if lookups returned two or more addresses of one family, one of which failed for all of `TRIES` or more
attempts while another accepted a connection from any client. Clients that rotate addresses run into it repeatedly. If
no address of a family works, it is `ipv6-broken` instead.
"""

from collections import defaultdict

import numpy as np

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite
from handshake_inspect.verdicts.findings.named_attempts import Address, AddressAttempts, by_name
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.wire.text import plural

TRIES = 2

Dead = tuple[Address, list[int], int, int]  # address, attempts, addresses of the name that work, clients


def detect(case: Case) -> list[Finding]:
    """Return one finding per dead address, the one with the most attempts first."""
    return capped(KIND, "addresses that never answer", dead_addresses(case), lambda dead: finding(case, *dead))


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
    """Return the addresses that never worked while others of the same name and family did."""
    merged: dict[tuple[str, bool], dict[Address, tuple[AddressAttempts, set[Address]]]] = defaultdict(dict)
    for (name, client), addresses in by_name(case).items():
        for address, named in addresses.items():
            whole, clients = merged[name, named.is_v6].setdefault(address, (AddressAttempts(), set()))
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
    """Return the finding for one dead address."""
    rows = AttemptRows(np.array(sorted(attempts), dtype=np.intp))
    frames, connections = cite(case, rows)
    others = "another address of its name works" if working == 1 else f"{working} other addresses of its name work"
    return Finding(
        KIND,
        "warning",
        f"{addr(address)} never answers ({plural(len(rows), 'attempt')}), while {others}",
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
