"""The handshake RTT and its halves: never a number that the capture does not prove."""

import json

import pytest
from support import captures, frames
from support.wire import MS, SECOND, Wire, json_of, report_of


def leg(connection, name):
    found = connection["rtt"][name]
    return found["method"], found["min_ns"], found["max_ns"], found["value_ns"]


def exact(ns):
    return "exact", ns, ns, ns


@pytest.mark.parametrize(("at", "synack", "ackdat"), [("client", 40, 0), ("middle", 20, 20), ("server", 0, 40)])
def test_the_capture_point_divides_the_rtt(at, synack, ackdat):
    connection = Wire(20 * MS, at=at).handshake().connection()
    assert leg(connection, "synack") == exact(synack * MS)
    assert leg(connection, "ackdat") == exact(ackdat * MS)
    assert leg(connection, "total") == exact(40 * MS)
    assert connection["rtt"]["reject_ns"] is None


def test_a_lost_syn_with_timestamps():
    """The echo of the last SYN's TSval proves that this one was answered."""
    wire = Wire()
    wire.client.syn(lost="after")
    wire.wait(980 * MS)
    wire.handshake()
    connection = wire.connection()
    assert leg(connection, "synack") == ("tsecr", 40 * MS, 40 * MS, 40 * MS)
    assert leg(connection, "total") == ("tsecr", 40 * MS, 40 * MS, 40 * MS)
    assert (connection["handshake"]["syn_frame"], connection["handshake"]["syn_count"]) == (2, 2)


def test_a_lost_syn_without_timestamps():
    """Karn: nothing shows which copy was answered."""
    wire = Wire(timestamps=False)
    wire.client.syn(lost="after")
    wire.wait(980 * MS)
    wire.handshake()
    connection = wire.connection()
    assert leg(connection, "synack") == ("ambiguous", 40 * MS, 1040 * MS, None)
    assert leg(connection, "ackdat") == exact(0)
    assert leg(connection, "total") == ("ambiguous", 40 * MS, 1040 * MS, None)


@pytest.mark.parametrize("copies", [2, 3, 6, 13, 20])
def test_many_lost_syns(copies):
    wire = Wire()
    for _ in range(copies - 1):
        wire.client.syn(lost="after")
        wire.wait(980 * MS)
    wire.handshake()
    connection = wire.connection()
    method, low, high, _ = leg(connection, "synack")
    assert connection["handshake"]["syn_count"] == copies
    assert low <= 40 * MS <= high
    assert method == "tsecr"


def test_the_tsecr_trap():
    """The first SYN arrived, its SYN-ACK was lost: the second SYN-ACK echoes the first SYN and answers the second."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack(lost="before")
    wire.wait(960 * MS)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack()
    connection = wire.connection()
    method, low, high, value = leg(connection, "synack")
    assert (method, value) == ("ambiguous", None)
    assert (low, high) == (40 * MS, 1040 * MS)


def test_a_slow_path_where_nothing_is_lost():
    """Each SYN draws its own SYN-ACK, at the distance of the SYNs: the first SYN was answered."""
    wire = Wire(delay=750 * MS)
    wire.client.syn(stay=True)
    wire.wait(750 * MS)
    wire.server.syn_ack(stay=True)
    wire.wait(250 * MS)
    wire.client.syn(stay=True)
    wire.wait(750 * MS)
    wire.server.syn_ack(seq=5000, stay=True)
    wire.wait(750 * MS)
    wire.client.ack()
    connection = wire.connection()
    method, low, high, value = leg(connection, "synack")
    assert (method, low, high, value) == ("tsecr", 1500 * MS, 1500 * MS, 1500 * MS)


def test_a_lost_syn_ack_seen_beside_the_server():
    """Its second copy is answered, and the echo proves it."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(980 * MS)
    wire.server.syn_ack()
    wire.client.ack()
    connection = wire.connection()
    assert leg(connection, "synack") == exact(0)
    assert leg(connection, "ackdat") == ("tsecr", 40 * MS, 40 * MS, 40 * MS)
    assert connection["handshake"]["synack_count"] == 2


def test_a_lost_syn_ack_without_timestamps_seen_beside_the_server():
    wire = Wire(at="server", timestamps=False)
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(980 * MS)
    wire.server.syn_ack()
    wire.client.ack()
    assert leg(wire.connection(), "ackdat") == ("ambiguous", 40 * MS, 1040 * MS, None)


def test_bounds_that_are_close_name_a_value():
    wire = Wire(delay=SECOND, timestamps=False)
    wire.client.syn(stay=True)
    wire.wait(50 * MS)
    wire.client.syn(lost="after", stay=True, ident=2)
    wire.wait(950 * MS)
    wire.server.syn_ack()
    wire.client.ack()
    method, low, high, value = leg(wire.connection(), "synack")
    assert (method, low, high) == ("ambiguous", 1950 * MS, 2 * SECOND)
    assert value is not None


