cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport rows, rtt
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport TRAIT_ACKS, TRAIT_TSVAL_VARIES
from handshake_inspect.wire.const cimport MASK32, NOTE_UNTIMED, OPT_TIMESTAMPS

cdef int64_t SHORTEST_TIMER_NS
cdef int64_t QUIET_NS
cdef int64_t SHORTEST_RTO_US
cdef int64_t REPAIR_NS

cdef bint has_reason(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
@cython.locals(order="rows.Order *", total=int64_t, lasts_ns=int64_t)
cdef bint was_asked(
    Table table, rows.Connection *connection, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(order="rows.Order *")
cdef bint was_asked_for(
    Table table, rows.Connection *connection, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(order="rows.Order *")
cdef bint was_skipped(
    Table table, rows.Connection *connection, segment.Segment *segment, int side, uint32_t end
) noexcept nogil
cdef bint was_too_big(Table table, rows.Connection *connection, int side) noexcept nogil
cdef bint is_at_repairs(rows.Order *order, rows.Endpoint *peer, int side) noexcept nogil
@cython.locals(leg=int64_t)
cdef bint is_too_soon(
    rows.Connection *connection, rows.Order *order, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(least=int64_t)
cdef bint is_timer_over(
    rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment
) noexcept nogil
@cython.locals(at=int)
cdef bint is_quiet(rows.Endpoint *sender, segment.Segment *segment, int64_t least_us) noexcept nogil
@cython.locals(at=int)
cdef bint has_paused(rows.Endpoint *sender, segment.Segment *segment, int64_t least_us) noexcept nogil
@cython.locals(back=uint32_t, at=uint32_t)
cdef int newest_bytes(rows.Endpoint *sender) noexcept nogil
cdef int32_t age_us(rows.Endpoint *sender, segment.Segment *segment, int at) noexcept nogil
@cython.locals(since_ns=int64_t)
cdef bint is_part_of_repair(
    rows.Order *order, segment.Segment *segment, int side, uint32_t end
) noexcept nogil
cdef bint is_in_repair(
    rows.Order *order, segment.Segment *segment, int side, uint32_t end
) noexcept nogil
