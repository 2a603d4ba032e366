cimport cython
from libc.stdint cimport uint64_t

from handshake_inspect.decode.segment cimport Segment
from handshake_inspect.tcp cimport rows

cdef Py_ssize_t SLOTS
cdef Py_ssize_t MAX_HOSTS

@cython.final
cdef class Senders:
    cdef readonly set hosts
    cdef object storage
    cdef uint64_t *slots

    @cython.locals(hi=uint64_t, lo=uint64_t, at=Py_ssize_t)
    cdef int note(self, Segment *record) except -1 nogil
    cdef int keep(self, uint64_t hi, uint64_t lo) except -1 with gil
