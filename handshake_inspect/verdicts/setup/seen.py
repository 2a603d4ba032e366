"""Set-up data as columns: for some connections, their exchange rows and set-up rows.

Times and frames of what was not seen are 0.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_MIDSTREAM,
    FACT_SYN,
    FACT_SYNACK,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.setup.facts import (
    EXCHANGE_SETUP,
    LACKS_GREETING,
    SETUP_CLIENT_FINISHED,
    SETUP_CUT,
    SETUP_DOUBTED,
    SETUP_EARLY_ENDED,
    SETUP_EARLY_REQUEST,
    SETUP_FALSE_START,
    SETUP_GIVEN_UP,
    SETUP_HOLE,
    SETUP_OFFERS_H2,
    SETUP_SERVER_CHANGED,
    SETUP_SPOKE_FIRST,
    SETUP_TLS,
)
from handshake_inspect.tls.numbers import DRAFT, FIRST_DRAFT, TLS12, TLS13
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import as_slice, take_rows
from handshake_inspect.verdicts.legs import Leg, Legs
from handshake_inspect.verdicts.setup.answer import Candidates
from handshake_inspect.verdicts.setup.intervals import Interval, bounded, same

OF_EXCHANGES = ("request", "response")
_DOUBTED = ("client_finished", "request")  # unknown with SETUP_DOUBTED


def frame_numbers(first: NDArray[Any], since: NDArray[Any]) -> NDArray[np.uint64]:
    """Convert frame numbers counted from 1 at the connection's first frame to full ones; 0 stays 0 (none)."""
    wide = since.astype(np.uint64)
    return np.where(wide > 0, first + wide - np.uint64(1), wide)


