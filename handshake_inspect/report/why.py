"""The sentences that explain the outcome of a connection (`why`), by outcome and cause."""

import re
from typing import Any

from handshake_inspect.report.quic import QuicClose
from handshake_inspect.wire.text import duration, listing, plural

_REJECTIONS = {
    "net-unreachable": "there is no route to its network",
    "host-unreachable": "the host cannot be reached",
    "protocol-unreachable": "the host does not take TCP",
    "port-unreachable": "the port is closed, or a firewall pretends it is",
    "admin-prohibited": "a firewall blocks it",
    "net-prohibited": "a firewall blocks the network",
    "host-prohibited": "a firewall blocks the host",
    "ttl-exceeded": "the packet ran out of hops, possibly in a routing loop",
}


def sentence(row: dict[str, Any]) -> str:
    """Return why the connection described by `row` has its outcome."""
    return _SENTENCES[row["outcome"]](row)


# Replacements in sentences about the end of a capture, for captures still running.
_SO_FAR = (
    (re.compile("the connection was still open when the capture ended"), "the connection is open"),
    (re.compile(" yet: the capture ends with it"), " yet"),
    (re.compile(r" yet, but the capture ends (.*) after the first\."), r" yet; the first was \1 ago."),
    (re.compile(r"; the capture ends (.*) later\."), r", \1 ago."),
    (re.compile("the capture ends too soon to show"), "it is too early to say"),
    (re.compile("or the capture ends too soon"), "or it is too early to say"),
)


def so_far(text: str) -> str:
    """Adapt a sentence to a capture that is still running."""
    for before, now in _SO_FAR:
        text = before.sub(now, text)
    return text


def _trouble(row: dict[str, Any]) -> str:
    parts = []
    if row["syn_count"] > 1:
        parts.append(plural(row["syn_count"] - 1, "repeated SYN"))
    if row["synack_count"] > 1:
        parts.append(plural(row["synack_count"] - 1, "repeated SYN-ACK"))
    return f" after {listing(parts)}" if parts else ""


_ENDS = {
    None: "the connection was still open when the capture ended",
    "closed": "both ends closed the connection with FIN",
    "half-closed": "only the {first} has closed its direction",
    "reset-by-client": "the client reset the connection",
    "reset-by-server": "the server reset the connection",
    "dead-peer": "one end gave up with a RST because the other had stopped answering",
    "reset-by-middlebox": "a RST that fits neither end reset the connection",
    "address-conflict": "another host with the server's address reset the connection",
}


def _established(row: dict[str, Any]) -> str:
    end = _ENDS[row["cause"]].format(first=row["first"])
    if not row["decided"]:
        end = "the capture ends too soon to show whether the server accepted the ACK"
    if row["simultaneous"]:
        return f"Both ends opened at the same time{_trouble(row)}; {end}."
    if row["missing"] == "direction":
        return f"One direction is missing, but what the other end sent proves the handshake; {end}."
    if row["missing"]:
        return f"The {row['missing']} is not in the capture, but what followed proves the handshake; {end}."
    return f"The handshake completed{_trouble(row)}; {end}."


def _refused(row: dict[str, Any]) -> str:
    delay = f" {duration(row['reject_ns'])} after the SYN" if row["reject_ns"] is not None else ""
    if row["cause"] == "middlebox-reset":
        return f"A RST answered{delay}, but it does not fit the host: a device on the path sent it."
    if row["cause"] == "refused-while-serving":
        return (
            f"{row['server']} answered with RST{delay}, but accepted others within a second before and after: its"
            f" backlog is full, or one of the backends behind it is down."
        )
    behind = f", which was translated to {row['translated_to'].server}" if row["translated_to"] else ""
    return f"{row['server']} answered with RST{delay}: nothing listens on the port{behind}."


def _rejected(row: dict[str, Any]) -> str:
    return f"{row['reporter']} answered with ICMP {row['cause']}: {rejection(row['cause'])}."


def rejection(cause: str | None) -> str:
    """Return the meaning of an ICMP error."""
    return _REJECTIONS.get(cause or "", "it was refused")


