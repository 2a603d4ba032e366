"""Zeek's names for the states of an endpoint, and the ports it takes for servers.  Never compiled."""

# TCP endpoint states, numbered as in Zeek's scripts; not RFC 9293's.
INACTIVE = 0  # sent nothing that counts
SYN_SENT = 1
SYN_ACK_SENT = 2  # first packet of the connection, and a SYN-ACK
PARTIAL = 3  # first packet was neither SYN nor SYN-ACK
ESTABLISHED = 4
CLOSED = 5  # sent a FIN
RESET = 6  # sent a RST

# likely_server_ports of a Zeek with its default scripts: what its protocol analyzers register for TCP.
SERVER_PORTS = frozenset(
    {21, 22, 25, 53, 79, 80, 81, 88, 135, 139, 143, 389, 443, 445, 465, 502, 514, 563, 585, 587, 614, 631, 636}
    | {989, 990, 992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 5222, 5223, 5269, 5432, 6379}
    | {6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000}
)
_BY_PORT = bytearray(1 << 16)
for _port in SERVER_PORTS:
    _BY_PORT[_port] = 1
SERVER_PORT_TABLE = bytes(_BY_PORT)  # the same, indexed by port
