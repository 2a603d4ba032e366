cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp.facts cimport FACT_SYN, FACT_SYNACK
from handshake_inspect.tcp.setup cimport hellos, messages, text, tls12, tls13
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.tls cimport byte_store
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.setup.facts cimport (
    EXCHANGE_UNREAD, READ_LOST, READ_RECORDS, READ_STUCK, READ_TEXT, ROLE_NONE, SETUP_CUT, SETUP_MALFORMED,
    SETUP_NOT_TLS, SETUP_SERVER_TLS, SETUP_TLS,
)
from handshake_inspect.wire.const cimport MASK32
from handshake_inspect.tcp.setup.setup_rows cimport HEAD
from handshake_inspect.tls.numbers cimport (
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, LONGEST_RECORD, RECORD_HEADER,
)

cdef unsigned int LATEST

@cython.locals(reading="sr.Reading *", side="unsigned int")
cdef void read(Focus focus) noexcept nogil
@cython.locals(
    reading="sr.Reading *", side="unsigned int", wanted="unsigned int", place=Py_ssize_t, stop=uint32_t, until=uint32_t
)
cdef void walk(Focus focus, uint32_t at) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", length=uint32_t)
cdef uint32_t take_head(Focus focus, uint32_t at, Py_ssize_t place) noexcept nogil
cdef bint is_no_answer(Focus focus, unsigned int kind) noexcept nogil
cdef void note_server(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", headed="unsigned int")
cdef void take_byte(Focus focus, uint32_t at, unsigned int value) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", least="unsigned int")
cdef void take_cut_head(Focus focus, uint32_t at) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int")
cdef void begin_record(Focus focus, uint32_t at) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int")
cdef void end_record(Focus focus, uint32_t at) noexcept nogil
@cython.locals(kind="unsigned int")
cdef bint is_record(sr.Reading *reading, unsigned int side) noexcept nogil
@cython.locals(setup="sr.Setup *", side="unsigned int")
cdef void refuse(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *")
cdef void not_tls(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *")
cdef void miss(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int")
cdef void find_again(Focus focus) noexcept nogil
@cython.locals(data="const unsigned char *", at=Py_ssize_t, length=uint32_t)
cdef bint begins_record(Focus focus) noexcept nogil
