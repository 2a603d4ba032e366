"""The pump: frames from a reader, through the decoder, to the tracker.  It knows nothing of files or reports."""

from collections.abc import Callable
from struct import pack
from typing import Any, Protocol

from handshake_inspect.capture.frames import FRAME, NEED_MORE, FrameReader
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.decode import frame as fast
from handshake_inspect.decode import payload, uncommon
from handshake_inspect.decode import segment as seg
from handshake_inspect.decode.fragments import Reassembler
from handshake_inspect.dns.lookups import Lookups
from handshake_inspect.engine import owners, plain_frames
from handshake_inspect.engine.relay import Relay
from handshake_inspect.engine.senders import Senders
from handshake_inspect.quic.tracker import QuicTracker
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.wire.const import (
    DNS,
    KIND_DAMAGED,
    KIND_DECLINED,
    KIND_FRAGMENT,
    KIND_ICMP_ERROR,
    KIND_NONE,
    KIND_TCP,
    KIND_UDP,
    KIND_UDP_ERROR,
    KIND_UNREAD,
    NOTE_BAD_OPTIONS,
    NOTE_CONTINUED,
    NOTE_CUT_HEADER,
    NOTE_CUT_OPTIONS,
    NOTE_FIRST_FRAGMENT,
    NOTE_UNTIMED,
)

BATCH = 128
NO_LIMIT = (1 << 63) - 1


class Sieve(Protocol):
    """What of a part of a trace is for its own trackers, and what for those of all parts: see `cluster`."""

    def sift(self, held: int) -> int:
        """How many of so many records remain to be tracked; these are the first of the pump's `storage` then."""

    def takes(self) -> bool:
        """Whether the datagram in the pump's `apart` is not for its own tracker."""

    def takes_fragment(self, reader: FrameReader) -> bool:
        """Whether the reader's frame, a fragment, is put together elsewhere."""


