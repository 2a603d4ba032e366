"""The sentence must be true: it says no more than the capture shows."""

import io

from support import frames
from support.wire import MS, SECOND, Wire, merged

from handshake_inspect import engine


def test_a_syn_that_is_not_captured_is_no_missing_direction():
    wire = Wire().handshake().exchange()
    connection = wire.connection(order=range(1, 6))
    assert connection["outcome"] == "established"
    assert connection["why"].startswith("The SYN is not in the capture, but what followed proves the handshake")


def test_a_syn_ack_that_is_not_captured_is_no_missing_direction():
    wire = Wire().handshake().exchange()
    connection = wire.connection(order=[0, 2, 3, 4, 5])
    assert connection["why"].startswith("The SYN-ACK is not in the capture, but what followed proves the handshake")


def test_one_direction_is_missing():
    assert Wire().handshake().exchange().connection(only="client")["why"].startswith("One direction is missing")


def test_a_half_open_connection_that_had_no_time_to_complete():
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.quiet(SECOND)
    connection = wire.connection()
    assert connection["decided"] is False
    assert connection["why"] == "1 SYN-ACK and no final ACK yet, but the capture ends 1 s after the first."


def test_a_syn_ack_that_is_repeated_once_and_may_come_again():
    wire = Wire().handshake()
    wire.wait(SECOND)
    wire.server.syn_ack()
    wire.client.ack()
    connection = wire.connection()
    assert (connection["outcome"], connection["decided"]) == ("established", False)
    assert "too soon to show whether the server accepted the ACK" in connection["why"]


def test_silence_in_a_capture_that_lacks_the_answers():
    served = [Wire(client=("192.0.2.1", 40_000 + number)).handshake().exchange() for number in range(3)]
    alone = Wire(client=("192.0.2.1", 50_000))
    alone.client.syn()
    alone.quiet(10 * SECOND)
    for wire in served:
        wire.taken = [each for each in wire.taken if each[1] == "client"]
    connection = merged(*served, alone)["connections"][-1]
    assert (connection["outcome"], connection["decided"]) == ("timed-out", False)
    assert (
        connection["why"]
        == "1 SYN without any answer, but this capture lacks the host's direction, so it cannot show the reason."
    )


def test_a_rst_that_does_not_acknowledge_the_syn_is_no_silence():
    wire = Wire()
    wire.client.syn()
    wire.server.rst(seq=0)
    wire.quiet(5 * SECOND)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("timed-out", "stray-answer")
    assert "only a RST that does not acknowledge it" in connection["why"]


def test_a_host_that_is_seen_elsewhere_is_not_silent():
    other = Wire(server=(frames.SERVER[0], 80)).handshake()
    wire = Wire()
    wire.client.syn(lost="after")
    wire.quiet(5 * SECOND)
    causes = [connection["cause"] for connection in merged(other, wire)["connections"]]
    assert "port-filtered" in causes


def test_a_refusal_says_after_how_long_it_came():
    wire = Wire(delay=10 * MS)
    wire.client.syn()
    wire.server.rst_ack()
    assert (
        wire.connection()["why"] == "198.51.100.2 answered with RST 20 ms after the SYN: nothing listens on the port."
    )


def test_a_refusal_whose_syn_was_repeated_does_not_say_which_one_it_answers():
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.rst_ack()
    assert "answered with RST" in wire.connection()["why"]


def test_answers_that_nobody_asked_for_are_named():
    answer, reset = Wire(), Wire(client=("203.0.113.9", 999))
    answer.server.syn_ack(ack=5)
    reset.server.rst_ack(ack=5)
    whys = [each["why"] for each in merged(answer, reset, Wire(client=("203.0.113.7", 9)).handshake())["connections"]]
    assert any(why.startswith("A SYN-ACK that answers no SYN in the capture") for why in whys)
    assert any(why.startswith("A RST that answers no SYN in the capture") for why in whys)


def test_a_connection_without_a_syn_cites_the_frames_that_there_are():
    wire = Wire().handshake().exchange()
    assert wire.connection(order=range(1, 6))["evidence"] == [1, 2]


def test_a_connection_in_its_midst_has_no_options():
    wire = Wire().handshake().exchange()
    assert wire.connection(order=range(3, 6))["handshake"]["client_options"] is None
    (connection,) = engine.analyze([io.BytesIO(wire.pcap(order=range(3, 6)))]).connections
    assert connection.handshake.client_options is connection.handshake.server_options is None
