cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport (
    acceptance,
    aftermath,
    closing,
    endpoint,
    final_ack,
    incarnations,
    opening,
    order,
    reordering,
    resets,
    rows,
    simultaneous,
    wireshark,
)
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace

cdef uint64_t FACT_ACKED
cdef uint64_t FACT_CLIENT_DATA
cdef uint64_t FACT_MIDSTREAM
cdef uint64_t FACT_RST
cdef uint64_t FACT_RST_IGNORED
cdef uint64_t FACT_SERVER_DATA
cdef uint64_t FACT_SYN
cdef uint64_t FACT_SYNACK
cdef uint64_t FACT_TFO
cdef unsigned int CHECK_DROPPED
cdef unsigned int CHECK_FIN_UNSEEN
cdef unsigned int EMBRYO_PROVISIONAL
cdef unsigned int SENT_RST
cdef unsigned int TRAIT_ACKS
cdef unsigned int TRAIT_FIN
cdef unsigned int TRAIT_HOLE
cdef unsigned int TRAIT_ISS
cdef unsigned int TRAIT_SEEN
cdef unsigned int ACK
cdef unsigned int FIN
cdef uint64_t MASK32
cdef int ACCEPTED
cdef int BEYOND
cdef int OURS
cdef int OUTSIDE
cdef int PROVISIONAL
cdef int PROVISIONAL_ANSWERED
cdef int PROBE
cdef int VOID

@cython.locals(verdict=int, begun=bint, first=uint32_t)
cdef int on_syn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
cdef int on_rst(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
@cython.locals(worth=int, dead=bint, kind=int, holed=bint, known=bint, has_fin=bint, full=bint)
cdef bint on_segment(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
cdef void note_dropped(rows.Connection *connection, rows.Endpoint *sender, seg.Segment *segment) noexcept nogil
@cython.locals(dead=bint, again=bint)
cdef bint on_acknowledgment(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side, int worth
) noexcept nogil
cdef bint sender_is_client(seg.Segment *segment) noexcept nogil
