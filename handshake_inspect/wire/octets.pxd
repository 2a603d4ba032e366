from libc.stdint cimport uint32_t, uint64_t

cdef inline uint32_t be16(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    return (<uint32_t>data[at] << 8) | <uint32_t>data[at + 1]

cdef inline uint32_t be32(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    return ((<uint32_t>data[at] << 24) | (<uint32_t>data[at + 1] << 16)
            | (<uint32_t>data[at + 2] << 8) | <uint32_t>data[at + 3])

cdef inline uint64_t be64(const unsigned char *data, Py_ssize_t at) noexcept nogil:
    return (<uint64_t>be32(data, at) << 32) | <uint64_t>be32(data, at + 4)
