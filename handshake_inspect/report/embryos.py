"""Build `Connection` objects from embryos (unanswered SYNs), most of whose fields are constant."""

from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import repeat
from typing import Any

from handshake_inspect.report import endings, parts, setup_objects
from handshake_inspect.report.attempt_columns import NONE, AttemptColumns
from handshake_inspect.report.batch_parts import Parts, endpoints
from handshake_inspect.report.model import Direction, Handshake, Leg, Rtt
from handshake_inspect.report.process import processes
from handshake_inspect.report.server_names import all_names, names_of
from handshake_inspect.report.why import so_far
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts import aliases as names
from handshake_inspect.verdicts.arrays import Array
from handshake_inspect.verdicts.attempts import LONE_CLIENT, LONE_SERVER
from handshake_inspect.verdicts.case import Case
from handshake_inspect.wire.address import address_text

_NO_LEG = Leg(reason="no-answer")
_NO_RTT = Rtt(_NO_LEG, _NO_LEG, _NO_LEG)


class Embryos(Parts):
    """Builds connections, or some of their fields, from embryos: `rows` are their rows, `at` their attempt indices."""

    def __init__(self, case: Case, names: Array, rows: Array, at: Array) -> None:
        """`names` are the ids of all attempts, in row order."""
        super().__init__(AttemptColumns(case, names, NONE, rows), _MAKERS)
        self.case, self.trace, self.rows = case, case.attempts, rows
        self.e = self.attempts.lone
        self.at = at
        self.times = self.list_of("first_ns")
        self.frames = self.list_of("first_frame")
        self.words = self.list_of("outcome")

    def ends(self, who: str) -> Iterable[list[Any]]:
        """Return address halves and ports of the clients or servers."""
        return (self.e[f"{who}_{part}"].tolist() for part in ("hi", "lo", "port"))

    @cached_property
    def answers(self) -> list[Any]:
        """The row of the answer from another address, or None, per SYN."""
        return parts.answers(self.trace, self.at)

    def sentences(self) -> list[str]:
        """Return the sentences for `why`."""
        causes = self.list_of("cause")
        decided = self.list_of("decided")
        signed = self.list_of("handshake.client_options.signed")
        sentences = [
            self._elsewhere(i)
            if cause == "answered-from-elsewhere"
            else parts.why_unanswered(word, cause, sure, self.trace.filtered, key)
            if word == "timed-out"
            else parts.why_pending(self.trace.last_ns - begun)
            for i, (word, cause, sure, begun, key) in enumerate(
                zip(self.words, causes, decided, self.times, signed, strict=True)
            )
        ]
        return list(map(so_far, sentences)) if self.case.ongoing else sentences

    def _elsewhere(self, i: int) -> str:
        server = address_text(int(self.e["server_hi"][i]), int(self.e["server_lo"][i]))
        waited_ns = self.trace.last_ns - self.times[i]
        return parts.why_elsewhere(self.words[i], server, parts.elsewhere(self.answers[i]), waited_ns)

    def handshakes(self) -> Iterable[Handshake]:
        """Return the `Handshake` of each: only the SYN."""
        e, nothing = self.e, repeat(None)
        options = map(parts.options, e["options"].tolist(), e["mss"].tolist(), e["window_scale"].tolist())
        unanswered = ("synack_ns", "synack_frame", "ack_ns", "ack_frame", "server_isn", "server_options")
        given = {
            **dict.fromkeys(unanswered, nothing),
            "syn_ns": self.times, "syn_frame": self.frames, "syn_count": repeat(1), "synack_count": repeat(0),
            "client_isn": e["iss"].tolist(), "client_options": options, "syn_copy": repeat(1), "synack_copy": nothing,
        }  # fmt: skip
        return self.part("handshake", Handshake, given)

    def community_ids(self) -> list[str]:
        """Return the Community ID of each."""
        order = ("client_hi", "client_lo", "server_hi", "server_lo", "client_port", "server_port")
        return names.community_ids(*(self.e[part] for part in order))

    def all(self, value: Any) -> Iterable[Any]:
        """Repeat a value for each embryo."""
        return repeat(value, len(self.rows))


def _sent(lone: dict[str, str | int]) -> Direction:
    """Return the `Direction` of an end of a lone SYN, the same for all."""
    return Direction(**{name: int(value) for name, value in lone.items() if name in Direction.__struct_fields__})


_MAKERS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "client": lambda e: endpoints(*e.ends("client")),
    "server": lambda e: parts.named_servers(map(parts.service, *e.ends("server")), names_of(e.attempts)),
    "server.names": lambda e: all_names(e.attempts),
    "why": Embryos.sentences,
    "evidence": lambda e: parts.with_answers(list(map(list, zip(e.frames, strict=True))), e.answers),
    "state": lambda e: map(parts.states, e.case.states[0][e.at].tolist(), repeat(int(TcpState.CLOSED))),
    "handshake": Embryos.handshakes,
    "rtt": lambda e: e.all(_NO_RTT),
    "close": lambda e: endings.of_each(e.attempts),
    "client_to_server": lambda e: e.all(_sent(LONE_CLIENT)),
    "server_to_client": lambda e: e.all(_sent(LONE_SERVER)),
    "aliases": Embryos.aliases,
    "aliases.zeek.history": lambda e: e.all(names.EMBRYO_HISTORY),
    "aliases.community_id": Embryos.community_ids,
    "answered_from": lambda e: parts.elsewheres(e.answers),
    "translated_to": lambda e: e.all(None),
    "setup": lambda e: e.all(None),
    "tls": lambda e: e.all(None),
    "process": lambda e: processes(e.attempts),
    "evidence_in_files": Parts.evidence_in_files,
    **{path: lambda e: e.all(None) for path in setup_objects.LISTS},
}
