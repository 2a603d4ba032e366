from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef class FrameReader:
    # The object keeps the buffer alive; the pointer is what the hot loop reads.
    cdef public object buffer
    cdef const unsigned char *data
    cdef public Py_ssize_t position
    cdef public Py_ssize_t limit
    cdef public uint64_t offset
    cdef public Py_ssize_t frame_start
    cdef public Py_ssize_t frame_end
    cdef public uint32_t wire_len
    cdef public int64_t ts_ns
    cdef public bint has_time
    cdef public uint32_t link_type
    cdef public uint32_t interface
    cdef public uint64_t frames
    cdef public uint64_t events
    cdef public Py_ssize_t needed
    cdef public bint damaged
    cdef public uint64_t bad_timestamps
    cdef public list problems
    cdef public list link_types
    cdef public list filters

    cpdef void feed(self, object buffer, Py_ssize_t position, Py_ssize_t limit, uint64_t offset)
    # Readers that run without the GIL redeclare this as `nogil`, and acquire the GIL where they need Python.
    cdef int step(self) except -1 with gil
    cdef int copy_frame(self, FrameReader reader) except -1 nogil
    cdef int share_buffer(self, FrameReader reader) except -1 with gil
    cdef int report_damage(self, str message) except -1 with gil
    cdef int bad_timestamp(self, uint64_t frame, str message) except -1 with gil
