"""Constants of the protocols and of the segment record.

Never compiled: the twin declares those that compiled modules use as C literals.
"""

MASK16 = 0xFFFF
MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF

# TCP control bits (RFC 9293 section 3.1; AE of RFC 9768 is bit 8).
FIN = 0x01
SYN = 0x02
RST = 0x04
PSH = 0x08
ACK = 0x10
URG = 0x20
ECE = 0x40
CWR = 0x80
AE = 0x100

# TCP options seen, one bit each (Segment.options, Endpoint.options).
OPT_MSS = 0x001
OPT_WINDOW_SCALE = 0x002
OPT_SACK_PERMITTED = 0x004
OPT_TIMESTAMPS = 0x008
OPT_TFO = 0x010  # Fast Open: a cookie or a cookie request (RFC 7413)
OPT_MPTCP = 0x020
OPT_ACCECN = 0x040  # SYN: AccECN offered; SYN-ACK: accepted, if it was offered (RFC 9768 section 3.1)
OPT_ECN = 0x080  # SYN: ECN offered; SYN-ACK: accepted (RFC 3168 section 6.1.1, RFC 9768 section 3.1)
OPT_SACK = 0x100
OPT_CUT = 0x400  # the options are truncated: others may have been sent
OPT_SIGNED = 0x200  # authenticated: TCP MD5 (RFC 2385) or TCP-AO (RFC 5925)

NS_PER_SECOND = 1_000_000_000
DNS = 53  # port of name servers

# Classic pcap.
ETHERNET = 1  # a link type
RECORD_HEADER = 16  # bytes before each frame
# The half of the magic number that all variants share, as the first or last two bytes in the file's byte order.
MAGIC_HIGH = 0xA1B2
MAGIC_LOW = 0xB2A1

MAX_MTU = 9216  # jumbo frames; a longer packet was never on a wire

# The decoder's classification of a frame (Segment.kind).
KIND_NONE = 0  # decoded, but not TCP
KIND_TCP = 1
KIND_ICMP_ERROR = 2  # an ICMP or ICMPv6 error that quotes a TCP segment
KIND_DECLINED = 3  # left to the slow decoder
KIND_FRAGMENT = 4  # a later IP fragment, without TCP header
KIND_DAMAGED = 5  # truncated or malformed before the end of the TCP header
KIND_UDP = 6
KIND_UDP_ERROR = 7  # an ICMP or ICMPv6 error that quotes a UDP datagram
KIND_UNREAD = 8  # an encapsulation that is not decoded; `seq` identifies it, see `encapsulation.unread_name`
KIND_NESTED = 9  # internal: an encapsulated packet follows, see `nested.py`

# Flags for a frame (Segment.notes).
NOTE_CUT_HEADER = 0x0001  # the capture ends inside the IP or TCP header
NOTE_CUT_OPTIONS = 0x0002  # the capture ends inside the TCP header, after its flags
NOTE_BAD_HEADER_LENGTH = 0x0004  # impossible IHL, total length or data offset
NOTE_BAD_CHECKSUM = 0x0008  # wrong, and not the partial sum of checksum offload
NOTE_FIRST_FRAGMENT = 0x0010
NOTE_OFFLOADED = 0x0020  # TSO or GSO: IP total length 0 or a frame longer than any MTU
NOTE_SNAPPED = 0x0040  # the frame is truncated to the snap length
NOTE_TUNNELED = 0x0080
NOTE_CHECKSUM_GOOD = 0x0100  # verified over the whole segment
NOTE_BAD_IP_CHECKSUM = 0x0400  # of the IP header; NOTE_BAD_CHECKSUM is set, too
NOTE_UNTIMED = 0x0800  # the capture has no timestamp for the frame
NOTE_CHECKSUM_OFFLOADED = 0x0200  # the field holds only the pseudo-header sum
NOTE_CONTINUED = 0x1000  # the rest of a fragmented segment whose first fragment was reported before
NOTE_DAMAGED = 0x2000  # damaged in transit: a wrong checksum that the sender did not write; ignore the contents
NOTE_BAD_OPTIONS = 0x4000  # the TCP header is complete, but its options are malformed
NOTE_NOT_PLAIN = NOTE_BAD_CHECKSUM | NOTE_CONTINUED

# The lower half of an IPv4-mapped IPv6 address, without the IPv4 address (RFC 4291 section 2.5.5.2).
IPV4_MAPPED = 0xFFFF << 32

# IP protocol numbers that the decoder handles (IANA, "Assigned Internet Protocol Numbers").
PROTO_HOP_BY_HOP = 0
PROTO_ICMP = 1
PROTO_TCP = 6
PROTO_UDP = 17
PROTO_ROUTING = 43
PROTO_FRAGMENT = 44
PROTO_AUTHENTICATION = 51
PROTO_ICMPV6 = 58
PROTO_DESTINATION = 60

MULTICAST_LISTENER_QUERY = 130  # this ICMPv6 type and all above are link-local: neighbor discovery, listener reports
