"""Services that are proven to answer with SYN cookies: what the timestamps of their SYN-ACKs say.

What a Linux cookie does to the SYN-ACK's timestamp (net/ipv4/syncookies.c): the low `BITS` bits of the server's clock
are replaced by the client's options, window scale (15 for none) in bits 0-3, SACK in bit 4, ECN in bit 5, and 64 is
taken off if that would lie in the future; then an offset is added that only the server knows: none before Linux 4.10,
then one for each pair of hosts, lately one for each connection.  So the bits are not there to be read, but they show:

- *clock*: the SYN-ACK's TSval lags up to 63 ms behind the clock that the server's later segments show, and (lag +
  options) modulo 64 is the server's clock when it sent the SYN-ACK.  Less the capture's time that is a constant: it is
  the same, to `SLACK_MS`, for one such connection and the next (clocks drift over hours, not from one to the next).  An
  ordinary SYN-ACK does not lag.  Computed over those that lag, and lived shorter than `DATED_NS`: the rows do not say
  when the server's last TSval was sent, so the last frame has to stand for it.
- *bits*: where SYN-ACKs share an offset, (TSval - options) modulo 64 is the same for all to one client.  TSvals with
  the same high bits count once, and SYN-ACKs sent at the same time modulo 64 ms not at all: who connects every 8 s sees
  the same low bits of an ordinary clock.

Of both `MOSTLY` of those asked must agree, so often that `chance`, the probability that as many values agree by
accident, is at most `MAX_CHANCE`.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import batches, marked
from handshake_inspect.verdicts.grouping import Groups, group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, chained
from handshake_inspect.verdicts.pairs import by_pair
from handshake_inspect.verdicts.sets import counts, frequent, is_member, run_starts
from handshake_inspect.wire.const import OPT_CUT, OPT_ECN, OPT_SACK_PERMITTED, OPT_TIMESTAMPS, OPT_WINDOW_SCALE

BITS = 6
STEP = 1 << BITS
NO_SCALE = 15
MAX_SCALE = 14  # RFC 7323 section 2.3
MIN_AGREEING = 4
MOSTLY = 0.6
MAX_CHANCE = 1e-3
SLACK_MS = 2.0  # rounding to ticks of two clocks, and the jitter of the way between the capture and the server
DATED_NS = 1_000_000_000
MS = 1_000_000


@dataclass(frozen=True, eq=False, repr=False)
class Proof:
    """Connections whose TSvals agree, of how many that were asked, and the probability of that by accident."""

    method: str
    agreeing: ConnectionRows
    asked: int
    chance: float


@once
def proofs(trace: Attempts) -> dict[int, Proof]:
    """The services that are proven to answer with cookies, by `server_key`."""
    rows = stamped(trace)
    return {**by_bits(trace, rows), **by_clock(trace, rows)}


def stamped(trace: Attempts) -> ConnectionRows:
    """The connections whose SYN and SYN-ACK both carry timestamps, as far as the capture holds all of their options."""
    options = trace.endpoints["options"]
    stamps: Bools = options[0::2] & options[1::2] & OPT_TIMESTAMPS != 0
    stamps &= (options[0::2] | options[1::2]) & OPT_CUT == 0
    return ConnectionRows(marked(stamps & (trace.facts & (FACT_SYN | FACT_SYNACK) == FACT_SYN | FACT_SYNACK)))


def offered(trace: Attempts, rows: ConnectionRows) -> NDArray[np.int64]:
    """What a cookie would encode of each of these: the client's window scale and SACK, and ECN if the server agreed."""
    client = trace.client_rows[rows]
    options, agreed = trace.endpoints["options"][client], trace.endpoints["options"][client ^ 1]
    scale = np.minimum(trace.endpoints["window_scale"][client], MAX_SCALE)
    bits = np.where(options & OPT_WINDOW_SCALE != 0, scale, NO_SCALE).astype(np.int64)
    bits |= np.where(options & OPT_SACK_PERMITTED != 0, 1 << 4, 0)
    bits |= np.where(options & agreed & OPT_ECN != 0, 1 << 5, 0)
    return bits


@dataclass(frozen=True, eq=False, repr=False)
class Lagging:
    """Connections whose SYN-ACK's TSval lags behind the server's clock, by how many ms, and when it was sent."""

    rows: ConnectionRows
    lag: NDArray[np.float64]
    synack_ns: Times

    @classmethod
    def of(cls, trace: Attempts, rows: ConnectionRows) -> "Lagging":
        """Those of these connections that lived so short that their last frame can be taken for the server's last."""
        c, e = trace.connections, trace.endpoints
        synack_ns = c["synack_ns"][rows]
        age = c["last_ns"][rows] - synack_ns
        dated = np.flatnonzero((trace.facts[rows] & FACT_ACKED != 0) & (age <= DATED_NS))
        server = trace.server_rows[rows[dated]]
        lag = (e["tsval"][server] - e["syn_tsval"][server]).astype(np.int32) - age[dated] / MS
        late = np.flatnonzero((lag > SLACK_MS) & (lag <= STEP))
        late = late[e["frames"][server[late]] > 1]
        return cls(rows[dated[late]], lag[late], synack_ns[dated[late]])


