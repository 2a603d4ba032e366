cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.tcp.facts cimport (
    METHOD_AMBIGUOUS, METHOD_EXACT, METHOD_NONE, METHOD_ONE_SIDED, METHOD_REORDERED, METHOD_TSECR,
)
from handshake_inspect.wire.const cimport FIN, MASK16, MASK32, OPT_TIMESTAMPS

cdef int RETRIES_KEPT

@cython.locals(at=int, retries="rows.Retries *")
cdef void note_syn(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(at=int, retries="rows.Retries *")
cdef void note_syn_ack(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
@cython.locals(retries="rows.Retries *")
cdef void note_other_syn_ack(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
cdef int64_t syn_time(Table table, rows.Connection *connection, int copy) noexcept nogil
cdef int64_t syn_ack_time(Table table, rows.Connection *connection, int copy) noexcept nogil
@cython.locals(retries="rows.Retries *", copy=int)
cdef int first_echoed_syn(
    Table table, rows.Connection *connection, rows.Endpoint *client, uint32_t tsecr
) noexcept nogil
@cython.locals(retries="rows.Retries *", copy=int)
cdef int first_echoed_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *server, uint32_t tsecr
) noexcept nogil
@cython.locals(copy=int)
cdef int first_since_refusal(Table table, rows.Connection *connection) noexcept nogil
@cython.locals(latest=int64_t, earliest=int64_t, method="unsigned int", copy=int)
cdef void time_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *client, segment.Segment *segment
) noexcept nogil
@cython.locals(copy=int, between_syns=int64_t, between_answers=int64_t)
cdef void time_second_syn_ack(
    Table table, rows.Connection *connection, rows.Endpoint *client, segment.Segment *segment
) noexcept nogil
@cython.locals(latest=int64_t, earliest=int64_t, method="unsigned int", copy=int)
cdef void time_ack(
    Table table, rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
@cython.locals(answered=int, copy=int, sent=int64_t, took=int64_t)
cdef void time_second_ack(
    Table table, rows.Connection *connection, rows.Endpoint *server, segment.Segment *segment
) noexcept nogil
@cython.locals(off=int64_t)
cdef bint is_alike(int64_t one, int64_t other) noexcept nogil
cdef void time_one_sided(Table table, rows.Connection *connection, segment.Segment *segment) noexcept nogil
cdef bint knows_leg(unsigned int method) noexcept nogil
cdef int64_t leg_ns(rows.Connection *connection, int side) noexcept nogil
cdef int64_t total_ns(rows.Connection *connection) noexcept nogil
