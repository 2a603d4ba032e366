cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport rows
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    ACCEPTED, BEYOND, CHECK_FIN_DOUBTED, CHECK_FIN_UNSEEN, FACT_ACKED, FACT_ISN_CHANGED, FACT_MIDSTREAM,
    FACT_SERVER_PROVED, FACT_SIMULTANEOUS, FACT_SYN, FACT_SYNACK, FACT_TFO, OUTSIDE, TRAIT_ACKS, TRAIT_FIN, TRAIT_ISS,
    VOID,
)
from handshake_inspect.tcp.limits cimport MAX_SHIFT, PAWS_WINDOW
from handshake_inspect.tcp.transitions cimport SYN_RECEIVED
from handshake_inspect.wire.const cimport ACK, FIN, MASK32, OPT_CUT, OPT_TIMESTAMPS, OPT_WINDOW_SCALE


@cython.locals(facts=uint64_t, request=bint)
cdef int acceptability(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(facts=uint64_t)
cdef bint is_request(rows.Connection *connection, rows.Endpoint *target, int side) noexcept nogil
cdef uint32_t end_of(segment.Segment *segment) noexcept nogil
@cython.locals(end=uint32_t)
cdef bint is_left(rows.Endpoint *target, segment.Segment *segment, bint request) noexcept nogil
@cython.locals(edge=uint32_t)
cdef bint is_right(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment, bint request
) noexcept nogil
@cython.locals(window=uint32_t, one_sided=uint32_t)
cdef uint32_t widest(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target
) noexcept nogil
cdef bint is_scale_known(rows.Endpoint *sender, rows.Endpoint *target) noexcept nogil
cdef bint is_offer_whole(unsigned int options) noexcept nogil
cdef bint is_at_edge(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment
) noexcept nogil
cdef bint is_ack_of_nothing(rows.Endpoint *target, segment.Segment *segment) noexcept nogil
cdef bint is_ack_too_old(
    rows.Connection *connection, rows.Endpoint *target, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_fin_doubtful(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment, int grade
) noexcept nogil
@cython.locals(edge=uint32_t)
cdef bint is_fin_cut_off(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment
) noexcept nogil
@cython.locals(opened=uint64_t)
cdef bint is_unopened(rows.Connection *connection, rows.Endpoint *server) noexcept nogil
@cython.locals(end=uint32_t, last=uint32_t)
cdef bint is_fin_possible(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment
) noexcept nogil
cdef bint is_ack_unseen(rows.Endpoint *target, segment.Segment *segment) noexcept nogil
cdef bint is_from_the_past(
    rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment
) noexcept nogil
cdef void doubt_fin(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
@cython.locals(end=uint32_t)
cdef bint is_fin_overwritten(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef bint is_doubt_over(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
