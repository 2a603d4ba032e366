"""What one end's row knows from its segments: where its numbers begin, and what came damaged."""

import pytest
from support import frames
from support.detected import SECOND, START, Wire, merged
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import ends_of

from handshake_inspect.tcp.facts import TRAIT_FIN, TRAIT_HOLE, TRAIT_IP_ID_VARIES, TRAIT_TSVAL_VARIES
from handshake_inspect.tcp.transitions import TcpState


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


def test_nor_does_it_where_its_sender_has_acknowledged_numbers():
    _, server = ends_of(frames.ack(), frames.rst(seq=0))
    assert (server.snd_nxt, server.contiguous) == (SERVER_ISN + 1, SERVER_ISN + 1)


@pytest.mark.parametrize("later", [-100, 0, 100, 5000])
def test_only_the_first_segment_says_where_an_end_begins(later):
    said = {"src": CLIENT, "dst": SERVER, "flags": frames.ACK, "ack": 77, "payload": b"x" * 100}
    client, _ = ends_of(frames.segment(**said, seq=5000, ttl=64), frames.segment(**said, seq=5000 + later, ttl=40))
    assert (client.iss, client.ttl, client.snd_nxt) == (4999, 64, max(5100, 5100 + later))


@pytest.mark.parametrize("flags", [frames.ACK, frames.ACK | frames.FIN])
@pytest.mark.parametrize("ack", [300, 1 << 30])
@pytest.mark.parametrize("count", [1, 2])
def test_what_a_server_sent_before_its_syn_ack_was_of_an_older_connection(count, ack, flags):
    """It challenged the SYN, or went on with what it had, bytes missing and all (RFC 9293 section 3.5.1)."""
    old = [frames.segment(SERVER, CLIENT, flags, seq=at, ack=ack, payload=b"x" * 10) for at in (70_000, 70_500)]
    _, server = ends_of(frames.syn(), *old[:count], frames.syn_ack())
    assert server.traits & (TRAIT_FIN | TRAIT_HOLE) == 0
    assert (server.snd_nxt, server.last_ack, server.hole_start) == (SERVER_ISN + 1, CLIENT_ISN + 1, server.hole_end)


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


# -- what a SYN and a SYN-ACK offer


def offer(size, shift, flags=0, **words):
    options = frames.mss(size) + (frames.nop() + frames.window_scale(shift) if shift is not None else b"")
    return {"options": options, "flags": frames.SYN | flags} | words


def test_what_is_kept_of_a_syn():
    client, _ = ends_of(frames.syn(**offer(1380, 9, ttl=61, ident=77)), frames.syn_ack())
    assert (client.iss, client.snd_nxt, client.contiguous) == (CLIENT_ISN, CLIENT_ISN + 1, CLIENT_ISN + 1)
    assert (client.mss, client.window_scale) == (1380, 9)
    assert (client.ttl, client.syn_ttl, client.syn_ip_id, client.ip_id) == (61, 61, 77, 77)


def test_what_is_kept_of_a_syn_ack():
    _, server = ends_of(frames.syn(), frames.syn_ack(**offer(1380, 9, frames.ACK, window=4000, ttl=61, ident=77)))
    assert (server.iss, server.snd_nxt, server.contiguous) == (SERVER_ISN, SERVER_ISN + 1, SERVER_ISN + 1)
    assert (server.mss, server.window_scale, server.syn_window, server.window) == (1380, 9, 4000, 4000)
    assert (server.ttl, server.syn_ttl, server.syn_ip_id, server.ip_id) == (61, 61, 77, 77)


@pytest.mark.parametrize(
    ("mine", "other", "shift"), [(7, 3, 7), (14, 0, 14), (15, 0, 14), (7, None, 0), (None, 7, 0), (0, 7, 0)]
)
def test_windows_are_scaled_where_both_ends_offer_it(mine, other, shift):
    """RFC 7323 section 2.2; a shift of more than 14 is taken for 14 (section 2.3), and the SYN's is never scaled."""
    opening = [frames.syn(**offer(1460, mine)), frames.syn_ack(**offer(1460, other, frames.ACK))]
    assert ends_of(*opening)[1].window == 64240
    client, _ = ends_of(*opening, frames.ack(CLIENT, SERVER, seq=CLIENT_ISN + 1, ack=SERVER_ISN + 1, window=500))
    assert client.window == 500 << shift


SAID = {"src": CLIENT, "dst": SERVER, "seq": CLIENT_ISN + 1, "ack": SERVER_ISN + 1}
OPENING = [frames.syn(), frames.syn_ack(), frames.ack(**SAID)]


@pytest.mark.parametrize(("windows", "count"), [([1, 0, 0, 1, 0], 3), ([1, 2], 0), ([0], 1)])
def test_windows_of_zero_are_counted(windows, count):
    acks = [frames.ack(**SAID, window=window, ident=at + 1) for at, window in enumerate(windows)]
    assert ends_of(frames.syn(), frames.syn_ack(), *acks)[0].zero_windows == count


# -- marks that tell packets of one sender apart


def sends(**marks):
    """A segment of the client for each of these marks, one behind the other."""
    ((name, values),) = marks.items()
    built = []
    for at, value in enumerate(values):
        word = {"ident": value} if name == "ident" else {"options": frames.timestamps(value, 1)}
        built.append(frames.data(b"x", **SAID | {"seq": CLIENT_ISN + 1 + at} | word))
    return ends_of(frames.syn(), frames.syn_ack(), *built)[0]


