"""ICMP and ICMPv6 errors that quote a SYN reject it; once established they are soft and end nothing (RFC 5461)."""

import pytest
from support import frames
from support.frames import CLIENT_ISN, SERVER_ISN
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, states

from handshake_inspect.tcp.transitions import TcpState

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


# -- in SYN-RECEIVED: what makes Linux drop the request (tcp_req_err)


# Net and host unreachable, time exceeded, parameter problem; of ICMPv6 what icmpv6_err_convert calls fatal, where a
# route that may come back is not among it, nor time exceeded.
REQUESTS = [
    *[(4, 3, code, "CLOSED" if code in (0, 1) else "SYN_RECEIVED") for code in (0, 1, 2, 3, 4, 5, 9, 13)],
    *[(4, kind, code, "CLOSED") for kind in (11, 12) for code in (0, 1, 2, 4)],
    *[(6, 1, code, "SYN_RECEIVED" if code in (0, 2, 3) else "CLOSED") for code in range(9)],
    *[(6, 2, 0, "SYN_RECEIVED"), (6, 3, 0, "SYN_RECEIVED"), (6, 3, 1, "SYN_RECEIVED")],
    *[(6, 4, code, "CLOSED") for code in (0, 1, 2)],
]


def state_of(side, *built):
    return TcpState(tracked(*built).endpoint_rows[side].state).name


@pytest.mark.parametrize(("version", "type_", "code", "state"), REQUESTS)
def test_an_error_for_the_syn_ack(version, type_, code, state):
    client, server = (frames.CLIENT, frames.SERVER) if version == 4 else (frames.CLIENT6, frames.SERVER6)
    answer = {"src": server, "dst": client}
    error = frames.icmp_error(frames.syn_ack(link=frames.raw, **answer), type=type_, code=code, rest=1280)
    assert state_of(1, frames.syn(client, server), frames.syn_ack(**answer), error) == state


UNREACHABLE = {"type": 3, "code": 1, "reporter": ROUTER}
OPENING = [frames.syn(), frames.syn_ack()]


@pytest.mark.parametrize(("seq", "state"), [(SERVER_ISN - 1, "SYN_RECEIVED"), (SERVER_ISN, "CLOSED"),
    (SERVER_ISN + 1, "SYN_RECEIVED"), (SERVER_ISN + 2, "SYN_RECEIVED")])  # fmt: skip
def test_an_error_must_quote_the_syn_ack_that_was_sent(seq, state):
    """tcp_req_err compares with the ISN of the request; blind errors do not know it (RFC 5927 section 4)."""
    quoted = frames.syn_ack(seq=seq, link=frames.raw)
    assert state_of(1, *OPENING, frames.icmp_error(quoted, **UNREACHABLE)) == state


def test_a_syn_ack_that_came_again_after_a_rst_can_be_undeliverable():
    """The client's RST was lost, the server asks again: an error for that ends the request as any other."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.rst(seq=1001, lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack(lost="after")
    assert states(wire.connection())[1] == "SYN_RECEIVED"
    wire.icmp_error(wire.server.packet, **UNREACHABLE)
    assert states(wire.connection())[1] == "CLOSED"


@pytest.mark.parametrize("isn", [CLIENT_ISN, 0xFFFF_FFFF])
@pytest.mark.parametrize(("beyond", "state"), [(-1, "SYN_RECEIVED"), (0, "CLOSED"), (1, "CLOSED"), (2, "SYN_RECEIVED")])
def test_any_error_ends_an_end_that_opened_and_met_a_syn(isn, beyond, state):
    """It has a socket, and tcp_v4_err takes what quotes a number between SND.UNA and SND.NXT."""
    number = (isn + beyond) & 0xFFFF_FFFF
    quoted = frames.segment(frames.CLIENT, frames.SERVER, frames.ACK, seq=number, ack=SERVER_ISN + 1, link=frames.raw)
    both = [frames.syn(seq=isn), frames.syn(frames.SERVER, frames.CLIENT, seq=SERVER_ISN)]
    assert state_of(0, *both, frames.icmp_error(quoted, code=3, reporter=ROUTER)) == state


# -- a SYN is rejected by an error that quotes it, while nothing else has answered


SAID = {"src": frames.CLIENT, "dst": frames.SERVER, "seq": CLIENT_ISN + 1, "ack": SERVER_ISN + 1}
TOO_LATE = {
    "a SYN-ACK answered": OPENING,
    "a RST refused": [frames.syn(), frames.rst()],
    "the client acknowledges, and the capture lacks the SYN-ACK": [frames.syn(), frames.ack(**SAID)],
    "the SYN is of another connection": [frames.ack(**SAID)],
}


@pytest.mark.parametrize("before", TOO_LATE.values(), ids=TOO_LATE.keys())
def test_an_error_rejects_only_a_syn_that_waits(before):
    error = frames.icmp_error(frames.syn(link=frames.raw), **UNREACHABLE)
    rejected = tracked(frames.syn(), error).connection_rows[0]
    assert (rejected.icmp_frame, rejected.icmp_ns, rejected.icmp_type, rejected.icmp_code) == (2, MS, 3, 1)
    assert tracked(*before, error).connection_rows[0].icmp_frame == 0


def test_an_error_about_a_packet_of_the_server_rejects_no_syn():
    """It holds an older connection, challenges the SYN, and its number is that of the error by chance."""
    challenge = frames.ack(frames.SERVER, frames.CLIENT, seq=SERVER_ISN + 1, ack=CLIENT_ISN - 900)
    quoted = frames.ack(frames.SERVER, frames.CLIENT, seq=SERVER_ISN, ack=CLIENT_ISN - 900, link=frames.raw)
    assert tracked(frames.syn(), challenge, frames.icmp_error(quoted, **UNREACHABLE)).connection_rows[0].icmp_frame == 0


def test_errors_are_counted_but_for_packets_too_big():
    about = frames.syn(link=frames.raw)
    errors = [frames.icmp_error(about, type=3, code=code, rest=1280) for code in (1, 4, 3)]
    assert tracked(frames.syn(), *errors).connection_rows[0].icmp_count == 2


def rejected_ack(*, size=0):
    """A firewall lets SYNs through, and answers what it does not know with an ICMP error."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.send("A", size, lost="after")
    wire.icmp_error(wire.client.packet, code=13, reporter=ROUTER, quote=60)
    return wire


