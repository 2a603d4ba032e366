"""What setting QUIC connections up cost, as the client saw it, as columns.

From a frame of the client to another of the client the client saw the same; to a frame of the server it saw the way
from the capture to the client and back on top, of which the client's first reply gives an upper bound.

The answer cannot be distinguished from what a server sends on its own account (tickets, SETTINGS, HANDSHAKE_DONE), so
its start is an interval.  A burst that comes sooner after the request than a lower bound of the round trip answers
nothing; the first one after the client's Finished always holds chatter.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.quic.const import EDGES, FLIGHT_NS
from handshake_inspect.quic.quic_rows import BURSTS, CUT, EARLY, INITIAL_AGAIN, NEGOTIATED, RETRY
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.setup.intervals import Interval, bounded, choose, exact, latest

UNKNOWN = np.int64(-1)
NEVER = np.int64(1) << 62
NEAR_NS = 15_000_000  # a first answer that came sooner may have taken nothing but computing
STEADY = 8  # a round trip is shorter than another one by an eighth at most


@dataclass(frozen=True, eq=False, repr=False)
class QuicSpans:
    """Spans of every connection; `least` is the least round trip of TCP between the same ends, -1 where unknown."""

    quics: Quics
    least: Times

    def _time(self, name: str) -> Times:
        times: Times = self.quics.rows[f"{name}_ns"]
        return times

    # -- round trips -------------------------------------------------------------------------------------------

    @cached_property
    def initial(self) -> Interval:
        """The first Initial to the first answer of the server, in which it computes; a Retry costs it nothing."""
        first, again = self._time("first"), self._time("again")
        stateless = np.where(self._time("negotiation") > 0, self._time("negotiation"), self._time("retry"))
        answer = np.where(stateless > 0, stateless, self._time("answer"))
        known = (answer > 0) & ~self.quics.begun_before
        repeated = known & self.quics.has(INITIAL_AGAIN)
        high = np.where(known, answer - first, UNKNOWN)
        low = np.where(repeated, answer - again, high)
        return bounded(np.where(known, np.maximum(low, 0), UNKNOWN), high, np.where(repeated, UNKNOWN, high))

    @cached_property
    def reply(self) -> Interval:
        """The server's first Initial to the client's next datagram: to the client and back, and its computing.

        A copy of the ClientHello is no reply: the client sent it before the answer reached it, or for want of that.
        """
        known = (self._time("answer") > 0) & (self._time("reply") > 0)
        took = exact(self._time("reply") - self._time("answer"), known)
        sooner = np.minimum(self._handshake_reply, self._time("finished"))
        later = np.where(self.finished, np.maximum(took.high, sooner - self._time("answer")), took.high)
        return choose(self.quics.hello_again & known, bounded(np.zeros_like(took.high), later), took)

    @cached_property
    def _handshake_reply(self) -> Times:
        """The client's last Handshake packet before its Finished, which shows that it had the answer."""
        handshake = self._time("handshake")
        return np.where(handshake > 0, handshake, NEVER)

    @cached_property
    def stateless(self) -> Times:
        """The round trip to the server without computing: that of a Retry or of a Version Negotiation, -1 for none."""
        there = self.quics.has(RETRY | NEGOTIATED) & ~self.quics.has(INITIAL_AGAIN)
        return np.where(there, self.initial.value, UNKNOWN)

    @cached_property
    def network(self) -> Interval:
        """The way to the server and back: known from a stateless answer or from TCP, else below `initial`."""
        sure = np.where(self.stateless >= 0, self.stateless, self.least)
        high = np.where(sure >= 0, sure, self.initial.high)
        return bounded(np.where(sure >= 0, sure, np.where(high >= 0, 0, UNKNOWN)), high, sure)

    @cached_property
    def too_soon(self) -> Times:
        """A lower bound of the network's round trip: what comes sooner after a frame does not answer it.

        Half of the first answer is one where the network took most of it: not where the client is farther away than
        the server, nor where both are in one place.  Round trips vary.
        """
        first = self.initial.low
        half = np.where((first >= self.reply.high) & (first >= NEAR_NS), first // 2, 0)
        sure = np.maximum(self.stateless, self.least)
        return np.maximum(half, sure - sure // STEADY)

    @cached_property
    def spin(self) -> Interval:
        """The round trip by the spin bit, where both sides move it and it is no shorter than a round trip can be."""
        rows, spin = self.quics.rows, self._time("spin")
        moves = (rows["client_edges"] >= EDGES) & (rows["server_edges"] >= EDGES)
        return exact(spin, moves & (spin > 0) & (spin >= self.too_soon))

    # -- the handshake -----------------------------------------------------------------------------------------

    @cached_property
    def finished(self) -> Bools:
        """Whether the client's Finished was seen."""
        return self._time("finished") > 0

    @cached_property
    def handshake(self) -> Interval:
        """The first Initial to the client's Finished: from the client to the client."""
        first, finished = self._time("first"), self._time("finished")
        low = np.where(self.hidden, self._soonest_finished, finished)
        return bounded(
            np.where(self.finished, low - first, UNKNOWN), np.where(self.finished, finished - first, UNKNOWN)
        )

    @cached_property
    def hidden(self) -> Bools:
        """Whether the snap length may have taken the Finished, and a request, behind the first packet of a datagram."""
        return self.quics.has(CUT) & self.finished & (self._soonest_finished < self._time("finished"))

    @cached_property
    def _soonest_finished(self) -> Times:
        """The client's datagram that may hold its Finished, if it is not the one that shows it."""
        handshake, reply = self._time("handshake"), self._time("reply")
        sooner = np.where(handshake > 0, handshake, np.where(reply > 0, reply, NEVER))
        return np.minimum(sooner, self._time("finished"))

    @cached_property
    def _flight_end(self) -> Times:
        """The server's last packet of its first flight: what comes with it is as likely said on its own account."""
        return np.maximum(self._time("flight"), self._time("answer"))

    @cached_property
    def early_accepted(self) -> Bools:
        """0-RTT packets that were answered too soon for an answer to the client's Finished.

        Nothing on the wire says that they were not accepted.
        """
        finished, soonest = self._time("finished"), self.too_soon
        sooner = np.zeros(len(self.quics), dtype=bool)
        for at in range(BURSTS):
            burst = self.quics.rows["burst_ns"][:, at]
            apart = burst - self._flight_end > FLIGHT_NS
            sooner |= (burst > 0) & apart & self.finished & (burst < finished + soonest)
        return self._may_be_early & sooner

    @cached_property
    def _may_be_early(self) -> Bools:
        """0-RTT packets that may have been accepted, which a HelloRetryRequest rules out (RFC 8446 section 4.2.10)."""
        return self.quics.has(EARLY) & ~self.quics.asked_again

    # -- request and response ----------------------------------------------------------------------------------

    @cached_property
    def request(self) -> Interval:
        """When the request began, as a moment: the first packet that may be it, the last that must.

        0-RTT packets are it if they were accepted, and may be if nobody can tell: a HelloRetryRequest refuses them.
        """
        early, asked = self._time("early"), self._time("request")
        low = np.where(self.hidden & (asked > 0), np.minimum(self._soonest_finished, asked), asked)
        low = np.where(self._may_be_early, early, low)
        high = np.where(self.early_accepted, early, np.maximum(self._time("request_last"), low))
        there = low > 0
        return Interval(np.where(there, low, -1), np.where(there, high, -1), np.where(there & (low == high), low, -1))

    @cached_property
    def before_request(self) -> Interval:
        """The client's Finished to the request; 0 for early data, which came before."""
        early = self.early_accepted
        since = self.request.since(self._time("finished"))
        known = (self.request.high >= 0) & self.finished
        low, high = (np.where(known, np.where(early, 0, each), UNKNOWN) for each in (since.low, since.high))
        return bounded(low, high)

    @cached_property
    def answers(self) -> tuple[Times, Times, NDArray[np.int64]]:
        """The moment of the first packet that may be the answer, of the last that must be, and the place of the first.

        0 and -1 where no packet may be one.
        """
        first, last, place = self._answers_to(self.request.low)
        in_doubt = self._may_be_early & ~self.early_accepted & self.finished
        since = np.maximum(self._time("request"), self._time("finished"))
        _, later, _ = self._answers_to(np.where(in_doubt, since, UNKNOWN))
        return first, np.maximum(last, later), place

    def _answers_to(self, asked: Times) -> tuple[Times, Times, NDArray[np.int64]]:
        """The `answers` to requests of these times.  If all comes too soon, it is the answer that did, not the rest."""
        bursts = self.quics.rows["burst_ns"]
        rows = np.arange(len(self.quics))
        known = asked >= 0
        later = (bursts > asked[:, None]) & known[:, None]
        in_time = later & (bursts >= (asked + self.too_soon)[:, None])
        may = np.where(in_time.any(axis=1)[:, None], in_time, later)
        place = np.where(may.any(axis=1), may.argmax(axis=1), UNKNOWN)
        first = np.where(place >= 0, bursts[rows, place], 0)
        after = np.minimum(place + 1, BURSTS - 1)
        with_flight = first - self._flight_end <= FLIGHT_NS
        chatter = ~self.early_accepted | (first >= self._time("finished")) | with_flight
        follows = (place >= 0) & (place + 1 < BURSTS) & (bursts[rows, after] > 0) & chatter
        return first, np.where(follows, np.maximum(bursts[rows, after], first), first), place  # clocks may step back

    @cached_property
    def response(self) -> Interval:
        """The request to the answer, as the client saw it."""
        first, last, place = self.answers
        known = (place >= 0) & (self.request.high >= 0) & self.reply.known
        way = self.reply.high
        low = np.where(known, np.maximum(first - self.request.high, 0), UNKNOWN)
        high = np.where(known, last - self.request.low + way, UNKNOWN)
        return latest(low, high)

    @cached_property
    def first_byte(self) -> Interval:
        """The first Initial to the answer."""
        first, last, place = self.answers
        start, way = self._time("first"), self.reply.high
        known = (place >= 0) & (self.request.high >= 0) & self.reply.known
        return latest(np.where(known, first - start, UNKNOWN), np.where(known, last - start + way, UNKNOWN))

    @cached_property
    def server_hello(self) -> Interval:
        """The server's own time before its first Initial."""
        begun = np.maximum(self._time("first"), np.maximum(self._time("second"), self._time("third")))
        known = (self._time("answer") > 0) & (self.network.high >= 0)
        return exact(self._time("answer") - begun, known).less(self.network)

    @cached_property
    def server_response(self) -> Interval:
        """The server's own time before the answer."""
        first, last, place = self.answers
        known = (place >= 0) & (self.request.high >= 0)
        low = np.where(known, np.maximum(first - self.request.high, 0), UNKNOWN)
        return latest(low, np.where(known, last - self.request.low, UNKNOWN)).less(self.network)

    @cached_property
    def round_trips(self) -> NDArray[np.int64]:
        """Of the handshake: one, and one more for each Retry, Version Negotiation and HelloRetryRequest.

        Early data does not wait for it.
        """
        trips = 1 + self.quics.has(RETRY).astype(np.int64) + self.quics.has(NEGOTIATED) + self.quics.asked_again
        return np.where(self.early_accepted, trips - 1, trips)
