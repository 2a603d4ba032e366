from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

cdef struct Segment:
    int64_t ts_ns
    uint64_t frame
    uint64_t src_hi
    uint64_t src_lo
    uint64_t dst_hi
    uint64_t dst_lo
    uint64_t reporter_hi
    uint64_t reporter_lo
    uint64_t hash
    uint32_t seq
    uint32_t ack
    uint32_t payload_len
    uint32_t tsval
    uint32_t tsecr
    uint16_t src_port
    uint16_t dst_port
    uint16_t flags
    uint16_t window
    uint16_t mss
    uint16_t ip_id
    uint16_t options
    uint16_t notes
    uint8_t kind
    uint8_t ttl
    uint8_t window_scale
    uint8_t ip_version
    uint8_t icmp_type
    uint8_t icmp_code
    uint8_t tfo_cookie_len
    uint8_t spare
    uint32_t sack_left
    uint32_t sack_right
    uint8_t options_len
    uint8_t batch_slot
    uint16_t mtu

cdef inline Segment *segments_of(object storage):
    import ctypes
    return <Segment *><uintptr_t>ctypes.addressof(storage)

cdef inline Segment *segment_at(Segment *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline void copy(Segment *records, Py_ssize_t i, Segment *record) noexcept nogil:
    records[i] = record[0]

cdef inline int append(bytearray kept, Segment *record) except -1:
    cdef Py_ssize_t before = PyByteArray_GET_SIZE(kept)
    PyByteArray_Resize(kept, before + sizeof(Segment))
    memcpy(PyByteArray_AS_STRING(kept) + before, record, sizeof(Segment))
    return 0

cdef inline void clear(Segment *record) noexcept nogil:
    # Two parts compile to plain stores; a single memset would become a string instruction, which is slow to start.
    memset(&record.src_hi, 0, <char *>&record.payload_len - <char *>&record.src_hi)
    memset(&record.payload_len, 0, <char *>record + sizeof(Segment) - <char *>&record.payload_len)
