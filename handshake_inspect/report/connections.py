"""Rows to connections of the report, made in batches when they are asked for."""

from collections.abc import Iterator
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report import why
from handshake_inspect.report.model import (
    Aliases,
    Close,
    CloseHow,
    Connection,
    Connections,
    Direction,
    Endpoint,
    Handshake,
    Leg,
    Options,
    ResetBy,
    Rtt,
    Side,
    States,
    TsharkAlias,
    ZeekAlias,
    fair_shares,
)
from handshake_inspect.report.table import table
from handshake_inspect.tcp import rows
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
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.outcome import Outcomes
from handshake_inspect.verdicts.states import connection_states, embryo_states
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.verdicts.words import CAUSES, ESTABLISHED, MIDSTREAM, OUTCOMES
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.const import (
    MASK32,
    OPT_ECN,
    OPT_MPTCP,
    OPT_MSS,
    OPT_SACK_PERMITTED,
    OPT_TFO,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
)

TROUBLE = (1, 2, 3, 5, 6)  # refused, rejected, timed-out, half-open, aborted
METHODS = ("none", "exact", "tsecr", "ambiguous", "data-ack", "one-sided", "none", "none")
STATE_NAMES = tuple(state.name for state in TcpState)
SIDES: tuple[Side, Side] = ("client", "server")
NO_LEG = {
    reason: Leg(None, None, None, "none", reason)
    for reason in (
        "refused", "rejected", "no-answer", "no-final-ack", "aborted", "midstream", "reordered", "simultaneous-open",
        "one-sided", "no-syn", "not-captured", "unsolicited",
    )
}  # fmt: skip
# Why there is no RTT, by outcome, before a SYN-ACK and after it.
REASON = {
    "refused": "refused",
    "rejected": "rejected",
    "timed-out": "no-answer",
    "pending": "no-answer",
    "half-open": "no-final-ack",
    "aborted": "aborted",
    "unsolicited": "unsolicited",
    "midstream": "midstream",
    "established": "not-captured",
}


