"""`port-reuse`: 4-tuples used again within 2 MSL."""

from support.detected import SECOND, Wire, found, merged, only


def twice(pause, *, first="client", fails=False, **options):
    wire = Wire().handshake().exchange().close(first)
    again = Wire(start=wire.now + pause, client_isn=5_000_000, server_isn=9_000_000)
    if fails:
        again.client.syn()
        again.quiet(20 * SECOND)
    else:
        again.handshake()
    return merged(wire, again, **options)


def test_a_port_used_again_after_a_second():
    finding = only(twice(SECOND), "port-reuse")
    assert finding["severity"] == "info"
    assert finding["advice"] == "Nothing needs to be done while all of them work."
    metrics = finding["metrics"]
    assert metrics["reuses"] == 1
    assert SECOND <= metrics["gap_min_ns"] < 2 * SECOND
    assert (metrics["time_wait_at_client"], metrics["time_wait_at_server"], metrics["failed"]) == (1, 0, 0)
    assert finding["evidence"]["connections"] == [1]


def test_a_port_used_again_whose_syn_had_to_be_repeated():
    wire = Wire().handshake().exchange().close("client")
    again = Wire(start=wire.now + SECOND, client_isn=5_000_000, server_isn=9_000_000)
    again.client.syn(lost="after")
    again.wait(SECOND)
    again.client.syn()
    again.server.syn_ack()
    again.client.ack()
    finding = only(merged(wire, again), "port-reuse")
    assert (finding["metrics"]["syn_repeated"], finding["metrics"]["failed"]) == (1, 0)
    assert "Nothing needs to be done" not in finding["advice"]


def test_the_challenge_of_the_old_connection_does_not_use_the_tuple_again():
    """A host in TIME-WAIT answers the SYN with an ACK of the old connection, and the client with a RST."""
    wire = Wire().handshake().exchange().close("server")
    number = wire.client.snd_nxt
    wire.wait(SECOND)
    wire.client.syn(seq=5_000_000)
    wire.server.ack(ack=number)
    wire.client.rst(seq=number)
    wire.client.syn(seq=5_000_000)
    wire.server.refuse(ack=5_000_001)
    metrics = only(wire.report(), "port-reuse")["metrics"]
    assert SECOND <= metrics["gap_min_ns"] < 2 * SECOND


def test_who_holds_time_wait():
    metrics = only(twice(SECOND, first="server"), "port-reuse")["metrics"]
    assert (metrics["time_wait_at_client"], metrics["time_wait_at_server"]) == (0, 1)


def test_a_reuse_that_fails_is_a_warning():
    finding = only(twice(SECOND, fails=True), "port-reuse")
    assert (finding["severity"], finding["metrics"]["failed"]) == ("warning", 1)


def test_after_two_msl_a_port_is_free():
    assert found(twice(61 * SECOND), "port-reuse") == []
    assert found(twice(30 * SECOND, time_wait_ns=20 * SECOND), "port-reuse") == []


def test_to_try_again_after_a_refusal_is_no_reuse():
    wire = Wire()
    wire.client.syn()
    wire.server.refuse()
    again = Wire(start=wire.now + SECOND, client_isn=5_000_000)
    assert found(merged(wire, again.handshake()), "port-reuse") == []
