cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport link, segment, tcp_header, tunnels
from handshake_inspect.wire.const cimport ETHERNET, KIND_NESTED, KIND_TCP, NOTE_SNAPPED

@cython.locals(wire_end=Py_ssize_t, kind=int)
cdef int decode_frame(
    const unsigned char *data, Py_ssize_t start, Py_ssize_t end, uint32_t wire_len, uint32_t link_type,
    segment.Segment *out
) noexcept nogil

@cython.locals(kind=int)
cpdef int decode_bytes(bytes frame, uint32_t wire_len, uint32_t link_type, object records, Py_ssize_t i)
