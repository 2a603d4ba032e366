cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, final_ack, opening, rows
from handshake_inspect.wire cimport seqspace

cdef uint64_t FACT_ABORTED
cdef uint64_t FACT_ACKED
cdef uint64_t FACT_BAD_SYNACK
cdef uint64_t FACT_BARE_RST_AFTER_ACK
cdef uint64_t FACT_CHALLENGE_ACK
cdef uint64_t FACT_CLIENT_DATA
cdef uint64_t FACT_LAST_ACK_SEEN
cdef uint64_t FACT_MIDSTREAM
cdef uint64_t FACT_REBUFFED
cdef uint64_t FACT_REFUSED
cdef uint64_t FACT_RST
cdef uint64_t FACT_RST_DOUBTED
cdef uint64_t FACT_RST_IGNORED
cdef uint64_t FACT_SERVER_DATA
cdef uint64_t FACT_SERVER_PROVED
cdef uint64_t FACT_SIMULTANEOUS
cdef uint64_t FACT_SYN
cdef uint64_t FACT_SYNACK
cdef uint64_t FACT_SYNACK_AFTER_ACK
cdef uint64_t FACT_SYNACK_AFTER_RST
cdef uint64_t FACT_UNSEEN_DATA
cdef unsigned int CHECK_DROPPED
cdef unsigned int CHECK_FIN_UNSEEN
cdef unsigned int CHECK_WENT_ON
cdef unsigned int TRAIT_ACKS
cdef unsigned int TRAIT_FIN
cdef unsigned int TRAIT_HOLE
cdef unsigned int TRAIT_ISS
cdef unsigned int TRAIT_SEEN
cdef unsigned int GOT_RST
cdef unsigned int GOT_SYN_ACK
cdef unsigned int SENT_RST
cdef unsigned int SENT_SYN_ACK
cdef unsigned int SYN_ACK_WAS_LOST
cdef unsigned int ACK
cdef unsigned int FIN
cdef unsigned int MASK16
cdef uint32_t MASK32
cdef uint64_t MASK64
cdef unsigned int SYN
cdef unsigned int SYN_SENT
cdef unsigned int SYN_RECEIVED
cdef unsigned int TIME_WAIT
cdef unsigned int CLOSE_WAIT
cdef unsigned int LAST_ACK
cdef int64_t GRACE_NS
cdef int64_t SLACK_NS
cdef int64_t QUICK_NS

@cython.locals(facts=uint64_t, asks=bint, bare=bint)
cdef void on_rst(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef bint is_answer_to_bad_ack(
    rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment
) noexcept nogil
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
@cython.locals(low=uint32_t, offset=int64_t)
cdef bint is_in_window(rows.Endpoint *sender, rows.Endpoint *target, segment.Segment *segment) noexcept nogil
cdef void doubt(rows.Connection *connection, segment.Segment *segment) noexcept nogil
cdef void end(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(late=bint, news=bint, challenge=bint)
cdef void after_rst(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef bint goes_on(rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
@cython.locals(leg=int64_t)
cdef int64_t grace(rows.Connection *connection, int side, int64_t slack) noexcept nogil
@cython.locals(server="rows.Endpoint *", client="rows.Endpoint *")
cdef void revive(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, int side
) noexcept nogil
