cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.setup.facts cimport (
    EXTRA_LOSS, EXTRA_NAGLE, EXTRA_WINDOW, MOST_EXTRAS, SETUP_CLIENT_FINISHED, SETUP_SERVER_FINISHED, SETUP_TLS,
    SPAN_BEFORE_REQUEST, SPAN_BEFORE_TLS, SPAN_RESPONSE, SPAN_TLS,
)
from handshake_inspect.wire.const cimport MASK32
from handshake_inspect.tls.numbers cimport TLS12

cdef int64_t LEAST_NS
cdef int64_t SLACK_NS
cdef int64_t DELAYED_NS
cdef unsigned int LEAST_PACKETS
cdef unsigned int SURELY_WINDOW
cdef uint32_t MOST_BURST
cdef uint32_t USUAL_MSS

@cython.locals(reading="sr.Reading *", other="unsigned int")
cdef void on_acknowledgment(Focus focus, uint32_t number, bint bare) noexcept nogil
cdef void on_end(Focus focus) noexcept nogil
cdef void land(sr.Reading *reading, unsigned int side) noexcept nogil
@cython.locals(reading="sr.Reading *", took=int64_t)
cdef void note_path(Focus focus, uint32_t number, unsigned int i) noexcept nogil
@cython.locals(
    reading="sr.Reading *", side="unsigned int", other="unsigned int", mss=uint32_t, i="unsigned int", unseen=bint
)
cdef void on_data(Focus focus, uint32_t payload_len, uint32_t options_len) noexcept nogil
@cython.locals(mss=uint32_t)
cdef uint32_t largest(Focus focus, uint32_t options_len) noexcept nogil
@cython.locals(
    reading="sr.Reading *", connection="rows.Connection *", side="unsigned int", there=int64_t, back=int64_t,
    unknown=bint, wait=int64_t, way=int64_t, beyond=int64_t, exact=bint, nagle=bint, window=bint
)
cdef void judge_pause(Focus focus) noexcept nogil
@cython.locals(slack=int64_t)
cdef bint is_about(int64_t took, int64_t way) noexcept nogil
@cython.locals(reading="sr.Reading *")
cdef void on_again(Focus focus) noexcept nogil
@cython.locals(
    reading="sr.Reading *", setup="sr.Setup *", exchange="sr.Exchange *", i="unsigned int", older=bint
)
cdef void put_off(Focus focus) noexcept nogil
@cython.locals(number=uint32_t, extra="sr.Extra *")
cdef void lose(Focus focus, int64_t cost) noexcept nogil
@cython.locals(number=uint32_t)
cdef void note_filled(Focus focus) noexcept nogil
@cython.locals(number=uint32_t)
cdef uint32_t last_of(Focus focus) noexcept nogil
@cython.locals(count="unsigned int", number=uint32_t, last=uint32_t, extra="sr.Extra *")
cdef void add(Focus focus, unsigned int reason, int64_t cost, bint delayed) noexcept nogil
cdef unsigned int span_of(Focus focus) noexcept nogil
