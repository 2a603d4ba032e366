cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport aftermath, endpoint, rows
from handshake_inspect.tcp.table cimport Table

cdef uint64_t FACT_ACKED
cdef uint64_t FACT_ICMP
cdef uint64_t FACT_RST
cdef uint64_t FACT_SERVER_DATA
cdef uint64_t FACT_SIMULTANEOUS
cdef uint64_t FACT_SYN
cdef uint64_t FACT_SYNACK
cdef unsigned int GOT_ERROR
cdef unsigned int SYN_RECEIVED
cdef unsigned int MASK16
cdef uint32_t MASK32

cdef bint is_too_big(segment.Segment *segment) noexcept nogil
cdef bint is_undeliverable(segment.Segment *segment) noexcept nogil
cdef bint is_of_opening(
    rows.Connection *connection, rows.Endpoint *quoted, segment.Segment *segment
) noexcept nogil
@cython.locals(facts=uint64_t, accepted=bint, retries="rows.Retries *")
cdef void on_error(
    Table table, rows.Connection *connection, rows.Endpoint *quoted, segment.Segment *segment, int side
) noexcept nogil
