cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows, rtt, simultaneous
from handshake_inspect.tcp.facts cimport (
    EMBRYO_STATE, EMBRYO_SUCCESSOR, FACT_ACKED, FACT_BLIND_SYN, FACT_ICMP, FACT_MIDSTREAM, FACT_REFUSED, FACT_REORDERED,
    FACT_RST, FACT_SERVER_PROVED, FACT_SIMULTANEOUS, FACT_SYN, FACT_SYNACK, FACT_SYNACK_FIRST, FACT_UNSEEN_DATA,
    METHOD_REORDERED, NEW_INCARNATION, OURS, PROVISIONAL, SUCCESSOR, TRAIT_FIN, TRAIT_ISS, TRAIT_SEEN,
)
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.limits cimport MAX_CLOCK_SKEW_NS
from handshake_inspect.tcp.transitions cimport FIN_WAIT_1, SENT_SYN, SYN_ACK_WAS_LOST, TIME_WAIT
from handshake_inspect.wire.const cimport ACK, FIN, MASK32, MASK64, SYN

cdef int64_t TIME_WAIT_NS
cdef int64_t REFUSED_AGAIN_NS

cdef void first_syn(
    rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(facts=uint64_t, same=bint, by_client=bint)
cdef int on_syn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side
) noexcept nogil
@cython.locals(facts=uint64_t)
cdef bint is_over(rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer) noexcept nogil
@cython.locals(waiting="rows.Embryo *")
cdef int successor_of(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef bint is_replayed(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
@cython.locals(facts=uint64_t)
cdef bint is_again(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef void repeated_syn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
cdef void still_asks(rows.Connection *connection, rows.Endpoint *client) noexcept nogil
@cython.locals(beyond=uint32_t, sent=bint)
cdef void reordered_syn(
    rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
