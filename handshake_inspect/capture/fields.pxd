from libc.stdint cimport uint32_t

cdef inline uint32_t u16(const unsigned char *data, Py_ssize_t at, bint big) noexcept nogil:
    cdef uint32_t a = data[at], b = data[at + 1]
    return a << 8 | b if big else b << 8 | a

cdef inline uint32_t u32(const unsigned char *data, Py_ssize_t at, bint big) noexcept nogil:
    # Octets in unsigned 32-bit locals: a shifted octet would be a signed int.
    cdef uint32_t a = data[at], b = data[at + 1], c = data[at + 2], d = data[at + 3]
    return a << 24 | b << 16 | c << 8 | d if big else d << 24 | c << 16 | b << 8 | a
