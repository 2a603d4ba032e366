cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp.setup cimport alerts, hellos, text, tls12, tls13
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport TRAIT_ISS
from handshake_inspect.tcp.setup.facts cimport (
    ROLE_FINISHED, ROLE_LAST, SETUP_ALERT, SETUP_CLIENT_FINISHED, SETUP_CUT, SETUP_DOUBTED, SETUP_EARLY_OFFERED,
    SETUP_HELLO_RETRY, SETUP_SERVER_HELLO, SETUP_TLS, SETUP_UNREAD,
)
from handshake_inspect.wire.const cimport MASK32
from handshake_inspect.tcp.setup.setup_rows cimport HEAD
from handshake_inspect.tls.numbers cimport (
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, CLIENT_HELLO, HANDSHAKE, LONGEST_RECORD, RECORD_HEADER,
    SERVER_HELLO, TLS12, TLS13,
)

cdef unsigned int HIDDEN
cdef unsigned int LEAST_TOGETHER
cdef unsigned int LONGEST_FINISHED
cdef unsigned int NO_LENGTH

@cython.locals(side="unsigned int", kind="unsigned int")
cdef void on_head(Focus focus) noexcept nogil
@cython.locals(
    reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", kind="unsigned int", rest=uint32_t, unknown=bint
)
cdef void on_cut_header(Focus focus) noexcept nogil
cdef unsigned int kind_by_length(Focus focus, uint32_t rest) noexcept nogil
@cython.locals(reading="sr.Reading *", role="unsigned int")
cdef void on_end(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", message="unsigned int")
cdef void on_client(Focus focus, unsigned int kind) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", offered=bint)
cdef bint may_be_early(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", server="unsigned int")
cdef void answer(Focus focus, unsigned int kind) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int")
cdef void on_client_hello(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", crossed=bint)
cdef bint has_crossed_text(Focus focus) noexcept nogil
cdef bint is_asked_again(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *")
cdef bint infer_version(Focus focus, unsigned int kind, unsigned int message) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", header=bint)
cdef bint may_be_hello(Focus focus) noexcept nogil
cdef void presume_finished(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", head="unsigned int", length=uint32_t, cut=bint)
cdef bint is_alone(Focus focus) noexcept nogil
cdef void retry_after_all(Focus focus) noexcept nogil
cdef void be_retry(sr.Setup *setup) noexcept nogil
@cython.locals(setup="sr.Setup *")
cdef void retract_finished(Focus focus) noexcept nogil
cdef void be_second_hello(sr.Setup *setup) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", hello=bint)
cdef void on_server(Focus focus, unsigned int kind) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", clear=bint)
cdef void on_alert_record(Focus focus) noexcept nogil
