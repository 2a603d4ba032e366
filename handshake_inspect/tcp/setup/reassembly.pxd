cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.tcp.setup cimport records, text, waits
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.tls cimport byte_store
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport TRAIT_ACKS
from handshake_inspect.tcp.setup.facts cimport (
    FINISHED_PERHAPS, LACKS_GREETING, LACKS_PROLOGUE, MOST_BYTES, READ_TEXT, SETUP_DOUBTED, SETUP_HOLE,
)
from handshake_inspect.wire.const cimport MASK32

cdef Py_ssize_t WHOLE_HELLO
cdef Py_ssize_t BUFFER
cdef int HELD

@cython.locals(reading="sr.Reading *", side="unsigned int", end=uint32_t, fresh=bint)
cdef void take(Focus focus, uint32_t payload_len, uint32_t options_len) noexcept nogil
@cython.locals(reading="sr.Reading *", unheard=bint)
cdef bint is_behind_text(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *")
cdef bint begins_hello(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", asked=uint32_t, lacking=bint)
cdef void pass_greeting(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *")
cdef void feed(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", buffer="sr.Buffer *", i=int, room=Py_ssize_t)
cdef void hold(Focus focus) noexcept nogil
@cython.locals(i=int)
cdef bint is_held(sr.Buffer *buffer, uint32_t seq, uint32_t end) noexcept nogil
@cython.locals(reading="sr.Reading *", side="unsigned int", buffer="sr.Buffer *", i=int, filled=bint)
cdef void fill(Focus focus) noexcept nogil
@cython.locals(i=int)
cdef int64_t first_held(sr.Buffer *buffer, int64_t now) noexcept nogil
@cython.locals(found=int, i=int)
cdef int earliest(sr.Buffer *buffer, uint32_t next_seq) noexcept nogil
@cython.locals(i=int)
cdef bint is_done(sr.Buffer *buffer) noexcept nogil
cdef void resume(Focus focus, sr.Buffer *buffer, int i) noexcept nogil
@cython.locals(i=int)
cdef void pass_over(sr.Buffer *buffer, uint32_t next_seq) noexcept nogil
