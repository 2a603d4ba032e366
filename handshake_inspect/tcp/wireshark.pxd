cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.facts cimport (
    COMPLETE_ACK, COMPLETE_DATA, COMPLETE_FIN, COMPLETE_RST, COMPLETE_SYN, COMPLETE_SYNACK,
)
from handshake_inspect.wire.const cimport ACK, FIN, RST, SYN

@cython.locals(flags=uint32_t, bits=uint32_t)
cdef void complete(rows.Connection *connection, seg.Segment *segment) noexcept nogil
