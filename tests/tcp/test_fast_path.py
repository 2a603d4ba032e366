"""The fast path leaves the rows that the full one would: of the first data and the first bare ACK of an end, too."""

import ctypes
from typing import ClassVar

import pytest
from conftest import is_compiled
from hypothesis import example, given
from hypothesis import strategies as st
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN

from handshake_inspect.decode import frame as decoder
from handshake_inspect.decode import payload, segment
from handshake_inspect.tcp import rows
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.wire.const import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG

pytestmark = pytest.mark.skipif(
    is_compiled("handshake_inspect.tcp.tracker"), reason="compiled methods cannot be replaced"
)

MS = 1_000_000
ENDS = (CLIENT, SERVER)


class LongWay(Tracker):
    """Follows every segment."""

    def fast_path(self, *_):
        return False


class Watched(Tracker):
    """Notes which fields of the sender's row the fast path changes."""

    changed: ClassVar[set[str]] = set()

    def fast_path(self, connection, i, side, segment):
        sender = rows.endpoint_at(self.table.endpoints, 2 * i + side)
        before = fields_of(sender)
        taken = super().fast_path(connection, i, side, segment)
        if taken:
            self.changed.update(name for name, value in fields_of(sender).items() if value != before[name])
        return taken


def conversation(steps, stamped, cut):
    """Frames with their times: a handshake, then steps: side, bytes, thirds acknowledged of what is due, ms, flags."""
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
    for side, size, part, wait, marks in steps:
        now += wait * MS
        clock += 1 + wait
        outstanding = said[side ^ 1] - known[side]
        known[side] += outstanding * part // 3
        make = frames.data if size else frames.ack
        head = (b"x" * size,) if size else ()
        at = {"seq": said[side], "ack": known[side], "flags": ACK | marks}
        built = make(*head, ENDS[side], ENDS[side ^ 1], **at, **words())
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
    kept += [table.size_rows[0], table.aftermath_rows[0], table.order_rows[0]]
    return [fields_of(row) for row in kept], table.holds_plain, table.holds_bare, tracker.checksums.good


def fields_of(row):
    """A row by name, as it is now."""
    values = {name: getattr(row, name) for name, *_ in row._fields_}
    return {name: list(value) if isinstance(value, ctypes.Array) else value for name, value in values.items()}


MARKS = st.sampled_from([0, 0, PSH, URG, PSH | URG, ECE, CWR])
STEP = st.tuples(
    st.integers(0, 1), st.sampled_from([0, 0, 40, 100, 1448]), st.integers(0, 3), st.integers(0, 900), MARKS
)


@given(steps=st.lists(STEP, max_size=8), stamped=st.booleans(), cut=st.sampled_from([0, 1]))
@example(steps=[(0, 100, 3, 1, PSH), (1, 0, 3, 1, PSH), (1, 200, 3, 1, PSH), (0, 0, 3, 1, PSH)], stamped=True, cut=0)
@example(steps=[(0, 100, 3, 1, PSH | URG), (1, 0, 3, 1, URG)], stamped=True, cut=0)
@example(steps=[(1, 100, 3, 1, PSH), (0, 0, 3, 1, PSH), (0, 200, 3, 1, PSH), (1, 0, 3, 1, PSH)], stamped=False, cut=1)
def test_plain_conversations(steps, stamped, cut):
    spoken = list(conversation(steps, stamped, cut))
    (short, *rest), (long, *others) = rows_of(Tracker, spoken), rows_of(LongWay, spoken)
    differing = {name for one, other in zip(short, long, strict=True) for name in one if one[name] != other[name]}
    assert not differing, f"the fast path and the full one leave another {', '.join(sorted(differing))}"
    assert rest[:2] == others[:2]


def test_what_the_fast_path_changes_is_named_plain():
    Watched.changed.clear()
    steps = [(side, size, 3, 1, marks) for marks in (PSH, URG, ECE, CWR) for side in (0, 1) for size in (100, 0)]
    for stamped in (True, False):
        rows_of(Watched, conversation([*steps, *steps], stamped, 0))
    assert {"bytes", "frames", "last_ack"} <= Watched.changed
    missing = Watched.changed - set(rows.Endpoint.plain) - {"traits"}  # which say that an end sent its first: notable
    assert not missing, f"`plain` of Endpoint in tcp/rows.py lacks {', '.join(sorted(missing))}"


def test_first_words_are_taken_by_the_short_path(monkeypatch):
    followed = []
    follow = Tracker.follow
    monkeypatch.setattr(Tracker, "follow", lambda *given: (followed.append(given), follow(*given))[1])
    rows_of(
        Tracker, conversation([(0, 100, 3, 1, PSH), (1, 0, 3, 1, PSH), (1, 200, 3, 1, PSH), (0, 0, 3, 1, PSH)], True, 0)
    )
    assert len(followed) == 3  # the handshake


# What rows of `Aftermath` do not hear of plain segments: they are written on the full path alone.
UNHEARD = {"quick", "aftermath", "answers", "request_ns", "holed"}


# -- what means something among plain segments: numbers count from what each end has said and acknowledged

SAID = [100, 200]  # bytes that the client and the server have sent in `opened`, all acknowledged


def odd(side, seq=0, ack=0, size=0, flags=ACK, at_ms=0, **words):
    """A segment so far behind the last of its end, and behind what it acknowledged, so long after the last one."""
    isns = (CLIENT_ISN, SERVER_ISN)
    number = (isns[side] + 1 + SAID[side] + seq) & 0xFFFF_FFFF
    acknowledged = (isns[side ^ 1] + 1 + SAID[side ^ 1] + ack) & 0xFFFF_FFFF if flags & ACK else 0
    words |= {"seq": number, "ack": acknowledged, "payload": b"x" * size}
    return at_ms, frames.segment(ENDS[side], ENDS[side ^ 1], flags, **words)


