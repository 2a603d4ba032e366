"""Two captures of one path, of which every loss, delay and change is known: all are found, and nothing else."""

import json
import pathlib
import tracemalloc
from io import BytesIO

import jsonschema
import numpy as np
import pytest
from support import captures, frames
from support.paths import MS, START, Box, Path, Sent, talk

from handshake_inspect.checks import offsets, syn_timing_join
from handshake_inspect.checks.pair import pair_captures
from handshake_inspect.engine.segment_columns import segment_columns
from handshake_inspect.errors import UsageError
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.schema import pair_schema
from handshake_inspect.report.segment_columns import KEPT_TYPE

NAT = ("203.0.113.9", 1000)
SECOND = 1000 * MS


def joined(path, wanted=None):
    files, lost = path.captures()
    return pair_captures(*(segment_columns([file]) for file in files), wanted), lost


def traffic(path, *, connections=5, loss=0.2, stamps=True, **how):
    """Connections over the path, and before and after them others that lose nothing: both captures run throughout."""
    talk(path, port=50_000, began=START - 3 * SECOND, isns=(77, 88), loss=0, rounds=2, stamps=stamps)
    ended = START
    for number in range(connections):
        isns = 1000 + number * 7919, 500_000 + number * 104_729
        ended = max(
            ended,
            talk(
                path, port=40_000 + number, began=START + number * 10 * MS, isns=isns, loss=loss, stamps=stamps, **how
            ),
        )
    talk(path, port=50_001, began=ended + 5 * SECOND, isns=(771, 881), loss=0, rounds=2, stamps=stamps)
    return connections + 2


def losses(found):
    ways = [way for each in found.connections for way in (each.client_to_server, each.server_to_client)]
    return {
        from_client: sorted(
            frame for way in ways for frame in way.lost_frames if (way.sender == "client") == from_client
        )
        for from_client in (True, False)
    }


BOXES = {
    "a switch": Box(hops=0),
    "a router": Box(),
    "NAT of clients": Box(client=NAT),
    "NAT of both, other sequence numbers and MSS": Box(
        client=NAT, server=("10.0.0.5", 8443), client_isn_shift=12_345, server_isn_shift=999, mss=1380
    ),
    "sequence numbers that wrap": Box(client_isn_shift=2**31 + 5, server_isn_shift=2**32 - 501_000, hops=3),
    "a card that cuts": Box(cut=1448),
    "a card that cuts, no timestamps behind": Box(cut=1448, strip_timestamps=True),
    "other identifications": Box(rewrite_ident=True, client=NAT),
    "NAT, other sequence numbers and identifications": Box(
        client=NAT, client_isn_shift=7, server_isn_shift=2**31, rewrite_ident=True, mss=1380
    ),
}
BLIND = BOXES["NAT, other sequence numbers and identifications"]


@pytest.mark.parametrize("stamps", [True, False], ids=["timestamps", "no timestamps"])
@pytest.mark.parametrize("box", BOXES)
def test_every_loss_is_found_and_no_other(box, stamps):
    path = Path(seed=len(box) + stamps, box=BOXES[box], offset_ns=123_456_789, drift=20e-6)
    count = traffic(path, stamps=stamps)
    found, lost = joined(path)
    summary = found.summary
    assert (summary.joined, summary.alone_a, summary.alone_b) == (count, 0, 0)
    assert losses(found) == lost
    assert summary.a_to_b.lost + summary.b_to_a.lost == sum(map(len, lost.values())) > 10
    for way in (summary.a_to_b, summary.b_to_a):
        assert (way.born, way.undecided, way.not_captured) == (0, 0, 0)
        assert way.sent == way.arrived + way.lost


# -- connections that only their course recognises ---------------------------------------------------------------------


def are_right(found):
    """Whether the ports of all clients differ by what the box adds."""
    translations = [change for each in found.connections for change in each.changes if change.what == "client-address"]
    ports = [[int(place.rpartition(":")[2]) for place in (change.a, change.b)] for change in translations]
    return len(ports) == len(found.connections) and all(b - a == NAT[1] for a, b in ports)


