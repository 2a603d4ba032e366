cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.tls cimport byte_store, hello, hello_row
from handshake_inspect.tcp.setup.facts cimport (
    READ_STUCK, SETUP_CUT, SETUP_EARLY_OFFERED, SETUP_ECH, SETUP_HELLO_RETRY, SETUP_MALFORMED, SETUP_OFFERS_13,
    SETUP_OFFERS_H2, SETUP_PSK, SETUP_PSK_OFFERED, SETUP_SERVER_HELLO, SETUP_UNREAD,
)
from handshake_inspect.wire.const cimport MASK32
from handshake_inspect.tcp.setup.setup_rows cimport HEAD
from handshake_inspect.tls.numbers cimport (
    CHOSE_PSK, FIRST_DRAFT, HANDSHAKE, IS_RETRY, MESSAGE_HEADER, OFFERS_13, OFFERS_EARLY_DATA, OFFERS_ECH,
    OFFERS_H2, OFFERS_PSK, RECORD_HEADER, TLS12, TLS13,
)

cdef uint32_t BUFFER

@cython.locals(reading="sr.Reading *", head="unsigned int", length=uint32_t)
cdef uint32_t message_length(Focus focus) noexcept nogil
cdef bint is_tls13(unsigned int version) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", length=uint32_t, place=uint32_t, here=uint32_t)
cdef void read_message(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", buffer="sr.Buffer *", i="unsigned int")
cdef void gather_head(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", buffer="sr.Buffer *", place=uint32_t, count=uint32_t)
cdef void gather(Focus focus, uint32_t at, uint32_t until) noexcept nogil
cdef void use_gathered(Focus focus, sr.Buffer *buffer) noexcept nogil
@cython.locals(reading="sr.Reading *")
cdef void drop_gathered(Focus focus) noexcept nogil
cdef void cut(Focus focus) noexcept nogil
cdef void read_hello(Focus focus, const unsigned char *data, Py_ssize_t at, uint32_t length) noexcept nogil
@cython.locals(setup="sr.Setup *", row="hello_row.Hello *", flags=uint32_t)
cdef void take_client_hello(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *", row="hello_row.Hello *")
cdef void take_server_hello(Focus focus, const unsigned char *data) noexcept nogil
cdef bint is_h2(const unsigned char *data, Py_ssize_t at, unsigned int length) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", at="unsigned int", version="unsigned int")
cdef void on_unread_server_hello(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", length=uint32_t)
cdef void note_server_hello(Focus focus) noexcept nogil
