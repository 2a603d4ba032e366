"""The short path leaves the rows that the long one would: of the first data and the first bare ACK of an end, too."""

import ctypes

import pytest
from conftest import is_compiled
from hypothesis import example, given
from hypothesis import strategies as st
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN

from handshake_inspect.decode import frame as decoder
from handshake_inspect.decode import payload, segment
from handshake_inspect.tcp.tracker import Tracker

pytestmark = pytest.mark.skipif(
    is_compiled("handshake_inspect.tcp.tracker"), reason="compiled methods cannot be replaced"
)

MS = 1_000_000
ENDS = (CLIENT, SERVER)


class LongWay(Tracker):
    """Follows every segment."""

    def pass_quickly(self, *_):
        return False


def conversation(steps, stamped, cut):
    """Frames with their times: a handshake, and then steps: side, bytes, thirds of the outstanding acknowledged, ms."""
    said = [CLIENT_ISN + 1, SERVER_ISN + 1]  # the next byte of each
    known = [SERVER_ISN + 1, CLIENT_ISN + 1]  # what each has acknowledged
    now, clock = 0, 1000

    def words(echo=1):
        extra = frames.nop(2) + frames.timestamps(clock, echo) if stamped else b""
        return {"options": extra, "ident": clock & 0xFFFF}

    syn = {"options": frames.linux_syn_options(value=clock) if stamped else frames.mss(1460)}
    yield now, frames.syn(**syn), 0
    yield now + MS, frames.syn_ack(**syn), 0
    clock += 1
    yield now + 2 * MS, frames.ack(**words()), 0
    now += 2 * MS
    for side, size, part, wait in steps:
        now += wait * MS
        clock += 1 + wait
        outstanding = said[side ^ 1] - known[side]
        known[side] += outstanding * part // 3
        make = frames.data if size else frames.ack
        head = (b"x" * size,) if size else ()
        built = make(*head, ENDS[side], ENDS[side ^ 1], seq=said[side], ack=known[side], **words())
        yield now, built, len(built) - size + cut if cut and size else 0
        said[side] += size


def rows_of(kind, spoken):
    """All that a tracker keeps of the connection."""
    spoken = list(spoken)
    records = segment.segments(len(spoken))
    for i, (now, built, cut) in enumerate(spoken):
        held = built[:cut] if cut else built
        decoder.decode_bytes(held, len(built), frames.LINK_ETHERNET, records, i)
        records[i].ts_ns, records[i].frame = now, i + 1
    tracker = kind(16)
    tracker.owners = payload.owners_of(records)
    tracker.track_all(segment.segments_of(records), 0, len(spoken))
    table = tracker.table
    assert table.connection_count == 1
    kept = [table.connection_rows[0], *table.endpoint_rows[0:2], table.alias_rows[0], table.setups.exchange_rows[0]]
    shown = [{name: _plain(getattr(row, name)) for name, *_ in row._fields_} for row in kept]
    return shown, table.holds_plain, table.holds_bare, tracker.checksums.good


def _plain(value):
    return list(value) if isinstance(value, ctypes.Array) else value


STEP = st.tuples(st.integers(0, 1), st.sampled_from([0, 0, 40, 100, 1448]), st.integers(0, 3), st.integers(0, 900))


@given(steps=st.lists(STEP, max_size=8), stamped=st.booleans(), cut=st.sampled_from([0, 1]))
@example(steps=[(0, 100, 3, 1), (1, 0, 3, 1), (1, 200, 3, 1), (0, 0, 3, 1)], stamped=True, cut=0)
@example(steps=[(1, 100, 3, 1), (0, 0, 3, 1), (0, 200, 3, 1), (1, 0, 3, 1)], stamped=False, cut=1)
def test_plain_conversations(steps, stamped, cut):
    spoken = list(conversation(steps, stamped, cut))
    (short, *rest), (long, *others) = rows_of(Tracker, spoken), rows_of(LongWay, spoken)
    assert short == long
    assert rest[:2] == others[:2]


def test_first_words_are_taken_by_the_short_path(monkeypatch):
    followed = []
    follow = Tracker.follow
    monkeypatch.setattr(Tracker, "follow", lambda *given: (followed.append(given), follow(*given))[1])
    rows_of(Tracker, conversation([(0, 100, 3, 1), (1, 0, 3, 1), (1, 200, 3, 1), (0, 0, 3, 1)], True, 0))
    assert len(followed) == 3  # the handshake
