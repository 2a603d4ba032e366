cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.tcp.facts cimport (
    EMBRYO_PROVISIONAL, EMBRYO_STATE, EMBRYO_SUCCESSOR, FACT_CHALLENGE_ACK, NEW_INCARNATION, PROVISIONAL_ANSWERED,
)

cdef int RETRIES_KEPT

@cython.locals(ends="rows.Addresses *")
cdef bint is_from_client(Table table, Py_ssize_t i, seg.Segment *segment) noexcept nogil
@cython.locals(embryo="rows.Embryo *")
cdef void keep_provisional(
    Table table, rows.Connection *connection, seg.Segment *segment, int state
) noexcept nogil
@cython.locals(retries="rows.Retries *", number=Py_ssize_t, last=Py_ssize_t, before=Py_ssize_t, kept=int)
cdef void keep_copy(Table table, rows.Connection *connection, seg.Segment *segment) noexcept nogil
@cython.locals(waiting=uint32_t)
cdef bint is_kept(Table table, rows.Connection *connection, seg.Segment *segment) noexcept nogil
@cython.locals(retries="rows.Retries *", number=Py_ssize_t, iss=uint32_t)
cdef bint recall_copy(
    Table table, rows.Connection *connection, rows.Endpoint *client, seg.Segment *recalled
) noexcept nogil
@cython.locals(embryo="rows.Embryo *", waits="bint")
cdef void challenge(
    Table table, rows.Connection *connection, rows.Endpoint *client, seg.Segment *segment
) noexcept nogil
@cython.locals(connection="rows.Connection *", embryo="rows.Embryo *", client=int)
cdef bint recall_provisional(
    Table table, Py_ssize_t i, int side, seg.Segment *segment, seg.Segment *recalled, int verdict
) noexcept nogil
