cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp cimport setup_rows as sr

cdef uint32_t EXCHANGE_SETUP

cdef class Setups:
    cdef readonly Py_ssize_t limit
    cdef readonly object exchange_rows
    cdef readonly object setup_rows
    cdef readonly object extra_rows
    cdef readonly object reading_rows
    cdef sr.Exchange *exchanges
    cdef sr.Setup *setups
    cdef sr.Extra *extras
    cdef sr.Reading *readings
    cdef readonly Py_ssize_t setup_count
    cdef readonly Py_ssize_t extra_count
    cdef readonly Py_ssize_t reading_count
    cdef uint32_t free_setup
    cdef uint32_t free_extra
    cdef uint32_t free_reading

    @cython.locals(setup=uint32_t, exchange="sr.Exchange *")
    cdef uint32_t new_setup(self, Py_ssize_t i) noexcept nogil
    @cython.locals(reading=uint32_t)
    cdef uint32_t new_reading(self, uint32_t setup) noexcept nogil
    @cython.locals(extra=uint32_t)
    cdef uint32_t new_extra(self) noexcept nogil
    cdef void end_reading(self, sr.Setup *setup) noexcept nogil
    @cython.locals(number=uint32_t)
    cdef void release(self, Py_ssize_t i) noexcept nogil
    @cython.locals(setup="sr.Setup *", extra="sr.Extra *", following=uint32_t)
    cdef void drop(self, uint32_t number) noexcept nogil
