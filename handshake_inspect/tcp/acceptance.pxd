cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport rows
from handshake_inspect.wire cimport seqspace

cdef int ACCEPTED
cdef int BEYOND
cdef int OUTSIDE
cdef int VOID
cdef unsigned int CHECK_FIN_DOUBTED
cdef unsigned int CHECK_FIN_UNSEEN
cdef uint64_t FACT_ACKED
cdef uint64_t FACT_ISN_CHANGED
cdef uint64_t FACT_MIDSTREAM
cdef uint64_t FACT_SERVER_PROVED
cdef uint64_t FACT_SIMULTANEOUS
cdef uint64_t FACT_SYN
cdef uint64_t FACT_SYNACK
cdef unsigned int TRAIT_ACKS
cdef unsigned int TRAIT_FIN
cdef unsigned int TRAIT_ISS
cdef unsigned int OPT_TIMESTAMPS
cdef unsigned int SYN_RECEIVED
cdef uint32_t PAWS_WINDOW
cdef unsigned int ACK
cdef unsigned int FIN
cdef uint32_t MASK32

@cython.locals(facts=uint64_t, request=bint)
cdef int worth(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment, int side
) noexcept nogil
cdef uint32_t end_of(segment.Segment *segment) noexcept nogil
@cython.locals(end=uint32_t)
cdef bint is_left(rows.Endpoint *target, segment.Segment *segment, bint request) noexcept nogil
@cython.locals(edge=uint32_t)
cdef bint is_right(
    rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment, bint request
) noexcept nogil
cdef bint is_at_edge(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment
) noexcept nogil
cdef bint is_ack_of_nothing(rows.Endpoint *target, segment.Segment *segment) noexcept nogil
cdef bint is_ack_too_old(
    rows.Connection *connection, rows.Endpoint *target, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_fin_doubtful(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment, int worth
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
cdef bint is_doubt_over(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
