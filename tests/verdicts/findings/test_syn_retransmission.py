"""`syn-retransmission`: what lost SYNs and SYN-ACKs cost, and whose loss it was."""

import pytest
from support import frames
from support.captures import pcap
from support.detected import MS, SECOND, START, Wire, chance, crowd, found, merged, only
from support.wire import report_of

LOST = {
    "unknown": 0,
    "syn_after_capture": 0,
    "synack_before_capture": 0,
    "synack_after_capture": 0,
    "ack_before_capture": 0,
}


def handshake(wire, number=0):
    wire.handshake()


def lost_syn(wire, *, at=1000 * MS):
    wire.client.syn(lost="after")
    wire.wait(at - wire.delay)
    wire.handshake()
    return wire


def test_the_share_that_paid_and_the_price():
    report = merged(*crowd(20, lambda wire, number: lost_syn(wire) if number % 4 == 0 else wire.handshake()))
    finding = only(report, "syn-retransmission")
    assert finding["severity"] == "warning"
    assert finding["target"] == {"ip": "198.51.100.2", "port": 443}
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["delayed"], metrics["delayed_ratio"]) == (20, 5, 0.25)
    assert metrics["delay_p50_ns"] == metrics["delay_max_ns"] == SECOND
    assert metrics["delay_total_ns"] == 5 * SECOND
    assert metrics["lost"] == LOST | {"syn_after_capture": 5}
    assert "25.0 % of connects" in finding["title"]
    assert "1 s" in finding["title"]
    assert finding["evidence"]["connections"] == [0, 4, 8, 12, 16]


def test_a_single_lost_syn_is_no_warning():
    assert only(lost_syn(Wire()).report(), "syn-retransmission")["severity"] == "info"


def test_an_echo_of_the_first_syn_shows_that_its_answer_was_lost():
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack(lost="before")
    wire.wait(SECOND)
    wire.client.syn(stay=True)
    wire.wait(20 * MS)
    wire.server.echo = 700_000  # TS.Recent stays that of the first copy
    wire.server.syn_ack()
    wire.client.ack()
    assert only(wire.report(), "syn-retransmission")["metrics"]["lost"] == LOST | {"synack_before_capture": 1}


def test_a_syn_ack_lost_behind_the_capture():
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack()
    wire.client.ack()
    metrics = only(wire.report(), "syn-retransmission")["metrics"]
    assert metrics["lost"] == LOST | {"synack_after_capture": 1}
    assert metrics["delay_max_ns"] == SECOND + wire.delay


def test_without_timestamps_nobody_is_blamed():
    wire = lost_syn(Wire(timestamps=False))
    assert only(wire.report(), "syn-retransmission")["metrics"]["lost"] == LOST | {"unknown": 1}


def needless_syn(wire):
    """A SYN retransmitted while its answer is in flight, over a path of 1.2 s."""
    wire.client.syn()
    wire.server.syn_ack(stay=True)
    wire.wait(400 * MS)
    wire.client.syn(stay=True)
    wire.wait(200 * MS)
    wire.client.ack(stay=True)
    wire.wait(400 * MS)


def test_a_path_slower_than_the_timer_lost_nothing():
    wire = Wire(delay=600 * MS)
    needless_syn(wire)
    wire.server.syn_ack()
    report = wire.report()
    assert report["connections"][0]["rtt"]["synack"]["value_ns"] == 1200 * MS
    assert found(report, "syn-retransmission") == []


@pytest.mark.parametrize(
    ("took", "lost_request", "paid"),
    [
        (1500 * MS, False, False),
        (1001 * MS, False, False),
        (1000 * MS, False, True),  # an answer to the second SYN after 500 ms, and an ACK that waits for as long
        (540 * MS, False, True),
        (1500 * MS, True, True),  # sent again, so that it says nothing of the path
    ],
)
def test_payload_that_is_acknowledged_too_late_for_the_second_syn(took, lost_request, paid):
    """SYNs a second apart and an answer half a second after the second; no timestamps."""
    wire = Wire(delay=250 * MS, timestamps=False)
    wire.client.syn(stay=True)
    wire.wait(SECOND)
    wire.client.syn(seq=1000)
    wire.server.syn_ack()
    wire.client.ack(stay=True)
    asked = wire.now
    wire.client.data(100, stay=True)
    if lost_request:
        wire.wait(SECOND)
        wire.client.data(100, seq=1001, stay=True)
    wire.wait(asked + took - wire.delay - wire.now)
    wire.server.ack(ack=1101)
    report = wire.report()
    assert report["connections"][0]["rtt"]["synack"]["method"] == "ambiguous"
    assert bool(found(report, "syn-retransmission")) == paid