class Pump:
    """Drives one trace through one tracker and counts what it saw."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.quic = QuicTracker(tracker.table.limit)
        self.lookups: Any = Lookups()  # offers `take`; of a part of a trace, what keeps messages for later
        self.relay: Relay | None = None  # to the thread that tracks, if it is another one
        self.hold(seg.segments(BATCH))
        self.beside = seg.segments(1)  # a datagram, while the sieve is asked
        self.apart = seg.segments_of(self.beside)
        self.sieve: Sieve | None = None  # of a part of a trace
        self.frames = 0
        self.tap: Callable[[int], object] | None = None  # is called before so many records of `storage` are tracked
        self.pcap: PcapReader | None = None  # the reader, if `plain_frames` reads its records
        self.most = NO_LIMIT  # frames to take; what comes after that stays in the reader
        self.tcp_segments = 0
        self.icmp_errors = 0  # that quote a TCP segment
        self.first_ns = 0
        self.last_ns = 0
        self.timed = False  # whether any frame had a time
        self.before_ns = 0  # time of the frame before
        self.backwards = 0  # frames older than the frame before them
        self.first_backwards = 0
        self.fragments = 0  # later ones, and first ones that hold less than a TCP header
        self.reassembler = Reassembler()
        self.parts: list[uncommon.Part] = []  # packets of the frame that are not decoded yet, the last first
        self.more = 0  # how many these are
        self.cut_headers = 0  # the capture ends inside a header: a snap length too small
        self.first_cut_header = 0
        self.damaged_headers = 0
        self.first_damaged_header = 0
        self.cut_options = 0  # behind the flags of a header, with or without options
        self.first_cut_options = 0
        self.bad_options = 0
        self.first_bad_options = 0
        self.unsupported: dict[int, int] = {}  # link type -> frames that nothing here can decode
        self.unread: dict[int, int] = {}  # as `encapsulation.unread_name` has it -> frames that hold packets unread
        self.datagrams = 0  # of UDP
        self.senders = Senders()

    def drain(self, reader: FrameReader) -> int:
        """Take all frames that are in the reader's buffer; what the reader said then (NEED_MORE or DAMAGED)."""
        return self.run(reader)

    def run(self, reader: FrameReader) -> int:
        """Take the frames in the reader's buffer by the batch: decoded first, then tracked (`Tracker.track_all`)."""
        held = 0
        got = NEED_MORE
        self.meet(reader)
        while self.frames < self.most:
            if self.pcap is not None:
                held = self.make_room(self.take_plain(self.pcap, held))
                if self.frames == self.most:
                    got = FRAME
                    break
            got = reader.step()
            if got != FRAME:
                break
            held = self.make_room(held + self.decode(reader, self.first + held))
            while self.more:
                held = self.make_room(held + self.decode_more(reader, self.first + held))
        self.track(held)
        if self.relay is not None:
            self.relay.end_block()
        return got

    def relayed(self, rooms: int) -> Relay:
        """Let another thread track what is decoded from now on: the one that runs this."""
        self.relay = Relay(self.tracker, BATCH, rooms)
        self.hold(self.relay.storage)
        return self.relay

    def alone(self) -> None:
        """Track what is decoded from now on itself."""
        self.relay = None
        self.hold(seg.segments(BATCH))

    def hold(self, storage: Any) -> None:
        """Put segments here."""
        self.storage = storage
        self.records = seg.segments_of(storage)
        self.owners = self.tracker.owners = payload.owners_of(storage)
        self.first = 0  # where in `records` the batch begins

    def meet(self, reader: FrameReader) -> int:
        """Learn whether it is one of those whose records need no step of their own."""
        self.pcap = reader if isinstance(reader, PcapReader) else None
        return 0

    def make_room(self, held: int) -> int:
        """Track so many records if there is no place for another; how many are held then."""
        if held < BATCH:
            return held
        self.track(held)
        return 0

    def take_plain(self, reader: PcapReader, held: int) -> int:
        """Decode plain frames behind the records that are held; how many are held then."""
        if not self.timed or not plain_frames.are_read(reader):
            return held
        room = min(BATCH, held + self.most - self.frames)
        at, end = self.first + held, self.first + room
        now = plain_frames.take(reader, self.records, self.owners, at, end, self.before_ns) - self.first
        self.frames += now - held
        self.tcp_segments += now - held
        self.before_ns = reader.ts_ns
        self.last_ns = max(self.last_ns, self.before_ns)
        return now

    def follow(self, reader: FrameReader, held: int) -> int:
        """Track the first records, which another pump decoded: their payloads lie in the reader's buffer."""
        for at in range(held):
            self.place(reader, at)
        return self.track(held)

    def follow_datagrams(self, reader: FrameReader, held: int) -> int:
        """Track the datagrams among the first records, which another pump decoded."""
        for at in range(held):
            self.place(reader, at)
            self.follow_datagram(seg.segment_at(self.records, at))
        return 0

    def place(self, reader: FrameReader, at: int) -> int:
        """Let record `at` say where its payload lies: it has the place in the reader's buffer."""
        record = seg.segment_at(self.records, at)
        if record.kind not in (KIND_ICMP_ERROR, KIND_UDP_ERROR):
            payload.place(reader.data, record.reporter_hi, record.reporter_lo, record)
            owners.keep(self.owners, at, record, reader)
        return 0

    def track(self, held: int) -> int:
        """Track the first records."""
        if self.sieve is not None:
            held = self.sift(held)
        if self.tap is not None:
            self.show(held)
        if self.relay is None:
            self.tracker.track_all(self.records, 0, held)
        elif held:
            self.first = self.relay.put(held)
        return 0

    def sift(self, held: int) -> int:
        """Leave out what is tracked elsewhere: how many records remain."""
        return self.sieve.sift(held) if held and self.sieve is not None else held

    def show(self, held: int) -> int:
        """Show the records to who asked for it."""
        if held and self.tap is not None:
            self.tap(held)
        return 0

    def decode(self, reader: FrameReader, at: int) -> bool:
        """Decode the reader's frame into record `at`; False where it holds nothing to track."""
        self.frames += 1
        now = reader.ts_ns
        if reader.has_time:
            self.note_time(now, reader.frames)
        record = seg.segment_at(self.records, at)
        kind = fast.decode_frame(
            reader.data, reader.frame_start, reader.frame_end, reader.wire_len, reader.link_type, record
        )
        owners.keep(self.owners, at, record, reader)
        if kind != KIND_TCP:
            if kind == KIND_NONE:
                self.senders.note(record)
                return False
            if kind == KIND_DECLINED:
                kind = self.second_try(reader, at)
            if kind == KIND_FRAGMENT or (kind == KIND_DAMAGED and record.notes & NOTE_FIRST_FRAGMENT):
                kind = self.join(reader, at)
        elif record.notes & NOTE_FIRST_FRAGMENT:
            kind = self.join(reader, at)
        return self.take(kind, reader, record)

    def take_datagram(self, kind: int, reader: FrameReader, record: Any) -> int:
        """A UDP datagram of the reader's frame, or an error that quotes one."""
        self.datagrams += 1
        if not self.tracker.reads:
            return 0
        record.ts_ns = reader.ts_ns
        record.frame = reader.frames
        if kind == KIND_UDP and DNS in (record.src_port, record.dst_port):
            return self.take_lookup(record, over_tcp=False)
        if self.sieve is not None and self.set_aside(record):
            return 0
        return self.follow_datagram(record)

    def follow_datagram(self, record: Any) -> int:
        """Give QUIC a datagram, or an error that quotes one."""
        if record.kind == KIND_UDP_ERROR:
            return self.quic.on_error(record)
        start = payload.start(record)
        return self.quic.take(record, payload.memory(self.owners, record), start, start + payload.captured(record))

    def set_aside(self, record: Any) -> bool:
        """Whether a datagram is followed elsewhere."""
        seg.copy(self.apart, 0, record)
        return self.sieve is not None and self.sieve.takes()

    def payload_of(self, record: Any) -> bytes:
        """What was captured of the payload of a segment or datagram."""
        start = payload.start(record)
        return bytes(payload.memory(self.owners, record)[start : start + payload.captured(record)])

    def take_lookup(self, record: Any, over_tcp: bool) -> int:
        """A datagram to or from a name server, or a segment with payload."""
        data = self.payload_of(record)
        src, dst = pack(">QQ", record.src_hi, record.src_lo), pack(">QQ", record.dst_hi, record.dst_lo)
        ends, seq = (src, record.src_port, dst, record.dst_port), record.seq if over_tcp else None
        self.lookups.take(record.ts_ns, record.frame, ends, data, seq)
        return 0

    def take(self, kind: int, reader: FrameReader, record: Any) -> bool:
        """Count what was decoded; whether it is a segment to track."""
        if kind == KIND_TCP:
            if not record.notes & NOTE_CONTINUED:
                self.tcp_segments += 1
        elif kind == KIND_ICMP_ERROR:
            self.icmp_errors += 1
            self.senders.note(record)
        elif kind in (KIND_UDP, KIND_UDP_ERROR):
            self.senders.note(record)
            self.take_datagram(kind, reader, record)
            return False
        else:
            self.leave(kind, reader, record)
            return False
        if record.notes & NOTE_CUT_OPTIONS:
            self.cut_options += 1
            if self.cut_options == 1:
                self.first_cut_options = reader.frames
        if record.notes & NOTE_BAD_OPTIONS:
            self.bad_options += 1
            if self.bad_options == 1:
                self.first_bad_options = reader.frames
        if not reader.has_time:
            record.notes |= NOTE_UNTIMED
        record.ts_ns = reader.ts_ns
        record.frame = reader.frames
        if DNS in (record.src_port, record.dst_port) and kind == KIND_TCP and record.payload_len and self.tracker.reads:
            self.take_lookup(record, over_tcp=True)
        return True

    def note_time(self, now: int, frame: int) -> None:
        """Keep the first and the last time of the capture; frames need not be in order."""
        if now > self.last_ns or not self.timed:
            if not self.timed:
                self.first_ns = now
                self.timed = True
            self.last_ns = now
        if now < self.before_ns:
            self.went_back(now, frame)
        self.before_ns = now

    def second_try(self, reader: FrameReader, at: int) -> int:
        """Give what the fast decoder declined to the slow one."""
        kind = uncommon.decode_uncommon(
            self.frame_bytes(reader), reader.wire_len, reader.link_type, self.storage, at, self.parts
        )
        if self.parts:
            self.parts.reverse()
            self.more = len(self.parts)
        return kind

    def frame_bytes(self, reader: FrameReader) -> bytes:
        """The reader's frame."""
        return bytes(memoryview(reader.buffer)[reader.frame_start : reader.frame_end])

    def decode_more(self, reader: FrameReader, at: int) -> bool:
        """Decode the next packet of a frame that holds several; False where it is nothing to track."""
        record = seg.segment_at(self.records, at)
        return self.take(self.next_part(at), reader, record)

    def next_part(self, at: int) -> int:
        """Decode the next of the parts."""
        self.more -= 1
        return uncommon.decode_part(self.parts.pop(), self.storage, at)

    def join(self, reader: FrameReader, at: int) -> int:
        """Put a fragment, which is in record `at`, to the others of its datagram: what it is now."""
        if self.sieve is not None and self.sieve.takes_fragment(reader):
            self.parts.clear()
            self.more = 0
            return KIND_NONE
        try:
            part = uncommon.part_of(self.frame_bytes(reader), reader.wire_len, reader.link_type)
        except uncommon.damage():
            part = None
        return self.reassembler.take(part, reader.ts_ns, self.storage, at)

    def went_back(self, now: int, frame: int) -> None:
        """Count a frame whose time is before that of the frame before it."""
        self.backwards += 1
        if self.backwards == 1:
            self.first_backwards = frame
        self.first_ns = min(self.first_ns, now)

    def leave(self, kind: int, reader: FrameReader, record: Any) -> int:
        """Count a frame without a segment to follow."""
        if kind == KIND_FRAGMENT:
            self.fragments += 1
        elif kind == KIND_DAMAGED and record.notes & NOTE_CUT_HEADER:
            self.cut_headers += 1
            if self.cut_headers == 1:
                self.first_cut_header = reader.frames
        elif kind == KIND_DAMAGED:
            self.damaged_headers += 1
            if self.damaged_headers == 1:
                self.first_damaged_header = reader.frames
        elif kind == KIND_DECLINED:
            self.note_unsupported(reader.link_type)
        elif kind == KIND_UNREAD:
            self.note_unread(record.seq)
        return 0

    def note_unsupported(self, link_type: int) -> int:
        """Count a frame of a link type that nothing here can decode."""
        self.unsupported[link_type] = self.unsupported.get(link_type, 0) + 1
        return 0

    def note_unread(self, what: int) -> int:
        """Count a frame that holds packets which nothing here reads."""
        self.unread[what] = self.unread.get(what, 0) + 1
        return 0