_SILENCE = {
    "host-silent": "and nothing else was seen from the host: it is down, unreachable or filtered",
    "port-filtered": "while the host is seen otherwise and this port shows no sign of life: a firewall drops it,"
    " or its listener's queue stays full",
    "syn-dropped": "while the port is alive: its queue or a NAT table on the path is full, an older timestamp"
    " makes it drop the SYN (PAWS), or a rate limit does",
    "bogon-source": "from an address that cannot exist where it was captured: the source is forged",
}
# For SYNs with TCP MD5 or TCP-AO: receivers without the right key drop them silently.
_SILENCE_TO_SIGNED = {
    "host-silent": "and nothing else was seen from the host: it lacks the key of this peer or has another one, nothing"
    " listens there, or it is down, unreachable or filtered",
    "port-filtered": "while the host is seen otherwise and this port shows no sign of life: it lacks the key of"
    " this peer or has another one, nothing listens there, a firewall drops it, or its listener's queue stays full",
    "syn-dropped": "while the port is alive: it lacks the key of this peer or has another one",
}


def _elsewhere(row: dict[str, Any]) -> str:
    other = row["answered_from"]
    return f"{other} answered under its own address: NAT is missing on the way back, so the client drops the answer"


_STRAY = {
    "RST": "only a RST that does not acknowledge it, which the client must ignore: it is late or forged",
    "ACK": "an answer, but with a segment that does not fit the SYN: the server holds an older connection",
}


def _timed_out(row: dict[str, Any]) -> str:
    span = f" in {duration(row['syn_span_ns'])}" if row["syn_count"] > 1 else ""
    syns = f"{plural(row['syn_count'], 'signed SYN' if row['signed'] else 'SYN')}{span}"
    if row["cause"] == "stray-answer":
        return f"{syns} got {_STRAY[row['stray']]}."
    if row["answered_from"]:
        return f"{syns} to {row['server']}, but {_elsewhere(row)}."
    if not row["decided"] and row["filtered"]:
        return f"{syns}; the capture was filtered by flags and may lack the answer, so it cannot show the reason."
    if not row["decided"]:
        return f"{syns} without any answer, but this capture lacks the host's direction, so it cannot show the reason."
    reasons = _SILENCE | _SILENCE_TO_SIGNED if row["signed"] else _SILENCE
    return f"{syns} without any answer, {reasons[row['cause']]}."


def _pending(row: dict[str, Any]) -> str:
    syns = plural(row["syn_count"], "SYN")
    if row["answered_from"]:
        return f"{syns} to {row['server']}, but {_elsewhere(row)}; the capture ends {duration(row['waited_ns'])} later."
    if not row["waited_ns"]:
        return f"{syns} without an answer yet: the capture ends with it."
    return f"{syns} without an answer yet, but the capture ends {duration(row['waited_ns'])} after the first."


# For ICMP errors that quote a SYN-ACK or its ACK.
_NOT_DELIVERED = {
    "no-final-ack": "{synacks}, and {reporter} answered with ICMP {icmp}: the SYN-ACK does not reach the client.",
    "final-ack-lost": "{reporter} answered the final ACK with ICMP {icmp}: it does not reach the server ({synacks} in"
    " {age}).",
}
_NOT_THE_QUEUE = {
    "address-conflict": "Two hosts answer as the server: the final ACK did not reach the right one.",
    "final-ack-lost": "The final ACK was sent but got lost: the server repeats its SYN-ACK ({synacks} in {age}).",
    "reset-by-middlebox": "A RST that does not fit the server stopped the handshake: a device on the path sent it.",
}


