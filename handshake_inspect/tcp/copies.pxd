cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, order, resending, rows, rtt
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    FACT_ACKED, FACT_MIDSTREAM, FACT_SIMULTANEOUS, FACT_SYN, FACT_SYNACK, TRAIT_ACKS, TRAIT_IP_ID_VARIES, TRAIT_ISS,
    TRAIT_SEEN, TRAIT_TSVAL_VARIES,
)
from handshake_inspect.tcp.limits cimport (
    MAX_CLOCK_SKEW_NS, COPIED, COPY_OF_SYN_US, COPY_US, COPY_WITH_IP_ID_US, COPY_WITH_TSVAL_US, EARLY, FAR_US,
    IP_ID_NEAR, TWIN_OF_DATA_US, TWIN_OF_SYN_US, UNTIMED_US,
)
from handshake_inspect.wire.const cimport ACK, FIN, MASK16, MASK32, OPT_TIMESTAMPS, RST, SYN


@cython.locals(now=uint32_t, at=uint32_t, age=int64_t, apart_us=int64_t)
cdef bint is_copy(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side, uint32_t print_of
) noexcept nogil
@cython.locals(is_only_syn=bint, age_ns=int64_t, count=uint32_t)
cdef bint is_opening(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment
) noexcept nogil
cdef int64_t opened_ns(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(total=int64_t)
cdef int64_t limit_us(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
@cython.locals(total=int64_t)
cdef bint is_repair(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side, int64_t age_us
) noexcept nogil
cdef bint note_twin(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef bint is_twin(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(now=uint32_t, at=uint32_t, apart_us=int64_t)
cdef void note_distance(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side,
    uint32_t print_of
) noexcept nogil
cdef int64_t distance_us(Table table, rows.Connection *connection, int side) noexcept nogil
@cython.locals(spread_us=int64_t)
cdef bint is_as_late(int64_t age_us, int64_t apart_us) noexcept nogil
@cython.locals(late_us=int64_t)
cdef bint is_of_second_point(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side, int64_t apart_us
) noexcept nogil
cdef bint is_untimed(rows.Connection *connection) noexcept nogil
cdef bint comes_too_soon(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
@cython.locals(copied=bint)
cdef bint is_all_copied(rows.Endpoint *sender, rows.Endpoint *peer) noexcept nogil
@cython.locals(again="rows.Order *")
cdef bint is_of_distant_repair(
    Table table, rows.Connection *connection, segment.Segment *segment, int side, int64_t apart_us
) noexcept nogil
cdef bint holds(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
cdef uint32_t end_of(segment.Segment *segment) noexcept nogil
cdef bint is_repacked(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side
) noexcept nogil
cdef bint is_of_repair(
    Table table, rows.Connection *connection, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_newer(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef bint is_numbered_later(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef bint is_another_answer(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, uint32_t at_us
) noexcept nogil
@cython.locals(count=uint32_t, since=uint32_t, spoke=uint32_t, at=uint32_t)
cdef uint32_t unanswered(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer
) noexcept nogil
