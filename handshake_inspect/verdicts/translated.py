"""One connection captured before and after its addresses were translated.

On `-i any` of a node that is the SYN to a service's address and to the pod's, or to an address and to the one behind
NAT.  A translation leaves sequence numbers and timestamps alone: two rows with other addresses are one connection when
both ISNs and the timestamp of the SYN agree, both ends sent as much (or less passed on, of a handshake whose segments
all did within `TOGETHER_NS`), they began within `APART_NS`, and the translated SYN and its answer were captured between
the other two: of frames with the same time, the one that stands first came first.  The answer is a SYN-ACK, or the RST
that refuses the SYN, whose number stands for the other ISN.
Where neither came, both had as many SYNs, of which the first and the last followed each other within `TOGETHER_NS`, and
both ended alike.  A single SYN has too little in common with others, of which a flood or a scan has many.
Of SYNs without timestamps the identification of IP must agree, which a translation leaves alone as well: there are
hosts whose ISNs repeat, but not those of their packets.  Where there is none, as in IPv6, it must be one socket of the
client, and a router between: SYN and SYN-ACK, if any, each have fewer hops left where they passed last.  The first is
the connection; the others have no row of their own.  More than `MOST` with the same ISNs and the same mark are no
translations; a scanner gives all its SYNs one ISN, and a port that refuses them has none, but their marks differ.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_ICMP, FACT_REFUSED, FACT_RST, FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import Rows, batches, marked, picked
from handshake_inspect.verdicts.gathering import without
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import frequent, host_key, is_member

APART_NS = 1_000_000_000
TOGETHER_NS = 2_000_000
ANSWERED = FACT_SYNACK | FACT_REFUSED
MOST = 4
Moments: TypeAlias = tuple[NDArray[np.int64], NDArray[np.uint32]]  # times, and frames
MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that other marks give other numbers


def joined(trace: Attempts) -> Attempts:
    """The trace without the rows of translated connections, which it has in `translated` instead."""
    rows, numbers = of_same_isns(trace)
    groups = group(numbers, rows, trace.connections["first_frame"][rows], at_least=2)
    groups = groups.chosen(np.flatnonzero(groups.sizes <= MOST))
    ones, others = groups.rows[np.repeat(groups.starts, groups.sizes)], groups.rows
    same = np.zeros(len(others), dtype=bool)
    for some in batches(len(others)):
        same[some] = are_translated(trace, ones[some], others[some])
    if not same.any():
        return trace
    return without(trace, others[same], ones[same], into="translated")


def of_same_isns(trace: Attempts) -> tuple[ConnectionRows, NDArray[np.uint64]]:
    """The connections of which another one has both ISNs and the mark, and a number for all three.

    They are few, so that nothing else is put in order.
    """
    rows = ConnectionRows(marked(trace.facts & FACT_SYN != 0))
    numbers = np.empty(len(rows), dtype=np.uint64)
    for some in batches(len(rows)):
        clients = trace.client_rows[rows[some]]
        mine, theirs = (picked(trace.endpoints["iss"], ends) for ends in (clients, clients ^ 1))
        stamps, idents = (picked(trace.endpoints[name], clients) for name in ("syn_tsval", "syn_ip_id"))
        isns = mine.astype(np.uint64) << np.uint64(32) | theirs
        numbers[some] = isns ^ np.where(stamps, stamps, idents).astype(np.uint64) * MIX
    same = is_member(numbers, frequent(numbers, 2))
    return rows[same], numbers[same]


def are_translated(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Whether two rows with the same ISNs, `ones` with the first frame, are one connection, for each pair."""
    both = trace.connections.copies(ones), trace.connections.copies(others)
    return ~have_same_addresses(*both) & lie_within(*both) & say_the_same(trace, ones, others)


def have_same_addresses(ones: Rows, others: Rows) -> Bools:
    """Two incarnations of a 4-tuple, or two connections of one client with one server."""
    (a, b), (c, d) = ([host_key(each[f"hi{side}"], each[f"lo{side}"]) for side in (0, 1)] for each in (ones, others))
    same: Bools = ((a == c) & (b == d)) | ((a == d) & (b == c))
    return same


def lie_within(ones: Rows, others: Rows) -> Bools:
    """Whether the other SYN was captured after the one, and its answer before: to the server and back."""
    within: Bools = (others["syn_ns"] - ones["syn_ns"] <= APART_NS) & is_before(asked(ones), asked(others))
    nested = is_before(asked(others), answered(others)) & is_before(answered(others), answered(ones))
    both_answered = ones["facts"] & others["facts"] & ANSWERED != 0
    return within & np.where(both_answered, nested, go_together(ones, others))


