cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from handshake_inspect.tls cimport byte_store
from handshake_inspect.wire.const cimport MASK32

cdef Py_ssize_t MAX_STRINGS
cdef uint32_t SLOTS
cdef Py_ssize_t ARENA
cdef int MAX_PROBES
cdef uint32_t PRIME
cdef uint32_t BASIS

cdef class Names:
    cdef readonly object arena_room
    cdef readonly object start_room
    cdef readonly object slot_room
    cdef uint8_t *arena
    cdef uint32_t *starts
    cdef uint32_t *slots
    cdef readonly Py_ssize_t count
    cdef readonly uint64_t refused

    @cython.locals(mixed=uint32_t, i=Py_ssize_t, slot=uint32_t, _=int, number=uint32_t)
    cdef uint32_t intern(self, const unsigned char *data, Py_ssize_t at, Py_ssize_t length) noexcept nogil
    @cython.locals(start=Py_ssize_t)
    cdef bint is_same(
        self, uint32_t number, const unsigned char *data, Py_ssize_t at, Py_ssize_t length
    ) noexcept nogil
    @cython.locals(start=Py_ssize_t)
    cdef uint32_t add(self, const unsigned char *data, Py_ssize_t at, Py_ssize_t length, uint32_t slot) noexcept nogil
