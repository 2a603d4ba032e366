"""What is logged, and the definition of notable: a change of a field not declared plain in `tcp/rows.py`."""

import ctypes
import io

import pytest
from support import captures, frames

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.logging_tracker import LoggingTracker
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import TRAIT_SEEN
from handshake_inspect.wire.address import address_halves
from handshake_inspect.wire.const import FIN, KIND_ICMP_ERROR, KIND_NONE, NOTE_DAMAGED, RST, SYN

START = 1_700_000_000_000_000_000
KINDS = (rows.Connection, rows.Endpoint)
OTHER = ("198.51.100.77", 51_000)


class Logged:
    """A logged segment, and the names of the fields that it changed."""

    def __init__(self, tracker, slot, notable=True):
        self.notable = notable
        self.frame = tracker.segment_rows[slot].frame
        self.flags = tracker.segment_rows[slot].flags
        self.kind = tracker.segment_rows[slot].kind
        ends = tracker.endpoint_rows
        self.changed = different(tracker.connection_rows[2 * slot], tracker.connection_rows[2 * slot + 1])
        for side in (0, 1):
            self.changed |= different(ends[4 * slot + side], ends[4 * slot + 2 + side])
        self.shut_or_opened = any(
            (ends[4 * slot + side].window == 0) != (ends[4 * slot + 2 + side].window == 0) for side in (0, 1)
        )
        after = [ends[4 * slot + 2 + side] for side in (0, 1)]
        self.shut = any(end.window == 0 and end.traits & TRAIT_SEEN for end in after)
        self.damaged = tracker.segment_rows[slot].notes & NOTE_DAMAGED


def different(old, new):
    """Return the fields in which two rows differ."""

    def value(row, name):
        found = getattr(row, name)
        return bytes(found) if isinstance(found, ctypes.Array) else found

    return {name for name, _ in type(old)._fields_ if value(old, name) != value(new, name)}


def pumped(source, tracker):
    with open_trace([source]) as trace:
        pump = Pump(tracker)
        while pump.drain(trace.reader) == NEED_MORE and trace.fill():
            pass


def logged(source, pick=LoggingTracker.log_all):
    """Return all segments logged by a tracker whose filter is set by `pick`, read when each was logged."""
    tracker = LoggingTracker(1000, 1)
    found = []
    tracker.keep = lambda slot, notable: found.append(Logged(tracker, slot, notable)) or 0
    pick(tracker)
    pumped(source, tracker)
    return found


def capture(packets):
    return io.BytesIO(captures.pcap([(START + number * 1000, packet) for number, packet in enumerate(packets)]))


def talk(count=40):
    """A handshake, and data of many sizes in both directions, each segment acknowledged by the next."""
    yield from (frames.syn(), frames.syn_ack(), frames.ack())
    sent = [frames.CLIENT_ISN + 1, frames.SERVER_ISN + 1]
    for number in range(count):
        size = 100 + 7 * number
        yield frames.data(b"x" * size, seq=sent[0], ack=sent[1], ident=100 + number)
        sent[0] += size
        yield frames.data(
            b"y" * size, seq=sent[1], ack=sent[0], src=frames.SERVER, dst=frames.CLIENT, ident=500 + number
        )
        sent[1] += size


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_plain_fields_are_fields(kind):
    assert set(kind.plain) <= {name for name, _ in kind._fields_}


def test_plain_data_changes_only_plain_fields():
    """A field that every segment changes must be in `plain`; a failure names the missing ones."""
    plain = {name for kind in KINDS for name in kind.plain}
    talking = [each for each in logged(capture(talk())) if each.frame > 11]
    assert len(talking) == 72
    for segment in talking:
        assert segment.changed - plain == set()
        assert not segment.notable


@pytest.mark.parametrize(
    "name",
    ["zero-window", "lost-synack", "middlebox-reset-ignored", "port-reuse", "keep-alive", "overtaken-data",
     "rejected-ttl-exceeded", "simultaneous-close", "stale-peer-client", "fast-open", "path-mtu"],
)  # fmt: skip
def test_notable_segments_change_more_than_plain_fields(name, pcaps):
    """Compared field by field, in both builds."""
    plain = {field for kind in KINDS for field in kind.plain}
    segments = [each for each in logged(pcaps / f"{name}.pcap") if each.kind != KIND_NONE]
    assert segments
    for segment in segments:
        more = segment.changed - plain or segment.shut_or_opened or segment.shut or segment.damaged
        alone = not segment.changed - {"first_frame"}  # a SYN that has no connection yet
        notable = bool(more or alone or segment.flags & (SYN | FIN | RST) or segment.kind == KIND_ICMP_ERROR)
        assert segment.notable == notable, segment.frame


def test_every_probe_of_a_zero_window_is_notable(pcaps):
    assert sum(each.shut and each.notable for each in logged(pcaps / "zero-window.pcap")) > 4


def test_a_window_that_opens_is_notable(pcaps):
    opened = [each for each in logged(pcaps / "zero-window.pcap") if each.shut_or_opened and not each.flags & SYN]
    assert len(opened) > 1
    assert all(each.notable for each in opened)


def test_each_damaged_segment_is_notable():
    """Not only the first one, which changes a flag of the connection."""
    broken = bytearray(frames.data(b"x" * 10, seq=frames.CLIENT_ISN + 1))
    broken[-1] ^= 1
    found = logged(capture([*list(talk(2)), bytes(broken), bytes(broken)]))
    assert [bool(each.damaged) and each.notable for each in found[-2:]] == [True, True]


def test_a_screen_logs_no_plain_segments_and_makes_no_calls():
    tracker = LoggingTracker(1000, 64)
    tracker.keep = None  # nothing that could be called
    pumped(capture(talk(400)), tracker)
    assert tracker.logged < 16
    assert tracker.syns_logged == 1


def test_the_newest_notable_segments_replace_the_oldest():
    tracker = LoggingTracker(1000, 2)
    end = frames.CLIENT_ISN + 1 + 207
    pumped(capture([*talk(2), frames.fin(seq=end, ident=1), frames.rst(seq=end + 1, ident=2)]), tracker)
    assert tracker.logged > 2
    assert sorted(segment.frame for segment in tracker.segment_rows) == [8, 9]


def busy():
    """A connection, and a refused attempt of another client in between."""
    talking = list(talk(4))
    out, back = {"src": OTHER, "dst": frames.SERVER}, {"src": frames.SERVER, "dst": OTHER}
    return [*talking[:4], frames.syn(**out), frames.rst(**back), *talking[4:]]


def whole(host, port):
    return (*address_halves(host), port)


@pytest.mark.parametrize(
    ("pick", "wanted"),
    [
        (lambda tracker: tracker.log_all(), range(1, 14)),
        (lambda tracker: tracker.log_id(0), [1, 2, 3, 4, *range(7, 14)]),
        (lambda tracker: tracker.log_id(1), [5, 6]),
        (lambda tracker: tracker.log_id(2), []),
        (lambda tracker: tracker.log_end(*whole(*OTHER)), [5, 6]),
        (lambda tracker: tracker.log_end(*whole(*frames.SERVER)), range(1, 14)),
        (lambda tracker: (tracker.log_end(*whole(*frames.SERVER)), tracker.log_peer(*whole(*OTHER))), [5, 6]),
    ],
)
def test_only_selected_connections_are_logged(pick, wanted):
    found = [each.frame for each in logged(capture(busy()), pick) if each.kind != KIND_NONE]
    assert found == list(wanted)