@pytest.mark.parametrize("seed", range(8))
def test_without_timestamps_and_isns_losses_are_found_in_any_traffic(seed):
    path = Path(seed=seed, box=BLIND, offset_ns=(-1) ** seed * 86_400 * SECOND, drift=seed * 30e-6)
    count = traffic(path, stamps=False, connections=12, rounds=6, loss=0.25)
    found, lost = joined(path)
    assert (found.summary.joined, found.summary.alone_a, found.summary.alone_b) == (count, 0, 0)
    assert {each.basis for each in found.connections} == {"course"}
    assert are_right(found)
    assert losses(found) == lost


def test_like_connections_at_the_same_time_are_not_joined_nor_lost():
    """Two clients of one script, a millisecond apart: nothing says which is which."""
    path = Path(box=BLIND)
    for port, began in ((50_000, -3), (50_001, -2), (50_002, -1)):
        talk(path, port=port, began=START + began * SECOND, loss=0, rounds=3, stamps=False)
    for number in (0, 1):
        talk(path, port=40_000 + number, began=START + number * MS, loss=0, rounds=3, stamps=False, sizes=(700, 700))
    talk(path, port=50_003, began=START + 5 * SECOND, loss=0, rounds=3, stamps=False)
    found, _ = joined(path)
    together = {each.client.port for each in found.connections}
    assert together in ({50_000, 50_001, 50_002, 50_003}, {50_000, 50_001, 50_002, 50_003, 40_000, 40_001})
    assert {each.fate for each in found.alone} <= {"undecided"}
    assert are_right(found)


def test_a_connection_of_the_same_course_at_another_time_is_another_one():
    """Each capture has one that the other lacks: both ends sent as much, in the same order."""
    path = Path(box=BLIND)
    for port, began in ((50_000, -3), (50_001, -2), (50_002, 9)):
        talk(path, port=port, began=START + began * SECOND, loss=0, rounds=3, stamps=False)
    here, there = Path(seed=1, box=BLIND), Path(seed=1, box=BLIND)
    talk(here, port=40_000, loss=0, rounds=4, stamps=False)
    talk(there, port=40_001, began=START + 3 * SECOND, loss=0, rounds=4, stamps=False)
    path._a += here._a
    path._b += there._b
    found, _ = joined(path)
    assert [each.client.port for each in found.connections] == [50_000, 50_001, 50_002]
    assert [(each.capture, each.fate) for each in found.alone] == [("a", "lost"), ("b", "lost")]


@pytest.mark.parametrize(
    ("rounds", "offset_s", "together"),
    [(0, 0, False), (1, 0, True), (1, 10, False), (1, -10, False), (8, 86_400, True)],
)
def test_a_pair_that_is_alone_needs_many_segments_or_clocks_that_agree(rounds, offset_s, together):
    path = Path(box=BLIND, offset_ns=offset_s * SECOND)
    talk(path, loss=0, rounds=rounds, stamps=False, close=False)
    if together:
        found, _ = joined(path)
        assert [each.basis for each in found.connections] == ["course"]
        assert found.clock.offset.min <= offset_s * SECOND <= found.clock.offset.max
    else:
        with pytest.raises(UsageError, match="no connection is in both"):
            joined(path)


def around(path, *moments):
    """Connections before and after, by whose bytes the captures are joined."""
    for number, began in enumerate((-3, -2, *moments)):
        talk(path, port=50_000 + number, began=START + began * SECOND, loss=0, rounds=3, stamps=False)


def syn(path, port, *times, lose=()):
    """A client that asks so often, without timestamps and with no identification, as some phones do."""
    for number, time in enumerate(times):
        path.send(START + time, Sent(True, 1000 + port * 7919, 0, frames.SYN, ident=0, port=port), lose=number in lose)


@pytest.mark.parametrize("offset_s", [0, -86_400])
def test_syns_without_an_answer_are_recognised_by_their_moment(offset_s):
    path = Path(box=BLIND, offset_ns=offset_s * SECOND)
    around(path, 9)
    syn(path, 40_000, 0, SECOND, 3 * SECOND, lose=[0, 2])
    syn(path, 40_001, 100 * MS, 1100 * MS, 3100 * MS)
    found, lost = joined(path)
    assert are_right(found)
    found_of = {each.client.port: (each.basis, each.syn) for each in found.connections}
    assert found_of[40_000] == found_of[40_001] == ("course", "lost-beyond")
    assert losses(found) == lost
    assert found.alone == []


