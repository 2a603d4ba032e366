"""The words in which rows speak: bits and small numbers.  Never compiled: its twin has those for compiled modules."""

# Connection.facts, 64 bits: what the capture showed, each bit once and for all unless it says otherwise.
# In a twin that returns `bint`, compare with 0: C would cut a bit above 2^31 off.
FACT_SYN = 0x0000_0001  # the client's SYN is in the capture
FACT_SYNACK = 0x0000_0002  # a SYN-ACK that answers it, or that came with no SYN to compare
FACT_ACKED = 0x0000_0004  # the client acknowledged the server's ISN: the final ACK
FACT_MIDSTREAM = 0x0000_0008  # the first segment was neither SYN nor SYN-ACK
FACT_SYNACK_FIRST = 0x0000_0010  # the first segment was a SYN-ACK
FACT_SERVER_PROVED = (
    0x0000_0020  # the server sent something that only a synchronized end sends (cleared by a later SYN-ACK)
)
FACT_CLIENT_PROVED = 0x0000_0040  # as above, for the client
FACT_REFUSED = 0x0000_0080  # a believable RST answered the SYN (cleared when a SYN-ACK follows)
FACT_ABORTED = 0x0000_0100  # the client reset its own attempt before the server reached ESTABLISHED
FACT_RST = 0x0000_0200  # a RST was believed and ended it (cleared when its target ignored it)
FACT_RST_IGNORED = 0x0000_0400  # a RST that its target visibly ignored
FACT_RST_DOUBTED = 0x0000_0800  # a RST that its target had to ignore: wrong sequence or acknowledgment
FACT_ICMP = 0x0000_1000  # an ICMP error other than "packet too big" quoted its SYN
FACT_SIMULTANEOUS = 0x0000_2000  # both ends sent a SYN without ACK
FACT_REORDERED = 0x0000_4000  # the SYN was stored after the SYN-ACK that answers it
FACT_BAD_SYNACK = 0x0000_8000  # a SYN-ACK acknowledged something else than the SYN
FACT_BLIND_SYN = 0x0001_0000  # a SYN with another ISN met a synchronized end and led to nothing
FACT_CHALLENGE_ACK = 0x0002_0000  # an ACK answered a SYN or RST (RFC 5961)
FACT_SYNACK_AFTER_ACK = 0x0004_0000  # the server re-sent its SYN-ACK after the final ACK must have arrived
FACT_TFO = 0x0008_0000  # the SYN-ACK acknowledged data of the SYN (RFC 7413)
FACT_DATA_ACK = 0x0010_0000  # the final ACK carried payload: no bare ACK is in the capture
FACT_ISN_CHANGED = 0x0020_0000  # the SYN-ACK came again with another ISN
FACT_CLIENT_DATA = 0x0040_0000  # the client sent payload after its final ACK
FACT_DEFERRED = 0x0080_0000  # SYN-ACKs repeated after the ACK ended with the first data: TCP_DEFER_ACCEPT
FACT_BAD_CHECKSUM = 0x0100_0000  # segments with wrong checksums were left out
FACT_PORT_REUSED = 0x0200_0000  # the 4-tuple was in use within 2 MSL before
FACT_LAST_ACK_SEEN = 0x0400_0000  # both FINs were acknowledged
FACT_SERVER_DATA = 0x0800_0000  # the server sent payload
FACT_TTL_TWIN = 0x1000_0000  # copies of packets with another TTL: seen on both sides of a router
FACT_REBUFFED = 0x2000_0000  # the client reset a stray answer to its SYN, not its attempt (RFC 9293 section 3.10.7.3)
FACT_REPLACED = 0x8000_0000  # a later incarnation took the 4-tuple
FACT_BARE_RST_AFTER_ACK = 0x4000_0000  # a RST without ACK was the server's direct answer to the final ACK
FACT_TWO_ISNS = 1 << 36  # one copy of the SYN was answered with two ISNs, or two ISNs took turns
FACT_ISN_TURNED = 1 << 37  # the last SYN-ACK bore `alternate_iss`
FACT_BOTH_ACKED = 1 << 38  # the client acknowledged both ISNs: one connection, seen before and behind a rewriter
FACT_SYNACK_AFTER_RST = 1 << 39  # the server's SYN-ACK came again after a RST of its own had answered the ACK
FACT_RST_LOST = 1 << 40  # the server's SYN-ACK came again though the client had reset the attempt
FACT_ACK_REJECTED = 1 << 41  # an ICMP error quoted the final ACK before the server proved to have any
FACT_SYNACK_REJECTED = 1 << 42  # an ICMP error quoted the SYN-ACK before the client acknowledged it

# Facts of connections of which nothing but the first data, or the first bare ACK, of an end is news.
UNUSUAL = (1 << 64) - 1 ^ (
    FACT_SYN | FACT_SYNACK | FACT_ACKED | FACT_CLIENT_PROVED | FACT_SERVER_PROVED | FACT_CLIENT_DATA | FACT_SERVER_DATA
    | FACT_DATA_ACK | FACT_PORT_REUSED
)  # fmt: skip
SPOKEN = FACT_CLIENT_DATA | FACT_SERVER_DATA

RST_OVERTAKEN_NS = 10_000_000  # a SYN-ACK this soon after a RST may have been sent before it
UNSEEN_SYN_NS = 500_000_000  # sooner than any stack repeats a SYN that the capture does not hold

FACT_UNANSWERED = 1 << 52  # keep-alives or a segment repeated several times wait for an answer (cleared by one)
FACT_ASKED_AGAIN = 1 << 54  # an end repeated what was not acknowledged, or sent a keep-alive
FACT_DEAD_PEER = 1 << 53  # an end sent a RST because its peer answered nothing any more

