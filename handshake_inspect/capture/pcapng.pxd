cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.capture cimport fields, interface_table
from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.wire.const cimport MASK32, NS_PER_SECOND

cdef int FRAME
cdef int NEED_MORE
cdef uint32_t BINARY
cdef uint32_t BYTE_ORDER_MAGIC
cdef uint32_t ENHANCED_PACKET
cdef uint32_t EPB_DROP_COUNT
cdef uint32_t EPB_FLAGS
cdef uint32_t INTERFACE_DESCRIPTION
cdef uint32_t INTERFACE_STATISTICS
cdef int64_t MAX_MICROSECONDS
cdef uint32_t MULTIPLY
cdef uint32_t PACKET
cdef uint32_t SECTION_HEADER
cdef uint32_t SIMPLE_PACKET
cdef int _NOT_A_FRAME
cdef Py_ssize_t MIN_BLOCK
cdef Py_ssize_t _SECTION_HEADER_LEN
cdef Py_ssize_t MAX_BLOCK
cdef Py_ssize_t _MAX_INTERFACES

cdef class PcapngReader(FrameReader):
    cdef public bint big
    cdef public uint64_t section
    cdef public list names
    cdef Py_ssize_t _skip
    cdef uint64_t _skipped_from
    cdef bint _numbered
    cdef public int64_t lost
    cdef public list metadata
    cdef dict _section_drops
    cdef bint _has_drop_statistics
    cdef object _earlier_drops
    cdef object _earlier_frames
    cdef dict _delivered
    cdef dict _ends
    cdef Py_ssize_t _capacity
    cdef object _storage
    cdef interface_table.Interface *_table
    cdef Py_ssize_t _count

    @cython.locals(outcome=int, at=Py_ssize_t, kind=uint32_t)
    cdef int step(self) except -1 nogil

    @cython.locals(outcome=int, data="const unsigned char *", big=bint, length=Py_ssize_t, number=Py_ssize_t,
                   captured=Py_ssize_t, wire_len=Py_ssize_t, padded=Py_ssize_t, fcs_len=Py_ssize_t, high=uint32_t,
                   low=uint32_t, record="interface_table.Interface *")
    cdef int _enhanced_packet(self, Py_ssize_t at) except -1 nogil

    @cython.locals(outcome=int, data="const unsigned char *", big=bint, length=Py_ssize_t, number=Py_ssize_t,
                   captured=Py_ssize_t, wire_len=Py_ssize_t, drops=uint32_t, high=uint32_t, low=uint32_t)
    cdef int _packet(self, Py_ssize_t at) except -1 with gil

    @cython.locals(outcome=int, length=Py_ssize_t, captured=Py_ssize_t, wire_len=Py_ssize_t,
                   record="interface_table.Interface *")
    cdef int _simple_packet(self, Py_ssize_t at) except -1 with gil

    @cython.locals(length=Py_ssize_t)
    cdef int _complete_block(self, Py_ssize_t at, Py_ssize_t least) except -1 nogil

    @cython.locals(end=Py_ssize_t)
    cdef int _frame(self, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t wire_len, Py_ssize_t number,
                    Py_ssize_t fcs_len) except -1 nogil

    @cython.locals(record="interface_table.Interface *", raw=uint64_t, ns=uint64_t)
    cdef bint _set_time(self, Py_ssize_t number, uint64_t high, uint64_t low) except -1 nogil

    @cython.locals(product=uint64_t, upper=uint64_t)
    cdef uint64_t _binary_ns(self, uint64_t high, uint64_t low, uint64_t power) noexcept nogil

    @cython.locals(data="const unsigned char *", big=bint, code=uint32_t, length=Py_ssize_t, known=uint32_t)
    cdef Py_ssize_t _options(self, Py_ssize_t at, Py_ssize_t end, Py_ssize_t fcs_len) except -1 nogil

    @cython.locals(length=Py_ssize_t)
    cdef int _other_block(self, Py_ssize_t at, uint32_t kind) except -1 with gil

    @cython.locals(big=bint, length=Py_ssize_t, major=uint32_t)
    cdef int _section_header(self, Py_ssize_t at) except -1 with gil

    @cython.locals(outcome=int, length=Py_ssize_t, record="interface_table.Interface *")
    cdef int _interface_description(self, Py_ssize_t at) except -1 with gil

    @cython.locals(larger=object)
    cdef int _grow_table(self) except -1 with gil

    @cython.locals(outcome=int, length=Py_ssize_t)
    cdef int _interface_statistics(self, Py_ssize_t at) except -1 with gil

    @cython.locals(before=int64_t, end=int64_t)
    cdef int _note_end(self, Py_ssize_t number, uint64_t high, uint64_t low) except -1 with gil

    cdef int _skip_block(self, Py_ssize_t length) except -1 nogil

    @cython.locals(step=Py_ssize_t)
    cdef int _skip_buffered(self) except -1 nogil

    cdef int _count_drops(self, Py_ssize_t at) except -1 with gil
    cdef int _count_lost(self, uint64_t drops) except -1 nogil
    cdef int _bad_length(self, Py_ssize_t length) except -1 with gil
    cdef int _bad_packet(self, Py_ssize_t number, Py_ssize_t captured) except -1 with gil