def is_before(one: Moments, other: Moments) -> Bools:
    """Whether one moment was before the other: of those with the same time, the frame says it."""
    before: Bools = (one[0] < other[0]) | ((one[0] == other[0]) & (one[1] < other[1]))
    return before


def go_together(ones: Rows, others: Rows) -> Bools:
    """Whether two attempts that no server answered were made and given up as one."""
    together: Bools = (ones["facts"] ^ others["facts"]) & (ANSWERED | FACT_RST | FACT_ICMP) == 0
    together &= ones["syn_count"] == others["syn_count"]
    for moment in ("syn_ns", "last_ns"):
        together &= np.abs(others[moment] - ones[moment]) <= TOGETHER_NS
    return together


def asked(rows: Rows) -> Moments:
    """When the SYN was captured, and its frame."""
    return rows["syn_ns"], rows["syn_frame"]


def answered(rows: Rows) -> Moments:
    """When the SYN-ACK was captured, or the RST where there is none, and its frame."""
    accepted = rows["facts"] & FACT_SYNACK != 0
    return (
        np.where(accepted, rows["synack_ns"], rows["rst_ns"]),
        np.where(accepted, rows["synack_frame"], rows["rst_frame"]),
    )


def say_the_same(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Whether both have the same mark, or crossed a router instead of one, and as many bytes of each end."""
    ends, clients, same_clients = trace.endpoints, trace.client_rows[ones], trace.client_rows[others]
    stamps, idents = ends["syn_tsval"][clients], ends["syn_ip_id"][clients]
    same: Bools = (stamps == ends["syn_tsval"][same_clients]) & (
        (stamps != 0)
        | ((idents == ends["syn_ip_id"][same_clients]) & ((idents != 0) | are_routed(trace, ones, others)))
    )
    sent, passed_on = ends["snd_nxt"][clients], ends["snd_nxt"][same_clients]
    came, returned = ends["snd_nxt"][same_clients ^ 1], ends["snd_nxt"][clients ^ 1]
    lost = is_beyond(sent, passed_on) & is_beyond(came, returned) & are_in_step(trace, ones, others)
    return same & (((sent == passed_on) & (came == returned)) | lost)


def is_beyond(sent: NDArray[np.uint32], passed_on: NDArray[np.uint32]) -> Bools:
    """Whether no more was passed on than was sent."""
    beyond: Bools = sent - passed_on < np.uint32(1 << 31)
    return beyond


def are_in_step(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Whether the whole handshake was passed on at once, so that what later was not must have been lost there."""
    facts = trace.facts[ones] & trace.facts[others]
    in_step: Bools = facts & (FACT_SYNACK | FACT_ACKED) == FACT_SYNACK | FACT_ACKED
    both = trace.connections.copies(ones), trace.connections.copies(others)
    for moment in ("syn_ns", "synack_ns", "ack_ns"):
        one, other = (each[moment] for each in both)
        in_step &= np.abs(other - one) <= TOGETHER_NS
    return in_step


def are_routed(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Whether one client asked, and its SYN has fewer hops left where it passed last, as has the SYN-ACK, if any."""
    hops = trace.endpoints["syn_ttl"]
    clients, same_clients = trace.client_rows[ones], trace.client_rows[others]
    accepted = trace.facts[ones] & trace.facts[others] & FACT_SYNACK != 0
    asked_before = hops[clients] > hops[same_clients]
    answered_before = hops[same_clients ^ 1] > hops[clients ^ 1]
    known = (hops[same_clients] != 0) & (hops[clients ^ 1] != 0)
    silent = (trace.facts[ones] | trace.facts[others]) & (ANSWERED | FACT_RST) == 0
    routed: Bools = asked_before & (silent | (accepted & known & answered_before))
    return routed & (client_of(trace, ones) == client_of(trace, others))


def client_of(trace: Attempts, rows: ConnectionRows) -> NDArray[np.uint64]:
    """A name of each client's address and port."""
    of = trace.connections.copies(rows)
    first = of["client"] == 0
    high, low, port = (np.where(first, of[f"{part}0"], of[f"{part}1"]) for part in ("hi", "lo", "port"))
    return host_key(high, low, port)
