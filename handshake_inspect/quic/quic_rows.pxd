from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

cdef struct Quic:
    uint64_t client_hi
    uint64_t client_lo
    uint64_t server_hi
    uint64_t server_lo
    uint64_t moved_hi
    uint64_t moved_lo
    uint64_t first_frame
    int64_t first_ns
    int64_t last_ns
    int64_t again_ns
    int64_t retry_ns
    int64_t negotiation_ns
    int64_t second_ns
    int64_t third_ns
    int64_t answer_ns
    int64_t reply_ns
    int64_t early_ns
    int64_t flight_ns
    int64_t handshake_ns
    int64_t finished_ns
    int64_t request_ns
    int64_t request_last_ns
    int64_t server_ns
    int64_t client_ns
    int64_t icmp_ns
    int64_t edge_ns
    int64_t spin_ns
    uint64_t client_bytes
    uint64_t server_bytes
    uint64_t paid_bytes
    uint64_t server_cid
    int64_t burst_ns[4]
    int64_t burst_last_ns
    int64_t stall_ns[2]
    uint32_t burst_frame[4]
    uint32_t stall_frame[2]
    uint32_t again_frame
    uint32_t retry_frame
    uint32_t negotiation_frame
    uint32_t second_frame
    uint32_t answer_frame
    uint32_t early_frame
    uint32_t flight_frame
    uint32_t handshake_frame
    uint32_t finished_frame
    uint32_t request_frame
    uint32_t icmp_frame
    uint32_t client_frames
    uint32_t server_frames
    uint32_t version
    uint32_t kept
    uint16_t client_port
    uint16_t server_port
    uint16_t moved_port
    uint16_t moved
    uint16_t flags
    uint8_t server_cid_len
    uint8_t in_use
    uint8_t ip_version
    uint8_t bursts
    uint8_t early_bursts
    uint8_t stalls
    uint8_t icmp_type
    uint8_t icmp_code
    uint8_t kept_count
    uint8_t client_spin
    uint8_t server_spin
    uint8_t client_edges
    uint8_t server_edges
    uint8_t losses
    uint8_t spare[4]

cdef struct Kept:
    uint32_t next
    uint16_t length
    uint8_t from_server
    uint8_t spare
    uint8_t bytes[1500]

cdef struct Logged:
    uint64_t first_frame
    uint64_t frame
    int64_t ts_ns
    uint32_t length
    uint32_t version
    uint32_t short_len
    uint8_t kinds
    uint8_t from_server
    uint8_t moved
    uint8_t is_error
    uint8_t icmp_type
    uint8_t icmp_code
    uint8_t ip_version
    uint8_t spare[5]

cdef inline Quic *quics_of(object storage):
    import ctypes
    return <Quic *><uintptr_t>ctypes.addressof(storage)

cdef inline Kept *kept_of(object storage):
    import ctypes
    return <Kept *><uintptr_t>ctypes.addressof(storage)

cdef inline Logged *logged_of(object storage):
    import ctypes
    return <Logged *><uintptr_t>ctypes.addressof(storage)

cdef inline Quic *quic_at(Quic *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Kept *kept_at(Kept *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Logged *logged_at(Logged *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline void clear_quic(Quic *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Quic))

cdef inline void keep_bytes(Kept *kept, const unsigned char *data, Py_ssize_t start, Py_ssize_t length) noexcept nogil:
    memcpy(kept.bytes, data + start, length)
