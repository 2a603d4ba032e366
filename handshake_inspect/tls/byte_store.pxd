from libc.stdint cimport uint8_t, uint32_t, uintptr_t
from libc.string cimport memcmp, memcpy

cdef inline uint8_t *bytes_of(object storage):
    import ctypes
    return <uint8_t *><uintptr_t>ctypes.addressof(storage)

cdef inline uint32_t *words_of(object storage):
    import ctypes
    return <uint32_t *><uintptr_t>ctypes.addressof(storage)

cdef inline void copy(
    uint8_t *into, Py_ssize_t to, const unsigned char *data, Py_ssize_t at, Py_ssize_t length
) noexcept nogil:
    memcpy(into + to, data + at, length)

cdef inline bint equal(
    const uint8_t *one, Py_ssize_t start, const unsigned char *data, Py_ssize_t at, Py_ssize_t length
) noexcept nogil:
    return memcmp(one + start, data + at, length) == 0

cdef inline uint8_t *bytes_of_row(uint8_t *row) noexcept nogil:
    return row

cdef inline const unsigned char *bytes_in(uint8_t *row) noexcept nogil:
    return row