@pytest.mark.parametrize("size", [0, 100])
def test_a_final_ack_that_draws_an_error_did_not_arrive(size):
    wire = rejected_ack(size=size)
    wire.quiet(4 * SECOND)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"], connection["decided"]) == ("half-open", "final-ack-lost", True)
    assert states(connection) == ("ESTABLISHED", "SYN_RECEIVED")
    assert f"{ROUTER} answered the final ACK with ICMP admin-prohibited" in connection["why"]
    assert connection["evidence"] == [1, 2, 3, 4]


def test_acks_that_draw_errors_are_no_full_accept_queue():
    wire = rejected_ack()
    for seconds in (1, 2):
        wire.wait(seconds * SECOND)
        wire.server.syn_ack()
        wire.client.ack(lost="after")
        wire.icmp_error(wire.client.packet, code=13, reporter=ROUTER, quote=60)
        wire.client.data(20, lost="after")
        wire.icmp_error(wire.client.packet, code=13, reporter=ROUTER, quote=60)
    report = wire.report()
    assert [(one["outcome"], one["cause"]) for one in report["connections"]] == [("half-open", "final-ack-lost")]
    assert states(report["connections"][0]) == ("ESTABLISHED", "SYN_RECEIVED")
    assert [finding["id"] for finding in report["findings"]] == ["half-open"]


@pytest.mark.parametrize("proof", ["later ACK", "answer"])
def test_an_ack_that_is_let_through_completes_the_handshake(proof):
    wire = rejected_ack()
    wire.client.data(20, seq=wire.client.isn + 1)
    if proof == "answer":
        wire.server.data(10)
    connection = wire.connection()
    assert (connection["outcome"], states(connection)) == ("established", ("ESTABLISHED", "ESTABLISHED"))


def test_an_error_about_data_says_nothing_of_the_ack_before_them():
    wire = Wire(timestamps=False).handshake()
    wire.client.data(20, lost="after")
    wire.icmp_error(wire.client.packet, code=13, reporter=ROUTER, quote=60)
    connection = wire.connection()
    assert (connection["outcome"], states(connection)) == ("established", ("ESTABLISHED", "ESTABLISHED"))


def test_an_error_about_an_ack_is_a_soft_one_where_the_server_has_shown_that_it_has_it():
    wire = Wire(timestamps=False).handshake()
    packet = wire.client.packet
    wire.server.data(10)
    wire.icmp_error(packet, code=13, reporter=ROUTER, quote=60)
    assert wire.connection()["outcome"] == "established"


@pytest.mark.parametrize("again", [False, True])
def test_eight_bytes_do_not_say_whether_an_error_is_about_an_ack_or_data(again):
    """Until the server asks again: then it has neither."""
    wire = Wire(timestamps=False).handshake()
    wire.icmp_error(wire.client.packet, code=13, reporter=ROUTER)
    if again:
        wire.wait(SECOND)
        wire.server.syn_ack()
        wire.client.ack(lost="after")
        wire.icmp_error(wire.client.packet, code=13, reporter=ROUTER)
    assert states(wire.connection())[1] == ("SYN_RECEIVED" if again else "ESTABLISHED")


def test_an_error_about_the_syn_ack_says_why_no_ack_comes():
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.icmp_error(wire.server.packet, code=13, reporter=ROUTER, quote=60)
    wire.quiet(4 * SECOND)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("half-open", "no-final-ack")
    assert f"{ROUTER} answered with ICMP admin-prohibited: the SYN-ACK does not reach the client" in connection["why"]
    assert connection["evidence"] == [1, 2, 3]


def test_an_error_about_a_syn_ack_that_comes_again_takes_nothing_from_the_client():
    """It had the first one, as its ACK shows."""
    wire = Wire(timestamps=False).handshake()
    wire.wait(SECOND)
    wire.server.syn_ack(lost="after")
    wire.icmp_error(wire.server.packet, code=13, reporter=ROUTER, quote=60)
    assert states(wire.connection()) == ("ESTABLISHED", "SYN_RECEIVED")


def test_an_error_about_the_syn_ack_of_another_copy_of_the_syn():
    """The request was dropped for the first error, so that the next one has another ISN: it is dropped as well."""
    wire = Wire(timestamps=False)
    for isn in (5000, 80_000):
        wire.client.syn()
        wire.server.syn_ack(seq=isn, lost="after")
        wire.icmp_error(wire.server.packet, code=1, reporter=ROUTER, quote=60)
        wire.wait(SECOND)
    assert states(wire.connection())[1] == "CLOSED"


def test_a_syn_ack_that_draws_an_error_does_not_reach_the_client():
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.icmp_error(wire.server.packet, code=13, reporter=ROUTER, quote=60)
    assert states(wire.connection()) == ("SYN_SENT", "SYN_RECEIVED")
    wire.server.syn_ack()
    wire.client.ack()
    connection = wire.connection()
    assert (connection["outcome"], states(connection)) == ("established", ("ESTABLISHED", "ESTABLISHED"))
