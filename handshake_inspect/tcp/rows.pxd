from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

cdef struct Embryo:
    int64_t first_ns
    uint32_t client
    uint32_t server
    uint32_t first_frame
    uint32_t iss
    uint32_t tsval
    uint16_t client_port
    uint16_t server_port
    uint16_t mss
    uint16_t ip_id
    uint8_t ttl
    uint8_t window_scale
    uint16_t options

cdef struct Addresses:
    uint64_t client_hi
    uint64_t client_lo
    uint64_t server_hi
    uint64_t server_lo

cdef struct Connection:
    uint64_t hi0
    uint64_t lo0
    uint64_t hi1
    uint64_t lo1
    uint64_t facts
    int64_t last_ns
    int64_t first_ns
    uint16_t port0
    uint16_t port1
    uint8_t quick
    uint8_t client
    uint8_t in_use
    uint8_t ip_version
    uint64_t first_frame
    int64_t syn_ns
    int64_t synack_ns
    int64_t last_synack_ns
    int64_t ack_ns
    int64_t synack_min_ns
    int64_t synack_max_ns
    int64_t ackdat_min_ns
    int64_t ackdat_max_ns
    int64_t rst_ns
    int64_t icmp_ns
    int64_t fin_ns
    int64_t time_wait_ns
    uint32_t syn_frame
    uint32_t synack_frame
    uint32_t ack_frame
    uint32_t rst_frame
    uint32_t icmp_frame
    uint32_t fin_frame
    uint32_t trouble_frame
    uint32_t retries
    uint32_t aftermath
    uint32_t provisional
    uint32_t previous
    uint32_t alternate_iss
    uint32_t synack_tsecr
    uint32_t ack_tsecr
    uint32_t syn_payload
    uint32_t rst_seq
    uint16_t rst_ip_id
    uint16_t rst_count
    uint16_t syn_count
    uint16_t synack_count
    uint16_t icmp_count
    uint16_t reack_count
    uint8_t synack_method
    uint8_t ackdat_method
    uint8_t icmp_type
    uint8_t icmp_code
    uint8_t rst_side
    uint8_t rst_ttl
    uint8_t rst_flags
    uint8_t fin_side
    uint8_t completeness
    uint8_t first_flags
    uint16_t resent_count

cdef struct Endpoint:
    uint64_t bytes
    uint32_t frames
    uint32_t snd_nxt
    uint32_t contiguous
    uint32_t last_ack
    uint32_t tsval
    uint32_t window
    uint8_t state
    uint8_t traits
    uint8_t zeek_letters
    uint8_t shift
    uint16_t ip_id
    uint8_t ttl
    uint8_t recent_at
    uint32_t recent[4]
    uint32_t recent_us[4]
    uint32_t iss
    uint32_t syn_tsval
    uint16_t mss
    uint16_t syn_window
    uint16_t options
    uint8_t window_scale
    uint8_t syn_ttl
    uint32_t retransmissions
    uint32_t duplicates
    uint16_t keep_alives
    uint16_t largest
    uint16_t zero_windows
    uint8_t checks
    uint8_t twin_ttl
    uint32_t out_of_order
    uint32_t hole_start
    uint32_t hole_end
    uint32_t fin_seq
    uint8_t fin_count
    uint8_t state_before_rst
    uint16_t syn_ip_id
    uint32_t before_rst_nxt

cdef struct Alias:
    uint8_t history[24]
    uint32_t syn_seq[2]
    uint32_t fin_seq[2]
    uint32_t rst_seq[2]
    uint16_t retransmits[2]
    uint16_t zero_windows[2]
    uint16_t bad_checksums[2]
    uint16_t gaps[2]
    uint16_t written[2]
    uint8_t state[2]
    uint8_t length
    uint8_t flipped

cdef struct Retries:
    int64_t syn_ns[12]
    int64_t synack_ns[12]
    int64_t other_ns
    uint64_t reporter_hi
    uint64_t reporter_lo
    uint32_t syn_frame[12]
    uint32_t synack_frame[12]
    uint32_t syn_tsval[12]
    uint32_t synack_tsval[12]
    uint32_t other_iss
    uint32_t other_frame
    uint16_t syn_options[12]
    uint16_t synack_options[12]
    uint16_t syn_mss[12]
    uint16_t synack_mss[12]
    uint8_t syn_window_scale[12]
    uint8_t synack_window_scale[12]
    uint16_t other_options
    uint16_t other_mss
    uint32_t other_window_scale
    uint32_t renumbering
    uint32_t waiting

cdef struct Renumbering:
    uint32_t offset[4]
    uint32_t prints[32]
    uint32_t prints_us[32]
    uint32_t iss
    uint32_t other_iss
    uint32_t next_free
    uint8_t points[32]
    uint8_t at[2]
    uint8_t point
    uint8_t synack_point
    uint8_t waiting
    uint8_t answered
    uint8_t spare[6]

cdef struct Aftermath:
    int64_t idle_ns
    int64_t resumed_ns
    int64_t survived_ns
    int64_t rst_idle_ns
    int64_t request_ns
    int64_t first_ns[2]
    int64_t repeated_ns[2]
    int64_t waited_ns[2]
    int64_t probe_ns[2]
    int64_t probed_ns[2]
    int64_t probe_idle_ns[2]
    int64_t shut_since_ns[2]
    int64_t shut_ns[2]
    uint32_t resumed_seq
    uint32_t seq[2]
    uint32_t frame[2]
    uint32_t probe_frame[2]
    uint32_t holed[2]
    uint32_t too_big_frame
    uint16_t length[2]
    uint16_t shrunk_from[2]
    uint16_t repeats[2]
    uint16_t passed[2]
    uint16_t answers[2]
    uint16_t probes[2]
    uint16_t mtu[2]
    uint16_t too_big[2]
    uint8_t resumed_side
    uint8_t events
    uint8_t spare[2]
    uint32_t order

