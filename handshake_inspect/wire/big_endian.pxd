from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "arpa/inet.h" nogil:
    uint16_t ntohs(uint16_t number)
    uint32_t ntohl(uint32_t number)

# Compilers turn the copy into one load; shifts and ors of single bytes they leave as they are.

cdef inline uint32_t be16(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    cdef uint16_t number
    memcpy(&number, data + at, 2)
    return ntohs(number)

cdef inline uint32_t be32(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    cdef uint32_t number
    memcpy(&number, data + at, 4)
    return ntohl(number)

cdef inline uint64_t be64(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    return (<uint64_t>be32(data, at) << 32) | <uint64_t>be32(data, at + 4)
