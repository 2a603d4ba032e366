cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.limits cimport LARGE_INDEX
from handshake_inspect.wire.const cimport MASK32


cdef class Index:
    cdef object index_rows
    cdef uint64_t *slots
    cdef uint64_t mask
    cdef uint64_t filled
    cdef uint64_t most
    cdef uint64_t found_at

    cdef void expect(self, segment.Segment *segment) noexcept nogil
    cdef int name(self, segment.Segment *segment, uint32_t reference) except -1 nogil
    cdef int put(self, uint64_t tag, uint32_t reference) except -1 nogil
    @cython.locals(
        old="uint64_t *", slots="uint64_t *", size=uint64_t, mask=uint64_t, i=uint64_t, slot=uint64_t, at=uint64_t
    )
    cdef int grow(self) except -1 with gil
    @cython.locals(at=uint64_t, slot=uint64_t, hole=uint64_t, home=uint64_t)
    cdef void forget(self, uint64_t tag, uint32_t reference) noexcept nogil