def _half_open(row: dict[str, Any]) -> str:
    age = duration(row["age_ns"] or 0)
    synacks = plural(max(row["synack_count"], 1), "SYN-ACK")
    full = "its accept queue is full" if row["decided"] else "its accept queue is full, or the capture ends too soon"
    if row["cause"] == "reset-by-server" and not row["acked"]:
        return "The server answered the SYN with a SYN-ACK, and then reset the attempt before any final ACK."
    if row["cause"] == "reset-by-server":
        return (
            "The server answered the final ACK with a RST: its accept queue was full and it is configured to reset, or"
            " it no longer listened."
        )
    if row["icmp"] and row["cause"] in _NOT_DELIVERED:
        return _NOT_DELIVERED[row["cause"]].format(
            synacks=synacks, age=age, icmp=row["icmp"], reporter=row["reporter"] or "a router"
        )
    if row["cause"] in _NOT_THE_QUEUE:
        return _NOT_THE_QUEUE[row["cause"]].format(synacks=synacks, age=age)
    if row["cause"] == "accept-queue-overflow" and row["synack_count"] <= 1:
        return (
            "The client sent the final ACK and thinks it is connected, but this listener has answered nothing since,"
            " while others do: it keeps no state of a SYN (SYN cookies), and its accept queue is full."
        )
    if row["cause"] == "accept-queue-overflow":
        return (
            f"The client sent the final ACK and thinks it is connected, but the server does not accept it"
            f" ({synacks} in {age}): {full}."
        )
    if row["cause"] == "deferred-accept":
        return f"The final ACK was sent, but this listener accepts connections only with data ({synacks} in {age})."
    if not row["decided"] and row["filtered"]:
        return (
            f"{synacks}; the capture was filtered by flags and has no final ACKs at all, so it cannot show the reason."
        )
    if not row["decided"] and row["reset_ahead"]:
        return (
            f"{synacks} and no final ACK, but a RST beyond what was sent: the capture lacks what came before it, "
            "or its receiver dropped it."
        )
    if not row["decided"] and row["reset_hidden"]:
        return f"{synacks} and no final ACK; the capture has no RSTs, so it cannot show whether the client sent one."
    if not row["decided"]:
        return f"{synacks} and no final ACK yet, but the capture ends {age} after the first."
    return f"{synacks}, but no final ACK in {age}: the client is gone, spoofed, or its packets are lost."


def _aborted(row: dict[str, Any]) -> str:
    if row["cause"] == "cancelled":
        return "The client reset its own attempt before any answer."
    return "The client answered the SYN-ACK with a RST: it had given up, or was only probing."


def _unsolicited(row: dict[str, Any]) -> str:
    what = "A SYN-ACK" if row["synack_count"] else "A RST"
    if row["cause"] == "one-sided":
        return f"{what} without a SYN in a capture of one direction only: the other half of a handshake."
    return f"{what} that answers no SYN in the capture: backscatter of a spoofed address, or a late segment."


def _midstream(row: dict[str, Any]) -> str:
    return "It was already open when the capture began, so there is no handshake to see."


_SENTENCES = {
    "established": _established,
    "refused": _refused,
    "rejected": _rejected,
    "timed-out": _timed_out,
    "pending": _pending,
    "half-open": _half_open,
    "aborted": _aborted,
    "unsolicited": _unsolicited,
    "midstream": _midstream,
}


# -- QUIC --------------------------------------------------------------------------------------------------------------

_QUIC_FAILED = {
    "closed-by-server": "The server answered and then closed or fell silent before the handshake completed.",
    "closed-by-client": "The server answered, but the client closed or fell silent before the handshake completed.",
    "no-common-version": "The server offered other versions, and the client tried none of them.",
    "stuck": "The server acknowledged the Initial and never sent its ServerHello.",
}
_QUIC_CLOSED_BY = {"server": "The server", "client": "The client"}


def quic_sentence(outcome: str, cause: str | None, close: QuicClose | None, datagrams: int, took_ns: int | None) -> str:
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
        return f"{_QUIC_CLOSED_BY[getattr(close, 'from')]} closed in its Initial with {code_text(close.code)}{words}."
    return _QUIC_FAILED[cause or "stuck"]


def code_text(code: int) -> str:
    """Format a QUIC error code (RFC 9000 section 20.1) or the TLS alert that it carries."""
    return f"TLS alert {code - 0x100}" if 0x100 <= code <= 0x1FF else f"error {code:#x}"
