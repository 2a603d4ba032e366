"""Flags and enumerations stored in rows.

Never compiled: the twin declares those that compiled modules use as C literals.
"""

# Connection.facts, 64 bits: what the capture showed.  Bits are never cleared unless their comment says so.
# In functions that return C `bint`, compare with 0: the conversion would drop bits above 2^31.
FACT_SYN = 0x0000_0001  # the client's SYN is in the capture
FACT_SYNACK = 0x0000_0002  # a SYN-ACK that answers it, or any if the capture has no SYN
FACT_ACKED = 0x0000_0004  # the client acknowledged the server's ISN: the final ACK
FACT_MIDSTREAM = 0x0000_0008  # the first segment was neither SYN nor SYN-ACK
FACT_SYNACK_FIRST = 0x0000_0010  # the first segment was a SYN-ACK
FACT_SERVER_PROVED = (
    0x0000_0020  # the server sent something that only a synchronized endpoint sends (cleared by a later SYN-ACK)
)
FACT_CLIENT_PROVED = 0x0000_0040  # as above, for the client
FACT_REFUSED = 0x0000_0080  # an acceptable RST answered the SYN (cleared when a SYN-ACK follows)
FACT_ABORTED = 0x0000_0100  # the client reset its own attempt before the server reached ESTABLISHED
FACT_RST = 0x0000_0200  # an acceptable RST ended it (cleared when its target ignored it)
FACT_RST_IGNORED = 0x0000_0400  # the target of a RST evidently ignored it
FACT_RST_DOUBTED = 0x0000_0800  # a RST with an unacceptable sequence or acknowledgment number
FACT_ICMP = 0x0000_1000  # an ICMP error other than "packet too big" quoted its SYN
FACT_SIMULTANEOUS = 0x0000_2000  # both ends sent a SYN without ACK
FACT_REORDERED = 0x0000_4000  # the SYN was stored after the SYN-ACK that answers it
FACT_BAD_SYNACK = 0x0000_8000  # a SYN-ACK acknowledged something other than the SYN
FACT_BLIND_SYN = 0x0001_0000  # a SYN with another ISN hit a synchronized endpoint and had no effect
FACT_CHALLENGE_ACK = 0x0002_0000  # an ACK answered a SYN or RST (RFC 5961)
FACT_SYNACK_AFTER_ACK = 0x0004_0000  # the server resent its SYN-ACK after the final ACK must have arrived
FACT_TFO = 0x0008_0000  # the SYN-ACK acknowledged data of the SYN (RFC 7413)
FACT_DATA_ACK = 0x0010_0000  # the final ACK carried payload: no bare ACK is in the capture
FACT_ISN_CHANGED = 0x0020_0000  # the SYN-ACK was repeated with another ISN
FACT_CLIENT_DATA = 0x0040_0000  # the client sent payload after its final ACK
FACT_DEFERRED = 0x0080_0000  # the server resent its SYN-ACK after the ACK until data came: TCP_DEFER_ACCEPT
FACT_BAD_CHECKSUM = 0x0100_0000  # segments with wrong checksums were ignored
FACT_PORT_REUSED = 0x0200_0000  # the 4-tuple had been in use within 2 MSL
FACT_LAST_ACK_SEEN = 0x0400_0000  # both FINs were acknowledged
FACT_SERVER_DATA = 0x0800_0000  # the server sent payload
FACT_TTL_TWIN = 0x1000_0000  # packets were captured twice with different TTLs: on both sides of a router
FACT_REBUFFED = 0x2000_0000  # the client reset a stray answer to its SYN, not its attempt (RFC 9293 section 3.10.7.3)
FACT_REPLACED = 0x8000_0000  # a later incarnation took over the 4-tuple
FACT_BARE_RST_AFTER_ACK = 0x4000_0000  # the server answered the final ACK with a RST without ACK
FACT_TWO_ISNS = 1 << 36  # one copy of the SYN was answered with two ISNs, or two ISNs alternated
FACT_ISN_TURNED = 1 << 37  # the last SYN-ACK had `alternate_iss`
FACT_BOTH_ACKED = 1 << 38  # the client acknowledged both ISNs: captured on both sides of a device that rewrites them
FACT_SYNACK_AFTER_RST = 1 << 39  # the server resent its SYN-ACK after answering the ACK with a RST
FACT_RST_LOST = 1 << 40  # the server resent its SYN-ACK although the client had reset the attempt
FACT_ACK_REJECTED = 1 << 41  # an ICMP error quoted the final ACK before the server proved to have received one
FACT_SYNACK_REJECTED = 1 << 42  # an ICMP error quoted the SYN-ACK before the client acknowledged it

# Any other fact sends the first data, or first bare ACK, of an endpoint to the full path.
UNUSUAL = (1 << 64) - 1 ^ (
    FACT_SYN | FACT_SYNACK | FACT_ACKED | FACT_CLIENT_PROVED | FACT_SERVER_PROVED | FACT_CLIENT_DATA | FACT_SERVER_DATA
    | FACT_DATA_ACK | FACT_PORT_REUSED
)  # fmt: skip
SPOKEN = FACT_CLIENT_DATA | FACT_SERVER_DATA

RST_OVERTAKEN_NS = 10_000_000  # a SYN-ACK within this time after a RST may have been sent before it
UNSEEN_SYN_NS = 500_000_000  # below the time after which any stack retransmits a SYN

FACT_UNANSWERED = 1 << 52  # keep-alives or repeated retransmissions are unanswered (cleared by an answer)
FACT_ASKED_AGAIN = 1 << 54  # an endpoint retransmitted unacknowledged data, or sent a keep-alive
FACT_DEAD_PEER = 1 << 53  # an endpoint sent a RST because its peer no longer answered

