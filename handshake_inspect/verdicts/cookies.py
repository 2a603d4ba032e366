"""Services that are proved to use SYN cookies, by the timestamps of their SYN-ACKs.

A Linux SYN cookie changes the timestamp of the SYN-ACK (net/ipv4/syncookies.c): the low `BITS` bits of the server's
clock are replaced by the client's options (window scale, 15 for none, in bits 0-3, SACK in bit 4, ECN in bit 5), and 64
is subtracted if the result would lie in the future. Then an offset is added that only the server knows: none before
Linux 4.10, later one per pair of hosts, recently one per connection. So the bits cannot be read directly, but they show
in two ways:

- *clock*: the SYN-ACK's TSval lags up to 63 ms behind the clock in the server's later segments, and (lag + options)
  modulo 64 is the server's clock when it sent the SYN-ACK. Minus the capture time this is constant: equal within
  `SLACK_MS` from one such connection to the next (clocks drift over hours). An ordinary SYN-ACK does not lag. Computed
  over connections that lag and lasted at most `DATED_NS`: rows do not store when the server's last TSval was sent, so
  the last frame stands for it. Frames that all have one time show no clock.
- *bits*: if SYN-ACKs share an offset, (TSval - options) modulo 64 is the same for all SYN-ACKs to one client. TSvals
  with the same high bits count once, and SYN-ACKs sent at the same time modulo 64 ms do not count: a client that
  connects every 8 s sees the same low bits of an ordinary clock.

In both cases `MOSTLY` of the values must agree, so many that the probability of agreement by chance is at most
`MAX_CHANCE`.
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
SLACK_MS = 2.0  # rounding of two clocks, and jitter between the capture and the server
DATED_NS = 1_000_000_000
MS = 1_000_000


@dataclass(frozen=True, eq=False, repr=False)
class Proof:
    """Connections whose TSvals agree, the number of values asked, and the probability that they agree by chance."""

    method: str
    agreeing: ConnectionRows
    asked: int
    chance: float


@once
def proofs(trace: Attempts) -> dict[int, Proof]:
    """Return the services proved to use SYN cookies, by `server_key`."""
    rows = stamped(trace)
    return {**by_bits(trace, rows), **by_clock(trace, rows)}


def stamped(trace: Attempts) -> ConnectionRows:
    """Return the connections whose SYN and SYN-ACK both carry timestamps and uncut options."""
    options = trace.endpoints["options"]
    stamps: Bools = options[0::2] & options[1::2] & OPT_TIMESTAMPS != 0
    stamps &= (options[0::2] | options[1::2]) & OPT_CUT == 0
    return ConnectionRows(marked(stamps & (trace.facts & (FACT_SYN | FACT_SYNACK) == FACT_SYN | FACT_SYNACK)))


def offered(trace: Attempts, rows: ConnectionRows) -> NDArray[np.int64]:
    """Return what a cookie would encode for each connection: the client's window scale and SACK, and ECN if agreed."""
    client = trace.client_rows[rows]
    options, agreed = trace.endpoints["options"][client], trace.endpoints["options"][client ^ 1]
    scale = np.minimum(trace.endpoints["window_scale"][client], MAX_SCALE)
    bits = np.where(options & OPT_WINDOW_SCALE != 0, scale, NO_SCALE).astype(np.int64)
    bits |= np.where(options & OPT_SACK_PERMITTED != 0, 1 << 4, 0)
    bits |= np.where(options & agreed & OPT_ECN != 0, 1 << 5, 0)
    return bits


@dataclass(frozen=True, eq=False, repr=False)
class Lagging:
    """Connections whose SYN-ACK's TSval lags behind the server's clock, the lag in ms, and the SYN-ACK's time."""

    rows: ConnectionRows
    lag: NDArray[np.float64]
    synack_ns: Times

    @classmethod
    def of(cls, trace: Attempts, rows: ConnectionRows) -> "Lagging":
        """Select those of these connections; only short ones, whose last frame stands for the server's last segment."""
        c, e = trace.connections, trace.endpoints
        synack_ns = c["synack_ns"][rows]
        age = c["last_ns"][rows] - synack_ns
        dated = np.flatnonzero((trace.facts[rows] & FACT_ACKED != 0) & (age > 0) & (age <= DATED_NS))
        server = trace.server_rows[rows[dated]]
        lag = (e["tsval"][server] - e["syn_tsval"][server]).astype(np.int32) - age[dated] / MS
        late = np.flatnonzero((lag > SLACK_MS) & (lag <= STEP))
        late = late[e["frames"][server[late]] > 1]
        return cls(rows[dated[late]], lag[late], synack_ns[dated[late]])


