cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, renumbering, rows, rtt, simultaneous
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace

cdef unsigned int CHECK_FIN_DOUBTED
cdef unsigned int CHECK_FIN_UNSEEN
cdef uint64_t FACT_ACKED
cdef uint64_t FACT_BOTH_ACKED
cdef uint64_t FACT_CHALLENGE_ACK
cdef uint64_t FACT_CLIENT_DATA
cdef uint64_t FACT_CLIENT_PROVED
cdef uint64_t FACT_DATA_ACK
cdef uint64_t FACT_DEFERRED
cdef uint64_t FACT_ISN_CHANGED
cdef uint64_t FACT_ISN_TURNED
cdef uint64_t FACT_LATER_ACK
cdef uint64_t FACT_MIDSTREAM
cdef uint64_t FACT_REORDERED
cdef uint64_t FACT_RST
cdef uint64_t FACT_SERVER_DATA
cdef uint64_t FACT_SERVER_PROVED
cdef uint64_t FACT_SIMULTANEOUS
cdef uint64_t FACT_SYN
cdef uint64_t FACT_SYNACK
cdef uint64_t FACT_SYNACK_AFTER_ACK
cdef uint64_t FACT_TFO
cdef uint64_t FACT_UNSEEN_DATA
cdef unsigned int METHOD_AMBIGUOUS
cdef unsigned int METHOD_DATA_ACK
cdef unsigned int METHOD_NONE
cdef unsigned int METHOD_ONE_SIDED
cdef unsigned int METHOD_REORDERED
cdef unsigned int TRAIT_ACKS
cdef unsigned int TRAIT_FIN
cdef unsigned int TRAIT_FIN_ACKED
cdef unsigned int TRAIT_HOLE
cdef unsigned int TRAIT_ISS
cdef unsigned int TRAIT_SEEN
cdef unsigned int ACK_OF_SYN_WAS_LOST
cdef unsigned int FIN_WAS_LOST
cdef unsigned int NO_FIN
cdef unsigned int GOT_ACK_OF_SYN
cdef unsigned int GOT_SYN_ACK
cdef unsigned int PROVED_OPEN
cdef unsigned int SENT_ACK
cdef unsigned int SENT_SYN_ACK
cdef unsigned int FIN
cdef unsigned int SYN_RECEIVED
cdef unsigned int MASK16
cdef uint32_t MASK32
cdef uint64_t MASK64
cdef uint32_t HALF
cdef uint32_t UNSEEN
cdef uint32_t UNSEEN_UNTIMED
cdef unsigned int OPT_TIMESTAMPS
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
cdef void withdraw(rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server) noexcept nogil
cdef void forget_sent(rows.Endpoint *end) noexcept nogil
cdef bint acknowledges_syn(rows.Endpoint *end, segment.Segment *segment) noexcept nogil
@cython.locals(beyond=uint32_t)
cdef bint acknowledges_unseen(rows.Endpoint *client, segment.Segment *segment) noexcept nogil
cdef bint is_challenge(rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
@cython.locals(waited=uint32_t)
cdef bint is_deferred(rows.Connection *connection, rows.Endpoint *client) noexcept nogil
