cimport cython
from libc.stdint cimport int64_t, uint32_t

from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.store cimport Setups
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.tls cimport hello_row
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport TRAIT_FIN
from handshake_inspect.tcp.setup.facts cimport EXCHANGE_GIVEN_UP, EXCHANGE_SETUP, READ_OVER, SETUP_GIVEN_UP, SETUP_HOLE
from handshake_inspect.wire.const cimport MASK32

cdef class Focus:
    cdef readonly Setups setups
    cdef object hello_storage
    cdef hello_row.Hello *hello
    cdef rows.Connection *connection
    cdef sr.Exchange *exchange
    cdef sr.Setup *setup
    cdef sr.Reading *reading
    cdef rows.Endpoint *sender
    cdef rows.Endpoint *peer
    cdef unsigned int side
    cdef bint is_client
    cdef bint turned
    cdef bint over
    cdef const unsigned char *data
    cdef Py_ssize_t at
    cdef Py_ssize_t captured
    cdef uint32_t seq
    cdef uint32_t end
    cdef uint32_t acked
    cdef uint32_t frame
    cdef int64_t seen_ns
    cdef int64_t ns

    cdef int start(self, Table table) except -1 nogil
    cdef void finish(self) noexcept nogil
    @cython.locals(after=uint32_t, closed=bint)
    cdef bint lacks(self, uint32_t number) noexcept nogil
    cdef void conclude(self) noexcept nogil
    cdef bint is_as_plain(self) noexcept nogil
    cdef void give_up(self) noexcept nogil
