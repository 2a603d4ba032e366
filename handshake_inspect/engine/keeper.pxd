cimport cython
from libc.stdint cimport uint64_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport rows
from handshake_inspect.tcp.tracker cimport Tracker
from handshake_inspect.wire cimport fourtuple

cdef uint64_t SYNS
cdef uint64_t SEGMENTS
cdef unsigned int FIRST
cdef unsigned int FIN
cdef unsigned int NOTE_BAD_CHECKSUM
cdef unsigned int RST
cdef unsigned int SYN

cdef class Keeper(Tracker):
    cdef readonly object syn_rows
    cdef readonly object segment_rows
    cdef readonly object connection_rows
    cdef readonly object endpoint_rows
    cdef readonly object alias_rows
    cdef seg.Segment *syns
    cdef seg.Segment *segments
    cdef rows.Connection *connections
    cdef rows.Endpoint *endpoints
    cdef rows.Alias *aliases
    cdef readonly uint64_t syns_kept
    cdef readonly uint64_t segments_kept
    cdef uint64_t followed

    cdef int conceive(self, seg.Segment *segment) except -1 nogil
    @cython.locals(mine=uint64_t, at=Py_ssize_t)
    cdef int follow(self, Py_ssize_t i, int side, seg.Segment *segment) except -1 nogil
    @cython.locals(at=Py_ssize_t)
    cdef int on_error(self, Py_ssize_t i, seg.Segment *segment) except -1 nogil
    cdef void keep(self, Py_ssize_t at, Py_ssize_t i, seg.Segment *segment) noexcept nogil
    cdef void copy_rows(self, Py_ssize_t at, Py_ssize_t i) noexcept nogil
    @cython.locals(
        old="rows.Connection *", new="rows.Connection *", sender="rows.Endpoint *", peer="rows.Endpoint *"
    )
    cdef bint is_notable(self, Py_ssize_t before, Py_ssize_t i, int side, seg.Segment *segment) noexcept nogil
    cdef bint has_changed(self, rows.Endpoint *old, rows.Endpoint *new) noexcept nogil
