"""Milestones of QUIC handshakes, from packet headers."""

import ctypes
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import frames, quic
from support.quic import MS, V1, V2, Flow

from handshake_inspect.quic import quic_rows as q

HELLO = quic.initial(size=1200)


def answered(flow: Flow, rtt: int = 40 * MS, *, hello=HELLO) -> Flow:
    """A handshake of one round trip, up to the client's Finished followed by a request."""
    flow.client(hello).wait(rtt).server(quic.initial(scid=quic.SERVER_CID, dcid=b"", size=200), quic.handshake(900))
    flow.wait(0).server(quic.handshake(600))
    return flow.wait(MS).client(quic.handshake(60, dcid=quic.SERVER_CID), quic.short(120))


def only(flow: Flow):
    (row,) = flow.rows()
    return row


def test_the_milestones_of_one_round_trip():
    flow = answered(Flow())
    flow.wait(40 * MS).server(quic.short(300, dcid=b"")).wait(30 * MS).server(quic.short(500, dcid=b""))
    row = only(flow)
    assert (row.first_frame, row.answer_frame, row.flight_frame, row.finished_frame) == (1, 2, 3, 4)
    assert (row.request_frame, list(row.burst_frame)) == (4, [5, 6, 0, 0])
    assert row.request_last_ns == row.request_ns
    assert row.flags == q.SERVER_INITIAL | q.SERVER_HANDSHAKE | q.CLIENT_HANDSHAKE | q.CLIENT_SHORT | q.SERVER_SHORT
    assert (row.answer_ns - row.first_ns, row.finished_ns - row.first_ns) == (40 * MS, 41 * MS)
    assert (row.client_frames, row.server_frames, row.version) == (2, 4, V1)


@pytest.mark.parametrize("version", [V1, V2, 0xFF00001D])
def test_packet_types_of_each_version(version):
    hello = quic.initial(version=version, size=1200)
    flow = Flow().client(hello, quic.early(200, version=version)).wait(MS)
    flow.server(quic.retry(version=version)).wait(MS)
    flow.client(quic.initial(version=version, dcid=quic.SERVER_CID, token=b"a token", size=1200)).wait(MS)
    flow.server(quic.initial(version=version, dcid=b"", scid=quic.SERVER_CID), quic.handshake(version=version))
    row = only(flow)
    assert (row.early_frame, row.retry_frame, row.second_frame, row.answer_frame, row.flight_frame) == (1, 2, 3, 4, 4)
    assert row.version == version


def test_version_negotiation():
    flow = Flow().client(quic.initial(version=0x0A1A2A3A, size=1200)).wait(MS).server(quic.negotiation(V1, V2))
    flow.wait(MS).client(HELLO)
    row = only(flow)
    assert (row.negotiation_frame, row.second_frame, row.version) == (2, 3, V1)
    assert row.flags & q.NEGOTIATED


@pytest.mark.parametrize("answer", [quic.negotiation(V1, V2), quic.retry()])
def test_a_large_hello_after_version_negotiation(answer):
    """Its second datagram is not taken for an Initial after a Retry."""
    flow = Flow().client(HELLO).wait(MS).server(answer).wait(MS).client(HELLO).client(HELLO)
    row = only(flow)
    assert (row.second_frame, row.third_ns) == (3, 0)


@pytest.mark.parametrize(("gap", "again"), [(0, False), (9 * MS, False), (10 * MS, True), (1000 * MS, True)])
def test_a_large_hello_in_two_datagrams_and_its_retransmission(gap, again):
    row = only(Flow().client(HELLO).wait(gap).client(HELLO))
    assert bool(row.flags & q.INITIAL_AGAIN) == again
    assert row.again_frame == (2 if again else 0)


