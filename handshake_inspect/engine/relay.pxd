cimport cython
from libc.stdint cimport int64_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.engine cimport counters
from handshake_inspect.tcp.tracker cimport Tracker

cdef int DECODED, TRACKED, SLEEPING, AWAITED

@cython.final
cdef class Relay:
    cdef Tracker tracker
    cdef readonly Py_ssize_t batch
    cdef Py_ssize_t slots
    cdef readonly object storage
    cdef seg.Segment *records
    cdef object counter_rows
    cdef int64_t *counters
    cdef object size_rows
    cdef int64_t *sizes
    cdef int64_t decoded
    cdef int64_t wake_at
    cdef int64_t before
    cdef object changed
    cdef bint over
    cdef object failure
    cdef char apart[128]  # keeps what the tracking thread writes out of the cache lines above
    cdef int64_t tracked

    cdef Py_ssize_t put(self, Py_ssize_t held) except -1 nogil
    cdef int end_block(self) except -1 nogil
    cpdef finish(self)
    cdef int wait(self, int64_t count) except -1 with gil
    @cython.locals(slot=Py_ssize_t, awaited=int64_t)
    cdef int run(self) except -1 nogil
    cdef bint is_over(self) except -1 nogil
    cdef bint sleep(self) except -1 with gil
    cdef bint is_worth_waking(self) noexcept nogil
    cdef int wake(self) except -1 with gil
