cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport segment
from handshake_inspect.wire cimport big_endian
from handshake_inspect.wire.const cimport (
    ACK, AE, CWR, ECE, NOTE_BAD_OPTIONS, OPT_ACCECN, OPT_ECN, OPT_MPTCP, OPT_MSS, OPT_SACK, OPT_SACK_PERMITTED,
    OPT_SIGNED, OPT_TFO, OPT_TIMESTAMPS, OPT_WINDOW_SCALE,
)

@cython.locals(kind=uint32_t, length=Py_ssize_t)
cdef bint decode_options(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, segment.Segment *out
) noexcept nogil

cdef bint read_option(
    const unsigned char *data, Py_ssize_t at, uint32_t kind, Py_ssize_t length, segment.Segment *out
) noexcept nogil

@cython.locals(bits="unsigned int")
cdef unsigned int ecn_setup(unsigned int flags) noexcept nogil
