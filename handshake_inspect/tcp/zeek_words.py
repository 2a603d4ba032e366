"""Zeek's constants: endpoint states, history letters, limits, and the ports it considers servers'.

Never compiled: the twin declares them for compiled modules.
"""

# TCP endpoint states, numbered as in Zeek's scripts; not RFC 9293's.
INACTIVE = 0  # sent nothing relevant
SYN_SENT = 1
SYN_ACK_SENT = 2  # first packet of the connection, and a SYN-ACK
PARTIAL = 3  # first packet was neither SYN nor SYN-ACK
ESTABLISHED = 4
CLOSED = 5  # sent a FIN
RESET = 6  # sent a RST

LETTER_A, LETTER_C, LETTER_D, LETTER_F, LETTER_G, LETTER_H = 0x41, 0x43, 0x44, 0x46, 0x47, 0x48
LETTER_I, LETTER_Q, LETTER_R, LETTER_S, LETTER_T, LETTER_W = 0x49, 0x51, 0x52, 0x53, 0x54, 0x57
FLIP = 0x5E
LOWER = 5  # the bit that makes a letter the responder's
ROOM = 24  # letters in Alias.history

# Alias.written, by role: S and H share one bit, as in Zeek.
WROTE_S, WROTE_F, WROTE_R, WROTE_D, WROTE_A, WROTE_I, WROTE_Q = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
# Alias.written, by side.
CUT = 0x0080  # payload is truncated by the snap length, which Zeek treats as missing; G is still to be written
BEGUN = 0x0100  # on side 0: the first packet was seen
GAVE_UP = 0x0200  # too much data above an unacknowledged hole: Zeek reports no more gaps
CREDITED = 0x0400  # SND.NXT was advanced by an acknowledgment of unseen bytes, which may still come
OVER = 0x0800  # on side 0: ended so long ago that Zeek assigns later segments to another connection
PREVIOUS = 12  # shift of the previous Zeek state
BELOW_PREVIOUS = 0x0FFF

FAR = 1 << 20  # a SYN or RST this far from the other numbers is not a retransmission (TOO_LARGE_SEQ_DELTA)
ABOVE_HOLE = 16384  # tcp_max_above_hole_without_any_acks
CLOSE_DELAY_US = 5_000_000  # tcp_close_delay
CLOCK_WENT_BACK_US = 0xFFFF_FFFF - 60_000_000  # ages from here on are negative, modulo 2^32

# likely_server_ports of Zeek with its default scripts, as registered by its protocol analyzers for TCP.
SERVER_PORTS = frozenset(
    {21, 22, 25, 53, 79, 80, 81, 88, 135, 139, 143, 389, 443, 445, 465, 502, 514, 563, 585, 587, 614, 631, 636}
    | {989, 990, 992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 5222, 5223, 5269, 5432, 6379}
    | {6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000}
)
_BY_PORT = bytearray(1 << 16)
for _port in SERVER_PORTS:
    _BY_PORT[_port] = 1
SERVER_PORT_TABLE = bytes(_BY_PORT)  # the same, indexed by port
