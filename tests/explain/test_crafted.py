"""What no kernel sample shows: crafted segments, and ids in captures full of SYNs that may begin something."""

import io
import random

import pytest
from support.captures import pcap
from support.frames import ACK, CLIENT, CLIENT_ISN, FIN, RST, SERVER, SERVER_ISN, SYN, ack, data, segment, syn, syn_ack

from handshake_inspect import engine
from handshake_inspect.engine.explain import explain
from handshake_inspect.engine.selection import ConnectionQuery
from handshake_inspect.render import Options
from handshake_inspect.render.story import render

STEP = 10_000_000


def capture(frames):
    return io.BytesIO(pcap([(10**15 + number * STEP, frame) for number, frame in enumerate(frames)]))


def marks(*frames):
    """The anomalies of every frame of the one connection."""
    return [
        [mark.id for mark in step.anomalies] for step in explain([capture(frames)], ConnectionQuery(number=0)).steps
    ]


OPENING = [syn(), syn_ack(), ack()]
NEXT = CLIENT_ISN + 1


def test_a_segment_that_was_overtaken():
    later, earlier = data(b"b" * 10, seq=NEXT + 10, ident=8), data(b"a" * 10, seq=NEXT, ident=7)
    opening = [syn(ident=5), syn_ack(), ack(ident=6)]
    assert marks(*opening, later, earlier)[3:] == [["gap"], ["out-of-order", "setup-loss"]]


def test_a_syn_ack_for_another_syn():
    assert marks(syn(), syn_ack(ack=77))[1] == ["bad-syn-ack"]


def test_the_ack_of_a_forgotten_connection_and_its_rebuff():
    stray = segment(flags=ACK, seq=9, ack=77, src=SERVER, dst=CLIENT)
    rebuff = segment(flags=RST, seq=77, ack=0, src=CLIENT, dst=SERVER)
    assert marks(syn(), stray, rebuff) == [[], ["stray-ack"], ["rst-of-stray-answer"]]


def test_copies_of_a_syn_on_a_living_connection_are_shown_where_they_belong():
    again = [syn(seq=77, ident=8 + number) for number in range(3)]
    answer = [syn_ack(seq=9, ack=78), ack(seq=78, ack=10)]
    steps = explain([capture([*OPENING, *again, *answer])], ConnectionQuery(number=1)).steps
    assert [step.frame for step in steps] == [4, 5, 6, 7, 8]
    assert [step.flags for step in steps] == ["S", "S", "S", "S.", "."]
    assert {step.window for step in steps} == {64240}


def test_a_syn_ack_with_another_isn():
    assert marks(syn(), syn_ack(), syn_ack(seq=SERVER_ISN + 9))[2] == ["isn-changed"]


@pytest.mark.parametrize("byte", [-1, 14 + 8], ids=["payload", "TTL"])
def test_a_damaged_segment(byte):
    good, bad = data(b"a" * 10, seq=NEXT, ack=SERVER_ISN + 1), bytearray(data(b"b" * 10, seq=NEXT + 10))
    bad[byte] ^= 0x10
    assert marks(*OPENING, good, bytes(bad), bytes(bad))[4:] == [["bad-checksum"], ["bad-checksum"]]


def test_a_ttl_that_is_not_the_usual_one_is_marked_once():
    near = {"src": SERVER, "dst": CLIENT}
    frames = [syn(), syn_ack(), ack(), *(segment(flags=ACK, seq=SERVER_ISN + 1, ack=NEXT, **near) for _ in range(2))]
    forged = [segment(flags=ACK, seq=SERVER_ISN + 1, ack=NEXT, ttl=243, ident=n, **near) for n in (7, 8)]
    assert [each for each in marks(*frames, *forged) if "other-ttl" in each] == [["other-ttl"]]
    (text,) = (
        mark.text
        for step in explain([capture([*frames, *forged])], ConnectionQuery(number=0)).steps
        for mark in step.anomalies
        if mark.id == "other-ttl"
    )
    assert text.startswith("TTL 243, where the server's own is 64:")


def test_a_state_that_nothing_proves_stands_in_parentheses():
    def page(*frames):
        out = io.BytesIO()
        render(explain([capture(frames)], ConnectionQuery(number=0)), out, Options())
        return out.getvalue().decode()

    assert "(ESTABLISHED)" in page(syn(), syn_ack(), syn_ack())
    assert "(ESTABLISHED)" not in page(syn(), syn_ack(), ack())
    assert "(ESTABLISHED)" not in page(*OPENING[1:])


def test_a_rst_that_comes_twice():
    rst = [segment(flags=RST, seq=NEXT, ack=0, src=CLIENT, dst=SERVER, ident=number) for number in (1, 2)]
    assert marks(*OPENING, *rst)[3:] == [[], ["rst-again"]]


def random_frames(seed):
    """Segments of few 4-tuples, mostly SYNs and what follows them, in any order."""
    dice = random.Random(seed)
    frames = []
    for _ in range(60):
        client, server = (CLIENT[0], dice.randint(40000, 40003)), SERVER
        isn = dice.choice((1000, 70_000, 140_000))
        choice = dice.randrange(10)
        out, back = {"src": client, "dst": server}, {"src": server, "dst": client}
        if choice < 4:
            frames.append(segment(flags=SYN, seq=isn, ack=0, **out))
        elif choice < 6:
            frames.append(segment(flags=SYN | ACK, seq=isn + 5, ack=isn + 1, **back))
        elif choice < 8:
            frames.append(segment(flags=ACK, seq=isn + 1, ack=isn + 6, **out))
        elif choice < 9:
            frames.append(segment(flags=FIN | ACK, seq=isn + 1, ack=isn + 6, **(out if dice.random() < 0.5 else back)))
        else:
            frames.append(segment(flags=RST | ACK, seq=isn + 1, ack=isn + 6, **(out if dice.random() < 0.5 else back)))
    return frames


@pytest.mark.parametrize("seed", range(30))
def test_every_id_is_found_in_one_pass(seed):
    frames = random_frames(seed)
    connections = engine.analyze([capture(frames)]).connections
    for connection in connections:
        story = explain([capture(frames)], ConnectionQuery(number=connection.id))
        assert story.connection == connection
        assert story.steps[0].frame == connection.first_frame
        assert connection.state.client in (story.steps[-1].state.client, "CLOSED")


def test_hostile_bytes_are_explained_or_refused():
    dice = random.Random(7)
    for _ in range(50):
        frames = [bytearray(frame) for frame in random_frames(dice.random())[:12]]
        for frame in frames:
            for _ in range(3):
                frame[dice.randrange(len(frame))] = dice.randrange(256)
        content = capture([bytes(frame) for frame in frames])
        for connection in engine.analyze([content]).connections:
            content.seek(0)
            assert explain([content], ConnectionQuery(number=connection.id)).steps