def by_clock(trace: Attempts, rows: ConnectionRows) -> dict[int, Proof]:
    """Return services whose SYN-ACKs lag behind their own clock by what the options explain."""
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
    """Return the distance of two phases on a circle of `STEP` milliseconds."""
    apart_by = np.abs(difference)
    nearest: NDArray[np.float64] = np.minimum(apart_by, STEP - apart_by)
    return nearest


def prove(method: str, rows: ConnectionRows, agreeing: Bools, likely: float) -> Proof | None:
    """Return the proof if enough values agree with their predecessor; `likely` is the chance of one agreement."""
    count = int(np.count_nonzero(agreeing))
    asked = len(rows)
    if count + 1 < max(MIN_AGREEING, MOSTLY * asked):
        return None
    chance = likely**count * float(math.comb(asked - 1, count)) if count < 200 else 0.0
    if chance > MAX_CHANCE:
        return None
    before = np.append(agreeing[1:], False)  # also the first of those that agree
    return Proof(method, rows[agreeing | before], asked, float(f"{chance:.1e}"))


def by_bits(trace: Attempts, rows: ConnectionRows) -> dict[int, Proof]:
    """Return services whose SYN-ACKs to one client, or to all, have the same low bits once options are subtracted."""
    service = trace.service[rows]
    if len(rows):
        rows = rows[(np.bincount(service) >= MIN_AGREEING)[service]]
    value = np.zeros(len(trace.facts), dtype=np.int64)
    for some in batches(len(rows)):
        mine = ConnectionRows(rows[some].astype(np.intp))  # once, or NumPy widens them for each column
        value[mine] = trace.endpoints["syn_tsval"][trace.server_rows[mine]] - offered(trace, mine)
    parted = promising_groups(by_pair(trace).among(trace.connection_mask(rows), 2), value)
    rows, agreeing = evidence_rows(parted, value, trace.connections["synack_ns"])
    by_service = group(trace.server_key[rows], np.arange(len(rows)))
    proofs = {}
    for g in range(len(by_service)):
        mine = rows[by_service.of(g)]
        proof = prove("bits", mine, agreeing[by_service.of(g)], 1 / STEP)
        if proof:
            proofs[int(trace.server_key[proof.agreeing[0]])] = proof
    return proofs


def promising_groups(parted: Groups[ConnectionRows], value: NDArray[np.int64]) -> Groups[ConnectionRows]:
    """Return the groups with agreeing neighbours: few among millions of ordinary connections."""
    if not len(parted):
        return parted
    same = np.zeros(len(parted.rows), dtype=bool)
    for some in batches(len(same)):
        ordered = value[parted.rows[max(some.start - 1, 0) : some.stop]]
        alike = ((ordered[1:] ^ ordered[:-1]) % STEP == 0) & (np.abs(np.diff(ordered)) >= STEP)
        same[max(some.start, 1) : some.stop] = alike
    same[parted.starts] = False
    chosen = np.flatnonzero(parted.sums(same) >= np.maximum(1, (parted.sizes - 1) // 4))
    return parted.select(chosen)


def evidence_rows(
    parted: Groups[ConnectionRows], value: NDArray[np.int64], synack_ns: Times
) -> tuple[ConnectionRows, Bools]:
    """Return the rows that are evidence, group by group, and a mask: they agree with an earlier one.

    Of values with the same high bits one counts, and none whose SYN-ACK was sent at the same time modulo 64 ms as the
    first of those that agree.
    """
    number, rows = parted.number, parted.rows
    order = np.lexsort((value[rows], number))
    spoken = np.sort(order[edges(number[order], value[rows[order]] // STEP)])
    number, rows = number[spoken], rows[spoken]
    low = value[rows] % STEP
    same = low == commonest(number, low)[number]
    first = np.flatnonzero(same)
    first = first[edges(number[first])][number]  # the first that agrees, per group
    phase = synack_ns[rows] % (STEP * MS) / MS
    kept = distance(phase - phase[first]) > SLACK_MS
    same[first] = False  # the others agree with it
    kept[first] = True
    return rows[kept], same[kept]


def edges(*columns: NDArray[Any]) -> Bools:
    """Return a mask over sorted columns: the value of any of them differs from the row before."""
    starts: Bools = np.logical_or.reduce([run_starts(column) for column in columns])
    return starts


def commonest(number: NDArray[np.intp], low: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the most frequent value of each group, the smallest if several tie."""
    both, often = counts(number * STEP + low)
    best = np.lexsort((both, -often, both // STEP))
    chosen: NDArray[np.int64] = both[best[run_starts(both[best] // STEP)]] % STEP
    return chosen
