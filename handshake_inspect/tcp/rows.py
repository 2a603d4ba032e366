"""The row types of the connection table: connections, their two endpoints, and optional rows that few need.

They are C structures in both builds (`rows.pxd` declares the same layout).  Rows refer to each other by number, not by
address, so that tables can be saved, merged and passed to NumPy unchanged.  The endpoint rows of connection `i` are
`2*i` and `2*i + 1`: the sender of a segment is `2*i + side`, its peer `2*i + (side ^ 1)`.
"""

import ctypes
from typing import Any

from handshake_inspect.tcp.setup import setup_rows
from handshake_inspect.wire.row_access import clear_row, copy_row, prefetch_row, row_at, rows_of

RETRIES_KEPT = 12  # more SYN retransmissions than any common stack sends (Linux: 11)
GAPS_KEPT = 4  # the number of SACK blocks that fit into a segment (RFC 2018 section 3)


class Embryo(ctypes.Structure):
    """A SYN without answer so far, in a small row (as a request socket in the kernel)."""

    _fields_ = (
        ("first_ns", ctypes.c_int64),
        ("client", ctypes.c_uint32),  # IPv4 addresses; both 0 if they are in `Addresses`
        ("server", ctypes.c_uint32),
        ("first_frame", ctypes.c_uint32),  # low 32 bits; the table has the others
        ("iss", ctypes.c_uint32),
        ("tsval", ctypes.c_uint32),
        ("client_port", ctypes.c_uint16),
        ("server_port", ctypes.c_uint16),
        ("mss", ctypes.c_uint16),
        ("ip_id", ctypes.c_uint16),
        ("ttl", ctypes.c_uint8),
        ("window_scale", ctypes.c_uint8),
        ("options", ctypes.c_uint16),  # OPT_* bits, and EMBRYO_* above them
    )


class Addresses(ctypes.Structure):
    """The addresses of the embryo with the same number, used unless both are IPv4."""

    _fields_ = (
        ("client_hi", ctypes.c_uint64),
        ("client_lo", ctypes.c_uint64),
        ("server_hi", ctypes.c_uint64),
        ("server_lo", ctypes.c_uint64),
    )


class Connection(ctypes.Structure):
    """One incarnation of a 4-tuple.  Side 0 sent the first frame; `client` says which side opened."""

    _fields_ = (
        # the 4-tuple and what every segment touches: one cache line
        ("hi0", ctypes.c_uint64),
        ("lo0", ctypes.c_uint64),
        ("hi1", ctypes.c_uint64),
        ("lo1", ctypes.c_uint64),
        ("facts", ctypes.c_uint64),  # FACT_* bits
        ("last_ns", ctypes.c_int64),
        ("first_ns", ctypes.c_int64),
        ("port0", ctypes.c_uint16),
        ("port1", ctypes.c_uint16),
        ("quick", ctypes.c_uint8),  # both endpoints are established and nothing is unresolved: use the fast path
        ("client", ctypes.c_uint8),  # 0 or 1
        ("in_use", ctypes.c_uint8),
        ("ip_version", ctypes.c_uint8),
        # the handshake and its end; frame numbers except the first are the low 32 bits
        ("first_frame", ctypes.c_uint64),
        ("syn_ns", ctypes.c_int64),
        ("synack_ns", ctypes.c_int64),
        ("last_synack_ns", ctypes.c_int64),
        ("ack_ns", ctypes.c_int64),
        ("synack_min_ns", ctypes.c_int64),
        ("synack_max_ns", ctypes.c_int64),
        ("ackdat_min_ns", ctypes.c_int64),
        ("ackdat_max_ns", ctypes.c_int64),
        ("rst_ns", ctypes.c_int64),  # the RST that ended it
        ("icmp_ns", ctypes.c_int64),  # the first ICMP error that quotes it
        ("fin_ns", ctypes.c_int64),  # the first FIN
        ("time_wait_ns", ctypes.c_int64),  # when TIME-WAIT was last entered or restarted
        ("syn_frame", ctypes.c_uint32),
        ("synack_frame", ctypes.c_uint32),
        ("ack_frame", ctypes.c_uint32),
        ("rst_frame", ctypes.c_uint32),
        ("icmp_frame", ctypes.c_uint32),
        ("fin_frame", ctypes.c_uint32),
        ("trouble_frame", ctypes.c_uint32),  # the frame to cite for an anomaly
        ("retries", ctypes.c_uint32),  # 1 + `Retries` row, 0 for none
        ("aftermath", ctypes.c_uint32),  # 1 + `Aftermath` row, 0 for none
        ("provisional", ctypes.c_uint32),  # 1 + embryo of a SYN with another ISN, not yet confirmed
        ("previous", ctypes.c_uint32),  # 1 + connection that used the 4-tuple before
        ("alternate_iss", ctypes.c_uint32),  # of a SYN-ACK repeated with another ISN
        ("synack_tsecr", ctypes.c_uint32),
        ("ack_tsecr", ctypes.c_uint32),
        ("syn_payload", ctypes.c_uint32),  # Fast Open data on the SYN
        ("rst_seq", ctypes.c_uint32),
        ("rst_ip_id", ctypes.c_uint16),
        ("rst_count", ctypes.c_uint16),
        ("syn_count", ctypes.c_uint16),
        ("synack_count", ctypes.c_uint16),
        ("icmp_count", ctypes.c_uint16),
        ("reack_count", ctypes.c_uint16),  # ACKs with which the client answered repeated SYN-ACKs
        ("synack_method", ctypes.c_uint8),  # METHOD_*
        ("ackdat_method", ctypes.c_uint8),
        ("icmp_type", ctypes.c_uint8),
        ("icmp_code", ctypes.c_uint8),
        ("rst_side", ctypes.c_uint8),
        ("rst_ttl", ctypes.c_uint8),
        ("rst_flags", ctypes.c_uint8),  # the low 8 control bits
        ("fin_side", ctypes.c_uint8),
        ("completeness", ctypes.c_uint8),  # Wireshark's tcp.completeness bits
        ("first_flags", ctypes.c_uint8),  # of the segment that made it midstream, the low 8 control bits
        ("resent_count", ctypes.c_uint16),  # SYN-ACKs after the final ACK must have arrived
    )
    # Fields that plain data and ACKs change; a change of any other field makes a segment notable.
    plain = ("last_ns", "quick", "completeness", "aftermath")


