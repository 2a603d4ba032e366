cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from handshake_inspect.decode cimport segment
from handshake_inspect.quic cimport datagram
from handshake_inspect.quic cimport quic_rows
from handshake_inspect.quic.datagram cimport Datagram
from handshake_inspect.quic.table cimport QuicTable
from handshake_inspect.tcp cimport rows
from handshake_inspect.wire.const cimport MASK32, NOTE_SNAPPED

cdef unsigned int EARLY_DATA, FIXED, HANDSHAKE, INITIAL, LONG, NEGOTIATION, RETRIED, SHORT, UNKNOWN
cdef unsigned int LEAST_DCID, LEAST_INITIAL, SYSTEM_PORTS
cdef uint32_t FORCED, FORCES
cdef unsigned int CLIENT_GONE, CLIENT_HANDSHAKE, CLIENT_SHORT, CUT, EARLY, ICMP_ERROR, INITIAL_AGAIN, NEGOTIATED, RETRY
cdef unsigned int SERVER_HANDSHAKE, SERVER_INITIAL, SERVER_SHORT, TOKEN
cdef unsigned int BURSTS, BY_SERVER, STALLS
cdef int64_t FLIGHT_NS, AGAIN_NS, IDLE_NS
cdef uint64_t BIT
cdef uint64_t LARGEST
cdef Py_ssize_t LEAST_DATA
cdef unsigned int EDGES
cdef unsigned int MAX_CLIENT_KEPT, MAX_KEPT_EACH
cdef uint32_t MAX_LOGGED

cdef class QuicTracker:
    cdef readonly QuicTable table
    cdef readonly Datagram datagram
    cdef object port_words
    cdef uint64_t *ports
    cdef uint32_t cid_lengths
    cdef readonly object log_storage
    cdef quic_rows.Logged *log
    cdef Py_ssize_t log_limit
    cdef readonly Py_ssize_t log_count

    @cython.locals(reference=uint32_t, wire_end=Py_ssize_t, kinds="unsigned int")
    cdef int take(
        self, segment.Segment *segment, const unsigned char *data, Py_ssize_t start, Py_ssize_t end
    ) except -1 nogil
    cdef bint is_served(self, segment.Segment *segment) noexcept nogil
    cdef bint has_port(self, unsigned int port) noexcept nogil
    @cython.locals(length=Py_ssize_t, cid=uint64_t, reference=uint32_t)
    cdef int64_t find_moved(
        self, segment.Segment *segment, const unsigned char *data, Py_ssize_t start, Py_ssize_t end
    ) except -1 nogil
    @cython.locals(version=uint32_t)
    cdef bint begins(self, segment.Segment *segment, unsigned int kinds) noexcept nogil
    @cython.locals(row="quic_rows.Quic *", cid=uint64_t)
    cdef bint begins_again(
        self, Py_ssize_t i, segment.Segment *segment, unsigned int kinds, const unsigned char *data
    ) noexcept nogil
    @cython.locals(i=Py_ssize_t, row="quic_rows.Quic *")
    cdef Py_ssize_t begin(self, segment.Segment *segment) except -1 nogil
    @cython.locals(row="quic_rows.Quic *")
    cdef int follow(
        self, Py_ssize_t i, segment.Segment *segment, const unsigned char *data, Py_ssize_t start, Py_ssize_t end,
        unsigned int kinds
    ) except -1 nogil
    @cython.locals(entry="quic_rows.Logged *")
    cdef void write_log(
        self, quic_rows.Quic *row, segment.Segment *segment, unsigned int kinds, bint from_server
    ) noexcept nogil
    @cython.locals(before=Py_ssize_t, entry="quic_rows.Logged *")
    cdef void write_error(self, quic_rows.Quic *row, segment.Segment *segment, bint from_server) noexcept nogil
    cdef bint is_first_client(self, quic_rows.Quic *row, segment.Segment *segment) noexcept nogil
    cdef bint is_worth_keeping(self, quic_rows.Quic *row, segment.Segment *segment) noexcept nogil
    @cython.locals(frame=uint32_t, mine="unsigned int")
    cdef void from_client(self, quic_rows.Quic *row, segment.Segment *segment, unsigned int kinds) noexcept nogil
    cdef void on_client_initial(
        self, quic_rows.Quic *row, segment.Segment *segment, uint32_t frame, unsigned int kinds
    ) noexcept nogil
    @cython.locals(same=bint)
    cdef void on_client_short(self, quic_rows.Quic *row, segment.Segment *segment, uint32_t frame) noexcept nogil
    @cython.locals(took=int64_t)
    cdef void on_client_spin(self, quic_rows.Quic *row, segment.Segment *segment) noexcept nogil
    cdef void on_server_spin(self, quic_rows.Quic *row) noexcept nogil
    @cython.locals(frame=uint32_t, cid=uint64_t)
    cdef int from_server(
        self, Py_ssize_t i, quic_rows.Quic *row, segment.Segment *segment, const unsigned char *data,
        unsigned int kinds
    ) except -1 nogil
    @cython.locals(gap=int64_t)
    cdef void on_server_short(self, quic_rows.Quic *row, segment.Segment *segment, uint32_t frame) noexcept nogil
    @cython.locals(pause=int64_t, reach=int64_t, enough=bint)
    cdef void look_for_stall(self, quic_rows.Quic *row, segment.Segment *segment, uint32_t frame) noexcept nogil
    @cython.locals(pause=int64_t, last="unsigned int")
    cdef void look_for_loss(
        self, quic_rows.Quic *row, segment.Segment *segment, uint32_t frame, int64_t before_ns, unsigned int who
    ) noexcept nogil
    cdef bint is_long(self, quic_rows.Quic *row, int64_t pause) noexcept nogil
    @cython.locals(took=int64_t)
    cdef int64_t round_trip(self, quic_rows.Quic *row) noexcept nogil
    cdef void add_stall(self, quic_rows.Quic *row, int64_t pause, uint32_t frame) noexcept nogil
    @cython.locals(reference=uint32_t, row="quic_rows.Quic *")
    cdef int on_error(self, segment.Segment *segment) except -1 nogil
