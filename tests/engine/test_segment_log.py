"""Segment logs on the screen: the same as in `hsi explain`, within the limits on what is kept."""

import io
import itertools

import pytest
from msgspec.structs import replace
from support import captures, frames
from support.samples import SAMPLES

from handshake_inspect.cli.watching import ladder
from handshake_inspect.engine.explain import explain
from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.engine.segment_log import SEGMENTS, Kept
from handshake_inspect.engine.selection import ConnectionQuery
from handshake_inspect.live.session import open_file
from handshake_inspect.render.layout import Style
from handshake_inspect.report.explain import explain_now
from handshake_inspect.report.setup_events import Marks

LARGE_CAPTURE = 2_000_000  # bytes: larger samples hold thousands of connections alike
START = 1_700_000_000_000_000_000
GAP_NS = 20_000


class Watched(Observer):
    wants_picture = True


class Sips(io.BytesIO):
    """A file read in small blocks, so that a run refreshes often."""

    def read(self, size=-1):
        return super().read(4096 if size < 0 else min(size, 4096))

    def readinto(self, into):
        got = self.read(len(into))
        into[: len(got)] = got
        return len(got)


def watched(content, *, looks=True, **options):
    """Return the last snapshot of a capture, after many refreshes with `looks`, else the only one."""
    # A clock that stands still after it went back: the time for a look never comes.
    clock = itertools.count(0, 2.0) if looks else itertools.chain([1.0], itertools.repeat(0.0))
    with open_file(Sips(content) if looks else io.BytesIO(content)) as source:
        run = LiveRun(source, LiveOptions(**options), Watched(), clock=lambda: next(clock))
        run.run()
    return run.latest


def alike(step):
    """Return a step without fields that depend on the other steps listed."""
    return replace(step, since_previous_ns=0, elided_before=None)


def some(trouble):
    return trouble if len(trouble) <= 6 else [*trouble[:3], *trouble[-3:]]


@pytest.mark.wide_table
@pytest.mark.parametrize("name", SAMPLES)
def test_a_ladder_is_that_of_explain_without_plain_segments(name, pcaps):
    path = pcaps / f"{name}.pcap"
    if path.stat().st_size > LARGE_CAPTURE:
        pytest.skip("too large for a pass per connection")
    snapshot = watched(path.read_bytes())
    for connection in some(snapshot.trouble):
        shown, story = (
            explain_now(snapshot, connection),
            explain([path], ConnectionQuery(number=connection.id), limit=10_000),
        )
        whole = {step.frame: step for step in story.steps}
        assert shown.connection.first_frame == story.connection.first_frame
        assert [alike(step) for step in shown.steps] == [alike(whole[step.frame]) for step in shown.steps]
        assert shown.segments == story.segments
        setup = Marks(story.connection)  # what only a judged set-up knows
        for step in story.steps:
            events, anomalies = setup.of(step.frame)
            if len(step.events) > len(events) or len(step.anomalies) > len(anomalies) or step.rtt:
                assert step.frame in {each.frame for each in shown.steps}
        last = shown.steps[-1].state
        # A client that had to answer at once and kept silent is believed to have got nothing.
        silent = "SYN_SENT" if connection.outcome == "half-open" else "CLOSED"
        assert connection.state.client in (last.client, "CLOSED", silent)
        assert connection.state.server in (last.server, "CLOSED")


def client(number):
    return f"10.1.{number >> 8 & 255}.{number & 255}", 40_000 + (number >> 16)


def ends(number):
    return {"src": client(number), "dst": frames.SERVER}, {"src": frames.SERVER, "dst": client(number)}


def healthy(number):
    """Six segments that the screen keeps."""
    out, back = ends(number)
    yield frames.syn(**out)
    yield frames.syn_ack(**back)
    yield frames.ack(**out)
    yield frames.fin(**out)
    yield frames.fin(seq=frames.SERVER_ISN + 1, ack=frames.CLIENT_ISN + 2, **back)
    yield frames.ack(seq=frames.CLIENT_ISN + 2, ack=frames.SERVER_ISN + 2, **out)


def capture(packets, gap_ns=GAP_NS):
    return captures.pcap([(START + number * gap_ns, packet) for number, packet in enumerate(packets)])


def slow_one():
    """A connection in trouble, with a retransmitted SYN."""
    out, back = ends(1 << 16)
    return [frames.syn(**out), frames.syn(ident=9, **out), frames.syn_ack(**back), frames.ack(ident=10, **out)], out


def test_plain_data_are_counted_and_not_kept():
    opening, out = slow_one()
    data = [
        frames.data(b"x" * 100, seq=frames.CLIENT_ISN + 1 + 100 * number, ident=20 + number, **out)
        for number in range(50)
    ]
    fin = frames.fin(seq=frames.CLIENT_ISN + 5001, ident=99, **out)
    answer = frames.ack(seq=frames.SERVER_ISN + 1, ack=frames.CLIENT_ISN + 1, src=out["dst"], dst=out["src"])
    snapshot = watched(capture([*opening, data[0], answer, *data[1:], fin]))
    (connection,) = snapshot.trouble
    shown = explain_now(snapshot, connection)
    assert shown.segments == 56
    last = shown.steps[-1]
    assert last.flags == "F."
    assert last.elided_before.segments + len(shown.steps) == 56
    listed = sum(step.length for step in shown.steps)
    assert last.elided_before.client_bytes + listed == 5000
    unfinished = watched(capture([*opening, data[0], answer, *data[1:]]))
    text = drawn(unfinished, unfinished.trouble[0])
    assert f"{55 - len(explain_now(unfinished, unfinished.trouble[0]).steps)} segments not listed" in text