class Seen:
    """Columns of these connection rows."""

    def __init__(self, trace: Attempts, rows: Any) -> None:
        assert trace.exchanges is not None  # noqa: S101
        self.trace, self.rows = trace, rows
        numbers = np.asarray(rows)
        piece = as_slice(numbers)
        self.at: Any = numbers.astype(np.intp, copy=False) if piece is None else piece  # NumPy's fastest indices
        self.exchange = trace.exchanges[self.at]
        self.number = (self.exchange["setup"] & EXCHANGE_SETUP).astype(np.intp)
        self._columns: dict[str, NDArray[Any]] = {}
        self._of_connections: dict[str, NDArray[Any]] = {}
        self._of_ends: dict[tuple[str, bool], NDArray[Any]] = {}

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self.number)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column of set-up rows; 0 for connections without one.  Of an array, each item is a column."""
        if name not in self._columns:
            self._columns[name] = self._column(name)
        return self._columns[name]

    @cached_property
    def _setups(self) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """The connections that have a set-up row, and copies of these rows, of which nearly every field is used."""
        assert self.trace.setups is not None  # noqa: S101
        there = np.flatnonzero(self.number)
        return there, take_rows(self.trace.setups, self.number[there] - 1)

    def _column(self, name: str) -> NDArray[Any]:
        there, rows = self._setups
        source = rows[name].T
        wide = np.int64 if source.ndim == 1 else source.dtype
        if len(there) == len(self):
            column = source.astype(wide, order="C")
        else:
            column = np.zeros((*source.shape[:-1], len(self)), dtype=wide)
            column[..., there] = source
        if name == "flags":
            column[column & SETUP_DOUBTED != 0] &= ~SETUP_CLIENT_FINISHED
        return column

    def of(self, name: str) -> NDArray[Any]:
        """Return a column of connection rows."""
        if name not in self._of_connections:
            self._of_connections[name] = self.trace.connections[name][self.at]
        return self._of_connections[name]

    def end(self, name: str, *, client: bool) -> NDArray[Any]:
        """Return a column of the clients' or the servers' endpoint rows."""
        if (name, client) not in self._of_ends:
            self._of_ends[name, client] = self.trace.endpoints[name][self._ends[client]]
        return self._of_ends[name, client]

    @cached_property
    def _ends(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The endpoint rows of the servers and of the clients."""
        clients = np.asarray(self.trace.client_rows[self.at]).astype(np.intp)
        return clients ^ 1, clients

    def flag(self, bits: int) -> Bools:
        """Return a mask: any of these SETUP_* bits is set."""
        return self["flags"] & bits != 0

    def fact(self, bits: int) -> Bools:
        """Return a mask: any of these FACT_* bits is set."""
        return self.facts & bits != 0

    @cached_property
    def facts(self) -> NDArray[np.uint64]:
        """FACT_* bits."""
        facts: NDArray[np.uint64] = self.trace.facts[self.at]
        return facts

    def time(self, name: str) -> Times:
        """Return when this passed the capture point, 0 for never."""
        times: Times = (self.exchange if name in OF_EXCHANGES else self)[f"{name}_ns"].astype(np.int64, copy=False)
        return times

    def frame(self, name: str) -> NDArray[np.uint64]:
        """Return the frame number of this, 0 for none."""
        return frame_numbers(self.of("first_frame"), self._frame_since(name))

    def there(self, name: str) -> Bools:
        """Return a mask: the capture holds this."""
        return self._frame_since(name) != 0

    def _frame_since(self, name: str) -> NDArray[Any]:
        frames: NDArray[Any] = (self.exchange if name in OF_EXCHANGES else self)[f"{name}_frame"]
        return np.where(self.flag(SETUP_DOUBTED), 0, frames) if name in _DOUBTED else frames

    # -- the connection ----------------------------------------------------------------------------------------

    @cached_property
    def opened(self) -> Bools:
        """A mask: the capture holds the SYN and the final ACK, with usable times."""
        whole = self.facts & (FACT_SYN | FACT_ACKED | FACT_MIDSTREAM) == FACT_SYN | FACT_ACKED
        return whole & ~self.trace.untimed[self.at]

    @cached_property
    def legs(self) -> tuple[Leg, Leg]:
        """The handshake RTTs to the server and to the client."""
        legs = Legs(self.trace, self.at)
        return legs.synack, legs.ackdat

    @cached_property
    def to_client(self) -> Interval:
        """The round trip between the capture and the client."""
        return _interval(self.legs[1])

    @cached_property
    def to_server(self) -> Interval:
        """The round trip between the capture and the server: the smallest one seen.

        Without the server's SYN-ACK and bare acknowledgments, it may include the server's own time.
        """
        path = self.exchange["path"].astype(np.int64)
        leg = _interval(self.legs[0])
        unclear = ~leg.known & (path > 0)
        if not unclear.any():
            return leg.least(same(np.where(path > 0, path, -1)))
        low = np.where(unclear & self._is_answer(path), 0, path)
        return leg.least(bounded(np.where(path > 0, low, -1), np.where(path > 0, path, -1)))

    def _is_answer(self, path: Times) -> Bools:
        """Return a mask: the round trip is that of ServerHello or the response, with the server's own time."""
        first = np.where(self.is_13, self["candidate_ns"][0], self["response_seen_ns"])
        answer = np.where(first > 0, first, self.time("response"))
        sent = np.where(self["request_sent_ns"] > 0, self["request_sent_ns"], self.time("request"))
        found: Bools = (path == answer - sent) | (path == self["server_hello_ns"] - self["hello_sent_ns"])
        return found

    @cached_property
    def network(self) -> Interval:
        """The round trip of the network alone."""
        return self.to_server.plus(self.to_client)

    @cached_property
    def unseen(self) -> Bools:
        """A mask: the capture lacks the server's segments: all of them, or data that the client acknowledged."""
        traits = self.end("traits", client=False)
        known = traits & TRAIT_ISS != 0
        fin = traits & TRAIT_FIN != 0
        lacking: Bools = (self._taken_of_server > fin) & known & (self.end("bytes", client=False) == 0)
        return (traits & TRAIT_SEEN == 0) | lacking

    @cached_property
    def unseen_client(self) -> Bools:
        """A mask: the capture lacks all of the client's segments."""
        unseen: Bools = self.end("traits", client=True) & TRAIT_SEEN == 0
        return unseen

    @cached_property
    def lacking(self) -> Bools:
        """A mask: either end acknowledged data that the capture does not hold (more than a FIN)."""
        return self._lacks(self._taken(client=True), client=True) | self._lacks_of_server

    @cached_property
    def _lacks_of_server(self) -> Bools:
        return self._lacks(self._taken_of_server, client=False)

    def _lacks(self, taken: NDArray[np.int32], *, client: bool) -> Bools:
        sent, traits = self.end("bytes", client=client), self.end("traits", client=client)
        more = (taken > 1) & (np.maximum(taken, 1).view(np.uint32) - np.uint32(1) > sent)
        known = (traits & TRAIT_ISS != 0) & (self.end("traits", client=not client) & TRAIT_ACKS != 0)
        lacks: Bools = more & known
        return lacks

    @cached_property
    def _taken_of_server(self) -> NDArray[np.int32]:
        return self._taken(client=False)

    def _taken(self, *, client: bool) -> NDArray[np.int32]:
        """Return how many bytes of an end with known ISN the other one acknowledged, including a FIN."""
        last = self.end("last_ack", client=not client)
        taken: NDArray[np.int32] = (last - self.end("iss", client=client) - np.uint32(1)).view(np.int32)
        return taken

    @cached_property
    def speaker(self) -> NDArray[np.intp]:
        """Who sent the first data: 0 the client, 1 the server, -1 if unknown."""
        seen = self.end("traits", client=True) & TRAIT_SEEN != 0
        # Without the server's ISN, client data may acknowledge a greeting; a ClientHello does not.
        numbered = self.fact(FACT_SYNACK) | (self.fact(FACT_SYN) & self.tls & (self["upgrade"] == 0))
        known = seen & numbered & (self["lacks"] & LACKS_GREETING == 0)
        return np.where(seen & self.flag(SETUP_SPOKE_FIRST), 1, np.where(known, 0, -1))

    @cached_property
    def unread(self) -> Bools:
        """A mask: the set-up was not read completely: cut by the snap length, with a hole, or longer than the limit."""
        return self.flag(SETUP_CUT | SETUP_HOLE | SETUP_GIVEN_UP)

    # -- TLS ---------------------------------------------------------------------------------------------------

    @cached_property
    def tls(self) -> Bools:
        """A mask: the client sent a ClientHello."""
        return self.flag(SETUP_TLS)

    @cached_property
    def is_13(self) -> Bools:
        """A mask: TLS 1.3, or a compatible draft, was negotiated."""
        version = self["version"]
        return (version == TLS13) | ((version >= FIRST_DRAFT) & (version <= DRAFT + 0xFF))

    @cached_property
    def is_12(self) -> Bools:
        """A mask: TLS 1.2 or older was negotiated."""
        version = self["version"]
        return (version != 0) & (version <= TLS12)

    @cached_property
    def behind_settings(self) -> Bools:
        """A mask: with TLS 1.2, the response followed a record taken for HTTP/2 SETTINGS (a candidate)."""
        settings = self["candidate_frame"][0]
        found: Bools = self.is_12 & (settings != 0) & (settings != self._frame_since("response"))
        return found

    @cached_property
    def among_short(self) -> Bools:
        """A mask: with TLS 1.2, the response is one of several short HTTP/2 records, of which two are candidates."""
        return self.is_12 & (self["candidate_frame"][1] != 0) & ~self.behind_settings

    @cached_property
    def short(self) -> Bools:
        """A mask: a TLS 1.2 or older handshake lets the client send its request after one round trip."""
        return self.is_12 & self.flag(SETUP_FALSE_START | SETUP_SERVER_CHANGED)

    @cached_property
    def early(self) -> Bools:
        """A mask: early data was accepted."""
        return self.flag(SETUP_EARLY_ENDED)

    @cached_property
    def candidates(self) -> Candidates:
        """The TLS 1.3 records that may be the response."""
        asked = self.is_13 & (self.there("request") | self.flag(SETUP_EARLY_REQUEST))
        return Candidates(
            self["candidate_ns"],
            self["candidate_frame"],
            self["candidate_length"],
            np.where(asked, self["candidate_count"], 0),
            self["ticket_length"],
            self.flag(SETUP_OFFERS_H2),
            self.flag(SETUP_HOLE) | self._lacks_of_server,
        )


def _interval(leg: Leg) -> Interval:
    if np.array_equal(leg.low, leg.high):
        return same(leg.high)
    return bounded(leg.low, leg.high, leg.value)