def test_data_completes_the_handshake():
    """The bare ACK is missing from the capture: the client may have waited before it sent."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="before")
    wire.wait(300 * MS)
    wire.client.data(100)
    connection = wire.connection()
    assert connection["outcome"] == "established"
    method, low, high, value = leg(connection, "ackdat")
    assert (method, low, value) == ("data-ack", 0, None)
    assert high == 360 * MS, "an upper bound"
    assert leg(connection, "total")[0] == "data-ack"
    assert leg(connection, "total")[1] <= 40 * MS <= leg(connection, "total")[2]


def test_a_later_ack_is_not_the_final_one():
    """The capture lacks the final ACK: the first ACK in it acknowledges the server's greeting."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="before")
    wire.wait(30 * MS)
    wire.server.data(40)
    wire.client.ack()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert leg(connection, "ackdat")[:2] == ("data-ack", 0)
    assert leg(connection, "ackdat")[3] is None
    assert leg(connection, "total")[0] == "data-ack"
    assert leg(connection, "synack") == exact(0)


def test_an_ack_behind_unseen_data_is_not_the_final_one():
    """The client had sent a request meanwhile, and the capture dropped it: its sequence number is beyond ISN + 1."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="before")
    wire.client.data(80, lost="before")
    wire.wait(30 * MS)
    wire.client.ack()
    assert leg(wire.connection(), "ackdat")[:2] == ("data-ack", 0)


def test_a_final_ack_with_a_fin_is_exact():
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.fin()
    wire.server.ack()
    assert leg(wire.connection(), "ackdat") == exact(40 * MS)


def test_a_fin_stands_in_for_a_final_ack_that_a_filter_left_out():
    """`tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0`: the connection was open for 10 s, and idle."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="before")
    wire.wait(10 * SECOND)
    wire.client.fin()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert leg(connection, "ackdat")[:2] == ("data-ack", 0)
    assert leg(connection, "total")[3] is None


@pytest.mark.parametrize(("seen", "low"), [(True, 40 * MS), (False, 0)])
def test_of_one_direction_a_later_ack_bounds_the_total_from_above_only(seen, low):
    wire = Wire(at="client")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost=None if seen else "before")
    wire.wait(30 * MS)
    wire.client.data(80, lost=None if seen else "before")
    wire.client.ack()
    connection = wire.connection(only="client")
    method, bound, high, _ = leg(connection, "total")
    assert (method, bound) == ("one-sided", low)
    assert high >= 40 * MS


def test_only_the_client_is_seen():
    connection = Wire(at="middle").handshake().exchange().connection(only="client")
    assert connection["outcome"] == "established"
    assert leg(connection, "total") == ("one-sided", 40 * MS, 40 * MS, 40 * MS)
    for half in ("synack", "ackdat"):
        assert connection["rtt"][half]["method"] == "none"
        assert connection["rtt"][half]["reason"] == "one-sided"


def test_only_the_client_is_seen_and_it_sends_with_its_ack():
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.wait(SECOND)
    wire.client.data()
    method, low, high, value = leg(wire.connection(only="client"), "total")
    assert (method, low, high, value) == ("one-sided", 0, 1040 * MS, None)


def test_only_the_client_is_seen_and_its_syn_was_lost():
    wire = Wire()
    wire.client.syn(lost="after")
    wire.wait(980 * MS)
    wire.handshake()
    method, low, high, _ = leg(wire.connection(only="client"), "total")
    assert method == "one-sided"
    assert low <= 40 * MS <= high


def test_only_the_server_is_seen():
    connection = Wire().handshake().exchange().connection(only="server")
    assert {connection["rtt"][name]["method"] for name in ("synack", "ackdat", "total")} == {"none"}


@pytest.mark.parametrize("order", [[1, 0, 2], [1, 2, 0], [0, 2, 1]])
def test_a_reordered_capture_gives_no_false_rtt(order):
    """Where an answer is stored before its question the times are worth nothing for that leg; the roles stand."""
    wire = Wire(at="middle").handshake().exchange()
    connection = wire.connection(order=[*order, 3, 4, 5])
    assert connection["client"]["port"] == frames.CLIENT[1]
    assert connection["outcome"] == "established"
    true = {"synack": 20 * MS, "ackdat": 20 * MS, "total": 40 * MS}
    for name, ns in true.items():
        method, low, high, value = leg(connection, name)
        assert method == "none" or low <= ns <= high
        assert value is None or abs(value - ns) <= ns // 20


def test_a_syn_ack_stored_before_its_syn():
    connection = Wire().handshake().exchange().connection(order=[1, 0, 2, 3, 4, 5])
    assert connection["roles"] == "observed"
    for name in ("synack", "ackdat", "total"):
        assert leg(connection, name) == ("none", None, None, None)
        assert connection["rtt"][name]["reason"] == "reordered"
    assert connection["client_to_server"]["retransmissions"] == 0
    assert connection["handshake"]["client_isn"] == 1000


REASONS = {
    "refused": lambda wire: (wire.client.syn(), wire.server.refuse()),
    "no-answer": lambda wire: wire.client.syn(lost="after"),
    "midstream": lambda wire: wire.client.data(seq=1001, ack=5001),
    "unsolicited": lambda wire: wire.server.syn_ack(ack=1001),
    "rejected": lambda wire: (wire.client.syn(lost="after"), wire.icmp_error(wire.client.packet)),
}


