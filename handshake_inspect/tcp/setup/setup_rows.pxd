from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uintptr_t
from libc.string cimport memset

cdef extern from *:
    const unsigned int CANDIDATES "6u"
    const unsigned int HEAD "12u"

cdef struct Exchange:
    int64_t request_ns
    int64_t response_ns
    uint32_t request_frame
    uint32_t response_frame
    uint32_t path
    uint32_t setup

cdef struct Setup:
    int64_t hello_ns
    int64_t hello_sent_ns
    int64_t retry_ns
    int64_t hello_2_ns
    int64_t server_hello_ns
    int64_t flight_ns
    int64_t server_finished_ns
    int64_t client_finished_ns
    int64_t early_ns
    int64_t request_sent_ns
    int64_t response_seen_ns
    int64_t greeting_ns
    int64_t alert_ns
    int64_t candidate_ns[6]
    uint32_t candidate_frame[6]
    uint16_t candidate_length[6]
    uint16_t version
    uint16_t cipher
    uint32_t hello_frame
    uint32_t retry_frame
    uint32_t hello_2_frame
    uint32_t server_hello_frame
    uint32_t server_finished_frame
    uint32_t client_finished_frame
    uint32_t early_frame
    uint32_t greeting_frame
    uint32_t alert_frame
    uint32_t flags
    uint32_t hello
    uint32_t alpn
    uint32_t extras
    uint32_t reading
    uint32_t client_hello_bytes
    uint32_t server_flight_bytes
    uint16_t group
    uint16_t ticket_length
    uint8_t candidate_count
    uint8_t alert_level
    uint8_t alert_code
    uint8_t upgrade
    uint8_t turns
    uint8_t lacks
    uint8_t certified
    uint8_t spare[5]

cdef struct Extra:
    int64_t cost_ns
    uint32_t frame
    uint32_t next
    uint8_t reason
    uint8_t side
    uint8_t delayed
    uint8_t span
    uint8_t filled
    uint8_t spare[3]

cdef struct Reading:
    int64_t seen_ns[2]
    int64_t open_ns[2]
    int64_t sent_ns[2]
    int64_t acked_ns[2]
    int64_t news_ns[2]
    int64_t path_ns[2]
    int64_t last_ns
    uint32_t next[2]
    uint32_t base[2]
    uint32_t beyond[2]
    uint32_t header[2]
    uint32_t frame[2]
    uint32_t ack[2]
    uint32_t path_end[2]
    uint32_t need[2]
    uint32_t last_frame
    uint32_t hello_end
    uint32_t server_hello_at
    uint32_t server_hello_end
    uint32_t server_hello_ack
    uint32_t finished_end
    uint32_t early_at
    uint32_t request_at
    uint32_t owner
    uint32_t answer_at[6]
    uint16_t gather[2]
    uint16_t hold[2]
    uint16_t length[2]
    uint8_t head[24]
    uint8_t headed[2]
    uint8_t state[2]
    uint8_t role[2]
    uint8_t changed[2]
    uint8_t segments[2]
    uint8_t burst[2]
    uint8_t flying[2]
    uint8_t small[2]
    uint8_t spoke
    uint8_t lasting
    uint8_t finished
    uint8_t records
    uint8_t answered
    uint8_t withheld
    uint8_t prologue
    uint8_t kind
    uint8_t answers
    uint8_t done
    uint8_t sent_more
    uint8_t veiled
    uint8_t exchanged
    uint8_t spare[3]

cdef struct Buffer:
    int64_t ns[48]
    uint32_t owner
    uint32_t next_free
    uint32_t used
    uint16_t count
    uint8_t side
    uint8_t spare
    uint32_t seq[48]
    uint32_t end[48]
    uint32_t ack[48]
    uint32_t frame[48]
    uint16_t at[48]
    uint16_t captured[48]
    uint8_t data[61440]

cdef inline Exchange *exchanges_of(object storage):
    import ctypes
    return <Exchange *><uintptr_t>ctypes.addressof(storage)

cdef inline Exchange *exchange_at(Exchange *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline void clear_exchange(Exchange *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Exchange))

cdef inline Setup *setups_of(object storage):
    import ctypes
    return <Setup *><uintptr_t>ctypes.addressof(storage)

cdef inline Setup *setup_at(Setup *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline void clear_setup(Setup *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Setup))

cdef inline Extra *extras_of(object storage):
    import ctypes
    return <Extra *><uintptr_t>ctypes.addressof(storage)

cdef inline Extra *extra_at(Extra *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline void clear_extra(Extra *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Extra))

cdef inline Reading *readings_of(object storage):
    import ctypes
    return <Reading *><uintptr_t>ctypes.addressof(storage)

cdef inline Reading *reading_at(Reading *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline void clear_reading(Reading *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Reading))

cdef inline Buffer *owners_of(object storage):
    import ctypes
    return <Buffer *><uintptr_t>ctypes.addressof(storage)

cdef inline Buffer *buffer_at(Buffer *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline void clear_buffer(Buffer *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, <char *>&records.data - <char *>records)

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define hsi_prefetch_exchange(at) __builtin_prefetch(at, 1)
    #else
    #define hsi_prefetch_exchange(at) ((void)(at))
    #endif
    """
    void hsi_prefetch_exchange(const void *at) noexcept nogil

cdef inline void prefetch_exchange(Exchange *records, Py_ssize_t i) noexcept nogil:
    hsi_prefetch_exchange(records + i)

cdef inline Setup *nothing() noexcept nogil:
    return NULL