@pytest.mark.parametrize("seed", range(6))
def test_of_many_syns_few_are_undecided_and_none_is_wrong(seed):
    """At moments in 20 s, of which two in five are lost, among connections of one script, with clocks that drift."""
    path = Path(seed=seed, box=BLIND, offset_ns=seed * 40_000 * SECOND, drift=seed * 30e-6)
    around(path, 40)
    arrived = {}
    for port in range(40_000, 40_020):
        began, chance = path.random.randint(0, 20_000) * MS, path.random
        times = [began, began + SECOND, began + 3 * SECOND][: chance.randint(1, 3)]
        lose = [number for number in range(len(times)) if chance.random() < 0.4]
        syn(path, port, *times, lose=lose)
        arrived[port] = len(lose) < len(times)
    for number in range(4):
        began, isns = START + path.random.randint(0, 20_000) * MS, (2**20 * number + 77_777, 2**22 * number + 99)
        talk(path, port=45_000 + number, began=began, isns=isns, loss=0.15, rounds=2, stamps=False, sizes=(9, 9))
    found, _ = joined(path)
    assert are_right(found)
    lost = [each for each in found.alone if each.fate == "lost"]
    assert not [each for each in lost if each.capture == "b" or arrived[each.client.port]]
    assert sum(each.fate == "undecided" and each.capture == "a" for each in found.alone) <= 6


def test_a_syn_that_nothing_like_it_followed_was_lost():
    path = Path(box=BLIND)
    around(path, 9)
    syn(path, 40_000, 0, SECOND, lose=[0, 1])
    found, _ = joined(path)
    assert [(each.capture, each.client.port, each.fate) for each in found.alone] == [("a", 40_000, "lost")]


def test_syns_of_one_moment_of_which_one_was_lost_are_undecided():
    """Nothing says which of the two it was."""
    path = Path(box=BLIND)
    around(path, 9)
    syn(path, 40_000, 0, lose=[0])
    syn(path, 40_001, 100_000)
    found, _ = joined(path)
    assert [(each.capture, each.fate) for each in found.alone] == [("a", "undecided")] * 2 + [("b", "undecided")]


def test_a_flood_is_not_compared_with_itself_syn_by_syn(monkeypatch):
    """A million SYNs of one second would be as many comparisons squared: they stay undecided."""
    monkeypatch.setattr(syn_timing_join, "MAX_SYN_PAIRS", 20)
    path = Path(box=BLIND)
    around(path, 9)
    for port in range(40_000, 40_010):
        syn(path, port, 0)
    found, _ = joined(path)
    assert len(found.connections) == 3
    assert {each.fate for each in found.alone} == {"undecided"}


def test_without_another_pair_a_syn_is_not_known_to_be_lost():
    path = Path(box=BLIND)
    talk(path, port=50_000, began=START - 3 * SECOND, loss=0, rounds=12, stamps=False)
    path.server = ("198.51.100.3", 443)
    syn(path, 40_000, 0)
    path.server = ("10.0.0.2", 80)
    found, _ = joined(path)
    assert {each.fate for each in found.alone} <= {"undecided", "not-seen"}


@pytest.mark.parametrize("seed", range(4))
def test_clients_of_one_script_one_after_the_other_are_distinguished(seed):
    path = Path(seed=seed, box=BLIND)
    around(path, 30)
    for number in range(8):
        talk(path, port=40_000 + number, began=START + number * SECOND, loss=0.1, rounds=2, stamps=False, sizes=(7, 7))
    found, lost = joined(path)
    assert are_right(found)
    assert (len(found.connections), found.alone) == (11, [])
    assert losses(found) == lost


def test_offsets_of_many_pairs_are_compared_in_little_memory():
    """All of 20,000 have 5 to 6 in common; each compared with each would take 400 MB."""
    low, every = np.linspace(0, 5, 20_000), np.ones(20_000, dtype=np.bool_)
    tracemalloc.start()
    try:
        assert offsets.common(low, low + 6, every, 0) == (5, 6)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("seed", range(6))