class Endpoint(ctypes.Structure):
    """One endpoint: the sequence variables of RFC 9293 section 3.3.1, as far as an observer can know them."""

    _fields_ = (
        # what every segment touches: one cache line
        ("bytes", ctypes.c_uint64),  # payload bytes sent, including retransmissions
        ("frames", ctypes.c_uint32),
        ("snd_nxt", ctypes.c_uint32),  # just beyond the highest byte it sent
        (
            "contiguous",
            ctypes.c_uint32,
        ),  # just beyond the bytes seen without a hole (equal to snd_nxt when none is missing)
        ("last_ack", ctypes.c_uint32),  # the highest acknowledgment it sent: its RCV.NXT as proved
        ("tsval", ctypes.c_uint32),  # newest it sent
        ("window", ctypes.c_uint32),  # last it advertised, scaled
        ("state", ctypes.c_uint8),  # TcpState
        ("traits", ctypes.c_uint8),  # TRAIT_* bits
        ("zeek_letters", ctypes.c_uint8),  # letters written once: ZEEK_* bits
        ("shift", ctypes.c_uint8),  # window scale in force
        ("ip_id", ctypes.c_uint16),  # newest
        ("ttl", ctypes.c_uint8),
        ("recent_at", ctypes.c_uint8),  # next slot of `recent`
        ("recent", ctypes.c_uint32 * 4),  # fingerprints of its last segments
        # the rest
        ("recent_us", ctypes.c_uint32 * 4),  # their times, microseconds modulo 2^32
        ("iss", ctypes.c_uint32),
        ("syn_tsval", ctypes.c_uint32),
        ("mss", ctypes.c_uint16),
        ("syn_window", ctypes.c_uint16),
        ("options", ctypes.c_uint16),  # OPT_* bits of its SYN or SYN-ACK
        ("window_scale", ctypes.c_uint8),
        ("syn_ttl", ctypes.c_uint8),
        ("retransmissions", ctypes.c_uint32),
        ("duplicates", ctypes.c_uint32),  # frames that are copies of a packet already captured
        ("keep_alives", ctypes.c_uint16),  # saturates at 65535
        ("largest", ctypes.c_uint16),  # the longest new payload it sent; saturates at 65535
        ("zero_windows", ctypes.c_uint16),
        ("checks", ctypes.c_uint8),  # CHECK_* bits
        ("twin_ttl", ctypes.c_uint8),  # TTL of the copies of its packets from another capture point
        ("out_of_order", ctypes.c_uint32),
        ("hole_start", ctypes.c_uint32),  # one range captured beyond the first hole
        ("hole_end", ctypes.c_uint32),
        ("fin_seq", ctypes.c_uint32),  # just beyond its FIN
        ("fin_count", ctypes.c_uint8),  # FINs repeated although their acknowledgment was captured
        ("state_before_rst", ctypes.c_uint8),
        ("syn_ip_id", ctypes.c_uint16),
        (
            "before_rst_nxt",
            ctypes.c_uint32,
        ),  # snd_nxt before a RST; until then, the ACK number of its last dropped segment
    )
    # As for `Connection.plain`.
    plain = (
        "bytes", "frames", "snd_nxt", "contiguous", "last_ack", "tsval", "window", "ip_id", "recent", "recent_at",
        "recent_us", "zeek_letters", "hole_start", "hole_end", "largest",
    )  # fmt: skip


