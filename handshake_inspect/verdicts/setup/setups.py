"""The set-ups of a trace: which connections have one, and all results about them, as columns.

Columns are computed for some connections at a time, on access. Kept for the whole trace are the ticket lengths by
service, which decide where a single connection cannot, and the values of spans.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_MIDSTREAM, TRAIT_SEEN
from handshake_inspect.tcp.setup.facts import (
    EXCHANGE_SETUP,
    EXCHANGE_UNREAD,
    EXTRA_LOSS,
    EXTRA_NAGLE,
    EXTRA_WINDOW,
    SETUP_EARLY_REQUEST,
    SETUP_HOLE,
    SETUP_SPOKE_FIRST,
    SETUP_TLS,
)
from handshake_inspect.verdicts.arrays import Bools, Keys, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import batches, marked
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.setup import tls
from handshake_inspect.verdicts.setup.answer import KnownTickets, Lengths, Tickets
from handshake_inspect.verdicts.setup.extras import Extras
from handshake_inspect.verdicts.setup.handshakes import Handshakes, concatenated_handshakes, handshakes_of
from handshake_inspect.verdicts.setup.plain import Plain, plain_spans
from handshake_inspect.verdicts.setup.savings import saveable
from handshake_inspect.verdicts.setup.seen import Seen
from handshake_inspect.verdicts.setup.spans import Span, Spans
from handshake_inspect.verdicts.setup.words import SAVEABLE

MEASURED = ("tcp", "before_tls", "tls", "before_request", "response", "first_byte")


@dataclass(frozen=True)
class TicketsOf:
    """The ticket lengths by service, as far as connections prove them; collected when a connection needs them."""

    trace: Attempts

    def near(self, service: Keys, length: Lengths) -> tuple[Bools, Bools]:
        """Return what `Tickets.near` does."""
        return tickets_of(self.trace).near(service, length)


class Setup:
    """The set-ups of these connection rows, all of which have one."""

    def __init__(self, trace: Attempts, rows: Any, tickets: KnownTickets) -> None:
        self.seen = Seen(trace, rows)
        self.extras = Extras(self.seen)
        self.spans = Spans(self.seen, tickets, self.extras)

    def __len__(self) -> int:
        """Return the number of set-ups."""
        return len(self.seen)

    @property
    def measured(self) -> Mapping[str, Span]:
        """The spans by name."""
        spans = self.spans
        return {
            "tcp": spans.tcp, "before_tls": spans.before_tls, "tls": spans.tls,
            "before_request": spans.before_request, "response": spans.answer, "first_byte": spans.first_byte,
        }  # fmt: skip

    @cached_property
    def waits(self) -> Extras:
        """Additional waits up to the response.

        With a hole only the waits for a filled one, because missing segments may have ended the others.
        """
        if not len(self.extras.at):
            return self.extras
        there, _, frames = self.spans.moment("response")
        holed = self.seen.flag(SETUP_HOLE)
        return self.extras.before(there | holed, np.where(holed, np.uint64(0), frames))

    @cached_property
    def saveable(self) -> Mapping[str, Times]:
        """What would have been saved, -1 for unknown."""
        return saveable(self.seen, self.spans)

    @cached_property
    def outcomes(self) -> NDArray[np.uint8]:
        """TLS outcomes, as indices in TLS_OUTCOMES."""
        return tls.outcomes(self.seen)


@dataclass(frozen=True, eq=False, repr=False)
class Values:
    """The input of distributions and counts: one value per set-up of a trace, aligned with `rows`."""

    rows: NDArray[Any]  # connection rows
    tls: Bools
    version: NDArray[np.uint16]
    outcome: NDArray[np.uint8]
    resumed: Bools
    early: Bools
    spans: Mapping[str, Times]  # -1 for none, -2 if there are only bounds
    unsure: NDArray[Any]  # ascending indices of set-ups whose bounds may differ from their values
    lows: Mapping[str, Times]  # lower bounds of `unsure` set-ups, -1 for none; only spans with a -2
    highs: Mapping[str, Times]  # upper bounds, likewise
    saveable: Mapping[str, Times]
    extras: Mapping[str, NDArray[np.uint16]]  # number of waits by kind

    def of(self, places: Any) -> "Values":
        """Return the set-ups at these indices."""
        plain: list[Any] = [_some(getattr(self, name), places) for name in PLAIN]
        spans, saved, extras = (
            {key: _some(each, places) for key, each in getattr(self, name).items()} for name in BY_NAME
        )
        number = np.zeros(len(self.rows), dtype=np.int32)
        number[self.unsure] = np.arange(1, len(self.unsure) + 1)
        mine = number[places]
        unsure = np.flatnonzero(mine)
        lows, highs = ({key: each[mine[unsure] - 1] for key, each in side.items()} for side in (self.lows, self.highs))
        columns: list[Any] = [*plain, spans, unsure, lows, highs, saved, extras]
        return Values(*columns)

    def bounds(self, name: str) -> tuple[Times, Times]:
        """Return the lower and upper bounds of a span: the values themselves if all have one."""
        values = self.spans[name]
        if name not in self.lows:
            return values, values
        low, high = values.copy(), values.copy()
        low[self.unsure], high[self.unsure] = self.lows[name], self.highs[name]
        return low, high


def _some(column: NDArray[Any], places: Any) -> NDArray[Any]:
    """Index a column; constant ones are not copied."""
    return np.broadcast_to(column[0], len(places)) if is_constant(column) else column[places]


def is_constant(column: NDArray[Any]) -> bool:
    """Return whether one value stands for all of them (see `concatenated`)."""
    return column.strides == (0,) and len(column) > 0


PLAIN = ("rows", "tls", "version", "outcome", "resumed", "early")
BY_NAME = ("spans", "saveable", "extras")
COUNTED = ("hello-retry", "window", "loss", "nagle")
_KINDS = {"window": EXTRA_WINDOW, "loss": EXTRA_LOSS, "nagle": EXTRA_NAGLE}
_NOTHING: Any = {
    "rows": np.int32, "tls": np.bool_, "version": np.uint16, "outcome": np.uint8, "resumed": np.bool_,
    "early": np.bool_,
}  # fmt: skip


class Setups:
    """All set-ups of some attempts."""

    def __init__(self, trace: Attempts) -> None:
        self.trace = trace

    @property
    def present(self) -> Bools:
        """A mask over connections with a set-up: the client, or a server that speaks first, sent data."""
        return has_setup(self.trace)

    @property
    def rows(self) -> NDArray[Any]:
        """The rows of connections with a set-up."""
        return rows_of(self.trace)

    @property
    def places(self) -> NDArray[np.int32]:
        """The index in `rows` and `values` of every connection; of one without a set-up that of the one before."""
        return places_of(self.trace)

    def take_tickets(self, whole: Attempts) -> None:
        """Use the tickets of `whole`, of which these attempts are a part."""
        self.use_tickets(tickets_of(whole))

    def use_tickets(self, tickets: Tickets) -> None:
        """Use these tickets, which connections of a larger trace prove."""
        self.trace.memo[tickets_of.__wrapped__] = tickets  # type: ignore[attr-defined]

    def of(self, rows: Any) -> Setup:
        """Return the set-ups of these connections, which must have one."""
        return Setup(self.trace, rows, TicketsOf(self.trace))

    @property
    def values(self) -> Values:
        """The input of distributions and counts."""
        return all_of(self.trace)[0]

    @property
    def handshakes(self) -> Handshakes:
        """Columns of the TLS handshakes."""
        return all_of(self.trace)[1]


def setups_of(trace: Attempts) -> Setups:
    """Return the set-ups of some attempts."""
    return Setups(trace)


@once
def has_setup(trace: Attempts) -> Bools:
    """Return a mask over connections with a set-up worth reading."""
    if trace.exchanges is None:
        return np.zeros(len(trace.connections), dtype=bool)
    number = (trace.exchanges["setup"] & EXCHANGE_SETUP).astype(np.intp)
    flags = np.zeros(len(number), dtype=np.uint32)
    with_row = np.flatnonzero(number)
    if len(with_row) and trace.setups is not None:
        flags[with_row] = trace.setups["flags"][number[with_row] - 1]
    greeted = flags & SETUP_SPOKE_FIRST != 0
    greeted[greeted] = trace.endpoints["traits"][trace.client_rows[np.flatnonzero(greeted)]] & TRAIT_SEEN != 0
    plain = (trace.exchanges["request_frame"] != 0) | greeted
    plain &= (trace.facts & FACT_MIDSTREAM == 0) & (trace.exchanges["setup"] & EXCHANGE_UNREAD == 0)
    return plain | (flags & (SETUP_TLS | SETUP_EARLY_REQUEST) != 0)


@once
def rows_of(trace: Attempts) -> NDArray[Any]:
    """Return the rows of connections with a set-up."""
    return marked(has_setup(trace))


@once
def places_of(trace: Attempts) -> NDArray[np.int32]:
    """Return for every connection how many before it have a set-up."""
    places = np.cumsum(has_setup(trace), dtype=np.int32)
    places -= 1
    return places


@once
def tickets_of(trace: Attempts) -> Tickets:
    """Return the ticket lengths by service."""
    rows = rows_of(trace)
    if trace.exchanges is None:
        return Tickets(np.zeros(0, dtype=np.uint64))
    rows = rows[trace.exchanges["setup"][rows] & EXCHANGE_SETUP != 0]
    services, lengths = [], []
    for some in batches(len(rows)):
        candidates = Seen(trace, rows[some]).candidates
        showing = np.flatnonzero((candidates.count > 0) | (candidates.ticket_length > 0))
        if len(showing):
            services.append(trace.server_key[rows[some][showing]])
            lengths.append(candidates.proved_length[showing])
    if not services:
        return Tickets(np.zeros(0, dtype=np.uint64))
    return Tickets.of(np.concatenate(services), np.concatenate(lengths))


@once
def all_of(trace: Attempts) -> tuple[Values, Handshakes]:
    """Return the values of all set-ups (aligned with `rows_of`), and the TLS handshakes, in one pass."""
    rows, found = rows_of(trace), Setups(trace)
    plain = plain_spans(trace, rows)
    others = rows[~plain.easy]
    parts, of_tls = [], []
    for some in batches(len(others)):
        setup = found.of(others[some])
        parts.append(values_of(setup))
        of_tls.append(handshakes_of(setup.spans, setup.outcomes))
    return with_plain(rows, plain, concatenated(parts)), concatenated_handshakes(of_tls)


def with_plain(rows: NDArray[Any], plain: Plain, others: Values) -> Values:
    """Merge the values of simple set-ups and of the others."""
    easy = plain.easy
    if not easy.any():
        return others
    hard = np.flatnonzero(~easy)

    def both(default: int, mine: NDArray[Any] | None, theirs: NDArray[Any]) -> NDArray[Any]:
        if mine is None and bool((theirs == default).all()):
            return np.broadcast_to(np.asarray(default, theirs.dtype), len(rows))
        if mine is not None and not len(hard):
            return mine
        column = np.full(len(rows), default, dtype=theirs.dtype)
        if mine is not None:
            column[easy] = mine
        column[hard] = theirs
        return column

    flat: list[Any] = [both(0, None, getattr(others, name)) for name in PLAIN[1:]]
    spans = {name: both(-1, plain.spans.get(name), each) for name, each in others.spans.items()}
    saved = {name: both(-1, None, each) for name, each in others.saveable.items() if name != "reuse_ns"}
    reuse = both(-1, plain.spans["tcp"], others.saveable["reuse_ns"])
    extras = {name: both(0, None, each) for name, each in others.extras.items()}
    bounds = [hard[others.unsure], others.lows, others.highs]
    columns: list[Any] = [rows, *flat, spans, *bounds, {"reuse_ns": reuse} | saved, extras]
    return Values(*columns)


def values_of(setup: Setup) -> Values:
    """Return the values of some set-ups."""
    seen = setup.seen
    spans = {
        name: np.where(span.length.known, np.where(span.length.value >= 0, span.length.value, -2), -1)
        for name, span in setup.measured.items()
    }
    lengths = {name: span.length for name, span in setup.measured.items() if (spans[name] == -2).any()}
    lows, highs = ({name: getattr(each, side) for name, each in lengths.items()} for side in ("low", "high"))
    every = np.arange(len(seen))
    extras = {name: setup.waits.count(kind) for name, kind in _KINDS.items()}
    extras["hello-retry"] = (seen.there("hello_2") & seen.there("hello")).astype(np.uint16)
    plain = (np.asarray(seen.rows), seen.tls, seen["version"].astype(np.uint16), setup.outcomes)
    flags = tls.kinds(seen) == 1, seen.early
    columns: list[Any] = [*plain, *flags, spans, every, lows, highs, setup.saveable, extras]
    return Values(*columns)


def concatenated(parts: list[Values]) -> Values:
    """Concatenate parts; columns that are unknown throughout take no memory."""
    if not parts:
        spans, saved, extras = (
            {each: np.zeros(0, dtype=np.int64) for each in some} for some in (MEASURED, SAVEABLE, COUNTED)
        )
        empty: list[Any] = [np.zeros(0, dtype=_NOTHING[name]) for name in PLAIN]
        empty += [spans, np.zeros(0, dtype=np.intp), {}, {}, saved, extras]
        return Values(*empty)
    plain: list[Any] = [np.concatenate([getattr(part, name) for part in parts]) for name in PLAIN]
    spans, saved, extras = (
        {key: _column([getattr(part, name)[key] for part in parts]) for key in getattr(parts[0], name)}
        for name in BY_NAME
    )
    unsure = {key for part in parts for key in part.lows}
    lows, highs = (
        {key: _column([getattr(part, side).get(key, part.spans[key]) for part in parts]) for key in unsure}
        for side in ("lows", "highs")
    )
    every = np.arange(sum(map(len, (part.rows for part in parts))))
    columns: list[Any] = [*plain, spans, every, lows, highs, saved, extras]
    return Values(*columns)


def _column(columns: list[NDArray[Any]]) -> NDArray[Any]:
    """Concatenate the parts of a column."""
    first = columns[0][0]
    if all((column == first).all() for column in columns):
        return np.broadcast_to(first, sum(map(len, columns)))
    return np.concatenate(columns)
