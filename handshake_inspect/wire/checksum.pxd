from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "arpa/inet.h" nogil:
    uint16_t ntohs(uint16_t number)

cdef inline uint32_t fold(uint64_t total) noexcept nogil:
    total = (total & 0xFFFFFFFFULL) + (total >> 32)
    total = (total & 0xFFFFFFFFULL) + (total >> 32)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return <uint32_t>total

cdef inline bint is_valid(const unsigned char *data, Py_ssize_t start, Py_ssize_t end, uint64_t more) noexcept nogil:
    # Add words in host byte order (RFC 1071 section 2 (B)), eight bytes at a time with end-around carry; headers are
    # too short for vector instructions to pay off.  No folding is needed: 2^16, 2^32 and 2^64 are all 1 modulo 65535.
    cdef const unsigned char *at = data + start
    cdef Py_ssize_t length = end - start
    cdef Py_ssize_t i
    cdef uint64_t total = more * ntohs(1)
    cdef uint64_t word
    cdef uint32_t half
    cdef uint8_t rest[4]
    for i in range(length >> 3):
        memcpy(&word, at + 8 * i, 8)
        total += word
        total += total < word
    at += length & ~7
    if length & 4:
        memcpy(&half, at, 4)
        total += half
        total += total < half
        at += 4
    if length & 3:
        rest[0] = rest[1] = rest[2] = rest[3] = 0
        memcpy(rest, at, length & 3)
        memcpy(&half, rest, 4)
        total += half
        total += total < half
    return total != 0 and total % 65535 == 0