def by_clock(trace: Attempts, rows: ConnectionRows) -> dict[int, Proof]:
    """Services whose SYN-ACKs lag behind their own clock by what the options explain."""
    if not len(rows):
        return {}
    parts = [Lagging.of(trace, ConnectionRows(rows[some].astype(np.intp))) for some in batches(len(rows))]
    late = chained(*(part.rows for part in parts))
    lag, synack_ns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("lag", "synack_ns"))
    keys = trace.server_key[late]
    chosen = np.flatnonzero(is_member(keys, frequent(keys, MIN_AGREEING)))
    chosen = chosen[np.lexsort((trace.ids[late[chosen]], synack_ns[chosen]))]
    phase = (lag[chosen] + offered(trace, late[chosen]) - synack_ns[chosen] % (STEP * MS) / MS) % STEP
    parted = group(keys[chosen], np.arange(len(chosen)), at_least=MIN_AGREEING)
    proofs = {}
    for g in range(len(parted)):
        mine = parted.of(g)
        agreeing = np.append(False, distance(np.diff(phase[mine])) <= SLACK_MS)
        proof = prove("clock", late[chosen[mine]], agreeing, 2 * SLACK_MS / STEP)
        if proof:
            proofs[int(keys[chosen[mine[0]]])] = proof
    return proofs


def distance(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far apart two phases are on the circle of `STEP` milliseconds."""
    apart_by = np.abs(difference)
    nearest: NDArray[np.float64] = np.minimum(apart_by, STEP - apart_by)
    return nearest


def prove(method: str, rows: ConnectionRows, agreeing: Bools, likely: float) -> Proof | None:
    """What follows from values that agree with one before: by accident, each would with the probability `likely`."""
    count = int(np.count_nonzero(agreeing))
    asked = len(rows)
    if count + 1 < max(MIN_AGREEING, MOSTLY * asked):
        return None
    chance = likely**count * float(math.comb(asked - 1, count)) if count < 200 else 0.0
    if chance > MAX_CHANCE:
        return None
    before = np.append(agreeing[1:], False)  # the first of those that agree is one of them
    return Proof(method, rows[agreeing | before], asked, float(f"{chance:.1e}"))


def by_bits(trace: Attempts, rows: ConnectionRows) -> dict[int, Proof]:
    """Services whose SYN-ACKs to one client, or to all, have the same low bits after the options are taken off."""
    service = trace.service[rows]
    if len(rows):
        rows = rows[(np.bincount(service) >= MIN_AGREEING)[service]]
    value = np.zeros(len(trace.facts), dtype=np.int64)
    for some in batches(len(rows)):
        mine = ConnectionRows(rows[some].astype(np.intp))  # else NumPy widens them for each column
        value[mine] = trace.endpoints["syn_tsval"][trace.server_rows[mine]] - offered(trace, mine)
    parted = worth_asking(by_pair(trace).among(trace.connection_mask(rows), 2), value)
    rows, agreeing = ask(parted, value, trace.connections["synack_ns"])
    by_service = group(trace.server_key[rows], np.arange(len(rows)))
    proofs = {}
    for g in range(len(by_service)):
        mine = rows[by_service.of(g)]
        proof = prove("bits", mine, agreeing[by_service.of(g)], 1 / STEP)
        if proof:
            proofs[int(trace.server_key[proof.agreeing[0]])] = proof
    return proofs


def worth_asking(parted: Groups[ConnectionRows], value: NDArray[np.int64]) -> Groups[ConnectionRows]:
    """Groups of which neighbours agree: among millions of ordinary connections, few."""
    if not len(parted):
        return parted
    same = np.zeros(len(parted.rows), dtype=bool)
    for some in batches(len(same)):
        ordered = value[parted.rows[max(some.start - 1, 0) : some.stop]]
        alike = ((ordered[1:] ^ ordered[:-1]) % STEP == 0) & (np.abs(np.diff(ordered)) >= STEP)
        same[max(some.start, 1) : some.stop] = alike
    same[parted.starts] = False
    chosen = np.flatnonzero(parted.sums(same) >= np.maximum(1, (parted.sizes - 1) // 4))
    return parted.chosen(chosen)


def ask(parted: Groups[ConnectionRows], value: NDArray[np.int64], synack_ns: Times) -> tuple[ConnectionRows, Bools]:
    """Which of the grouped rows say something, group by group, and which of them agree with one before.

    Of values that share their high bits one speaks, and none whose SYN-ACK was sent at the same time modulo 64 ms as
    the first of those that agree.
    """
    number, rows = parted.number, parted.rows
    order = np.lexsort((value[rows], number))
    spoken = np.sort(order[edges(number[order], value[rows[order]] // STEP)])
    number, rows = number[spoken], rows[spoken]
    low = value[rows] % STEP
    same = low == commonest(number, low)[number]
    first = np.flatnonzero(same)
    first = first[edges(number[first])][number]  # of each group
    phase = synack_ns[rows] % (STEP * MS) / MS
    kept = distance(phase - phase[first]) > SLACK_MS
    same[first] = False  # the first is what the others agree with
    kept[first] = True
    return rows[kept], same[kept]


def edges(*columns: NDArray[Any]) -> Bools:
    """Where in sorted columns another value of any of them begins."""
    starts: Bools = np.logical_or.reduce([run_starts(column) for column in columns])
    return starts


def commonest(number: NDArray[np.intp], low: NDArray[np.int64]) -> NDArray[np.int64]:
    """The value that is most frequent in each group, the least of several."""
    both, often = counts(number * STEP + low)
    best = np.lexsort((both, -often, both // STEP))
    chosen: NDArray[np.int64] = both[best[run_starts(both[best] // STEP)]] % STEP
    return chosen
