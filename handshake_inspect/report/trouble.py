"""Which connections had trouble, and of which kind: failed attempts, and problems of open connections."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_inspect.report.connection import Connection, Direction
from handshake_inspect.report.words import TROUBLE_OUTCOMES, CloseHow, Outcome, ResetBy, Side
from handshake_inspect.wire.text import listing, plural, share

# Retransmissions of one end count as trouble from this number and share on; a few losses are normal.
# SYNs and SYN-ACKs count separately.
MANY = 3
PERCENT = 5
# The kinds of trouble, as bits.
OPENING = 1  # the attempt failed, or needed repeated SYNs or SYN-ACKs; the outcome distinguishes them
SHUT: dict[Side, int] = {"client": 1 << 1, "server": 1 << 2}
LOSSY: dict[Side, int] = {"client": 1 << 3, "server": 1 << 4}
# Endings that count as trouble.  RSTs by clients do not: browsers and health checks close that way.
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
    """Whether the attempt failed, or the connection had trouble while opening, while open, or when it ended."""
    return bool(trouble_kinds(connection))


def trouble_kinds(connection: Connection) -> int:
    """Return the kinds of trouble of a connection as bits; 0 for none."""
    if connection.outcome in TROUBLE_OUTCOMES:
        return OPENING
    return sum(kind for kind, _ in _troubles(connection))


def trouble_of_open(connection: Connection) -> str:
    """Return the trouble of a connection that was ever open as text; empty for none."""
    return "; ".join(words for _, words in _troubles(connection))


def words_of_kinds(outcome: Outcome, kinds: int) -> str:
    """Return these kinds of trouble as text; empty if the outcome already implies it."""
    return "" if outcome in TROUBLE_OUTCOMES else "; ".join(words for kind, words in _WORDS.items() if kinds & kind)


def _troubles(connection: Connection) -> Iterator[tuple[int, str]]:
    """Yield kind and text (with numbers) of each trouble of a connection that was ever open."""
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
        again = way.retransmissions - max(opening - 1, 0)  # repeated SYNs and SYN-ACKs are reported above
        if again >= MANY and again * 100 >= PERCENT * way.frames:
            text = f"the {who} sent {again:,} of {plural(way.frames, 'segment')} again ({share(again, way.frames)})"
            yield LOSSY[who], text


def _repeated(connection: Connection) -> str:
    """Return the number of repeated SYNs and SYN-ACKs as text."""
    shake = connection.handshake
    counts = {"SYN": shake.syn_count, "SYN-ACK": shake.synack_count}
    return listing([plural(count - 1, f"repeated {name}") for name, count in counts.items() if count > 1])


def _times(count: int) -> str:
    return "once" if count == 1 else plural(count, "time")
