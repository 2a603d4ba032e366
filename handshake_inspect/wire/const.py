"""Numbers that the standards fix.  Never compiled: its twin has those that compiled modules read, as literals of C."""

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

# What a segment's TCP options said, one bit each (Segment.options, Endpoint.options).
OPT_MSS = 0x001
OPT_WINDOW_SCALE = 0x002
OPT_SACK_PERMITTED = 0x004
OPT_TIMESTAMPS = 0x008
OPT_TFO = 0x010  # a Fast Open option, with a cookie or asking for one (RFC 7413)
OPT_MPTCP = 0x020
OPT_ACCECN = 0x040  # a SYN that offers accurate ECN feedback, a SYN-ACK that agrees if it was (RFC 9768 section 3.1)
OPT_ECN = 0x080  # a SYN that offers ECN, or a SYN-ACK that agrees to it (RFC 3168 section 6.1.1, RFC 9768 section 3.1)
OPT_SACK = 0x100
OPT_CUT = 0x400  # the capture lacks some of the options: what is not there may have been sent
OPT_SIGNED = 0x200  # signed with a key: TCP MD5 (RFC 2385) or TCP-AO (RFC 5925)

NS_PER_SECOND = 1_000_000_000
DNS = 53  # port of name servers

# Classic pcap.
ETHERNET = 1  # a link type
RECORD_HEADER = 16  # bytes before each frame
# How every magic begins or ends, in the byte order that a record header is read in.
MAGIC_HIGH = 0xA1B2
MAGIC_LOW = 0xB2A1

LARGEST_MTU = 9216  # jumbo frames; what is longer was never one packet on a wire

# What the decoder made of a frame (Segment.kind).
KIND_NONE = 0  # whole and understood, and not TCP
KIND_TCP = 1
KIND_ICMP_ERROR = 2  # an ICMP or ICMPv6 error that quotes a TCP segment
KIND_DECLINED = 3  # not for the fast decoder: ask the slow one
KIND_FRAGMENT = 4  # a later IP fragment: carries no TCP header
KIND_DAMAGED = 5  # cut or malformed before the TCP header was complete
KIND_UDP = 6
KIND_UDP_ERROR = 7  # an ICMP or ICMPv6 error that quotes a UDP datagram
KIND_UNREAD = 8  # carries packets that nothing here reads: `seq` says what, see `encapsulation.unread_name`
KIND_ONWARD = 9  # a packet in a packet: `onward.py` says where it begins

# Remarks on a frame (Segment.notes).
NOTE_CUT_HEADER = 0x0001  # the capture ends inside the IP or TCP header
NOTE_CUT_OPTIONS = 0x0002  # the capture ends inside the TCP header, behind its flags
NOTE_BAD_HEADER_LENGTH = 0x0004  # IHL, total length or data offset cannot be
NOTE_BAD_CHECKSUM = 0x0008  # wrong, and not the partial sum that checksum offloading leaves
NOTE_FIRST_FRAGMENT = 0x0010
NOTE_OFFLOADED = 0x0020  # TSO or GSO: IP total length 0 or a frame above any MTU
NOTE_SNAPPED = 0x0040  # the capture holds less of the frame than the wire did
NOTE_TUNNELED = 0x0080
NOTE_CHECKSUM_GOOD = 0x0100  # verified over the whole segment
NOTE_BAD_IP_CHECKSUM = 0x0400  # of the IP header; NOTE_BAD_CHECKSUM is set, too
NOTE_UNTIMED = 0x0800  # the capture has no time for the frame
NOTE_CHECKSUM_OFFLOADED = 0x0200  # the field holds just the pseudo-header sum
NOTE_CONTINUED = 0x1000  # what later fragments hold of a segment whose first fragment was one already
NOTE_DAMAGED = 0x2000  # a wrong checksum that its sender did not write: nothing else is believed of it
NOTE_BAD_OPTIONS = 0x4000  # the TCP header is there as a whole, its options are malformed
NOTE_NOT_PLAIN = NOTE_BAD_CHECKSUM | NOTE_CONTINUED

# The 64 bits below which an IPv4 address stands when mapped into IPv6 (RFC 4291 section 2.5.5.2).
IPV4_MAPPED = 0xFFFF << 32

# Protocol numbers that the decoder acts on (IANA, "Assigned Internet Protocol Numbers").
PROTO_HOP_BY_HOP = 0
PROTO_ICMP = 1
PROTO_TCP = 6
PROTO_UDP = 17
PROTO_ROUTING = 43
PROTO_FRAGMENT = 44
PROTO_AUTHENTICATION = 51
PROTO_ICMPV6 = 58
PROTO_DESTINATION = 60

MULTICAST_LISTENER_QUERY = 130  # the first type of ICMPv6 that is about a link and its neighbours, as all from here are
