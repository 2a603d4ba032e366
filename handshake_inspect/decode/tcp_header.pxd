cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport payload, segment
from handshake_inspect.wire cimport big_endian, checksum, fourtuple
from handshake_inspect.wire.const cimport (
    ACK, AE, CWR, ECE, KIND_DAMAGED, KIND_TCP, MASK16, MASK32, NOTE_BAD_CHECKSUM, NOTE_BAD_HEADER_LENGTH,
    NOTE_CHECKSUM_GOOD, NOTE_CHECKSUM_OFFLOADED, NOTE_CUT_HEADER, NOTE_CUT_OPTIONS, NOTE_FIRST_FRAGMENT,
    NOTE_OFFLOADED, OPT_ACCECN, OPT_ECN, OPT_MPTCP, OPT_MSS, OPT_SACK, OPT_SACK_PERMITTED, OPT_TFO,
    OPT_TIMESTAMPS, OPT_WINDOW_SCALE, PROTO_TCP, SYN,
)

cdef uint32_t _MSS, _SACK_AND_STAMPS, _SCALE, _STAMPS

cdef int ended_early(Py_ssize_t end, Py_ssize_t wire_end, segment.Segment *out) noexcept nogil

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

@cython.locals(bits="unsigned int")
cdef unsigned int ecn_setup(unsigned int flags) noexcept nogil

@cython.locals(kind=uint32_t, length=Py_ssize_t)
cdef void decode_options(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, segment.Segment *out
) noexcept nogil

cdef bint read_option(
    const unsigned char *data, Py_ssize_t at, uint32_t kind, Py_ssize_t length, segment.Segment *out
) noexcept nogil

@cython.locals(addresses=uint64_t, bare=uint64_t, pseudo=uint64_t, field=uint32_t)
cdef void judge_checksum(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t ip_end, segment.Segment *out
) noexcept nogil
