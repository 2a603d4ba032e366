cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport extensions, segment, tcp_header
from handshake_inspect.wire cimport big_endian, fourtuple
from handshake_inspect.wire.const cimport (
    IPV4_MAPPED, KIND_DAMAGED, KIND_ICMP_ERROR, KIND_NONE, KIND_UDP_ERROR, MASK16, MASK32, MULTICAST_LISTENER_QUERY,
    PROTO_ICMP, PROTO_TCP, PROTO_UDP,
)

@cython.locals(limit=Py_ssize_t, kind=uint32_t, mtu=uint32_t)
cdef int decode_icmp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, uint32_t protocol, segment.Segment *out
) noexcept nogil

@cython.locals(limit=Py_ssize_t, header_len=Py_ssize_t)
cdef int quoted_ipv4(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, segment.Segment *out
) noexcept nogil

@cython.locals(limit=Py_ssize_t, found=int64_t)
cdef int quoted_ipv6(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, segment.Segment *out
) noexcept nogil

cdef int quoted_udp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, segment.Segment *out
) noexcept nogil

@cython.locals(limit=Py_ssize_t, src_port=uint32_t, dst_port=uint32_t, payload_len=Py_ssize_t)
cdef int quoted_tcp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, Py_ssize_t quoted_end,
    segment.Segment *out
) noexcept nogil
