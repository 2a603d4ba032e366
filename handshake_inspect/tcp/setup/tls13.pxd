cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp.setup cimport alerts, tls12
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.wire cimport seqspace

cdef unsigned int FINISHED_NOT
cdef unsigned int FINISHED_PERHAPS
cdef unsigned int FINISHED_SURELY
cdef unsigned int READ_LOST
cdef unsigned int ROLE_FINISHED
cdef unsigned int ROLE_LAST
cdef uint32_t SETUP_CERTIFICATE_SENT
cdef uint32_t SETUP_CERTIFICATE_WITHHELD
cdef uint32_t SETUP_CUT
cdef uint32_t SETUP_UNREAD
cdef uint32_t SETUP_EARLY_ENDED
cdef uint32_t SETUP_EARLY_OFFERED
cdef uint32_t SETUP_EARLY_REQUEST
cdef uint32_t SETUP_EARLY_SENT
cdef uint32_t SETUP_HELLO_RETRY
cdef uint32_t SETUP_OFFERS_H2
cdef uint32_t SETUP_SERVER_FINISHED
cdef unsigned int CANDIDATES
cdef unsigned int AES_128_CCM_8_SHA256
cdef unsigned int AES_256_GCM_SHA384
cdef unsigned int APPLICATION_DATA
cdef uint32_t RECORD_HEADER
cdef uint32_t MASK32
cdef unsigned int MOST_BEFORE
cdef unsigned int OVERHEAD
cdef unsigned int SHORT_TAG
cdef unsigned int FINISHED_256
cdef unsigned int FINISHED_384
cdef unsigned int ALERT_LENGTH
cdef unsigned int END_OF_EARLY_DATA
cdef unsigned int EMPTY_CERTIFICATE
cdef unsigned int LEAST_TICKET
cdef unsigned int MOST_TICKET
cdef unsigned int MOST_SETTINGS

cdef unsigned int shorter(Focus focus) noexcept nogil
@cython.locals(cipher="unsigned int")
cdef bint is_finished(Focus focus, unsigned int length) noexcept nogil
cdef bint is_alert(Focus focus, unsigned int length) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *")
cdef void on_early_data(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", length="unsigned int")
cdef void on_client(Focus focus, unsigned int kind) noexcept nogil
@cython.locals(reading="sr.Reading *", setup="sr.Setup *")
cdef void on_flight(Focus focus, unsigned int length) noexcept nogil
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
@cython.locals(reading="sr.Reading *", setup="sr.Setup *", length="unsigned int")
cdef void on_later(Focus focus) noexcept nogil
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
