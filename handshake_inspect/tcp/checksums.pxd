from libc.stdint cimport uint64_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows

cdef unsigned int CHECK_GOOD
cdef unsigned int NOTE_BAD_IP_CHECKSUM

cdef class Checksums:
    cdef readonly uint64_t good
    cdef readonly uint64_t bad
    cdef readonly uint64_t first_bad
    cdef readonly uint64_t bad_ip
    cdef readonly uint64_t first_bad_ip

    cdef bint is_corrupt(self, rows.Endpoint *sender, seg.Segment *segment) noexcept nogil
