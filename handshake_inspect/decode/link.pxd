cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport ip, nested, segment, tcp_header
from handshake_inspect.wire cimport big_endian
from handshake_inspect.wire.const cimport KIND_DAMAGED, KIND_DECLINED, KIND_NONE, NOTE_BAD_HEADER_LENGTH

cdef bytes ETHERTYPE_LAYERS, FRAMINGS
cdef unsigned int LAYER_IPV4, LAYER_IPV6, LAYER_OTHER, LAYER_OPAQUE, LAYER_VLAN, FRAMING_COUNT, UNREAD_ETHERTYPE
cdef unsigned int FRAMING_ETHERNET, FRAMING_FAMILY, FRAMING_IP, FRAMING_SLL, FRAMING_SLL2
cdef unsigned int _IPV4, _IPV6

@cython.locals(framing=uint32_t)
cdef int decode_link(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, uint32_t link_type,
    segment.Segment *out
) noexcept nogil

@cython.locals(layer=uint32_t)
cdef int decode_by_ethertype(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, uint32_t ethertype,
    segment.Segment *out
) noexcept nogil

@cython.locals(version=uint32_t)
cdef int decode_raw_ip(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, uint32_t link_type,
    segment.Segment *out
) noexcept nogil

@cython.locals(family=uint32_t)
cdef int decode_by_family(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil
