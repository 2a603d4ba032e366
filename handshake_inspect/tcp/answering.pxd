cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, opening, rows, rtt, simultaneous
from handshake_inspect.tcp.facts cimport (
    FACT_ACKED, FACT_BAD_SYNACK, FACT_ISN_CHANGED, FACT_ISN_TURNED, FACT_MIDSTREAM,
    FACT_REORDERED, FACT_RST, FACT_RST_LOST, FACT_SERVER_PROVED, FACT_SIMULTANEOUS, FACT_SYN, FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK, FACT_SYNACK_AFTER_RST, FACT_SYNACK_FIRST, FACT_TFO, FACT_TWO_ISNS, FACT_UNSEEN_DATA,
    METHOD_AMBIGUOUS, NEW_INCARNATION, OURS, PROVISIONAL_ANSWERED, RST_OVERTAKEN_NS, TRAIT_ACKS, TRAIT_FIN,
    TRAIT_ISS, TRAIT_SEEN, UNSEEN_SYN_NS,
)
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.tcp.transitions cimport (
    ACK_OF_SYN_WAS_LOST, GOT_SYN_ACK, SENT_SYN, SENT_SYN_ACK, SYN_ACK_WAS_LOST,
)
from handshake_inspect.wire.const cimport ACK, MASK16, MASK32, MASK64, SYN

cdef uint32_t LONGEST_SYN

cdef bint answers(rows.Connection *connection, rows.Endpoint *client, uint32_t ack) noexcept nogil
@cython.locals(facts=uint64_t)
cdef int on_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side
) noexcept nogil
cdef bint answers_unseen_syn(
    rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_answer(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef bint has_isn(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef void first_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client,
    segment.Segment *segment
) noexcept nogil
@cython.locals(was_reset=bint)
cdef int unasked_syn_ack(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(was_at=int64_t, asked_again=bint)
cdef int later_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client,
    segment.Segment *segment
) noexcept nogil
@cython.locals(facts=uint64_t)
cdef int other_isn(
    Table table, rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client,
    segment.Segment *segment
) noexcept nogil
@cython.locals(newest=int64_t)
cdef bint is_second_answer(
    Table table, rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
cdef void two_isns(
    rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client, segment.Segment *segment
) noexcept nogil
cdef void asks_after_ack(rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(since=int64_t)
cdef void asks_after_rst(
    rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
cdef bint is_resent(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(slow=bint)
cdef bint is_crossing(rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(waiting="rows.Embryo *")
cdef bint answers_provisional(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
cdef bint keeps_request(rows.Connection *connection, int side) noexcept nogil
@cython.locals(waiting="rows.Embryo *")
@cython.locals(beyond=uint32_t)
cdef bint refuses_longer_syn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef int stray_syn_ack(rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
