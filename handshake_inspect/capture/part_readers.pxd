from libc.stdint cimport int64_t, uint64_t

from handshake_inspect.capture.frames cimport FrameReader

cdef int FRAME
cdef int NEED_MORE
cdef Py_ssize_t _PAGE_LEN

cdef class PartReader(FrameReader):
    cdef public FrameReader reader

cdef class TimeRecordingReader(PartReader):
    cdef readonly list pages
    cdef int64_t[::1] _page
    cdef Py_ssize_t _filled

    cdef int step(self) except -1 nogil
    cdef int record_time(self) except -1 nogil
    cdef int _turn_page(self) except -1 with gil

cdef class RenumberingReader(PartReader):
    cdef const uint64_t[::1] _numbers
    cdef uint64_t _count

    cdef int step(self) except -1 nogil

cdef class SingleFrameReader(FrameReader):
    cdef int step(self) except -1 nogil
