"""The sentences that explain the outcome of a QUIC connection (`why`)."""

from handshake_inspect.report.quic import QuicClose
from handshake_inspect.report.why import rejection
from handshake_inspect.wire.text import duration, plural

_FAILED = {
    "closed-by-server": "The server answered and then closed or fell silent before the handshake completed.",
    "closed-by-client": "The server answered, but the client closed or fell silent before the handshake completed.",
    "no-common-version": "The server offered other versions, and the client tried none of them.",
    "stuck": "The server acknowledged the Initial and never sent its ServerHello.",
}
_ENDED_BY = {"server": "The server", "client": "The client"}


def sentence(outcome: str, cause: str | None, close: QuicClose | None, datagrams: int, took_ns: int | None) -> str:
    """Return why a connection has its outcome; `datagrams` are the client's, `took_ns` is the time to its Finished."""
    if outcome == "established":
        return f"The handshake completed after {duration(took_ns or 0)}; what followed is encrypted."
    if outcome == "rejected":
        return f"An ICMP error answered the client: {rejection(cause or '')}."
    if outcome == "timed-out":
        return (
            f"Nothing answered {plural(datagrams, 'datagram')}: a firewall drops UDP to this port, or nobody listens."
        )
    if outcome == "pending":
        return "The capture ends before the handshake was over."
    if close is not None:
        words = f", saying {close.reason!r}" if close.reason else ""
        return f"{_ENDED_BY[getattr(close, 'from')]} closed in its Initial with {code_text(close.code)}{words}."
    return _FAILED[cause or "stuck"]


def code_text(code: int) -> str:
    """Format a QUIC error code (RFC 9000 section 20.1) or the TLS alert that it carries."""
    return f"TLS alert {code - 0x100}" if 0x100 <= code <= 0x1FF else f"error {code:#x}"
