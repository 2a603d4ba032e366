cimport cython
from libc.stdint cimport uint64_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows

cdef unsigned int CHECK_GOOD
cdef unsigned int NOTE_BAD_IP_CHECKSUM
cdef uint64_t MASK64
cdef uint64_t PATHS
cdef uint64_t SPREAD

@cython.final
cdef class Checksums:
    cdef readonly uint64_t good
    cdef readonly uint64_t bad
    cdef readonly uint64_t first_bad
    cdef readonly uint64_t bad_ip
    cdef readonly uint64_t first_bad_ip
    cdef object path_rows
    cdef uint64_t *paths

    @cython.locals(key=uint64_t)
    cdef void note_good(self, rows.Endpoint *sender, seg.Segment *segment) noexcept nogil
    @cython.locals(key=uint64_t)
    cdef bint is_corrupt(self, rows.Endpoint *sender, seg.Segment *segment) noexcept nogil
    @cython.locals(key=uint64_t)
    cdef uint64_t key_of(self, seg.Segment *segment) noexcept nogil
