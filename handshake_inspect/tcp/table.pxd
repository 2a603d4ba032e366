cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.optional_rows cimport OptionalRows
from handshake_inspect.tcp.setup.store cimport Setups
from handshake_inspect.wire cimport fourtuple
from handshake_inspect.tcp.facts cimport EMBRYO, EMBRYO_FREE, EMBRYO_STATE, EMBRYO_WAITING, NUMBER
from handshake_inspect.tcp.limits cimport MIN_ROWS, MAX_PROBES
from handshake_inspect.wire.const cimport IPV4_MAPPED, MASK16, MASK32


@cython.final
cdef class Table(OptionalRows):
    cdef readonly object embryo_rows
    cdef readonly object address_rows
    cdef readonly object connection_rows
    cdef readonly object endpoint_rows
    cdef readonly object alias_rows
    cdef readonly object size_rows
    cdef rows.Embryo *embryos
    cdef rows.Addresses *addresses
    cdef object narrow_rows
    cdef rows.Addresses *narrow
    cdef rows.Connection *connections
    cdef rows.Endpoint *endpoints
    cdef rows.Alias *aliases
    cdef readonly object high_rows
    cdef uint64_t *highs
    cdef readonly bint beyond
    cdef rows.Sizes *sizes
    cdef readonly Setups setups
    cdef readonly Py_ssize_t embryo_count
    cdef readonly Py_ssize_t connection_count
    cdef readonly uint64_t begun
    cdef uint32_t free_embryo
    cdef uint32_t free_connection
    cdef readonly uint64_t evicted
    cdef public bint holds_plain
    cdef public bint holds_bare
    cdef Py_ssize_t hand_embryo
    cdef Py_ssize_t hand_connection

    @cython.locals(tag=uint64_t, at=uint64_t, last=uint64_t, slot=uint64_t)
    cdef uint32_t find(self, segment.Segment *segment) noexcept nogil
    @cython.locals(slot=uint64_t, reference=uint32_t)
    cdef void fetch(self, segment.Segment *segment) noexcept nogil
    @cython.locals(row="rows.Connection *")
    cdef bint is_same(self, uint32_t reference, segment.Segment *segment) noexcept nogil
    @cython.locals(embryo="rows.Embryo *", ends="rows.Addresses *")
    cdef bint is_same_embryo(self, Py_ssize_t i, segment.Segment *segment) noexcept nogil
    @cython.locals(i=Py_ssize_t, embryo="rows.Embryo *")
    cdef Py_ssize_t new_embryo(self, segment.Segment *segment, unsigned int state) noexcept nogil
    @cython.locals(embryo="rows.Embryo *", wide="rows.Addresses *")
    cdef void put_addresses(self, Py_ssize_t i, segment.Segment *segment) noexcept nogil
    @cython.locals(embryo="rows.Embryo *", narrow="rows.Addresses *")
    cdef rows.Addresses *addresses_of(self, Py_ssize_t i) noexcept nogil
    @cython.locals(frame=uint64_t)
    cdef uint64_t whole_frame(self, Py_ssize_t i) noexcept nogil
    @cython.locals(embryo="rows.Embryo *")
    cdef void free(self, Py_ssize_t i) noexcept nogil
    @cython.locals(retries="rows.Retries *", at=Py_ssize_t)
    cdef void free_provisional(self, rows.Connection *row) noexcept nogil
    @cython.locals(embryo="rows.Embryo *")
    cdef void put_state(self, Py_ssize_t i, unsigned int state) noexcept nogil
    @cython.locals(i=Py_ssize_t, embryo="rows.Embryo *")
    cdef Py_ssize_t evict_embryo(self) noexcept nogil
    @cython.locals(embryo="rows.Embryo *", ends="rows.Addresses *", hash_of=uint64_t)
    cdef void forget_embryo(self, Py_ssize_t i) noexcept nogil
    @cython.locals(i=Py_ssize_t)
    cdef Py_ssize_t evict_connection(self) noexcept nogil
    @cython.locals(row="rows.Connection *", hash_of=uint64_t)
    cdef void release(self, Py_ssize_t i) noexcept nogil
    @cython.locals(row="rows.Connection *")
    cpdef void retire(self, Py_ssize_t i) noexcept
    cpdef void retire_embryo(self, Py_ssize_t i) noexcept
    @cython.locals(i=Py_ssize_t, row="rows.Connection *")
    cdef Py_ssize_t new_connection(self, segment.Segment *segment) noexcept nogil
    @cython.locals(embryo="rows.Embryo *", ends="rows.Addresses *")
    cdef void recall(self, Py_ssize_t i, segment.Segment *segment) noexcept nogil