def slow_acks(sent, *, rtt, stamps, lost_ack=False, first_arrives=True):
    """What the server captures of SYN-ACKs sent at these seconds: every one that arrives draws an ACK, an RTT later."""

    def options(value, echo):
        return frames.timestamps(value, echo) if stamps else b""

    arriving = sent if first_arrives else sent[1:]
    timed = [(0, frames.syn(options=frames.mss(1460) + options(7, 0)))]
    timed += [(at * SECOND, frames.syn_ack(options=frames.mss(1460) + options(100 + at, 7))) for at in sent]
    echo = 100 + arriving[0]
    timed += [(at * SECOND + rtt, frames.ack(options=options(8 + at, echo))) for at in arriving[1 if lost_ack else 0 :]]
    return report_of(pcap([(START + ns, frame) for ns, frame in sorted(timed, key=lambda each: each[0])], nano=True))


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize(("sent", "rtt"), [((0, 1), 1200 * MS), ((0, 1), 1980 * MS), ((0, 1, 3), 3500 * MS)])
def test_syn_acks_repeated_while_the_ack_was_on_its_way_lost_nothing(sent, rtt, stamps):
    """A second ACK follows the first as the SYN-ACKs followed each other: each of them drew its own."""
    report = slow_acks(sent, rtt=rtt, stamps=stamps)
    (connection,) = report["connections"]
    leg = connection["rtt"]["ackdat"]
    assert (leg["min_ns"], leg["max_ns"], leg["method"]) == (rtt, rtt, "tsecr" if stamps else "ambiguous")
    assert found(report, "syn-retransmission") == []
    assert connection["server_to_client"]["retransmissions"] == len(sent) - 1


@pytest.mark.parametrize("stamps", [True, False])
def test_needless_syn_acks_are_counted_beside_what_was_lost(stamps):
    lost = lost_syn(Wire(client=("192.0.2.9", 40_009), client_isn=chance(1), server_isn=chance(2)))
    slow = Wire(at="server", timestamps=stamps)
    slow.client.syn()
    first = slow.server.tsval
    for pause in (SECOND, 200 * MS):
        slow.server.syn_ack(stay=True)
        slow.wait(pause)
    for _ in range(2):
        slow.client.ack(stay=True, options=frames.timestamps(slow.client.tsval, first) if stamps else None)
        slow.wait(SECOND)
    metrics = only(merged(lost, slow), "syn-retransmission")["metrics"]
    assert (metrics["delayed"], metrics["needless_copies"]) == (1, int(stamps))


@pytest.mark.parametrize("stamps", [True, False])
def test_which_syn_ack_was_lost_shows_by_the_distance_of_the_acks(stamps):
    """The first is lost; the ACK of the second comes behind the third, and that of the third 2 s behind that."""
    report = slow_acks((0, 1, 3), rtt=2500 * MS, stamps=stamps, first_arrives=False)
    finding = only(report, "syn-retransmission")
    assert finding["metrics"]["delay_max_ns"] == SECOND
    assert report["connections"][0]["rtt"]["ackdat"]["min_ns"] == 2500 * MS


def test_equal_distances_prove_nothing():
    report = slow_acks((0, 1, 2), rtt=2500 * MS, stamps=True)
    leg = report["connections"][0]["rtt"]["ackdat"]
    assert (leg["min_ns"], leg["max_ns"], leg["method"]) == (500 * MS, 2500 * MS, "ambiguous")


