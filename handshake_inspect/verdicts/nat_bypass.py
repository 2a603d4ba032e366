"""Answers to a SYN behind a destination NAT that bypass the NAT on the way back.

If the translating box is captured on all interfaces, the SYN is there twice, to the service's address and to the
backend's, and the backend's answer once, in its own name: nobody translates it back. The copy of the SYN is recognised
by client address, port and ISN, by the time (at most `TOGETHER_NS` after a copy of the SYN), and by its timestamp;
without one, by the IP identification or a lower TTL (both, for SYNs built by a tool).

Not joined are rows with more than `MOST` possible origins (a scanner uses one port and ISN for all targets), answers
that the client took, and any row if more than `MOST_JUDGED` attempts failed, as in a flood.
"""

import numpy as np

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_CLIENT_DATA,
    FACT_CLIENT_PROVED,
    FACT_ICMP,
    FACT_MIDSTREAM,
    FACT_REFUSED,
    FACT_RST,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_TFO,
)
from handshake_inspect.tcp.rows import RETRIES_KEPT
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import Rows
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows
from handshake_inspect.verdicts.syn_offers import is_poor
from handshake_inspect.verdicts.translated import TOGETHER_NS

MOST = 4
MOST_JUDGED = 20_000  # each may take a third of a millisecond
TOOK = (
    FACT_ACKED | FACT_CLIENT_DATA | FACT_CLIENT_PROVED | FACT_SERVER_DATA | FACT_SERVER_PROVED | FACT_SIMULTANEOUS
    | FACT_MIDSTREAM | FACT_TFO
)  # fmt: skip


def suspects_of(trace: Attempts) -> ConnectionRows:
    """Return the attempts that a server answered and that came to nothing; none if there are too many."""
    answered: Bools = (trace.facts & (TOOK | FACT_SYN) == FACT_SYN) & (trace.facts & (FACT_SYNACK | FACT_REFUSED) != 0)
    rows = trace.tracked_where(answered)
    return rows if len(rows) <= MOST_JUDGED else rows[:0]


def without_answer(trace: Attempts, attempts: AttemptRows) -> AttemptRows:
    """Return those of the attempts that nothing answered."""
    facts = trace.connection("facts", attempts)
    return attempts[facts & (TOOK | FACT_SYNACK | FACT_RST | FACT_ICMP) == 0]


def origins(trace: Attempts, suspects: ConnectionRows, attempts: AttemptRows, names: tuple[Rows, Rows]) -> Rows:
    """Return the attempt whose SYN each suspect began with, -1 for none.

    `names` are the keys of client and ISN for suspects and for attempts.
    """
    wanted, asked = names
    order = np.argsort(asked, kind="stable")
    first, last = (np.searchsorted(asked[order], wanted, side=side) for side in ("left", "right"))
    found = np.full(len(suspects), -1, dtype=np.intp)
    for at in np.flatnonzero((last > first) & (last - first <= MOST)).tolist():
        for attempt in attempts[order[first[at] : last[at]]].tolist():
            if was_forwarded(trace, attempt, int(suspects[at])):
                found[at] = attempt
                break
    return of_one_server(trace, suspects, found)


def of_one_server(trace: Attempts, suspects: ConnectionRows, found: Rows) -> Rows:
    """Drop attempts that several servers seem to answer: a translation goes to one server, a scan to many."""
    by_attempt: dict[int, set[int]] = {}
    at = np.flatnonzero(found >= 0)
    for attempt, server in zip(found[at].tolist(), trace.server_key[suspects[at]].tolist(), strict=True):
        by_attempt.setdefault(attempt, set()).add(server)
    several = [attempt for attempt, servers in by_attempt.items() if len(servers) > 1]
    found[np.isin(found, several)] = -1
    return found


def was_forwarded(trace: Attempts, attempt: int, suspect: int) -> bool:
    """Return whether the suspect's SYN is a copy of the attempt's SYN, to another server."""
    both = AttemptRows(np.array([attempt, suspect], dtype=np.intp))
    servers = trace.server_key[both]
    if servers[0] == servers[1]:
        return False
    times, clocks = copies_of(trace, attempt)
    since = trace.connections["syn_ns"][suspect] - times
    clock = trace.end("client", "syn_tsval", both)[1]
    together = (since >= 0) & (since <= TOGETHER_NS) & (clocks == clock)
    return bool(together.any()) and (clock != 0 or is_marked(trace, both, bool(together[0])))


def copies_of(trace: Attempts, attempt: int) -> tuple[Rows, Rows]:
    """Return when the copies of a SYN were captured, and their timestamps."""
    row = AttemptRows(np.array([attempt], dtype=np.intp))
    times = trace.first_times[row].astype(np.int64)
    clocks = trace.end("client", "syn_tsval", row)
    at = int(trace.connection("retries", row)[0])
    if not at:
        return times, clocks
    retries = trace.retries[at - 1]
    more = min(int(trace.connection("syn_count", row)[0]) - 1, RETRIES_KEPT)
    return np.append(times, retries["syn_ns"][:more]), np.append(clocks, retries["syn_tsval"][:more])


def is_marked(trace: Attempts, both: AttemptRows, first: bool) -> bool:
    """Return whether a SYN without a timestamp is recognised by its IP identification, or by a lower TTL.

    A tool that builds SYNs may give all of them the same marks, so its SYNs need both.
    """
    ident, hops = (trace.end("client", name, both) for name in ("syn_ip_id", "syn_ttl"))
    known = first and ident[0] != 0 and ident[0] == ident[1]
    routed = hops[0] > hops[1]
    if is_poor(trace.end("client", "options", both)).any():
        return bool(known and routed)
    return bool(known or routed)
