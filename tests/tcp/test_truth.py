"""What random scenarios with a real kernel taught (tests/lab/truth.py): each by the kernel's own segments, no more."""

import ipaddress

from support import captures, frames
from support.wire import MS, SECOND, START, Wire, report_of, states


def test_a_late_acknowledgment_does_not_show_that_a_reset_was_ignored():
    """It was sent before others that the capture holds already, so long before the RST came."""
    wire = Wire(at="middle").handshake()
    for _ in range(4):
        wire.client.data(1000, stay=True)
    wire.client.rst_ack(stay=True)
    wire.wait(20 * MS)
    wire.server.ack(ack=2001, later=97 * MS, stay=True)
    wire.server.ack(ack=5001)
    wire.wait(SECOND)
    connection = wire.connection()
    assert states(connection) == ("CLOSED", "CLOSED")
    assert connection["close"]["how"] == "rst"


def test_the_answer_to_one_half_of_a_simultaneous_open():
    """A SYN is late, so only one end answers with SYN-ACK; the other acknowledges that, and both are established."""
    wire = Wire(at="server")
    wire.client.syn(later=100 * MS, stay=True)
    wire.server.syn()
    wire.client.syn_ack()
    wire.server.ack()
    wire.wait(SECOND)
    assert states(wire.connection()) == ("ESTABLISHED", "ESTABLISHED")


def test_repeated_syns_draw_syn_acks_beside_the_timer():
    """SYN-ACKs a millisecond apart are no sign that the next is due after two."""
    wire = Wire()
    for pause in (1, 1, 1, 1, 1, 2, 4):
        wire.client.syn()
        wire.server.syn_ack(lost="after")
        wire.wait(pause * SECOND - 41 * MS)
        wire.server.syn_ack(lost="after", stay=True)
        wire.wait(MS)
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.quiet(5 * SECOND)
    assert states(wire.connection()) == ("SYN_SENT", "SYN_RECEIVED")


def test_a_server_that_forgot_the_attempt_answers_again():
    """Its SYN-ACK comes with another ISN: in SYN-RECEIVED again, and this one is acknowledged."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    for _ in range(3):
        wire.wait(SECOND)
        wire.client.syn(lost="after")
    wire.wait(4 * SECOND)
    wire.client.syn()
    wire.server.syn_ack(seq=99_000, lost="after")
    wire.quiet(SECOND)
    waiting = wire.connection()
    assert states(waiting) == ("SYN_SENT", "SYN_RECEIVED")
    wire.client.ack(seq=1001, ack=99_001)
    ackdat = wire.connection()["rtt"]["ackdat"]
    assert ackdat["method"] != "exact"
    assert ackdat["min_ns"] <= SECOND + 20 * MS <= ackdat["max_ns"]


def test_a_reset_with_the_number_of_the_fin():
    """A host that closed and forgot the connection answers late data with the number that these acknowledge."""
    wire = Wire().handshake()
    wire.client.data(10, later=70 * MS, stay=True)
    wire.wait(10 * MS)
    wire.server.fin()
    wire.client.ack()
    wire.wait(60 * MS)
    wire.server.rst(seq=5001)
    connection = wire.connection()
    assert states(connection) == ("CLOSED", "CLOSED")
    assert connection["close"]["how"] == "rst-after-fin"


def test_a_reset_before_the_final_ack_is_no_full_queue():
    """The application took Fast Open data and reset the connection before the final ACK came."""
    wire = Wire(at="server")
    wire.client.syn(size=100)
    wire.server.syn_ack(stay=True)
    wire.server.rst_ack(seq=5001, stay=True)
    wire.wait(40 * MS)
    assert "queue" not in wire.connection()["why"]


def test_the_clock_goes_back_between_copies_of_the_syn():
    """Bounds that cross are no bounds."""
    wire = Wire()
    wire.client.syn()
    wire.now -= 10 * SECOND
    wire.client.syn()
    wire.now += 10 * SECOND
    wire.server.syn_ack()
    wire.client.ack()
    connection = wire.connection(order=[1, 0, 2, 3])
    assert connection["handshake"]["syn_count"] == 2
    assert connection["rtt"]["synack"]["reason"] == "reordered"


def test_a_client_that_resets_after_an_icmp_error():
    """The error answered the SYN; what the client did after that changes nothing."""
    wire = Wire()
    wire.client.syn()
    wire.icmp_error(wire.client.packet)
    wire.wait(MS)
    wire.client.rst_ack(seq=1001)
    connection = wire.connection()
    assert connection["outcome"] == "rejected"
    assert connection["rtt"]["reject_ns"] is not None


def test_an_icmp_error_for_one_syn_of_a_simultaneous_open():
    """The connection came to be: nothing was rejected."""
    wire = Wire(at="middle")
    wire.client.syn(stay=True)
    wire.icmp_error(wire.client.packet)
    wire.server.syn()
    wire.client.syn_ack()
    wire.server.ack()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert connection["rtt"]["reject_ns"] is None


def test_four_tuples_made_to_collide():
    """The hash takes the XOR of port and upper address: one run of slots for all, which must not grow without bound."""
    count = 1200
    syns = []
    for port in range(1, count + 1):
        address = ipaddress.IPv6Address(0x2001_0DB8 << 96 | 0x1111_2222_3333_4444 ^ port << 48)
        syns.append(frames.segment((str(address), port), frames.SERVER6, frames.SYN, seq=port))
    report = report_of(captures.pcap([(START + i * MS, frame) for i, frame in enumerate(syns)], nano=True))
    assert report["summary"]["connections"] == count
