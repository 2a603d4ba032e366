cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows, rtt, simultaneous
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace

cdef unsigned int CHECK_FIN_DOUBTED
cdef uint64_t FACT_ACKED
cdef uint64_t FACT_BAD_SYNACK
cdef uint64_t FACT_BLIND_SYN
cdef uint64_t FACT_ICMP
cdef uint64_t FACT_ISN_CHANGED
cdef uint64_t FACT_ISN_TURNED
cdef uint64_t FACT_MIDSTREAM
cdef uint64_t FACT_REFUSED
cdef uint64_t FACT_REORDERED
cdef uint64_t FACT_RST
cdef uint64_t FACT_RST_LOST
cdef uint64_t FACT_SERVER_PROVED
cdef uint64_t FACT_SIMULTANEOUS
cdef uint64_t FACT_SYN
cdef uint64_t FACT_SYNACK
cdef uint64_t FACT_SYNACK_AFTER_ACK
cdef uint64_t FACT_SYNACK_AFTER_RST
cdef uint64_t FACT_SYNACK_FIRST
cdef uint64_t FACT_TFO
cdef uint64_t FACT_TWO_ISNS
cdef uint64_t FACT_UNSEEN_DATA
cdef unsigned int METHOD_NONE
cdef unsigned int METHOD_REORDERED
cdef int NEW_INCARNATION
cdef int OURS
cdef int PROVISIONAL
cdef int PROVISIONAL_ANSWERED
cdef int SUCCESSOR
cdef unsigned int EMBRYO_SUCCESSOR
cdef unsigned int FIN_WAIT_1
cdef unsigned int TIME_WAIT
cdef int64_t TIME_WAIT_NS
cdef int64_t CLOCKS_DIFFER_NS
cdef uint32_t LONGEST_SYN
cdef int64_t REFUSED_AGAIN_NS
cdef unsigned int TRAIT_ACKS
cdef unsigned int TRAIT_FIN
cdef unsigned int TRAIT_HOLE
cdef unsigned int TRAIT_ISS
cdef unsigned int TRAIT_SEEN
cdef unsigned int ACK_OF_SYN_WAS_LOST
cdef unsigned int GOT_SYN
cdef unsigned int GOT_SYN_ACK
cdef unsigned int SENT_SYN
cdef unsigned int SENT_SYN_ACK
cdef unsigned int SYN_ACK_WAS_LOST
cdef unsigned int ACK
cdef unsigned int FIN
cdef unsigned int MASK16
cdef uint32_t MASK32
cdef uint64_t MASK64
cdef unsigned int SYN
cdef int64_t RST_OVERTAKEN_NS
cdef int64_t UNSEEN_SYN_NS

cdef void first_syn(
    rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(facts=uint64_t, same=bint)
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
@cython.locals(facts=uint64_t, newest=int64_t, refused=bint)
cdef bint is_again(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef void repeated_syn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(beyond=uint32_t, known=uint32_t)
cdef void still_asks(rows.Connection *connection, rows.Endpoint *client) noexcept nogil
cdef void reordered_syn(
    rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side
) noexcept nogil
cdef bint answers(rows.Connection *connection, rows.Endpoint *client, uint32_t ack) noexcept nogil
@cython.locals(facts=uint64_t)
cdef int on_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side
) noexcept nogil
cdef bint answers_unseen_syn(
    rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client, segment.Segment *segment, int side
) noexcept nogil
cdef bint has_isn(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef bint is_answer(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef void first_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client,
    segment.Segment *segment
) noexcept nogil
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
@cython.locals(since=int64_t)
cdef void asks_after_rst(
    rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
cdef bint is_resent(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
cdef bint is_crossing(rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(waiting="rows.Embryo *")
cdef bint answers_provisional(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(waiting="rows.Embryo *")
@cython.locals(beyond=uint32_t)
cdef bint refuses_longer_syn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef int stray_syn_ack(rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
