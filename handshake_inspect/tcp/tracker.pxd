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

cdef uint64_t FACT_ACKED
cdef uint64_t FACT_BAD_CHECKSUM
cdef uint64_t FACT_BLIND_SYN
cdef uint64_t FACT_CHALLENGE_ACK
cdef uint64_t FACT_REBUFFED
cdef uint64_t FACT_CLIENT_DATA
cdef uint64_t FACT_CLIENT_PROVED
cdef uint64_t FACT_DATA_ACK
cdef uint64_t FACT_MIDSTREAM
cdef uint64_t FACT_PORT_REUSED
cdef uint64_t FACT_RENUMBERED
cdef uint64_t FACT_REPLACED
cdef uint64_t FACT_RST
cdef uint64_t FACT_RST_IGNORED
cdef uint64_t FACT_SERVER_DATA
cdef uint64_t FACT_SERVER_PROVED
cdef uint64_t FACT_SYN
cdef uint64_t FACT_SYNACK
cdef uint64_t FACT_SYNACK_AFTER_ACK
cdef uint64_t FACT_TTL_TWIN
cdef uint64_t FACT_UNANSWERED
cdef uint64_t FACT_UNTIMED
cdef uint32_t EMBRYO
cdef uint32_t NUMBER
cdef unsigned int CHECK_GOOD
cdef uint64_t UNUSUAL
cdef unsigned int OPENED
cdef unsigned int EMBRYO_GIVEN_UP
cdef unsigned int EMBRYO_SUCCESSOR
cdef unsigned int EMBRYO_WAITING
cdef unsigned int TRAIT_ACKS
cdef unsigned int TRAIT_HOLE
cdef unsigned int TRAIT_ISS
cdef unsigned int TRAIT_SEEN
cdef unsigned int ZEEK_ESTABLISHED
cdef unsigned int ZEEK_WROTE_A
cdef unsigned int ZEEK_WROTE_D
cdef unsigned int OPT_SACK
cdef unsigned int OPT_TIMESTAMPS
cdef unsigned int ACK
cdef unsigned int FIN
cdef unsigned int KIND_ICMP_ERROR
cdef unsigned int NOTE_BAD_CHECKSUM
cdef unsigned int NOTE_BAD_IP_CHECKSUM
cdef unsigned int NOTE_CHECKSUM_GOOD
cdef unsigned int NOTE_UNTIMED
cdef unsigned int NOTE_CONTINUED
cdef unsigned int NOTE_NOT_PLAIN
cdef unsigned int RST
cdef unsigned int SYN
cdef unsigned int ESTABLISHED
cdef uint64_t SPOKEN
cdef unsigned int QUICK
cdef unsigned int READ_OVER
cdef uint64_t MASK32
cdef uint64_t MASK64
cdef int NEW_INCARNATION
cdef int OURS
cdef int SUCCESSOR
cdef int64_t PAUSE_NS
cdef int64_t REUSE_NS
cdef Py_ssize_t AHEAD
cdef uint32_t EARLY

cdef class Tracker:
    cdef readonly Table table
    cdef readonly Focus focus
    cdef public bint reads
    cdef void *owners
    cdef object scratch
    cdef seg.Segment *recalled
    cdef readonly uint64_t stray_icmp
    cdef readonly Checksums checksums

    @cython.locals(at=Py_ssize_t)
    @cython.final
    cdef int track_all(self, seg.Segment *records, Py_ssize_t count) except -1 nogil
    @cython.locals(reference=uint32_t, i=Py_ssize_t, connection="rows.Connection *", side=int)
    @cython.final
    cdef int track(self, seg.Segment *segment) except -1 nogil
    @cython.final
    cdef int side_of(self, rows.Connection *connection, seg.Segment *segment) noexcept nogil
    @cython.locals(sender="rows.Endpoint *", peer="rows.Endpoint *", news=uint32_t, wrote="unsigned int")
    cdef bint pass_quickly(
        self, rows.Connection *connection, Py_ssize_t i, int side, seg.Segment *segment
    ) except -1 nogil
    @cython.locals(by_client=bint)
    @cython.final
    cdef bint begin_quickly(
        self, rows.Connection *connection, Py_ssize_t i, rows.Endpoint *sender, rows.Endpoint *peer, int side,
        seg.Segment *segment
    ) except -1 nogil
    @cython.locals(i=Py_ssize_t, number=Py_ssize_t, plain_syn=bint, another=bint, embryo="rows.Embryo *")
    @cython.final
    cdef int rare(self, seg.Segment *segment, uint32_t reference) except -1 nogil
    @cython.locals(connection="rows.Connection *", side=int, quoted="rows.Endpoint *", peer="rows.Endpoint *")
    cdef int on_error(self, Py_ssize_t i, seg.Segment *segment) except -1 nogil
    @cython.locals(i=Py_ssize_t)
    cdef int conceive(self, seg.Segment *segment) except -1 nogil
    @cython.locals(number=Py_ssize_t, recalled="seg.Segment *")
    @cython.final
    cdef Py_ssize_t hatch(self, uint32_t reference, seg.Segment *segment) except -1 nogil
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
        connection="rows.Connection *"
    )
    @cython.final
    cdef int restart(self, Py_ssize_t i, seg.Segment *segment, int verdict) except -1 nogil