class RowConnections(Connections):
    """The connections of a trace, or some of them; only those asked for become objects."""

    def __init__(self, trace: Trace, outcomes: Outcomes, legs: Legs, ids: NDArray[Any] | None = None) -> None:
        """With `ids` the connections that have these, in their order; columns are those of all the same."""
        self.trace = trace
        self.outcomes = outcomes
        self.legs = legs
        self.ids = ids

    @property
    def outcome(self) -> NDArray[np.uint8]:
        """The outcome of every attempt in row order, as places in OUTCOMES."""
        return self.outcomes.outcome

    @cached_property
    def states(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Final states of clients and servers of connection rows."""
        return connection_states(self.trace)

    @cached_property
    def embryo_clients(self) -> NDArray[np.uint8]:
        """Final states of the clients of unanswered SYNs."""
        return embryo_states(self.trace)

    @cached_property
    def reject_ns(self) -> NDArray[np.int64]:
        """Delay of the RST or ICMP error that answered the SYN of connection rows; -1 for none."""
        return self.legs.reject_ns

    @cached_property
    def conn_states(self) -> NDArray[np.uint8]:
        """Zeek's conn_state of connection rows."""
        return names.conn_state(self.trace.aliases, self.trace.endpoints)

    @cached_property
    def troubled(self) -> NDArray[np.bool_]:
        """Whether an attempt failed or needed a second SYN or SYN-ACK, in row order."""
        repeated = np.zeros(len(self.trace), dtype=bool)
        c = self.trace.connections
        repeated[: len(c)] = (c["syn_count"] > 1) | (c["synack_count"] > 1)
        return np.isin(self.outcome, TROUBLE) | ((self.outcome == ESTABLISHED) & repeated)

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self.trace) if self.ids is None else len(self.ids)

    def _numbered(self, start: int, stop: int) -> NDArray[Any]:
        """The ids of those at these places."""
        return np.arange(start, stop) if self.ids is None else self.ids[start:stop]

    def connection(self, index: int) -> Connection:
        """Make the connection at this place, which is its id unless only some were chosen."""
        return self.made(self._numbered(index, index + 1))[0]

    def chunks(self, size: int) -> Iterator[list[Connection]]:
        """All connections as lists of at most `size`."""
        for start in range(0, len(self), size):
            yield self.made(self._numbered(start, min(start + size, len(self))))

    def __iter__(self) -> Iterator[Connection]:
        """Make the connections batch by batch."""
        for chunk in self.chunks(512):
            yield from chunk

    def table(self) -> NDArray[Any]:
        """All connections as a NumPy structured array (see `report.table.DTYPE`)."""
        return table(self.trace, self.outcomes, self.legs)

    @property
    def trouble_count(self) -> int:
        """How many connections had trouble."""
        return len(self._troubled_ids())

    def _troubled_ids(self) -> NDArray[Any]:
        order = self.trace.order
        if self.ids is None:
            return np.flatnonzero(self.troubled[order])
        return self.ids[self.troubled[order[self.ids]]]

    def trouble(self, limit: int | None = None) -> list[Connection]:
        """At most `limit` connections with trouble, every outcome represented."""
        ids = self._troubled_ids()
        if limit is not None and len(ids) > limit:
            codes = self.outcome[self.trace.order[ids]]
            counts = {OUTCOMES[code]: int(np.count_nonzero(codes == code)) for code in np.unique(codes).tolist()}
            shares = fair_shares(counts, limit)
            chosen = [ids[codes == OUTCOMES.index(word)][:share] for word, share in shares.items()]
            ids = np.sort(np.concatenate(chosen))
        return [connection for start in range(0, len(ids), 512) for connection in self.made(ids[start : start + 512])]

    def made(self, ids: NDArray[Any]) -> list[Connection]:
        """Make the connections with these ids."""
        rows = self.trace.order[ids]
        count = len(self.trace.connections)
        found: dict[int, Connection] = {}
        full = rows < count
        for batch in (self._from_rows(ids[full], rows[full]), self._from_embryos(ids[~full], rows[~full] - count)):
            for connection in batch:
                found[connection.id] = connection
        return [found[i] for i in ids.tolist()]

    def _from_rows(self, ids: NDArray[Any], rows: NDArray[Any]) -> Iterator[Connection]:
        if not len(rows):
            return
        trace = self.trace
        batch = zip(
            ids.tolist(),
            _records(trace.connections, rows, _CONNECTION_FIELDS),
            _records(trace.endpoints, trace.client_rows[rows], _ENDPOINT_FIELDS),
            _records(trace.endpoints, trace.server_rows[rows], _ENDPOINT_FIELDS),
            names.history_texts(trace.aliases, rows),
            self.outcome[rows].tolist(),
            self.outcomes.cause[rows].tolist(),
            self.outcomes.decided[rows].tolist(),
            self.states[0][rows].tolist(),
            self.states[1][rows].tolist(),
            self.conn_states[rows].tolist(),
            self._leg_columns(rows),
            trace.last_syn_ns[rows].tolist(),
            strict=True,
        )
        for item in batch:
            yield self._from_row(*item)

    def _leg_columns(self, rows: NDArray[Any]) -> list[tuple[Any, ...]]:
        legs = self.legs.of(rows)
        columns = [column.tolist() for leg in legs.all for column in (leg.value, leg.low, leg.high, leg.method)]
        return list(zip(*columns, self.reject_ns[rows].tolist(), strict=True))

    def _from_row(
        self, number: int, c: Any, client: Any, server: Any, history: str, outcome: int, cause: int, decided: bool,
        client_state: int, server_state: int, conn_state: int, legs: tuple[Any, ...], last_syn_ns: int,
    ) -> Connection:  # fmt: skip
        row = dict(zip(_CONNECTION_FIELDS, c, strict=True))
        one = dict(zip(_ENDPOINT_FIELDS, client, strict=True))
        two = dict(zip(_ENDPOINT_FIELDS, server, strict=True))
        side = row["client"]
        ends = _endpoint(row["hi0"], row["lo0"], row["port0"]), _endpoint(row["hi1"], row["lo1"], row["port1"])
        word = OUTCOMES[outcome]
        facts = row["facts"]
        reject_ns = legs[12] if legs[12] >= 0 else None
        age_ns = max(self.trace.last_ns - row["synack_ns"], 0) if word == "half-open" else None
        close = _close(row, one, two, word, CAUSES[cause])
        return Connection(
            number,
            ends[side],
            ends[side ^ 1],
            "observed" if facts & FACT_SYN else "inferred",
            row["first_ns"],
            row["last_ns"],
            row["first_frame"],
            word,
            CAUSES[cause],
            decided,
            self._why(row, word, CAUSES[cause], close.first, ends[side ^ 1].ip, reject_ns, age_ns, last_syn_ns),
            _evidence(row, word),
            age_ns,
            _states(client_state, server_state),
            _handshake(row, one, two),
            _rtt(row, legs, word, reject_ns),
            close,
            _direction(one),
            _direction(two),
            Aliases(
                ZeekAlias(names.CONN_STATES[conn_state], history),
                TsharkAlias(number, row["completeness"]),
                names.community_id(row["hi0"], row["lo0"], row["hi1"], row["lo1"], row["port0"], row["port1"]),
            ),
        )

    def _why(
        self, row: dict[str, Any], word: str, cause: str | None, first: str | None, server: str, reject_ns: int | None,
        age_ns: int | None, last_syn_ns: int,
    ) -> str:  # fmt: skip
        facts = row["facts"]
        simultaneous = facts & FACT_SIMULTANEOUS != 0
        if word == "established":
            one_sided = facts & (FACT_SYN | FACT_SYNACK) != FACT_SYN | FACT_SYNACK
            return _why_established(cause, first, row["syn_count"], row["synack_count"], simultaneous, one_sided)
        return why.sentence(
            {
                "outcome": word,
                "cause": cause,
                "syn_count": row["syn_count"],
                "synack_count": row["synack_count"],
                "server": server,
                "reject_ns": reject_ns,
                "reporter": self._reporter(row),
                "syn_span_ns": last_syn_ns - row["syn_ns"],
                "waited_ns": self.trace.last_ns - row["syn_ns"],
                "age_ns": age_ns,
                "acked": facts & FACT_ACKED,
            }
        )

    def _reporter(self, row: dict[str, Any]) -> str | None:
        if not row["icmp_count"] or not row["retries"]:
            return None
        retries = self.trace.retries[row["retries"] - 1]
        return address_text(int(retries["reporter_hi"]), int(retries["reporter_lo"]))

    def _from_embryos(self, ids: NDArray[Any], rows: NDArray[Any]) -> Iterator[Connection]:
        if not len(rows):
            return
        count = len(self.trace.connections)
        for number, e, outcome, cause, decided, state in zip(
            ids.tolist(),
            self.trace.embryos[rows].tolist(),
            self.outcome[rows + count].tolist(),
            self.outcomes.cause[rows + count].tolist(),
            self.outcomes.decided[rows + count].tolist(),
            self.embryo_clients[rows].tolist(),
            strict=True,
        ):
            yield self._from_embryo(number, dict(zip(_EMBRYO_FIELDS, e, strict=True)), outcome, cause, decided, state)

    def _from_embryo(
        self, number: int, e: dict[str, Any], outcome: int, cause: int, decided: bool, state: int
    ) -> Connection:
        client = Endpoint(address_text(e["client_hi"], e["client_lo"]), e["client_port"])
        server = Endpoint(address_text(e["server_hi"], e["server_lo"]), e["server_port"])
        word = OUTCOMES[outcome]
        waited = self.trace.last_ns - e["first_ns"]
        told = {"outcome": word, "cause": CAUSES[cause], "syn_count": 1, "syn_span_ns": 0, "waited_ns": waited}
        none = NO_LEG["no-answer"]
        return Connection(
            number,
            client,
            server,
            "observed",
            e["first_ns"],
            e["first_ns"],
            e["first_frame"],
            word,
            CAUSES[cause],
            decided,
            why.sentence(told),
            [e["first_frame"]],
            None,
            States(STATE_NAMES[state], "CLOSED"),  # type: ignore[arg-type]
            Handshake(
                syn_ns=e["first_ns"],
                syn_frame=e["first_frame"],
                syn_count=1,
                client_isn=e["iss"],
                client_options=_options(e["options"], e["mss"], e["window_scale"]),
            ),
            Rtt(none, none, none, None),
            _ended("timeout" if word == "timed-out" else "open"),
            Direction(frames=1),
            Direction(),
            Aliases(
                ZeekAlias(names.EMBRYO_CONN_STATE, names.EMBRYO_HISTORY),
                TsharkAlias(number, 1),
                names.community_id(
                    e["client_hi"], e["client_lo"], e["server_hi"], e["server_lo"], e["client_port"], e["server_port"]
                ),
            ),
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


def _field_names(kind: str) -> tuple[str, ...]:
    return tuple(name for name, _ in rows.ROWS[kind]._fields_)


def _records(table: NDArray[Any], rows_: NDArray[Any], fields: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Some fields of some rows, a tuple for each row."""
    return list(zip(*(table[field][rows_].tolist() for field in fields), strict=True))


@lru_cache(maxsize=1 << 12)
def _endpoint(hi: int, lo: int, port: int) -> Endpoint:
    """One end; services come again and again."""
    return Endpoint(address_text(hi, lo), port)


@cache
def _ended(how: CloseHow, first: Side | None = None, by: ResetBy | None = None) -> Close:
    return Close(how, first, by)


@cache
def _states(client: int, server: int) -> States:
    return States(STATE_NAMES[client], STATE_NAMES[server])  # type: ignore[arg-type]


_EMBRYO_FIELDS = _field_names("Embryo")


@lru_cache(maxsize=1 << 10)
def _why_established(
    cause: str | None, first: str | None, syn_count: int, synack_count: int, simultaneous: bool, one_sided: bool
) -> str:
    """Most connections have one of few sentences."""
    return why.sentence(
        {
            "outcome": "established",
            "cause": cause,
            "first": first,
            "syn_count": syn_count,
            "synack_count": synack_count,
            "simultaneous": simultaneous,
            "one_sided": one_sided,
        }
    )


def frame_number(row: dict[str, Any], low: int) -> int | None:
    """The whole number of a frame of which the row keeps the low 32 bits; None for none."""
    if low == 0:
        return None
    first: int = row["first_frame"]
    return low if low >= first else first + ((low - first) & MASK32)


_EVIDENCE = {
    "established": ("syn_frame", "synack_frame", "ack_frame"),
    "refused": ("syn_frame", "rst_frame"),
    "rejected": ("syn_frame", "icmp_frame"),
    "timed-out": ("syn_frame",),
    "pending": ("syn_frame",),
    "half-open": ("syn_frame", "synack_frame", "ack_frame", "trouble_frame", "rst_frame"),
    "aborted": ("syn_frame", "synack_frame", "rst_frame"),
    "unsolicited": ("synack_frame", "rst_frame"),
    "midstream": (),
}


def _evidence(row: dict[str, Any], outcome: str) -> list[int]:
    frames = {frame_number(row, row[key]) for key in _EVIDENCE[outcome]} - {None}
    return sorted(frames or {row["first_frame"]})


def _handshake(row: dict[str, Any], client: dict[str, Any], server: dict[str, Any]) -> Handshake:
    return Handshake(
        row["syn_ns"] if row["syn_count"] else None,
        frame_number(row, row["syn_frame"]),
        row["synack_ns"] if row["synack_count"] else None,
        frame_number(row, row["synack_frame"]),
        row["ack_ns"] if row["facts"] & FACT_ACKED else None,
        frame_number(row, row["ack_frame"]),
        row["syn_count"],
        row["synack_count"],
        client["iss"] if client["traits"] & TRAIT_ISS else None,
        server["iss"] if server["traits"] & TRAIT_ISS else None,
        _options(client["options"], client["mss"], client["window_scale"]) if client["traits"] & TRAIT_ISS else None,
        _options(server["options"], server["mss"], server["window_scale"]) if server["traits"] & TRAIT_ISS else None,
    )


@lru_cache(maxsize=1 << 10)
def _options(bits: int, mss: int, window_scale: int) -> Options:
    return Options(
        mss if bits & OPT_MSS else None,
        window_scale if bits & OPT_WINDOW_SCALE else None,
        bits & OPT_SACK_PERMITTED != 0,
        bits & OPT_TIMESTAMPS != 0,
        bits & OPT_TFO != 0,
        bits & OPT_MPTCP != 0,
        bits & OPT_ECN != 0,
    )


def _rtt(row: dict[str, Any], legs: tuple[Any, ...], outcome: str, reject_ns: int | None) -> Rtt:
    synack = _leg(legs[0:4], _reason(row, outcome, row["synack_method"], answered=False))
    ackdat = _leg(legs[4:8], _reason(row, outcome, row["ackdat_method"], answered=bool(row["synack_count"])))
    total = _leg(legs[8:12], synack.reason or ackdat.reason or "not-captured")
    return Rtt(synack, ackdat, total, reject_ns)


def _leg(columns: tuple[Any, ...], reason: str) -> Leg:
    value, low, high, method = columns
    if high < 0:
        return NO_LEG[reason]
    return Leg(value if value >= 0 else None, low, high, METHODS[method])  # type: ignore[arg-type]


def _reason(row: dict[str, Any], outcome: str, method: int, *, answered: bool) -> str:
    if method == METHOD_REORDERED:
        return "reordered"
    if method == METHOD_SIMULTANEOUS:
        return "simultaneous-open"
    if method == METHOD_ONE_SIDED:
        return "one-sided"
    if outcome not in {"midstream", "unsolicited"} and not row["syn_count"]:
        return "no-syn"
    if answered and outcome in {"refused", "rejected", "timed-out", "pending"}:
        return "no-final-ack"
    return REASON[outcome]


def _close(
    row: dict[str, Any], client: dict[str, Any], server: dict[str, Any], outcome: str, cause: str | None
) -> Close:
    fins = (client["traits"] & TRAIT_FIN != 0) + (server["traits"] & TRAIT_FIN != 0)
    reset = row["facts"] & FACT_RST != 0 and not row["facts"] & FACT_LAST_ACK_SEEN
    first = SIDES[row["fin_side"] ^ row["client"]] if fins else None
    if reset:
        by = SIDES[row["rst_side"] ^ row["client"]]
        opened = outcome in {OUTCOMES[ESTABLISHED], OUTCOMES[MIDSTREAM]}
        first = first or (by if opened else None)
        if cause in {"middlebox-reset", "reset-by-middlebox"}:
            return _ended("rst-after-fin" if fins else "rst", first if fins else None, "middlebox")
        return _ended("rst-after-fin" if fins else "rst", first, by)
    if fins:
        return _ended("fin" if fins == 2 else "half-closed", first)
    if outcome == "timed-out":
        return _ended("timeout")
    return _ended("open")


def _direction(end: dict[str, Any]) -> Direction:
    return Direction(
        end["frames"],
        end["bytes"],
        end["retransmissions"],
        end["out_of_order"],
        end["duplicates"],
        end["keep_alives"],
        end["zero_windows"],
    )
