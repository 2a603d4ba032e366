"""Numbers of QUIC that the wire has: kinds of packets, versions, sizes."""

# Packets of a datagram.
INITIAL = 0x01
EARLY_DATA = 0x02
HANDSHAKE = 0x04
RETRIED = 0x08
NEGOTIATION = 0x10
SHORT = 0x20
UNKNOWN = 0x40  # behind what was captured, or a header that lies

V1 = 0x00000001
V2 = 0x6B3343CF
DRAFT, DRAFTS = 0xFF000000, 0xFFFFFF00
FORCED, FORCES = 0x0A0A0A0A, 0x0F0F0F0F  # kept free, to force negotiation (section 15)
LONG = 0x80
FIXED = 0x40
OFFSET, PRIME = 0xCBF29CE484222325, 0x100000001B3  # of FNV-1a
LONGEST_CID = 20
FLIGHT_NS = 2_000_000  # packets of one flight follow each other sooner than this
EDGES = 2  # of the spin bit of each side: fewer may be a bit that a side sets at random for a connection
LEAST_DCID = 8  # bytes of the connection ID that a client's first Initial is sent to (RFC 9000 section 7.2)
SYSTEM_PORTS = 1024  # below are ports of services (RFC 6335 section 6)
LEAST_INITIAL = 1200  # bytes of a client's datagram with an Initial (RFC 9000 section 14.1)
# The kinds that the four values of the type mean, a byte each, the first value in the lowest.
V1_KINDS = RETRIED << 24 | HANDSHAKE << 16 | EARLY_DATA << 8 | INITIAL
V2_KINDS = HANDSHAKE << 24 | EARLY_DATA << 16 | INITIAL << 8 | RETRIED  # RFC 9369 section 3.2
