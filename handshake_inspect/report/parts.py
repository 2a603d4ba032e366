"""Cached constructors of parts of a connection that many rows have in common."""

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from handshake_inspect.report import why
from handshake_inspect.report.connection_parts import Close, Endpoint, Options, Server, States, Translation
from handshake_inspect.report.server_names import Name
from handshake_inspect.report.words import CloseHow, ResetBy, Side
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.elsewhere import server_of
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM, OUTCOMES
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.const import (
    MASK32,
    OPT_CUT,
    OPT_ECN,
    OPT_MPTCP,
    OPT_MSS,
    OPT_SACK_PERMITTED,
    OPT_SIGNED,
    OPT_TFO,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
)

METHODS = ("none", "exact", "tsecr", "ambiguous", "data-ack", "one-sided", "none", "none")
STATE_NAMES = tuple(state.name for state in TcpState)
SIDES: tuple[Side, Side] = ("client", "server")
EVIDENCE = {
    "established": ("syn", "synack", "ack"),
    "refused": ("syn", "rst"),
    "rejected": ("syn", "icmp"),
    "timed-out": ("syn",),
    "pending": ("syn",),
    "half-open": ("syn", "synack", "ack", "icmp", "trouble", "rst"),
    "aborted": ("syn", "synack", "rst"),
    "unsolicited": ("synack", "rst"),
    "midstream": (),
}


@lru_cache(maxsize=1 << 12)
def service(hi: int, lo: int, port: int) -> Server:
    """Return a server without a name; cached, since servers repeat."""
    return Server(address_text(hi, lo), port)


def named_servers(servers: Iterable[Server], names: Mapping[int, Name]) -> list[Server]:
    """Return the servers with `names`, given by index, filled in."""
    listed = list(servers)
    for place, name in names.items():
        listed[place] = Server(listed[place].ip, listed[place].port, *name)  # type: ignore[arg-type]
    return listed


def offers(bits: int, option: int) -> bool | None:
    """Return whether a segment has an option; None if the options were cut and this one is not visible."""
    return True if bits & option else None if bits & OPT_CUT else False


@lru_cache(maxsize=1 << 10)
def options(bits: int, mss: int, window_scale: int) -> Options:
    """Return the options of a SYN or SYN-ACK."""
    return Options(
        mss if bits & OPT_MSS else None,
        window_scale if bits & OPT_WINDOW_SCALE else None,
        offers(bits, OPT_SACK_PERMITTED),
        offers(bits, OPT_TIMESTAMPS),
        offers(bits, OPT_TFO),
        offers(bits, OPT_MPTCP),
        bits & OPT_ECN != 0,
        offers(bits, OPT_SIGNED),
    )


def answers(trace: Attempts, rows: Any) -> list[Any]:
    """Return the row of the answer from another address, or None, for each attempt."""
    if trace.elsewhere is None:
        return [None] * len(rows)
    return list(map(trace.elsewhere.of, rows.tolist()))


def translations(trace: Attempts, rows: Any) -> list[Translation | None]:
    """Return the endpoints of the NAT-translated copy, or None, for each attempt."""
    if trace.translated is None:
        return [None] * len(rows)
    return [None if row is None else _translation(row) for row in map(trace.translated.of, rows.tolist())]


def _translation(row: Any) -> Translation:
    client = int(row["client"])
    ends = (service(*(int(row[f"{part}{side}"]) for part in ("hi", "lo", "port"))) for side in (client, 1 - client))
    return Translation(*ends)


def elsewhere(answer: Any) -> Endpoint | None:
    """Return the endpoint that an answer came from, or None."""
    return None if answer is None else service(*server_of(answer))


def elsewheres(answers: list[Any]) -> list[Endpoint | None]:
    """Return the endpoints that answers came from, or None for each missing one."""
    return answers if answers.count(None) == len(answers) else list(map(elsewhere, answers))


def with_answers(evidence: list[list[int]], answers: list[Any]) -> list[list[int]]:
    """Add the frames of answers from other addresses, and of the clients' RSTs to them, to the evidence."""
    if answers.count(None) == len(answers):
        return evidence
    for frames, answer in zip(evidence, answers, strict=True):
        if answer is not None:
            first = int(answer["first_frame"])
            low = {int(answer[f"{name}_frame"]) for name in ("synack", "rst")} - {0}
            frames[:] = sorted({*frames, *(first + ((number - first) & MASK32) for number in low)})
    return evidence


@cache
def states(client: int, server: int) -> States:
    """Return the states of both ends."""
    return States(STATE_NAMES[client], STATE_NAMES[server])  # type: ignore[arg-type]


@cache
def close(fins: int, reset: bool, closer: int, resetter: int, outcome: int, cause: str | None) -> Close:
    """Return how a connection ended: by the number of FINs, or a RST, and which side closed (0 is the client)."""
    first = SIDES[closer] if fins else None
    if reset:
        by = SIDES[resetter]
        first = first or (by if outcome in {ESTABLISHED, MIDSTREAM} else None)
        if cause in {"middlebox-reset", "reset-by-middlebox"}:
            return ended("rst-after-fin" if fins else "rst", first if fins else None, "middlebox")
        if cause == "dead-peer":
            return ended("timeout", SIDES[closer] if fins else None)
        return ended("rst-after-fin" if fins else "rst", first, by)
    if fins:
        return ended("fin" if fins == 2 else "half-closed", first)
    return ended("timeout" if OUTCOMES[outcome] == "timed-out" else "open")


@cache
def ended(how: CloseHow, first: Side | None = None, by: ResetBy | None = None) -> Close:
    """Return a cached `Close`."""
    return Close(how, first, by)


@lru_cache(maxsize=1 << 10)
def why_established(
    cause: str | None,
    first: str | None,
    syn_count: int,
    synack_count: int,
    simultaneous: bool,
    missing: str | None,
    decided: bool,
) -> str:
    """Return the sentence of an established connection; cached, since few different ones occur."""
    return why.sentence(
        {
            "outcome": "established",
            "cause": cause,
            "first": first,
            "syn_count": syn_count,
            "synack_count": synack_count,
            "simultaneous": simultaneous,
            "missing": missing,
            "decided": decided,
        }
    )


@cache
def why_unanswered(outcome: str, cause: str | None, decided: bool, filtered: bool, signed: bool) -> str:
    """Return the sentence of a lone SYN that timed out."""
    return why.sentence(
        {
            "outcome": outcome,
            "cause": cause,
            "syn_count": 1,
            "signed": signed,
            "syn_span_ns": 0,
            "decided": decided,
            "filtered": filtered,
            "answered_from": None,
        }
    )


def why_pending(waited_ns: int) -> str:
    """Return the sentence of a lone SYN that may still be answered."""
    return why.sentence(
        {"outcome": "pending", "cause": None, "syn_count": 1, "waited_ns": waited_ns, "answered_from": None}
    )


def why_elsewhere(outcome: str, server: str, answered_from: Endpoint | None, waited_ns: int) -> str:
    """Return the sentence of a lone SYN that another address answered."""
    return why.sentence(
        {
            "outcome": outcome,
            "cause": "answered-from-elsewhere",
            "syn_count": 1,
            "signed": False,
            "syn_span_ns": 0,
            "waited_ns": waited_ns,
            "decided": True,
            "server": server,
            "answered_from": answered_from,
        }
    )
