"""Which row a segment finds, and what the fast path must leave to the full one."""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import ends_of, tracked

from handshake_inspect.tcp.transitions import TcpState

OTHER = ("192.0.2.9", 50_000)
OPENING = [frames.syn(), frames.syn_ack(), frames.ack(CLIENT, SERVER, seq=CLIENT_ISN + 1, ack=SERVER_ISN + 1)]


# -- a SYN that waits takes a smaller row, until something follows


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        ({}, True),
        ({"flags": frames.SYN | frames.ECE | frames.CWR}, True),
        ({"flags": frames.SYN | frames.PSH | frames.URG}, True),
        ({"flags": frames.SYN | frames.ACK}, False),
        ({"flags": frames.SYN | frames.FIN}, False),
        ({"flags": frames.SYN | frames.RST}, False),
        ({"payload": b"x"}, False),
        ({"tcp_checksum": "bad"}, False),
    ],
    ids=str,
)
def test_a_plain_syn_that_waits_has_no_row_of_a_connection(words, waits):
    table = tracked(frames.syn(**words))
    assert (table.embryo_count, table.connection_count) == ((1, 0) if waits else (0, 1))
    assert tracked(frames.syn(**words), frames.syn_ack()).connection_count == 1


def test_an_error_is_of_the_connection_that_it_quotes():
    second = frames.syn(OTHER, SERVER, link=frames.raw)
    error = frames.icmp_error(second, code=1)
    table = tracked(frames.syn(), frames.syn_ack(), frames.syn(OTHER, SERVER), error)
    states = [TcpState(table.endpoint_rows[at].state).name for at in range(4)]
    assert states == ["ESTABLISHED", "SYN_RECEIVED", "CLOSED", "CLOSED"]


@pytest.mark.parametrize(
    "change", [{"src": (CLIENT[0], 40_001)}, {"src": ("192.0.2.2", 40_000)}, {"dst": (SERVER[0], 80)}]
)
def test_a_segment_between_other_ends_is_of_another_connection(change):
    stranger = frames.data(b"x" * 10, **({"src": CLIENT, "dst": SERVER} | change))
    table = tracked(*OPENING, stranger)
    assert table.connection_count == 2
    assert table.endpoint_rows[0].bytes == 0


def test_ends_with_one_address_are_distinguished_by_their_ports():
    here, there = (CLIENT[0], 40_000), (CLIENT[0], 443)
    opened = [frames.syn(here, there), frames.syn_ack(there, here), frames.ack(here, there)]
    said = frames.data(b"x" * 10, there, here, seq=SERVER_ISN + 1, ack=CLIENT_ISN + 1)
    client, server = ends_of(*opened, said)
    assert (client.bytes, server.bytes) == (0, 10)


# -- the fast path


def data(size, seq=0, ack=0, back=False, isns=(CLIENT_ISN, SERVER_ISN), **words):
    """Payload of the client, or of the server; numbers count from behind the SYNs."""
    ends, numbers = ((SERVER, CLIENT), isns[::-1]) if back else ((CLIENT, SERVER), isns)
    at = {"seq": (numbers[0] + 1 + seq) & 0xFFFF_FFFF, "ack": (numbers[1] + 1 + ack) & 0xFFFF_FFFF}
    return frames.data(b"x" * size, *ends, **at, **words)


@pytest.mark.parametrize("isn", [1000, 0xFFFF_FF00, 0x7FFF_FF00])
def test_an_older_acknowledgment_does_not_take_back_a_newer_one(isn):
    """A segment of the server was under way when the client's second one came, and was sent before."""
    isns = (isn, SERVER_ISN)
    opened = [frames.syn(seq=isn), frames.syn_ack(ack=(isn + 1) & 0xFFFF_FFFF),
              frames.ack(CLIENT, SERVER, seq=(isn + 1) & 0xFFFF_FFFF, ack=SERVER_ISN + 1)]  # fmt: skip
    said = [data(200, isns=isns), data(200, seq=200, isns=isns)]
    answers = [data(10, ack=200, back=True, isns=isns), data(10, seq=10, ack=400, back=True, isns=isns)]
    _, server = ends_of(*opened, *said, *answers, data(10, seq=20, ack=200, back=True, isns=isns))
    assert server.last_ack == (isn + 401) & 0xFFFF_FFFF
    assert server.bytes == 30


def test_the_longest_payload_is_kept():
    sizes = [100, 1448, 1448, 50, 1400]
    said = [data(size, seq=sum(sizes[:at]), ident=at + 1) for at, size in enumerate(sizes)]
    client, _ = ends_of(*OPENING, data(10, back=True), *said)
    assert client.largest == 1448
    assert client.bytes == sum(sizes)
