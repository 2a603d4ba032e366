cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.capture cimport fields

cdef uint32_t ENHANCED_PACKET
cdef uint32_t PACKET
cdef uint32_t SIMPLE_PACKET
cdef Py_ssize_t MIN_BLOCK
cdef int64_t CLOCK_SLACK_S
cdef int64_t MAX_SPAN_S

@cython.locals(data="const unsigned char *", end=Py_ssize_t, at=Py_ssize_t, captured=int64_t, seconds=int64_t,
               fraction=uint32_t)
cpdef Py_ssize_t last_record(bytes buffer, Py_ssize_t header_len, bint big, uint32_t ticks, int64_t first_s)

@cython.locals(data="const unsigned char *", end=Py_ssize_t, at=Py_ssize_t, length=Py_ssize_t)
cpdef Py_ssize_t last_packet(bytes buffer, bint big)
