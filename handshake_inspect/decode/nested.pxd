from libc.stdint cimport uint32_t

from handshake_inspect.decode.segment cimport Segment

cdef inline int nested_packet(uint32_t layer, Py_ssize_t at, Py_ssize_t wire_end, Segment *out) noexcept nogil:
    out.reporter_hi = at
    out.reporter_lo = wire_end
    out.options = layer
    return 9  # KIND_NESTED

cdef inline int unread_packet(uint32_t what, uint32_t number, Segment *out) noexcept nogil:
    out.seq = what << 16 | number
    return 8  # KIND_UNREAD
