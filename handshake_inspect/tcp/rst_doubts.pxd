cimport cython
from libc.stdint cimport int64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    CHECK_RST_BEHIND, CHECK_WENT_ON, FACT_ABORTED, FACT_ACKED, FACT_BARE_RST_AFTER_ACK, FACT_REFUSED, FACT_RST,
    FACT_RST_DOUBTED, FACT_RST_IGNORED, FACT_SERVER_PROVED, FACT_SIMULTANEOUS, FACT_SYNACK, TRAIT_ACKS, TRAIT_HOLE,
    TRAIT_ISS, TRAIT_SEEN,
)
from handshake_inspect.tcp.limits cimport RST_SLACK_NS
from handshake_inspect.tcp.transitions cimport CLOSED, GOT_SYN_ACK, SENT_SYN_ACK, TIME_WAIT
from handshake_inspect.wire.const cimport ACK, FIN, MASK16, MASK64

cdef int64_t GRACE_NS

@cython.locals(resetter="rows.Endpoint *")
cdef void see(rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, int side) noexcept nogil
@cython.locals(late=bint, news=bint)
cdef void after_rst(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
@cython.locals(again=bint)
cdef bint is_challenged(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment
) noexcept nogil
cdef bint is_late(rows.Connection *connection, rows.Endpoint *peer, segment.Segment *segment, int side) noexcept nogil
cdef bint is_numbered(rows.Connection *connection, rows.Endpoint *end) noexcept nogil
cdef void wait_on(rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment, int side) noexcept nogil
cdef bint goes_on(rows.Connection *connection, rows.Endpoint *sender, segment.Segment *segment) noexcept nogil
@cython.locals(leg=int64_t)
cdef int64_t grace(rows.Connection *connection, int side, int64_t slack) noexcept nogil
@cython.locals(server="rows.Endpoint *", client="rows.Endpoint *")
cdef void revive(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, int side
) noexcept nogil
