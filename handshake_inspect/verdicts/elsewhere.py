"""Answers to a SYN from another address or port than it was sent to: NAT is missing on the return path.

A SYN-ACK without a SYN on its own 4-tuple answers an attempt if it goes to the attempt's client address and port and
acknowledges its ISN + 1, or some or all of the data of its SYN (Fast Open). So does a RST with such an acknowledgment.
The answer belongs to the attempt, along with its retransmissions and the client's RST, and has no row of its own.

Exceptions: the client accepted it (acknowledged it, or sent anything but a RST); or several attempts have this ISN,
address and port (scanners use one for all targets), and neither the server's address nor its port shows which one is
meant.
"""

from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_CLIENT_DATA,
    FACT_CLIENT_PROVED,
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_FIRST,
)
from handshake_inspect.verdicts import nat_bypass
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import Rows, batches
from handshake_inspect.verdicts.gathering import without
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, chained
from handshake_inspect.verdicts.sets import distinct, pair_key, places
from handshake_inspect.wire.const import ACK

# An answer comes at most LATE_NS after the attempt's last segment, and is stored at most EARLY_NS before its first.
LATE_NS, EARLY_NS = 64_000_000_000, 1_000_000_000


def server_of(answer: Any) -> tuple[int, int, int]:
    """Return the address halves and the port that an answer came from."""
    side = 1 - int(answer["client"])
    return int(answer[f"hi{side}"]), int(answer[f"lo{side}"]), int(answer[f"port{side}"])


def attach_answers(trace: Attempts) -> Attempts:
    """Return the trace without rows of answers from elsewhere, which are moved to `elsewhere`."""
    suspects, behind = trace.tracked_where(is_stray_answer(trace)), nat_bypass.suspects_of(trace)
    attempts = answered_attempts(trace, suspects) if len(suspects) else np.zeros(0, dtype=np.intp)
    if len(behind):
        suspects, attempts = chained(suspects, behind), np.concatenate([attempts, forwarded_attempts(trace, behind)])
    found = suspects[attempts >= 0]
    return without(trace, found, AttemptRows(attempts[attempts >= 0])) if len(found) else trace


def forwarded_attempts(trace: Attempts, suspects: ConnectionRows) -> Rows:
    """Return the attempt whose SYN was forwarded and answered as each of these rows, -1 for none."""
    near = nat_bypass.without_answer(trace, with_syn(trace, distinct(trace.client_host[suspects])))
    names = isn_keys(trace, suspects), isn_keys(trace, near)
    return nat_bypass.origins(trace, suspects, near, names)


def is_stray_answer(trace: Attempts) -> Bools:
    """Return a mask over connections that are a SYN-ACK, or a RST with ACK, and at most RSTs of the client."""
    facts, c = trace.facts, trace.connections
    proved = FACT_ACKED | FACT_CLIENT_DATA | FACT_CLIENT_PROVED | FACT_SERVER_DATA | FACT_SERVER_PROVED
    alone = facts & (FACT_SYN | FACT_MIDSTREAM | FACT_SIMULTANEOUS | proved) == 0
    refusal = (facts & (FACT_SYNACK | FACT_RST) == FACT_RST) & (c["rst_side"] != c["client"])
    rows = trace.tracked_where(alone & refusal)
    refusal[rows] = c["rst_flags"][rows] & ACK != 0
    unasked: Bools = alone & ((facts & FACT_SYNACK_FIRST != 0) | refusal)
    return unasked


def answered_attempts(trace: Attempts, suspects: ConnectionRows) -> Rows:
    """Return the attempt that each of these rows answers, -1 for none."""
    near = with_syn(trace, distinct(trace.client_host[suspects]))
    found = np.full(len(suspects), -1, dtype=np.intp)
    if not len(near):
        return found
    opened = with_data(trace, near)
    asked = np.concatenate([isn_keys(trace, near), isn_keys(trace, opened, past_data=True)])
    near, wanted = chained(near, opened), isn_keys(trace, suspects)
    order = np.argsort(asked, kind="stable")
    asked = asked[order]
    first, last = np.searchsorted(asked, wanted, side="left"), np.searchsorted(asked, wanted, side="right")
    for at in np.flatnonzero(last > first).tolist():
        found[at] = choose_attempt(trace, int(suspects[at]), near[order[first[at] : last[at]]])
    unknown = np.flatnonzero(last == first)
    if len(opened) and len(unknown):
        found[unknown] = partly_answered_attempts(trace, suspects[unknown], opened)
    return found


