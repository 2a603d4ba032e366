cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport link, payload, segment, tcp_header, tunnels
from handshake_inspect.wire cimport big_endian, checksum
from handshake_inspect.wire.const cimport IPV4_MAPPED, KIND_ONWARD, KIND_TCP, LARGEST_MTU, NOTE_SNAPPED, PROTO_TCP

cdef unsigned int _ETHERNET

@cython.locals(wire_end=Py_ssize_t, kind=int)
cdef int decode_frame(
    const unsigned char *data, Py_ssize_t start, Py_ssize_t end, uint32_t wire_len, uint32_t link_type,
    segment.Segment *out
) noexcept nogil

@cython.locals(
    ethertype=uint32_t, total_len=Py_ssize_t, ip_end=Py_ssize_t, tcp_at=Py_ssize_t, header_len=Py_ssize_t,
    limit=Py_ssize_t
)
cdef bint decode_plain(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, segment.Segment *out
) noexcept nogil

@cython.locals(kind=int)
cpdef int decode_bytes(bytes frame, uint32_t wire_len, uint32_t link_type, object records, Py_ssize_t i)
