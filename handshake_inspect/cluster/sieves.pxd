cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport payload
from handshake_inspect.decode cimport segment as seg
from handshake_inspect.engine.pump cimport Pump
from handshake_inspect.quic cimport datagram
from handshake_inspect.wire cimport fourtuple
from handshake_inspect.wire.const cimport KIND_ICMP_ERROR, KIND_UDP, KIND_UDP_ERROR, NOTE_BAD_CHECKSUM

cdef Py_ssize_t LEAST_INITIAL
cdef unsigned int LONG

@cython.final
cdef class KeySet:
    cdef uint64_t count
    cdef bint has_zero
    cdef uint64_t mask
    cdef uint64_t[::1] slots

    @cython.locals(at=Py_ssize_t)
    cdef int add_all(self, uint64_t[::1] keys) except -1
    @cython.locals(at=uint64_t)
    cpdef int add(self, uint64_t key) except -1
    cpdef bint has(self, uint64_t key)
    @cython.locals(at=uint64_t)
    cdef uint64_t slot_of(self, uint64_t key) noexcept
    cdef int grow(self) except -1

@cython.final
cdef class RecordBuffer:
    cdef readonly bytearray records
    cdef readonly bytearray payloads

    @cython.locals(start=Py_ssize_t)
    cdef int take(self, void *owners, seg.Segment *record) except -1

cdef class CollectingSieve:
    cdef readonly Pump pump
    cdef readonly KeySet tuples
    cdef readonly KeySet seen
    cdef readonly KeySet served
    cdef public bint is_wrong

    @cython.locals(at=Py_ssize_t, record="seg.Segment *")
    cpdef Py_ssize_t sift(self, Py_ssize_t held) except -1
    @cython.locals(record="seg.Segment *", target=uint64_t)
    cpdef bint takes(self) except -1
    @cython.locals(owners="void *", version=uint32_t, at=Py_ssize_t)
    cdef bint begins_quic(self, seg.Segment *record) except -1

cdef class SplittingSieve:
    cdef readonly Pump pump
    cdef KeySet tuples
    cdef bint is_every
    cdef KeySet ends
    cdef KeySet others
    cdef bint has_ends
    cdef readonly list shards
    cdef readonly RecordBuffer datagrams
    cdef readonly bint is_mixed

    @cython.locals(at=Py_ssize_t, staying=Py_ssize_t, record="seg.Segment *")
    cpdef Py_ssize_t sift(self, Py_ssize_t held) except -1
    @cython.locals(hosts=uint64_t, shard=RecordBuffer)
    cdef int collect(self, seg.Segment *record) except -1
    @cython.locals(record="seg.Segment *", source=uint64_t, target=uint64_t)
    cpdef bint takes(self) except -1
