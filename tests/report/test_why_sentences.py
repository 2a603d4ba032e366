"""The sentence for each outcome: which of what is known it tells, and that it claims no more."""

from types import SimpleNamespace

import pytest

from handshake_inspect.report.why import sentence, so_far

SECOND, MS = 1_000_000_000, 1_000_000
SERVER = "198.51.100.2:443"
# What every row says where it has nothing to say.
PLAIN = {
    "cause": None, "decided": True, "syn_count": 1, "synack_count": 1, "acked": False, "icmp": None, "reporter": None,
    "filtered": False, "age_ns": 3 * SECOND, "answered_from": None, "signed": False, "syn_span_ns": 0,
    "stray": "RST", "waited_ns": 0, "server": SERVER, "simultaneous": False, "missing": None, "first": "client",
    "reject_ns": None, "translated_to": None, "reset_ahead": False, "reset_hidden": False,
}  # fmt: skip
SYN_ACK_ALONE = "2 SYN-ACKs, but no final ACK in 3 s: the client is gone, spoofed, or its packets are lost."
FULL = "The client sent the final ACK and thinks it is connected, but the server does not accept it (2 SYN-ACKs in 3 s)"


def told(outcome, **known):
    return sentence(PLAIN | {"outcome": outcome} | known)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, "The handshake completed; the connection was still open when the capture ended."),
        ({"syn_count": 2}, "The handshake completed after 1 repeated SYN; the connection was still open when"),
        ({"synack_count": 3}, "The handshake completed after 2 repeated SYN-ACKs; the connection was still open"),
        (
            {"syn_count": 3, "synack_count": 2},
            "The handshake completed after 2 repeated SYNs and 1 repeated SYN-ACK; the connection was still open",
        ),
        ({"cause": "closed"}, "The handshake completed; both ends closed the connection with FIN."),
        ({"cause": "half-closed", "first": "server"}, "The handshake completed; only the server has closed its"),
        ({"cause": "closed", "decided": False}, "The handshake completed; the capture ends too soon to show whether"),
        ({"simultaneous": True, "syn_count": 2}, "Both ends opened at the same time after 1 repeated SYN; the "),
        ({"missing": "direction"}, "One direction is missing, but what the other end sent proves the handshake; the"),
        ({"missing": "SYN-ACK"}, "The SYN-ACK is not in the capture, but what followed proves the handshake; the"),
    ],
)
def test_established(known, expected):
    assert told("established", **known).startswith(expected)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, f"{SERVER} answered with RST: nothing listens on the port."),
        ({"reject_ns": 5 * MS}, f"{SERVER} answered with RST 5 ms after the SYN: nothing listens on the port."),
        ({"reject_ns": 0}, f"{SERVER} answered with RST 0 s after the SYN: nothing listens on the port."),
        (
            {"translated_to": SimpleNamespace(server="10.0.0.9:80")},
            f"{SERVER} answered with RST: nothing listens on the port, which was translated to 10.0.0.9:80.",
        ),
        (
            {"cause": "middlebox-reset"},
            "A RST answered, but it does not fit the host: a device on the path sent it.",
        ),
        ({"cause": "refused-while-serving"}, f"{SERVER} answered with RST, but accepted others within a second"),
    ],
)
def test_refused(known, expected):
    assert told("refused", **known).startswith(expected)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"cause": "syn-dropped"}, "1 SYN without any answer, while the port is alive: its queue or a NAT table"),
        ({"cause": "syn-dropped", "signed": True}, "1 signed SYN without any answer, while the port is alive: it lack"),
        ({"cause": "bogon-source", "signed": True}, "1 signed SYN without any answer, from an address that cannot"),
        ({"cause": "host-silent", "syn_count": 3, "syn_span_ns": 3 * SECOND}, "3 SYNs in 3 s without any answer, and"),
        ({"cause": "stray-answer", "stray": "ACK"}, "1 SYN got an answer, but with a segment that does not fit"),
        ({"cause": "stray-answer", "decided": False}, "1 SYN got only a RST that does not acknowledge it"),
        ({"answered_from": "192.0.2.7:80"}, f"1 SYN to {SERVER}, but 192.0.2.7:80 answered under its own address"),
        ({"decided": False}, "1 SYN without any answer, but this capture lacks the host's direction, so it cannot"),
        ({"decided": False, "filtered": True}, "1 SYN; the capture was filtered by flags and may lack the answer"),
        ({"cause": "host-silent", "filtered": True}, "1 SYN without any answer, and nothing else was seen from the"),
    ],
)
def test_timed_out(known, expected):
    assert told("timed-out", **known).startswith(expected)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, "1 SYN without an answer yet: the capture ends with it."),
        ({"waited_ns": SECOND}, "1 SYN without an answer yet, but the capture ends 1 s after the first."),
        (
            {"answered_from": "192.0.2.7:80", "waited_ns": SECOND},
            f"1 SYN to {SERVER}, but 192.0.2.7:80 answered under its own address: NAT is missing on the way back, so"
            " the client drops the answer; the capture ends 1 s later.",
        ),
    ],
)
def test_pending(known, expected):
    assert told("pending", **known) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, SYN_ACK_ALONE),
        ({"filtered": True}, SYN_ACK_ALONE),
        ({"decided": False}, "2 SYN-ACKs and no final ACK yet, but the capture ends 3 s after the first."),
        ({"decided": False, "filtered": True}, "2 SYN-ACKs; the capture was filtered by flags and has no final ACKs"),
        (
            {"decided": False, "reset_ahead": True},
            "2 SYN-ACKs and no final ACK, but a RST beyond what was sent: the capture",
        ),
        (
            {"decided": False, "reset_hidden": True},
            "2 SYN-ACKs and no final ACK; the capture has no RSTs, so it cannot show whether the client sent one.",
        ),
        ({"cause": "reset-by-server"}, "The server answered the SYN with a SYN-ACK, and then reset the attempt before"),
        ({"cause": "reset-by-server", "acked": True}, "The server answered the final ACK with a RST: its accept queue"),
        ({"cause": "reset-by-middlebox"}, "A RST that does not fit the server stopped the handshake"),
        ({"cause": "address-conflict"}, "Two hosts answer as the server: the final ACK did not reach the right one."),
        (
            {"cause": "final-ack-lost"},
            "The final ACK was sent but got lost: the server repeats its SYN-ACK (2 SYN-ACKs",
        ),
        (
            {"cause": "final-ack-lost", "icmp": "ttl-exceeded", "reporter": "192.0.2.254"},
            "192.0.2.254 answered the final ACK with ICMP ttl-exceeded: it does not reach the server (2 SYN-ACKs in 3",
        ),
        (
            {"cause": "no-final-ack", "icmp": "host-unreachable"},
            "2 SYN-ACKs, and a router answered with ICMP host-unreachable: the SYN-ACK does not reach the client.",
        ),
        ({"cause": "no-final-ack"}, SYN_ACK_ALONE),
        ({"cause": "accept-queue-overflow"}, f"{FULL}: its accept queue is full."),
        (
            {"cause": "accept-queue-overflow", "decided": False},
            f"{FULL}: its accept queue is full, or the capture ends too soon.",
        ),
        (
            {"cause": "accept-queue-overflow", "synack_count": 1},
            "The client sent the final ACK and thinks it is connected, but this listener has answered nothing since",
        ),
        ({"cause": "deferred-accept"}, "The final ACK was sent, but this listener accepts connections only with data"),
        ({"synack_count": 0}, "1 SYN-ACK, but no final ACK in 3 s"),
        ({"age_ns": None}, "2 SYN-ACKs, but no final ACK in 0 s"),
    ],
)
def test_half_open(known, expected):
    assert told("half-open", **({"synack_count": 2} | known)).startswith(expected)


