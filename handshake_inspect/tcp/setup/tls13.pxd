cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp.setup cimport alerts, tls12
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.setup.facts cimport (
    FINISHED_NOT, FINISHED_PERHAPS, FINISHED_SURELY, LEAST_TICKET, MOST_SETTINGS, MOST_TICKET, NAMED_SESSION,
    NAMED_SESSION_EARLY, READ_LOST, ROLE_FINISHED, ROLE_LAST, SETUP_ALERT_ENCRYPTED, SETUP_CERTIFICATE_SENT,
    SETUP_CERTIFICATE_WITHHELD, SETUP_CLIENT_FINISHED, SETUP_CUT, SETUP_DOUBTED, SETUP_EARLY_ENDED,
    SETUP_EARLY_OFFERED, SETUP_EARLY_REQUEST, SETUP_EARLY_SENT, SETUP_FIRST_HELLO, SETUP_HELLO_RETRY, SETUP_OFFERS_H2,
    SETUP_SERVER_FINISHED, SETUP_UNREAD,
)
from handshake_inspect.wire.const cimport MASK32
from handshake_inspect.tcp.setup.setup_rows cimport CANDIDATES
from handshake_inspect.tls.numbers cimport (
    AES_128_CCM_8_SHA256, AES_256_GCM_SHA384, APPLICATION_DATA, CHANGE_CIPHER_SPEC, LONGEST_RECORD, RECORD_HEADER,
)

cdef unsigned int MOST_BEFORE
cdef unsigned int OVERHEAD
cdef unsigned int SHORT_TAG
cdef unsigned int FINISHED_256
cdef unsigned int FINISHED_384
cdef unsigned int ALERT_LENGTH
cdef unsigned int END_OF_EARLY_DATA
cdef unsigned int EMPTY_CERTIFICATE

cdef unsigned int shorter(Focus focus) noexcept nogil
@cython.locals(cipher="unsigned int")
cdef bint is_finished(Focus focus, unsigned int length) noexcept nogil
cdef bint is_alert(Focus focus, unsigned int length) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *")
cdef void on_early_data(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", length="unsigned int")
cdef bint is_late_early_data(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", length="unsigned int")
cdef void on_client(Focus focus, unsigned int kind) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", ongoing=bint)
cdef void on_flight(Focus focus, unsigned int length) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", stop=uint32_t)
cdef void doubt(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *")
cdef void be_early(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *")
cdef void accept_early(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *")
cdef void take_back(Focus focus) noexcept nogil
cdef void forget_request(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", same=bint)
cdef void on_cut(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *")
cdef void finish(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *", i="unsigned int")
cdef void forget_candidates(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int")
cdef void on_server(Focus focus, unsigned int kind) noexcept nogil
cdef void finish_late(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", length="unsigned int")
cdef void on_later(Focus focus) noexcept nogil
cdef bint is_like_ticket(unsigned int length) noexcept nogil
@cython.locals(reading="sr.Reading *", flags=uint32_t)
cdef bint may_answer(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", side="unsigned int", i="unsigned int")
cdef void note_candidate(Focus focus, unsigned int length) noexcept nogil
@cython.locals(
    setup="sr.Setup *", count="unsigned int", ticket="unsigned int", i="unsigned int", length="unsigned int"
)
cdef bint is_answered(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *", server="unsigned int", doubted=bint)
cdef void note_encrypted_alert(Focus focus) noexcept nogil
