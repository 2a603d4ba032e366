"""Segments that never passed despite retransmissions, and what did pass between the hosts; used by `path_mtu.py`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_SYNACK, TRAIT_ACKS, TRAIT_SEEN
from handshake_inspect.verdicts import packet_sizes, silence
from handshake_inspect.verdicts.arrays import Bools, Rows
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct, pair_key
from handshake_inspect.wire.const import MASK32

REPEATS = 3
REPEATED_NS = 1_000_000_000
IDLE_NS = 30_000_000_000

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Failed:
    """Segments that did not pass, for all pairs of hosts, as parallel columns."""

    rows: ConnectionRows
    sides: Rows
    places: Rows  # rows of `Aftermath`
    lengths: Numbers  # payload of the shortest copy, at most what fits a packet
    recovered: Bools  # shorter pieces passed

    def select(self, some: Any) -> "Failed":
        """Return the selected segments."""
        return Failed(self.rows[some], self.sides[some], self.places[some], self.lengths[some], self.recovered[some])

    def of(self, trace: Attempts, name: str) -> NDArray[Any]:
        """Return a column of `Aftermath` for the sender's side."""
        column: NDArray[Any] = trace.aftermaths[name][self.places, self.sides]
        return column


def failures(trace: Attempts) -> Failed:
    """Return the segments that were retransmitted often enough."""
    owner = silence.owners(trace)
    parts = [failures_of(trace, owner, side) for side in (0, 1)]
    rows, *others = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Failed(ConnectionRows(rows), *others)


def is_long(trace: Attempts, failed: Failed) -> Bools:
    """Return a mask over `failed`: the packets are longer than what every path takes."""
    version = trace.connections["ip_version"][failed.rows]
    headers = np.where(version == 4, packet_sizes.HEADERS[4], packet_sizes.HEADERS[6])
    least = np.where(version == 4, packet_sizes.LEAST[4], packet_sizes.LEAST[6])
    packet = failed.lengths + headers + packet_sizes.timestamped(trace, failed.rows)
    long: Bools = packet > least
    return long


def failures_of(trace: Attempts, owner: ConnectionRows, side: int) -> tuple[ConnectionRows, Rows, Rows, Numbers, Bools]:
    """Return the columns of `Failed` for one side."""
    a = trace.aftermaths
    often = (a["repeats"][:, side] >= REPEATS) & (a["repeated_ns"][:, side] - a["first_ns"][:, side] >= REPEATED_NS)
    shrunk = a["shrunk_from"][:, side] > 0
    places = np.flatnonzero((often | shrunk) & (owner >= 0))
    rows = owner[places]
    waiting = silence.is_waiting(trace, rows, places, side) & often[places]
    taken = shrunk[places] & (trace.endpoints["last_ack"][2 * rows + (side ^ 1)] != a["seq"][places, side])
    kept = np.flatnonzero(waiting | taken)
    places, rows, recovered = places[kept], rows[kept], ~waiting[kept]
    lengths = np.where(recovered, a["shrunk_from"][places, side], a["length"][places, side])
    sides = np.full(len(rows), side, dtype=np.intp)
    return rows, sides, places, packet_sizes.cut(trace, rows, side, lengths), recovered


def directions(trace: Attempts, rows: ConnectionRows, sides: Rows) -> NDArray[np.uint64]:
    """Return a 64-bit key of sender and receiver, in this order."""
    client, server = trace.client_host[rows], trace.server_host[rows]
    forth = sides == trace.connections["client"][rows]
    return pair_key(np.where(forth, client, server), np.where(forth, server, client))


def passed_before(trace: Attempts, failed: Failed) -> Numbers:
    """Return the longest payload that passed on these connections before the failing segment, at most one packet's."""
    return packet_sizes.cut(trace, failed.rows, failed.sides, failed.of(trace, "passed"))


def newly_passed(trace: Attempts, failed: Failed, before: Numbers, begun_ns: int) -> int:
    """Return the longest payload that passed on connections that began after the first segment failed.

    An older connection may have passed it over another path.
    """
    newer = trace.connections["first_ns"][failed.rows] >= begun_ns
    return int(before[newer].max(initial=0))


def passed_on(trace: Attempts, rows: ConnectionRows, sides: Rows) -> Numbers:
    """Return an upper bound of the longest acknowledged payload on each of these connections without trouble."""
    e = trace.endpoints
    sender, receiver = 2 * rows + sides, 2 * rows + (sides ^ 1)
    lengths = packet_sizes.cut(trace, rows, sides, e["largest"][sender])
    known = e["traits"][receiver] & TRAIT_ACKS != 0
    taken = (e["last_ack"][receiver].astype(np.int64) - e["iss"][sender] - 1) & MASK32
    whole = e["last_ack"][receiver] == e["snd_nxt"][sender]
    return np.where(known, np.where(whole, lengths, np.minimum(lengths, taken)), 0)


def too_big_of(trace: Attempts, rows: ConnectionRows, sides: Rows) -> tuple[int, int]:
    """Return the number of ICMP "too big" errors in this direction, and the smallest MTU they name (0 for none)."""
    kept = trace.connections["aftermath"][rows].astype(np.intp)
    known = np.flatnonzero(kept)
    a, places, mine = trace.aftermaths, kept[known] - 1, sides[known]
    mtus = a["mtu"][places, mine]
    return int(a["too_big"][places, mine].sum()), int(mtus[mtus > 0].min(initial=0xFFFF)) % 0xFFFF


def is_alive(trace: Attempts, failed: Failed) -> Bools:
    """Return a mask over `failed`: the receiver acknowledges shorter segments of the same connection, or sends data."""
    behind = failed.of(trace, "holed") == failed.of(trace, "seq")
    alive: Bools = behind | (failed.of(trace, "answers") > 0) | failed.recovered
    return alive


def goes_on(trace: Attempts, failed: Failed) -> Bools:
    """Return a mask over `failed`: the receiver is alive on this connection meanwhile, or an ICMP error says why.

    Then older connections are no counterevidence: what passed on them may have passed before the path changed.
    """
    long = (failed.of(trace, "repeats") >= silence.REPEATS) & (
        failed.of(trace, "repeated_ns") - failed.of(trace, "first_ns") >= silence.REPEATED_NS
    )
    reported: Bools = is_alive(trace, failed) | (failed.of(trace, "too_big") > 0)
    return reported & (long | failed.recovered)


def goes_on_elsewhere(trace: Attempts, failed: Failed, before: Numbers, others: Rows) -> Bools:
    """Return a mask over `failed`: another connection of the two hosts opens or continues meanwhile.

    It proves nothing for connections that were idle, or had passed as much before: a firewall may have dropped them. If
    no idle period came before the segment, the receiver was alive until then, and any later sign shows that it still
    was.
    """
    c, facts = trace.connections, trace.facts
    since, until = failed.of(trace, "first_ns") + REPEATED_NS, failed.of(trace, "repeated_ns")
    until = np.where(failed.of(trace, "waited_ns") == 0, trace.last_ns, until)
    opened = distinct(np.concatenate([others, failed.rows]))
    opened = opened[facts[opened] & (FACT_SYNACK | FACT_ACKED) == FACT_SYNACK | FACT_ACKED]
    alive = others[trace.both_ends[others] & TRAIT_SEEN != 0]
    times = np.sort(np.concatenate([c["synack_ns"][opened], c["last_ns"][alive]]))
    between = np.searchsorted(times, since) < np.searchsorted(times, until, side="right")
    fresh: Bools = (failed.of(trace, "waited_ns") < IDLE_NS) & (before < failed.lengths)
    return between & fresh
