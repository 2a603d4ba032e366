cimport cython
from libc.stdint cimport uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport aftermath, endpoint, rows
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.tcp.facts cimport (
    FACT_ACKED, FACT_ICMP, FACT_RST, FACT_SERVER_DATA, FACT_SIMULTANEOUS, FACT_SYN, FACT_SYNACK,
)
from handshake_inspect.tcp.transitions cimport GOT_ERROR, SYN_RECEIVED
from handshake_inspect.wire.const cimport MASK16, MASK32


cdef bint is_too_big(segment.Segment *segment) noexcept nogil
cdef bint is_undeliverable(segment.Segment *segment) noexcept nogil
cdef bint is_of_opening(
    rows.Connection *connection, rows.Endpoint *quoted, segment.Segment *segment
) noexcept nogil
@cython.locals(facts=uint64_t, accepted=bint, retries="rows.Retries *")
cdef void on_error(
    Table table, rows.Connection *connection, rows.Endpoint *quoted, segment.Segment *segment, int side
) noexcept nogil