def test_delays_are_in_their_intervals(seed):
    path = Path(seed=seed, box=Box(client=NAT), offset_ns=(-1) ** seed * seed * 1_234_567_890, drift=seed * 40e-6)
    traffic(path, connections=3)
    files, _ = path.captures()
    sides = [segment_columns([file]) for file in files]
    count = 0
    for connection in pair_captures(*sides).connections:
        for each in pair_captures(*sides, connection.a).segments:
            if each.delay is not None:
                frame = each.a_frame if each.sender == "client" else each.b_frame
                true = path.took[each.sender == "client", frame]
                assert each.delay.min - 1000 <= true <= each.delay.max + 1000
                count += 1
    assert count > 50
    clock = pair_captures(*sides).clock
    assert clock.offset.min <= path.offset_ns + path.drift * 5 * SECOND
    assert path.offset_ns - path.drift * 5 * SECOND <= clock.offset.max + path.drift * 60 * SECOND


def test_what_the_box_changed():
    path = Path(box=BOXES["NAT of both, other sequence numbers and MSS"])
    talk(path, loss=0, rounds=1)
    found, _ = joined(path)
    assert {change.what: (change.a, change.b) for change in found.connections[0].changes} == {
        "client-address": ("192.0.2.1:40000", "203.0.113.9:41000"),
        "server-address": ("198.51.100.2:443", "10.0.0.5:8443"),
        "client-isn": ("1000", "13345 (+12345)"),
        "server-isn": ("5000", "5999 (+999)"),
        "syn-mss": ("1460", "1380"),
        "syn-ttl": ("64", "63"),
        "synack-mss": ("1380", "1460"),
        "synack-ttl": ("63", "64"),
    }
    assert found.connections[0].basis == "timestamps"


@pytest.mark.parametrize("length", [54, 58])
def test_options_that_one_capture_lacks_are_not_called_changed(length):
    path = Path(box=BOXES["a router"])
    talk(path, loss=0, rounds=1)
    (whole, other), _ = path.captures()
    snapped = BytesIO(captures.snapped(other.getvalue(), length))
    (connection,) = pair_captures(segment_columns([whole]), segment_columns([snapped])).connections
    assert {change.what for change in connection.changes} == {"syn-ttl", "synack-ttl"}


@pytest.mark.parametrize(
    ("lost", "fate"), [((True, False), "lost-a-to-b"), ((False, True), "answer-lost"), (None, "lost-beyond")]
)
def test_where_a_syn_died(lost, fate):
    path = Path()
    talk(path, port=50_000, began=START - 3 * SECOND, loss=0, rounds=1)
    syn = Sent(True, 1000, 0, frames.SYN, options=frames.mss(1460), ident=9)
    came = path.send(START, syn, lose=lost == (True, False))
    if lost == (False, True):
        path.send(came, Sent(False, 5000, 1001, frames.SYN | frames.ACK, options=frames.mss(1460)), lose=True)
    talk(path, port=50_001, began=START + 9 * SECOND, loss=0, rounds=1)
    found, _ = joined(path)
    if fate == "lost-a-to-b":
        assert [(each.capture, each.fate) for each in found.alone] == [("a", "lost")]
    else:
        assert [each.syn for each in found.connections] == ["arrived", fate, "arrived"]


def test_connections_of_one_capture_alone_are_lost_where_the_other_one_could_have_had_them():
    path = Path()
    known, unknown = path.server, ("198.51.100.3", 443)
    talk(path, port=50_000, began=START - 3 * SECOND, loss=0, rounds=1)
    for port, server, after_s in ((40_000, known, 1), (40_001, unknown, 2), (40_002, known, 30)):
        path.server = server
        path.send(START + after_s * SECOND, Sent(True, 1000 + port, 0, frames.SYN, port=port), lose=True)
    path.server = known
    talk(path, port=50_001, began=START + 9 * SECOND, loss=0, rounds=1)
    found, _ = joined(path)
    assert [(each.capture, each.client.port, each.fate) for each in found.alone] == [
        ("a", 40_000, "lost"),
        ("a", 40_001, "not-seen"),
        ("a", 40_002, "undecided"),
    ]


def test_a_reset_that_the_box_made():
    path = Path()
    talk(path, port=50_000, began=START - 3 * SECOND, loss=0, rounds=1)
    ended = talk(path, loss=0, rounds=2, close=False)
    path.born(ended, Sent(False, 5001, 1001, frames.RST | frames.ACK, ttl=60))
    talk(path, port=50_001, began=ended + 9 * SECOND, loss=0, rounds=1)
    found, _ = joined(path)
    assert found.summary.b_to_a.born_resets == found.summary.b_to_a.born == 1
    assert found.summary.a_to_b.born == 0
    assert found.connections[1].server_to_client.born_resets == 1