def test_a_finished_in_its_own_datagram_before_the_request():
    flow = Flow().client(HELLO).wait(MS).server(quic.initial(scid=quic.SERVER_CID), quic.handshake(900))
    flow.wait(MS).client(quic.handshake(30)).wait(5 * MS)  # an acknowledgment
    flow.server(quic.handshake(500)).wait(MS).client(quic.handshake(60)).wait(MS // 10).client(quic.short(100))
    row = only(flow)
    assert (row.finished_frame, row.request_frame) == (5, 6)


def test_an_ack_during_the_server_s_flight_is_not_a_finished():
    flow = Flow().client(HELLO).wait(40 * MS).server(quic.initial(scid=quic.SERVER_CID, dcid=b""), quic.handshake(900))
    flow.wait(MS // 2).client(quic.handshake(40)).wait(MS // 2).server(quic.handshake(600))
    row = only(flow.wait(MS // 2).client(quic.short(90)))
    assert (row.handshake_frame, row.finished_frame) == (3, 5)


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        (quic.initial(size=1199), False),
        (HELLO, True),
        (quic.initial(version=2, size=1200), False),
        (quic.initial(version=0x1A2A3A4A, size=1200), True),
        (quic.retry(version=0x1A2A3A4A) + bytes(1200), True),  # whose types nobody knows (RFC 8999)
        (quic.initial(version=0xFF00001D, size=1200), True),
        (quic.initial(version=0xFF01001D, size=1200), False),
        (quic.handshake(1300), False),
        (quic.early(1300), False),
        (quic.short(1300), False),
        (b"\xc0" + bytes(1300), False),
        (struct.pack(">BI", 0xC0, V1) + b"\x15" + bytes(1300), False),  # a connection ID of 21 bytes
        (quic.initial(size=1200) + quic.early(200), True),
        # In the middle of a handshake: behind an Initial that acknowledges, and what servers send
        (quic.initial(size=300) + quic.handshake(1000), False),
        (quic.initial(size=300) + quic.short(1000), False),
        (quic.initial(dcid=b"", size=1200), False),
        (quic.initial(dcid=bytes(7), size=1200), False),  # RFC 9000 section 7.2
    ],
)
def test_datagrams_that_begin_a_connection(payload, begins):
    assert len(Flow().client(payload).rows()) == begins


@pytest.mark.parametrize(("ports", "begins"), [((443, 50000), False), ((50000, 443), True), ((4433, 50000), True)])
def test_a_datagram_from_a_system_port_begins_no_connection(ports, begins):
    """The client's first Initial is missing from the capture."""
    assert len(Flow(("192.0.2.1", ports[0]), ("198.51.100.2", ports[1])).client(HELLO).rows()) == begins


@pytest.mark.parametrize("behind", [quic.handshake(1000), quic.short(1000)])
def test_an_initial_with_coalesced_packets_was_answered(behind):
    """It is not a retransmission of the first one, though the answer is missing from the capture."""
    row = only(Flow().client(HELLO).wait(50 * MS).client(quic.initial(quic.acknowledge(), size=200) + behind))
    assert not row.flags & q.INITIAL_AGAIN


def test_a_retransmitted_answer_is_not_a_second_answer():
    flow = answered(Flow())
    flow.frames.insert(2, flow.frames[1])
    assert only(flow).answer_frame == 2


def test_a_stall_at_the_amplification_limit():
    flow = Flow().client(HELLO).wait(40 * MS)
    for _ in range(3):
        flow.server(quic.handshake(1150, scid=quic.SERVER_CID), least=1200)
    flow.frames[1] = (flow.now, flow.frames[1][1])
    flow.server(quic.initial(scid=quic.SERVER_CID, size=100))
    flow.wait(MS).client(quic.initial(dcid=quic.SERVER_CID, pn=1, size=1200))
    flow.wait(39 * MS).server(quic.handshake(1150))
    row = only(flow)
    assert (row.stalls, row.stall_ns[0], row.stall_frame[0]) == (1, 40 * MS, 7)


def stalled(*, sent=2100, pause=20 * MS, proved=None):
    """A server 40 ms away that sent `sent` bytes, and continues after a pause ended by a client datagram."""
    flow = Flow().client(HELLO).wait(40 * MS).server(quic.initial(scid=quic.SERVER_CID, size=1000))
    if proved is not None:
        flow.client(quic.handshake(60)).wait(proved)
    flow.server(quic.handshake(sent - 1100), least=sent - 1000)
    again = quic.initial(dcid=quic.SERVER_CID, pn=1, size=1200)
    flow.wait(MS).client(again).wait(pause - MS).server(quic.handshake(900))
    row = only(flow)
    return [each / MS for each in row.stall_ns[: row.stalls]]


def test_a_pause_of_half_a_round_trip_near_the_limit_is_a_stall():
    """The limit is three times 1200 bytes (RFC 9000 section 8.1), less one datagram."""
    assert stalled() == [20]
    assert stalled(sent=2099) == []
    assert stalled(pause=19 * MS) == []
    assert stalled(sent=2500, proved=40 * MS) == []  # a Handshake packet proves the client's address
    assert stalled(sent=2500, proved=5 * MS) == [20]  # once the server has it


def test_datagrams_in_flight_to_the_server_do_not_raise_the_limit():
    """Captured at the client: its answer of 1200 bytes to the first datagram crosses the second and third."""
    flow = Flow().client(HELLO).wait(40 * MS).server(quic.initial(scid=quic.SERVER_CID, size=1200))
    flow.client(quic.initial(dcid=quic.SERVER_CID, pn=1, size=1200), quic.handshake(60)).wait(8 * MS)
    flow.server(quic.handshake(1150)).server(quic.handshake(1150)).wait(32 * MS).server(quic.handshake(900))
    row = only(flow)
    assert [each / MS for each in row.stall_ns[: row.stalls]] == [32]


def test_a_pause_captured_at_the_server():
    """There the first answer is immediate, and does not measure the network."""
    flow = Flow().client(HELLO).wait(2 * MS)
    for _ in range(3):
        flow.server(quic.handshake(1150, scid=quic.SERVER_CID), least=1200)
    flow.frames[1] = (flow.now, flow.frames[1][1])
    flow.server(quic.initial(scid=quic.SERVER_CID, size=100)).wait(40 * MS)
    flow.client(quic.initial(dcid=quic.SERVER_CID, pn=1, size=1200))
    flow.server(quic.handshake(1150)).wait(2 * MS)
    flow.client(quic.initial(dcid=quic.SERVER_CID, pn=2, size=1200)).server(quic.handshake(1150))
    row = only(flow)
    assert [each / MS for each in row.stall_ns[: row.stalls]] == [40]


@pytest.mark.parametrize(("size", "counts"), [(59, 0), (60, 1)])
def test_ack_only_packets_are_neither_request_nor_response(size, counts):
    flow = answered(Flow().client(HELLO)).wait(50 * MS)
    row = only(flow)
    flow.server(quic.short(size, dcid=b"")).wait(MS).client(quic.short(size))
    later = only(flow)
    assert later.bursts - row.bursts == counts
    assert (later.request_last_ns - row.request_last_ns > 0) == bool(counts)


@pytest.mark.parametrize(("gap", "bursts"), [(2 * MS - 1, 1), (2 * MS, 2)])
def test_packets_less_than_2_ms_apart_are_one_burst(gap, bursts):
    flow = answered(Flow()).wait(50 * MS).server(quic.short(100, dcid=b"")).wait(gap).server(quic.short(100, dcid=b""))
    row = only(flow)
    assert row.bursts == bursts
    assert row.burst_frame[0] == 5


def test_a_datagram_without_the_fixed_bit_moves_no_connection():
    """RFC 9000 section 17.3.1: such a datagram is no QUIC packet, even with a known connection ID."""
    flow = answered(Flow())
    flow.client(b"\0" + quic.short(100)[1:], src=("203.0.113.9", 61000))
    assert only(flow).moved == 0


def test_a_moved_client_is_found_by_the_connection_id():
    flow = answered(Flow()).wait(MS).client(quic.short(100), src=("192.0.2.77", 61000))
    flow.wait(MS).server(quic.short(100, dcid=b""), dst=("192.0.2.77", 61000))
    row = only(flow)
    assert (row.moved, row.moved_port, row.client_frames, row.server_frames) == (1, 61000, 3, 3)
    assert len(answered(Flow()).client(quic.short(100, dcid=b"\x99" * 8), src=("192.0.2.77", 61000)).rows()) == 1


def test_port_reuse_begins_another_connection():
    flow = answered(Flow())
    answered(flow.wait(1000 * MS), hello=quic.initial(dcid=b"\x55" * 8, size=1200))
    first, second = flow.rows()
    assert (first.client_frames, second.client_frames, second.first_frame) == (2, 2, 5)


def test_errors_from_both_sides():
    row = only(Flow().client(HELLO).wait(7 * MS).error())
    assert (row.flags & q.ICMP_ERROR, row.icmp_frame, row.icmp_type, row.icmp_code) == (q.ICMP_ERROR, 2, 3, 3)
    row = only(answered(Flow()).wait(MS).server(quic.short(100)).error())
    assert (row.flags & q.CLIENT_GONE, row.icmp_ns) == (q.CLIENT_GONE, 0)


def test_the_oldest_are_evicted():
    flow = Flow()
    for port in range(40):
        flow.put(("192.0.2.1", 1024 + port), flow.ends[1], HELLO)
    table = flow.pump(limit=16).quic.table
    rows = [row for row in table.row_storage[: table.count] if row.in_use]
    assert (len(rows), table.evicted) == (16, 24)
    assert {row.client_port for row in rows} == set(range(1048, 1064))


def spinning(flow: Flow, trips: int, rtt: int = 40 * MS) -> Flow:
    """One packet per side and round trip, captured half way: the client inverts the bit, the server echoes it."""
    for trip in range(trips):
        spin = 1 - trip % 2
        flow.client(quic.short(100, spin=spin)).wait(rtt // 2).server(quic.short(100, dcid=b"", spin=spin)).wait(
            rtt // 2
        )
    return flow


def test_the_spin_bit_of_both_sides():
    row = only(spinning(answered(Flow()).wait(MS), 3))
    assert (row.client_edges, row.server_edges, row.spin_ns) == (2, 2, 40 * MS)


def test_a_reordered_packet_is_not_a_spin_bit_edge():
    flow = answered(Flow()).wait(MS)
    flow.client(quic.short(100, spin=1)).wait(MS).client(quic.short(100, spin=0)).wait(MS)
    flow.client(quic.short(100, spin=1)).server(quic.short(100, dcid=b"", spin=1))
    row = only(flow)
    assert (row.client_edges, row.server_edges) == (1, 1)


def test_a_constant_spin_bit_gives_no_round_trip():
    flow = answered(Flow())
    for _ in range(4):
        flow.wait(MS).client(quic.short(100, spin=1)).wait(MS).server(quic.short(100, dcid=b""))
    row = only(flow)
    assert (row.client_edges, row.server_edges, row.spin_ns) == (1, 0, 0)


def test_many_migrations_and_connections_of_one_server():
    """Each is found by its connection ID after migrations, and no longer after eviction."""
    flow = Flow()
    for port in range(40):
        cid = bytes([0x50 + port]) * 8
        flow.put(("192.0.2.1", 1024 + port), flow.ends[1], HELLO)
        flow.put(flow.ends[1], ("192.0.2.1", 1024 + port), quic.initial(scid=cid, dcid=b"", size=200))
        flow.put(("192.0.2.1", 1024 + port), flow.ends[1], quic.short(120, dcid=cid))
    for port in range(40):
        for move in range(3):
            cid = bytes([0x50 + port]) * 8
            flow.put((f"192.0.2.{10 + move}", 1024 + port), flow.ends[1], quic.short(120, dcid=cid))
    every = flow.rows()
    assert [row.moved for row in every] == [3] * 40
    assert [row.client_frames for row in every] == [5] * 40
    left = flow.rows(limit=16)
    assert sorted((row.client_port, row.moved) for row in left) == [(port, 3) for port in range(1048, 1064)]


PACKETS = st.sampled_from([
    HELLO, quic.handshake(300), quic.short(200), quic.early(), quic.retry(), quic.negotiation(V1),
    quic.initial(scid=quic.SERVER_CID, version=V2), b"", b"\0" * 40,
])  # fmt: skip
DATAGRAMS = st.lists(
    st.tuples(
        st.booleans(), st.lists(PACKETS, max_size=3), st.binary(max_size=6), st.integers(0, 1400), st.integers(0, 50)
    ),
    max_size=8,
)


@given(DATAGRAMS)
def test_any_datagrams(datagrams):
    flow = Flow().client(HELLO)
    for from_server, packets, noise, cut, gap in datagrams:
        payload = (b"".join(packets) + noise)[: cut or None]
        (flow.server if from_server else flow.client)(payload).wait(gap * MS)
    for row in flow.rows():
        assert row.client_frames + row.server_frames <= len(flow.frames)
        assert row.bursts <= q.BURSTS
        assert row.kept_count <= 6


def test_rows_are_multiples_of_8_bytes():
    assert ctypes.sizeof(q.Quic) % 8 == 0


@pytest.mark.parametrize(
    "link",
    [frames.vlan, frames.qinq, lambda packet: frames.ethernet(frames.ipv4("203.0.113.1", "203.0.113.2", 4, packet))],
)
def test_a_flow_in_vlan_tags_or_a_tunnel(link):
    """VLAN tags, and a tunnel that only the slow decoder reads."""
    flow = answered(Flow())
    flow.frames = [(ns, link(frame[14:])) for ns, frame in flow.frames]
    row = only(flow)
    assert (row.answer_frame, row.finished_frame, row.kept_count) == (2, 4, 2)


# Loss inside of flights: a timer sends again what nobody acknowledged (RFC 9002 section 6.2)

FIRST = quic.initial(scid=quic.SERVER_CID, dcid=b"", size=200), quic.handshake(900)
PROBE = quic.initial(dcid=quic.SERVER_CID, size=1200)
FINISHED = quic.handshake(60, dcid=quic.SERVER_CID)


def losses(flow: Flow):
    row = only(flow)
    made_by = row.losses | row.losses // q.BY_SERVER
    assert made_by % q.BY_SERVER == (1 << row.stalls) - 1
    return [(row.stall_ns[i] / MS, row.stall_frame[i]) for i in range(row.stalls)]


def begun(rtt: int = 40 * MS) -> Flow:
    return Flow().client(HELLO).wait(rtt).server(*FIRST)


def test_a_retransmitted_server_flight():
    assert losses(begun().wait(200 * MS).server(*FIRST)) == [(200, 3)]
    assert losses(begun().wait(200 * MS).server(*FIRST).wait(400 * MS).server(*FIRST)) == [(600, 4)]


@pytest.mark.parametrize(("rtt", "pause", "found"), [(40, 19, 0), (40, 20, 1), (2, 9, 0), (2, 10, 1)])
def test_a_retransmission_timeout_is_half_a_round_trip_and_at_least_10_ms(rtt, pause, found):
    flow = begun(rtt * MS).wait(pause * MS).server(*FIRST)
    assert len(losses(flow)) == found


@pytest.mark.parametrize("answers", [[], [quic.retry()], [quic.negotiation(V1, V2), quic.retry()]])
@pytest.mark.parametrize(("pause", "found"), [(19, 0), (20, 1)])
def test_the_round_trip_is_that_of_the_answered_initial(answers, pause, found):
    """Not that of the one answered by Version Negotiation or Retry."""
    flow = Flow().client(HELLO)
    for answer in answers:
        flow.wait(40 * MS).server(answer).client(HELLO)
    flow.wait(40 * MS).server(*FIRST).wait(pause * MS).server(*FIRST)
    assert len(losses(flow)) == found


@pytest.mark.parametrize(
    "later",
    [
        lambda flow: flow.client(PROBE).wait(40 * MS).server(*FIRST),  # answers the client
        lambda flow: flow.server(quic.handshake(900)),  # a server that computes goes on with Handshake packets
        lambda flow: flow.client(FINISHED, quic.short(100)).wait(40 * MS).server(*FIRST),  # later than the handshake
        lambda flow: flow.client(FINISHED, quic.short(100)).server(quic.short(100)).wait(40 * MS).server(*FIRST),
    ],
    ids=["an answer", "the rest of the flight", "after Finished", "long after Finished"],
)
def test_server_datagrams_that_are_no_retransmissions(later):
    assert losses(later(begun().wait(50 * MS))) == []


def test_a_client_that_lacks_the_rest_of_the_flight():
    flow = begun().wait(MS).client(PROBE).wait(150 * MS).client(PROBE)
    assert losses(flow) == [(150, 4)]
    assert losses(begun().wait(150 * MS).client(PROBE)) == []  # the first thing that it says to the answer


def test_a_retransmitted_client_finished():
    flow = begun().wait(MS).client(FINISHED).wait(60 * MS).client(FINISHED, quic.short(100))
    assert losses(flow) == []  # it acknowledged, and then checked certificates
    assert losses(flow.wait(180 * MS).client(FINISHED)) == [(180, 5)]


def test_losses_of_both_sides():
    flow = begun().wait(100 * MS).server(*FIRST).wait(MS).client(FINISHED, quic.short(100))
    assert losses(flow.wait(150 * MS).client(FINISHED)) == [(100, 3), (150, 5)]
