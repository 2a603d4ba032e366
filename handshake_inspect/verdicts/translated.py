"""One connection captured before and after address translation (NAT).

With `-i any` on a node, these are the SYN to a service's address and the SYN to the pod's, or those on both sides of a
NAT. A translation does not change sequence numbers and timestamps. Two rows with different addresses are one connection
if

- both ISNs and the timestamp of the SYN agree;
- both ends sent the same amount (or less was forwarded, after a handshake whose segments were all forwarded within
  `TOGETHER_NS`);
- they began within `APART_NS`, and the translated SYN and its answer were captured between the other two (frames with
  the same time count in file order). The answer is a SYN-ACK, or the RST that refuses the SYN, whose number stands for
  the other ISN.

Without an answer, both must have the same number of SYNs, the first and the last within `TOGETHER_NS` of each other,
and the same end. A single SYN is too weak a match in a flood or scan.

For SYNs without timestamps the IP identification must agree, which a translation does not change either: some hosts
repeat ISNs, but not IP IDs. If there is none, as in IPv6, it must be one socket of the client or the server,
with a router in between: SYN and SYN-ACK (if any) each have fewer hops left at the point that they reached last.

The first row is the connection; the others are removed. More than `MOST` rows with the same ISNs and mark are no
translations: a scanner uses one ISN for all SYNs, and a port that refuses them has none, but their marks differ.

A translation may drop the first SYN, as a race for its table entry does, and forward the copy that follows a second
later. Then the first SYNs of the two rows differ, and instead the last timestamps must agree, and SYN-ACK, final ACK
and last segment each be within `TOGETHER_NS`.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_ICMP, FACT_REFUSED, FACT_RST, FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import Rows, batches, marked, take_column
from handshake_inspect.verdicts.gathering import without
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct, frequent, host_key, is_member

APART_NS = 1_000_000_000
TOGETHER_NS = 2_000_000
ANSWERED = FACT_SYNACK | FACT_REFUSED
MOST = 4
Moments: TypeAlias = tuple[NDArray[np.int64], NDArray[np.uint32]]  # times, and frames
Alike: TypeAlias = Callable[[Attempts], tuple[ConnectionRows, NDArray[np.uint64]]]
Decide: TypeAlias = Callable[[Attempts, ConnectionRows, ConnectionRows], Bools]
MIX = np.uint64(0x9E3779B97F4A7C15)  # odd, so that distinct marks give distinct numbers


def merge_translated(trace: Attempts) -> Attempts:
    """Return the trace without rows of translated connections, which are moved to `translated`."""
    return joined_by(joined_by(trace, same_isn_rows, are_translated), repeated_syn_rows, are_translated_at_last)


def joined_by(trace: Attempts, alike: Alike, decide: Decide) -> Attempts:
    """Return the trace without those rows that `decide` takes for translated among groups of `alike` rows."""
    rows, numbers = alike(trace)
    groups = group(numbers, rows, trace.connections["first_frame"][rows], at_least=2)
    groups = groups.select(np.flatnonzero(groups.sizes <= MOST))
    ones, others = groups.rows[np.repeat(groups.starts, groups.sizes)], groups.rows
    same = np.zeros(len(others), dtype=bool)
    for some in batches(len(others)):
        same[some] = decide(trace, ones[some], others[some])
    if not same.any():
        return trace
    return without(trace, others[same], ones[same], into="translated")


def same_isn_rows(trace: Attempts) -> tuple[ConnectionRows, NDArray[np.uint64]]:
    """Return the connections that share both ISNs and the mark with another one, and a number for the three.

    They are few, so nothing else needs sorting.
    """
    rows = ConnectionRows(marked(trace.facts & FACT_SYN != 0))
    numbers = both_isns(trace, rows)
    for some in batches(len(rows)):
        clients = trace.client_rows[rows[some]]
        stamps, idents = (take_column(trace.endpoints[name], clients) for name in ("syn_tsval", "syn_ip_id"))
        numbers[some] ^= np.where(stamps, stamps, idents).astype(np.uint64) * MIX
    same = is_member(numbers, frequent(numbers, 2))
    return rows[same], numbers[same]


def repeated_syn_rows(trace: Attempts) -> tuple[ConnectionRows, NDArray[np.uint64]]:
    """Return the handshakes that share both ISNs with one that has a repeated SYN, and a number for both ISNs."""
    whole = FACT_SYN | FACT_SYNACK | FACT_ACKED
    completed = trace.facts & whole == whole
    repeated = ConnectionRows(marked(completed & (trace.connections["syn_count"] > 1)))
    if not len(repeated):
        return repeated, np.empty(0, dtype=np.uint64)
    rows = ConnectionRows(marked(completed))
    numbers = both_isns(trace, rows)
    same = is_member(numbers, distinct(both_isns(trace, repeated)))
    return rows[same], numbers[same]


def both_isns(trace: Attempts, rows: ConnectionRows) -> NDArray[np.uint64]:
    """Return both ISNs of each connection as one number."""
    numbers = np.empty(len(rows), dtype=np.uint64)
    for some in batches(len(rows)):
        clients = trace.client_rows[rows[some]]
        mine, theirs = (take_column(trace.endpoints["iss"], ends) for ends in (clients, clients ^ 1))
        numbers[some] = mine.astype(np.uint64) << np.uint64(32) | theirs
    return numbers


def are_translated_at_last(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Return a mask over pairs: the others are the ones, without the first SYNs, which the translation dropped."""
    outer, inner = trace.connections.copies(ones), trace.connections.copies(others)
    fewer = inner["syn_count"] < outer["syn_count"]
    nested = is_before(syn_moment(outer), syn_moment(inner)) & is_before(answer_moment(inner), answer_moment(outer))
    stamps, clients, same_clients = trace.endpoints["tsval"], trace.client_rows[ones], trace.client_rows[others]
    stamped = stamps[clients] == stamps[same_clients]
    together = follow_within(outer, inner, ("synack_ns", "ack_ns", "last_ns"))
    lie = fewer & nested & stamped & together & ~have_same_addresses(outer, inner)
    return lie & have_sent_as_much(trace, ones, others)


