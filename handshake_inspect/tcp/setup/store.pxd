cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tls.names cimport Names
from handshake_inspect.tcp.setup.facts cimport EXCHANGE_SETUP, SETUP_HOLE, SETUP_UNREAD

cdef uint32_t BUFFERS

cdef class Setups:
    cdef readonly Py_ssize_t limit
    cdef readonly object exchange_rows
    cdef readonly object setup_rows
    cdef readonly object extra_rows
    cdef readonly object reading_rows
    cdef readonly object buffer_rows
    cdef sr.Exchange *exchanges
    cdef sr.Setup *setups
    cdef sr.Extra *extras
    cdef sr.Reading *readings
    cdef sr.Buffer *buffers
    cdef readonly Names names
    cdef readonly Py_ssize_t setup_count
    cdef readonly Py_ssize_t extra_count
    cdef readonly Py_ssize_t reading_count
    cdef readonly Py_ssize_t buffer_count
    cdef uint32_t free_setup
    cdef uint32_t free_extra
    cdef uint32_t free_reading
    cdef uint32_t free_buffer
    cdef uint32_t hand_buffer
    cdef readonly uint64_t starved

    @cython.locals(setup=uint32_t, exchange="sr.Exchange *")
    cdef uint32_t new_setup(self, Py_ssize_t i) noexcept nogil
    @cython.locals(reading=uint32_t)
    cdef uint32_t new_reading(self, uint32_t setup) noexcept nogil
    @cython.locals(extra=uint32_t)
    cdef uint32_t new_extra(self) noexcept nogil
    @cython.locals(number=uint32_t, buffer="sr.Buffer *")
    cdef uint32_t new_buffer(self, sr.Setup *setup, unsigned int side) noexcept nogil
    @cython.locals(reading="sr.Reading *", setup="sr.Setup *")
    cdef void starve(self, sr.Buffer *buffer, uint32_t number) noexcept nogil
    @cython.locals(buffer="sr.Buffer *")
    cdef void give_back(self, uint32_t number) noexcept nogil
    @cython.locals(reading="sr.Reading *", side=int)
    cdef void end_reading(self, sr.Setup *setup) noexcept nogil
    @cython.locals(number=uint32_t)
    cdef void release(self, Py_ssize_t i) noexcept nogil
    @cython.locals(setup="sr.Setup *", extra="sr.Extra *", following=uint32_t)
    cdef void drop(self, uint32_t number) noexcept nogil
