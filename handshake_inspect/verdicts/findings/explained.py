"""Attempts that another finding accounts for; the roll-ups of failures leave them out.

A roll-up states how many attempts failed and why. It would only repeat a more specific finding: attempts of a SYN flood
or port scan say nothing about the service (the flood's `legitimate_clients` counts what it crowded out), and a full
accept queue, a middlebox that resets in the server's name, and two hosts with one address have findings with better
advice.
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
    """Return a mask over attempts that another finding accounts for."""
    mask: Bools = flood_rows(case) | scan_rows(case)
    for rows in (beside_floods(case), accept_queue.explained_rows(case), rst_injection.injected_rows(case)):
        mask[rows] = True
    case.attempts.of_connections(mask)[:] |= two_hosts(case.attempts)
    return mask


def beside_floods(case: Case) -> AttemptRows:
    """Return other attempts on a flood's target: from impossible sources at any time, or dropped during the flood."""
    cause = case.outcomes.cause
    forged, dropped = cause == CAUSE["bogon-source"], cause == CAUSE["syn-dropped"]
    parts = [
        flood.others[forged[flood.others] | (within(case, flood) & dropped[flood.others])] for flood in floods(case)
    ]
    return AttemptRows(np.concatenate([np.zeros(0, dtype=np.intp), *parts]))
