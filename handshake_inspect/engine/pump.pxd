cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.capture.pcap cimport PcapReader
from handshake_inspect.decode cimport frame as fast
from handshake_inspect.decode cimport payload
from handshake_inspect.decode cimport segment as seg
from handshake_inspect.quic.tracker cimport QuicTracker
from handshake_inspect.engine cimport owners, plain_frames
from handshake_inspect.engine.senders cimport Senders
from handshake_inspect.tcp.tracker cimport Tracker
from handshake_inspect.wire.const cimport (
    DNS, KIND_DAMAGED, KIND_DECLINED, KIND_FRAGMENT, KIND_ICMP_ERROR, KIND_NONE, KIND_TCP, KIND_UDP, KIND_UDP_ERROR,
    KIND_UNREAD, NOTE_BAD_OPTIONS, NOTE_CONTINUED, NOTE_CUT_HEADER, NOTE_CUT_OPTIONS, NOTE_FIRST_FRAGMENT,
    NOTE_UNTIMED,
)

cdef int FRAME
cdef int NEED_MORE
cdef Py_ssize_t BATCH

@cython.final
cdef class Pump:
    cdef readonly Tracker tracker
    cdef readonly QuicTracker quic
    cdef public object lookups
    cdef readonly object storage
    cdef seg.Segment *records
    cdef void *owners
    cdef readonly object apart_storage
    cdef seg.Segment *apart
    cdef public object sieve
    cdef readonly uint64_t frames
    cdef public object tap
    cdef readonly PcapReader pcap
    cdef public uint64_t max_frames
    cdef readonly uint64_t tcp_segments
    cdef readonly uint64_t icmp_errors
    cdef readonly int64_t first_ns
    cdef readonly int64_t last_ns
    cdef readonly bint has_times
    cdef public int64_t previous_ns
    cdef readonly uint64_t backwards
    cdef readonly uint64_t first_backwards
    cdef readonly uint64_t fragments
    cdef readonly object reassembler
    cdef list parts
    cdef Py_ssize_t parts_left
    cdef readonly uint64_t cut_headers
    cdef readonly uint64_t first_cut_header
    cdef readonly uint64_t damaged_headers
    cdef readonly uint64_t first_damaged_header
    cdef readonly uint64_t cut_options
    cdef readonly uint64_t first_cut_options
    cdef readonly uint64_t bad_options
    cdef readonly uint64_t first_bad_options
    cdef readonly dict unsupported
    cdef readonly dict unread
    cdef readonly uint64_t datagrams
    cdef readonly Senders senders

    cpdef int drain(self, FrameReader reader) except -1
    @cython.locals(held=Py_ssize_t, got=int)
    cdef int run(self, FrameReader reader) except -1 nogil
    cdef int set_reader(self, FrameReader reader) except -1 with gil
    cdef Py_ssize_t make_room(self, Py_ssize_t held) except -1 nogil
    @cython.locals(room=Py_ssize_t, now=Py_ssize_t)
    cdef Py_ssize_t take_plain(self, PcapReader reader, Py_ssize_t held) noexcept nogil
    @cython.locals(at=Py_ssize_t)
    cpdef int track_decoded(self, FrameReader reader, Py_ssize_t held) except -1
    @cython.locals(at=Py_ssize_t)
    cpdef int track_decoded_datagrams(self, FrameReader reader, Py_ssize_t held) except -1
    @cython.locals(record="seg.Segment *")
    cdef int locate_payload(self, FrameReader reader, Py_ssize_t at) except -1 nogil
    cdef int track(self, Py_ssize_t held) except -1 nogil
    cdef Py_ssize_t sift(self, Py_ssize_t held) except -1 with gil
    cdef int call_tap(self, Py_ssize_t held) except -1 with gil
    @cython.locals(record="seg.Segment *", now=int64_t, kind=int)
    cdef bint decode(self, FrameReader reader, Py_ssize_t at) except -1 nogil
    cdef int take_datagram(self, int kind, FrameReader reader, seg.Segment *record) except -1 nogil
    @cython.locals(start=Py_ssize_t)
    cdef int track_datagram(self, seg.Segment *record) except -1 nogil
    cdef bint is_taken_by_sieve(self, seg.Segment *record) except -1 with gil
    @cython.locals(start=Py_ssize_t)
    cdef bytes payload_of(self, seg.Segment *record)
    cdef int take_dns_message(self, seg.Segment *record, bint over_tcp) except -1 with gil
    cdef bint take(self, int kind, FrameReader reader, seg.Segment *record) except -1 nogil
    cdef void note_time(self, int64_t now, uint64_t frame) noexcept nogil
    cdef int decode_slow(self, FrameReader reader, Py_ssize_t at) except -1 with gil
    cdef bytes frame_bytes(self, FrameReader reader)
    @cython.locals(record="seg.Segment *")
    cdef bint decode_more(self, FrameReader reader, Py_ssize_t at) except -1 nogil
    cdef int next_part(self, Py_ssize_t at) except -1 with gil
    cdef int reassemble(self, FrameReader reader, Py_ssize_t at) except -1 with gil
    cdef void count_backwards(self, int64_t now, uint64_t frame) noexcept nogil
    cdef int count_skipped(self, int kind, FrameReader reader, seg.Segment *record) except -1 nogil
    cdef int note_unsupported(self, uint32_t link_type) except -1 with gil
    cdef int note_unread(self, uint32_t what) except -1 with gil
