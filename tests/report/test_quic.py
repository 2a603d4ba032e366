"""QUIC connections in reports: names of their servers, lookups that they waited for, and what had to make room."""

import io

import pytest
from support import frames, quic
from support.dns import SECOND, Talk
from support.quic import DCID, MS, SERVER_CID, Flow
from support.wire import report_of

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import conclude
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.quic.initial import can_open
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.limits import Limits

BEYOND = 1 << 32
SERVER = "198.51.100.2"
ENDS = ("192.0.2.1", 50000), (SERVER, 443)


def begin(talk: Talk, *packets: bytes, client=ENDS[0], server=ENDS[1]) -> Talk:
    return talk.put(frames.udp(client, server, b"".join(packets) or quic.initial(size=1200)))


def complete(talk: Talk) -> Talk:
    """A connection with a request, and an answer long after it."""
    begin(talk).wait(20 * MS)
    answer = quic.initial(scid=SERVER_CID, dcid=b"", keyed=DCID, from_server=True, size=200), quic.handshake(900)
    begin(talk, *answer, client=ENDS[1], server=ENDS[0]).wait(MS)
    begin(talk, quic.handshake(60, dcid=SERVER_CID), quic.short(100)).wait(20 * MS)
    for _ in range(2):
        begin(talk, quic.short(300, dcid=b""), client=ENDS[1], server=ENDS[0]).wait(30 * MS)
    return talk


def test_a_name_from_a_lookup():
    report = begin(Talk().look_up("www.example.org", SERVER)).report()
    (one,) = report["quic_connections"]
    assert one["server"] == {"ip": SERVER, "port": 443, "name": "www.example.org", "name_basis": "dns", "names": None}
    assert report["quic_services"][0]["server"] == {"ip": SERVER, "port": 443}


def test_no_name_where_names_are_not_wanted():
    talk = begin(Talk().look_up("www.example.org", SERVER))
    (one,) = report_of(talk.file().getvalue(), names=False)["quic_connections"]
    assert (one["server"]["name"], one["server"]["names"]) == (None, None)


def test_the_lookup_that_a_connection_waited_for():
    (one,) = complete(Talk().look_up("www.example.org", SERVER, took=12 * MS).wait(3 * MS)).report()["quic_connections"]
    spans = one["setup"]["spans"]
    assert (spans["lookup"]["value_ns"], spans["before_connect"]["value_ns"]) == (12 * MS, 3 * MS)
    assert one["setup"]["with_lookup_ns"] is None  # an answer has bounds alone
    assert spans["first_byte"]["max_ns"] > spans["first_byte"]["min_ns"] > 0


@pytest.mark.parametrize("quic_first", [True, False])
def test_of_quic_and_tcp_the_first_waited(quic_first):
    talk = Talk().look_up("www.example.org", SERVER).wait(MS)
    for of_quic in (quic_first, not quic_first):
        (complete if of_quic else answered)(talk)
    report = talk.report()
    every = *report["quic_connections"], *report["connections"]
    assert [each["setup"]["spans"]["lookup"] is not None for each in every] == [quic_first, not quic_first]


def answered(talk: Talk) -> Talk:
    """A TCP connection with a request and its answer."""
    talk.connect(SERVER)
    here, there = ("192.0.2.1", 40000 + talk.number), (SERVER, 443)
    talk.put(frames.data(b"GET", seq=1001, ack=5001, src=here, dst=there)).wait(MS)
    return talk.put(frames.data(b"200", seq=5001, ack=1004, src=there, dst=here)).wait(MS)


def test_frames_beyond_the_low_32_bits_are_whole():
    """What is judged of a row counts frames from its first one."""
    flow = Flow().client(quic.initial(size=1200)).wait(40 * MS)
    flow.server(quic.initial(scid=SERVER_CID, dcid=b"", keyed=DCID, from_server=True, size=200))
    flow.client(quic.short(100)).server(quic.short(100, dcid=b"")).wait(SECOND)
    pump = Pump(Tracker(16))
    with open_trace([flow.file()]) as source:
        pump_all(source, pump)
        row = pump.quic.table.row_storage[0]
        row.first_frame = 3 * BEYOND - 1
        row.answer_frame, row.finished_frame = 3, 5
        (one,) = conclude(source, pump, Limits()).quic_connections
    assert one.evidence == [3 * BEYOND - 1, 3 * BEYOND + 3, 3 * BEYOND + 5]


