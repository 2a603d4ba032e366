cimport cython
from libc.stdint cimport int64_t, uint8_t

from handshake_inspect.capture.frames cimport FrameReader

cdef int DAMAGED
cdef int FRAME
cdef int NEED_MORE
cdef int _WAITING
cdef int _HELD
cdef int _ENDED
cdef int64_t _EVER

cdef class MergeReader(FrameReader):
    cdef public Py_ssize_t hungry
    cdef public Py_ssize_t running
    cdef list _readers
    cdef uint8_t[::1] _states
    cdef int64_t[::1] _times
    cdef Py_ssize_t _current
    cdef FrameReader _reader
    cdef Py_ssize_t _rival
    cdef int64_t _rival_ns

    @cython.locals(current=Py_ssize_t, reader=FrameReader, outcome=int, ns=int64_t)
    cdef int step(self) except -1 with gil

    cpdef void finish(self, Py_ssize_t index)

    @cython.locals(reader=FrameReader)
    cdef int _give(self) except -1

    @cython.locals(first=Py_ssize_t, second=Py_ssize_t, first_ns=int64_t, second_ns=int64_t, index=Py_ssize_t,
                   ns=int64_t)
    cdef int _choose(self) except -1
