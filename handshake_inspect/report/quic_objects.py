"""Build `QuicConnection` objects row by row; batching would not pay, since reading names decrypts each Initial."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from handshake_inspect.quic.quic_rows import EARLY, NEGOTIATED, RETRY, TOKEN
from handshake_inspect.report.connection_parts import Endpoint, Leg, Server
from handshake_inspect.report.frame_places import evidence_in_files, in_files
from handshake_inspect.report.quic import (
    QuicClose,
    QuicConnection,
    QuicDirection,
    QuicOutcomes,
    QuicRtt,
    QuicService,
)
from handshake_inspect.report.server_names import Waited, chosen, waited_of
from handshake_inspect.report.setup import (
    ExtraRoundTrip,
    Milestone,
    Milestones,
    OwnTime,
    Saveable,
    ServerTimes,
    Setup,
    SetupSummary,
    Span,
    Spans,
)
from handshake_inspect.report.setup_names import text
from handshake_inspect.report.setup_summary import group_of, of_setups
from handshake_inspect.report.why import quic_sentence
from handshake_inspect.tls.facts import read_client_hello
from handshake_inspect.verdicts.quic.outcome import QuicVerdicts
from handshake_inspect.verdicts.quic.quic_case import QuicCase
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.quic.spans import QuicSpans
from handshake_inspect.verdicts.quic.words import QUIC_OUTCOMES, QuicEarlyData
from handshake_inspect.verdicts.setup.intervals import Interval
from handshake_inspect.wire.address import address_text

_MILESTONES = {
    "client_hello": "first", "client_hello_2": "second", "server_hello": "answer",
    "server_finished": "flight", "client_finished": "finished", "early_data": "early", "request": "request",
}  # fmt: skip


@dataclass(frozen=True)
class QuicReport:
    """All QUIC connections of a capture as objects."""

    case: QuicCase
    waited_for: Mapping[int, int]  # connections that waited for a DNS lookup, and the index of that
    places: Any = None  # files and frame numbers, for a trace of many files

    @property
    def quics(self) -> Quics:
        """The rows of the connections."""
        return self.case.quics

    @property
    def judged(self) -> QuicVerdicts:
        """The verdicts."""
        return self.case.judged

    @property
    def spans(self) -> QuicSpans:
        """The durations of their set-ups."""
        return self.case.spans

    @cached_property
    def connections(self) -> list[QuicConnection]:
        """All connections in id order."""
        return [self._made(i) for i in range(len(self.quics))]

    @cached_property
    def services(self) -> list[QuicService]:
        """Connections by server address and port, busiest first."""
        by: dict[Endpoint, list[QuicConnection]] = defaultdict(list)
        for each in self.connections:
            by[each.server.service].append(each)
        return [
            QuicService(server, len(those), QuicOutcomes.of(those), _summed(those))
            for server, those in sorted(by.items(), key=lambda item: (-len(item[1]), item[1][0].id))
        ]

    def _made(self, i: int) -> QuicConnection:
        row, judged = self.quics.rows[i], self.judged
        outcome = QUIC_OUTCOMES[int(judged.outcome[i])]
        closing = judged.closes[i]
        close = None if closing is None else QuicClose(closing[0], closing[1].code, closing[1].reason)  # type: ignore[arg-type]
        took = int(self.spans.handshake.value[i])
        cause, flags = judged.cause(i), int(row["flags"])
        raced = int(self.case.raced_tcp[i])
        asked, evidence = self._asked(i), judged.evidence(i)
        return QuicConnection(
            id=i,
            client=_end(row, "client"),
            server=self._server(i, asked.get("server_name")),
            first_ns=int(row["first_ns"]),
            last_ns=int(row["last_ns"]),
            first_frame=int(row["first_frame"]),
            outcome=outcome,
            cause=cause,
            decided=bool(judged.decided[i]),
            why=quic_sentence(outcome, cause, close, int(row["client_frames"]), took if took >= 0 else None),
            evidence=evidence,
            version=f"0x{int(row['version']):08x}",
            retry=bool(flags & RETRY),
            token=bool(flags & TOKEN),
            version_negotiation=bool(flags & NEGOTIATED),
            early_data=self._early_data(i) if flags & EARLY else None,
            close=close,
            moved=int(row["moved"]),
            rtt=QuicRtt(_leg(self.spans.initial, i), _leg(self.spans.reply, i)),
            spin_rtt=_parts(self.spans.spin, i)[0],
            setup=self._setup(i),
            raced_by=int(self.case.attempts.ids[raced]) if raced >= 0 else None,
            client_to_server=QuicDirection(int(row["client_frames"]), int(row["client_bytes"])),
            server_to_client=QuicDirection(int(row["server_frames"]), int(row["server_bytes"])),
            **asked,
            **self._place(int(row["first_frame"])),
            evidence_in_files=evidence_in_files([evidence], self.places)[0],
        )

    def _place(self, frame: int) -> dict[str, Any]:
        """Return file and frame number of a first frame, as keyword arguments."""
        found = in_files([frame], self.places)
        return {"first_file": found[0].file, "frame_in_file": found[0].frame} if found else {}

    def _server(self, i: int, sni: str | None) -> Server:
        """Return the server with its name, by the same rules as for TCP."""
        end = _end(self.quics.rows[i], "server")
        looked_up = self.case.names.all_names.get(i, []) if self.quics.limits.names else []
        return Server(end.ip, end.port, *(chosen(sni, looked_up) if sni or looked_up else ()))

    def _asked(self, i: int) -> dict[str, Any]:
        """Return what the ClientHello asks for, if it could be decrypted; without names if these are disabled."""
        opened = self.quics.opened[i]
        if opened is None or not opened[0].packets:
            return {}
        hello = read_client_hello(opened[0].crypto)
        if hello is None or not self.quics.limits.names:
            return {"names_read": hello is not None}
        asked = hello.facts
        name = text(asked.server_name) if asked.server_name else None
        return {"names_read": True, "server_name": name, "alpn_offered": [text(each) for each in asked.protocols]}

    @cached_property
    def _waited(self) -> dict[int, Waited]:
        """The lookups that connections waited for, by index."""
        lookups, began = self.case.names.lookups, self.quics.first_times
        return {i: waited_of(lookups, place, int(began[i])) for i, place in self.waited_for.items()}

    def _early_data(self, i: int) -> QuicEarlyData:
        """Return what became of the client's 0-RTT packets; a HelloRetryRequest rejects them."""
        if self.quics.asked_again[i]:
            return "rejected"
        return "accepted" if self.spans.early_accepted[i] else "offered"

    # -- set-up ------------------------------------------------------------------------------------------------

    def _setup(self, i: int) -> Setup | None:
        """Return the set-up of a connection; None if unanswered or begun before the capture."""
        if not self.judged.answered[i] or self.quics.begun_before[i]:
            return None
        spans, row = self.spans, self.quics.rows[i]
        finished = bool(spans.finished[i])
        request = int(spans.request.low[i])
        trips = int(spans.round_trips[i])
        first = int(row["first_ns"])
        method = "lost" if self.quics.lost[i] else "cut" if spans.hidden[i] else "exact"
        parts = {"quic": _span(spans.handshake, i, 0, trips, method, "not-finished")}
        if request >= 0:
            why = "one-sided" if int(spans.answers[2][i]) >= 0 else "no-response"
            parts["response"] = _span(spans.response, i, request - first, 1, "ambiguous", why)
            parts["first_byte"] = _span(spans.first_byte, i, 0, trips + 1, "ambiguous", why)
            if finished:
                since = int(row["finished_ns"]) - first
                parts["before_request"] = _span(spans.before_request, i, since, 0, "ambiguous")
        answered = request >= 0 and parts["response"].max_ns is not None
        waited = self._waited.get(i)
        if waited is not None:
            parts |= waited.spans
        whole = int(spans.first_byte.value[i])
        return Setup(
            protocol="quic",
            speaks_first="client",
            spans=Spans(**parts),
            with_lookup_ns=None if waited is None or request < 0 or whole < 0 else waited.total_ns + whole,
            waited_for=None if waited is None else waited.other,
            round_trips=trips + 1 if answered else trips if finished else None,
            server=ServerTimes(_own(spans.server_hello, i), _own(spans.server_response, i)),
            extra_round_trips=self._extras(i),
            saveable=self._saveable(i),
            milestones=self._milestones(i),
        )

    def _saveable(self, i: int) -> Saveable:
        spans = self.spans
        whole, trip = int(spans.handshake.value[i]), int(spans.network.value[i])
        early = None if trip < 0 or whole < 0 else 0 if spans.early_accepted[i] else trip
        return Saveable(reuse_ns=whole if whole >= 0 else None, quic_early_data_ns=early)

    def _extras(self, i: int) -> list[ExtraRoundTrip]:
        """Return the extra round trips of a handshake in order of time."""
        row = self.quics.rows[i]
        first, second, third = (int(row[name]) for name in ("first_ns", "second_ns", "third_ns"))
        found: list[ExtraRoundTrip] = []
        costs = {
            "version-negotiation": second - first if second else None,
            "retry": third - second if third else second - first if second and not row["negotiation_ns"] else None,
        }
        if row["again_ns"]:
            found.append(ExtraRoundTrip("loss", int(row["again_ns"]) - first, self._frame("again_frame", i)))
        for reason, name in (("version-negotiation", "negotiation"), ("retry", "retry")):
            if row[f"{name}_ns"]:
                found.append(ExtraRoundTrip(reason, costs[reason], self._frame(f"{name}_frame", i)))  # type: ignore[arg-type]
        reply = int(row["reply_ns"]) - first
        if self.quics.asked_again[i] and reply > 0:
            found.append(ExtraRoundTrip("hello-retry", reply, self._frame("answer_frame", i)))
        if self.quics.hello_again[i] and reply > 0:
            found.append(ExtraRoundTrip("loss", reply))
        frames, lost = self.quics.frame("stall_frame", i)[0], self.quics.stalled_by_loss[i]
        for cost, frame, by_loss in zip(row["stall_ns"][: row["stalls"]], frames, lost, strict=False):
            found.append(ExtraRoundTrip("loss" if by_loss else "amplification", int(cost), int(frame)))
        return found

    def _milestones(self, i: int) -> Milestones:
        row = self.quics.rows[i]
        found = {}
        for name, column in _MILESTONES.items():
            if row[f"{column}_ns"]:
                frame = int(row["first_frame"]) if column == "first" else self._frame(f"{column}_frame", i)
                found[name] = Milestone(int(row[f"{column}_ns"]), frame)
        first, _, place = self.spans.answers
        if place[i] >= 0:
            found["response"] = Milestone(int(first[i]), int(self.quics.frame("burst_frame", i)[0, place[i]]))
        return Milestones(**found)

    def _frame(self, name: str, i: int) -> int:
        return int(self.quics.frame(name, i)[0])