STAMPS = {name: {"options": frames.timestamps(value, 1)} for name, value in {"new": 5000, "old": 1}.items()}
SACK = {"options": frames.nop(2) + frames.sack((CLIENT_ISN + 1000, CLIENT_ISN + 1100))}
ODD = {
    "an old acknowledgment with data": [odd(0, size=100), odd(1, size=10, ack=100), odd(1, seq=10, size=10, ack=50)],
    "an old acknowledgment": [odd(0, size=100), odd(1, ack=100), odd(1, ack=50)],
    "the same acknowledgment": [odd(0, size=100), odd(1, ack=100, ident=1), odd(1, ack=100, ident=2)],
    "data without news": [odd(0, size=100), odd(0, seq=100, size=100)],
    "an acknowledgment of what was not sent": [odd(1, ack=500)],
    "all but what was not sent": [odd(0, size=100), odd(1, ack=101)],
    "a window of zero": [odd(1, window=0, size=10), odd(1, seq=10, size=10)],
    "a window of zero, and of something": [odd(1, window=0), odd(0, size=10), odd(1, ack=10, window=9)],
    "a gap": [odd(0, seq=100, size=100), odd(1, size=10), odd(0, seq=200, size=100)],
    "a gap that is filled": [odd(0, seq=100, size=100), odd(0, size=100), odd(0, seq=200, size=9)],
    "a gap of the other end": [odd(1, seq=100, size=100), odd(0, size=100), odd(1, size=100), odd(0, seq=100, size=9)],
    "bytes again": [odd(0, size=100), odd(0, size=100, at_ms=400, ident=7), odd(0, seq=100, size=9)],
    "a keep-alive": [odd(0, seq=-1, at_ms=5000), odd(1, at_ms=10), odd(0, size=9)],
    "a pause": [odd(0, size=100, at_ms=1000), odd(1, ack=100, size=9)],
    "nearly a pause": [odd(0, size=100, at_ms=999), odd(1, ack=100, size=9)],
    "longer data": [odd(0, size=1448), odd(1, ack=1448), odd(0, seq=1448, size=50), odd(0, seq=1498, size=1400)],
    "a FIN": [
        odd(0, flags=FIN | ACK),
        odd(1, ack=1, size=10),
        odd(0, seq=1, ack=10),
        odd(1, seq=10, ack=1, flags=FIN | ACK),
    ],
    "a FIN with data": [odd(0, size=10, flags=FIN | ACK), odd(1, ack=11, size=10)],
    "a RST": [odd(0, flags=RST), odd(1, size=10)],
    "a RST beside the edge": [odd(0, seq=7, flags=RST), odd(1, size=10), odd(0, ack=10), odd(1, seq=10, size=9)],
    "a RST that is ignored": [
        odd(0, flags=RST),
        odd(1, size=10, at_ms=900),
        odd(0, size=10, at_ms=900),
        odd(1, seq=10, ack=10),
    ],
    "a SYN": [odd(0, seq=5_000_000, flags=SYN), odd(1), odd(0, size=10), odd(1, ack=10)],
    "a SYN-ACK again": [odd(1, seq=-SAID[1] - 1, ack=-SAID[0], flags=SYN | ACK), odd(0), odd(1, size=9), odd(0, ack=9)],
    "no ACK": [odd(0, size=10, flags=PSH), odd(0, seq=10, size=10)],
    "SACK": [odd(0, size=100), odd(1, size=9, ack=50, **SACK), odd(1, seq=9, size=9, ack=100)],
    "a clock": [odd(0, size=10, **STAMPS["new"]), odd(0, seq=10, size=10, **STAMPS["old"]), odd(0, seq=20, size=10)],
    "numbers": [odd(0, size=10, ident=7), odd(0, seq=10, size=10, ident=6), odd(0, seq=20, size=10, ident=8)],
    "a wrong checksum": [odd(0, size=10, tcp_checksum="bad"), odd(0, seq=10, size=10), odd(1, size=9)],
    "a copy": [odd(0, size=10, ident=7), odd(0, size=10, ident=7), odd(0, seq=10, size=10, ident=8)],
    "time goes back": [odd(0, size=10, at_ms=50), odd(1, ack=10, size=9, at_ms=-20), odd(0, seq=10, ack=9)],
}


def opened(first):
    """A handshake, a request of 100 bytes and an answer of 200, whose last acknowledgment is plain as well."""
    steps = [(0, 100, 3, 1, PSH), (1, 200, 3, 1, PSH), (0, 0, 3, 1, 0)] if first == 0 else [
        (1, 200, 3, 1, PSH), (0, 100, 3, 1, PSH), (1, 0, 3, 1, 0)]  # fmt: skip
    return list(conversation(steps, False, 0))


@pytest.mark.parametrize("first", [0, 1], ids=["the client speaks first", "the server does"])
@pytest.mark.parametrize("name", ODD)
def test_what_is_not_plain_is_left_to_the_full_path(name, first):
    spoken = opened(first)
    now = spoken[-1][0]
    for at_ms, built in ODD[name]:
        now += (at_ms or 1) * MS
        spoken.append((now, built, 0))
    for count in range(len(spoken) - len(ODD[name]), len(spoken) + 1):
        (short, *rest), (long, *others) = rows_of(Tracker, spoken[:count]), rows_of(LongWay, spoken[:count])
        differing = [name for one, other in zip(short, long, strict=True) for name in one if one[name] != other[name]]
        assert not set(differing) - UNHEARD, f"segment {count}"
        assert rest[:2] == others[:2]
