cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport ip, segment, tcp_header
from handshake_inspect.wire cimport octets

cdef int KIND_DAMAGED, KIND_DECLINED, KIND_NONE
cdef unsigned int NOTE_BAD_HEADER_LENGTH
cdef unsigned int _NULL, _ETHERNET, _LOOP, _LINUX_SLL, _LINUX_SLL2, _IPV4, _IPV6

cdef int decode_link(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, uint32_t link_type,
    segment.Segment *out
) noexcept nogil

cdef int by_ethertype(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, uint32_t ethertype,
    segment.Segment *out
) noexcept nogil

@cython.locals(version=uint32_t)
cdef int by_version(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, uint32_t link_type,
    segment.Segment *out
) noexcept nogil

@cython.locals(family=uint32_t)
cdef int by_family(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil
