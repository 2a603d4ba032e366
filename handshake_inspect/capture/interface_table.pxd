from libc.stdint cimport int64_t, uint32_t, uint64_t, uintptr_t

cdef struct Interface:
    uint64_t max_raw
    uint64_t scale
    int64_t offset_ns
    uint32_t link_type
    uint32_t snap_len
    uint32_t fcs_len
    uint32_t resolution

cdef inline Interface *rows_of(object storage):
    import ctypes
    return <Interface *><uintptr_t>ctypes.addressof(storage)

cdef inline Interface *row_at(Interface *records, Py_ssize_t i) noexcept nogil:
    return records + i
