cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport rows
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    CHECK_FIN_DOUBTED, EVEN, MIX_ACK, MIX_REST, MIX_SEQ, MIX_TSVAL, TRAIT_ACKS, TRAIT_FIN, TRAIT_HOLE,
    TRAIT_IP_ID_VARIES, TRAIT_ISS, TRAIT_SEEN, TRAIT_TSVAL_VARIES,
)
from handshake_inspect.tcp.limits cimport IP_ID_NEAR, MAX_SHIFT
from handshake_inspect.tcp.transitions cimport STATES
from handshake_inspect.wire.const cimport (
    ACK, FIN, MASK16, MASK32, OPT_ACCECN, OPT_ECN, OPT_TIMESTAMPS, OPT_WINDOW_SCALE, RST, SYN,
)

cdef bytes NEXT_STATE

cdef void become(rows.Endpoint *endpoint, unsigned int state) noexcept nogil
cdef void apply(rows.Endpoint *endpoint, unsigned int event) noexcept nogil
cdef void restore(rows.Endpoint *endpoint) noexcept nogil
@cython.locals(mixed=uint32_t, window=uint32_t, ack=uint32_t, flags=uint32_t, marks=uint32_t)
cdef uint32_t fingerprint(segment.Segment *segment) noexcept nogil
@cython.locals(at=uint32_t)
cdef void remember(rows.Endpoint *endpoint, segment.Segment *segment, uint32_t print_of) noexcept nogil
cdef bint is_late_copy(rows.Endpoint *endpoint, segment.Segment *segment) noexcept nogil
cdef void note_marks(rows.Endpoint *endpoint, segment.Segment *segment) noexcept nogil
cdef void note_plain(rows.Endpoint *endpoint, segment.Segment *segment) noexcept nogil
cdef void begin(rows.Endpoint *endpoint, segment.Segment *segment) noexcept nogil
cdef void open_at(rows.Endpoint *endpoint, segment.Segment *segment) noexcept nogil
cdef void forget_earlier(rows.Endpoint *endpoint) noexcept nogil
cdef void agree_on_options(rows.Endpoint *server, rows.Endpoint *client) noexcept nogil
cdef void note_window(rows.Endpoint *endpoint, segment.Segment *segment) noexcept nogil
@cython.locals(unseen=uint32_t)
cdef void note_ack(rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment) noexcept nogil
cdef bint is_unseen(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef void fill(rows.Endpoint *endpoint, uint32_t to) noexcept nogil
cdef bint is_probe(rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment) noexcept nogil
cdef bint was_probed(rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment) noexcept nogil
cdef void extend(rows.Endpoint *sender, uint32_t seq, uint32_t end) noexcept nogil
@cython.locals(end=uint32_t)
cdef void lengthen(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef void miss(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef void lose(rows.Endpoint *sender, uint32_t first) noexcept nogil
cdef bint is_in_hole(rows.Endpoint *sender, uint32_t seq) noexcept nogil
@cython.locals(at=uint32_t)
cdef uint32_t newest_us(rows.Endpoint *end) noexcept nogil
