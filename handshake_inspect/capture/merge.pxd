cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from handshake_inspect.capture.frames cimport FrameReader

cdef int FRAME
cdef int NEED_MORE
cdef int _CLOSED
cdef int _WAITING
cdef int _READY
cdef int _ENDED
cdef int64_t _AFTER_ANY_FRAME
cdef Py_ssize_t _PAGE_LEN

cdef class MergeReader(FrameReader):
    cdef public Py_ssize_t starved
    cdef public Py_ssize_t active
    cdef readonly list pages
    cdef uint32_t[::1] _page
    cdef Py_ssize_t _filled
    cdef list _readers
    cdef uint8_t[::1] _states
    cdef int64_t[::1] _times
    cdef uint64_t[::1] _numbers
    cdef int64_t[::1] _ranks
    cdef int64_t[::1] _heap
    cdef FrameReader _reader
    cdef Py_ssize_t _current
    cdef int64_t _runner_up_ns
    cdef int64_t _runner_up_rank

    @cython.locals(current=Py_ssize_t, ns=int64_t)
    cdef int step(self) except -1 nogil

    cpdef void begin(self, Py_ssize_t index, FrameReader reader)
    cpdef void pause(self, Py_ssize_t index, int64_t due_ns, int64_t rank)
    cpdef void finish(self, Py_ssize_t index)

    cdef int _emit(self) except -1 nogil
    cdef int _assign_number(self) except -1 nogil
    cdef int _turn_page(self) except -1 with gil
    @cython.locals(reader=FrameReader)
    cdef void _number_trailing_events(self, Py_ssize_t index)
    @cython.locals(at=Py_ssize_t, least=Py_ssize_t, held=int64_t)
    cdef int _update_time(self, int64_t ns) except -1 with gil
    @cython.locals(left=Py_ssize_t, size=Py_ssize_t)
    cdef Py_ssize_t _child(self, Py_ssize_t at) noexcept nogil
    @cython.locals(ns=int64_t, other_ns=int64_t)
    cdef bint _is_earlier(self, Py_ssize_t one, Py_ssize_t other) noexcept nogil
    cdef int _select_sensor(self) except -1 with gil
