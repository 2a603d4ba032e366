cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport incarnations, rows
from handshake_inspect.tcp.tracker cimport Tracker
from handshake_inspect.tcp.facts cimport TRAIT_SEEN, ZEEK_WROTE_A, ZEEK_WROTE_D
from handshake_inspect.wire.const cimport ACK, FIN, KIND_TCP, NOTE_DAMAGED, RST, SYN

cdef int ALL
cdef int ENDS
cdef int ID
cdef int NONE
cdef int NOTABLE
cdef int SOME
cdef uint64_t CANDIDATE_MASK
cdef uint64_t CANDIDATES
cdef uint64_t SYNS
cdef uint32_t FIRST

cdef class LoggingTracker(Tracker):
    cdef readonly uint64_t slots
    cdef readonly object segment_rows
    cdef readonly object connection_rows
    cdef readonly object endpoint_rows
    cdef readonly object syn_rows
    cdef seg.Segment *segments
    cdef rows.Connection *connections
    cdef rows.Endpoint *endpoints
    cdef seg.Segment *syns
    cdef Py_ssize_t slot
    cdef readonly uint64_t logged
    cdef readonly uint64_t syns_logged
    cdef uint64_t followed
    cdef object connection_mask_words
    cdef object endpoint_mask_words
    cdef uint64_t *connection_mask
    cdef uint64_t *endpoint_mask
    cdef public object keep
    cdef int filter
    cdef uint64_t hi0
    cdef uint64_t lo0
    cdef unsigned int port0
    cdef bint has_peer
    cdef uint64_t hi1
    cdef uint64_t lo1
    cdef unsigned int port1
    cdef int64_t wanted
    cdef int64_t begun
    cdef int64_t doubtful
    cdef int64_t unsolicited
    cdef object candidate_words
    cdef uint64_t *candidates
    cdef uint64_t candidate_count

    cpdef void log_none(self) noexcept
    cpdef void log_all(self) noexcept
    cpdef void log_end(self, uint64_t hi, uint64_t lo, unsigned int port) noexcept
    cpdef void log_peer(self, uint64_t hi, uint64_t lo, unsigned int port) noexcept
    cpdef void log_id(self, int64_t number) noexcept
    cpdef void log_tuple(self, uint64_t four_tuple) noexcept
    @cython.locals(wrote="unsigned int")
    cdef bint fast_path(
        self, rows.Connection *connection, Py_ssize_t i, int side, seg.Segment *segment
    ) except -1 nogil
    cdef int new_request(self, seg.Segment *segment) except -1 nogil
    @cython.locals(mine=uint64_t, selected=bint, notable=bint, frames=uint32_t)
    cdef int follow(self, Py_ssize_t i, int side, seg.Segment *segment) except -1 nogil
    cdef int on_error(self, Py_ssize_t i, seg.Segment *segment) except -1 nogil
    cdef int log(self, Py_ssize_t i, seg.Segment *segment, bint notable) except -1 nogil
    @cython.locals(at=Py_ssize_t)
    cdef int log_alone(self, seg.Segment *segment) except -1 nogil
    cdef void log_syn(self, seg.Segment *segment) noexcept nogil
    cdef int next_slot(self, bint notable) except -1 nogil
    cdef int call_keep(self, bint notable) except -1 with gil
    cdef void copy_rows(self, Py_ssize_t at, Py_ssize_t i) noexcept nogil
    @cython.locals(at=Py_ssize_t, old="rows.Endpoint *", new="rows.Endpoint *", peer="rows.Endpoint *")
    cdef bint is_notable(self, Py_ssize_t i, int side, seg.Segment *segment) noexcept nogil
    cdef bint is_selected(self, seg.Segment *segment) noexcept nogil
    cdef bint goes_out(self, seg.Segment *segment) noexcept nogil
    cdef bint comes_in(self, seg.Segment *segment) noexcept nogil
    @cython.locals(at=uint64_t)
    cdef uint64_t candidate_slot(self, uint64_t four_tuple) noexcept nogil
    cdef void count(self, seg.Segment *segment) noexcept nogil
    cdef bint begins(self, Py_ssize_t i, seg.Segment *segment) noexcept nogil
    @cython.locals(connection="rows.Connection *")
    cdef void note_doubted(self, Py_ssize_t i, seg.Segment *segment) noexcept nogil
    cdef void consider(self, int64_t place, seg.Segment *segment) noexcept nogil
    @cython.locals(at=uint64_t)
    cdef void add(self, uint64_t four_tuple) noexcept nogil
