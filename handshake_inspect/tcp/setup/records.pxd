cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp.setup cimport hellos, messages, text, tls12, tls13
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.tls cimport byte_store
from handshake_inspect.wire cimport seqspace

cdef unsigned int READ_LOST
cdef unsigned int READ_RECORDS
cdef unsigned int READ_STUCK
cdef unsigned int READ_TEXT
cdef unsigned int ROLE_NONE
cdef uint32_t SETUP_CUT
cdef uint32_t SETUP_MALFORMED
cdef uint32_t SETUP_NOT_TLS
cdef uint32_t SETUP_SERVER_TLS
cdef uint32_t SETUP_TLS
cdef unsigned int HEAD
cdef unsigned int ALERT
cdef unsigned int APPLICATION_DATA
cdef unsigned int CHANGE_CIPHER_SPEC
cdef unsigned int HANDSHAKE
cdef unsigned int LONGEST_RECORD
cdef unsigned int RECORD_HEADER
cdef uint32_t MASK32
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
cdef void take_octet(Focus focus, uint32_t at, unsigned int value) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", least="unsigned int")
cdef void take_cut_head(Focus focus) noexcept nogil
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
