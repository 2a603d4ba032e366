cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport answering, endpoint, final_ack, rows, rst_doubts
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    CHECK_DROPPED, CHECK_FIN_UNSEEN, CHECK_RST_BEHIND, CHECK_WENT_ON, FACT_ABORTED, FACT_ACKED, FACT_BAD_SYNACK,
    FACT_BARE_RST_AFTER_ACK, FACT_CHALLENGE_ACK, FACT_CLIENT_DATA, FACT_LAST_ACK_SEEN, FACT_MIDSTREAM, FACT_REBUFFED,
    FACT_REFUSED, FACT_RST, FACT_RST_DOUBTED, FACT_RST_IGNORED, FACT_RST_LOST, FACT_SERVER_DATA, FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS, FACT_SYN, FACT_SYNACK, FACT_SYNACK_AFTER_ACK, FACT_SYNACK_AFTER_RST, FACT_TFO,
    FACT_UNSEEN_DATA, TRAIT_ACKS, TRAIT_FIN, TRAIT_ISS, TRAIT_SEEN,
)
from handshake_inspect.tcp.limits cimport RST_SLACK_NS
from handshake_inspect.tcp.transitions cimport (
    CLOSE_WAIT, GOT_RST, LAST_ACK, SENT_RST, SYN_ACK_WAS_LOST, SYN_RECEIVED, SYN_SENT, TIME_WAIT,
)
from handshake_inspect.wire.const cimport ACK, MASK16, MASK32, MASK64, SYN

cdef int64_t QUICK_NS
cdef int64_t WAITED_NS
cdef int MAX_DOUBLINGS
cdef unsigned int BELIEVED_LOST
cdef uint64_t OPENING

@cython.locals(facts=uint64_t, again=bint, later=bint, asks=bint)
cdef void on_rst(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side,
    bint blind, bint filtered
) noexcept nogil
@cython.locals(facts=uint64_t)
cdef void on_another(rows.Connection *connection, rows.Endpoint *target, int side) noexcept nogil
cdef void on_closed(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment
) noexcept nogil
@cython.locals(bare=bint)
cdef void end_in_window(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_answer_to_bad_ack(
    rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment
) noexcept nogil
cdef bint is_answer_to_dropped(rows.Endpoint *target, segment.Segment *segment) noexcept nogil
@cython.locals(proved=uint64_t)
cdef bint is_denial(
    rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client, segment.Segment *segment
) noexcept nogil
@cython.locals(slack=int64_t, at_once=bint)
cdef bint is_bare_answer(rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment) noexcept nogil
cdef void answer_to_syn(
    rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_challenge_at_last(
    rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
cdef void withdraw_proof(rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server) noexcept nogil
cdef void own_rst(
    rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(low=uint32_t, offset=int64_t, beyond=uint32_t)
cdef bint is_in_window(rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment) noexcept nogil
@cython.locals(offset=int64_t)
cdef bint comes_later(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment, bint blind,
    bint filtered
) noexcept nogil
@cython.locals(doublings=int, waited=bint)
cdef bint is_proof(rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
cdef void doubt(rows.Connection *connection, segment.Segment *segment) noexcept nogil
cdef void end(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
