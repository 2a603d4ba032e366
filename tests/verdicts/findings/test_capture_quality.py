"""`capture-quality`: each problem of a capture, and what is none."""

import pytest
from support import captures, frames
from support.detected import MS, SECOND, Wire, crowd, found, merged
from support.wire import report_of

from handshake_inspect.verdicts import visibility


def kinds(report):
    return {finding["metrics"]["kind"]: finding for finding in found(report, "capture-quality")}


@pytest.fixture
def wire():
    return Wire().handshake().exchange().close()


def test_a_good_capture(wire):
    assert kinds(wire.report()) == {}


@pytest.mark.parametrize(("only", "other"), [("client", "server"), ("server", "client")])
def test_one_direction(wire, only, other):
    finding = kinds(wire.report(only=only))["one-sided"]
    assert finding["severity"] == "warning"
    assert finding["target"] is None
    assert finding["metrics"][f"{other}_not_heard"] == 1
    assert finding["title"] == f"The capture lacks what the {other} sent: 1 of 1 connection is one-sided"


def test_the_silence_of_a_server_whose_answers_are_not_captured_is_no_finding():
    served = crowd(10, lambda wire, _: wire.handshake().exchange().close())
    asking = Wire(client=("192.0.2.9", 9))
    asking.client.syn(lost="after")
    asking.quiet(10 * SECOND)
    taken = sorted((each for one in [*served, asking] for each in one.frames()), key=lambda each: each[0])
    assert len(found(report_of(captures.pcap(taken, nano=True)), "timed-out")) == 1
    half = [each for one in [*served, asking] for each in one.frames(only="client")] + asking.frames(only="other")
    report = report_of(captures.pcap(sorted(half, key=lambda each: each[0]), nano=True))
    assert report["summary"]["outcomes"]["timed-out"] == 1
    assert found(report, "timed-out") == []
    assert kinds(report)["one-sided"]["metrics"]["undecidable"] == 1


def test_few_one_sided_connections_among_many_are_nothing():
    both = crowd(30, lambda wire, _: wire.handshake())
    half = Wire(client=("192.0.2.9", 9)).handshake().exchange()
    taken = [each for one in both for each in one.frames()] + half.frames(only="client")
    taken.sort(key=lambda each: each[0])
    assert kinds(report_of(captures.pcap(taken, nano=True))) == {}


def test_an_unanswered_syn_proves_no_one_sided_capture():
    wire = Wire()
    wire.client.syn()
    assert kinds(wire.quiet(10 * SECOND).report()) == {}


def test_every_frame_twice(wire):
    doubled = [each for each in wire.frames() for _ in range(2)]
    finding = kinds(report_of(captures.pcap(doubled, nano=True)))["duplicated"]
    assert finding["severity"] == "info"
    assert finding["metrics"]["duplicates"] == len(wire.taken)
    assert finding["metrics"]["duplicate_ratio"] == 0.5


def test_a_single_duplicate_is_the_network():
    wire = Wire().handshake()
    wire.client.data(100, times=2)
    assert "duplicated" not in kinds(wire.exchange().report())


def test_the_answer_stored_before_the_question(wire):
    order = [1, 0, *range(2, len(wire.taken))]
    finding = kinds(wire.report(order=order))["reordered"]
    assert finding["metrics"]["handshakes_out_of_order"] == 1
    assert finding["metrics"]["frames_back_in_time"] == 1


