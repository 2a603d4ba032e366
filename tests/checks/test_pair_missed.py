"""What one of two captures missed, though it passed there, is neither lost nor made between."""

import random
import re
from io import BytesIO

import pytest
from support.paths import MS, START, Box, Path, talk

from handshake_inspect.checks.pair import pair_captures
from handshake_inspect.engine.segment_columns import segment_columns
from handshake_inspect.render import FORMATS, Options

SECOND = 1000 * MS
BOXES = [Box(), Box(client=("203.0.113.9", 1000)), Box(client_isn_shift=7, server_isn_shift=2**31, mss=1380)]


def joined(path, wanted=None):
    files, _ = path.captures()
    return pair_captures(*(segment_columns([file]) for file in files), wanted)


def traffic(path, *, stamps=True):
    """Nothing is lost on the way."""
    talk(path, port=50_000, began=START - 3 * SECOND, isns=(77, 88), loss=0, rounds=3, stamps=stamps)
    for number in range(5):
        isns, began = (1000 + number * 7919, 500_000 + number * 104_729), START + number * 10 * MS
        talk(path, port=40_000 + number, began=began, isns=isns, loss=0, rounds=30, stamps=stamps)
    talk(path, port=50_001, began=START + 60 * SECOND, isns=(771, 881), loss=0, rounds=3, stamps=stamps)


@pytest.mark.parametrize("stamps", [True, False], ids=["timestamps", "no timestamps"])
@pytest.mark.parametrize("box", BOXES, ids=["a router", "NAT", "other sequence numbers"])
@pytest.mark.parametrize("point", ["a", "b"])
def test_a_capture_that_misses_one_in_twenty(point, box, stamps):
    path = Path(box=box, seed=3)
    traffic(path, stamps=stamps)
    chance = random.Random(1)
    path.miss(point, lambda _: chance.random() < 0.05)
    found = joined(path)
    ways = found.summary.a_to_b, found.summary.b_to_a
    assert [(way.lost, way.born) for way in ways] == [(0, 0), (0, 0)]
    far, near = (ways[1], ways[0]) if point == "a" else ways
    assert far.not_captured + far.undecided == far.sent - far.arrived > 5
    assert near.missed > 5
    assert {each.fate for each in found.alone} <= {"undecided"}
    assert {each.syn for each in found.connections} == {"arrived"}


def test_what_was_lost_is_still_lost_where_a_capture_missed_nothing_of_it():
    """Frames of a second are missing in B; what the path loses before and after is found."""
    path = Path(seed=5)
    talk(path, port=50_000, began=START - 3 * SECOND, isns=(77, 88), loss=0, rounds=3)
    talk(path, loss=0.1, rounds=120)
    path.miss("b", lambda ns: START + 3 * SECOND <= ns < START + 4 * SECOND)
    found = joined(path)
    _, lost = path.captures()
    forth = next(each for each in found.connections if each.client.port == 40_000).client_to_server
    assert forth.born == 0
    assert set(forth.lost_frames) <= set(lost[True])
    assert forth.lost >= len(lost[True]) // 2


def test_a_path_whose_answers_go_another_way():
    """B sees packets of clients alone: nobody made what A has of the servers."""
    path = Path()
    talk(path, loss=0.1, rounds=20)
    path._b = [each for each in path._b if each[1][26:30] == bytes([192, 0, 2, 1])]
    found = joined(path)
    assert (found.summary.b_to_a.sent, found.summary.b_to_a.born) == (0, 0)
    assert found.summary.b_to_a.missed > 20
    assert found.summary.a_to_b.lost == len(path.captures()[1][True])


def test_the_ladder_shows_what_was_missed():
    path = Path()
    traffic(path)
    path.miss("b", lambda ns: START + 100 * MS < ns < START + 300 * MS)
    found = joined(path, 1)
    fates = {(each.a_frame is None, each.b_frame is None, each.fate) for each in found.segments}
    assert fates == {(False, False, "arrived"), (False, True, "not-captured")}
    out = BytesIO()
    FORMATS["text"].render_paired(joined(path), out, Options(width=100))
    assert re.search(r"B did not capture \d+ segments that passed it and reached A", out.getvalue().decode())
