cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport extensions, icmp, nested, payload, segment, tcp_header
from handshake_inspect.wire cimport big_endian, checksum, fourtuple
from handshake_inspect.wire.const cimport (
    IPV4_MAPPED, KIND_DAMAGED, KIND_FRAGMENT, KIND_NONE, KIND_TCP, KIND_UDP, MAX_MTU, MASK32,
    NOTE_BAD_CHECKSUM, NOTE_BAD_HEADER_LENGTH, NOTE_BAD_IP_CHECKSUM, NOTE_FIRST_FRAGMENT, NOTE_OFFLOADED,
    NOTE_TUNNELED, PROTO_AUTHENTICATION, PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP,
)

cdef uint32_t _TEREDO
cdef bytes PROTOCOL_LAYERS, TUNNELS
cdef unsigned int LAYER_OPAQUE, LAYER_UDP, TUNNEL_FROM, TUNNEL_OPAQUE, UNREAD_PROTOCOL

@cython.locals(
    header_len=Py_ssize_t, total_len=Py_ssize_t, ip_end=Py_ssize_t, fragment=uint32_t, protocol=uint32_t, kind=int
)
cdef int decode_ipv4(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(payload_len=Py_ssize_t, ip_end=Py_ssize_t, kind=int)
cdef int decode_ipv6(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(found=int64_t, layer=uint32_t)
cdef int upper_layer(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, uint32_t protocol, segment.Segment *out
) noexcept nogil

@cython.locals(source=uint32_t, target=uint32_t)
cdef bint may_be_udp_tunnel(const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end) noexcept nogil

@cython.locals(limit=Py_ssize_t, length=Py_ssize_t)
cdef int udp_datagram(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, segment.Segment *out
) noexcept nogil