@pytest.mark.parametrize(
    ("outcome", "known", "expected"),
    [
        ("aborted", {"cause": "cancelled"}, "The client reset its own attempt before any answer."),
        ("aborted", {}, "The client answered the SYN-ACK with a RST: it had given up, or was only probing."),
        ("unsolicited", {}, "A SYN-ACK that answers no SYN in the capture"),
        ("unsolicited", {"synack_count": 0}, "A RST that answers no SYN in the capture"),
        ("unsolicited", {"cause": "one-sided"}, "A SYN-ACK without a SYN in a capture of one direction only"),
        ("midstream", {}, "It was already open when the capture began, so there is no handshake to see."),
        (
            "rejected",
            {"cause": "ttl-exceeded", "reporter": "192.0.2.254"},
            "192.0.2.254 answered with ICMP ttl-exceeded: the packet ran out of hops, possibly in a routing loop.",
        ),
        ("rejected", {"cause": "other", "reporter": "a"}, "a answered with ICMP other: it was refused."),
    ],
)
def test_the_others(outcome, known, expected):
    assert told(outcome, **known).startswith(expected)


@pytest.mark.parametrize(
    ("outcome", "known", "expected"),
    [
        ("established", {}, "The handshake completed; the connection is open."),
        ("pending", {}, "1 SYN without an answer yet."),
        ("pending", {"waited_ns": SECOND}, "1 SYN without an answer yet; the first was 1 s ago."),
        ("half-open", {"decided": False}, "1 SYN-ACK and no final ACK yet; the first was 3 s ago."),
    ],
)
def test_a_capture_that_goes_on_has_no_end(outcome, known, expected):
    assert so_far(told(outcome, **known)) == expected