def are_translated(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Return a mask over pairs with the same ISNs, `ones` with the first frame: they are one connection."""
    both = trace.connections.copies(ones), trace.connections.copies(others)
    return ~have_same_addresses(*both) & are_nested(*both) & have_same_contents(trace, ones, others)


def have_same_addresses(ones: Rows, others: Rows) -> Bools:
    """Return a mask over pairs: incarnations of a 4-tuple, or connections of one client with one server."""
    (a, b), (c, d) = ([host_key(each[f"hi{side}"], each[f"lo{side}"]) for side in (0, 1)] for each in (ones, others))
    same: Bools = ((a == c) & (b == d)) | ((a == d) & (b == c))
    return same


def are_nested(ones: Rows, others: Rows) -> Bools:
    """Return a mask over pairs: the other SYN was captured after the first, and its answer before the first's."""
    within: Bools = (others["syn_ns"] - ones["syn_ns"] <= APART_NS) & is_before(syn_moment(ones), syn_moment(others))
    nested = is_before(syn_moment(others), answer_moment(others)) & is_before(
        answer_moment(others), answer_moment(ones)
    )
    both_answered = ones["facts"] & others["facts"] & ANSWERED != 0
    return within & np.where(both_answered, nested, tried_alike(ones, others))


def is_before(one: Moments, other: Moments) -> Bools:
    """Return a mask: one moment is before the other; the frame number decides equal times."""
    before: Bools = (one[0] < other[0]) | ((one[0] == other[0]) & (one[1] < other[1]))
    return before


def tried_alike(ones: Rows, others: Rows) -> Bools:
    """Return a mask over pairs of unanswered attempts: their SYNs were sent, and they ended, together."""
    together: Bools = (ones["facts"] ^ others["facts"]) & (ANSWERED | FACT_RST | FACT_ICMP) == 0
    together &= ones["syn_count"] == others["syn_count"]
    return together & follow_within(ones, others, ("syn_ns", "last_ns"))


def syn_moment(rows: Rows) -> Moments:
    """Return the time and frame of the SYN."""
    return rows["syn_ns"], rows["syn_frame"]


def answer_moment(rows: Rows) -> Moments:
    """Return the time and frame of the SYN-ACK, or of the RST if there is none."""
    accepted = rows["facts"] & FACT_SYNACK != 0
    return (
        np.where(accepted, rows["synack_ns"], rows["rst_ns"]),
        np.where(accepted, rows["synack_frame"], rows["rst_frame"]),
    )


def have_same_contents(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Return a mask over pairs: the same mark, or a router in between, and the same amount of data from each end."""
    ends, clients, same_clients = trace.endpoints, trace.client_rows[ones], trace.client_rows[others]
    stamps, idents = ends["syn_tsval"][clients], ends["syn_ip_id"][clients]
    same: Bools = (stamps == ends["syn_tsval"][same_clients]) & (
        (stamps != 0)
        | ((idents == ends["syn_ip_id"][same_clients]) & ((idents != 0) | crossed_router(trace, ones, others)))
    )
    sent, passed_on = ends["snd_nxt"][clients], ends["snd_nxt"][same_clients]
    came, returned = ends["snd_nxt"][same_clients ^ 1], ends["snd_nxt"][clients ^ 1]
    lost = is_beyond(sent, passed_on) & is_beyond(came, returned) & were_forwarded_at_once(trace, ones, others)
    return same & (have_sent_as_much(trace, ones, others) | lost)


def have_sent_as_much(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Return a mask over pairs: each end has sent the same amount in both."""
    sent, clients, same_clients = trace.endpoints["snd_nxt"], trace.client_rows[ones], trace.client_rows[others]
    same: Bools = (sent[clients] == sent[same_clients]) & (sent[clients ^ 1] == sent[same_clients ^ 1])
    return same


def is_beyond(sent: NDArray[np.uint32], passed_on: NDArray[np.uint32]) -> Bools:
    """Return a mask: no more was forwarded than sent."""
    beyond: Bools = sent - passed_on < np.uint32(1 << 31)
    return beyond


def were_forwarded_at_once(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Return a mask over pairs: the whole handshake was forwarded at once, so segments that were not were lost."""
    facts = trace.facts[ones] & trace.facts[others]
    in_step: Bools = facts & (FACT_SYNACK | FACT_ACKED) == FACT_SYNACK | FACT_ACKED
    both = trace.connections.copies(ones), trace.connections.copies(others)
    return in_step & follow_within(*both, ("syn_ns", "synack_ns", "ack_ns"))


def follow_within(ones: Rows, others: Rows, moments: tuple[str, ...]) -> Bools:
    """Return a mask over pairs: all these moments are within `TOGETHER_NS` of each other."""
    near = np.ones(len(ones), dtype=bool)
    for moment in moments:
        near &= np.abs(others[moment] - ones[moment]) <= TOGETHER_NS
    return near


def crossed_router(trace: Attempts, ones: ConnectionRows, others: ConnectionRows) -> Bools:
    """Return a mask over pairs: one socket of an end, and SYN and SYN-ACK (if any) lost hops in between."""
    hops = trace.endpoints["syn_ttl"]
    clients, same_clients = trace.client_rows[ones], trace.client_rows[others]
    accepted = trace.facts[ones] & trace.facts[others] & FACT_SYNACK != 0
    asked_before = hops[clients] > hops[same_clients]
    answered_before = hops[same_clients ^ 1] > hops[clients ^ 1]
    known = (hops[same_clients] != 0) & (hops[clients ^ 1] != 0)
    silent = (trace.facts[ones] | trace.facts[others]) & (ANSWERED | FACT_RST) == 0
    routed: Bools = asked_before & (silent | (accepted & known & answered_before))
    one_client, one_server = (socket_of(trace, ones, side) == socket_of(trace, others, side) for side in (0, 1))
    return routed & (one_client | one_server)


def socket_of(trace: Attempts, rows: ConnectionRows, side: int) -> NDArray[np.uint64]:
    """Return a key of address and port of each client (`side` 0) or server (1)."""
    of = trace.connections.copies(rows)
    first = of["client"] == side
    high, low, port = (np.where(first, of[f"{part}0"], of[f"{part}1"]) for part in ("hi", "lo", "port"))
    return host_key(high, low, port)
