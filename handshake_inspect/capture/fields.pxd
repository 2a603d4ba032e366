from libc.stdint cimport uint32_t

# Bytes at constant offsets from one pointer, in one expression: the compiler makes this one load, and the byte swap one
# instruction.

cdef inline uint32_t u16(const unsigned char *data, Py_ssize_t at, bint big) noexcept nogil:
    cdef const unsigned char *p = data + at
    cdef uint32_t value = <uint32_t>p[1] << 8 | <uint32_t>p[0]
    if big:
        value = (value << 8 | value >> 8) & 0xFFFF
    return value

cdef inline uint32_t u32(const unsigned char *data, Py_ssize_t at, bint big) noexcept nogil:
    cdef const unsigned char *p = data + at
    cdef uint32_t value = <uint32_t>p[3] << 24 | <uint32_t>p[2] << 16 | <uint32_t>p[1] << 8 | <uint32_t>p[0]
    if big:
        value = value << 24 | (value & 0xFF00) << 8 | (value >> 8 & 0xFF00) | value >> 24
    return value
