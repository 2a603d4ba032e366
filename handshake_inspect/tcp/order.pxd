cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows, rtt
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    FACT_CLIENT_LATE, FACT_SERVER_LATE, GAP_ACKED, GAP_FREE, GAP_PASSED, NEW, OLD, PROBE, TRAIT_ACKS, TRAIT_HOLE,
    TRAIT_IP_ID_VARIES, TRAIT_SEEN, TRAIT_TSVAL_VARIES,
)
from handshake_inspect.tcp.limits cimport REORDER_FLOOR_NS, IP_ID_NEAR, SENT_SINCE, STORED_LATE_NS
from handshake_inspect.wire.const cimport ACK, FIN, MASK16, MASK32, OPT_SACK, OPT_TIMESTAMPS, RST, SYN

cdef int GAPS_KEPT

@cython.locals(seq_len=uint32_t, end=uint32_t)
cdef int advance(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
cdef void partly_new(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side, uint32_t end
) noexcept nogil
@cython.locals(order="rows.Order *", at=int)
cdef bint is_acked_first(
    Table table, rows.Connection *connection, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(at=int)
cdef void old(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side, uint32_t end
) noexcept nogil
@cython.locals(order="rows.Order *")
cdef void sent_again(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side, uint32_t end
) noexcept nogil
@cython.locals(at=int)
cdef int gap_of(rows.Order *order, int side, uint32_t seq) noexcept nogil
@cython.locals(order="rows.Order *", at=int)
cdef void open_gap(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side,
    uint32_t start, uint32_t beyond, unsigned int kind
) noexcept nogil
@cython.locals(start=uint32_t, order="rows.Order *", at=int)
cdef void open_before(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side, uint32_t first
) noexcept nogil
@cython.locals(start=uint32_t)
cdef void open_acknowledged(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
cdef void note_maker(
    rows.Order *order, int at, rows.Endpoint *sender, segment.Segment *segment
) noexcept nogil
@cython.locals(found=int, at=int)
cdef int place(rows.Order *order, int side, uint32_t start, unsigned int kind) noexcept nogil
@cython.locals(order="rows.Order *")
cdef void fill(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side, uint32_t end,
    int at
) noexcept nogil
@cython.locals(since_ns=int64_t)
cdef bint is_stored_late(
    rows.Order *order, rows.Endpoint *sender, segment.Segment *segment, int at
) noexcept nogil
@cython.locals(behind=uint32_t)
cdef bint was_overtaken(
    rows.Connection *connection, rows.Order *order, rows.Endpoint *sender, segment.Segment *segment, int side, int at
) noexcept nogil
@cython.locals(made_ns=int64_t, leg=int64_t, total=int64_t)
cdef int64_t soonest_ns(rows.Connection *connection, rows.Order *order, int side, int at) noexcept nogil
@cython.locals(order="rows.Order *", at=int)
cdef void take_out(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side, uint32_t end
) noexcept nogil
@cython.locals(start=uint32_t, kind=uint8_t, front=int)
cdef void cut(
    rows.Order *order, rows.Endpoint *sender, segment.Segment *segment, int side, uint32_t end, int at
) noexcept nogil
@cython.locals(at=int)
cdef int free_place(rows.Order *order, int side) noexcept nogil
@cython.locals(first=int, at=int)
cdef void settle(rows.Order *order, rows.Endpoint *sender, rows.Endpoint *peer, int side) noexcept nogil
cdef bint is_acked(rows.Endpoint *peer, uint32_t seq) noexcept nogil
@cython.locals(known=uint32_t)
cdef void miss(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(order="rows.Order *", at=int)
cdef void drop(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(end=uint32_t)
cdef void lengthen(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
@cython.locals(known=uint32_t, traits="unsigned int")
cdef void acknowledge(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
cdef bint is_doubt(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
@cython.locals(order="rows.Order *")
cdef void note_doubt(
    Table table, rows.Connection *connection, segment.Segment *segment, int side
) noexcept nogil
