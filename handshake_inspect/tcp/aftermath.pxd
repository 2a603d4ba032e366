cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport endpoint, rows
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    DEAD_PROBES, DEAD_REPEATS, EVENT_RACE, EVENT_WAITED, FACT_ACKED, FACT_ASKED_AGAIN, FACT_DEAD_PEER,
    FACT_MIDSTREAM, FACT_RST, FACT_UNANSWERED, PAUSE_NS, SHORT, TRAIT_ACKS, TRAIT_FIN, TRAIT_SEEN,
)
from handshake_inspect.tcp.limits cimport RTT_NS, SHRUNK_REPEATS, SLOW_REPEATS
from handshake_inspect.wire.const cimport ACK, MASK16, MASK32, MASK64, OPT_SACK, RST

cdef int64_t SLACK_NS

@cython.locals(pause_ns=int64_t, aftermath="rows.Aftermath *")
cdef void observe(
    Table table, Py_ssize_t i, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side, int64_t before_ns
) noexcept nogil
@cython.locals(since_ns=int64_t, aftermath="rows.Aftermath *")
cdef void note_shut(Table table, rows.Connection *connection, segment.Segment *segment, int side) noexcept nogil
@cython.locals(seen="unsigned int")
cdef bint is_quiet(rows.Endpoint *sender, rows.Endpoint *peer) noexcept nogil
@cython.locals(aftermath="rows.Aftermath *")
cdef void on_pause(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment,
    int side, int64_t pause_ns
) noexcept nogil
@cython.locals(end=uint32_t, aftermath="rows.Aftermath *")
cdef void on_payload(
    Table table, Py_ssize_t i, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side, int64_t before_ns
) noexcept nogil
@cython.locals(sizes="rows.Sizes *")
cdef void grow(
    Table table, Py_ssize_t i, rows.Endpoint *sender, rows.Endpoint *peer, segment.Segment *segment, int side
) noexcept nogil
cdef void note_request(rows.Aftermath *aftermath, segment.Segment *segment, int side) noexcept nogil
@cython.locals(length=uint32_t)
cdef void repeat(
    Table table, Py_ssize_t i, rows.Aftermath *aftermath, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side, int64_t before_ns
) noexcept nogil
@cython.locals(sizes="rows.Sizes *", acknowledged=bint)
cdef void begin(
    Table table, Py_ssize_t i, rows.Aftermath *aftermath, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side, int64_t before_ns
) noexcept nogil
@cython.locals(aftermath="rows.Aftermath *")
cdef void on_probe(
    Table table, rows.Connection *connection, rows.Endpoint *peer, segment.Segment *segment, int side,
    int64_t pause_ns
) noexcept nogil
cdef void on_hole(Table table, rows.Connection *connection, segment.Segment *segment, int asker) noexcept nogil
@cython.locals(unmoved=bint)
cdef void on_answer(rows.Aftermath *aftermath, segment.Segment *segment, int asker) noexcept nogil
@cython.locals(data=bint)
cdef void on_rst(
    rows.Connection *connection, rows.Aftermath *aftermath, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side
) noexcept nogil
@cython.locals(beyond=uint32_t, asked_ns=int64_t, apart=int64_t)
cdef bint is_race(
    rows.Connection *connection, rows.Aftermath *aftermath, rows.Endpoint *sender, rows.Endpoint *peer, int side
) noexcept nogil
cdef int64_t rtt_of(rows.Connection *connection) noexcept nogil
@cython.locals(mine=bint, theirs=bint)
cdef void note_waiting(
    rows.Connection *connection, rows.Aftermath *aftermath, rows.Endpoint *sender, rows.Endpoint *peer,
    segment.Segment *segment, int side
) noexcept nogil
@cython.locals(aftermath="rows.Aftermath *")
cdef void on_too_big(Table table, rows.Connection *connection, segment.Segment *segment, int side) noexcept nogil
