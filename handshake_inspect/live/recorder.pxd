cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.live cimport memory

cdef int FRAME
cdef uint32_t _ENHANCED_PACKET
cdef Py_ssize_t _OVERHEAD
cdef Py_ssize_t _CAPACITY
cdef int64_t _MASK32

cdef class RecordingReader(FrameReader):
    cdef public FrameReader reader
    cdef public object describe
    cdef public object write
    cdef dict _interfaces
    cdef uint32_t _interface
    cdef int64_t _interface_link_type
    cdef bytearray _buffer
    cdef Py_ssize_t _capacity
    cdef unsigned char *_out
    cdef Py_ssize_t _used

    @cython.locals(reader=FrameReader, got=int)
    cdef int step(self) except -1 with gil

    @cython.locals(captured=Py_ssize_t, padded=Py_ssize_t, total=Py_ssize_t, at=Py_ssize_t, time=int64_t,
                   out="unsigned char *")
    cdef int record(self) except -1

    @cython.locals(link_type=uint32_t)
    cdef int set_interface(self) except -1
    cdef int reserve(self, Py_ssize_t count) except -1
