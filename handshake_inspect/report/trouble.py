"""Which connections had trouble, and what it was: a failed attempt says why itself, an open connection had this."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_inspect.report.connection import Connection
from handshake_inspect.report.words import TROUBLE_OUTCOMES, CloseHow, ResetBy
from handshake_inspect.wire.text import listing, plural, share

# Segments of one end that were sent again, from which on they are trouble: paths lose one or two of many every day.
# SYNs and SYN-ACKs count apart.
MANY = 3
PERCENT = 5
# How an open connection ends in trouble.  A client's own RST is its own decision: browsers and health checks do it.
ENDED: dict[tuple[CloseHow, ResetBy | None], str] = {
    ("rst", "server"): "reset by the server",
    ("rst", "middlebox"): "reset by a device on the path",
    ("rst-after-fin", "middlebox"): "reset by a device on the path",
    ("timeout", None): "given up because the other end had stopped answering",
}


def has_trouble(connection: Connection) -> bool:
    """Whether the attempt failed, or the connection had trouble when it opened, while it was open or as it ended."""
    return connection.outcome in TROUBLE_OUTCOMES or bool(trouble_of_open(connection))


def trouble_of_open(connection: Connection) -> str:
    """What was wrong with a connection that was open at some time, in words; empty for nothing."""
    if connection.outcome not in ("established", "midstream"):
        return ""
    return "; ".join(_troubles(connection))


def _troubles(connection: Connection) -> Iterator[str]:
    if connection.outcome == "established" and (repeated := _repeated(connection)):
        yield f"connected only after {repeated}"
    ended = ENDED.get((connection.close.how, connection.close.reset_by))
    if ended is not None:
        yield ended
    shake = connection.handshake
    for who, way, opening in (
        ("client", connection.client_to_server, shake.syn_count),
        ("server", connection.server_to_client, shake.synack_count),
    ):
        if way.zero_windows:
            yield f"the {who} could take no more data (zero window {_times(way.zero_windows)})"
        again = way.retransmissions - max(opening - 1, 0)  # the repeated SYNs are said already
        if again >= MANY and again * 100 >= PERCENT * way.frames:
            yield f"the {who} sent {again:,} of {plural(way.frames, 'segment')} again ({share(again, way.frames)})"


def _repeated(connection: Connection) -> str:
    """The repeated SYNs and SYN-ACKs of its handshake, in words."""
    shake = connection.handshake
    counts = {"SYN": shake.syn_count, "SYN-ACK": shake.synack_count}
    return listing([plural(count - 1, f"repeated {name}") for name, count in counts.items() if count > 1])


def _times(count: int) -> str:
    return "once" if count == 1 else plural(count, "time")
