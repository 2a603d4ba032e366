cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport ip, onward, segment, tcp_header
from handshake_inspect.wire cimport big_endian
from handshake_inspect.wire.const cimport KIND_DAMAGED, KIND_DECLINED, KIND_NONE, NOTE_BAD_HEADER_LENGTH

cdef bytes BEHIND, FRAMINGS
cdef unsigned int BEHIND_IPV4, BEHIND_IPV6, BEHIND_OTHER, BEHIND_SEALED, BEHIND_VLAN, FRAMING_COUNT, UNREAD_ETHERTYPE
cdef unsigned int FRAMING_ETHERNET, FRAMING_FAMILY, FRAMING_IP, FRAMING_SLL, FRAMING_SLL2
cdef unsigned int _IPV4, _IPV6

@cython.locals(framing=uint32_t)
cdef int decode_link(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, uint32_t link_type,
    segment.Segment *out
) noexcept nogil

@cython.locals(behind=uint32_t)
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
