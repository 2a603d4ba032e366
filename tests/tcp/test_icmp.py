"""ICMP and ICMPv6 errors that quote a SYN reject it; once established they are soft and end nothing (RFC 5461)."""

import pytest
from support import frames
from support.wire import MS, SECOND, Wire, states

ROUTER, ROUTER6 = "203.0.113.254", "2001:db8:9::fe"
V4 = [
    (3, 0, "net-unreachable"), (3, 1, "host-unreachable"), (3, 2, "protocol-unreachable"), (3, 3, "port-unreachable"),
    (3, 9, "net-prohibited"), (3, 10, "host-prohibited"), (3, 13, "admin-prohibited"), (11, 0, "ttl-exceeded"),
]  # fmt: skip
V6 = [
    (1, 0, "net-unreachable"), (1, 1, "admin-prohibited"), (1, 3, "host-unreachable"), (1, 4, "port-unreachable"),
    (1, 5, "policy-failed"), (1, 6, "reject-route"), (3, 0, "ttl-exceeded"),
]  # fmt: skip
CASES = [(frames.CLIENT, frames.SERVER, ROUTER, *each) for each in V4]
CASES += [(frames.CLIENT6, frames.SERVER6, ROUTER6, *each) for each in V6]


@pytest.mark.parametrize(("client", "server", "router", "type_", "code", "cause"), CASES)
def test_the_error_names_the_cause(client, server, router, type_, code, cause):
    wire = Wire(client=client, server=server)
    wire.client.syn(lost="after", stay=True)
    wire.wait(7 * MS)
    wire.icmp_error(wire.client.packet, type=type_, code=code, reporter=router)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"], connection["decided"]) == ("rejected", cause, True)
    assert connection["rtt"]["reject_ns"] == 7 * MS
    assert connection["rtt"]["total"]["method"] == "none"
    assert connection["evidence"] == [1, 2]
    assert connection["state"]["client"] == "CLOSED"
    assert router in connection["why"]
    assert (connection["client"]["ip"], connection["server"]["ip"]) == (client[0], server[0])


@pytest.mark.parametrize(
    ("client", "server", "type_", "code"),
    [(frames.CLIENT, frames.SERVER, 3, 4), (frames.CLIENT6, frames.SERVER6, 2, 0)],
)
def test_a_packet_too_big_is_no_refusal(client, server, type_, code):
    wire = Wire(client=client, server=server)
    wire.client.syn(lost="after")
    wire.icmp_error(wire.client.packet, type=type_, code=code, rest=1280)
    assert wire.connection()["outcome"] == "pending"


def test_a_retried_syn_after_the_error():
    """The first error may be dropped while connect() holds the socket: the SYN comes again, and the second ends it."""
    wire = Wire()
    for _ in range(2):
        wire.client.syn(lost="after")
        wire.icmp_error(wire.client.packet, code=1, reporter=ROUTER)
        wire.wait(980 * MS)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("rejected", "host-unreachable")
    assert connection["handshake"]["syn_count"] == 2


def test_a_client_that_does_not_give_up_after_an_error():
    """The network heals: the repeated SYN is answered."""
    wire = Wire()
    wire.client.syn(lost="after")
    wire.icmp_error(wire.client.packet, code=1, reporter=ROUTER)
    wire.wait(SECOND)
    wire.handshake().exchange()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert connection["rtt"]["reject_ns"] is None
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")


def test_soft_errors_end_nothing():
    wire = Wire().handshake()
    wire.client.data(100, lost="after")
    for _ in range(3):
        wire.icmp_error(wire.client.packet, code=1, reporter=ROUTER)
        wire.wait(SECOND)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("established", None)
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")
    wire.client.data(100, seq=1001)
    wire.server.ack()
    assert wire.connection()["close"]["how"] == "open"


def test_an_error_after_the_syn_ack_is_soft_too():
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.icmp_error(wire.server.packet, code=1, reporter=ROUTER)
    wire.client.ack()
    assert wire.connection()["outcome"] == "established"


def test_an_error_that_quotes_another_isn():
    """Blind ICMP (RFC 5927): the quoted sequence number must be that of the SYN."""
    wire = Wire()
    wire.client.syn(lost="after")
    wire.icmp_error(frames.syn(seq=999, link=frames.raw), code=1, reporter=ROUTER)
    assert wire.connection()["outcome"] == "pending"


def test_an_error_that_quotes_nothing_of_the_capture():
    wire = Wire().handshake()
    wire.icmp_error(frames.syn(src=("192.0.2.77", 7), link=frames.raw), reporter=ROUTER)
    report = wire.report()
    assert report["summary"]["connections"] == 1


def test_errors_find_their_connection_by_what_they_quote():
    wire = Wire()
    wire.client.syn(lost="after")
    for reporter in (ROUTER, frames.SERVER[0], "198.18.0.1"):
        wire.icmp_error(wire.client.packet, code=13, reporter=reporter)
    (connection,) = wire.connections()
    assert ROUTER in connection["why"], "the first who reported"
    assert connection["client_to_server"]["frames"] == 1
    assert connection["server_to_client"]["frames"] == 0
