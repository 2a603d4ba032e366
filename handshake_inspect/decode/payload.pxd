from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from libc.stdint cimport uint64_t, uintptr_t
from libc.string cimport memcpy

from handshake_inspect.decode.segment cimport Segment

cdef inline void set_payload(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t captured, Segment *out
) noexcept nogil:
    out.reporter_hi = <uint64_t><uintptr_t>(data + at)
    out.reporter_lo = captured

cdef inline void *owners_of(object storage):
    return NULL

cdef inline Py_ssize_t captured(Segment *segment) noexcept nogil:
    return segment.reporter_lo if segment.reporter_lo < segment.payload_len else segment.payload_len

cdef inline unsigned int byte(void *owners, Segment *segment, Py_ssize_t i) noexcept nogil:
    return (<const unsigned char *><uintptr_t>segment.reporter_hi)[i]

cdef inline int append(bytearray kept, void *owners, Segment *segment) except -1:
    cdef Py_ssize_t before = PyByteArray_GET_SIZE(kept)
    cdef Py_ssize_t count = captured(segment)
    if count:
        PyByteArray_Resize(kept, before + count)
        memcpy(PyByteArray_AS_STRING(kept) + before, <const void *><uintptr_t>segment.reporter_hi, count)
    return 0

cdef inline const unsigned char *memory(void *owners, Segment *segment) noexcept nogil:
    return <const unsigned char *><uintptr_t>segment.reporter_hi

cdef inline Py_ssize_t start(Segment *segment) noexcept nogil:
    return 0