def test_what_came_when_the_other_capture_did_not_run_is_undecided():
    path = Path()
    talk(path, loss=0, rounds=3)
    ended = talk(path, port=50_000, began=START + 9 * SECOND, loss=0, rounds=1, close=False)
    path.send(ended + SECOND, Sent(True, 1, 1, frames.ACK, port=50_000), lose=True)
    found, _ = joined(path)
    assert (found.summary.a_to_b.undecided, found.summary.a_to_b.lost) == (1, 0)


def test_what_a_capture_missed_was_not_lost():
    path = Path()
    talk(path, port=50_000, began=START - 3 * SECOND, loss=0, rounds=1)
    ended = talk(path, loss=0, rounds=0, close=False)
    path.send(ended, Sent(True, 1001, 5001, frames.PSH | frames.ACK, b"x" * 100, ident=1), lose=True)
    path.send(ended + 50 * MS, Sent(False, 5001, 1101, frames.ACK, ident=2))
    talk(path, port=50_001, began=ended + 9 * SECOND, loss=0, rounds=1)
    found, _ = joined(path)
    assert (found.summary.a_to_b.not_captured, found.summary.a_to_b.lost) == (1, 0)


def test_the_order_of_the_captures_does_not_matter():
    path = Path(seed=3, box=Box(client=NAT))
    traffic(path, connections=2)
    (a, b), _ = path.captures()
    there = pair_captures(segment_columns([a]), segment_columns([b]))
    a.seek(0)
    b.seek(0)
    back = pair_captures(segment_columns([b]), segment_columns([a]))
    assert (there.nearer_to_clients, back.nearer_to_clients) == ("a", "b")
    assert losses(there) == losses(back)


def test_a_clock_that_was_set_gives_no_delays():
    path = Path()
    talk(path, loss=0, rounds=3)
    path.offset_ns = 0
    files, _ = path.captures()
    path.clock_b = lambda ns: ns + (5 * SECOND if ns > START + 100 * MS else 0)
    (_, b), _ = path.captures()
    found = pair_captures(segment_columns([files[0]]), segment_columns([b]))
    assert (found.clock.consistent, found.clock.offset, found.summary.a_to_b.delays) == (False, None, None)


def test_captures_of_other_traffic_are_refused():
    one, other = Path(), Path(seed=1, client="192.0.2.77")
    talk(one, loss=0, rounds=1)
    talk(other, loss=0, rounds=1, isns=(9, 99), stamps=False)
    (a, _), _ = one.captures()
    (_, b), _ = other.captures()
    with pytest.raises(UsageError, match="no connection is in both"):
        pair_captures(segment_columns([a]), segment_columns([b]))


def test_json_and_text_show_it():
    path = Path(seed=5, box=BOXES["NAT of both, other sequence numbers and MSS"])
    traffic(path, connections=1)
    found, lost = joined(path, 1)
    out = BytesIO()
    FORMATS["json"].render_paired(found, out, Options())
    jsonschema.validate(json.loads(out.getvalue()), pair_schema())
    out = BytesIO()
    FORMATS["text"].render_paired(found, out, Options(width=100))
    text = out.getvalue().decode()
    assert text.count(" lost\n") == sum(map(len, lost.values()))
    assert "client address: 192.0.2.1:40000 at A, 203.0.113.9:41000 at B" in text
    assert max(map(len, text.splitlines())) <= 100


def test_flags_are_in_tcpdumps_letters_ecn_among_them():
    path = Path()
    talk(path, port=50_000, began=START - 3 * SECOND, loss=0, rounds=1)
    came = path.send(START, Sent(True, 1000, 0, frames.SYN | frames.ECE | frames.CWR))
    path.send(came, Sent(False, 5000, 1001, frames.SYN | frames.ACK | frames.ECE))
    found, _ = joined(path, 1)
    assert [each.flags for each in found.segments] == ["SEW", "S.E"]


def test_the_docs_say_what_a_segment_takes():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "pair.md").read_text()
    assert f"{KEPT_TYPE.itemsize} bytes a segment" in page
