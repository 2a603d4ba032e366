"""Which directions a capture holds, and what proves that a missing side sent segments."""

import numpy as np
import pytest
from support.attempts import attempts

from handshake_inspect.tcp import facts as f
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.visibility import FLOWING, blind, half_seen, sees_both, serves_unseen

TWO_SIDED = {"facts": f.FACT_SYN | f.FACT_SYNACK | f.FACT_ACKED, "server": ("198.51.100.9", 443)}


def is_half(facts, seen, *, traits=(0, 0), **ends):
    """Whether one connection is half in the capture, behind one that is there whole."""
    trace = attempts(TWO_SIDED, {"facts": facts, "seen": seen, "traits": traits, "ends": ends})
    return bool(half_seen(trace)[1])


@pytest.mark.parametrize(
    ("facts", "seen", "half"),
    [
        (f.FACT_SYN, (1, 0), False),  # nothing answered it, perhaps
        (f.FACT_SYN | f.FACT_ACKED, (1, 0), True),  # it acknowledged a SYN-ACK
        (f.FACT_SYN | f.FACT_ACKED, (1, 1), False),
        (f.FACT_SYN | f.FACT_SYNACK | f.FACT_ACKED, (1, 0), False),
        (f.FACT_SYNACK | f.FACT_SERVER_PROVED, (0, 1), True),  # the server went on: its SYN-ACK was acknowledged
        (f.FACT_SYNACK, (0, 1), False),  # backscatter
    ],
)
def test_what_proves_the_other_half(facts, seen, half):
    assert is_half(facts, seen) == half


@pytest.mark.parametrize(
    ("ends", "traits", "half"),
    [
        ({}, f.TRAIT_ACKS, True),
        ({"frames": [FLOWING - 1, 0]}, f.TRAIT_ACKS, False),  # a probe
        ({"bytes": [0, 0]}, f.TRAIT_ACKS, False),
        ({"retransmissions": [1, 0]}, f.TRAIT_ACKS, False),  # into the void
        ({}, 0, False),  # it acknowledges nothing
    ],
)
def test_a_direction_that_flows_has_another(ends, traits, half):
    sent = {"frames": [FLOWING, 0], "bytes": [100, 0], "retransmissions": [0, 0]} | ends
    assert is_half(f.FACT_MIDSTREAM, (1, 0), traits=(traits, 0), **sent) == half


def test_a_capture_holds_both_directions_of_something():
    assert sees_both(attempts({"facts": f.FACT_SYN, "seen": (1, 0)}, TWO_SIDED))
    assert not sees_both(attempts({"facts": f.FACT_SYN, "seen": (1, 0)}))
    scattered = {"facts": f.FACT_SYNACK | f.FACT_RST, "seen": (0, 1), "rst_side": 0}
    assert sees_both(attempts(scattered))  # the client's RST to what it never asked for
    assert not sees_both(attempts(scattered | {"rst_side": 1}))


def test_sides_are_those_of_rows():
    trace = attempts({"seen": (1, 0)}, {"seen": (0, 1)}, {"seen": (1, 1)})
    assert np.array_equal(trace.seen_ends, [[True, False], [False, True], [True, True]])


SYN = {"facts": f.FACT_SYN, "seen": (1, 0)}
HALF = {"facts": f.FACT_SYN | f.FACT_ACKED, "seen": (1, 0)}
SERVER_HALF = {"facts": f.FACT_SYNACK | f.FACT_SERVER_PROVED, "seen": (0, 1)}
ELSEWHERE = {"server": ("198.51.100.9", 80)}


@pytest.mark.parametrize(
    ("rows", "blinded"),
    [
        ([SYN, HALF, TWO_SIDED], [True, False, False]),  # the server answered another, and that is not captured
        ([SYN | ELSEWHERE, HALF, TWO_SIDED], [False, False, False]),
        ([SYN | ELSEWHERE, HALF], [True, False]),  # no answers of anybody are captured
        ([SYN, TWO_SIDED], [False, False]),
        ([SYN, SERVER_HALF, TWO_SIDED], [False, False, False]),  # it is a client that is not captured
    ],
)
def test_silence_is_no_verdict_where_answers_are_not_captured(rows, blinded):
    assert blind(attempts(*rows)).tolist() == blinded


def test_one_syn_ack_alone_is_half_a_capture():
    """Unless anything goes both ways: then it is backscatter."""
    scattered = {"facts": f.FACT_SYNACK, "seen": (0, 1)}
    assert half_seen(attempts(scattered)).tolist() == [True]
    assert half_seen(attempts(scattered, TWO_SIDED)).tolist() == [False, False]
    assert half_seen(attempts(SYN)).tolist() == [False]


def test_a_server_of_clients_that_are_not_captured():
    """Its SYN-ACK to one that never asked is no backscatter."""
    alone = {"facts": f.FACT_SYNACK, "seen": (1, 0), "client": 1, "from_": "198.51.100.2", "server": ("192.0.2.50", 9)}

    def serves(*rows):
        return bool(serves_unseen(attempts(alone, *rows), ConnectionRows(np.array([0])))[0])

    assert serves(SERVER_HALF, TWO_SIDED)
    assert not serves(TWO_SIDED)
    assert not serves(HALF, TWO_SIDED)  # of which only the client is captured
    assert not serves(SERVER_HALF | ELSEWHERE, TWO_SIDED)
