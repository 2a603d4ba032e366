"""Set-up durations of QUIC connections as the client saw them, as columns.

Between two frames of the client, the client saw the same duration as the capture. To a frame of the server it saw the
round trip between capture and client on top, of which the client's first reply gives an upper bound.

The response cannot be told from what a server sends unsolicited (tickets, SETTINGS, HANDSHAKE_DONE), so its start is an
interval. A burst that follows the request sooner than a lower bound of the round trip is no response; the first burst
after the client's Finished always contains unsolicited data.
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
NEAR_NS = 15_000_000  # a first answer that came sooner may have been all computation
STEADY = 8  # round trips vary by at most one eighth


@dataclass(frozen=True, eq=False, repr=False)
class QuicSpans:
    """Spans of every connection; `least` is the smallest TCP round trip between the same ends, -1 if unknown."""

    quics: Quics
    least: Times

    def _time(self, name: str) -> Times:
        times: Times = self.quics.rows[f"{name}_ns"]
        return times

    # -- round trips -------------------------------------------------------------------------------------------

    @cached_property
    def initial(self) -> Interval:
        """From the first Initial to the server's first answer, including its computation; a Retry needs none."""
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
        """From the server's first Initial to the client's next datagram: to the client and back, and its computation.

        A repeated ClientHello is no reply: the client sent it before the answer arrived, or because none did.
        """
        known = (self._time("answer") > 0) & (self._time("reply") > 0)
        took = exact(self._time("reply") - self._time("answer"), known)
        sooner = np.minimum(self._handshake_reply, self._time("finished"))
        later = np.where(self.finished, np.maximum(took.high, sooner - self._time("answer")), took.high)
        return choose(self.quics.hello_again & known, bounded(np.zeros_like(took.high), later), took)

    @cached_property
    def _handshake_reply(self) -> Times:
        """The client's last Handshake packet before its Finished, which proves that it had the answer."""
        handshake = self._time("handshake")
        return np.where(handshake > 0, handshake, NEVER)

    @cached_property
    def stateless(self) -> Times:
        """The round trip to the server without computation, from a Retry or Version Negotiation; -1 for none."""
        there = self.quics.has(RETRY | NEGOTIATED) & ~self.quics.has(INITIAL_AGAIN)
        return np.where(there, self.initial.value, UNKNOWN)

    @cached_property
    def network(self) -> Interval:
        """The round trip to the server: known from a stateless answer or from TCP, otherwise at most `initial`."""
        sure = np.where(self.stateless >= 0, self.stateless, self.least)
        high = np.where(sure >= 0, sure, self.initial.high)
        return bounded(np.where(sure >= 0, sure, np.where(high >= 0, 0, UNKNOWN)), high, sure)

    @cached_property
    def too_soon(self) -> Times:
        """A lower bound of the network round trip: what follows a frame sooner does not answer it.

        Half of the first answer is such a bound if the network took most of it: not if the client is farther away than
        the server, nor if both are in one place. Round trips vary.
        """
        first = self.initial.low
        half = np.where((first >= self.reply.high) & (first >= NEAR_NS), first // 2, 0)
        sure = np.maximum(self.stateless, self.least)
        return np.maximum(half, sure - sure // STEADY)

    @cached_property
    def spin(self) -> Interval:
        """The round trip by the spin bit, if both sides flip it and it is not shorter than possible."""
        rows, spin = self.quics.rows, self._time("spin")
        moves = (rows["client_edges"] >= EDGES) & (rows["server_edges"] >= EDGES)
        return exact(spin, moves & (spin > 0) & (spin >= self.too_soon))

    # -- the handshake -----------------------------------------------------------------------------------------

    @cached_property
    def finished(self) -> Bools:
        """A mask: the client's Finished was seen."""
        return self._time("finished") > 0

    @cached_property
    def handshake(self) -> Interval:
        """From the first Initial to the client's Finished."""
        first, finished = self._time("first"), self._time("finished")
        low = np.where(self.hidden, self._soonest_finished, finished)
        return bounded(
            np.where(self.finished, low - first, UNKNOWN), np.where(self.finished, finished - first, UNKNOWN)
        )

    @cached_property
    def hidden(self) -> Bools:
        """A mask: the snap length may have cut the Finished, and a request, after the first packet of a datagram."""
        return self.quics.has(CUT) & self.finished & (self._soonest_finished < self._time("finished"))

    @cached_property
    def _soonest_finished(self) -> Times:
        """The earliest client datagram that may hold its Finished."""
        handshake, reply = self._time("handshake"), self._time("reply")
        sooner = np.where(handshake > 0, handshake, np.where(reply > 0, reply, NEVER))
        return np.minimum(sooner, self._time("finished"))

    @cached_property
    def _flight_end(self) -> Times:
        """The last packet of the server's first flight: whatever comes with it may be unsolicited."""
        return np.maximum(self._time("flight"), self._time("answer"))

    @cached_property
    def early_accepted(self) -> Bools:
        """A mask: 0-RTT packets were answered too soon for an answer to the client's Finished.

        Nothing on the wire proves that 0-RTT was rejected.
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
        """A mask: 0-RTT packets may have been accepted; a HelloRetryRequest rules it out (RFC 8446 section 4.2.10)."""
        return self.quics.has(EARLY) & ~self.quics.asked_again

    # -- request and response ----------------------------------------------------------------------------------

    @cached_property
    def request(self) -> Interval:
        """When the request began: from the first packet that may be it to the last possible one.

        0-RTT packets are the request if they were accepted, and may be if that is unknown; a HelloRetryRequest rejects
        them.
        """
        early, asked = self._time("early"), self._time("request")
        low = np.where(self.hidden & (asked > 0), np.minimum(self._soonest_finished, asked), asked)
        low = np.where(self._may_be_early, early, low)
        high = np.where(self.early_accepted, early, np.maximum(self._time("request_last"), low))
        there = low > 0
        return Interval(np.where(there, low, -1), np.where(there, high, -1), np.where(there & (low == high), low, -1))

    @cached_property
    def before_request(self) -> Interval:
        """From the client's Finished to the request; 0 for early data, which came before."""
        early = self.early_accepted
        since = self.request.since(self._time("finished"))
        known = (self.request.high >= 0) & self.finished
        low, high = (np.where(known, np.where(early, 0, each), UNKNOWN) for each in (since.low, since.high))
        return bounded(low, high)

    @cached_property
    def answers(self) -> tuple[Times, Times, NDArray[np.int64]]:
        """Times of the first packet that may be the response and of the last possible one, and the first one's index.

        Time 0 and index -1 if no packet may be one.
        """
        first, last, place = self._answers_to(self.request.low)
        in_doubt = self._may_be_early & ~self.early_accepted & self.finished
        since = np.maximum(self._time("request"), self._time("finished"))
        _, later, _ = self._answers_to(np.where(in_doubt, since, UNKNOWN))
        return first, np.maximum(last, later), place

    def _answers_to(self, asked: Times) -> tuple[Times, Times, NDArray[np.int64]]:
        """Return `answers` to requests at these times. If all bursts come too soon, they count nevertheless."""
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
        """From the request to the response, as the client saw it."""
        first, last, place = self.answers
        known = (place >= 0) & (self.request.high >= 0) & self.reply.known
        way = self.reply.high
        low = np.where(known, np.maximum(first - self.request.high, 0), UNKNOWN)
        high = np.where(known, last - self.request.low + way, UNKNOWN)
        return latest(low, high)

    @cached_property
    def first_byte(self) -> Interval:
        """From the first Initial to the response."""
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
        """The server's own time before the response."""
        first, last, place = self.answers
        known = (place >= 0) & (self.request.high >= 0)
        low = np.where(known, np.maximum(first - self.request.high, 0), UNKNOWN)
        return latest(low, np.where(known, last - self.request.low, UNKNOWN)).less(self.network)

    @cached_property
    def round_trips(self) -> NDArray[np.int64]:
        """Round trips of the handshake: one, plus one for each Retry, Version Negotiation and HelloRetryRequest.

        Accepted early data saves one.
        """
        trips = 1 + self.quics.has(RETRY).astype(np.int64) + self.quics.has(NEGOTIATED) + self.quics.asked_again
        return np.where(self.early_accepted, trips - 1, trips)