class Alias(ctypes.Structure):
    """Zeek's log of the connection with the same number (see `zeek.py`)."""

    _fields_ = (
        ("history", ctypes.c_uint8 * 24),  # letters; those that do not fit are dropped
        ("syn_seq", ctypes.c_uint32 * 2),  # relative sequence numbers of the last S/H, F and R, by side
        ("fin_seq", ctypes.c_uint32 * 2),
        ("rst_seq", ctypes.c_uint32 * 2),
        ("retransmits", ctypes.c_uint16 * 2),  # T, by side
        ("zero_windows", ctypes.c_uint16 * 2),  # W
        ("bad_checksums", ctypes.c_uint16 * 2),  # C
        ("gaps", ctypes.c_uint16 * 2),  # G
        ("written", ctypes.c_uint16 * 2),  # letters already written, by side
        ("state", ctypes.c_uint8 * 2),  # Zeek's endpoint state, by side
        ("length", ctypes.c_uint8),
        ("flipped", ctypes.c_uint8),  # Zeek's originator is side 1
    )


class Retries(ctypes.Structure):
    """Retransmitted SYNs and SYN-ACKs of a handshake, and the sender of an ICMP error.

    `other_*` is the last SYN-ACK with another ISN than the first.
    """

    _fields_ = (
        ("syn_ns", ctypes.c_int64 * RETRIES_KEPT),
        ("synack_ns", ctypes.c_int64 * RETRIES_KEPT),
        ("other_ns", ctypes.c_int64),
        ("reporter_hi", ctypes.c_uint64),  # the sender of the ICMP error
        ("reporter_lo", ctypes.c_uint64),
        ("syn_frame", ctypes.c_uint32 * RETRIES_KEPT),
        ("synack_frame", ctypes.c_uint32 * RETRIES_KEPT),
        ("syn_tsval", ctypes.c_uint32 * RETRIES_KEPT),
        ("synack_tsval", ctypes.c_uint32 * RETRIES_KEPT),
        ("other_iss", ctypes.c_uint32),
        ("other_frame", ctypes.c_uint32),
        ("syn_options", ctypes.c_uint16 * RETRIES_KEPT),  # OPT_* bits
        ("synack_options", ctypes.c_uint16 * RETRIES_KEPT),
        ("syn_mss", ctypes.c_uint16 * RETRIES_KEPT),
        ("synack_mss", ctypes.c_uint16 * RETRIES_KEPT),
        ("syn_window_scale", ctypes.c_uint8 * RETRIES_KEPT),
        ("synack_window_scale", ctypes.c_uint8 * RETRIES_KEPT),
        ("other_options", ctypes.c_uint16),
        ("other_mss", ctypes.c_uint16),
        ("other_window_scale", ctypes.c_uint32),
        ("renumbering", ctypes.c_uint32),  # 1 + `Renumbering` row, 0 for none
        ("waiting", ctypes.c_uint32),  # 1 + embryo of the first copy of the provisional SYN
    )


