"""Attempts that a finding of its own accounts for: roll-ups of failures leave them out.

A roll-up says "so many failed, for this reason".  Where another finding says why, a second one beside it only repeats
it: attempts of a SYN flood or of a port scan say nothing of the service; a full accept queue, a box that resets in the
server's name, and two hosts with one address have findings with more to act on.
"""

from handshake_inspect.verdicts.finding import Case
from handshake_inspect.verdicts.findings import accept_queue, rst_injection
from handshake_inspect.verdicts.findings.keys import Bools, once_per_case
from handshake_inspect.verdicts.findings.port_scan import scan_rows
from handshake_inspect.verdicts.findings.syn_flood import flood_rows
from handshake_inspect.verdicts.resets import two_hosts


@once_per_case
def explained(case: Case) -> Bools:
    """Which attempts another finding accounts for, in row order."""
    mask: Bools = flood_rows(case) | scan_rows(case)
    for rows in (accept_queue.explained_rows(case), rst_injection.injected_rows(case)):
        mask[rows] = True
    mask[: len(case.trace.connections)] |= two_hosts(case.trace)
    return mask
