
from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows
from handshake_inspect.tcp.facts cimport (
    FACT_ACKED, FACT_CLIENT_PROVED, FACT_SERVER_PROVED, FACT_SIMULTANEOUS, FACT_SYNACK,
    METHOD_SIMULTANEOUS, TRAIT_ACKS,
)
from handshake_inspect.tcp.transitions cimport (
    ACK_OF_SYN_WAS_LOST, ESTABLISHED, GOT_SYN, GOT_SYN_ACK, SENT_SYN, SYN_WAS_LOST,
)
from handshake_inspect.wire.const cimport MASK32, MASK64


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
