cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows
from handshake_inspect.wire cimport seqspace

cdef uint32_t FACT_LAST_ACK_SEEN
cdef unsigned int TRAIT_ACKS
cdef unsigned int TRAIT_FIN
cdef unsigned int TRAIT_FIN_ACKED
cdef unsigned int ACK_OF_FIN_WAS_LOST
cdef unsigned int FIN_WAS_LOST
cdef unsigned int GOT_ACK_OF_FIN
cdef unsigned int GOT_FIN
cdef unsigned int SENT_FIN
cdef uint32_t MASK32
cdef unsigned int TIME_WAIT
cdef unsigned int CLOSE_WAIT
cdef unsigned int ESTABLISHED
cdef unsigned int FIN_WAIT_1
cdef unsigned int FIN_WAIT_2
cdef unsigned int BELIEVED_LOST

cdef void on_ack(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept
@cython.locals(before="unsigned int")
cdef void step(
    rows.Connection *connection, rows.Endpoint *end, segment.Segment *segment, unsigned int event
) noexcept
@cython.locals(crossing=bint)
cdef void on_fin(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept
cdef void repeated_fin(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept
cdef bint has_acked(rows.Endpoint *end, uint32_t seq) noexcept
