"""The spans of set-ups as their clients saw them, and both ends' own times.

Between two frames of the client, the client saw the same duration as the capture. To a later frame of the server it saw
more: the round trip between the capture and the client (`rtt.ackdat`), whose bounds carry over. The server's own time
is the remainder without the round trip to the server.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_DATA_ACK,
    FACT_LATER_ACK,
    FACT_SYN,
    FACT_TFO,
    METHOD_DATA_ACK,
    METHOD_ONE_SIDED,
)
from handshake_inspect.tcp.setup.facts import (
    EXTRA_LOSS,
    SETUP_CUT,
    SETUP_HOLE,
    SETUP_SERVER_HELLO,
    SPAN_BEFORE_REQUEST,
    SPAN_BEFORE_TLS,
    SPAN_RESPONSE,
    SPAN_TLS,
)
from handshake_inspect.verdicts.arrays import Bools, Codes, Times
from handshake_inspect.verdicts.masks import first_match
from handshake_inspect.verdicts.setup.answer import KnownTickets, Responses, named, responses
from handshake_inspect.verdicts.setup.extras import Extras
from handshake_inspect.verdicts.setup.intervals import Interval, bounded, choose, exact
from handshake_inspect.verdicts.setup.seen import Seen, frame_numbers
from handshake_inspect.verdicts.setup.words import (
    AMBIGUOUS,
    CUT,
    EXACT,
    LOST,
    NO_OPENING,
    NO_RESPONSE,
    NONE,
    NOT_FINISHED,
    ONE_SIDED,
    TICKETS_SKIPPED,
    UNREAD,
)

_COLUMNS = {"client_hello": "hello", "hello_retry": "retry", "client_hello_2": "hello_2", "early_data": "early"}


@dataclass(frozen=True, eq=False, repr=False)
class Span:
    """One span of set-ups. `there`: it began; `reason` is valid only if the method is NONE; `start` -1 is unknown."""

    there: Bools
    start: Times
    length: Interval
    round_trips: Times  # -1 for unknown
    method: Codes
    reason: Codes

    @property
    def end(self) -> Interval:
        """When it ended, from the start of the set-up."""
        return self.length.plus(exact(self.start, self.start >= 0))


class Spans:
    """All spans of the set-ups of some connections."""

    def __init__(self, seen: Seen, tickets: KnownTickets, extras: Extras) -> None:
        self.seen, self.tickets, self.extras = seen, tickets, extras

    # -- moments ------------------------------------------------------------------------------------------------

    @cached_property
    def _since(self) -> Times:
        """The time of the first SYN."""
        return self.seen.of("syn_ns")

    @cached_property
    def request(self) -> tuple[Bools, Times]:
        """A mask (there was a request), and when its first byte was first seen; accepted early data is a request."""
        seen = self.seen
        early = seen.early & seen.there("early")
        return early | seen.there("request"), np.where(early, seen.time("early"), seen.time("request"))

    @cached_property
    def answers(self) -> Responses:
        """The chosen TLS 1.3 records."""
        seen = self.seen
        return responses(seen.candidates, seen.trace.server_key[seen.at], self.tickets)

    @cached_property
    def response(self) -> tuple[Interval, Codes]:
        """When the first byte of the response was available at the capture, and the method codes."""
        seen = self.seen
        at = exact(seen.time("response"), seen.there("response") & ~seen.is_13)
        if seen.behind_settings.any():
            at = Interval(np.where(seen.behind_settings, seen["candidate_ns"][0], at.low), at.high, at.value)
        if seen.among_short.any():
            asked = self.request[1]
            later = seen["candidate_ns"][1]
            middle = named(at.low - asked, later - asked)
            value = np.where(middle >= 0, later, -1)
            at = choose(seen.among_short, Interval(at.low, later, value), at)
        chosen, candidates = self.answers, seen.candidates
        low, high = (
            np.where(chosen.known, candidates.at(candidates.ns, place), -1) for place in (chosen.first, chosen.last)
        )
        asked = self.request[1]
        middle = named(np.where(chosen.known, low - asked, -1), np.where(chosen.known, high - asked, -1))
        value = np.where(chosen.method == AMBIGUOUS, np.where(middle >= 0, middle + asked, -1), high)
        there = chosen.known & seen.is_13
        skipped = np.where(seen.behind_settings, np.uint8(TICKETS_SKIPPED), np.uint8(EXACT))
        skipped = np.where(seen.among_short, np.uint8(AMBIGUOUS), skipped)
        method = np.where(there, chosen.method, skipped).astype(np.uint8)
        return choose(there, Interval(low, high, value), at), method

    @cached_property
    def handshake_end(self) -> tuple[Bools, Times, Bools]:
        """Three columns: TLS completed, the time at the capture, and whether the client had yet to receive it."""
        seen = self.seen
        by_server = seen.is_12 & ~seen.short
        when = np.where(by_server, seen.time("server_finished"), seen.time("client_finished"))
        holed = seen.flag(SETUP_HOLE) & ~seen.there("client_finished")  # the hole may hide earlier data
        ended = np.where(by_server, seen.there("server_finished") & ~holed, seen.there("client_finished"))
        return seen.tls & ended, when, by_server

    # -- spans --------------------------------------------------------------------------------------------------

    @cached_property
    def tcp(self) -> Span:
        """From the first SYN to the final ACK."""
        seen = self.seen
        taken = seen.of("ack_ns") - self._since
        length = exact(taken, seen.opened)
        unseen = (seen.of("ackdat_method") == METHOD_ONE_SIDED) & seen.fact(FACT_DATA_ACK | FACT_LATER_ACK)
        stood_in = seen.opened & ((seen.of("ackdat_method") == METHOD_DATA_ACK) | unseen)
        least = np.where(seen.of("synack_ns") > 0, seen.of("synack_ns") - self._since, 0)
        guessed = bounded(np.where(seen.opened, least, -1), np.where(seen.opened, taken, -1))
        length = choose(stood_in, guessed, length)
        repeated = (seen.of("syn_count") > 1) | (seen.of("synack_count") > 1)
        trips = np.where(seen.fact(FACT_TFO), 0, 1)
        why = np.where(seen.fact(FACT_SYN), ONE_SIDED, NO_OPENING)
        return self._span(
            seen.fact(FACT_SYN), np.zeros(len(seen), dtype=np.int64), length, trips, why, repeated, guessed=stood_in
        )

    @cached_property
    def _connected(self) -> Interval:
        """When the final ACK passed the capture; a bound if data stands in for it."""
        return self.tcp.length.plus(exact(self._since, self.seen.opened))

    @cached_property
    def before_tls(self) -> Span:
        """The client's own time before its ClientHello, and a plain-text prologue."""
        seen = self.seen
        length = exact(seen.time("hello"), seen.there("hello")).less(self._connected)
        why = np.where(seen.there("hello"), NO_OPENING, UNREAD)
        trips = np.where((seen["lacks"] != 0) | ((seen["upgrade"] != 0) & (seen.speaker < 0)), -1, seen["turns"])
        return self._span(
            seen.tls, self._from_start(seen.of("ack_ns")), length, trips, why,
            self.extras.any(EXTRA_LOSS, SPAN_BEFORE_TLS),
        )  # fmt: skip

    @cached_property
    def _tls_end(self) -> Interval:
        """When the client could send its request, as a time at the capture."""
        seen = self.seen
        ended, when, by_server = self.handshake_end
        at = exact(when, ended)
        at = choose(by_server, at.plus(seen.to_client), at)
        asked, request = self.request
        # An earlier request proves that the client had what it waited for, or that its Finished was lost.
        most = np.where(asked & ~seen.early, np.maximum(request, seen.time("hello")), np.iinfo(np.int64).max)
        return at.at_most(most)

    @cached_property
    def tls(self) -> Span:
        """From the ClientHello until the client may send its request."""
        seen = self.seen
        ended, _, by_server = self.handshake_end
        hello, known = seen.time("hello"), seen.there("hello")
        length = self._tls_end.where(known).since(hello)
        rules = [(~known, UNREAD), ((ended & by_server) | seen.unseen, ONE_SIDED), (seen.unread, UNREAD)]
        why = first_match(rules, NOT_FINISHED, len(seen))
        return self._span(
            seen.tls, np.where(known, self._from_start(hello), -1), length, self.tls_round_trips, why,
            self.extras.any(EXTRA_LOSS, SPAN_TLS), cut=seen.flag(SETUP_CUT),
        )  # fmt: skip

    @cached_property
    def tls_round_trips(self) -> Times:
        """How often the client waits during the handshake, counted by messages; -1 if unknown."""
        seen = self.seen
        retried = seen.there("retry").astype(np.int64)
        trips = np.where(seen.is_13, np.where(seen.early, 0, 1), np.where(seen.short, 1, 2)) + retried
        known = (seen.is_13 | seen.is_12) & seen.there("hello")
        return np.where(known & self.handshake_end[0], trips, -1)

    @cached_property
    def may_ask(self) -> Interval:
        """When the client may send its request, as a time at the capture."""
        return choose(self.seen.tls, self._tls_end, self._connected)

    @cached_property
    def before_request(self) -> Span:
        """The client's own time before its request, and the wait for the greeting of a server that speaks first."""
        seen = self.seen
        asked, request = self.request
        length = exact(request, asked).less(self.may_ask).at_most(np.where(seen.early, 0, np.iinfo(np.int64).max))
        first = np.where(self.may_ask.value >= 0, self.may_ask.value, self.may_ask.high)
        start = np.where(self.may_ask.known, self._from_start(first), -1)
        greeted = np.where(seen.tls, 0, seen.speaker)
        why = np.where(seen.tls & ~self._tls_end.known, UNREAD, NO_OPENING)
        lost = self.extras.any(EXTRA_LOSS, SPAN_BEFORE_REQUEST)
        return self._span(asked, start, length, greeted, why, lost, cut=seen.tls & seen.flag(SETUP_CUT))

    @cached_property
    def answer(self) -> Span:
        """From the request to the first byte of the response."""
        asked, request = self.request
        return self._until_answer(asked, self._from_start(request), request, self.extras.any(EXTRA_LOSS, SPAN_RESPONSE))

    @cached_property
    def first_byte(self) -> Span:
        """From the first SYN to the first byte of the response."""
        asked = self.request[0] & self.seen.fact(FACT_SYN)
        inside = (self.tcp, self.before_tls, self.tls, self.before_request, self.answer)
        lost = np.logical_or.reduce([each.method == LOST for each in inside])
        start = np.zeros(len(self.seen), dtype=np.int64)
        span = self._until_answer(asked, start, self._since, lost)
        cut = (span.method != NONE) & (self.tls.method == CUT)
        method = np.where(cut, np.uint8(CUT), span.method)
        return replace(span, round_trips=self.round_trips, method=method)

    @cached_property
    def round_trips(self) -> Times:
        """How often the client waited for the server in total; -1 if unknown."""
        inside = (self.tcp, self.before_tls, self.tls, self.before_request, self.answer)
        trips = np.sum([np.where(each.there, np.maximum(each.round_trips, 0), 0) for each in inside], axis=0)
        seen = self.seen
        unknown = [each.there & (each.round_trips < 0) for each in inside]
        unasked = ~self.request[0] & (seen.unread | seen.lacking)  # as far as the capture shows
        return np.where(np.logical_or.reduce([*unknown, ~seen.fact(FACT_SYN), unasked]), -1, trips)

    def _until_answer(self, there: Bools, start: Times, since: Times, lost: Bools) -> Span:
        at, how = self.response
        length = at.since(since).plus(self.seen.to_client)
        unclear = np.where(self.seen.tls & self.seen.unread, UNREAD, NO_RESPONSE)
        why = np.where(at.known | self.seen.unseen, ONE_SIDED, unclear)
        trips = np.ones(len(self.seen), dtype=np.int64)
        return self._span(
            there, start, length.where(there), trips, why, lost, cut=self.seen.tls & self.seen.flag(SETUP_CUT), how=how
        )

    def _from_start(self, when: Times) -> Times:
        return np.where(self.seen.opened, np.maximum(when - self._since, 0), -1)

    def _span(
        self, there: Bools, start: Times, length: Interval, trips: Times, reason: Any, lost: Bools, *, cut: Any = False,
        how: Any = EXACT, guessed: Any = False,
    ) -> Span:  # fmt: skip
        length = length.where(there)
        rules = [
            (~length.known, NONE),
            ((length.value < 0) | guessed, AMBIGUOUS),
            (np.broadcast_to(cut, len(there)), CUT),
            (lost, LOST),
        ]
        method = first_match(rules, how, len(there))
        return Span(there, start, length, trips, method, np.broadcast_to(np.asarray(reason, np.uint8), len(there)))

    def moment(self, name: str) -> tuple[Bools, Times, NDArray[np.uint64]]:
        """Return a mask where a milestone is known, its time at the capture, and its frame."""
        seen = self.seen
        if name == "response":
            return self._answered
        if name == "request":
            early = seen.early & seen.there("early")
            return *self.request, np.where(early, seen.frame("early"), seen.frame("request"))
        column = _COLUMNS.get(name, name)
        there = seen.there(column) & (seen.flag(SETUP_SERVER_HELLO) | (name != "server_hello"))
        there &= (seen.speaker == 1) | (name != "greeting")  # without the client's side it may be a response
        return there, seen.time(column), seen.frame(column)

    @cached_property
    def _answered(self) -> tuple[Bools, Times, NDArray[np.uint64]]:
        seen, chosen, candidates = self.seen, self.answers, self.seen.candidates
        there = np.where(seen.is_13, chosen.known, seen.there("response"))
        frame = frame_numbers(seen.of("first_frame"), candidates.at(candidates.frame, chosen.last))
        return (
            there,
            np.where(seen.is_13, candidates.at(candidates.ns, chosen.last), seen.time("response")),
            np.where(seen.is_13, frame, seen.frame("response")),
        )

    # -- own times ----------------------------------------------------------------------------------------------

    @cached_property
    def server_hello(self) -> Interval:
        """The server's own time before its ServerHello."""
        seen = self.seen
        asked_again = seen.there("retry") & ~seen.there("hello_2")  # the capture lacks the second ClientHello
        came = seen.there("server_hello") & seen.flag(SETUP_SERVER_HELLO)
        there = came & (seen["hello_sent_ns"] > 0) & seen.tls & ~asked_again
        return exact(seen.time("server_hello") - seen["hello_sent_ns"], there).less(seen.to_server)

    @cached_property
    def server_answer(self) -> Interval:
        """The server's own time before its response."""
        at = self.response[0]
        seen = self.seen
        asked, request = self.request
        sent = np.where(seen["request_sent_ns"] > 0, seen["request_sent_ns"], request)
        first_seen = seen["response_seen_ns"]
        one = at.known & ~seen.is_13 & ~seen.among_short & (first_seen > 0)
        began = choose(one, exact(first_seen, first_seen > 0), at)
        return began.where(asked).since(sent).less(seen.to_server)

    @cached_property
    def client_finished(self) -> Interval:
        """The client's own time between the server's flight and its own Finished."""
        seen = self.seen
        there = seen.there("client_finished") & (seen["flight_ns"] > 0)
        return exact(seen.time("client_finished") - seen["flight_ns"], there).less(seen.to_client)
