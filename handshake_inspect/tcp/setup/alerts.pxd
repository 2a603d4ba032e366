cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.tcp.setup.facts cimport (
    SETUP_ALERT, SETUP_ALERT_ENCRYPTED, SETUP_ALERT_LATE, SETUP_ALERT_SERVER, SETUP_CLIENT_FINISHED,
)

cdef unsigned int FATAL

@cython.locals(setup="sr.Setup *", flags=uint32_t)
cdef void note_alert(Focus focus, unsigned int level, unsigned int code) noexcept nogil
@cython.locals(setup="sr.Setup *")
cdef void withdraw_alert(Focus focus) noexcept nogil
cdef void forget_alert(sr.Setup *setup) noexcept nogil