PAUSE_NS = 1_000_000_000  # silence that is worth a row of `Aftermath`
# So many keep-alives, or copies of so short a segment, without an answer before a RST: its sender gave up.
DEAD_PROBES = 2
DEAD_REPEATS = 4
SHORT = 536  # bytes that fit into the 576 that every IPv4 host takes (RFC 9293 section 3.7.1)

# Aftermath.events
EVENT_RACE = 0x01  # a RST answered a request that crossed a FIN after a pause
EVENT_WAITED = 0x02  # the end that sent a RST after a pause had asked last: it had waited for an answer
FACT_LATER_ACK = 1 << 32  # the first ACK of the client in the capture is not the final one: one end had sent more
FACT_UNSEEN_DATA = 1 << 34  # the server answered a SYN by acknowledging data of the client that the capture lacks
FACT_RENUMBERED = 1 << 35  # captured before and behind what rewrites sequence numbers (`renumbering.py`)
FACT_CLIENT_LATE = 1 << 46  # bytes of the client were stored behind their acknowledgment, or behind later ones of it
FACT_SERVER_LATE = 1 << 47  # as above, of the server
FACT_UNTIMED = 1 << 33  # a segment of its handshake has no time in the capture

# Endpoint.traits
TRAIT_ISS = 0x01  # its ISN is in the capture
TRAIT_SEEN = 0x02  # it sent at least one segment
TRAIT_FIN = 0x04  # it sent a FIN
TRAIT_FIN_ACKED = 0x08  # and its peer acknowledged that
TRAIT_ACKS = 0x10  # `last_ack` is set
TRAIT_IP_ID_VARIES = 0x20  # its IP identification distinguishes packets
TRAIT_TSVAL_VARIES = 0x40  # its timestamps distinguish packets
TRAIT_HOLE = 0x80  # some bytes before snd_nxt were not seen

OPENED = TRAIT_ACKS | TRAIT_ISS | TRAIT_SEEN

# Endpoint.checks
CHECK_GOOD = 0x01  # at least one of its checksums was verified: a bad one is no offloading
CHECK_FIN_UNSEEN = 0x02  # its FIN is not in the capture (yet), but was acknowledged
CHECK_WENT_ON = 0x04  # it sent more after a RST in its name: somebody else sent that RST
CHECK_DROPPED = 0x10  # a segment was dropped; `before_rst_nxt` is what it acknowledged, until a RST comes
CHECK_RST_BEHIND = 0x20  # its RST was believed because a filter on flags seems to hide how far the window reached
CHECK_FIN_DOUBTED = 0x08  # a FIN that its receiver may have had to drop; `fin_seq` is beyond it

# References of the index: which row a 4-tuple has.
EMBRYO = 0x8000_0000  # a reference with this bit names an embryo, else a connection; 0 names nothing
NUMBER = 0x7FFF_FFFF  # the rest of it: 1 + row number

# What a SYN or SYN-ACK on a known 4-tuple turned out to be.
OURS = 0
NEW_INCARNATION = 1
PROVISIONAL = 2
PROVISIONAL_ANSWERED = 3
SUCCESSOR = 4

# What has become of an embryo, in `Embryo.options` above the OPT_* bits.
EMBRYO_STATE = 0xF000
EMBRYO_FREE = 0
EMBRYO_WAITING = 0x1000
EMBRYO_PROVISIONAL = 0x2000  # hangs on a connection: not (yet) an attempt of its own
EMBRYO_GIVEN_UP = 0x3000  # its client tried again with another ISN
EMBRYO_SUCCESSOR = 0x4000  # hangs on a connection that is closing: an attempt, unless an ACK of that one answers it

# Connection.synack_method and ackdat_method
METHOD_NONE = 0
METHOD_EXACT = 1
METHOD_TSECR = 2
METHOD_AMBIGUOUS = 3
METHOD_DATA_ACK = 4
METHOD_ONE_SIDED = 5
METHOD_REORDERED = 6  # none, because the capture stored an answer before its question
METHOD_SIMULTANEOUS = 7  # none, because neither end answered the other

# Endpoint.zeek_letters: history letters D and A already written for this end
ZEEK_WROTE_D = 0x01
ZEEK_WROTE_A = 0x02
ZEEK_ESTABLISHED = 0x04  # no plain segment can change Zeek's state of this end any more

# Wireshark's tcp.completeness
COMPLETE_SYN = 1
COMPLETE_SYNACK = 2
COMPLETE_ACK = 4
COMPLETE_DATA = 8
COMPLETE_FIN = 16
COMPLETE_RST = 32

# What a segment is to its receiver (`acceptance.py`).
ACCEPTED = 0
OUTSIDE = 1  # left of the window: its bytes count, its acknowledgment and its FIN do not
BEYOND = 2  # right of the window: nothing of it counts until its receiver acknowledges it
VOID = 3  # dropped

# Order.kind
GAP_FREE = 0
GAP_PASSED = 1  # bytes behind it were sent
GAP_ACKED = 2  # only its acknowledgment shows that they were

# What `order.advance` made of a segment.
NEW = 0
OLD = 1  # nothing in it that was not sent before
PROBE = 2  # a keep-alive or window probe

# Odd multipliers that spread the fields of a segment over its fingerprint.
MIX_SEQ = 0x9E37_79B1
MIX_ACK = 0x85EB_CA77
MIX_TSVAL = 0xC2B2_AE3D
MIX_REST = 0x27D4_EB2F
EVEN = 0xFFFF_FFFE  # leaves the lowest bit of a fingerprint free: it says whether there is payload
