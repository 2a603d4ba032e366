"""Unanswered SYNs to connections of the report: most of what they hold is the same for all."""

from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import repeat
from typing import Any

from handshake_inspect.report import parts
from handshake_inspect.report.made import Column, Parts, endpoints, named
from handshake_inspect.report.model import Aliases, Close, Direction, Handshake, Rtt
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts import aliases as names
from handshake_inspect.verdicts.stage import STAGES
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES
from handshake_inspect.wire.address import address_text

_NO_LEG = parts.NO_LEG["no-answer"]
_NO_RTT = Rtt(_NO_LEG, _NO_LEG, _NO_LEG, None)


class Embryos(Parts):
    """Some SYNs that nothing answered: `rows` of the embryos of `source` (RowConnections)."""

    def __init__(self, source: Any, ids: Column, rows: Column) -> None:
        """`ids` are what the attempts are told by."""
        super().__init__(_MAKERS)
        self.source, self.trace, self.ids, self.rows = source, source.trace, ids, rows
        self.e = self.trace.embryos[rows]
        self.at = rows + len(self.trace.connections)
        self.times, self.frames = self.e["first_ns"].tolist(), self.trace.embryo_frames(rows).tolist()

    @cached_property
    def words(self) -> list[Any]:
        """Outcomes."""
        return list(map(OUTCOMES.__getitem__, self.source.outcome[self.at].tolist()))

    @cached_property
    def causes(self) -> list[Any]:
        """Why they came to them."""
        return list(map(CAUSES.__getitem__, self.source.outcomes.cause[self.at].tolist()))

    @cached_property
    def decided(self) -> list[bool]:
        """Whether the capture suffices to tell."""
        decided: list[bool] = self.source.outcomes.decided[self.at].tolist()
        return decided

    def ends(self, who: str) -> Iterable[list[Any]]:
        """The halves of the addresses, and the ports, of the clients or the servers."""
        return (self.e[f"{who}_{part}"].tolist() for part in ("hi", "lo", "port"))

    @cached_property
    def answers(self) -> list[Any]:
        """The rows of what answered them from elsewhere; None for none."""
        return parts.answers(self.trace, self.at)

    def sentences(self) -> list[str]:
        """Why each has its outcome."""
        return [
            self._elsewhere(i)
            if cause == "answered-from-elsewhere"
            else parts.why_unanswered(word, cause, decided, self.trace.filtered)
            if word == "timed-out"
            else parts.why_pending(self.trace.last_ns - begun)
            for i, (word, cause, decided, begun) in enumerate(
                zip(self.words, self.causes, self.decided, self.times, strict=True)
            )
        ]

    def _elsewhere(self, i: int) -> str:
        server = address_text(int(self.e["server_hi"][i]), int(self.e["server_lo"][i]))
        waited_ns = self.trace.last_ns - self.times[i]
        return parts.why_elsewhere(self.words[i], server, parts.elsewhere(self.answers[i]), waited_ns)

    def handshakes(self) -> Iterable[Handshake]:
        """The SYN, and nothing more."""
        e, nothing = self.e, repeat(None)
        options = map(parts.options, e["options"].tolist(), e["mss"].tolist(), e["window_scale"].tolist())
        return map(
            Handshake, self.times, self.frames, nothing, nothing, nothing, nothing, repeat(1), repeat(0),
            e["iss"].tolist(), nothing, options, nothing, repeat(1),
        )  # fmt: skip

    def closes(self) -> list[Close]:
        """The client gave up, or may go on."""
        return [parts.ended("timeout" if word == "timed-out" else "open") for word in self.words]

    def aliases(self) -> Iterable[Aliases]:
        """What others call them."""
        order = ("client_hi", "client_lo", "server_hi", "server_lo", "client_port", "server_port")
        return named(
            repeat(names.EMBRYO_CONN_STATE),
            repeat(names.EMBRYO_HISTORY),
            self.ids.tolist(),
            repeat(1),
            names.community_ids(*(self.e[part] for part in order)),
        )

    def all(self, value: Any) -> Iterable[Any]:
        """The same of each."""
        return repeat(value, len(self.ids))


_MAKERS: dict[str, Callable[[Any], Iterable[Any]]] = {
    "id": lambda e: e.ids.tolist(),
    "client": lambda e: endpoints(*e.ends("client")),
    "server": lambda e: map(parts.service, *e.ends("server")),
    "roles": lambda e: e.all("observed"),
    "first_ns": lambda e: e.times,
    "last_ns": lambda e: e.times,
    "first_frame": lambda e: e.frames,
    "outcome": lambda e: e.words,
    "cause": lambda e: e.causes,
    "decided": lambda e: e.decided,
    "why": Embryos.sentences,
    "evidence": lambda e: parts.with_answers(list(map(list, zip(e.frames, strict=True))), e.answers),
    "age_ns": lambda e: e.all(None),
    "state": lambda e: map(parts.states, e.source.embryo_clients[e.rows].tolist(), repeat(int(TcpState.CLOSED))),
    "handshake": Embryos.handshakes,
    "rtt": lambda e: e.all(_NO_RTT),
    "close": Embryos.closes,
    "stage": lambda e: map(STAGES.__getitem__, e.source.stages[e.at].tolist()),
    "client_to_server": lambda e: e.all(Direction(frames=1)),
    "server_to_client": lambda e: e.all(Direction()),
    "aliases": Embryos.aliases,
    "answered_from": lambda e: map(parts.elsewhere, e.answers),
}
