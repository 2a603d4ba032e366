cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.quic cimport quic_rows
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.index cimport Index
from handshake_inspect.wire cimport fourtuple
from handshake_inspect.wire.const cimport MASK32

cdef unsigned int NOT_KEPT
cdef Py_ssize_t KEPT
cdef int MAX_PROBES
cdef uint64_t BY_CID, NUMBER
cdef Py_ssize_t MAX_KEPT, MIN_ROWS

cdef class QuicTable(Index):
    cdef readonly Py_ssize_t limit
    cdef readonly Py_ssize_t kept_limit
    cdef readonly object row_storage
    cdef readonly object kept_storage
    cdef quic_rows.Quic *quics
    cdef quic_rows.Kept *kept
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t kept_count
    cdef readonly uint64_t evicted
    cdef readonly uint64_t not_kept
    cdef uint32_t free_kept
    cdef Py_ssize_t hand

    cdef int prepare(self) except -1 with gil
    @cython.locals(tag=uint64_t, at=uint64_t, slot=uint64_t, _=int)
    cdef uint32_t find(self, segment.Segment *segment) noexcept nogil
    @cython.locals(row="quic_rows.Quic *")
    cdef bint is_same(self, Py_ssize_t i, segment.Segment *segment) noexcept nogil
    cdef bint is_client(self, quic_rows.Quic *row, uint64_t hi, uint64_t lo, uint32_t port) noexcept nogil
    cdef uint32_t find_cid(self, segment.Segment *segment, uint64_t cid, unsigned int length) noexcept nogil
    @cython.locals(tag=uint64_t, at=uint64_t, slot=uint64_t, row="quic_rows.Quic *", _=int)
    cdef uint32_t look_up_cid(
        self, uint64_t hi, uint64_t lo, uint32_t port, uint64_t cid, unsigned int length
    ) noexcept nogil
    cdef uint64_t cid_tag(self, uint64_t hi, uint64_t lo, uint32_t port, uint64_t cid) noexcept nogil
    @cython.locals(i=Py_ssize_t, row="quic_rows.Quic *")
    cdef Py_ssize_t new_row(self, segment.Segment *segment) except -1 nogil
    @cython.locals(row="quic_rows.Quic *", tag=uint64_t)
    cdef void release(self, Py_ssize_t i) noexcept nogil
    cdef uint64_t tag_of(self, quic_rows.Quic *row, uint64_t hi, uint64_t lo, uint32_t port) noexcept nogil
    @cython.locals(row="quic_rows.Quic *")
    cdef int moved(self, Py_ssize_t i, segment.Segment *segment) except -1 nogil
    @cython.locals(row="quic_rows.Quic *")
    cdef int name_by_cid(self, Py_ssize_t i, uint64_t cid, unsigned int length) except -1 nogil
    @cython.locals(i=Py_ssize_t, kept="quic_rows.Kept *")
    cdef void keep(
        self, quic_rows.Quic *row, const unsigned char *data, Py_ssize_t start, Py_ssize_t end, bint from_server
    ) noexcept nogil
    @cython.locals(kept="quic_rows.Kept *", following=uint32_t)
    cdef void free_datagrams(self, quic_rows.Quic *row) noexcept nogil