@pytest.mark.parametrize(
    ("values", "newest", "varies"),
    [
        ([5, 5], 5, False),
        ([5, 6], 6, True),
        ([6, 5], 6, True),
        ([0xFFFF_FFFF, 1], 1, True),
        ([1, 0xFFFF_FFFF], 1, True),
    ],
)
def test_the_newest_timestamp(values, newest, varies):
    """They wrap (RFC 7323 section 5.2)."""
    client = ends_of(
        frames.syn(options=frames.timestamps(values[0], 0)), frames.syn_ack(options=frames.timestamps(1, values[0])),
        *(frames.data(b"x", **SAID | {"seq": CLIENT_ISN + 1 + at}, options=frames.timestamps(value, 1))
          for at, value in enumerate(values)),
    )[0]  # fmt: skip
    assert (client.tsval, bool(client.traits & TRAIT_TSVAL_VARIES)) == (newest, varies)


@pytest.mark.parametrize(
    ("values", "newest", "varies"),
    [
        ([7, 7], 7, False), ([7, 8], 8, True), ([8, 7], 8, True), ([0xFFFF, 1], 1, True), ([1, 0], 1, False),
        ([0, 3], 3, False), ([1, 0x8000], 0x8000, True), ([1, 0x8001], 1, True),
    ],
)  # fmt: skip
def test_the_newest_ip_identification(values, newest, varies):
    """0 is none: of packets that are never fragmented it may mean nothing (RFC 6864 section 4.1)."""
    client = sends(ident=values)
    assert (client.ip_id, bool(client.traits & TRAIT_IP_ID_VARIES)) == (newest, varies)


# -- what an end acknowledges


@pytest.mark.parametrize(("acks", "highest"), [([1], 1), ([101, 51], 101), ([51, 101], 101)])
def test_the_highest_acknowledgment_is_kept(acks, highest):
    said = frames.data(b"x" * 100, **SAID)
    answers = [frames.ack(SERVER, CLIENT, seq=SERVER_ISN + 1, ack=CLIENT_ISN + number, ident=number) for number in acks]
    assert ends_of(*OPENING, said, *answers)[1].last_ack == CLIENT_ISN + highest


def test_what_is_acknowledged_was_sent_though_the_capture_lacks_it():
    answer = frames.ack(SERVER, CLIENT, seq=SERVER_ISN + 1, ack=CLIENT_ISN + 301)
    client, _ = ends_of(*OPENING, frames.data(b"x" * 100, **SAID), answer)
    assert (client.snd_nxt, client.contiguous) == (CLIENT_ISN + 301, CLIENT_ISN + 301)
    assert (client.hole_start, client.hole_end) == (CLIENT_ISN + 101, CLIENT_ISN + 301)
    assert not client.traits & TRAIT_HOLE


# -- keep-alives (RFC 9293 section 3.8.4)


@pytest.mark.parametrize(
    ("words", "keeps_alive"),
    [
        ({}, True),
        ({"payload": b"x"}, True),
        ({"payload": b"xx"}, False),
        ({"seq": CLIENT_ISN + 99}, False),
        ({"seq": CLIENT_ISN + 101}, False),
        ({"flags": frames.FIN | frames.ACK}, False),
    ],
)
@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_keep_alive_is_one_byte_below_what_the_peer_has(words, keeps_alive, acknowledged):
    said = [frames.data(b"x" * 100, **SAID)]
    if acknowledged:
        said.append(frames.ack(SERVER, CLIENT, seq=SERVER_ISN + 1, ack=CLIENT_ISN + 101))
    probe = frames.ack(**SAID | {"seq": CLIENT_ISN + 100, "ident": 5} | words)
    client, _ = ends_of(*OPENING, *said, (2 * SECOND, probe))
    assert client.keep_alives == (keeps_alive and acknowledged)


# -- fragments: the first one says less than the segment held


@pytest.mark.parametrize("fin", [False, True])
def test_the_rest_of_a_segment_in_later_fragments(fin):
    flags = frames.ACK | (frames.FIN if fin else 0)
    whole = frames.data(b"x" * 1000, **SAID, flags=flags, link=frames.raw, dont_fragment=False, ident=3)
    body = whole[20:]  # behind the IP header

    def part(start, end, more):
        words = {"ident": 3, "dont_fragment": False, "more_fragments": more, "fragment_offset": start}
        return frames.ethernet(frames.ipv4(CLIENT[0], SERVER[0], 6, body[start:end], **words))

    client, server = ends_of(*OPENING, part(0, 520, True), part(520, 1020, False))
    beyond = CLIENT_ISN + 1001 + fin
    assert (client.bytes, client.snd_nxt, client.contiguous) == (1000, beyond, beyond)
    assert client.fin_seq == (beyond if fin else 0)
    assert TcpState(server.state).name == ("CLOSE_WAIT" if fin else "ESTABLISHED")


@pytest.mark.parametrize(("behind", "copies"), [(0, 1), (1, 1), (3, 1)])
def test_a_copy_may_be_stored_behind_later_packets(behind, copies):
    said = [frames.data(b"x", **SAID | {"seq": CLIENT_ISN + 1 + at}, ident=at + 1) for at in range(behind + 1)]
    assert ends_of(*OPENING, *said, said[0])[0].duplicates == copies
