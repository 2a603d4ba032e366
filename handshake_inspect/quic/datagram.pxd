cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.wire cimport big_endian
from handshake_inspect.wire.const cimport MASK32, MASK64

cdef unsigned int INITIAL, RETRIED, NEGOTIATION, SHORT, UNKNOWN
cdef uint32_t V1, V2, V1_KINDS, V2_KINDS
cdef unsigned int LONG, FIXED, LONGEST_CID
cdef uint32_t DRAFT, DRAFTS, FORCED, FORCES
cdef uint64_t OFFSET, PRIME

cdef class Datagram:
    cdef readonly unsigned int kinds
    cdef readonly uint32_t version
    cdef readonly Py_ssize_t token_len
    cdef readonly Py_ssize_t dcid_at
    cdef readonly Py_ssize_t dcid_len
    cdef readonly Py_ssize_t scid_at
    cdef readonly Py_ssize_t scid_len
    cdef readonly Py_ssize_t short_len
    cdef readonly unsigned int spin
    cdef Py_ssize_t at
    cdef Py_ssize_t number

    cdef unsigned int read(
        self, const unsigned char *data, Py_ssize_t start, Py_ssize_t end, Py_ssize_t wire_end
    ) noexcept nogil
    cdef void take_short(self, const unsigned char *data, Py_ssize_t end, Py_ssize_t wire_end) noexcept nogil
    @cython.locals(
        at=Py_ssize_t, version=uint32_t, dcid_len=Py_ssize_t, scid_place=Py_ssize_t, scid_len=Py_ssize_t,
        after=Py_ssize_t
    )
    cdef bint take_long(self, const unsigned char *data, Py_ssize_t end, Py_ssize_t wire_end) noexcept nogil
    cdef bint take_numbered(
        self, const unsigned char *data, Py_ssize_t after, Py_ssize_t end, Py_ssize_t wire_end, unsigned int kind
    ) noexcept nogil
    @cython.locals(length=Py_ssize_t, number=uint64_t, i=Py_ssize_t)
    cdef Py_ssize_t take_number(self, const unsigned char *data, Py_ssize_t at, Py_ssize_t end) noexcept nogil

@cython.locals(kinds=uint32_t)
cdef unsigned int kind_of(unsigned int first, uint32_t version) noexcept nogil

cpdef bint is_known(uint32_t version) noexcept nogil

@cython.locals(mixed=uint64_t, i=Py_ssize_t)
cdef uint64_t hash_cid(const unsigned char *data, Py_ssize_t at, Py_ssize_t length) noexcept nogil
