from libc.stdint cimport uint32_t, uint64_t

cdef inline uint64_t mix_end(uint64_t hi, uint64_t lo, uint32_t port) noexcept nogil:
    cdef uint64_t mixed = ((lo ^ (<uint64_t>port << 48)) + hi * 0x9E3779B97F4A7C15ULL) * 0xD6E8FEB86659FD93ULL
    mixed = (mixed ^ (mixed >> 32)) * 0xC4CEB9FE1A85EC53ULL
    return mixed ^ (mixed >> 29)

cdef inline uint64_t hash_four_tuple(
    uint64_t a_hi, uint64_t a_lo, uint32_t a_port, uint64_t b_hi, uint64_t b_lo, uint32_t b_port
) noexcept nogil:
    cdef uint64_t mixed = mix_end(a_hi, a_lo, a_port) + mix_end(b_hi, b_lo, b_port)
    mixed = (mixed ^ (mixed >> 29)) * 0xFF51AFD7ED558CCDULL
    return mixed ^ (mixed >> 32)
