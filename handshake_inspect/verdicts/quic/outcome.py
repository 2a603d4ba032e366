"""Outcomes of QUIC connections, from packet headers alone and, if they can be decrypted, from closing Initials."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.quic.initial import Close
from handshake_inspect.quic.quic_rows import (
    CLIENT_HANDSHAKE,
    CLIENT_SHORT,
    ICMP_ERROR,
    NEGOTIATED,
    RETRY,
    SERVER_HANDSHAKE,
    SERVER_INITIAL,
    SERVER_SHORT,
)
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.outcome import icmp_cause
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.quic.words import (
    CLOSED_BY_CLIENT,
    CLOSED_BY_SERVER,
    ESTABLISHED,
    FAILED,
    FAILURES,
    NO_COMMON_VERSION,
    NOT_FAILED,
    PENDING,
    REJECTED,
    STUCK,
    TIMED_OUT,
)
from handshake_inspect.verdicts.words import CAUSES

Codes = NDArray[np.int8]
AT_ONCE_NS = 200_000_000  # a client that supports another version sends its next Initial sooner
ANSWERED = SERVER_INITIAL | SERVER_HANDSHAKE | SERVER_SHORT | RETRY | NEGOTIATED


@dataclass(frozen=True)
class QuicVerdicts:
    """The verdict on every connection of `quics`, as columns."""

    quics: Quics

    @cached_property
    def answered(self) -> Bools:
        """A mask: the server sent anything."""
        return self.quics.has(ANSWERED) | (self.quics.rows["server_frames"] > 0)

    @cached_property
    def closes(self) -> list[tuple[str, Close] | None]:
        """Who closed in an Initial, and how, per connection; the server's close is more specific if both did."""
        found: list[tuple[str, Close] | None] = []
        for pair in self.quics.opened:
            client, server = (None, None) if pair is None else (side.close for side in pair)
            found.append(("server", server) if server else ("client", client) if client else None)
        return found

    @cached_property
    def closed(self) -> Bools:
        """A mask: an Initial closed the connection."""
        return np.array([close is not None for close in self.closes], dtype=bool)

    @cached_property
    def silent(self) -> Bools:
        """A mask: no packet for so long that none will follow."""
        return self.quics.rows["last_ns"] <= self.quics.last_ns - self.quics.limits.unanswered_ns

    @cached_property
    def unanswered(self) -> Bools:
        """A mask: no answer to the first Initial, although one would have arrived by now."""
        waited: Bools = self.quics.rows["first_ns"] <= self.quics.last_ns - self.quics.limits.unanswered_ns
        return waited & ~self.answered

    @cached_property
    def no_version(self) -> Bools:
        """A mask: the client does not continue after a Version Negotiation; it supports no version of the server."""
        rows = self.quics.rows
        came = rows["negotiation_ns"]
        trip = came - rows["first_ns"]
        waited = self.quics.last_ns - came > np.maximum(2 * trip, AT_ONCE_NS)
        unanswered: Bools = (came > 0) & (rows["second_ns"] == 0) & (rows["answer_ns"] == 0)
        return unanswered & waited & (rows["client_ns"] <= came)

    @cached_property
    def outcome(self) -> Codes:
        """Indices in QUIC_OUTCOMES."""
        finished = self.quics.rows["finished_ns"] > 0
        gone = self.silent | self.closed | self.no_version
        rules = [
            (finished, ESTABLISHED),
            (self.quics.has(ICMP_ERROR) & ~self.answered, REJECTED),
            (self.answered & gone, FAILED),
            (self.unanswered, TIMED_OUT),
        ]
        return np.select([mask for mask, _ in rules], [code for _, code in rules], PENDING).astype(np.int8)

    @cached_property
    def failure(self) -> Codes:
        """Indices in FAILURES, NOT_FAILED for none."""
        by_server = np.array([close is not None and close[0] == "server" for close in self.closes], dtype=bool)
        has = self.quics.has
        rules = [
            (self.outcome != FAILED, NOT_FAILED),
            (by_server, CLOSED_BY_SERVER),
            (self.closed, CLOSED_BY_CLIENT),
            (has(NEGOTIATED) & (self.quics.rows["second_ns"] == 0), NO_COMMON_VERSION),
            (has(CLIENT_HANDSHAKE | CLIENT_SHORT), CLOSED_BY_CLIENT),
            (has(SERVER_INITIAL) & ~has(SERVER_HANDSHAKE), STUCK),
            (self.quics.rows["client_ns"] > self.quics.rows["server_ns"], CLOSED_BY_SERVER),
        ]
        return np.select([mask for mask, _ in rules], [code for _, code in rules], CLOSED_BY_CLIENT).astype(np.int8)

    def cause(self, i: int) -> str | None:
        """Return the cause of one connection, or None."""
        if self.outcome[i] == REJECTED:
            return CAUSES[icmp_cause(self.quics.rows[i])]
        return None if self.failure[i] == NOT_FAILED else FAILURES[self.failure[i]]

    @cached_property
    def decided(self) -> Bools:
        """A mask: later frames could change nothing."""
        return (self.outcome != PENDING) & (self.silent | self.closed | ~self.no_version)

    def evidence(self, i: int) -> list[int]:
        """Return the frames that prove the outcome of one connection, ascending."""
        names = {
            ESTABLISHED: ("answer_frame", "finished_frame"),
            REJECTED: ("icmp_frame",),
            TIMED_OUT: ("again_frame",),
            PENDING: (),
            FAILED: ("negotiation_frame", "retry_frame", "answer_frame", "flight_frame", "handshake_frame"),
        }[int(self.outcome[i])]
        found = {int(self.quics.frame(name, i)[0]) for name in names} | {int(self.quics.rows["first_frame"][i])}
        return sorted(found - {0})
