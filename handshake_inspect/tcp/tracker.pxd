cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport payload
from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport (
    aftermath,
    arrival,
    copies,
    endpoint,
    icmp_errors,
    incarnations,
    answering,
    opening,
    order,
    renumbering,
    rows,
    wireshark,
    zeek,
)
from handshake_inspect.tcp.checksums cimport Checksums
from handshake_inspect.tcp.setup cimport exchange, setup_rows
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    CHECK_GOOD, EMBRYO, EMBRYO_GIVEN_UP, EMBRYO_SUCCESSOR, EMBRYO_WAITING, FACT_ACKED, FACT_BAD_CHECKSUM,
    FACT_BLIND_SYN, FACT_CHALLENGE_ACK, FACT_CLIENT_DATA, FACT_MIDSTREAM,
    FACT_PORT_REUSED, FACT_REBUFFED, FACT_RENUMBERED, FACT_REPLACED, FACT_RST, FACT_RST_IGNORED, FACT_SERVER_DATA,
    FACT_SERVER_PROVED, FACT_SYNACK_AFTER_ACK, FACT_TTL_TWIN, FACT_UNANSWERED,
    FACT_UNTIMED, NEW_INCARNATION, NUMBER, OPENED, OURS, PAUSE_NS, SPOKEN, SUCCESSOR, TRAIT_HOLE, TRAIT_SEEN,
    UNUSUAL, ZEEK_ESTABLISHED, ZEEK_WROTE_A, ZEEK_WROTE_D,
)
from handshake_inspect.tcp.setup.facts cimport QUICK, READ_OVER
from handshake_inspect.tcp.limits cimport AHEAD, EARLY, REUSE_NS
from handshake_inspect.tcp.transitions cimport ESTABLISHED
from handshake_inspect.wire.const cimport (
    ACK, FIN, KIND_ICMP_ERROR, MASK32, NOTE_BAD_CHECKSUM, NOTE_BAD_IP_CHECKSUM, NOTE_CHECKSUM_GOOD,
    NOTE_CONTINUED, NOTE_NOT_PLAIN, NOTE_UNTIMED, OPT_SACK, OPT_TIMESTAMPS, RST, SYN,
)


cdef class Tracker:
    cdef readonly Table table
    cdef readonly Focus focus
    cdef public bint reads
    cdef void *owners
    cdef object scratch
    cdef seg.Segment *recalled
    cdef readonly uint64_t stray_icmp
    cdef readonly Checksums checksums

    @cython.locals(at=Py_ssize_t, end=Py_ssize_t)
    @cython.final
    cdef int track_all(self, seg.Segment *records, Py_ssize_t first, Py_ssize_t count) except -1 nogil
    @cython.locals(reference=uint32_t, i=Py_ssize_t, connection="rows.Connection *", side=int)
    @cython.final
    cdef int track(self, seg.Segment *segment) except -1 nogil
    @cython.final
    cdef int side_of(self, rows.Connection *connection, seg.Segment *segment) noexcept nogil
    @cython.locals(sender="rows.Endpoint *", peer="rows.Endpoint *", news=uint32_t, wrote="unsigned int")
    cdef bint fast_path(
        self, rows.Connection *connection, Py_ssize_t i, int side, seg.Segment *segment
    ) except -1 nogil
    @cython.locals(by_client=bint)
    @cython.final
    cdef bint begin_fast_path(
        self, rows.Connection *connection, Py_ssize_t i, rows.Endpoint *sender, rows.Endpoint *peer, int side,
        seg.Segment *segment
    ) except -1 nogil
    @cython.locals(i=Py_ssize_t, number=Py_ssize_t, plain_syn=bint, another=bint, embryo="rows.Embryo *")
    @cython.final
    cdef int slow_path(self, seg.Segment *segment, uint32_t reference) except -1 nogil
    @cython.locals(connection="rows.Connection *", side=int, quoted="rows.Endpoint *", peer="rows.Endpoint *")
    cdef int on_error(self, Py_ssize_t i, seg.Segment *segment) except -1 nogil
    @cython.locals(i=Py_ssize_t)
    cdef int new_request(self, seg.Segment *segment) except -1 nogil
    @cython.locals(number=Py_ssize_t, recalled="seg.Segment *")
    @cython.final
    cdef Py_ssize_t promote(self, uint32_t reference, seg.Segment *segment) except -1 nogil
    @cython.locals(recalled="seg.Segment *", i=Py_ssize_t)
    @cython.final
    cdef Py_ssize_t begin_recalled(self, seg.Segment *segment) except -1 nogil
    @cython.locals(
        connection="rows.Connection *", sender="rows.Endpoint *", peer="rows.Endpoint *",
        alias="rows.Alias *", print_of=uint32_t, copy=bint, seen=bint, before_ns=int64_t, verdict=int,
        stamped=bint
    )
    cdef int follow(self, Py_ssize_t i, int side, seg.Segment *segment) except -1 nogil
    @cython.final
    cdef void tally(
        self, rows.Connection *connection, rows.Endpoint *sender, seg.Segment *segment
    ) noexcept nogil
    @cython.final
    cdef bint is_corrupt(
        self, rows.Connection *connection, rows.Endpoint *sender, rows.Alias *alias, seg.Segment *segment, int side
    ) noexcept nogil
    @cython.locals(equal=bint)
    @cython.final
    cdef bint is_copy(
        self, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
        int side, uint32_t print_of, bint seen
    ) noexcept nogil
    @cython.locals(connection="rows.Connection *", sender="rows.Endpoint *")
    @cython.final
    cdef int hand_over(
        self, Py_ssize_t i, int side, seg.Segment *segment, int64_t before_ns, int verdict
    ) except -1 nogil
    @cython.locals(facts=uint64_t, over="unsigned int", ready=bint)
    @cython.final
    cdef void settle(self, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer) noexcept nogil
    @cython.locals(
        old="rows.Connection *", last_ns=int64_t, recalled="seg.Segment *", j=Py_ssize_t,
        connection="rows.Connection *", client="rows.Endpoint *"
    )
    @cython.final
    cdef int restart(self, Py_ssize_t i, seg.Segment *segment, int verdict) except -1 nogil
