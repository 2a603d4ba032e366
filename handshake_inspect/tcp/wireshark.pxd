cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows

cdef unsigned int COMPLETE_ACK
cdef unsigned int COMPLETE_DATA
cdef unsigned int COMPLETE_FIN
cdef unsigned int COMPLETE_RST
cdef unsigned int COMPLETE_SYN
cdef unsigned int COMPLETE_SYNACK
cdef unsigned int ACK
cdef unsigned int FIN
cdef unsigned int RST
cdef unsigned int SYN

@cython.locals(flags=uint32_t, bits=uint32_t)
cdef void complete(rows.Connection *connection, seg.Segment *segment) noexcept nogil