def transfer(port=443):
    """Requests and responses 0.1 ms apart, over a longer time than a NIC holds frames back."""
    return transferred(Wire(delay=MS // 10, server=("198.51.100.2", port)).handshake())


def transferred(wire):
    for _ in range(30):
        wire.client.data(300)
        for _ in range(4):
            wire.server.data(1000, stay=True)
            wire.now += MS // 50
        wire.wait(MS // 10)
        wire.client.ack()
    return wire


@pytest.mark.parametrize(("stamps", "advice"), [("right", "Sort it"), ("late", "cannot sort it")])
@pytest.mark.parametrize(("since", "handshakes"), [(0, 1), (1, 0)], ids=["all", "only data"])
@pytest.mark.parametrize("who", ["client", "server"])
def test_one_direction_that_is_stored_late(who, since, handshakes, stamps, advice):
    stored = transfer().stored_late(who, MS, stamps=stamps, since=since)
    finding = kinds(report_of(captures.pcap(stored, nano=True)))["reordered"]
    assert finding["metrics"]["stored_late"] == 1
    assert f"data of {who}s behind its acknowledgment" in finding["title"]
    assert finding["metrics"]["handshakes_out_of_order"] == handshakes
    assert ("1 handshake out of order, of which no RTT is reported" in finding["title"]) == bool(handshakes)
    assert (finding["metrics"]["frames_back_in_time"] > 0) == (stamps == "right")
    assert advice in finding["advice"]


@pytest.mark.parametrize(("others", "said"), [(19, True), (20, False)])
def test_few_connections_with_data_that_is_stored_late_are_nothing(others, said):
    """One of 20 is 5 %."""
    stored = transfer().stored_late("server", MS, stamps="late", since=1)
    after = stored[-1][0] - transfer().frames()[0][0] + MS
    for port in range(1, others + 1):
        stored += [(ns + port * after, frame) for ns, frame in transfer(port).frames()]
    reported = kinds(report_of(captures.pcap(stored, nano=True)))
    assert [(each["metrics"]["stored_late"], len(each["evidence"]["connections"])) for each in reported.values()] == (
        [(1, 1)] if said else []
    )


def test_a_connection_counts_once_for_each_thing_that_is_out_of_order():
    """Data of either end or of both in turn; and answers stored before their question."""
    first, second, both = transfer(1), transfer(2), transfer(3)
    change = both.now + 5 * MS
    transferred(both.wait(10 * MS))
    answers = [Wire(server=("198.51.100.2", port)).handshake().exchange() for port in (4, 5)]
    stored = [
        *first.stored_late("client", MS, stamps="late", since=1),
        *second.stored_late("server", MS, stamps="late", since=1),
        *(each for each in both.stored_late("server", MS, stamps="late", since=1) if each[0] < change),
        *(each for each in both.stored_late("client", MS, stamps="late", since=1) if each[0] > change),
    ]
    for one in answers:
        syn, syn_ack, *others = one.frames()
        stored += [(syn[0], syn_ack[1]), (syn_ack[0], syn[1]), *others]
    stored.sort(key=lambda each: each[0])
    finding = kinds(report_of(captures.pcap(stored, nano=True)))["reordered"]
    assert finding["metrics"] == {
        "kind": "reordered", "frames_back_in_time": 0, "handshakes_out_of_order": 2, "stored_late": 3,
    }  # fmt: skip
    assert len(finding["evidence"]["connections"]) == 5
    assert "data of both ends behind its acknowledgment" in finding["title"]


def test_a_missing_opening(wire):
    report = wire.report(order=range(3, len(wire.taken)))
    assert kinds(report)["midstream"]["metrics"] == {"kind": "midstream", "midstream": 1, "connections": 1}


def test_keep_alives_show_that_a_connection_had_begun():
    wire = Wire()
    for _ in range(3):
        wire.client.send("A", seq=1000, ack=5001)
        wire.server.send("A", seq=5001, ack=1001)
        wire.wait(60 * SECOND)
    assert kinds(wire.report())["midstream"]["metrics"]["midstream"] == 1


def test_an_answer_of_one_rst_is_no_connection_that_had_begun():
    wire = Wire()
    wire.client.send("A", seq=1000, ack=5001)
    wire.server.rst(seq=5001)
    assert "midstream" not in kinds(wire.report())


def test_a_midstream_connection_of_one_direction_is_known_by_its_own_bytes():
    """Whatever the connections before it in the table sent."""
    idle = Wire().handshake()
    busy = Wire(client=("192.0.2.9", 9)).handshake().exchange()
    taken = idle.frames() + [each for each in busy.frames(only="client") if each in busy.frames()[3:]]
    finding = kinds(report_of(captures.pcap(sorted(taken, key=lambda each: each[0]), nano=True)))["midstream"]
    assert finding["metrics"] == {"kind": "midstream", "midstream": 1, "connections": 2}


def test_a_file_that_is_cut(wire):
    finding = kinds(report_of(wire.pcap()[:-7]))["cut"]
    assert finding["severity"] == "warning"
    assert finding["evidence"]["frames"] == [len(wire.taken) - 1]


def test_headers_that_the_snap_length_cut():
    kept = [(SECOND + n, frame[:40]) for n, frame in enumerate([frames.syn(), frames.syn_ack(), frames.ack()])]
    finding = kinds(report_of(captures.pcap(kept, nano=True)))["snap-length"]
    assert finding["metrics"]["cut_headers"] == 3
    assert finding["evidence"]["frames"] == [1]
    assert "-s 128" in finding["advice"]


def test_options_that_the_snap_length_cut():
    whole, cut = frames.syn(), frames.syn(options=frames.linux_syn_options())[:60]
    kept = [(SECOND + n, frame) for n, frame in enumerate([whole, cut, cut])]
    report = report_of(captures.pcap(kept, nano=True))
    (problem,), finding = report["capture"]["problems"], kinds(report)["snap-length"]
    assert (problem["kind"], problem["frame"]) == ("cut-options", 2)
    assert (finding["metrics"]["cut_headers"], finding["evidence"]["frames"]) == (0, [2])


def test_malformed_options_are_no_fault_of_the_snap_length():
    odd = frames.mss(9) + b"\x08\x00\0\0"
    taken = [frames.syn(), frames.syn_ack(options=odd), frames.ack(options=odd)]
    report = report_of(captures.pcap([(SECOND + n, frame) for n, frame in enumerate(taken)], nano=True))
    assert [(problem["kind"], problem["frame"]) for problem in report["capture"]["problems"]] == [("bad-options", 2)]
    assert kinds(report) == {}


def blind(monkeypatch, report):
    """Return `visibility.blind` as it is when the report is made."""
    said = []
    original = visibility.blind
    monkeypatch.setattr(
        "handshake_inspect.verdicts.findings.capture_quality.blind",
        lambda trace: said.append(original(trace)) or said[-1],
    )
    report()
    return said[0].tolist()


def test_silence_in_a_one_sided_capture_gives_no_verdict(monkeypatch):
    spoke = Wire().handshake().exchange()
    silent = Wire(client=("192.0.2.1", 999))
    silent.client.syn()
    later = spoke.frames(only="client") + silent.frames(only="client") + Wire().quiet(10 * SECOND).frames()
    said = blind(monkeypatch, lambda: report_of(captures.pcap(sorted(later), nano=True)))
    assert said == [False, True]


def test_silence_of_another_server_is_one_where_answers_are_seen(monkeypatch):
    whole = Wire(server=("198.51.100.77", 80), client=("192.0.2.5", 1)).handshake().exchange()
    half = Wire().handshake().exchange()
    dead = Wire(client=("192.0.2.5", 2), server=("198.51.100.88", 80))
    dead.client.syn()
    missed = Wire(client=("192.0.2.1", 999))
    missed.client.syn()
    taken = whole.frames() + half.frames(only="client") + dead.frames() + missed.frames()
    said = blind(monkeypatch, lambda: report_of(captures.pcap(sorted(taken), nano=True)))
    # Connections first (whole, half), then the SYNs that nothing answered (dead, missed), each by its first frame.
    assert sorted(said) == [False, False, False, True]


def test_drops_that_the_capture_reports(wire):
    content = captures.pcapng(wire.frames()) + captures.statistics(ifdrop=len(wire.taken))
    finding = kinds(report_of(content))["dropped"]
    assert finding["severity"] == "warning"
    assert (finding["metrics"]["dropped"], finding["metrics"]["dropped_ratio"]) == (len(wire.taken), 0.5)


def test_merged_captures_keep_their_verdicts(wire):
    assert kinds(merged(wire, Wire(client=("192.0.2.3", 3)).handshake())) == {}
