cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport payload, segment, tcp_options
from handshake_inspect.wire cimport big_endian, checksum, fourtuple
from handshake_inspect.wire.const cimport (
    AE, CWR, ECE, IPV4_MAPPED, KIND_DAMAGED, KIND_TCP, MAX_MTU, MASK16, MASK32, NOTE_BAD_CHECKSUM,
    NOTE_BAD_HEADER_LENGTH, NOTE_BAD_OPTIONS, NOTE_CHECKSUM_GOOD, NOTE_CHECKSUM_OFFLOADED, NOTE_CUT_HEADER,
    NOTE_CUT_OPTIONS, NOTE_FIRST_FRAGMENT, NOTE_OFFLOADED, NOTE_SNAPPED, OPT_CUT, OPT_MSS, OPT_SACK_PERMITTED,
    OPT_TIMESTAMPS, OPT_WINDOW_SCALE, PROTO_TCP, SYN,
)

cdef uint32_t _MSS, _SACK_AND_STAMPS, _SCALE, _STAMPS

cdef int truncated_header(Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out) noexcept nogil

@cython.locals(captured=Py_ssize_t, header_len=Py_ssize_t)
cdef int decode_tcp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, segment.Segment *out
) noexcept nogil

@cython.locals(flags=uint32_t, src_port=uint32_t, dst_port=uint32_t)
cdef void read_header(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t header_len, Py_ssize_t captured, segment.Segment *out
) noexcept nogil

cdef void read_options(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t header_len, segment.Segment *out
) noexcept nogil

@cython.locals(addresses=uint64_t, bare=uint64_t, pseudo=uint64_t, field=uint32_t)
cdef void verify_checksum(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t ip_end, segment.Segment *out
) noexcept nogil

@cython.locals(ethertype=uint32_t)
cdef bint decode_plain(
    const unsigned char *data, Py_ssize_t start, Py_ssize_t end, uint32_t wire_len, segment.Segment *out
) noexcept nogil

@cython.locals(total_len=Py_ssize_t, ip_end=Py_ssize_t)
cdef bint plain_ipv4(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(payload_len=Py_ssize_t, ip_end=Py_ssize_t)
cdef bint plain_ipv6(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out
) noexcept nogil

@cython.locals(header_len=Py_ssize_t)
cdef bint header_fits(const unsigned char *data, Py_ssize_t at, Py_ssize_t limit) noexcept nogil

@cython.locals(header_len=Py_ssize_t)
cdef void plain_tcp(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Py_ssize_t ip_end, Py_ssize_t wire_end,
    segment.Segment *out
) noexcept nogil
