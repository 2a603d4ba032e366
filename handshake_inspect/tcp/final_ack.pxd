cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, renumbering, rows, rtt, simultaneous
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    CHECK_FIN_DOUBTED, CHECK_FIN_UNSEEN, FACT_ACKED, FACT_ACK_REJECTED, FACT_BOTH_ACKED, FACT_CHALLENGE_ACK,
    FACT_CLIENT_DATA, FACT_CLIENT_PROVED, FACT_DATA_ACK, FACT_DEFERRED, FACT_ISN_CHANGED, FACT_ISN_TURNED,
    FACT_LATER_ACK, FACT_MIDSTREAM, FACT_REORDERED, FACT_RST, FACT_SERVER_DATA, FACT_SERVER_PROVED, FACT_SIMULTANEOUS,
    FACT_SYN, FACT_SYNACK, FACT_SYNACK_AFTER_ACK, FACT_TFO, FACT_UNSEEN_DATA, METHOD_AMBIGUOUS, METHOD_DATA_ACK,
    METHOD_NONE, METHOD_ONE_SIDED, METHOD_REORDERED, TRAIT_ACKS, TRAIT_FIN, TRAIT_FIN_ACKED, TRAIT_HOLE, TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.transitions cimport (
    ACK_OF_SYN_WAS_LOST, FIN_WAS_LOST, GOT_ACK_OF_SYN, GOT_SYN_ACK, NO_FIN, PROVED_OPEN, SENT_ACK, SENT_SYN_ACK,
    SYN_RECEIVED, SYN_SENT,
)
from handshake_inspect.wire.const cimport FIN, MASK16, MASK32, MASK64, OPT_TIMESTAMPS

cdef uint32_t HALF
cdef uint32_t UNSEEN
cdef uint32_t UNSEEN_UNTIMED
cdef unsigned int BELIEVED_LOST

@cython.locals(facts=uint64_t)
cdef bint on_ack(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side
) noexcept nogil
@cython.locals(facts=uint64_t)
cdef bint client_ack(
    Table table, rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server,
    segment.Segment *segment
) noexcept nogil
@cython.locals(first=uint32_t)
cdef bint acknowledges_alternate(
    rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
cdef void turn_to_other_isn(rows.Connection *connection, rows.Endpoint *server) noexcept nogil
@cython.locals(accepted=uint32_t, beyond=bint)
cdef bint note_later(
    rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
@cython.locals(since_last=int64_t)
cdef void not_before_the_last(rows.Connection *connection, segment.Segment *segment) noexcept nogil
cdef void complete(rows.Connection *connection, rows.Endpoint *client, segment.Segment *segment) noexcept nogil
cdef bint one_sided_ack(
    Table table, rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server,
    segment.Segment *segment
) noexcept nogil
@cython.locals(facts=uint64_t)
cdef bint server_ack(
    rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client, segment.Segment *segment
) noexcept nogil
cdef bint is_unproved(rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment) noexcept nogil
@cython.locals(opened_with=uint32_t, answered_with=uint32_t)
cdef void withdraw(rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server) noexcept nogil
cdef void forget_sent(rows.Endpoint *end, uint32_t opened_with) noexcept nogil
cdef bint acknowledges_syn(rows.Endpoint *end, segment.Segment *segment) noexcept nogil
@cython.locals(beyond=uint32_t)
cdef bint acknowledges_unseen(rows.Endpoint *client, segment.Segment *segment) noexcept nogil
cdef bint is_challenge(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
@cython.locals(waited=uint32_t)
cdef bint is_deferred(rows.Connection *connection, rows.Endpoint *client) noexcept nogil
