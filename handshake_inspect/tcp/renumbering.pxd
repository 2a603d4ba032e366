cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport incarnations, answering, copies, rows, rtt
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    FACT_ACKED, FACT_RENUMBERED, FACT_RST, FACT_SYN, FACT_SYNACK, MIX_ACK, MIX_REST, MIX_SEQ, TRAIT_ACKS,
    TRAIT_ISS, TRAIT_SEEN,
)
from handshake_inspect.wire.const cimport (
    ACK, FIN, KIND_TCP, MASK32, MASK64, NOTE_CONTINUED, OPT_MSS, OPT_SACK, OPT_SACK_PERMITTED, OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE, RST, SYN,
)

cdef int64_t TWIN_NS
cdef int64_t TWIN_US
cdef int64_t UNMARKED_NS
cdef int32_t PRINT_US
cdef int HOPS
cdef int64_t NEAR
cdef unsigned int KEPT_OPTIONS
cdef int PRINTS
cdef int AGAINST
cdef int NOTHING
cdef int LIKELY
cdef int PROVED

@cython.locals(stamped=bint, step=int, marked=bint)
cdef int likeness(
    seg.Segment *segment, uint32_t ip_id, int ttl, uint32_t tsval, unsigned int options, unsigned int window_scale,
    int64_t age_ns
) noexcept nogil
@cython.locals(sign=int)
cdef bint is_twin(rows.Embryo *embryo, seg.Segment *segment) noexcept nogil
cdef bint is_no_clock(seg.Segment *segment, uint32_t iss, int ttl) noexcept nogil
cdef bint learn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
cdef bint begin(Table table, rows.Connection *connection) noexcept nogil
@cython.locals(number=uint32_t)
cdef rows.Renumbering *row_of(Table table, rows.Connection *connection) noexcept nogil
@cython.locals(newest=bint, sign=int, row="rows.Renumbering *")
cdef bint learn_syn(
    Table table, rows.Connection *connection, rows.Endpoint *client, rows.Endpoint *server, seg.Segment *segment,
    int side
) noexcept nogil
@cython.locals(before="rows.Connection *")
cdef bint is_series(Table table, rows.Connection *connection, seg.Segment *segment) noexcept nogil
@cython.locals(newest=bint, sign=int, point=int, row="rows.Renumbering *")
cdef bint learn_answer(
    Table table, rows.Connection *connection, rows.Endpoint *server, rows.Endpoint *client, seg.Segment *segment,
    int side
) noexcept nogil
@cython.locals(row="rows.Renumbering *")
cdef void refute(Table table, rows.Connection *connection, int side) noexcept nogil
@cython.locals(age_ns=int64_t, apart_us=int64_t, in_time=bint)
cdef int what_two_hosts_lack(
    Table table, rows.Connection *connection, rows.Endpoint *server, seg.Segment *segment
) noexcept nogil
@cython.locals(embryo="rows.Embryo *", row="rows.Renumbering *")
cdef bint learn_waiting(
    Table table, rows.Connection *connection, rows.Endpoint *peer, seg.Segment *segment
) noexcept nogil
@cython.locals(
    begun_at=uint32_t, last_us=uint32_t, age_us=int64_t, marked=bint, stepped=bint, row="rows.Renumbering *"
)
cdef bint learn_midstream(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
@cython.locals(row="rows.Renumbering *")
cdef void learn_proxy(
    Table table, rows.Connection *connection, rows.Endpoint *server, seg.Segment *segment
) noexcept nogil
@cython.locals(
    row="rows.Renumbering *", connection="rows.Connection *", client="rows.Endpoint *", old="rows.Endpoint *"
)
cdef void hand_on(Table table, Py_ssize_t i, int side, Py_ssize_t j, seg.Segment *segment) noexcept nogil
@cython.locals(row="rows.Renumbering *", own=uint32_t, others=uint32_t)
cdef bint restore(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
@cython.locals(one=int, other=int, near=int64_t, far=int64_t)
cdef int whereabouts(
    rows.Connection *connection, rows.Renumbering *row, rows.Endpoint *sender, rows.Endpoint *peer,
    seg.Segment *segment, int side
) noexcept nogil
@cython.locals(gap=int64_t)
cdef int64_t distance(uint32_t seq, uint32_t offset, uint32_t to) noexcept nogil
cdef bint is_nearer(uint32_t seq, uint32_t offset, uint32_t to) noexcept nogil
@cython.locals(now=uint32_t, wanted=uint32_t, place=int, age=int64_t)
cdef bint was_seen(rows.Renumbering *row, seg.Segment *segment, int side) noexcept nogil
@cython.locals(mixed=uint32_t)
cdef uint32_t mark(seg.Segment *segment) noexcept nogil
