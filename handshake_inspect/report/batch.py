"""Rows to connections of the report, a batch at a time and column by column: a third of the time of row by row.

Each column of a batch becomes a list, with None where nothing is known, and `map` makes the parts and the connections
of them.  What is not as usual in a row is put right afterwards.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report import parts, why
from handshake_inspect.report.model import (
    Aliases,
    Close,
    Connection,
    Direction,
    Endpoint,
    Handshake,
    Leg,
    Options,
    Rtt,
    TsharkAlias,
    ZeekAlias,
)
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_LAST_ACK_SEEN,
    FACT_RST,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    METHOD_ONE_SIDED,
    METHOD_REORDERED,
    METHOD_SIMULTANEOUS,
    TRAIT_FIN,
    TRAIT_ISS,
)
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts import aliases as names
from handshake_inspect.verdicts.legs import Leg as Measured
from handshake_inspect.verdicts.words import CAUSES, ESTABLISHED, HALF_OPEN, OUTCOMES
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.const import (
    MASK32,
)

_FRAMES = ("syn", "synack", "ack", "rst", "icmp", "trouble")

Column = NDArray[Any]


def connections(source: Any, ids: Column, rows: Column) -> list[Connection]:
    """Make the connections of these connection rows of `source` (RowConnections), which have these ids."""
    batch = _Batch(source, ids, rows)
    c = batch.c
    client, server = batch.ends()
    closes = batch.closes()
    return list(
        map(
            Connection,
            ids.tolist(),
            client,
            server,
            map(parts.ROLES.__getitem__, (c["facts"] & FACT_SYN != 0).astype(np.uint8).tolist()),
            c["first_ns"].tolist(),
            c["last_ns"].tolist(),
            c["first_frame"].tolist(),
            batch.words,
            batch.causes,
            source.outcomes.decided[rows].tolist(),
            batch.sentences(server, closes),
            batch.evidence(),
            batch.ages,
            map(parts.states, source.states[0][rows].tolist(), source.states[1][rows].tolist()),
            batch.handshakes(),
            batch.rtts(),
            closes,
            _directions(batch.client),
            _directions(batch.server),
            _aliases(
                map(names.CONN_STATES.__getitem__, source.conn_states[rows].tolist()),
                names.history_texts(source.trace.aliases, rows),
                ids.tolist(),
                names.completeness(c["completeness"], batch.client["frames"] + batch.server["frames"]).tolist(),
                names.community_ids(*(c[part] for part in ("hi0", "lo0", "hi1", "lo1", "port0", "port1"))),
            ),
        )
    )


class _Batch:
    """The columns of some connection rows."""

    def __init__(self, source: Any, ids: Column, rows: Column) -> None:
        trace = source.trace
        self.source, self.trace, self.rows = source, trace, rows
        self.c = {field: trace.connections[field][rows] for field in _CONNECTION_FIELDS}
        clients = trace.client_rows[rows]
        self.client, self.server = (
            {field: trace.endpoints[field][ends] for field in _ENDPOINT_FIELDS} for ends in (clients, clients ^ 1)
        )
        self.outcome, self.cause = source.outcome[rows], source.outcomes.cause[rows]
        self.words = list(map(OUTCOMES.__getitem__, self.outcome.tolist()))
        self.causes = list(map(CAUSES.__getitem__, self.cause.tolist()))
        self.frames = {name: _frames(self.c["first_frame"], self.c[f"{name}_frame"]) for name in _FRAMES}
        ages = np.maximum(trace.last_ns - self.c["synack_ns"], 0)
        self.ages = _optional(ages, self.outcome == HALF_OPEN)
        rejects = source.reject_ns[rows]
        self.rejects = _optional(rejects, rejects >= 0)

    def ends(self) -> tuple[list[Endpoint], list[Endpoint]]:
        """Clients and servers."""
        c, first = self.c, self.c["client"] == 0
        client = (np.where(first, c[f"{part}0"], c[f"{part}1"]).tolist() for part in ("hi", "lo", "port"))
        server = (np.where(first, c[f"{part}1"], c[f"{part}0"]).tolist() for part in ("hi", "lo", "port"))
        return _endpoints(*client), list(map(parts.service, *server))

    def closes(self) -> list[Close]:
        """How they ended: of what decides it few combinations occur."""
        c, facts = self.c, self.c["facts"]
        reset = (facts & FACT_RST != 0) & (facts & FACT_LAST_ACK_SEEN == 0)
        fins = (self.client["traits"] & TRAIT_FIN != 0).astype(np.uint8) + (self.server["traits"] & TRAIT_FIN != 0)
        return list(
            map(
                parts.close,
                fins.tolist(),
                reset.tolist(),
                (c["fin_side"] ^ c["client"]).tolist(),
                (c["rst_side"] ^ c["client"]).tolist(),
                self.outcome.tolist(),
                self.causes,
            )
        )

    def sentences(self, servers: list[Endpoint], closes: list[Close]) -> list[str]:
        """Why each has its outcome."""
        c, facts = self.c, self.c["facts"]
        both = FACT_SYN | FACT_SYNACK
        columns = zip(
            self.causes,
            [close.first for close in closes],
            c["syn_count"].tolist(),
            c["synack_count"].tolist(),
            (facts & FACT_SIMULTANEOUS != 0).tolist(),
            (facts & both != both).tolist(),
            strict=True,
        )
        went_well = (self.outcome == ESTABLISHED).tolist()
        told = [
            parts.why_established(*columns_) if well else "" for well, columns_ in zip(went_well, columns, strict=True)
        ]
        for i in np.flatnonzero(self.outcome != ESTABLISHED).tolist():
            told[i] = self._sentence(i, servers[i].ip)
        return told

    def _sentence(self, i: int, server: str) -> str:
        c, last_ns = self.c, self.trace.last_ns
        syn_ns = int(c["syn_ns"][i])
        return why.sentence(
            {
                "outcome": self.words[i],
                "cause": self.causes[i],
                "syn_count": int(c["syn_count"][i]),
                "synack_count": int(c["synack_count"][i]),
                "server": server,
                "reject_ns": self.rejects[i],
                "reporter": self._reporter(i),
                "syn_span_ns": int(self.trace.last_syn_ns[self.rows[i]]) - syn_ns,
                "waited_ns": last_ns - syn_ns,
                "age_ns": self.ages[i],
                "acked": int(c["facts"][i]) & FACT_ACKED,
            }
        )

    def _reporter(self, i: int) -> str | None:
        if not self.c["icmp_count"][i] or not self.c["retries"][i]:
            return None
        retries = self.trace.retries[int(self.c["retries"][i]) - 1]
        return address_text(int(retries["reporter_hi"]), int(retries["reporter_lo"]))

    def evidence(self) -> list[list[int]]:
        """The frames that prove each outcome: mostly the three of a handshake, in order."""
        syn, synack, ack = (self.c[f"{name}_frame"] for name in parts.EVIDENCE["established"])
        usual = (self.outcome == ESTABLISHED) & (syn > 0) & (syn < synack) & (synack < ack)
        usual &= syn >= self.c["first_frame"]  # else their numbers are beyond 32 bits
        listed = list(map(list, zip(*(self.frames[name] for name in parts.EVIDENCE["established"]), strict=True)))
        for i in np.flatnonzero(~usual).tolist():
            frames = {self.frames[name][i] for name in parts.EVIDENCE[self.words[i]]} - {None}
            listed[i] = sorted(frames or {int(self.c["first_frame"][i])})
        return listed

    def handshakes(self) -> Iterable[Handshake]:
        """The segments that opened them."""
        c, one, two = self.c, self.client, self.server
        known, answered = one["traits"] & TRAIT_ISS != 0, two["traits"] & TRAIT_ISS != 0
        return map(
            Handshake,
            _optional(c["syn_ns"], c["syn_count"] > 0),
            self.frames["syn"],
            _optional(c["synack_ns"], c["synack_count"] > 0),
            self.frames["synack"],
            _optional(c["ack_ns"], c["facts"] & FACT_ACKED != 0),
            self.frames["ack"],
            c["syn_count"].tolist(),
            c["synack_count"].tolist(),
            _optional(one["iss"], known),
            _optional(two["iss"], answered),
            _options_of(one, known),
            _options_of(two, answered),
        )

    def rtts(self) -> Iterable[Rtt]:
        """The RTT of the handshakes, or why there is none."""
        measured = self.source.legs.of(self.rows).all
        synack, ackdat, total = map(_legs, measured)
        for i in np.flatnonzero(measured[0].high < 0).tolist():
            synack[i] = parts.NO_LEG[self._reason(i, "synack_method", answered=False)]
        for i in np.flatnonzero(measured[1].high < 0).tolist():
            ackdat[i] = parts.NO_LEG[self._reason(i, "ackdat_method", answered=bool(self.c["synack_count"][i]))]
        for i in np.flatnonzero(measured[2].high < 0).tolist():
            total[i] = parts.NO_LEG[synack[i].reason or ackdat[i].reason or "not-captured"]
        return map(Rtt, synack, ackdat, total, self.rejects)

    def _reason(self, i: int, column: str, *, answered: bool) -> str:
        method, outcome = self.c[column][i], self.words[i]
        if method == METHOD_REORDERED:
            return "reordered"
        if method == METHOD_SIMULTANEOUS:
            return "simultaneous-open"
        if method == METHOD_ONE_SIDED:
            return "one-sided"
        if outcome not in {"midstream", "unsolicited"} and not self.c["syn_count"][i]:
            return "no-syn"
        if answered and outcome in {"refused", "rejected", "timed-out", "pending"}:
            return "no-final-ack"
        return parts.REASON[outcome]


def embryos(source: Any, ids: Column, rows: Column) -> list[Connection]:
    """Make the connections of SYNs that nothing answered: `rows` of the embryos of `source`."""
    trace = source.trace
    e = trace.embryos[rows]
    at = rows + len(trace.connections)
    words = list(map(OUTCOMES.__getitem__, source.outcome[at].tolist()))
    causes = list(map(CAUSES.__getitem__, source.outcomes.cause[at].tolist()))
    times, frames = e["first_ns"].tolist(), e["first_frame"].tolist()
    ends = [e[f"{who}_{part}"] for who in ("client", "server") for part in ("hi", "lo", "port")]
    listed = [part.tolist() for part in ends]
    client, server = _endpoints(*listed[:3]), list(map(parts.service, *listed[3:]))
    none = parts.NO_LEG["no-answer"]
    return list(
        map(
            Connection,
            ids.tolist(),
            client,
            server,
            repeat("observed"),
            times,
            times,
            frames,
            words,
            causes,
            source.outcomes.decided[at].tolist(),
            [
                parts.why_unanswered(word, cause) if word == "timed-out" else parts.why_pending(trace.last_ns - begun)
                for word, cause, begun in zip(words, causes, times, strict=True)
            ],
            map(list, zip(frames, strict=True)),
            repeat(None),
            map(parts.states, source.embryo_clients[rows].tolist(), repeat(int(TcpState.CLOSED))),
            map(
                Handshake,
                times,
                frames,
                repeat(None),
                repeat(None),
                repeat(None),
                repeat(None),
                repeat(1),
                repeat(0),
                e["iss"].tolist(),
                repeat(None),
                map(parts.options, e["options"].tolist(), e["mss"].tolist(), e["window_scale"].tolist()),
            ),
            repeat(Rtt(none, none, none, None)),
            [parts.ended("timeout" if word == "timed-out" else "open") for word in words],
            repeat(Direction(frames=1)),
            repeat(Direction()),
            _aliases(
                repeat(names.EMBRYO_CONN_STATE),
                repeat(names.EMBRYO_HISTORY),
                ids.tolist(),
                repeat(1),
                names.community_ids(ends[0], ends[1], ends[3], ends[4], ends[2], ends[5]),
            ),
        )
    )


# What a connection is made of; the rows hold more.
_CONNECTION_FIELDS = (
    "hi0", "lo0", "hi1", "lo1", "port0", "port1", "facts", "last_ns", "first_ns", "client", "first_frame", "syn_ns",
    "synack_ns", "ack_ns", "syn_frame", "synack_frame", "ack_frame", "rst_frame", "icmp_frame", "trouble_frame",
    "retries", "syn_count", "synack_count", "icmp_count", "synack_method", "ackdat_method", "rst_side", "fin_side",
    "completeness",
)  # fmt: skip
_ENDPOINT_FIELDS = (
    "bytes", "frames", "traits", "iss", "mss", "options", "window_scale", "retransmissions", "duplicates",
    "keep_alives", "zero_windows", "out_of_order",
)  # fmt: skip


def _optional(values: Column, known: NDArray[np.bool_]) -> list[Any]:
    """The values, None where they are not known."""
    listed: list[Any] = values.tolist()
    for i in np.flatnonzero(~known).tolist():
        listed[i] = None
    return listed


def _frames(first: Column, low: Column) -> list[Any]:
    """The whole numbers of frames of which rows keep the low 32 bits; None for none."""
    wide = low.astype(np.uint64)
    whole = np.where(wide >= first, wide, first + ((wide - first) & np.uint64(MASK32)))
    return _optional(whole, low != 0)


def _endpoints(hi: Sequence[int], lo: Sequence[int], port: Sequence[int]) -> list[Endpoint]:
    return list(map(Endpoint, map(address_text, hi, lo), port))


def _directions(end: dict[str, Column]) -> Iterable[Direction]:
    order = ("frames", "bytes", "retransmissions", "out_of_order", "duplicates", "keep_alives", "zero_windows")
    return map(Direction, *(end[field].tolist() for field in order))


def _aliases(
    states: Iterable[str], histories: Iterable[str], streams: list[int], completeness: Iterable[int], ids: list[str]
) -> Iterable[Aliases]:
    return map(Aliases, map(ZeekAlias, states, histories), map(TsharkAlias, streams, completeness), ids)


def _legs(leg: Measured) -> list[Leg]:
    methods = map(parts.METHODS.__getitem__, leg.method.tolist())
    return list(map(Leg, _optional(leg.value, leg.value >= 0), leg.low.tolist(), leg.high.tolist(), methods))  # type: ignore[arg-type]


def _options_of(end: dict[str, Column], known: NDArray[np.bool_]) -> list[Options | None]:
    fields = (end[field].tolist() for field in ("options", "mss", "window_scale"))
    listed: list[Options | None] = list(map(parts.options, *fields))
    for i in np.flatnonzero(~known).tolist():
        listed[i] = None
    return listed
