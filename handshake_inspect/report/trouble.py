"""Which connections had trouble, and what it was: a failed attempt says why itself, an open connection had this."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_inspect.report.connection import Connection, Direction
from handshake_inspect.report.words import TROUBLE_OUTCOMES, CloseHow, Outcome, ResetBy, Side
from handshake_inspect.wire.text import listing, plural, share

# Segments of one end that were sent again, from which on they are trouble: paths lose one or two of many every day.
# SYNs and SYN-ACKs count apart.
MANY = 3
PERCENT = 5
# The kinds of trouble, as bits.
OPENING = 1  # the attempt failed, or was repeated before it succeeded: the outcome says which
SHUT: dict[Side, int] = {"client": 1 << 1, "server": 1 << 2}
LOSSY: dict[Side, int] = {"client": 1 << 3, "server": 1 << 4}
# How an open connection ends in trouble.  A client's own RST is its own decision: browsers and health checks do it.
ENDED: dict[tuple[CloseHow, ResetBy | None], str] = {
    ("rst", "server"): "reset by the server",
    ("rst", "middlebox"): "reset by a device on the path",
    ("rst-after-fin", "middlebox"): "reset by a device on the path",
    ("timeout", None): "given up because the other end had stopped answering",
}
ENDING = {words: 1 << bit for bit, words in enumerate(dict.fromkeys(ENDED.values()), 5)}
_WORDS = {
    OPENING: "connected only after repeated SYNs or SYN-ACKs",
    **{kind: words for words, kind in ENDING.items()},
    **{kind: f"the {who} could take no more data" for who, kind in SHUT.items()},
    **{kind: f"the {who} sent many segments again" for who, kind in LOSSY.items()},
}


def has_trouble(connection: Connection) -> bool:
    """Whether the attempt failed, or the connection had trouble when it opened, while it was open or as it ended."""
    return bool(trouble_kinds(connection))


def trouble_kinds(connection: Connection) -> int:
    """The kinds of trouble that a connection had, each a bit; 0 for none."""
    if connection.outcome in TROUBLE_OUTCOMES:
        return OPENING
    return sum(kind for kind, _ in _troubles(connection))


def trouble_of_open(connection: Connection) -> str:
    """What was wrong with a connection that was open at some time, in words; empty for nothing."""
    return "; ".join(words for _, words in _troubles(connection))


def words_of_kinds(outcome: Outcome, kinds: int) -> str:
    """What connections with these kinds of trouble have in common, in words; empty where their outcome says it."""
    return "" if outcome in TROUBLE_OUTCOMES else "; ".join(words for kind, words in _WORDS.items() if kinds & kind)


def _troubles(connection: Connection) -> Iterator[tuple[int, str]]:
    """What was wrong with a connection while it was open: the kind of each, and words with its numbers."""
    if connection.outcome not in ("established", "midstream"):
        return
    if connection.outcome == "established" and (repeated := _repeated(connection)):
        yield OPENING, f"connected only after {repeated}"
    ended = ENDED.get((connection.close.how, connection.close.reset_by))
    if ended is not None:
        yield ENDING[ended], ended
    shake = connection.handshake
    ends: tuple[tuple[Side, Direction, int], ...] = (
        ("client", connection.client_to_server, shake.syn_count),
        ("server", connection.server_to_client, shake.synack_count),
    )
    for who, way, opening in ends:
        if way.zero_windows:
            yield SHUT[who], f"the {who} could take no more data (zero window {_times(way.zero_windows)})"
        again = way.retransmissions - max(opening - 1, 0)  # the repeated SYNs are said already
        if again >= MANY and again * 100 >= PERCENT * way.frames:
            said = f"the {who} sent {again:,} of {plural(way.frames, 'segment')} again ({share(again, way.frames)})"
            yield LOSSY[who], said


def _repeated(connection: Connection) -> str:
    """The repeated SYNs and SYN-ACKs of its handshake, in words."""
    shake = connection.handshake
    counts = {"SYN": shake.syn_count, "SYN-ACK": shake.synack_count}
    return listing([plural(count - 1, f"repeated {name}") for name, count in counts.items() if count > 1])


def _times(count: int) -> str:
    return "once" if count == 1 else plural(count, "time")
