from libc.stdint cimport int64_t, uint64_t, uintptr_t

cdef extern from *:
    """
    #define HSI_LINE 16
    #if defined(__GNUC__)
    static inline void hsi_publish(int64_t *at, int64_t value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }
    static inline int64_t hsi_seen(int64_t *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
    #else
    #error "no atomic numbers with this compiler"
    #endif
    """
    int HSI_LINE
    void hsi_publish(int64_t *at, int64_t value) noexcept nogil
    int64_t hsi_seen(int64_t *at) noexcept nogil

cdef inline int64_t *counters_of(object storage):
    import ctypes
    return <int64_t *><uintptr_t>ctypes.addressof(storage)

cdef inline void publish(int64_t *numbers, int which, int64_t value) noexcept nogil:
    hsi_publish(numbers + HSI_LINE * which, value)

cdef inline int64_t seen(int64_t *numbers, int which) noexcept nogil:
    return hsi_seen(numbers + HSI_LINE * which)
