from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef inline Py_ssize_t decimal_length(int64_t value) noexcept nogil:
    cdef uint64_t left = -<uint64_t>value if value < 0 else <uint64_t>value
    cdef Py_ssize_t length = 1 + (value < 0)
    while left >= 10000:
        left //= 10000
        length += 4
    return length + (left >= 10) + (left >= 100) + (left >= 1000)

cdef inline Py_ssize_t put_decimal(unsigned char[::1] out, Py_ssize_t at, int64_t value) noexcept nogil:
    cdef uint64_t left = -<uint64_t>value if value < 0 else <uint64_t>value, rest
    cdef uint32_t pair
    cdef Py_ssize_t end = at + decimal_length(value), place = end
    while left >= 100:  # two digits at a time: successive divisions depend on each other
        rest = left // 100
        pair = <uint32_t>(left - rest * 100)
        left = rest
        place -= 2
        out[place] = <unsigned char>(48 + pair // 10)
        out[place + 1] = <unsigned char>(48 + pair % 10)
    if left >= 10:
        place -= 1
        out[place] = <unsigned char>(48 + left % 10)
        left //= 10
    out[place - 1] = <unsigned char>(48 + left)
    if value < 0:
        out[at] = 45
    return end

cdef inline Py_ssize_t put_text(
    unsigned char[::1] out, Py_ssize_t at, const unsigned char[::1] text, Py_ssize_t start, Py_ssize_t stop
) noexcept nogil:
    if stop > start:
        memcpy(&out[at], &text[start], stop - start)
    return at + stop - start
