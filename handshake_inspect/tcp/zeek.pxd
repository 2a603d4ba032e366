cimport cython
from libc.stdint cimport int32_t, uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport rows
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    TRAIT_ACKS, TRAIT_FIN, TRAIT_HOLE, TRAIT_SEEN, ZEEK_ESTABLISHED, ZEEK_WROTE_A, ZEEK_WROTE_D,
)
from handshake_inspect.tcp.zeek_words cimport (
    ABOVE_HOLE, BEGUN, BELOW_PREVIOUS, CLOCK_WENT_BACK_US, CLOSED, CLOSE_DELAY_US, CREDITED, CUT, ESTABLISHED, FAR,
    FLIP, GAVE_UP, INACTIVE, LETTER_A, LETTER_C, LETTER_D, LETTER_F, LETTER_G, LETTER_H, LETTER_I, LETTER_Q, LETTER_R,
    LETTER_S, LETTER_T, LETTER_W, LOWER, OVER, PARTIAL, PREVIOUS, RESET, ROOM, SYN_ACK_SENT, SYN_SENT, WROTE_A,
    WROTE_D, WROTE_F, WROTE_I, WROTE_Q, WROTE_R, WROTE_S,
)
from handshake_inspect.wire.const cimport ACK, FIN, MASK16, MASK32, NOTE_SNAPPED, RST, SYN

cdef bytes SERVER_PORT_TABLE

@cython.locals(flags="unsigned int", by_originator=bint, rebased=bint, relative=uint32_t)
cdef void observe(rows.Alias *alias, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *seg,
                  unsigned int side) noexcept nogil

cdef void _observe_plain(rows.Alias *alias, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *seg,
                         unsigned int side) noexcept nogil

cdef void observe_bad_checksum(rows.Alias *alias, unsigned int side) noexcept nogil

cdef void _begin(rows.Alias *alias, segment.Segment *seg) noexcept nogil

@cython.locals(one="unsigned int", other="unsigned int")
cdef bint _is_over(rows.Alias *alias, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *seg) noexcept nogil

@cython.locals(age=uint32_t)
cdef bint _is_recent(rows.Endpoint *end, segment.Segment *seg) noexcept nogil

@cython.locals(state="unsigned int", previous="unsigned int")
cdef bint _rebases(rows.Alias *alias, unsigned int flags, unsigned int side) noexcept nogil

@cython.locals(kind="unsigned int", letter="unsigned int")
cdef void _write_kind(rows.Alias *alias, unsigned int flags, uint32_t relative, uint32_t payload_len,
                      unsigned int side) noexcept nogil

cdef void _write_plain(rows.Alias *alias, unsigned int flags, uint32_t payload_len, unsigned int side) noexcept nogil

@cython.locals(reset=bint, closed=bint)
cdef bint _minds_window(rows.Alias *alias, segment.Segment *seg, unsigned int side) noexcept nogil

cdef void _note_payload(rows.Alias *alias, rows.Endpoint *sender, segment.Segment *seg, bint rebased,
                        unsigned int side) noexcept nogil

cdef void _note_acknowledgment(rows.Alias *alias, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *seg,
                               unsigned int side) noexcept nogil

cdef void _note_letters(rows.Alias *alias, rows.Endpoint *sender, rows.Endpoint *peer, unsigned int side) noexcept nogil

cdef void _note_repeat(rows.Alias *alias, rows.Endpoint *sender, segment.Segment *seg, bint rebased,
                       unsigned int side) noexcept nogil

@cython.locals(flags="unsigned int", end=uint32_t, distance=int32_t)
cdef bint _repeats(rows.Alias *alias, rows.Endpoint *sender, segment.Segment *seg, bint rebased,
                   unsigned int side) noexcept nogil

@cython.locals(state="unsigned int", other="unsigned int")
cdef void _advance(rows.Alias *alias, unsigned int flags, uint32_t payload_len, bint by_originator,
                   unsigned int side) noexcept nogil

@cython.locals(other="unsigned int")
cdef void _wake(rows.Alias *alias, unsigned int flags, uint32_t payload_len, bint by_originator,
                unsigned int side) noexcept nogil

@cython.locals(state="unsigned int", previous="unsigned int")
cdef bint _clean(rows.Alias *alias, unsigned int side) noexcept nogil

@cython.locals(other="unsigned int", delivered=uint32_t, above_hole=int32_t, acked=bint, holed=bint,
               trusted=bint)
cdef void _note_gaps(rows.Alias *alias, rows.Endpoint *sender, rows.Endpoint *peer, uint32_t ack,
                     unsigned int side) noexcept nogil

@cython.locals(written="unsigned int", bits="unsigned int")
cdef unsigned int _plain_letters(rows.Alias *alias, unsigned int side) noexcept nogil

@cython.locals(role="unsigned int")
cdef bint _already(rows.Alias *alias, unsigned int bit, unsigned int letter, unsigned int side) noexcept nogil

cdef void _exchange(rows.Alias *alias) noexcept nogil

cdef unsigned int _count(rows.Alias *alias, unsigned int letter, unsigned int count, unsigned int side) noexcept nogil

cdef void _write(rows.Alias *alias, unsigned int letter, unsigned int side) noexcept nogil

cdef void _append(rows.Alias *alias, unsigned int letter) noexcept nogil

@cython.locals(before="unsigned int")
cdef void _set_state(rows.Alias *alias, unsigned int side, unsigned int state) noexcept nogil
