cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.capture cimport fields
from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.live cimport memory
from handshake_inspect.wire.const cimport ETHERNET, NS_PER_SECOND

cdef int FRAME
cdef int NEED_MORE
cdef bint _BIG
cdef uint32_t _LINUX_SLL2
cdef Py_ssize_t _BLOCK_FRAMES
cdef Py_ssize_t _BLOCK_FIRST
cdef Py_ssize_t _BLOCK_HEADER
cdef Py_ssize_t _NEXT
cdef Py_ssize_t _SECONDS
cdef Py_ssize_t _NANOSECONDS
cdef Py_ssize_t _CAPTURED
cdef Py_ssize_t _LENGTH
cdef Py_ssize_t _STATUS
cdef Py_ssize_t _MAC
cdef Py_ssize_t _VLAN_TCI
cdef Py_ssize_t _VLAN_TPID
cdef Py_ssize_t _PROTOCOL
cdef Py_ssize_t _INTERFACE
cdef Py_ssize_t _HARDWARE
cdef Py_ssize_t _PACKET_TYPE
cdef Py_ssize_t _ADDRESS_LENGTH
cdef Py_ssize_t _ADDRESS
cdef Py_ssize_t _HEADERS
cdef unsigned int _OUTGOING
cdef uint32_t _VLAN_VALID
cdef uint32_t _TPID_VALID
cdef uint32_t _TAG
cdef Py_ssize_t _SLL2_HEADER

cdef class RingReader(FrameReader):
    cdef unsigned char *ring
    cdef Py_ssize_t size
    cdef uint32_t loopback
    cdef public uint32_t frames_left

    @cython.locals(data="const unsigned char *")
    cpdef void set_block(self, Py_ssize_t block, Py_ssize_t size) except *

    @cython.locals(data="const unsigned char *", at=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, before=Py_ssize_t,
                   length=Py_ssize_t, seconds=int64_t)
    cdef int step(self) except -1 nogil

    @cython.locals(ring="unsigned char *")
    cdef Py_ssize_t restore_vlan_tag(self, Py_ssize_t at, Py_ssize_t start, Py_ssize_t end) noexcept nogil

    @cython.locals(data="const unsigned char *", ring="unsigned char *", tpid=uint32_t)
    cdef Py_ssize_t write_tag(self, Py_ssize_t at, Py_ssize_t where) noexcept nogil

    @cython.locals(data="const unsigned char *", ring="unsigned char *", tagged=bint, packet=Py_ssize_t,
                   protocol=uint32_t, interface=uint32_t)
    cdef Py_ssize_t add_cooked_header(self, Py_ssize_t at, Py_ssize_t start) except -1 nogil

    cdef int skip_block(self) except -1 with gil
