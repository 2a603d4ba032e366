"""Match DNS queries with their answers by client, port, message ID and question; bounded, the oldest are evicted.

A query repeated before its answer (resolvers retry after seconds, from the same or another port) counts as part of the
same lookup.

An HTTPS record may lead to another name, whose addresses the client then asks for: as with a CNAME, these are
attributed to the original name.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from handshake_inspect.dns.messages import HTTPS, PORT, Message, read
from handshake_inspect.dns.streams import Streams

MAX_PENDING = 1 << 16
MAX_ANSWERS = 1 << 18
DUPLICATE_NS = 10_000_000  # the same query within this time was captured twice: no resolver retries so soon
RETRY_NS = 60_000_000_000  # a query repeated later than this begins another lookup
FOLLOW_NS = 1_000_000_000  # time within which a client asks for the addresses of an HTTPS record's target
MAX_ORIGINS = 4  # names of one client that lead to the same target
_OTHER_PORT = re.compile(r"_\d+\._https\.")  # prefix of a name for ports other than 443 (RFC 9460 section 9.1)

Client = bytes  # a 16-byte address


class Lookup(NamedTuple):
    """A lookup, answered or not; times in nanoseconds since the epoch."""

    client: Client
    server: Client
    name: str
    kind: int
    first_ns: int  # the first query
    first_frame: int
    queries: int
    answer_ns: int = 0  # 0 for no answer
    answer_frame: int = 0
    rcode: int = -1  # -1 for no answer
    addresses: tuple[bytes, ...] = ()
    ttl_s: int = 0
    origins: tuple[str, ...] = ()  # the names whose HTTPS records led the client to this one

    @property
    def names(self) -> tuple[str, ...]:
        """The host names that the client was looking for."""
        return self.origins or (_OTHER_PORT.sub("", self.name) if self.kind == HTTPS else self.name,)


@dataclass
class _Pending:
    """A lookup without an answer so far; `asked` holds the ports and message IDs of its queries."""

    server: Client
    first_ns: int
    first_frame: int
    last_ns: int
    queries: int = 1
    asked: set[tuple[int, int]] = field(default_factory=set)


class Lookups:
    """All lookups of a trace."""

    def __init__(self) -> None:
        self.answered: list[Lookup] = []
        self.pending: OrderedDict[tuple[Client, str, int], _Pending] = OrderedDict()
        self.unanswered: list[Lookup] = []
        self.dropped = 0  # evicted lookups
        self.streams = Streams()
        # (client, target of an HTTPS record) -> (name of the record, time) of each
        self.leads: OrderedDict[tuple[Client, str], tuple[tuple[str, int], ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.answered) + len(self.unanswered) + len(self.pending)

    def take(
        self, ts_ns: int, frame: int, ends: tuple[Client, int, Client, int], data: bytes, seq: int | None = None
    ) -> None:
        """Process a datagram, or with `seq` a TCP segment; `ends` is source, port, destination, port."""
        if seq is None:
            self._take(ts_ns, frame, ends, data)
            return
        for message in self.streams.messages(ends, seq, data):
            self._take(ts_ns, frame, ends, message)

    def _take(self, ts_ns: int, frame: int, ends: tuple[Client, int, Client, int], data: bytes) -> None:
        src, src_port, dst, dst_port = ends
        message = read(data)
        if message is None:
            return
        if message.is_response and src_port == PORT:
            self._answer(ts_ns, frame, dst, dst_port, message)
        elif not message.is_response and dst_port == PORT:
            self._query(ts_ns, frame, (src, src_port, dst), message)

    def _query(self, ts_ns: int, frame: int, ends: tuple[Client, int, Client], message: Message) -> None:
        client, port, server = ends
        key = client, message.name, message.kind
        known = self.pending.get(key)
        if known is not None and ts_ns - known.last_ns < RETRY_NS:
            if (port, message.number) in known.asked and ts_ns - known.last_ns < DUPLICATE_NS:
                return
            known.queries += 1
            known.last_ns = ts_ns
            if len(known.asked) < 16:
                known.asked.add((port, message.number))
            return
        if known is not None:
            self._give_up(key)
        elif len(self.pending) >= MAX_PENDING:
            self._give_up(next(iter(self.pending)))
        self.pending[key] = _Pending(server, ts_ns, frame, ts_ns, 1, {(port, message.number)})

    def _answer(self, ts_ns: int, frame: int, client: Client, port: int, message: Message) -> None:
        key = client, message.name, message.kind
        known = self.pending.get(key)
        if known is None or (port, message.number) not in known.asked or message.truncated:
            return
        del self.pending[key]
        asked = Lookup(client, known.server, *key[1:], known.first_ns, known.first_frame, known.queries)
        answer = asked._replace(
            answer_ns=ts_ns,
            answer_frame=frame,
            rcode=message.rcode,
            addresses=message.addresses,
            ttl_s=message.ttl,
            origins=self._origins(key, known.first_ns),
        )
        self._keep(self.answered, answer)
        for target in message.targets:
            for origin in answer.names:
                self._add_lead((client, target), origin, ts_ns)

    def _add_lead(self, key: tuple[Client, str], origin: str, ts_ns: int) -> None:
        """Remember that the HTTPS record of `origin` leads to another name."""
        others = [lead for lead in self.leads.pop(key, ()) if lead[0] != origin]
        self.leads[key] = (*others, (origin, ts_ns))[-MAX_ORIGINS:]
        if len(self.leads) > MAX_PENDING:
            self.leads.popitem(last=False)

    def _origins(self, key: tuple[Client, str, int], asked_ns: int) -> tuple[str, ...]:
        """Return the names whose HTTPS records led the client to this one."""
        leads = self.leads.get(key[:2], ())
        return tuple(origin for origin, ts_ns in leads if 0 <= asked_ns - ts_ns <= FOLLOW_NS)

    def _give_up(self, key: tuple[Client, str, int]) -> None:
        known = self.pending.pop(key)
        self._keep(
            self.unanswered, Lookup(key[0], known.server, *key[1:], known.first_ns, known.first_frame, known.queries)
        )

    def _keep(self, lookups: list[Lookup], lookup: Lookup) -> None:
        lookups.append(lookup)
        if len(lookups) > MAX_ANSWERS:
            del lookups[: MAX_ANSWERS // 4]
            self.dropped += MAX_ANSWERS // 4

    def all(self) -> list[Lookup]:
        """Return all lookups, including pending ones, in the order of their first queries."""
        waiting = [
            Lookup(client, each.server, name, kind, each.first_ns, each.first_frame, each.queries)
            for (client, name, kind), each in self.pending.items()
        ]
        return sorted([*self.answered, *self.unanswered, *waiting], key=lambda each: (each.first_ns, each.first_frame))
