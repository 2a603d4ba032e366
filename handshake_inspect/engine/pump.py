"""The pump: moves frames from a reader through the decoder to the tracker, and counts them.

It is independent of files and reports.
"""

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
    """Separates what is tracked within one part of a trace from what is tracked across all parts: see `cluster`."""

    def sift(self, held: int) -> int:
        """Filter the first `held` records; move those to track to the front of `storage` and return their number."""

    def takes(self) -> bool:
        """Return True if the datagram in the pump's `apart` is tracked elsewhere."""

    def takes_fragment(self, reader: FrameReader) -> bool:
        """Return True if the reader's frame, an IP fragment, is reassembled elsewhere."""


class Pump:
    """Drives one trace through one tracker and counts what it saw."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.quic = QuicTracker(tracker.table.limit)
        self.lookups: Any = Lookups()  # has `take`; for a part of a trace, an object that stores messages for later
        self.storage = seg.segments(BATCH)
        self.records = seg.segments_of(self.storage)
        self.owners = self.tracker.owners = payload.owners_of(self.storage)
        self.apart_storage = seg.segments(1)  # a copy of the datagram for the sieve
        self.apart = seg.segments_of(self.apart_storage)
        self.sieve: Sieve | None = None  # set for a part of a trace
        self.frames = 0
        self.tap: Callable[[int], object] | None = None  # called with the number of records, before they are tracked
        self.pcap: PcapReader | None = None  # the reader, if it is a classic pcap
        self.max_frames = NO_LIMIT  # later frames stay in the reader
        self.tcp_segments = 0
        self.icmp_errors = 0  # that quote a TCP segment
        self.first_ns = 0
        self.last_ns = 0
        self.has_times = False  # whether any frame had a timestamp
        self.previous_ns = 0  # timestamp of the previous frame
        self.backwards = 0  # frames older than their predecessor
        self.first_backwards = 0
        self.fragments = 0  # later fragments, and first ones shorter than a TCP header
        self.reassembler = Reassembler()
        self.parts: list[uncommon.LayerData] = []  # packets of the frame still to be decoded, in reverse order
        self.parts_left = 0  # length of `parts`
        self.cut_headers = 0  # frames cut inside a header: snap length too small
        self.first_cut_header = 0
        self.damaged_headers = 0
        self.first_damaged_header = 0
        self.cut_options = 0  # frames cut after the flags of the TCP header, with or without options
        self.first_cut_options = 0
        self.bad_options = 0
        self.first_bad_options = 0
        self.unsupported: dict[int, int] = {}  # link type -> frames that cannot be decoded
        self.unread: dict[int, int] = {}  # code (see `encapsulation.unread_name`) -> frames with packets left unread
        self.datagrams = 0  # UDP
        self.senders = Senders()

    def drain(self, reader: FrameReader) -> int:
        """Process all frames in the reader's buffer; return the reader's final status (NEED_MORE or DAMAGED)."""
        return self.run(reader)

    def run(self, reader: FrameReader) -> int:
        """Process the frames in the reader's buffer in batches: decode a batch, then track it."""
        held = 0
        got = NEED_MORE
        self.set_reader(reader)
        while self.frames < self.max_frames:
            if self.pcap is not None:
                held = self.make_room(self.take_plain(self.pcap, held))
                if self.frames == self.max_frames:
                    got = FRAME
                    break
            got = reader.step()
            if got != FRAME:
                break
            held = self.make_room(held + self.decode(reader, held))
            while self.parts_left:
                held = self.make_room(held + self.decode_more(reader, held))
        self.track(held)
        return got

    def set_reader(self, reader: FrameReader) -> int:
        """Enable the fast path of `plain_frames` if the reader is a classic pcap."""
        self.pcap = reader if isinstance(reader, PcapReader) else None
        return 0

    def make_room(self, held: int) -> int:
        """Track the `held` records if the batch is full; return the new `held`."""
        if held < BATCH:
            return held
        self.track(held)
        return 0

    def take_plain(self, reader: PcapReader, held: int) -> int:
        """Append plain frames to the batch; return the new `held`."""
        if not self.has_times or not plain_frames.are_read(reader):
            return held
        room = min(BATCH, held + self.max_frames - self.frames)
        now = plain_frames.take(reader, self.records, self.owners, held, room, self.previous_ns)
        self.frames += now - held
        self.tcp_segments += now - held
        self.previous_ns = reader.ts_ns
        self.last_ns = max(self.last_ns, self.previous_ns)
        return now

    def track_decoded(self, reader: FrameReader, held: int) -> int:
        """Track the first `held` records, decoded by another pump, whose payloads are in the reader's buffer."""
        for at in range(held):
            self.locate_payload(reader, at)
        return self.track(held)

    def track_decoded_datagrams(self, reader: FrameReader, held: int) -> int:
        """Track the first `held` records, datagrams decoded by another pump."""
        for at in range(held):
            self.locate_payload(reader, at)
            self.track_datagram(seg.segment_at(self.records, at))
        return 0

    def locate_payload(self, reader: FrameReader, at: int) -> int:
        """Turn the payload position in record `at` from an offset in the reader's buffer into a location."""
        record = seg.segment_at(self.records, at)
        if record.kind not in (KIND_ICMP_ERROR, KIND_UDP_ERROR):
            payload.set_payload(reader.data, record.reporter_hi, record.reporter_lo, record)
            owners.keep(self.owners, at, record, reader)
        return 0

    def track(self, held: int) -> int:
        """Track the first `held` records."""
        if self.sieve is not None:
            held = self.sift(held)
        if self.tap is not None:
            self.call_tap(held)
        return self.tracker.track_all(self.records, 0, held)

    def sift(self, held: int) -> int:
        """Remove the records tracked elsewhere; return the number left."""
        return self.sieve.sift(held) if held and self.sieve is not None else held

    def call_tap(self, held: int) -> int:
        """Pass the records to the tap."""
        if held and self.tap is not None:
            self.tap(held)
        return 0

    def decode(self, reader: FrameReader, at: int) -> bool:
        """Decode the reader's frame into record `at`; return True if it holds a segment to track."""
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
                kind = self.decode_slow(reader, at)
            if kind == KIND_FRAGMENT or (kind == KIND_DAMAGED and record.notes & NOTE_FIRST_FRAGMENT):
                kind = self.reassemble(reader, at)
        elif record.notes & NOTE_FIRST_FRAGMENT:
            kind = self.reassemble(reader, at)
        return self.take(kind, reader, record)

    def take_datagram(self, kind: int, reader: FrameReader, record: Any) -> int:
        """Process a UDP datagram in the reader's frame, or an ICMP error that quotes one."""
        self.datagrams += 1
        if not self.tracker.reads:
            return 0
        record.ts_ns = reader.ts_ns
        record.frame = reader.frames
        if kind == KIND_UDP and DNS in (record.src_port, record.dst_port):
            return self.take_dns_message(record, over_tcp=False)
        if self.sieve is not None and self.is_taken_by_sieve(record):
            return 0
        return self.track_datagram(record)

    def track_datagram(self, record: Any) -> int:
        """Pass a datagram, or an ICMP error that quotes one, to the QUIC tracker."""
        if record.kind == KIND_UDP_ERROR:
            return self.quic.on_error(record)
        start = payload.start(record)
        return self.quic.take(record, payload.memory(self.owners, record), start, start + payload.captured(record))

    def is_taken_by_sieve(self, record: Any) -> bool:
        """Return True if a datagram is tracked elsewhere."""
        seg.copy(self.apart, 0, record)
        return self.sieve is not None and self.sieve.takes()

    def payload_of(self, record: Any) -> bytes:
        """Return the captured part of the payload of a segment or datagram."""
        start = payload.start(record)
        return bytes(payload.memory(self.owners, record)[start : start + payload.captured(record)])

    def take_dns_message(self, record: Any, over_tcp: bool) -> int:
        """Process a datagram, or a TCP segment with payload, to or from a name server."""
        data = self.payload_of(record)
        src, dst = pack(">QQ", record.src_hi, record.src_lo), pack(">QQ", record.dst_hi, record.dst_lo)
        ends, seq = (src, record.src_port, dst, record.dst_port), record.seq if over_tcp else None
        self.lookups.take(record.ts_ns, record.frame, ends, data, seq)
        return 0

    def take(self, kind: int, reader: FrameReader, record: Any) -> bool:
        """Count the decoded packet; return True if it is a segment to track."""
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
            self.count_skipped(kind, reader, record)
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
            self.take_dns_message(record, over_tcp=True)
        return True

    def note_time(self, now: int, frame: int) -> None:
        """Update the first and the last timestamp of the capture; frames may be out of order."""
        if now > self.last_ns or not self.has_times:
            if not self.has_times:
                self.first_ns = now
                self.has_times = True
            self.last_ns = now
        if now < self.previous_ns:
            self.count_backwards(now, frame)
        self.previous_ns = now

    def decode_slow(self, reader: FrameReader, at: int) -> int:
        """Decode a frame that the fast decoder declined."""
        kind = uncommon.decode_uncommon(
            self.frame_bytes(reader), reader.wire_len, reader.link_type, self.storage, at, self.parts
        )
        if self.parts:
            self.parts.reverse()
            self.parts_left = len(self.parts)
        return kind

    def frame_bytes(self, reader: FrameReader) -> bytes:
        """Return a copy of the reader's frame."""
        return bytes(memoryview(reader.buffer)[reader.frame_start : reader.frame_end])

    def decode_more(self, reader: FrameReader, at: int) -> bool:
        """Decode the next packet of a frame that holds several; return True if it is a segment to track."""
        record = seg.segment_at(self.records, at)
        return self.take(self.next_part(at), reader, record)

    def next_part(self, at: int) -> int:
        """Decode the next of `parts` and return its kind."""
        self.parts_left -= 1
        return uncommon.decode_from_layer(self.parts.pop(), self.storage, at)

    def reassemble(self, reader: FrameReader, at: int) -> int:
        """Add the fragment in record `at` to its datagram; return the resulting kind."""
        if self.sieve is not None and self.sieve.takes_fragment(reader):
            self.parts.clear()
            self.parts_left = 0
            return KIND_NONE
        try:
            part = uncommon.outer_layer(self.frame_bytes(reader), reader.wire_len, reader.link_type)
        except uncommon.decode_errors():
            part = None
        return self.reassembler.take(part, reader.ts_ns, self.storage, at)

    def count_backwards(self, now: int, frame: int) -> None:
        """Count a frame whose timestamp is before that of the previous frame."""
        self.backwards += 1
        if self.backwards == 1:
            self.first_backwards = frame
        self.first_ns = min(self.first_ns, now)

    def count_skipped(self, kind: int, reader: FrameReader, record: Any) -> int:
        """Count a frame without a segment to track."""
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
        """Count a frame of an unsupported link type."""
        self.unsupported[link_type] = self.unsupported.get(link_type, 0) + 1
        return 0

    def note_unread(self, what: int) -> int:
        """Count a frame that holds packets left unread."""
        self.unread[what] = self.unread.get(what, 0) + 1
        return 0
