"""Refusals by a port that accepts other connections at that time: a full backlog or a dead backend, not a closed port.

Windows answers a SYN with RST when the backlog is full, and a balancer passes on the RST of a dead backend. The port
then accepts others within `AROUND_NS` before and after the refusal. So does a port whose service was restarted, but
only once; therefore at least `RUNS` separate runs of refusals, each between acceptances, are required. Then refusals so
close to the start or end of the capture that the acceptance on that side cannot be seen count as well. A SYN-ACK is an
acceptance, because a kernel sends none for a port without a listener.
"""

import numpy as np

from handshake_inspect.tcp.facts import FACT_REFUSED, FACT_SYNACK, FACT_SYNACK_FIRST
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.numbering import ConnectionRows, chained
from handshake_inspect.verdicts.sets import distinct, run_starts

AROUND_NS = 1_000_000_000  # a service usually takes longer to restart, and a client retries sooner
RUNS = 2
NEVER = np.iinfo(np.int64).max


def while_serving(trace: Attempts, refused: ConnectionRows) -> ConnectionRows:
    """Return those of these refused connections whose port was accepting others."""
    if not len(refused):
        return refused
    rows, accepted = events(trace, refused)
    if not accepted.any():
        return refused[:0]
    service = trace.service[rows].astype(np.int64)
    times = np.where(accepted, trace.connections["synack_ns"][rows], trace.connections["rst_ns"][rows])
    order = np.lexsort((times, service))
    rows, accepted, service, times = rows[order], accepted[order], service[order], times[order]
    before, after = distances(accepted, service, times)
    between = ~accepted & (before <= AROUND_NS) & (after <= AROUND_NS)
    run = np.cumsum(accepted)  # refusals after the same acceptance are one run
    at = np.flatnonzero(between)
    runs = at[run_starts(run[at])]
    often = np.bincount(service[runs], minlength=len(trace.services)) >= RUNS
    unseen = (before <= AROUND_NS) & (times + AROUND_NS > trace.last_ns)
    unseen |= (after <= AROUND_NS) & (times - AROUND_NS < trace.first_ns)
    return rows[(between | (unseen & ~accepted)) & often[service]]


def events(trace: Attempts, refused: ConnectionRows) -> tuple[ConnectionRows, Bools]:
    """Return these refusals and the connections that their ports accepted, and a mask of the accepted ones."""
    asked = np.zeros(len(trace.services), dtype=bool)
    asked[distinct(trace.service[refused])] = True
    facts = trace.facts
    taken = (facts & FACT_SYNACK != 0) & (facts & (FACT_SYNACK_FIRST | FACT_REFUSED) == 0)
    taken &= asked[trace.of_connections(trace.service)]
    accepted = trace.tracked_where(taken)
    return chained(refused, accepted), np.arange(len(refused) + len(accepted)) >= len(refused)


def distances(accepted: Bools, service: Times, times: Times) -> tuple[Times, Times]:
    """Return how long before and after each event (sorted by service and time) its port accepted a connection."""
    count = len(accepted)
    places = np.arange(count)
    last = np.maximum.accumulate(np.where(accepted, places, -1))
    following = np.minimum.accumulate(np.where(accepted, places, count)[::-1])[::-1]
    before, after = np.full(count, NEVER), np.full(count, NEVER)
    mine = np.flatnonzero(last >= 0)
    mine = mine[service[last[mine]] == service[mine]]
    before[mine] = times[mine] - times[last[mine]]
    mine = np.flatnonzero(following < count)
    mine = mine[service[following[mine]] == service[mine]]
    after[mine] = times[following[mine]] - times[mine]
    return before, after
