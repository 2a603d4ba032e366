cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.tracker cimport Tracker

cdef uint32_t EMBRYO
cdef uint32_t NUMBER
cdef unsigned int ACK
cdef unsigned int RST
cdef unsigned int SYN
cdef Py_ssize_t CANDIDATES

cdef class Watch(Tracker):
    cdef object witness
    cdef bint everything
    cdef bint by_address
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
    cdef int64_t unasked
    cdef set hashes

    cpdef void watch_everything(self) noexcept
    cpdef void watch_address(self, uint64_t hi, uint64_t lo, unsigned int port) noexcept
    cpdef void watch_pair(self, uint64_t hi, uint64_t lo, unsigned int port) noexcept
    cpdef void watch_id(self, int64_t number) noexcept
    cdef int track(self, seg.Segment *segment) except -1 with gil
    cdef bint is_watched(self, seg.Segment *segment) except -1
    cdef bint goes_out(self, seg.Segment *segment) noexcept
    cdef bint comes_in(self, seg.Segment *segment) noexcept
    @cython.locals(reference=uint32_t, low=uint64_t, connection="rows.Connection *", place=int64_t, candidate=bint)
    cdef int count(self, seg.Segment *segment) except -1
    @cython.locals(candidate=int)
    cdef int doubt(self, uint32_t provisional, seg.Segment *segment) except -1
    cdef int consider(self, int64_t place, seg.Segment *segment) except -1
