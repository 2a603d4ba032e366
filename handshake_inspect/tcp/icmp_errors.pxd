cimport cython
from libc.stdint cimport uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport aftermath, endpoint, rows
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.tcp.facts cimport (
    FACT_ACKED, FACT_ACK_REJECTED, FACT_DATA_ACK, FACT_ICMP, FACT_ISN_CHANGED, FACT_RST, FACT_SERVER_DATA,
    FACT_SERVER_PROVED, FACT_SIMULTANEOUS, FACT_SYN, FACT_SYNACK, FACT_SYNACK_AFTER_ACK, FACT_SYNACK_REJECTED,
)
from handshake_inspect.tcp.transitions cimport ACK_OF_SYN_WAS_LOST, GOT_ERROR, SYN_ACK_WAS_LOST, SYN_RECEIVED
from handshake_inspect.wire.const cimport ACK, MASK16, MASK32


cdef bint is_too_big(segment.Segment *segment) noexcept nogil
cdef bint is_undeliverable(segment.Segment *segment) noexcept nogil
cdef bint is_of_opening(
    rows.Connection *connection, rows.Endpoint *quoted, segment.Segment *segment
) noexcept nogil
@cython.locals(waits=uint64_t, known=uint64_t)
cdef bint is_of_acknowledgment(
    rows.Connection *connection, rows.Endpoint *client, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(bare=bint)
cdef void undeliver(
    Table table, rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
@cython.locals(retries="rows.Retries *")
cdef void note(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(facts=uint64_t, accepted=bint)
cdef void on_error(
    Table table, rows.Connection *connection, rows.Endpoint *quoted, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