def drawn(snapshot, connection, width=80):
    return ladder(snapshot, connection, width, Style(color=False, encoding="utf-8"))


def many():
    return [packet for number in range(SEGMENTS // 6 + 1) for packet in healthy(number)]


def test_overwritten_segments_are_reported_as_missing():
    opening, _ = slow_one()
    forgotten = watched(capture([*opening, *many()]), looks=False)
    (connection,) = forgotten.trouble
    assert explain_now(forgotten, connection) is None
    assert "Its segments are gone" in drawn(forgotten, connection)


def test_a_ladder_may_begin_late():
    opening, out = slow_one()
    reset = frames.rst(seq=frames.CLIENT_ISN + 1, ack=None, ident=77, **out)
    snapshot = watched(capture([*opening, *many(), reset]), looks=False)
    (connection,) = snapshot.trouble
    (step,) = explain_now(snapshot, connection).steps
    assert step.elided_before.segments == 4
    assert [mark.id for mark in step.events] == ["reset"]
    assert (step.state.client, step.state.server) == (connection.state.client, connection.state.server)
    assert "4 segments not listed" in drawn(snapshot, connection)


def test_connections_in_trouble_at_a_refresh_are_kept():
    opening, _ = slow_one()
    snapshot = watched(capture([*opening, *many()]))
    (connection,) = snapshot.trouble
    assert [step.flags for step in explain_now(snapshot, connection).steps] == ["S", "S", "S.", "."]


def test_a_syn_flood_does_not_evict_other_segments():
    opening, _ = slow_one()
    flood = [frames.syn(src=client(number), dst=frames.SERVER) for number in range(SEGMENTS + 1)]
    refused, back = ends(3 << 16)
    asked = frames.syn(**refused, window=4242)
    rst = frames.rst(**back, window=0)
    snapshot = watched(capture([asked, *opening, *flood, rst]), looks=False)
    shown = {each.outcome: explain_now(snapshot, each) for each in snapshot.trouble}
    assert [step.flags for step in shown["established"].steps] == ["S", "S", "S.", "."]
    assert [(step.flags, step.window) for step in shown["refused"].steps] == [("S", 4242), ("R.", 0)]


def test_each_incarnation_has_its_own_ladder():
    out, back = ends(5)
    first = [frames.syn(**out), frames.rst(**back)]
    second = [frames.syn(**out, seq=77), frames.syn(**out, seq=77, ident=3), frames.rst(**back, ack=78, ident=4)]
    snapshot = watched(capture([*first, *second]))
    newer, older = snapshot.trouble
    assert [step.frame for step in explain_now(snapshot, older).steps] == [1, 2]
    assert [step.frame for step in explain_now(snapshot, newer).steps] == [3, 4, 5]


def test_a_lone_syn_has_a_ladder_too():
    packets = [frames.syn(), *[frames.udp()] * 5000]
    snapshot = watched(capture(packets, 1_000_000), looks=False)
    (connection,) = snapshot.trouble
    assert connection.outcome == "timed-out"
    text = drawn(snapshot, connection)
    assert "[S] seq 0" in text
    assert " now " in text


def test_a_narrow_terminal_shows_the_required_width():
    snapshot = watched(capture(slow_one()[0]))
    assert "72 columns" in drawn(snapshot, snapshot.trouble[0], 60)


def test_a_ladder_fits_from_72_columns_on():
    snapshot = watched(capture([*many()[:600], *slow_one()[0]]))
    for width in (72, 80, 123, 124, 160):
        assert max(map(len, drawn(snapshot, snapshot.trouble[0], width).splitlines())) <= width


def kept(count, *, notable=lambda number: False, full_from=None, rooms=(3, 3, 3)):
    log = Kept(*rooms)
    gone = [
        log.add(number, notable(number), full=full_from is not None and number >= full_from) for number in range(count)
    ]
    assert log.total == count
    return list(log), [number for number in gone if number is not None]


def test_the_first_and_the_last_segments_are_kept():
    assert kept(6) == ([0, 1, 2, 3, 4, 5], [])
    assert kept(10) == ([0, 1, 2, 7, 8, 9], [3, 4, 5, 6])


def test_between_them_the_first_notable_ones_are_kept():
    assert kept(20, notable=lambda number: number in {5, 8})[0] == [0, 1, 2, 5, 8, 17, 18, 19]
    assert kept(20, notable=lambda number: number > 4)[0] == [0, 1, 2, 5, 6, 7, 17, 18, 19]


def test_a_full_log_keeps_the_last_segments():
    listed, gone = kept(20, notable=lambda number: True, full_from=5)
    assert listed == [0, 1, 2, 18, 19]
    assert sorted(listed + gone) == list(range(20))
    assert kept(9, full_from=2) == ([0, 1], [2, 3, 4, 5, 6, 7, 8])