def test_an_ack_that_comes_once_may_be_the_second():
    report = slow_acks((0, 1), rtt=200 * MS, stamps=True, lost_ack=True)
    assert only(report, "syn-retransmission")["metrics"]["lost"] == LOST | {"ack_before_capture": 1}


@pytest.mark.parametrize("timestamps", [True, False])
def test_an_answer_to_a_needless_syn_is_no_full_queue(timestamps):
    """The final ACK leaves before the other SYN-ACKs come, which were sent before that ACK arrived."""

    def talk(wire, number):
        needless_syn(wire)
        wire.server.syn_ack(stay=True)  # its timer runs out
        wire.wait(MS)
        wire.server.syn_ack()  # and the second SYN comes
        wire.client.ack()
        wire.exchange()

    report = merged(*crowd(4, talk, delay=600 * MS, timestamps=timestamps))
    assert found(report, "accept-queue-overflow") == []
    assert {one["outcome"] for one in report["connections"]} == {"established"}


def test_a_client_that_gave_up_paid_with_more_than_a_second():
    def silent(wire, number):
        wire.client.syn()
        wire.wait(SECOND)
        wire.client.syn()

    wires = [*crowd(3, silent), lost_syn(Wire(client=("192.0.2.7", 1)))]
    metrics = only(merged(*wires, lost_syn(Wire(start=wires[0].now + 10 * SECOND))), "syn-retransmission")["metrics"]
    assert metrics["connections"] == 2
    assert metrics["retried_and_failed"] == 3


def test_silent_on_healthy_clients_copies_and_unanswered_attempts():
    assert found(merged(*crowd(10, handshake)), "syn-retransmission") == []
    copied = Wire()
    copied.client.syn()
    copied.client.send("S", again=True)
    copied.server.syn_ack()
    copied.client.ack()
    assert found(copied.report(), "syn-retransmission") == []
    dead = Wire()
    dead.client.syn()
    dead.wait(SECOND)
    dead.client.syn()
    assert found(dead.quiet(10 * SECOND).report(), "syn-retransmission") == []


def test_the_stack_behind_the_copies():
    wire = Wire()
    start = wire.now
    for second in (0, 1, 2, 3, 4, 5):
        wire.now = start + second * SECOND
        wire.client.syn(lost="after")
    wire.now = start + 7 * SECOND
    wire.handshake()
    assert only(wire.report(), "syn-retransmission")["metrics"]["backoff"] == {"linux-linear or macos-bsd": 1}


def test_a_hundred_services_are_reported_and_the_rest_is_counted():
    wires = [lost_syn(Wire(server=("198.51.100.2", port), client=("192.0.2.1", port))) for port in range(1000, 1103)]
    findings = found(merged(*wires), "syn-retransmission")
    assert len(findings) == 101
    assert [one["metrics"] for one in findings if one["target"] is None] == [{"not_listed": 3}]


def test_a_syn_that_met_an_open_connection_was_not_lost():
    """The challenge ACK belongs to the old connection, which the client's RST ends; after 1 s its SYN is welcome."""
    wire = Wire().handshake().exchange()
    wire.wait(20 * SECOND)
    again = Wire(start=wire.now, client_isn=900_000, server_isn=77_000)
    again.client.syn()
    again.server.send("A", seq=wire.server.snd_nxt, ack=wire.server.rcv_nxt)
    again.client.rst(seq=wire.server.rcv_nxt, ident=0)
    again.wait(SECOND)
    again.client.rcv_nxt = 0
    again.handshake()
    report = merged(wire, again)
    assert [one["handshake"]["syn_count"] for one in report["connections"]] == [1, 2]
    assert found(report, "syn-retransmission") == []
    assert found(report, "stale-peer") != []


def test_a_service_that_starts_loses_nothing():
    """Windows asks again after a refusal, with the same ISN."""
    wire = Wire()
    for _ in range(2):
        wire.client.syn()
        wire.server.refuse()
        wire.wait(500 * MS)
    wire.server.echo = 0
    wire.handshake()
    report = wire.report()
    assert [one["outcome"] for one in report["connections"]] == ["established"]
    assert found(report, "syn-retransmission") == []
