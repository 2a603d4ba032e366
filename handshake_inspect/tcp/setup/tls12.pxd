cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.setup.facts cimport (
    MOST_CONTROL, MOST_SETTINGS, READ_LOST, ROLE_FINISHED, SETUP_CERTIFICATE_SENT, SETUP_CERTIFICATE_WITHHELD,
    SETUP_CLIENT_FINISHED,
    SETUP_FALSE_START, SETUP_OFFERS_H2, SETUP_SERVER_CHANGED, SETUP_SERVER_FINISHED, SETUP_SPOKE_FIRST,
)
from handshake_inspect.wire.const cimport MASK32
from handshake_inspect.tcp.setup.setup_rows cimport HEAD
from handshake_inspect.tls.numbers cimport (
    APPLICATION_DATA, CERTIFICATE, CHANGE_CIPHER_SPEC, HANDSHAKE, RECORD_HEADER, TLS12,
)

cdef unsigned int EMPTY_LIST

@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", unfinished=bint)
cdef void on_client(Focus focus, unsigned int kind, unsigned int message) noexcept nogil
@cython.locals(hidden=bint)
cdef bint is_veiled(sr.Reading *reading, unsigned int server) noexcept nogil
@cython.locals(reading="sr.Reading *", head="unsigned int", length=uint32_t)
cdef void note_certificate(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", first=bint)
cdef void on_server(Focus focus, unsigned int kind) noexcept nogil
cdef void note_resumed(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *")
cdef void on_cut(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", settings=bint)
cdef void on_server_data(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", i="unsigned int")
cdef bint is_first_short(Focus focus, unsigned int length) noexcept nogil
@cython.locals(reading="sr.Reading *", client="unsigned int")
cdef bint may_be_asked(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *")
cdef void finish_client(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *")
cdef void finish_server(Focus focus, int64_t ns, uint32_t frame) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int")
cdef void note_request(Focus focus) noexcept nogil
