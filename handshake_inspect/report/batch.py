"""Build `Connection` objects from connection rows, batch by batch; three times as fast as row by row.

Each column of a batch becomes a list, with None for unknown values, and `map` builds the parts and connections from
these lists.  Unusual rows are corrected afterwards.
"""

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report import endings, parts, setup_objects, why
from handshake_inspect.report.attempt_columns import NONE, AttemptColumns
from handshake_inspect.report.batch_parts import Parts, endpoints
from handshake_inspect.report.column import Numbers, Words
from handshake_inspect.report.connection_parts import Server
from handshake_inspect.report.model import (
    Direction,
    Endpoint,
    Handshake,
    Leg,
    Options,
    Rtt,
    States,
)
from handshake_inspect.report.process import processes
from handshake_inspect.report.server_names import all_names, names_of
from handshake_inspect.tcp.facts import (
    FACT_ACK_REJECTED,
    FACT_ACKED,
    FACT_BAD_SYNACK,
    FACT_CHALLENGE_ACK,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_REJECTED,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.verdicts import aliases as names
from handshake_inspect.verdicts.answered import OFFERS, AnsweredCopies
from handshake_inspect.verdicts.arrays import Array
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.flag_filter import has_reset_ahead, hidden_resets
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.outcome import icmp_cause
from handshake_inspect.verdicts.repeats import last_syn_ns
from handshake_inspect.verdicts.words import CAUSES, ESTABLISHED
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.const import OPT_SIGNED

_MISSING = (None, "direction", "SYN", "SYN-ACK")
_COUNTS = 1 << 16  # range of segment counters


class Batch(Parts):
    """Builds connections, or some of their fields, from connection rows."""

    def __init__(self, case: Case, names: Array, rows: Array) -> None:
        """`names` are the ids of all attempts, in row order."""
        super().__init__(AttemptColumns(case, names, rows, NONE), _MAKERS)
        self.case, self.trace, self.rows = case, case.attempts, rows
        self.c, self.client, self.server = self.attempts.c, self.attempts.client, self.attempts.server
        self._frames: dict[str, list[Any]] = {}
        self.outcome = case.outcomes.outcome[rows]
        self.words = self.list_of("outcome")
        self.causes = self.list_of("cause")

    @property
    def decided(self) -> Any:
        """Whether the capture shows enough to decide, per connection."""
        return self.list_of("decided")

    def frames(self, name: str) -> list[Any]:
        """Return the frame number of the `name` segment of each connection, or None."""
        if name not in self._frames:
            frames = self.attempts.frames(name)
            self._frames[name] = Numbers(frames, frames != 0).to_list()
        return self._frames[name]

    @cached_property
    def ends(self) -> tuple[list[Endpoint], list[Server]]:
        """The client and server endpoints."""
        c, first = self.c, self.c["client"] == 0
        client = (np.where(first, c[f"{part}0"], c[f"{part}1"]).tolist() for part in ("hi", "lo", "port"))
        server = (np.where(first, c[f"{part}1"], c[f"{part}0"]).tolist() for part in ("hi", "lo", "port"))
        return endpoints(*client), parts.named_servers(map(parts.service, *server), names_of(self.attempts))

    def sentences(self) -> Words:
        """Return the sentences for `why`; since few combinations of facts occur, each sentence is made once."""
        c = self.c
        first: Any = self.column("close.first")
        digits = (
            (self.case.outcomes.cause[self.rows], len(CAUSES)),
            (first.codes + 1, len(first.vocabulary) + 1),
            (c["syn_count"], _COUNTS),
            (c["synack_count"], _COUNTS),
            (c["facts"] & FACT_SIMULTANEOUS != 0, 2),
            (self._missing(), len(_MISSING)),
            (self.case.outcomes.decided[self.rows], 2),
        )
        codes = np.zeros(len(self.rows), dtype=np.int64)
        for digit, radix in digits:
            codes = codes * radix + digit
        well = self.outcome == ESTABLISHED
        _, one_of_each, places = np.unique(np.where(well, codes, -1), return_index=True, return_inverse=True)
        vocabulary = [self._established(i) if well[i] else "" for i in one_of_each.tolist()]
        others = np.flatnonzero(~well)
        places[others] = np.arange(len(vocabulary), len(vocabulary) + len(others))
        vocabulary += map(self._sentence, others.tolist())
        return Words(places, list(map(why.so_far, vocabulary)) if self.case.ongoing else vocabulary)

    def _established(self, i: int) -> str:
        return parts.why_established(
            self.causes[i],
            self.list_of("close.first")[i],
            int(self.c["syn_count"][i]),
            int(self.c["synack_count"][i]),
            bool(self.c["facts"][i] & FACT_SIMULTANEOUS),
            _MISSING[self._missing()[i]],
            self.decided[i],
        )

    def _missing(self) -> Array:
        """Return what the capture lacks of each handshake, as an index into `_MISSING`."""
        facts = self.c["facts"]
        both_seen = (self.client["traits"] & self.server["traits"] & TRAIT_SEEN) != 0
        lacks = [facts & (FACT_SYN | FACT_SYNACK) == FACT_SYN | FACT_SYNACK, ~both_seen, facts & FACT_SYN == 0]
        return np.select(lacks, [0, 1, 2], 3)

    def _sentence(self, i: int) -> str:
        c, last_ns = self.c, self.trace.last_ns
        syn_ns = int(c["syn_ns"][i])
        return why.sentence(
            {
                "outcome": self.words[i],
                "cause": self.causes[i],
                "syn_count": int(c["syn_count"][i]),
                "signed": bool(self.client["options"][i] & OPT_SIGNED),
                "synack_count": int(c["synack_count"][i]),
                "server": self._server(i),
                "reject_ns": self.list_of("rtt.reject_ns")[i],
                "reporter": self._reporter(i),
                "icmp": self._error(i),
                "syn_span_ns": int(self._last_syns[i]) - syn_ns,
                "waited_ns": last_ns - syn_ns,
                "age_ns": self.list_of("age_ns")[i],
                "acked": int(c["facts"][i]) & FACT_ACKED,
                "decided": self.decided[i],
                "filtered": self.trace.filtered,
                "reset_ahead": self._resets_ahead[i],
                "reset_hidden": self._resets_hidden[i],
                "answered_from": parts.elsewhere(self.answers[i]),
                "translated_to": self.translations[i],
                "stray": "ACK" if int(c["facts"][i]) & (FACT_CHALLENGE_ACK | FACT_BAD_SYNACK) else "RST",
            }
        )

    @cached_property
    def _resets_ahead(self) -> Array:
        """A mask: an end sent a RST beyond its SYN or SYN-ACK."""
        return has_reset_ahead(self.trace, ConnectionRows(self.rows))

    @cached_property
    def _resets_hidden(self) -> Array:
        """A mask: the client may have reset the attempt, if it is half-open."""
        return hidden_resets(self.trace, ConnectionRows(self.rows))

    @cached_property
    def _last_syns(self) -> Array:
        """The times of the last SYNs (ns)."""
        return last_syn_ns(self.trace, ConnectionRows(self.rows))

    def _server(self, i: int) -> str:
        side = 1 - int(self.c["client"][i])
        return address_text(int(self.c[f"hi{side}"][i]), int(self.c[f"lo{side}"][i]))

    def _reporter(self, i: int) -> str | None:
        if not self.c["icmp_count"][i] or not self.c["retries"][i]:
            return None
        retries = self.trace.retries[int(self.c["retries"][i]) - 1]
        return address_text(int(retries["reporter_hi"]), int(retries["reporter_lo"]))

    def _error(self, i: int) -> str | None:
        """Return the cause given by the ICMP error that quotes the SYN-ACK or its ACK, or None."""
        if not int(self.c["facts"][i]) & (FACT_ACK_REJECTED | FACT_SYNACK_REJECTED):
            return None
        return CAUSES[icmp_cause(self.trace.connections[self.rows[i]])]

    def evidence(self) -> list[list[int]]:
        """Return the frames that prove each outcome: usually the three frames of the handshake, in order."""
        syn, synack, ack = (self.c[f"{name}_frame"] for name in parts.EVIDENCE["established"])
        usual = (self.outcome == ESTABLISHED) & (syn < synack) & (synack < ack)
        usual &= syn >= self.c["first_frame"]  # else there is no SYN, or frame numbers exceed 32 bits
        listed = np.stack([self.attempts.frames(name) for name in parts.EVIDENCE["established"]], axis=1).tolist()
        for i in np.flatnonzero(~usual).tolist():
            proofs = {self.frames(name)[i] for name in parts.EVIDENCE[self.words[i]]} - {None}
            listed[i] = sorted(proofs or {int(self.c["first_frame"][i])})
        return parts.with_answers(listed, self.answers)

    @cached_property
    def answers(self) -> list[Any]:
        """The row of the answer from another address, or None, per connection."""
        return parts.answers(self.trace, self.rows)

    @cached_property
    def translations(self) -> list[Any]:
        """The endpoints of the NAT-translated copy in the same capture, or None, per connection."""
        return parts.translations(self.trace, self.rows)

    def handshakes(self) -> Iterable[Handshake]:
        """Return the `Handshake` of each connection."""
        given = {
            **{f"{name}_frame": self.frames(name) for name in parts.EVIDENCE["established"]},
            "client_options": _options_of(self.attempts.syns, self.client["traits"] & TRAIT_ISS != 0),
            "server_options": _options_of(self.attempts.syn_acks, self.server["traits"] & TRAIT_ISS != 0),
        }
        return self.part("handshake", Handshake, given)

    def rtts(self) -> Iterable[Rtt]:
        """Return the handshake `Rtt` of each connection."""
        legs = {leg: self.part(f"rtt.{leg}", Leg, {}) for leg in ("synack", "ackdat", "total")}
        return self.part("rtt", Rtt, legs)

    def states(self) -> Iterable[States]:
        """Return the final states of both ends, per connection."""
        clients, servers = self.case.states
        return map(parts.states, clients[self.rows].tolist(), servers[self.rows].tolist())

    def histories(self) -> list[str]:
        """Return Zeek's history of each connection."""
        return names.history_texts(self.trace.aliases, self.rows)

    def community_ids(self) -> list[str]:
        """Return the Community ID of each connection."""
        return names.community_ids(*(self.c[part] for part in ("hi0", "lo0", "hi1", "lo1", "port0", "port1")))


def _listed(path: str, batch: Batch) -> list[Any]:
    return setup_objects.list_values(path, batch.attempts)


_MAKERS: dict[str, Callable[[Any], Words | Iterable[Any]]] = {
    "client": lambda b: b.ends[0],
    "server": lambda b: b.ends[1],
    "server.names": lambda b: all_names(b.attempts),
    "why": Batch.sentences,
    "evidence": Batch.evidence,
    "state": Batch.states,
    "handshake": Batch.handshakes,
    "rtt": Batch.rtts,
    "close": lambda b: endings.of_each(b.attempts),
    "client_to_server": lambda b: b.part("client_to_server", Direction, {}),
    "server_to_client": lambda b: b.part("server_to_client", Direction, {}),
    "aliases": Batch.aliases,
    "aliases.zeek.history": Batch.histories,
    "aliases.community_id": Batch.community_ids,
    "answered_from": lambda b: parts.elsewheres(b.answers),
    "translated_to": lambda b: b.translations,
    "setup": lambda b: setup_objects.setups(b.attempts),
    "tls": lambda b: setup_objects.tls_of(b.attempts),
    "process": lambda b: processes(b.attempts),
    "evidence_in_files": Parts.evidence_in_files,
    **{path: partial(_listed, path) for path in setup_objects.LISTS},
}


def _options_of(copies: AnsweredCopies, known: NDArray[np.bool_]) -> list[Options | None]:
    fields = (getattr(copies, name).tolist() for name in OFFERS)
    listed: list[Options | None] = list(map(parts.options, *fields))
    for i in np.flatnonzero(~known).tolist():
        listed[i] = None
    return listed
