"""Where the response begins among the records that a server sends with TLS 1.3, by record lengths alone.

Session tickets, HTTP/2 SETTINGS and the response are all encrypted application data. A record sent before the request
arrived is no part of the response; the reader has dropped those, but stored their length if they look like a ticket. Of
the remaining candidates, these are skipped at the front:

- records with the length of a ticket that came before the request;
- else the leading run of two or more, at most `TICKETS`, of equal length between `LEAST_TICKET` and `MOST_TICKET`
  bytes, or as long as a ticket that only names a session at the server;
- else a single one of such a size with more after it, if other connections to the service had tickets of that length,
  give or take `TICKET_SPREAD`. If no ticket of the service is known, both it and the next one may be the response; the
  response is unknown if the next one follows bytes that the capture lacks;
- if HTTP/2 was offered, records of less than `MOST_SETTINGS` bytes. If nothing else follows, the response is one of
  these, and those of at most `MOST_CONTROL_13` bytes have no room for it, unless they are all there is.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.setup.facts import (
    LEAST_TICKET,
    MOST_CONTROL_13,
    MOST_SETTINGS,
    MOST_TICKET,
    NAMED_SESSION,
    NAMED_SESSION_EARLY,
)
from handshake_inspect.tcp.setup.setup_rows import CANDIDATES
from handshake_inspect.verdicts.arrays import Bools, Keys, Times
from handshake_inspect.verdicts.sets import distinct
from handshake_inspect.verdicts.setup.intervals import latest
from handshake_inspect.verdicts.setup.words import AMBIGUOUS, EXACT, TICKETS_SKIPPED

TICKETS = 4
TICKET_SPREAD = 16

Lengths = NDArray[np.int64]
Places = NDArray[np.int8]

_SERVICE = np.uint64(0xFFFF_FFFF_FFFF_0000)


@dataclass(frozen=True, eq=False, repr=False)
class Candidates:
    """The records that may be the response: one row per record, one column per connection (for long inner loops)."""

    ns: Times
    frame: NDArray[np.integer[Any]]
    length: NDArray[np.integer[Any]]
    count: Lengths
    ticket_length: Lengths  # of a ticket before the request, 0 for none
    http2: Bools  # HTTP/2 was offered
    holed: Bools  # bytes are missing, so more may follow the last record

    def of(self, rows: Any) -> "Candidates":
        """Return the candidates of some connections."""
        return Candidates(*(getattr(self, each.name)[..., rows] for each in fields(self)))

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self.count)

    @cached_property
    def there(self) -> Bools:
        """A mask: there is a candidate."""
        there: Bools = np.arange(CANDIDATES, dtype=np.uint8)[:, None] < self.count.astype(np.uint8)
        return there

    @cached_property
    def settings(self) -> Bools:
        """A mask: it may be HTTP/2 SETTINGS."""
        if not self.http2.any():
            return np.broadcast_to(np.False_, self.there.shape)
        return self.there & self.http2 & (self.length < MOST_SETTINGS)

    @cached_property
    def leading(self) -> tuple[Places, Places]:
        """The first two indices after leading SETTINGS; CANDIDATES for none."""
        others = self.there & ~self.settings if self.http2.any() else self.there
        first, second = (np.full(len(self), CANDIDATES, dtype=np.int8) for _ in range(2))
        for place in reversed(range(CANDIDATES)):
            np.copyto(second, first, where=others[place])
            np.copyto(first, np.int8(place), where=others[place])
        return first, second

    @cached_property
    def leading_length(self) -> Lengths:
        """The length of the first one after leading SETTINGS, 0 for none."""
        return self.at(self.length, self.leading[0])

    @cached_property
    def like_tickets(self) -> Bools:
        """A mask over connections: the first one after leading SETTINGS has the size of a ticket."""
        return is_like_ticket(self.leading_length)

    @cached_property
    def proved_length(self) -> Lengths:
        """The ticket length that this connection proves by itself, 0 for none."""
        run = self.like_tickets & (self.leading_length == self.at(self.length, self.leading[1]))
        return np.where(is_like_ticket(self.ticket_length), self.ticket_length, np.where(run, self.leading_length, 0))

    def at(self, values: NDArray[np.integer[Any]], places: Places) -> NDArray[np.int64]:
        """Return the value at an index for each connection, 0 outside of them."""
        found = np.zeros(len(self), dtype=np.int64)
        for place in range(CANDIDATES):
            here = places == place
            if here.any():
                np.copyto(found, values[place], where=here)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Responses:
    """Indices of candidates, -1 for none: the first and the last that may be the response."""

    first: Places
    last: Places
    method: NDArray[np.uint8]

    @property
    def known(self) -> Bools:
        """A mask: there is a response."""
        return self.last >= 0


@dataclass(frozen=True, eq=False, repr=False)
class Tickets:
    """Ticket lengths by service, sorted: the high 48 bits of a service key, and the length in the low 16."""

    keys: Keys

    @classmethod
    def of(cls, service: Keys, proved: Lengths) -> "Tickets":
        """Build from the services of connections and the length that each connection proves."""
        known = proved > 0
        return cls(distinct(service[known] & _SERVICE | proved[known].astype(np.uint64)))

    def near(self, service: Keys, length: Lengths) -> tuple[Bools, Bools]:
        """Return two masks: the service is known to have such tickets; any ticket of it is known."""
        if not len(self.keys):
            return np.zeros(len(service), dtype=bool), np.zeros(len(service), dtype=bool)
        base = service & _SERVICE
        low = base | np.maximum(length - TICKET_SPREAD, 0).astype(np.uint64)
        high = base | np.minimum(length + TICKET_SPREAD, 0xFFFF).astype(np.uint64)
        return self._any(low, high), self._any(base, base | np.uint64(0xFFFF))

    def _any(self, low: NDArray[np.uint64], high: NDArray[np.uint64]) -> Bools:
        return np.searchsorted(self.keys, high, side="right") > np.searchsorted(self.keys, low)


class KnownTickets(Protocol):
    """Ticket lengths by service."""

    def near(self, service: Keys, length: Lengths) -> tuple[Bools, Bools]:
        """Return two masks: the service is known to have such tickets; any ticket of it is known."""


def responses(candidates: Candidates, service: Keys, tickets: KnownTickets) -> Responses:
    """Choose among the candidates of every connection; most have none."""
    having = np.flatnonzero(candidates.count > 0)
    if len(having) == len(service):
        return chosen_of(candidates, service, tickets)
    mine = chosen_of(candidates.of(having), service[having], tickets)
    first, last = (np.full(len(service), -1, dtype=np.int8) for _ in range(2))
    method = np.full(len(service), EXACT, dtype=np.uint8)
    first[having], last[having], method[having] = mine.first, mine.last, mine.method
    return Responses(first, last, method)


def chosen_of(candidates: Candidates, service: Keys, tickets: KnownTickets) -> Responses:
    """Return the responses of connections that have candidates."""
    first, second = candidates.leading
    length, proved = candidates.leading_length, candidates.proved_length
    single = (proved == 0) & candidates.like_tickets & ((second < CANDIDATES) | candidates.holed)
    doubted = single
    if single.any():
        alike, any_known = tickets.near(service, length)
        proved = np.where(single & alike, length, proved)
        doubted = single & ~any_known
    chosen = first_left(candidates, proved)
    doubted = doubted & (chosen == first)
    last = np.where(doubted, np.where(second < CANDIDATES, second, np.int8(-1)), chosen)
    method = np.where(doubted, np.uint8(AMBIGUOUS), np.where(chosen > 0, np.uint8(TICKETS_SKIPPED), np.uint8(EXACT)))
    soonest = np.where(last >= 0, np.where(doubted, first, np.int8(0)), np.int8(-1))
    found = Responses(soonest, last, method)
    return among_short(candidates, (chosen < 0) & candidates.settings.any(axis=0), found)


def among_short(candidates: Candidates, short: Bools, others: Responses) -> Responses:
    """Return the responses where nothing but short HTTP/2 records came, which may be one of several."""
    if not short.any():
        return others
    roomy = candidates.settings & (candidates.length > MOST_CONTROL_13)
    roomy = np.where(roomy.any(axis=0), roomy, candidates.settings & (np.cumsum(candidates.settings, axis=0) == 1))
    first, last = first_of(roomy), np.int8(CANDIDATES - 1) - first_of(roomy[::-1])
    method = np.where(first < last, np.uint8(AMBIGUOUS), np.uint8(EXACT))
    return Responses(
        np.where(short, first, others.first), np.where(short, last, others.last), np.where(short, method, others.method)
    )


def first_of(mask: Bools) -> Places:
    """Return the first marked index for each connection, -1 for none."""
    first = np.full(mask.shape[1], -1, dtype=np.int8)
    for place in reversed(range(CANDIDATES)):
        np.copyto(first, np.int8(place), where=mask[place])
    return first


def is_like_ticket(length: Lengths) -> Bools:
    """Return a mask: it is a possible ticket length."""
    named = (length == NAMED_SESSION) | (length == NAMED_SESSION_EARLY)
    like: Bools = ((length >= LEAST_TICKET) & (length <= MOST_TICKET)) | named
    return like


def first_left(candidates: Candidates, ticket_length: Lengths) -> Places:
    """Return the first index behind the SETTINGS and tickets at the front, -1 for none; 0 is no ticket length."""
    chosen = np.full(len(candidates), -1, dtype=np.int8)
    tickets = np.zeros(len(candidates), dtype=np.uint8)
    open_ = np.ones(len(candidates), dtype=bool)  # everything before was skipped
    known, wanted = ticket_length > 0, ticket_length.astype(candidates.length.dtype)
    for place in range(CANDIDATES):
        ticket = (candidates.length[place] == wanted) & known
        tickets += ticket
        skipped = candidates.settings[place] | (ticket & (tickets <= TICKETS))
        left = open_ & candidates.there[place] & ~skipped
        np.copyto(chosen, np.int8(place), where=left)
        open_ &= skipped
        if not open_.any():
            break
    return chosen


def named(wait_first: Times, wait_last: Times) -> Times:
    """Return the wait for the last of two candidates, given the client's wait for each; -1 if they are too far apart.

    The last, because most servers send a ticket.
    """
    return latest(wait_first, wait_last).value