def test_what_had_to_make_room_is_a_problem():
    flow = Flow()
    for port in range(20):
        flow.put(("192.0.2.1", 1024 + port), flow.ends[1], quic.initial(size=1200))
    pump = Pump(Tracker(16))
    with open_trace([io.BytesIO(flow.file().getvalue())]) as source:
        pump_all(source, pump)
        problems = {each.kind: each.message for each in conclude(source, pump, Limits()).capture.problems}
    assert problems["quic-evicted"].startswith("4 QUIC connections were dropped")


# What cost time in a handshake: as headers show, and Initials where they are opened

HELLO = quic.client_hello("lab.test")


def answer(data=b"\x02\x00\x00\x28\x03\x03" + bytes(38), pn=0, offset=0):
    plain = quic.crypto(data, offset)
    said = quic.initial(plain, scid=SERVER_CID, dcid=b"", keyed=DCID, from_server=True, size=200, pn=pn)
    return said, quic.handshake(900)


def hello(pn=0, data=HELLO, offset=0):
    plain = quic.crypto(data, offset)
    return quic.initial(plain, dcid=SERVER_CID if pn else DCID, keyed=DCID, pn=pn, size=1200)


def finish(flow: Flow):
    flow.wait(MS).client(quic.handshake(60, dcid=SERVER_CID), quic.short(100)).wait(40 * MS)
    flow.server(quic.short(300, dcid=b""))
    (one,) = report_of(flow.file().getvalue())["quic_connections"]
    return one["setup"], one["rtt"]["client"]


