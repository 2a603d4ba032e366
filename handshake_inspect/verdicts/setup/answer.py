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
- if HTTP/2 was offered, records of less than `MOST_SETTINGS` bytes. If nothing else follows, the first one is the
  response.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.setup.facts import (
    LEAST_TICKET,
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

_SERVICE = np.uint64(0xFFFF_FFFF_FFFF_0000)


@dataclass(frozen=True, eq=False, repr=False)
class Candidates:
    """The records that may be the response: one row per connection, one column per record."""

    ns: Times
    frame: NDArray[np.int64]
    length: Lengths
    count: Lengths
    ticket_length: Lengths  # of a ticket before the request, 0 for none
    http2: Bools  # HTTP/2 was offered
    holed: Bools  # bytes are missing, so more may follow the last record

    def of(self, rows: Any) -> "Candidates":
        """Return the candidates of some connections."""
        return Candidates(*(getattr(self, each.name)[rows] for each in fields(self)))

    @property
    def there(self) -> Bools:
        """A mask: there is a candidate."""
        there: Bools = np.arange(CANDIDATES) < self.count[:, None]
        return there

    @property
    def settings(self) -> Bools:
        """A mask: it may be HTTP/2 SETTINGS."""
        return self.there & self.http2[:, None] & (self.length < MOST_SETTINGS)

    @property
    def ticketlike(self) -> Bools:
        """A mask: it has the size of a ticket."""
        return self.there & is_like_ticket(self.length)

    @property
    def leading(self) -> tuple[Lengths, Lengths]:
        """The first two indices after leading SETTINGS; CANDIDATES for none."""
        others = self.there & ~self.settings
        first = np.where(others.any(axis=1), others.argmax(axis=1), CANDIDATES)
        later = others & (np.arange(CANDIDATES) > first[:, None])
        return first, np.where(later.any(axis=1), later.argmax(axis=1), CANDIDATES)

    @property
    def proved_length(self) -> Lengths:
        """The ticket length that this connection proves by itself, 0 for none."""
        first, second = self.leading
        one, other = self._at(self.length, first), self._at(self.length, second)
        run = self._at(self.ticketlike, first).astype(bool) & (one == other)
        return np.where(is_like_ticket(self.ticket_length), self.ticket_length, np.where(run, one, 0))

    def _at(self, values: NDArray[np.generic], places: Lengths) -> NDArray[np.int64]:
        """Return the value at an index of each row, 0 beyond the last."""
        padded = np.concatenate([values.astype(np.int64), np.zeros((len(values), 1), dtype=np.int64)], axis=1)
        return padded[np.arange(len(values)), np.minimum(places, CANDIDATES)]


@dataclass(frozen=True, eq=False, repr=False)
class Responses:
    """Indices of candidates, -1 for none: the first and the last that may be the response."""

    first: Lengths
    last: Lengths
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


def responses(candidates: Candidates, service: Keys, tickets: Tickets) -> Responses:
    """Choose among the candidates of every connection; most have none."""
    having = np.flatnonzero(candidates.count > 0)
    mine = chosen_of(candidates.of(having), service[having], tickets)
    first, last = (np.full(len(service), -1, dtype=np.int64) for _ in range(2))
    method = np.full(len(service), EXACT, dtype=np.uint8)
    first[having], last[having], method[having] = mine.first, mine.last, mine.method
    return Responses(first, last, method)


def chosen_of(candidates: Candidates, service: Keys, tickets: Tickets) -> Responses:
    """Return the responses of connections that have candidates."""
    there = candidates.there
    first, second = candidates.leading
    lone = candidates._at(candidates.ticketlike, first).astype(bool)
    proved = candidates.proved_length
    alike, any_known = tickets.near(service, candidates._at(candidates.length, first))
    single = (proved == 0) & lone & ((second < CANDIDATES) | candidates.holed)
    skipped = skipping(candidates, np.where(single & alike, candidates._at(candidates.length, first), proved))
    left = there & ~skipped
    chosen = np.where(left.any(axis=1), left.argmax(axis=1), -1)
    only_settings = (chosen < 0) & candidates.settings.any(axis=1)
    chosen = np.where(only_settings, candidates.settings.argmax(axis=1), chosen)
    doubted = single & ~any_known & (chosen == first)
    last = np.where(doubted, np.where(second < CANDIDATES, second, -1), chosen)
    method = np.where(doubted, AMBIGUOUS, np.where(chosen > 0, TICKETS_SKIPPED, EXACT)).astype(np.uint8)
    return Responses(np.where(last >= 0, np.where(doubted, first, 0), -1), last, method)


def is_like_ticket(length: Lengths) -> Bools:
    """Return a mask: it is a possible ticket length."""
    named = (length == NAMED_SESSION) | (length == NAMED_SESSION_EARLY)
    like: Bools = ((length >= LEAST_TICKET) & (length <= MOST_TICKET)) | named
    return like


def skipping(candidates: Candidates, ticket_length: Lengths) -> Bools:
    """Return a mask over candidates: SETTINGS or tickets at the front, before anything else."""
    ticket = candidates.there & (candidates.length == ticket_length[:, None]) & (ticket_length > 0)[:, None]
    ticket &= np.cumsum(ticket, axis=1) <= TICKETS
    skipped: Bools = np.logical_and.accumulate(candidates.settings | ticket, axis=1)
    return skipped


def named(wait_first: Times, wait_last: Times) -> Times:
    """Return the wait for the last of two candidates, given the client's wait for each; -1 if they are too far apart.

    The last, because most servers send a ticket.
    """
    return latest(wait_first, wait_last).value
