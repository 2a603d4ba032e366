"""Attempts by the name that their client had looked up, for detectors that compare the addresses of one name."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.words import ESTABLISHED, REJECTED, TIMED_OUT
from handshake_inspect.wire.address import is_ipv4

Address = tuple[int, int]


def address_halves(address: bytes) -> Address:
    """Split a 16-byte address into two 64-bit halves."""
    return int.from_bytes(address[:8], "big"), int.from_bytes(address[8:], "big")


@dataclass
class AddressAttempts:
    """The attempts on one address of a name, by success."""

    worked: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)  # no answer, or an ICMP error
    is_v6: bool = False


@once
def by_name(case: Case) -> dict[tuple[str, Address], dict[Address, AddressAttempts]]:
    """Return the attempts per (name, client) and per address that the client was given."""
    found: dict[tuple[str, Address], dict[Address, AddressAttempts]] = defaultdict(lambda: defaultdict(AddressAttempts))
    outcome, decided = case.outcomes.outcome, case.outcomes.decided
    for attempt, place in case.names.lookup_of.items():
        lookup = case.lookups[place]
        address = case.attempts.one_end("server", attempt)[:2]
        named = found[lookup.names[0], address_halves(lookup.client)][address]
        named.is_v6 = not is_ipv4(*address)
        if outcome[attempt] == ESTABLISHED:
            named.worked.append(attempt)
        elif outcome[attempt] in (TIMED_OUT, REJECTED) and decided[attempt]:
            named.failed.append(attempt)
    return found


def pairs(case: Case) -> Iterator[tuple[str, Address, dict[Address, AddressAttempts]]]:
    """Yield the name and client of each pair with more than one address tried, and those addresses."""
    for (name, client), addresses in by_name(case).items():
        if len(addresses) > 1:
            yield name, client, addresses
