from libc.stdint cimport uint8_t, uint16_t, uint32_t, uintptr_t
from libc.string cimport memset

cdef struct Hello:
    uint16_t version
    uint16_t cipher
    uint16_t group
    uint16_t flags
    uint32_t alpn_at
    uint32_t alpn_length
    uint32_t length
    uint32_t start[4]
    uint32_t extent[4]
    uint8_t facts[1024]

cdef inline Hello *hello_of(object storage):
    import ctypes
    return <Hello *><uintptr_t>ctypes.addressof(storage)

cdef inline const unsigned char *facts_of(Hello *hello) noexcept nogil:
    return hello.facts

cdef inline void clear(Hello *hello) noexcept nogil:
    memset(hello, 0, <char *>&hello.facts - <char *>hello)
