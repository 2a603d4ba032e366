from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.decode.segment cimport Segment

cdef inline void keep(void *owners, Py_ssize_t at, Segment *record, FrameReader reader) noexcept nogil:
    pass
