"""QUIC constants: kinds of packets, versions, sizes."""

# Kinds of packets, as bits.
INITIAL = 0x01
EARLY_DATA = 0x02
HANDSHAKE = 0x04
RETRIED = 0x08
NEGOTIATION = 0x10
SHORT = 0x20
UNKNOWN = 0x40  # beyond the captured bytes, or with an invalid header

V1 = 0x00000001
V2 = 0x6B3343CF
DRAFT, DRAFTS = 0xFF000000, 0xFFFFFF00
FORCED, FORCES = 0x0A0A0A0A, 0x0F0F0F0F  # reserved to force version negotiation (section 15)
LONG = 0x80
FIXED = 0x40
OFFSET, PRIME = 0xCBF29CE484222325, 0x100000001B3  # FNV-1a
LONGEST_CID = 20
FLIGHT_NS = 2_000_000  # maximum gap between the packets of one flight
EDGES = 2  # spin bit edges required of each side: an endpoint may set the bit to a random constant
LEAST_DCID = 8  # minimum length of the destination ID of a client's first Initial (RFC 9000 section 7.2)
SYSTEM_PORTS = 1024  # lower ports belong to services (RFC 6335 section 6)
LEAST_INITIAL = 1200  # minimum size of a client's datagram with an Initial (RFC 9000 section 14.1)
# Kind for each of the four values of the packet type, one byte each, value 0 in the lowest byte.
V1_KINDS = RETRIED << 24 | HANDSHAKE << 16 | EARLY_DATA << 8 | INITIAL
V2_KINDS = HANDSHAKE << 24 | EARLY_DATA << 16 | INITIAL << 8 | RETRIED  # RFC 9369 section 3.2