def _summed(those: list[QuicConnection]) -> SetupSummary | None:
    setups = [each.setup for each in those if each.setup is not None]
    return of_setups(setups, groups=[group_of("quic", None, [setup.spans for setup in setups])] if setups else [])


def _end(row: Any, who: str) -> Endpoint:
    return Endpoint(address_text(int(row[f"{who}_hi"]), int(row[f"{who}_lo"])), int(row[f"{who}_port"]))


def _parts(interval: Interval, i: int) -> tuple[int | None, int | None, int | None]:
    """Return value and bounds of an interval; None for unknown ones."""
    value, low, high = (int(each[i]) for each in (interval.value, interval.low, interval.high))
    return (value if value >= 0 else None, low, high) if high >= 0 else (None, None, None)


def _leg(interval: Interval, i: int) -> Leg:
    value, low, high = _parts(interval, i)
    if high is None:
        return Leg(method="none", reason="no-answer")
    return Leg(value, low, high, "exact" if value is not None and low == high else "ambiguous")


def _own(interval: Interval, i: int) -> OwnTime | None:
    value, low, high = _parts(interval, i)
    return None if high is None else OwnTime(value, low, high)


def _span(interval: Interval, i: int, start: int, trips: int, method: Any, reason: Any = None) -> Span:
    """Return a span; `method` applies if its bounds differ, `reason` if it was not measured."""
    value, low, high = _parts(interval, i)
    if high is None:
        return Span(max(start, 0), method="none", reason=reason)
    sure: Any = method if method in {"lost", "cut"} else "exact" if low == high else method
    return Span(max(start, 0), value, low, high, trips, sure)