PAUSE_NS = 1_000_000_000  # idle time that gets an `Aftermath` row
# Unanswered keep-alives, or copies of a segment of at most SHORT bytes, before a RST that mean its sender gave up.
DEAD_PROBES = 2
DEAD_REPEATS = 4
SHORT = 536  # bytes of payload that fit the 576 bytes every IPv4 host accepts (RFC 9293 section 3.7.1)

# Aftermath.events
EVENT_RACE = 0x01  # a RST answered a request that crossed a FIN after a pause
EVENT_WAITED = 0x02  # the endpoint that sent a RST after a pause had sent last: it was waiting for an answer
FACT_LATER_ACK = 1 << 32  # the client's first captured ACK is not the final ACK: one endpoint had sent more before
FACT_UNSEEN_DATA = 1 << 34  # the server answered a SYN by acknowledging client data that the capture lacks
FACT_RENUMBERED = 1 << 35  # captured on both sides of a device that rewrites sequence numbers (`renumbering.py`)
FACT_CLIENT_LATE = 1 << 46  # client data was stored after its acknowledgment, or after later client data
FACT_SERVER_LATE = 1 << 47  # as above, for the server
FACT_UNTIMED = 1 << 33  # a handshake segment has no timestamp in the capture

# Endpoint.traits
TRAIT_ISS = 0x01  # its ISN is in the capture
TRAIT_SEEN = 0x02  # it sent at least one segment
TRAIT_FIN = 0x04  # it sent a FIN
TRAIT_FIN_ACKED = 0x08  # its peer acknowledged the FIN
TRAIT_ACKS = 0x10  # `last_ack` is set
TRAIT_IP_ID_VARIES = 0x20  # its IP identification distinguishes packets
TRAIT_TSVAL_VARIES = 0x40  # its timestamps distinguish packets
TRAIT_HOLE = 0x80  # some bytes before snd_nxt were not seen

OPENED = TRAIT_ACKS | TRAIT_ISS | TRAIT_SEEN

# Endpoint.checks
CHECK_GOOD = 0x01  # at least one of its checksums was correct: a wrong one is not offload
CHECK_FIN_UNSEEN = 0x02  # its FIN was acknowledged, but is not (yet) in the capture
CHECK_WENT_ON = 0x04  # it sent more after a RST in its name: the RST was forged
CHECK_DROPPED = 0x10  # its segment was dropped; until a RST, `before_rst_nxt` is what that acknowledged
CHECK_RST_BEHIND = 0x20  # its RST was accepted because a capture filter seems to hide how far the window reached
CHECK_FIN_DOUBTED = 0x08  # its receiver may have dropped its FIN; `fin_seq` is just beyond that

# References in the index: the row of a 4-tuple.
EMBRYO = 0x8000_0000  # set for an embryo, clear for a connection; reference 0 means none
NUMBER = 0x7FFF_FFFF  # the other bits: 1 + row number

# Verdict on a SYN or SYN-ACK for a known 4-tuple.
OURS = 0
NEW_INCARNATION = 1
PROVISIONAL = 2
PROVISIONAL_ANSWERED = 3
SUCCESSOR = 4

# State of an embryo, in `Embryo.options` above the OPT_* bits.
EMBRYO_STATE = 0xF000
EMBRYO_FREE = 0
EMBRYO_WAITING = 0x1000
EMBRYO_PROVISIONAL = 0x2000  # belongs to a connection: not (yet) an attempt of its own
EMBRYO_GIVEN_UP = 0x3000  # its client tried again with another ISN
EMBRYO_SUCCESSOR = 0x4000  # belongs to a closing connection: a new attempt, unless that connection answers it

# Connection.synack_method and ackdat_method
METHOD_NONE = 0
METHOD_EXACT = 1
METHOD_TSECR = 2
METHOD_AMBIGUOUS = 3
METHOD_DATA_ACK = 4
METHOD_ONE_SIDED = 5
METHOD_REORDERED = 6  # none: the capture stored an answer before its request
METHOD_SIMULTANEOUS = 7  # none: neither endpoint answered the other

# Endpoint.zeek_letters: history letters D and A already written for this endpoint
ZEEK_WROTE_D = 0x01
ZEEK_WROTE_A = 0x02
ZEEK_ESTABLISHED = 0x04  # plain segments no longer change Zeek's state of this endpoint

# Wireshark's tcp.completeness
COMPLETE_SYN = 1
COMPLETE_SYNACK = 2
COMPLETE_ACK = 4
COMPLETE_DATA = 8
COMPLETE_FIN = 16
COMPLETE_RST = 32

# Acceptability of a segment to its receiver (`acceptance.py`).
ACCEPTED = 0
OUTSIDE = 1  # left of the window: its data counts, its acknowledgment and FIN do not
BEYOND = 2  # right of the window: ignored until its receiver acknowledges it
VOID = 3  # dropped

# What the receiver of a FIN does with it.
FIN_DROPPED = 0
FIN_TAKEN = 1
FIN_OUTSIDE = 2  # dropped with its segment

# Order.kind
GAP_FREE = 0
GAP_PASSED = 1  # later bytes were captured
GAP_ACKED = 2  # known only from its acknowledgment

# Result of `order.advance`.
NEW = 0
OLD = 1  # only bytes that were sent before
PROBE = 2  # a keep-alive or window probe

# Odd multipliers for the fingerprint of a segment.
MIX_SEQ = 0x9E37_79B1
MIX_ACK = 0x85EB_CA77
MIX_TSVAL = 0xC2B2_AE3D
MIX_REST = 0x27D4_EB2F
EVEN = 0xFFFF_FFFE  # clears the lowest bit of a fingerprint, which is set for segments with payload