class Renumbering(ctypes.Structure):
    """A connection captured at two points between which its sequence numbers are rewritten (`renumbering.py`).

    Point 0 is where its first frame was captured.  Array indices are 2 * side + point and 16 * side + slot.
    """

    _fields_ = (
        ("offset", ctypes.c_uint32 * 4),  # added to the numbers of a side at a point, to get those at point 0
        ("prints", ctypes.c_uint32 * 32),  # fingerprints of its last segments
        ("prints_us", ctypes.c_uint32 * 32),  # their times, microseconds modulo 2^32
        ("iss", ctypes.c_uint32),  # of a provisional SYN
        ("other_iss", ctypes.c_uint32),  # of that SYN at the other point
        ("next_free", ctypes.c_uint32),
        ("points", ctypes.c_uint8 * 32),  # 1 + capture point of each, 0 once it was seen at both
        ("at", ctypes.c_uint8 * 2),  # next slot of `prints`
        ("point", ctypes.c_uint8),  # of the last segment
        ("synack_point", ctypes.c_uint8),  # of the first SYN-ACK
        ("waiting", ctypes.c_uint8),  # copies of the provisional SYN at the other point
        ("answered", ctypes.c_uint8),  # its answer was seen at the other point
        ("spare", ctypes.c_uint8 * 6),
    )


class Aftermath(ctypes.Structure):
    """Unusual events after the handshake: pauses, retransmissions, keep-alives, zero windows (see `aftermath.py`).

    Pairs are by side: of the endpoint that paused, retransmitted or probed.  A pause is 1 s or more in which neither
    endpoint sent anything or owed an acknowledgment.
    """

    _fields_ = (
        ("idle_ns", ctypes.c_int64),  # length of the last pause
        ("resumed_ns", ctypes.c_int64),  # when a segment ended it
        ("survived_ns", ctypes.c_int64),  # the longest pause after which both endpoints continued
        ("rst_idle_ns", ctypes.c_int64),  # the pause before the RST that ended the connection
        ("request_ns", ctypes.c_int64),  # first payload after the pause from the side that did not end it
        ("first_ns", ctypes.c_int64 * 2),  # of the retransmitted segment: the last segment before its first copy
        ("repeated_ns", ctypes.c_int64 * 2),  # its last copy
        ("waited_ns", ctypes.c_int64 * 2),  # the pause before it
        ("probe_ns", ctypes.c_int64 * 2),  # the first unanswered keep-alive
        ("probed_ns", ctypes.c_int64 * 2),  # the last one
        ("probe_idle_ns", ctypes.c_int64 * 2),  # the pause before them
        ("shut_since_ns", ctypes.c_int64 * 2),  # start of the current zero window, 0 while it is open
        ("shut_ns", ctypes.c_int64 * 2),  # total duration of earlier zero windows
        ("resumed_seq", ctypes.c_uint32),  # of the segment that ended the last pause
        ("seq", ctypes.c_uint32 * 2),  # the first byte of the retransmitted segment
        ("frame", ctypes.c_uint32 * 2),  # of its last copy; frame numbers are the low 32 bits
        ("probe_frame", ctypes.c_uint32 * 2),  # of the last keep-alive
        ("holed", ctypes.c_uint32 * 2),  # what the peer was missing when it acknowledged later bytes (SACK)
        ("too_big_frame", ctypes.c_uint32),  # the first ICMP error "packet too big"
        ("length", ctypes.c_uint16 * 2),  # payload of the shortest copy
        ("shrunk_from", ctypes.c_uint16 * 2),  # the previous length, if a shorter one was tried
        ("repeats", ctypes.c_uint16 * 2),  # copies after the first
        ("passed", ctypes.c_uint16 * 2),  # the longest payload that was acknowledged before it
        ("answers", ctypes.c_uint16 * 2),  # segments of the peer in between
        ("probes", ctypes.c_uint16 * 2),  # keep-alives since the peer was last seen
        ("mtu", ctypes.c_uint16 * 2),  # smallest MTU in an ICMP error, 0 for none
        ("too_big", ctypes.c_uint16 * 2),  # ICMP errors "packet too big"
        ("resumed_side", ctypes.c_uint8),
        ("events", ctypes.c_uint8),  # EVENT_* bits
        ("spare", ctypes.c_uint8 * 2),
        ("order", ctypes.c_uint32),  # 1 + `Order` row, 0 for none; in a free row, the next free one
    )


