cimport cython
from libc.stdint cimport uint64_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows
from handshake_inspect.wire cimport fourtuple
from handshake_inspect.tcp.facts cimport CHECK_GOOD
from handshake_inspect.tcp.limits cimport MAX_PATHS, NO_TTL
from handshake_inspect.wire.const cimport NOTE_BAD_IP_CHECKSUM, NOTE_DAMAGED

cdef uint64_t MAX_PROBES

@cython.final
cdef class Checksums:
    cdef readonly uint64_t good
    cdef readonly uint64_t bad
    cdef readonly uint64_t first_bad
    cdef readonly uint64_t bad_ip
    cdef readonly uint64_t first_bad_ip
    cdef object path_rows
    cdef uint64_t *paths
    cdef uint64_t mask
    cdef uint64_t known

    cdef int note_good(self, rows.Endpoint *sender, seg.Segment *segment) except -1 nogil
    @cython.locals(at=uint64_t)
    cdef int remember(self, uint64_t key) except -1 nogil
    cdef bint knows(self, uint64_t key) noexcept nogil
    @cython.locals(at=uint64_t, last=uint64_t)
    cdef uint64_t place_of(self, uint64_t key) noexcept nogil
    @cython.locals(old="uint64_t *", count=uint64_t, i=uint64_t)
    cdef int grow(self) except -1 with gil
    cdef bint is_corrupt(self, rows.Endpoint *sender, seg.Segment *segment) noexcept nogil
    cdef uint64_t key_of(self, seg.Segment *segment) noexcept nogil
