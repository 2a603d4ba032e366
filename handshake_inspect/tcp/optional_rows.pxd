cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.index cimport Index
from handshake_inspect.tcp.limits cimport MIN_ROWS


cdef Py_ssize_t FEW_ORDERS


cdef class OptionalRows(Index):
    cdef readonly Py_ssize_t limit
    cdef readonly object retry_rows
    cdef readonly object aftermath_rows
    cdef readonly object renumbering_rows
    cdef readonly object order_rows
    cdef rows.Retries *retries
    cdef rows.Aftermath *aftermaths
    cdef rows.Renumbering *renumberings
    cdef rows.Order *orders
    cdef readonly Py_ssize_t retry_count
    cdef readonly Py_ssize_t aftermath_count
    cdef readonly Py_ssize_t order_count
    cdef readonly Py_ssize_t renumbering_count
    cdef Py_ssize_t most_orders
    cdef Py_ssize_t most_renumberings
    cdef uint32_t free_retries
    cdef uint32_t free_aftermath
    cdef uint32_t free_order
    cdef uint32_t free_renumbering

    @cython.locals(retries="rows.Retries *")
    cdef bint new_retries(self, rows.Connection *connection) noexcept nogil
    @cython.locals(renumbering=uint32_t)
    cdef void free_retry(self, Py_ssize_t i) noexcept nogil
    @cython.locals(aftermath="rows.Aftermath *")
    cdef bint new_aftermath(self, rows.Connection *connection) noexcept nogil
    @cython.locals(order=uint32_t)
    cdef void release_aftermath(self, Py_ssize_t i) noexcept nogil
    @cython.locals(retries="rows.Retries *", row="rows.Renumbering *")
    cdef bint new_renumbering(self, rows.Connection *connection) noexcept nogil
    cdef bint has_order(self, rows.Connection *connection) noexcept nogil
    cdef rows.Order *order_of(self, rows.Connection *connection) noexcept nogil
    @cython.locals(aftermath="rows.Aftermath *", order="rows.Order *")
    cdef bint new_order(self, rows.Connection *connection) noexcept nogil