def extras(setup):
    return [(each["reason"], each["cost_ns"] // MS, each["frame"]) for each in setup["extra_round_trips"]]


def test_a_flight_that_was_lost():
    flow = Flow().client(hello()).wait(40 * MS).server(*answer()).wait(200 * MS).server(*answer(pn=1))
    setup, _ = finish(flow)
    assert extras(setup) == [("loss", 200, 3)]
    assert setup["spans"]["quic"]["method"] == "lost"


def test_a_loss_behind_the_handshake_leaves_its_span():
    flow = Flow().client(hello()).wait(40 * MS).server(*answer()).wait(MS)
    flow.client(quic.handshake(60, dcid=SERVER_CID), quic.short(100)).wait(180 * MS)
    setup, _ = finish(flow)
    assert extras(setup) == [("loss", 181, 4)]
    assert setup["spans"]["quic"]["method"] == "exact"


@pytest.mark.skipif(not can_open(), reason="without the library")
def test_a_first_answer_that_was_lost_behind_the_capture():
    """The client's next datagram is its ClientHello again: it says nothing about the way to the client."""
    flow = Flow().client(hello()).wait(40 * MS).server(*answer()).wait(960 * MS)
    flow.client(hello(pn=1)).wait(40 * MS).server(*answer(pn=1))
    setup, back = finish(flow)
    assert extras(setup) == [("loss", 1000, None)]
    assert setup["spans"]["quic"]["method"] == "lost"
    assert (back["min_ns"], back["max_ns"], back["method"]) == (0, 1001 * MS, "ambiguous")


@pytest.mark.skipif(not can_open(), reason="without the library")
def test_a_hello_that_crossed_the_first_answer():
    """The client is 48 ms from the capture, and its timer sent the hello again 20 ms before the answer reached it."""
    flow = Flow().client(hello()).wait(160 * MS).server(*answer()).wait(28 * MS).client(hello(pn=1)).wait(20 * MS)
    setup, back = finish(flow)
    assert (back["min_ns"], back["max_ns"], back["method"]) == (0, 49 * MS, "ambiguous")
    assert setup["spans"]["first_byte"]["max_ns"] == (160 + 49 + 40 + 49) * MS


@pytest.mark.skipif(not can_open(), reason="without the library")
def test_a_hello_that_a_retry_asked_for_again_was_not_lost():
    flow = Flow().client(hello()).wait(40 * MS).server(quic.retry()).wait(MS)
    flow.client(quic.initial(quic.crypto(HELLO), dcid=SERVER_CID, keyed=SERVER_CID, token=b"a token", size=1200))
    setup, _ = finish(flow.wait(40 * MS).server(*answer()))
    assert extras(setup) == [("retry", 41, 2)]
    assert setup["spans"]["quic"]["method"] == "exact"


@pytest.mark.skipif(not can_open(), reason="without the library")
def test_a_hello_retry_request():
    flow = Flow().client(hello()).wait(40 * MS).server(answer(quic.HELLO_RETRY)[0]).wait(MS)
    flow.client(hello(pn=1, offset=len(HELLO))).wait(40 * MS)
    flow.server(*answer(pn=1, offset=len(quic.HELLO_RETRY)))
    setup, _ = finish(flow)
    assert extras(setup) == [("hello-retry", 41, 2)]
    assert (setup["round_trips"], setup["spans"]["quic"]["round_trips"]) == (3, 2)
    assert setup["spans"]["quic"]["method"] == "exact"


def test_a_hello_in_two_packets_or_captured_twice_is_one():
    flow = Flow().client(hello(data=HELLO[:40])).wait(5 * MS).client(hello(pn=1, data=HELLO[40:], offset=40))
    flow.client(hello(pn=1, data=HELLO[40:], offset=40)).wait(40 * MS).server(*answer()).server(*answer())
    setup, back = finish(flow)
    assert extras(setup) == []
    assert back["method"] == "exact"


@pytest.mark.skipif(not can_open(), reason="without the library")
def test_a_hello_retry_request_refuses_early_data():
    """The request is what follows the Finished, and what comes too soon to answer that is no sign of acceptance."""
    flow = Flow().client(hello(), quic.early(300)).wait(40 * MS).server(answer(quic.HELLO_RETRY)[0]).wait(MS)
    flow.client(hello(pn=1, offset=len(HELLO))).wait(40 * MS)
    setup, _ = finish(flow.server(*answer(pn=1, offset=len(quic.HELLO_RETRY))))
    assert setup["spans"]["before_request"]["max_ns"] == 0
    assert (setup["spans"]["response"]["min_ns"], setup["spans"]["response"]["max_ns"]) == (40 * MS, 41 * MS)
    (one,) = report_of(flow.file().getvalue())["quic_connections"]
    assert one["early_data"] == "rejected"


def test_a_capture_that_begins_with_the_client_s_second_initial_measures_nothing():
    """Its keys are those of the first one's connection ID, which the capture lacks."""
    flow = Flow().client(hello(pn=1)).wait(MS).server(quic.handshake(900)).wait(MS)
    flow.client(quic.handshake(60, dcid=SERVER_CID), quic.short(100)).wait(40 * MS).server(quic.short(300, dcid=b""))
    (one,) = report_of(flow.file().getvalue())["quic_connections"]
    assert (one["outcome"], one["names_read"]) == ("established", False)
    if can_open():
        assert (one["setup"], one["rtt"]["initial"]["value_ns"]) == (None, None)


def test_without_the_server_s_first_answer_the_way_to_the_client_is_not_known():
    """So is what the client saw until a frame of the server; what it did itself remains."""
    flow = Flow().client(hello()).wait(40 * MS).server(*answer())
    del flow.frames[-1]
    setup, _ = finish(flow)
    spans = setup["spans"]
    assert [spans[name]["reason"] for name in ("quic", "response", "first_byte")] == [None, "one-sided", "one-sided"]
    assert spans["quic"]["value_ns"] == 41 * MS