cdef struct Sizes:
    uint32_t end[2]
    uint16_t before[2]

cdef struct Order:
    int64_t made_ns[8]
    int64_t doubt_ns[2]
    int64_t again_ns[2]
    uint32_t start[8]
    uint32_t beyond[8]
    uint32_t tsval[8]
    uint32_t doubt_ack[2]
    uint32_t sacked[2]
    uint32_t again_start[2]
    uint32_t again_end[2]
    uint32_t copied_us[2]
    uint32_t recover[2]
    uint16_t ip_id[8]
    uint8_t kind[8]

cdef inline Embryo *embryos_of(object storage):
    import ctypes
    return <Embryo *><uintptr_t>ctypes.addressof(storage)

cdef inline Addresses *addresses_of(object storage):
    import ctypes
    return <Addresses *><uintptr_t>ctypes.addressof(storage)

cdef inline Connection *connections_of(object storage):
    import ctypes
    return <Connection *><uintptr_t>ctypes.addressof(storage)

cdef inline Endpoint *endpoints_of(object storage):
    import ctypes
    return <Endpoint *><uintptr_t>ctypes.addressof(storage)

cdef inline Alias *aliases_of(object storage):
    import ctypes
    return <Alias *><uintptr_t>ctypes.addressof(storage)

cdef inline Retries *retries_of(object storage):
    import ctypes
    return <Retries *><uintptr_t>ctypes.addressof(storage)

cdef inline Aftermath *aftermaths_of(object storage):
    import ctypes
    return <Aftermath *><uintptr_t>ctypes.addressof(storage)

cdef inline Sizes *sizes_of(object storage):
    import ctypes
    return <Sizes *><uintptr_t>ctypes.addressof(storage)

cdef inline Renumbering *renumberings_of(object storage):
    import ctypes
    return <Renumbering *><uintptr_t>ctypes.addressof(storage)

cdef inline Order *orders_of(object storage):
    import ctypes
    return <Order *><uintptr_t>ctypes.addressof(storage)

cdef inline Embryo *embryo_at(Embryo *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Addresses *addresses_at(Addresses *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Connection *connection_at(Connection *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Endpoint *endpoint_at(Endpoint *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Alias *alias_at(Alias *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Retries *retries_at(Retries *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Aftermath *aftermath_at(Aftermath *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Sizes *sizes_at(Sizes *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Renumbering *renumbering_at(Renumbering *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline Order *order_at(Order *records, Py_ssize_t i) noexcept nogil:
    return records + i

cdef inline bint connection_changed(Connection *old, Connection *new, uint64_t *mask) noexcept nogil:
    cdef uint64_t one, other, changed = 0
    cdef size_t i
    for i in range(sizeof(Connection) // 8):
        memcpy(&one, <char *>old + 8 * i, 8)
        memcpy(&other, <char *>new + 8 * i, 8)
        changed |= (one ^ other) & mask[i]
    return changed != 0

cdef inline bint endpoint_changed(Endpoint *old, Endpoint *new, uint64_t *mask) noexcept nogil:
    cdef uint64_t one, other, changed = 0
    cdef size_t i
    for i in range(sizeof(Endpoint) // 8):
        memcpy(&one, <char *>old + 8 * i, 8)
        memcpy(&other, <char *>new + 8 * i, 8)
        changed |= (one ^ other) & mask[i]
    return changed != 0

cdef inline void clear_connection(Connection *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Connection))

cdef inline void clear_ends(Endpoint *records, Py_ssize_t i) noexcept nogil:
    memset(records + 2 * i, 0, 2 * sizeof(Endpoint))

cdef inline void clear_alias(Alias *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Alias))

cdef inline void clear_retries(Retries *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Retries))

cdef inline void clear_aftermath(Aftermath *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Aftermath))

cdef inline void clear_sizes(Sizes *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Sizes))

cdef inline void clear_renumbering(Renumbering *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Renumbering))

cdef inline void clear_order(Order *records, Py_ssize_t i) noexcept nogil:
    memset(records + i, 0, sizeof(Order))

cdef inline void copy_connection(Connection *into, Py_ssize_t at, Connection *records, Py_ssize_t i) noexcept nogil:
    into[at] = records[i]

cdef inline void copy_ends(Endpoint *into, Py_ssize_t at, Endpoint *records, Py_ssize_t i) noexcept nogil:
    into[2 * at] = records[2 * i]
    into[2 * at + 1] = records[2 * i + 1]

cdef inline uint64_t *words_of(object storage):
    import ctypes
    return <uint64_t *><uintptr_t>ctypes.addressof(storage)

cdef extern from *:
    """
    static inline void hsi_prefetch(const void *at) {
    #if defined(__GNUC__)
        __builtin_prefetch(at, 1);
        /* Without this, a function that does nothing else is pure, and a call to it may go. */
        __asm__ volatile("");
    #else
        (void)at;
    #endif
    }
    """
    void hsi_prefetch(const void *at) noexcept nogil

cdef inline void prefetch_word(uint64_t *records, uint64_t i) noexcept nogil:
    hsi_prefetch(records + i)

cdef inline void prefetch_connection(Connection *records, Py_ssize_t i) noexcept nogil:
    hsi_prefetch(records + i)

cdef inline void prefetch_endpoint(Endpoint *records, Py_ssize_t i) noexcept nogil:
    hsi_prefetch(records + i)

cdef inline void prefetch_embryo(Embryo *records, Py_ssize_t i) noexcept nogil:
    hsi_prefetch(records + i)
