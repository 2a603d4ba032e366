"""Attempts that a finding of its own accounts for: roll-ups of failures leave them out.

A roll-up says "so many failed, for this reason".  Where another finding says why, a second one beside it only repeats
it: attempts of a SYN flood or of a port scan say nothing of the service, and what a flood crowds out is in its metrics
(`legitimate_clients`); a full accept queue, a box that resets in the server's name, and two hosts with one address have
findings with more to act on.
"""

import numpy as np

from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings import accept_queue, rst_injection
from handshake_inspect.verdicts.findings.port_scan import scan_rows
from handshake_inspect.verdicts.findings.syn_flood import flood_rows, floods, within
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.resets import two_hosts
from handshake_inspect.verdicts.words import CAUSE


@once
def explained(case: Case) -> Bools:
    """Which attempts another finding accounts for, in row order."""
    mask: Bools = flood_rows(case) | scan_rows(case)
    for rows in (beside_floods(case), accept_queue.explained_rows(case), rst_injection.injected_rows(case)):
        mask[rows] = True
    case.attempts.of_connections(mask)[:] |= two_hosts(case.attempts)
    return mask


def beside_floods(case: Case) -> AttemptRows:
    """Other attempts on the target of a flood: from impossible sources, whenever they began, or dropped meanwhile."""
    cause = case.outcomes.cause
    forged, dropped = cause == CAUSE["bogon-source"], cause == CAUSE["syn-dropped"]
    parts = [
        flood.others[forged[flood.others] | (within(case, flood) & dropped[flood.others])] for flood in floods(case)
    ]
    return AttemptRows(np.concatenate([np.zeros(0, dtype=np.intp), *parts]))
