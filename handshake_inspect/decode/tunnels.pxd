cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport ip, link, nested, segment, tcp_header
from handshake_inspect.wire cimport big_endian
from handshake_inspect.wire.const cimport (
    ETHERNET, KIND_DAMAGED, KIND_DECLINED, KIND_NONE, KIND_NESTED, NOTE_SNAPPED, NOTE_TUNNELED,
)

cdef int MAX_LAYERS
cdef unsigned int LAYER_CONTROL, LAYER_IPV4, LAYER_IPV6, LAYER_OTHER, LAYER_OPAQUE, LAYER_ERSPAN, LAYER_ERSPAN3
cdef unsigned int LAYER_ETHERIP, LAYER_ETHERNET, LAYER_GENEVE, LAYER_GRE, LAYER_GTP, LAYER_MPLS, LAYER_PPP
cdef unsigned int LAYER_PPPOE, LAYER_UDP, LAYER_VXLAN, LAYER_WCCP, TUNNEL_FROM, TUNNEL_OPAQUE, UNREAD_DEPTH
cdef unsigned int UNREAD_ETHERTYPE, UNREAD_GRE, UNREAD_PORT, UNREAD_PPP
cdef unsigned int _GRE_ROUTING, _GRE_VERSION, _GPDU, _ESP_PORT, _DTLS_PORT, _CAPWAP_PORT
cdef unsigned int _WIREGUARD_PORT, _WIREGUARD_DATA
cdef bytes GRE_LAYERS, PPP_LAYERS, TUNNEL_LAYERS, TUNNELS

@cython.locals(_=int, whole=bint, datagram=bint, kind=int, layer=uint32_t, at=Py_ssize_t, wire_end=Py_ssize_t)
cdef int decode_nested(const unsigned char *data, Py_ssize_t end, segment.Segment *out) noexcept nogil

cdef int step(
    uint32_t layer, const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(notes=uint32_t)
cdef int decode_layer(
    uint32_t layer, const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(flags=uint32_t, protocol=uint32_t, layer=uint32_t)
cdef int gre(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(length=Py_ssize_t)
cdef Py_ssize_t gre_fields(uint32_t flags) noexcept nogil

cdef int wccp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(_=int, bottom=uint32_t, version=uint32_t)
cdef int mpls(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

cdef int pppoe(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

cdef int ppp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(protocol=uint32_t, layer=uint32_t)
cdef int decode_by_ppp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(source=uint32_t, target=uint32_t, port=uint32_t, layer=uint32_t, found=int64_t)
cdef int udp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

cdef bint is_opaque(uint32_t port, const unsigned char *data, Py_ssize_t at) noexcept nogil

cdef int64_t find_tunneled(
    uint32_t layer, const unsigned char *data, Py_ssize_t at, Py_ssize_t end, segment.Segment *out
) noexcept nogil

@cython.locals(layer=uint32_t)
cdef int64_t geneve(const unsigned char *data, Py_ssize_t at, Py_ssize_t end) noexcept nogil

@cython.locals(_=int, flags=uint32_t, following=uint32_t)
cdef int64_t gtp(const unsigned char *data, Py_ssize_t at, Py_ssize_t end) noexcept nogil

cdef bint is_packet(uint32_t layer, const unsigned char *data, Py_ssize_t at, Py_ssize_t end) noexcept nogil
