cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.capture cimport fields
from handshake_inspect.capture.pcap cimport PcapReader
from handshake_inspect.decode cimport segment as seg
from handshake_inspect.decode cimport tcp_header
from handshake_inspect.engine cimport owners
from handshake_inspect.wire.const cimport (
    DNS, ETHERNET, MAGIC_HIGH, MAGIC_LOW, MASK16, NOTE_BAD_OPTIONS, NS_PER_SECOND, RECORD_HEADER,
)

cdef bint are_read(PcapReader reader) noexcept nogil

@cython.locals(
    data="const unsigned char *", at=Py_ssize_t, limit=Py_ssize_t, longest=Py_ssize_t, ticks=uint32_t, tick_ns=int64_t,
    frame=uint64_t, seconds=uint32_t, fraction=uint32_t, captured=Py_ssize_t, wire_len=uint32_t, now=int64_t,
    record="seg.Segment *"
)
cdef Py_ssize_t take(
    PcapReader reader, seg.Segment *records, void *owners_of, Py_ssize_t held, Py_ssize_t room, int64_t before_ns
) noexcept nogil