@pytest.mark.parametrize("reason", REASONS)
def test_why_there_is_none(reason):
    wire = Wire()
    REASONS[reason](wire)
    connection = wire.connection()
    for name in ("synack", "ackdat", "total"):
        assert leg(connection, name) == ("none", None, None, None)
        assert connection["rtt"][name]["reason"] == reason


def test_half_open_has_the_first_half():
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    connection = wire.connection()
    assert leg(connection, "synack") == exact(40 * MS)
    assert connection["rtt"]["ackdat"]["reason"] == connection["rtt"]["total"]["reason"] == "no-final-ack"


def test_a_clock_that_goes_back_is_no_negative_rtt():
    wire = Wire(timestamps=False)  # TSvals are of another clock, which never goes back
    wire.client.syn()
    wire.now -= 5 * SECOND
    wire.server.syn_ack(ack=1001)
    wire.client.ack(ack=5001)
    connection = wire.connection(order=[2, 0, 1])
    assert connection["outcome"] == "established"
    assert leg(connection, "synack")[0] == "none"


def test_the_distribution_is_of_values_that_can_be_named():
    wire = Wire(timestamps=False)
    wire.client.syn(lost="after")
    wire.wait(980 * MS)
    report = wire.handshake().report()
    assert report["summary"]["rtt"]["synack"]["count"] == 0
    assert report["summary"]["rtt"]["ackdat"]["count"] == 1
    assert report["services"][0]["rtt"] == report["summary"]["rtt"]


@pytest.mark.parametrize("timestamps", [True, False])
def test_a_syn_that_was_refused_is_not_the_one_that_is_answered_later(timestamps):
    wire = Wire(timestamps=timestamps)
    wire.client.syn()
    wire.server.refuse()
    wire.wait(500 * MS)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack()
    synack = wire.connection()["rtt"]["synack"]
    assert (synack["value_ns"], synack["min_ns"], synack["max_ns"]) == (40 * MS, 40 * MS, 40 * MS)
    assert synack["method"] in {"tsecr", "ambiguous"}


def untimed(*frames):
    """A capture of frames that have no time."""
    content = captures.section() + captures.interface()
    return content + b"".join(captures.simple_packet(frame) for frame in frames)


def test_frames_without_a_time_measure_nothing():
    """Simple Packet Blocks of pcapng: what happened is known, how long it took and where it was captured is not."""
    wire = Wire().handshake().exchange()
    refused = Wire(client=("192.0.2.1", 4001))
    refused.client.syn()
    refused.server.refuse()
    asked = Wire(client=("192.0.2.1", 4002))
    asked.client.syn()
    report = json.loads(json_of(untimed(*(frame for one in (wire, refused, asked) for _, frame in one.frames()))))
    assert [one["outcome"] for one in report["connections"]] == ["established", "refused", "pending"]
    for connection in report["connections"]:
        for name in ("synack", "ackdat", "total"):
            assert leg(connection, name) == ("none", None, None, None)
            assert connection["rtt"][name]["reason"] == "no-time"
        assert connection["rtt"]["reject_ns"] is None
    assert report["capture"]["position"] is None


@pytest.mark.parametrize("without", [0, 1, 2])
def test_one_frame_without_a_time_is_enough_in_the_handshake(without):
    frames = [frame for _, frame in Wire().handshake().exchange().frames()]
    content = captures.section() + captures.interface()
    for number, frame in enumerate(frames):
        content += captures.simple_packet(frame) if number == without else captures.packet(frame, 1000 + number)
    (connection,) = report_of(content)["connections"]
    assert connection["rtt"]["total"]["reason"] == "no-time"


def test_a_frame_without_a_time_behind_the_handshake_does_not_matter():
    frames = [frame for _, frame in Wire().handshake().exchange().frames()]
    content = captures.section() + captures.interface()
    for number, frame in enumerate(frames):
        content += captures.simple_packet(frame) if number == 3 else captures.packet(frame, 1000 + number)
    (connection,) = report_of(content)["connections"]
    assert leg(connection, "total")[0] == "exact"


def test_times_that_are_all_zero_are_none():
    frames = [frame for _, frame in Wire().handshake().exchange().frames()]
    (connection,) = report_of(captures.pcap([(0, frame) for frame in frames]))["connections"]
    assert connection["rtt"]["total"]["reason"] == "no-time"


def test_a_copied_syn_where_only_syn_acks_opened_has_no_earlier_copy():
    """Two hosts answered a SYN that the capture lacks, and another SYN follows, which it holds twice."""
    wire = Wire(timestamps=False, at="middle")
    wire.server.syn_ack(ack=1001)
    wire.server.syn_ack(seq=9000, ack=1001)
    wire.client.syn(seq=70_000, stay=True)
    wire.client.send("S", again=True)
    [connection] = wire.connections()
    assert connection["handshake"]["syn_count"] == 0
    assert connection["client_to_server"]["duplicates"] == 1