def partly_answered_attempts(trace: Attempts, suspects: ConnectionRows, opened: ConnectionRows) -> Rows:
    """Return the attempt whose early data each answer acknowledges in part, -1 for none."""
    ends = trace.client_ends(opened)
    order = np.argsort(ends, kind="stable")
    wanted = trace.client_ends(suspects)
    first = np.searchsorted(ends[order], wanted, side="left")
    last = np.searchsorted(ends[order], wanted, side="right")
    found = np.full(len(suspects), -1, dtype=np.intp)
    for at in np.flatnonzero(last > first).tolist():
        mine = opened[order[first[at] : last[at]]]
        client = trace.client_rows[mine]
        iss, beyond = trace.endpoints["iss"][client], trace.endpoints["snd_nxt"][client]
        acked = trace.endpoints["iss"][trace.client_rows[suspects[at]]] - iss  # bytes of data acknowledged
        meant = mine[(acked > 0) & (acked < beyond - iss)]
        if len(meant):
            found[at] = choose_attempt(trace, int(suspects[at]), meant)
    return found


def with_syn(trace: Attempts, clients: Rows) -> AttemptRows:
    """Return the attempts of these clients whose SYN is in the capture."""
    mine = [some.start + np.flatnonzero(places(trace.client_host[some], clients)[1]) for some in batches(len(trace))]
    rows = AttemptRows(np.concatenate(mine))
    tracked = trace.tracked(rows)
    asked = trace.facts[tracked] & FACT_SYN != 0
    return chained(tracked[asked], rows[len(tracked) :])


def with_data(trace: Attempts, rows: AttemptRows) -> ConnectionRows:
    """Return the attempts whose client sent data, in its SYN or after it."""
    tracked = trace.tracked(rows)
    ends = trace.client_rows[tracked]
    return tracked[trace.endpoints["snd_nxt"][ends] != trace.endpoints["iss"][ends] + np.uint32(1)]


def isn_keys(trace: Attempts, rows: AttemptRows, *, past_data: bool = False) -> Rows:
    """Return a 64-bit key of the client's address, port and ISN for each of these attempts.

    `past_data`: instead of the ISN use the one that an acknowledgment of all data seems to answer.
    """
    names = np.empty(len(rows), dtype=np.uint64)
    for some in batches(len(rows)):
        if past_data:
            isn = (trace.endpoints["snd_nxt"][trace.client_rows[rows[some]]] - np.uint32(1)).astype(np.uint64)
        else:
            isn = trace.end("client", "iss", rows[some]).astype(np.uint64)
        names[some] = pair_key(isn, trace.client_ends(rows[some]))
    return names


def choose_attempt(trace: Attempts, answer: int, attempts: AttemptRows) -> int:
    """Return which of the attempts with its ISN an answer is for, -1 if unknown."""
    row = trace.connections[answer]
    begun = trace.first_times[attempts]
    ended = trace.connection("last_ns", attempts)
    meant = (begun - EARLY_NS <= row["first_ns"]) & (row["first_ns"] <= ended + LATE_NS)
    hi, lo = trace.halves("server", attempts)
    port = trace.address("server", "port", attempts)
    from_hi, from_lo, from_port = server_of(row)
    host, service = (hi == np.uint64(from_hi)) & (lo == np.uint64(from_lo)), port == from_port
    meant &= ~(host & service)
    if len(distinct(trace.server_key[attempts[meant]])) > 1:
        meant &= host | service
    fitting = attempts[meant]
    if len(distinct(trace.server_key[fitting])) != 1:
        return -1
    return int(fitting[np.lexsort((-trace.first_frames(fitting), trace.first_times[fitting]))[-1]])
