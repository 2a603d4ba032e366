"""Lookups are found in captures of any link type and IP version."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import frames, quic
from support.captures import pcap
from support.dns import answer, query

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.dns.streams import MAX_LATER, MAX_STREAMS
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp.tracker import Tracker

CLIENT, RESOLVER = ("192.0.2.1", 40000), ("192.0.2.53", 53)


def pumped(*taken: bytes, reads: bool = True) -> Pump:
    """Pump frames 20 ms apart."""
    pump = Pump(Tracker(16))
    pump.tracker.reads = reads
    with open_trace(
        [io.BytesIO(pcap([(1_000_000_000 + 20_000_000 * i, one) for i, one in enumerate(taken)]))]
    ) as source:
        pump_all(source, pump)
    return pump


def in_stream(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


@pytest.mark.parametrize(
    ("cut", "found"),
    [(None, [("a.example", True), ("b.example", True)]), (-1, [("a.example", True), ("b.example", False)])],
)
def test_lookups_over_tcp(cut, found):
    asked = frames.data(in_stream(query("a.example"), query("b.example", number=8)), src=CLIENT, dst=RESOLVER)
    said = in_stream(answer("a.example", records=[]), answer("b.example", number=8, records=[]))[:cut]
    lookups = pumped(asked, frames.data(said, src=RESOLVER, dst=CLIENT)).lookups.all()
    assert [(each.name, each.rcode == 0) for each in lookups] == found


def pieces(stream, size):
    """Segments of the resolver of `size` bytes; the last one comes 20 ms after the previous one."""
    return [
        frames.data(stream[at : at + size], src=RESOLVER, dst=CLIENT, seq=frames.SERVER_ISN + 1 + at)
        for at in range(0, len(stream), size)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 40, 200, 10_000])
def test_an_answer_in_several_segments(size):
    """Its length may be in a segment of its own; the answer arrives with its last byte."""
    asked = frames.data(in_stream(query("a.example"), query("b.example", number=8)), src=CLIENT, dst=RESOLVER)
    said = in_stream(answer("a.example", records=[]), answer("b.example", number=8, records=[]))
    parts = pieces(said, size)
    lookups = pumped(asked, *parts).lookups.all()
    assert [(each.name, each.rcode) for each in lookups] == [("a.example", 0), ("b.example", 0)]
    assert lookups[1].answer_frame == 1 + len(parts)


def test_a_retransmitted_or_missing_part_of_an_answer():
    asked = frames.data(in_stream(query("a.example")), src=CLIENT, dst=RESOLVER)
    first, second, *others = pieces(in_stream(answer("a.example", records=[])), 10)
    (found,) = pumped(asked, first, first, second, *others).lookups.all()
    assert found.rcode == 0
    (found,) = pumped(asked, first, *others).lookups.all()
    assert found.rcode == -1


@pytest.mark.parametrize("order", [(1, 0), (1, 2, 0), (2, 1, 0), (0, 2, 1), (0, 0, 2, 1), (0, 2, 1, 1), (2, 0, 1)])
def test_parts_of_an_answer_that_are_captured_in_another_order(order):
    """The second answer stands in the last part, and ends with it; it waits for nothing but itself."""
    asked = frames.data(in_stream(query("a.example"), query("b.example", number=8)), src=CLIENT, dst=RESOLVER)
    said = in_stream(answer("a.example", records=[]), answer("b.example", number=8, records=[]))
    parts = pieces(said, len(said) // (max(order) + 1) + 1)
    lookups = pumped(asked, *(parts[at] for at in order)).lookups
    assert sorted((each.name, each.rcode) for each in lookups.all()) == [("a.example", 0), ("b.example", 0)]
    assert lookups.all()[1].answer_frame <= 1 + len(order)


def test_an_answer_behind_a_part_that_never_comes():
    asked = frames.data(in_stream(query("a.example"), query("b.example", number=8)), src=CLIENT, dst=RESOLVER)
    first, second = (in_stream(answer(name, number=n, records=[])) for name, n in (("a.example", 7), ("b.example", 8)))
    parts = pieces(first + second, len(first) - 5)
    begun = parts[0]
    whole = frames.data(second, src=RESOLVER, dst=CLIENT, seq=frames.SERVER_ISN + 1 + len(first))
    lookups = pumped(asked, begun, whole).lookups.all()
    assert {each.name: each.rcode for each in lookups} == {"a.example": -1, "b.example": 0}


@pytest.mark.parametrize("step", [20, -20], ids=["ascending", "descending"])
def test_a_stream_takes_no_more_than_so_many_parts_out_of_order(step):
    begun = [
        frames.data(b"\xff\xff" + bytes(8), src=CLIENT, dst=RESOLVER, seq=9000 + step * at)
        for at in range(MAX_LATER + 9)
    ]
    (stream,) = pumped(*begun).lookups.streams.begun.values()
    assert len(stream.later) == MAX_LATER


def test_streams_are_bounded():
    begun = [frames.data(b"\xff\xff" + bytes(20), src=("192.0.2.1", 1000 + at), dst=RESOLVER) for at in range(300)]
    assert len(pumped(*begun).lookups.streams.begun) == MAX_STREAMS


def test_a_truncated_answer_is_retried_over_tcp():
    taken = [
        frames.udp(CLIENT, RESOLVER, query()), frames.udp(RESOLVER, CLIENT, answer(flags=0x8380)),
        frames.data(in_stream(query(number=9)), src=("192.0.2.1", 40001), dst=RESOLVER),
        frames.data(in_stream(answer(number=9)), src=RESOLVER, dst=("192.0.2.1", 40001)),
    ]  # fmt: skip
    (found,) = pumped(*taken).lookups.all()
    assert (found.queries, found.answer_frame, len(found.addresses)) == (2, 4, 1)


@given(st.binary(max_size=80))
def test_any_bytes_over_tcp(stream):
    assert len(pumped(frames.data(stream, src=CLIENT, dst=RESOLVER)).lookups) <= len(stream) // 14


def test_payload_is_not_parsed_without_set_up():
    hello = quic.initial(size=1200)
    taken = [frames.udp(CLIENT, RESOLVER, query()), frames.udp(CLIENT, ("192.0.2.9", 443), hello)]
    taken.append(frames.data(in_stream(query()), src=CLIENT, dst=RESOLVER))
    pump, unread = pumped(*taken), pumped(*taken, reads=False)
    assert (len(pump.lookups), pump.quic.table.count) == (1, 1)
    assert (len(unread.lookups), unread.quic.table.count, unread.tcp_segments) == (0, 0, 1)


@pytest.mark.parametrize(
    ("client", "resolver"), [(("192.0.2.1", 40000), ("192.0.2.53", 53)), (("2001:db8::1", 40000), ("2001:db8::53", 53))]
)
def test_a_lookup_in_a_capture(client, resolver):
    asked, answered = frames.udp(client, resolver, query()), frames.udp(resolver, client, answer())
    pump = Pump(Tracker(16))
    with open_trace([io.BytesIO(pcap([(1_000_000_000, asked), (1_020_000_000, answered)]))]) as source:
        pump_all(source, pump)
    (found,) = pump.lookups.all()
    assert (found.name, found.answer_ns - found.first_ns, found.answer_frame) == ("www.example.org", 20_000_000, 2)
    assert found.addresses == (bytes(10) + b"\xff\xff" + frames.address("198.51.100.2"),)
    assert found.client == frames.address(client[0]).rjust(16, b"\0") or found.client.endswith(
        frames.address(client[0])
    )
