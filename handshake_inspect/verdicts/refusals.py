"""Refused by a port that serves others at that time: a full backlog or one dead backend, and no closed port.

Windows answers a SYN with RST when the backlog is full, and a balancer passes on the RST of a backend that is down.
The port then accepts others within `AROUND_NS` before and after the refusal.  So does a port whose service was
restarted, but only once: at least `RUNS` separate runs of refusals, each between acceptances, make the difference.  A
SYN-ACK is the acceptance, since a kernel sends none for a port that nobody listens on.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_REFUSED, FACT_SYNACK, FACT_SYNACK_FIRST
from handshake_inspect.verdicts.sets import distinct, run_starts
from handshake_inspect.verdicts.trace import Trace

AROUND_NS = 1_000_000_000  # a service takes longer to start again, as a rule, and a retry of the client comes sooner
RUNS = 2

Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]


def while_serving(trace: Trace, refused: Rows) -> Rows:
    """Those of these refused connections whose port was serving others."""
    if not len(refused):
        return refused
    rows, accepted = events(trace, refused)
    if not accepted.any():
        return refused[:0]
    service = trace.service[rows].astype(np.int64)
    times = np.where(accepted, trace.connections["synack_ns"][rows], trace.connections["rst_ns"][rows])
    order = np.lexsort((times, service))
    rows, accepted, service, times = rows[order], accepted[order], service[order], times[order]
    last, following = neighbours(accepted)
    at = np.flatnonzero(~accepted & (last >= 0) & (following < len(rows)))
    at = at[(service[last[at]] == service[at]) & (service[following[at]] == service[at])]
    near = (times[at] - times[last[at]] <= AROUND_NS) & (times[following[at]] - times[at] <= AROUND_NS)
    at = at[near]
    runs = np.flatnonzero(run_starts(last[at]))  # refusals after the same acceptance are one run
    often = np.bincount(service[at[runs]], minlength=len(trace.services)) >= RUNS
    return rows[at[often[service[at]]]]


def events(trace: Trace, refused: Rows) -> tuple[Rows, Bools]:
    """These refusals, and the connections that their ports accepted: rows, and which of them were accepted."""
    asked = np.zeros(len(trace.services), dtype=bool)
    asked[distinct(trace.service[refused])] = True
    facts = trace.facts
    taken = (facts & FACT_SYNACK != 0) & (facts & (FACT_SYNACK_FIRST | FACT_REFUSED) == 0)
    taken &= asked[trace.service[: len(facts)]]
    accepted = np.flatnonzero(taken)
    return np.concatenate([refused, accepted]), np.arange(len(refused) + len(accepted)) >= len(refused)


def neighbours(accepted: Bools) -> tuple[Rows, Rows]:
    """For each of these events, in order, the acceptance before it (-1 for none) and after it (their number)."""
    places = np.arange(len(accepted))
    last = np.maximum.accumulate(np.where(accepted, places, -1))
    following = np.minimum.accumulate(np.where(accepted, places, len(accepted))[::-1])[::-1]
    return last, following
