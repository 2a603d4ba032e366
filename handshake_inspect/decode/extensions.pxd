cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport segment, tcp_header
from handshake_inspect.wire cimport big_endian
from handshake_inspect.wire.const cimport (
    KIND_FRAGMENT, KIND_NONE, NOTE_FIRST_FRAGMENT, PROTO_AUTHENTICATION, PROTO_DESTINATION, PROTO_FRAGMENT,
    PROTO_HOP_BY_HOP, PROTO_ROUTING, PROTO_TCP,
)

cdef int _MAX_HEADERS

@cython.locals(_=int, length=Py_ssize_t, following=uint32_t, field=uint32_t)
cdef int64_t find_upper_layer(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, uint32_t protocol, segment.Segment *out
) noexcept nogil

@cython.locals(kind=uint32_t, address=Py_ssize_t)
cdef void take_final_destination(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t length, segment.Segment *out
) noexcept nogil
