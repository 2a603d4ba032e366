cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.capture cimport fields
from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.wire.const cimport MAGIC_HIGH, MAGIC_LOW, MASK16, NS_PER_SECOND

cdef int FRAME
cdef int NEED_MORE
cdef Py_ssize_t _FILE_HEADER
cdef Py_ssize_t _MAX_SNAP_LEN
cdef Py_ssize_t _MAX_FRAME_LEN

cdef class PcapReader(FrameReader):
    cdef public bint big
    cdef public Py_ssize_t header_len
    cdef public bint started
    cdef public uint32_t ticks
    cdef public int64_t tick_ns
    cdef public uint32_t snap_len
    cdef public Py_ssize_t max_frame_len
    cdef public Py_ssize_t fcs_len
    cdef bytes _header

    cpdef void feed(self, object buffer, Py_ssize_t position, Py_ssize_t limit, uint64_t offset)

    @cython.locals(at=Py_ssize_t, header_len=Py_ssize_t, data="const unsigned char *", big=bint, captured=Py_ssize_t,
                   start=Py_ssize_t, end=Py_ssize_t, seconds=int64_t, fraction=int64_t, wire_len=Py_ssize_t)
    cdef int step(self) except -1 nogil
    cdef bint _is_file_header(self, Py_ssize_t at) except -1 with gil
    cdef int _start_next_file(self, Py_ssize_t at) except -1 with gil
    cdef int _bad_record(self, Py_ssize_t captured) except -1 with gil