class Sizes(ctypes.Structure):
    """Where each endpoint first sent a payload of `Endpoint.largest` bytes, and the longest payload before that."""

    _fields_ = (
        ("end", ctypes.c_uint32 * 2),  # just beyond it
        ("before", ctypes.c_uint16 * 2),  # counting only acknowledged payload
    )


class Order(ctypes.Structure):
    """Gaps in each endpoint's bytes, and its retransmissions (see `order.py`).

    The number of rows is limited (`Table.most_orders`).  Pairs are by side, of the sender; each side has `GAPS_KEPT`
    slots for gaps.
    """

    _fields_ = (
        (
            "made_ns",
            ctypes.c_int64 * (2 * GAPS_KEPT),
        ),  # time of the first segment after the gap, or of its acknowledgment
        ("doubt_ns", ctypes.c_int64 * 2),  # when the peer first reported `doubt_ack` as missing
        ("again_ns", ctypes.c_int64 * 2),  # time of the last retransmission, 0 for none
        ("start", ctypes.c_uint32 * (2 * GAPS_KEPT)),
        ("beyond", ctypes.c_uint32 * (2 * GAPS_KEPT)),
        ("tsval", ctypes.c_uint32 * (2 * GAPS_KEPT)),  # of the first segment after it
        ("doubt_ack", ctypes.c_uint32 * 2),
        ("sacked", ctypes.c_uint32 * 2),  # right edge of what the peer has received after `doubt_ack`
        ("again_start", ctypes.c_uint32 * 2),  # range of the last retransmission
        ("again_end", ctypes.c_uint32 * 2),
        ("copied_us", ctypes.c_uint32 * 2),  # delay of the second capture point (`copies.py`)
        ("recover", ctypes.c_uint32 * 2),  # snd_nxt at the last retransmission: recovery ends when it is acknowledged
        ("ip_id", ctypes.c_uint16 * (2 * GAPS_KEPT)),  # as `tsval`
        ("kind", ctypes.c_uint8 * (2 * GAPS_KEPT)),  # GAP_*
    )


ROWS: dict[str, Any] = {
    row.__name__: row
    for row in (Embryo, Addresses, Connection, Endpoint, Alias, Retries, Aftermath, Sizes, Order, Renumbering)
} | setup_rows.ROWS


def notable_bytes(name: str) -> Any:
    """Return a mask over a row of the kind `name`, as 64-bit words: all bytes except those of its plain fields."""
    row = ROWS[name]
    mask = (ctypes.c_uint64 * (ctypes.sizeof(row) // 8))()
    ctypes.memset(mask, 0xFF, ctypes.sizeof(row))
    for field in row.plain:
        place = getattr(row, field)
        ctypes.memset(ctypes.addressof(mask) + place.offset, 0, place.size)
    return mask


def connection_changed(old: Any, new: Any, mask: Any) -> bool:
    """Return True if two connection rows differ under the mask."""
    return _changed(old, new, mask)


def endpoint_changed(old: Any, new: Any, mask: Any) -> bool:
    """Return True if two endpoint rows differ under the mask."""
    return _changed(old, new, mask)


def _changed(old: Any, new: Any, mask: Any) -> bool:
    one, other, bits = (int.from_bytes(memoryview(each).cast("B"), "little") for each in (old, new, mask))
    return (one ^ other) & bits != 0


# Each kind of row has its own function names, which are C inlines in the twin.
words_of = embryos_of = addresses_of = connections_of = endpoints_of = aliases_of = rows_of
retries_of = aftermaths_of = sizes_of = renumberings_of = orders_of = rows_of
embryo_at = addresses_at = connection_at = endpoint_at = alias_at = row_at
retries_at = aftermath_at = sizes_at = renumbering_at = order_at = row_at
clear_connection = clear_alias = clear_retries = clear_row
clear_aftermath = clear_renumbering = clear_sizes = clear_order = clear_row
copy_connection = copy_row
prefetch_word = prefetch_connection = prefetch_endpoint = prefetch_embryo = prefetch_row


def clear_ends(records: Any, i: int) -> None:
    """Zero both endpoint rows of connection `i`."""
    clear_row(records, 2 * i)
    clear_row(records, 2 * i + 1)


def copy_ends(into: Any, at: int, records: Any, i: int) -> None:
    """Copy both endpoint rows of connection `i` to those of connection `at` in `into`."""
    into[2 * at] = records[2 * i]
    into[2 * at + 1] = records[2 * i + 1]
