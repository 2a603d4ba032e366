cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    CHECK_DROPPED, CHECK_FIN_DOUBTED, CHECK_FIN_UNSEEN, FACT_ACKED, FACT_CLIENT_LATE, FACT_LAST_ACK_SEEN,
    FACT_MIDSTREAM, FACT_SERVER_LATE, FACT_SERVER_PROVED, TRAIT_ACKS, TRAIT_FIN, TRAIT_FIN_ACKED, TRAIT_HOLE,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.transitions cimport (
    ACK_OF_FIN_WAS_LOST, CLOSE_WAIT, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, FIN_WAS_LOST, GOT_ACK_OF_FIN, GOT_FIN, NO_FIN,
    SENT_FIN, TIME_WAIT,
)
from handshake_inspect.wire.const cimport ACK, FIN, MASK32, MASK64

cdef int64_t SHORTEST_RTO_NS
cdef unsigned int BELIEVED_LOST

cdef void on_ack(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side,
    bint again
) noexcept nogil
cdef bint is_fin_unseen(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef bint contradicts_fin(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef bint is_byte_unseen(rows.Endpoint *peer, segment.Segment *segment) noexcept nogil
cdef void believe_fin(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_fin_skipped(rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
@cython.locals(soon=bint)
cdef void skip_fin(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef void take_back(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, int side
) noexcept nogil
@cython.locals(length=uint32_t)
cdef bint is_unsent(rows.Endpoint *end, rows.Endpoint *peer, segment.Segment *segment) noexcept nogil
@cython.locals(untaken=bint)
cdef void forget_unsent(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef void end_with_fin(rows.Endpoint *sender) noexcept nogil
@cython.locals(next_=uint32_t)
cdef uint32_t expected_of(rows.Endpoint *sender, rows.Endpoint *peer) noexcept nogil
@cython.locals(low=uint32_t, end=uint32_t)
cdef bint is_fin_refuted(rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment) noexcept nogil
cdef void refute_fin(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, int side
) noexcept nogil
@cython.locals(beyond=bint)
cdef bint goes_beyond_fin(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef bint is_fin_at_last(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef void note_fin(
    rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, uint32_t beyond, int side
) noexcept nogil
cdef void fin_taken(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef void on_hole_filled(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
@cython.locals(before="unsigned int")
cdef void step(
    rows.Connection *connection, rows.Endpoint *end, segment.Segment *segment, unsigned int event
) noexcept nogil
@cython.locals(crossing=bint)
cdef void on_fin(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef void repeated_fin(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef bint has_acked(rows.Endpoint *end, uint32_t seq) noexcept nogil
