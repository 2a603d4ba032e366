from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows

cdef uint64_t FACT_ACKED
cdef uint64_t FACT_CLIENT_PROVED
cdef uint64_t FACT_SERVER_PROVED
cdef uint64_t FACT_SIMULTANEOUS
cdef uint64_t FACT_SYNACK
cdef unsigned int METHOD_SIMULTANEOUS
cdef unsigned int GOT_SYN
cdef unsigned int GOT_SYN_ACK
cdef unsigned int SENT_SYN
cdef unsigned int SYN_WAS_LOST
cdef unsigned int ACK_OF_SYN_WAS_LOST
cdef unsigned int ESTABLISHED
cdef unsigned int TRAIT_ACKS
cdef uint32_t MASK32
cdef uint64_t MASK64

cdef void second_syn(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef void repeated_syn(rows.Connection *connection, rows.Endpoint *sender) noexcept nogil
cdef void repeated_syn_ack(rows.Connection *connection, rows.Endpoint *sender) noexcept nogil
cdef void complete(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef void on_syn_ack(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_self(rows.Connection *connection) noexcept nogil
cdef void with_itself(rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
