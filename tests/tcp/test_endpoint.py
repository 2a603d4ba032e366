"""What one end's row knows from its segments: where its numbers begin, and what came damaged."""

import pytest
from support import frames
from support.detected import SECOND, START, Wire, merged
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import ends_of

from handshake_inspect.tcp.facts import TRAIT_HOLE


@pytest.mark.parametrize(
    ("flags", "seq", "size", "next_seq"),
    [
        (frames.ACK, 5000, 0, 5000),
        (frames.ACK, 5000, 100, 5100),
        (frames.ACK, 0, 100, 100),  # numbers wrap: 0 is one as any other
        (frames.RST, 5000, 0, 5000),
        (frames.RST | frames.ACK, 5000, 0, 5000),
    ],
)
def test_the_first_segment_shows_where_its_end_is(flags, seq, size, next_seq):
    first, _ = ends_of(frames.segment(CLIENT, SERVER, flags, seq=seq, ack=77, payload=b"x" * size))
    assert first.snd_nxt == first.contiguous == next_seq
    assert first.iss == (seq - 1) & 0xFFFF_FFFF


def test_a_rst_that_answers_a_syn_shows_nothing_of_its_sender():
    """Its sequence number is 0, whatever connection it had (RFC 9293 section 3.10.7.1)."""
    _, server = ends_of(
        frames.syn(), frames.segment(SERVER, CLIENT, frames.RST | frames.ACK, seq=0, ack=CLIENT_ISN + 1)
    )
    assert server.snd_nxt == 0


def damaged(frame):
    return frame[:-1] + bytes([frame[-1] ^ 1])


@pytest.mark.parametrize(("size", "missing"), [(0, False), (100, True)])
def test_only_data_that_came_damaged_is_missing(size, missing):
    said = {"src": CLIENT, "dst": SERVER, "seq": CLIENT_ISN + 1, "ack": SERVER_ISN + 1}
    last = frames.data(b"x" * size, **said) if size else frames.ack(options=frames.timestamps(1, 1), **said)
    client, _ = ends_of(frames.syn(), frames.syn_ack(), frames.ack(), damaged(last))
    assert bool(client.traits & TRAIT_HOLE) == missing
    assert client.snd_nxt == CLIENT_ISN + 1 + size


def test_data_on_a_syn_belongs_to_the_connection_that_it_begins():
    """The one before it on these ports counted the segment first."""
    old = Wire(client=("192.0.2.1", 40_000)).handshake().exchange().close()
    new = Wire(client=("192.0.2.1", 40_000), start=START + 300 * SECOND, client_isn=900_000_000, server_isn=7)
    new.client.syn(size=30)
    new.server.syn_ack()
    new.client.ack()
    first, second = merged(old, new)["connections"]
    assert first["client_to_server"]["bytes"] == old.connection()["client_to_server"]["bytes"]
    assert first["client_to_server"]["frames"] == old.connection()["client_to_server"]["frames"]
    assert second["client_to_server"]["bytes"] == 30
