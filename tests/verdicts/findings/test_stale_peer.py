"""`stale-peer`: ends that lost a connection that their peer still had."""

from support.detected import MS, SECOND, Wire, crowd, found, merged, only


def forgotten(wire, number=0):
    """The server answers data as if it knew nothing of the connection."""
    wire.handshake().exchange()
    wire.wait(SECOND)
    wire.client.data(10)
    wire.server.rst(seq=wire.client.rcv_nxt, ident=0, window=0)
    return wire


def test_a_server_that_forgot():
    finding = only(forgotten(Wire()).report(), "stale-peer")
    assert finding["severity"] == "info"
    assert finding["target"] == {"ip": "198.51.100.2", "port": 443}
    assert finding["metrics"] == {"connections": 1, "bare_resets": 1, "peers": 1}


def test_a_server_that_forgot_many():
    finding = only(merged(*crowd(4, forgotten)), "stale-peer")
    assert (finding["severity"], finding["metrics"]["connections"]) == ("warning", 4)


def test_a_socket_that_knows_the_connection_acknowledges_in_its_rst():
    wire = Wire().handshake().exchange()
    wire.client.data(10)
    wire.server.rst_ack()
    assert found(wire.report(), "stale-peer") == []


def test_a_client_that_is_done_is_not_stale():
    wire = Wire().handshake()
    wire.client.data(10)
    wire.client.fin()
    wire.server.data(100)
    wire.client.rst(seq=wire.server.rcv_nxt, ident=0)
    assert found(wire.report(), "stale-peer") == []


def test_a_forged_rst_is_no_stale_peer():
    wire = Wire().handshake().exchange()
    wire.client.data(10)
    wire.server.rst(ttl=243, ident=0)
    assert found(wire.report(), "stale-peer") == []


def test_a_client_that_opens_again():
    wire = Wire().handshake().exchange()
    wire.wait(SECOND)
    old = wire.server.rcv_nxt
    again = Wire(start=wire.now, client_isn=900_000)
    again.client.syn()
    again.server.send("A", seq=wire.server.snd_nxt, ack=old)
    again.client.rst(seq=old, ident=0)
    again.wait(10 * MS)
    again.client.rcv_nxt = 0
    again.server.isn = 77_000
    again.handshake()
    finding = only(merged(wire, again), "stale-peer")
    assert finding["target"] == {"ip": "192.0.2.1", "port": None}
    assert finding["metrics"]["syns_into_open_connection"] == 1


def test_a_challenge_of_a_server_that_answered_the_syn_is_no_sign_of_an_older_connection():
    """A forged RST in the window drew it (RFC 5961 section 3.2)."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.rst(seq=wire.client.snd_nxt + 100, ttl=243)
    wire.server.ack()
    assert found(wire.report(), "stale-peer") == []


def test_a_blind_syn_that_leads_to_nothing_is_no_stale_peer():
    wire = Wire().handshake().exchange()
    wire.client.send("S", seq=777_777, ack=0, ttl=117)
    wire.server.ack()
    wire.exchange()
    assert found(wire.report(), "stale-peer") == []


def test_an_attempt_that_never_completed_is_no_lost_connection():
    """The ports of a flood repeat by chance: the server still waits for the ACK of the first."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    again = Wire(at="server", start=wire.now + SECOND, client_isn=900_000, server_isn=77_000)
    again.client.syn()
    again.server.syn_ack(lost="after")
    assert found(merged(wire, again), "stale-peer") == []


def test_a_syn_into_time_wait_is_port_reuse():
    """The peer that closed first answers with the ACK of the old connection, the client resets that and tries again."""
    wire = Wire().handshake().exchange().close(first="server")
    wire.wait(SECOND)
    old = wire.server.rcv_nxt
    again = Wire(start=wire.now, client_isn=500, server_isn=77_000)
    again.client.syn()
    again.server.send("A", seq=wire.server.snd_nxt, ack=old)
    again.client.rst(seq=old, ident=0)
    again.wait(10 * MS)
    again.client.rcv_nxt = 0
    again.handshake()
    report = merged(wire, again)
    assert found(report, "stale-peer") == []
    assert only(report, "port-reuse")["metrics"]["syn_repeated"] == 1
