cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.decode cimport payload
from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.setup cimport reassembly, text, waits
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport FACT_SYN, FACT_SYNACK, TRAIT_HOLE, TRAIT_ISS, TRAIT_SEEN
from handshake_inspect.tcp.setup.facts cimport (
    EXCHANGE_ALERTED, EXCHANGE_SETUP, EXCHANGE_UNREAD, MOST_BYTES, MOST_SEGMENTS, READ_OVER, SETUP_EARLY_SENT,
    SETUP_SERVER_FINISHED, SETUP_SERVER_HELLO, SETUP_SPOKE_FIRST, SETUP_TLS, UPGRADE_NONE,
)
from handshake_inspect.tls.numbers cimport TLS12
from handshake_inspect.wire.const cimport ACK, FIN, MASK32, RST, SYN

@cython.locals(exchange="sr.Exchange *", number=uint32_t, reading="sr.Reading *")
cdef void observe(
    Focus focus, void *owners, Table table, Py_ssize_t i, rows.Connection *connection, rows.Endpoint *sender,
    rows.Endpoint *peer, unsigned int side, seg.Segment *segment
) noexcept nogil
cdef void aim(
    Focus focus, sr.Exchange *exchange, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    unsigned int side
) noexcept nogil
cdef uint32_t frame_since(rows.Connection *connection, seg.Segment *segment) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", last="unsigned int")
cdef void await_receipt(Focus focus, seg.Segment *segment) noexcept nogil
@cython.locals(exchange="sr.Exchange *", number=uint32_t)
cdef void answer_again(
    Focus focus, Table table, Py_ssize_t i, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    unsigned int side, seg.Segment *segment
) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", end=uint32_t, seq=uint32_t)
cdef void read(Focus focus, void *owners, seg.Segment *segment) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *")
cdef void note_client(Focus focus, uint32_t seq, uint32_t end, int64_t now) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", end=uint32_t, taken=uint32_t)
cdef void note_server(Focus focus, uint32_t seq, int64_t now) noexcept nogil
@cython.locals(asked=bint)
cdef bint is_plain(
    sr.Exchange *exchange, void *owners, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    unsigned int side, seg.Segment *segment
) noexcept nogil
@cython.locals(first=uint32_t, seq=uint32_t)
cdef bint is_plain_request(
    sr.Exchange *exchange, void *owners, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer,
    seg.Segment *segment
) noexcept nogil
@cython.locals(data="const unsigned char *", at=Py_ssize_t, count=Py_ssize_t)
cdef bint is_plain_response(
    sr.Exchange *exchange, void *owners, rows.Connection *connection, seg.Segment *segment
) noexcept nogil
@cython.locals(data="const unsigned char *", at=Py_ssize_t, count=Py_ssize_t)
cdef bint is_to_be_read(void *owners, seg.Segment *segment) noexcept nogil
@cython.locals(data="const unsigned char *", at=Py_ssize_t, count=Py_ssize_t, hello=bint)
cdef bint in_midstream(
    void *owners, rows.Connection *connection, unsigned int side, seg.Segment *segment
) noexcept nogil
@cython.locals(
    number=uint32_t, setup="sr.Setup *", reading="sr.Reading *", exchange="sr.Exchange *", client="unsigned int"
)
cdef void begin(Focus focus, Py_ssize_t i, seg.Segment *segment) noexcept nogil
@cython.locals(first=uint32_t)
cdef void start_side(sr.Reading *reading, unsigned int side, rows.Endpoint *end, uint32_t seq) noexcept nogil
@cython.locals(exchange="sr.Exchange *", end="rows.Endpoint *", first=uint32_t, behind=uint32_t)
cdef void continue_plain(
    Focus focus, sr.Reading *reading, unsigned int client, uint32_t options_len
) noexcept nogil
