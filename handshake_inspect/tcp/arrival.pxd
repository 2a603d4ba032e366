cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.decode cimport segment as seg
from handshake_inspect.tcp cimport (
    acceptance,
    aftermath,
    closing,
    endpoint,
    final_ack,
    incarnations,
    answering,
    opening,
    order,
    reordering,
    resets,
    rst_doubts,
    rows,
    simultaneous,
    wireshark,
)
from handshake_inspect.tcp.table cimport Table
from handshake_inspect.wire cimport seqspace
from handshake_inspect.tcp.facts cimport (
    ACCEPTED, BEYOND, CHECK_DROPPED, CHECK_FIN_DOUBTED, CHECK_FIN_UNSEEN, EMBRYO_PROVISIONAL, FACT_ACKED,
    FACT_CLIENT_DATA, FACT_MIDSTREAM, FACT_RST, FACT_RST_IGNORED, FACT_SERVER_DATA, FACT_SYN, FACT_SYNACK, FACT_TFO,
    FIN_DROPPED, FIN_OUTSIDE, FIN_TAKEN, OURS, OUTSIDE, PROBE, PROVISIONAL, PROVISIONAL_ANSWERED, TRAIT_ACKS, TRAIT_FIN,
    TRAIT_HOLE, TRAIT_ISS, TRAIT_SEEN, VOID,
)
from handshake_inspect.tcp.limits cimport SEVERAL
from handshake_inspect.tcp.transitions cimport SENT_RST
from handshake_inspect.wire.const cimport ACK, FIN, MASK32


@cython.locals(verdict=int, begun=bint, first=uint32_t)
cdef int on_syn(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
@cython.locals(blind=bint)
cdef int on_rst(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
cdef void before_receipt(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
@cython.locals(grade=int, dead=bint, kind=int, holed=bint, known=bint, fin=int, has_fin=bint, full=bint)
cdef bint on_segment(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side
) noexcept nogil
@cython.locals(dead=bint, outside=bint)
cdef int receipt_of_fin(
    rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment, int grade
) noexcept nogil
cdef void note_dropped(rows.Connection *connection, rows.Endpoint *sender, seg.Segment *segment) noexcept nogil
@cython.locals(dead=bint, again=bint)
cdef bint on_acknowledgment(
    Table table, rows.Connection *connection, rows.Endpoint *sender, rows.Endpoint *peer, seg.Segment *segment,
    int side, int grade
) noexcept nogil
cdef bint sender_is_client(seg.Segment *segment) noexcept nogil
