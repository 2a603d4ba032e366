cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, answering, order, rows
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    FACT_ACKED, FACT_CLIENT_DATA, FACT_CLIENT_PROVED, FACT_MIDSTREAM, FACT_REFUSED, FACT_REORDERED, FACT_RST,
    FACT_SERVER_DATA, FACT_SERVER_PROVED, FACT_SIMULTANEOUS, FACT_SYN, FACT_SYNACK, FACT_SYNACK_FIRST,
    METHOD_REORDERED, TRAIT_ACKS, TRAIT_ISS, TRAIT_SEEN,
)
from handshake_inspect.tcp.transitions cimport ACK_OF_SYN_WAS_LOST
from handshake_inspect.wire.const cimport ACK, FIN, MASK32, MASK64

cdef int64_t OVERTAKEN_NS
cdef int64_t REPEATED_NS
cdef uint32_t STORED_BEFORE
cdef uint32_t FRAMES_BEFORE

@cython.locals(facts=uint64_t)
cdef bint late_syn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
@cython.locals(facts=uint64_t)
cdef bint late_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
cdef bint is_the_one_acknowledged(
    rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_opening(rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment) noexcept nogil
@cython.locals(reset=bint, answered=bint)
cdef bint is_of_nothing(rows.Connection *connection, rows.Endpoint *peer, int side) noexcept nogil
cdef bint is_answered_first(rows.Endpoint *client, segment.Segment *segment) noexcept nogil
cdef bint is_refused(
    rows.Connection *connection, rows.Endpoint *client, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(beyond=uint32_t, contiguous=uint32_t, window=uint32_t, known=bint)
cdef void open_late(rows.Endpoint *end, segment.Segment *segment) noexcept nogil
cdef void no_rtt(rows.Connection *connection) noexcept nogil
cdef void open_attempt(rows.Connection *connection, segment.Segment *segment, int side) noexcept nogil
@cython.locals(one_way=bint)
cdef void connect(
    rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server, int side
) noexcept nogil
