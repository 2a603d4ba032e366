"""Probes of a scanner: attempts without an exchange, and first segments other than a SYN.

Used by `port_scan.py`, whose docstring has the rules.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_CLIENT_DATA,
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_SERVER_DATA,
    FACT_SYN,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_SEEN,
)
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings.expired_services import is_used
from handshake_inspect.verdicts.findings.syn_flood import flood_rows
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, chained
from handshake_inspect.verdicts.sets import host_key
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM
from handshake_inspect.wire.const import FIN, PSH, URG

ODD_FRAMES = 2  # a probe and its retransmission

SYN_SCAN, FIN_SCAN, NULL_SCAN, XMAS_SCAN, ACK_SCAN, MAIMON_SCAN = range(6)
SCAN_WORDS = ("syn", "fin", "null", "xmas", "ack", "fin")


@dataclass(frozen=True, eq=False, repr=False)
class Probes:
    """All probes of a case, as parallel columns: attempt, sender, probed service and host, kind."""

    rows: AttemptRows
    source: Keys
    service: Keys
    host: Keys
    kind: NDArray[np.uint8]

    @property
    def source_and_kind(self) -> Keys:
        """Return a key of source and kind per probe."""
        return self.source ^ self.kind

    def some(self, chosen: Any) -> "Probes":
        """Return the selected probes."""
        return Probes(*(column[chosen] for column in vars(self).values()))


def all_probes(case: Case) -> Probes:
    """Return SYN probes and those without a handshake."""
    trace = case.attempts
    plain = trace.where(unused(case) & ~flood_rows(case))
    odd, kinds = odd_probes(case)
    c = trace.connections
    return Probes(
        chained(plain, odd),
        np.concatenate([trace.client_host[plain], host_key(c["hi0"][odd], c["lo0"][odd])]),
        np.concatenate([trace.server_key[plain], host_key(c["hi1"][odd], c["lo1"][odd], c["port1"][odd])]),
        np.concatenate([trace.server_host[plain], host_key(c["hi1"][odd], c["lo1"][odd])]),
        np.concatenate([np.full(len(plain), SYN_SCAN, dtype=np.uint8), kinds]),
    )


def unused(case: Case) -> Bools:
    """Return a mask over attempts that began with a SYN and exchanged no data."""
    facts = case.attempts.facts
    mask: Bools = case.attempts.column(facts & FACT_SYN != 0, True)
    of_connections = case.attempts.of_connections(mask)
    moved = case.attempts.tracked_where(facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) != 0)
    mask[moved[is_used(case, moved)]] = False
    done = of_connections & (case.attempts.of_connections(case.outcomes.outcome) == ESTABLISHED)
    over = (facts & FACT_RST != 0) | (case.attempts.either_end & TRAIT_FIN != 0)
    of_connections &= ~done | over  # an open connection may still be used
    return mask


def odd_probes(case: Case) -> tuple[ConnectionRows, NDArray[np.uint8]]:
    """Return the connections that are just a first segment other than a SYN, and the kind of each."""
    trace = case.attempts
    facts = trace.facts
    rows = trace.tracked_where(
        (facts & FACT_MIDSTREAM != 0) & (facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) == 0)
        & (trace.of_connections(case.outcomes.outcome) == MIDSTREAM)
    )  # fmt: skip
    ends = trace.endpoints[np.stack([2 * rows, 2 * rows + 1], axis=1)]
    answered = ends["traits"][:, 1] & TRAIT_SEEN != 0
    alone = (
        (ends["frames"][:, 0] <= ODD_FRAMES) & (ends["frames"][:, 1] <= ODD_FRAMES) & (ends["bytes"] == 0).all(axis=1)
    )
    alone &= ~answered | ((facts[rows] & FACT_RST != 0) & (trace.connections["rst_side"][rows] == 1))
    alone &= (ends["traits"][:, 1] & (TRAIT_FIN | TRAIT_ACKS)) != (TRAIT_FIN | TRAIT_ACKS)
    closing = ends["traits"][:, 0] & (TRAIT_FIN | TRAIT_ACKS) == (TRAIT_FIN | TRAIT_ACKS)
    alone &= ~closing | (trace.connections["client"][rows] == 0)  # a server's FIN ACK ends a connection
    alone &= (ends["traits"][:, 0] & TRAIT_ACKS == 0) | (ends["tsval"][:, 0] == 0)  # timestamps: a kernel's ACK
    rows = rows[alone]
    traits = ends["traits"][alone, 0]
    kinds = np.where(traits & TRAIT_FIN != 0, fin_kind(trace.connections[rows]), NULL_SCAN)
    with_ack = np.where(traits & TRAIT_FIN != 0, MAIMON_SCAN, ACK_SCAN)
    return rows, np.where(traits & TRAIT_ACKS != 0, with_ack, kinds).astype(np.uint8)


def fin_kind(connections: NDArray[Any]) -> NDArray[np.uint8]:
    """Return XMAS_SCAN if FIN, PSH and URG are set, else FIN_SCAN."""
    flags = connections["first_flags"]
    return np.where(flags & (FIN | PSH | URG) == FIN | PSH | URG, XMAS_SCAN, FIN_SCAN).astype(np.uint8)
