"""Flags and enumerations stored in the rows of connection set-up.

Never compiled: the twin declares those that compiled modules use as C literals.
"""

# Exchange.setup
EXCHANGE_SETUP = 0x0FFF_FFFF  # 1 + row number
EXCHANGE_UNREAD = 0x1000_0000  # no byte of the client's first payload was captured: TLS or not is unknown
EXCHANGE_ALERTED = 0x4000_0000  # the response to a plain request is a TLS alert
EXCHANGE_GIVEN_UP = 0x2000_0000  # no response within 64 KiB or 64 segments of one side

# Setup.flags
SETUP_TLS = 0x0000_0001  # the client sent a ClientHello
SETUP_SPOKE_FIRST = 0x0000_0002  # the server sent data unprompted: greeting_ns
SETUP_SERVER_TLS = 0x0000_0004  # the server's data begins with a record of type 22 or 21
SETUP_NOT_TLS = 0x0000_0008  # the server answered the ClientHello with something else
SETUP_SERVER_HELLO = 0x0000_0010  # ServerHello; after HelloRetryRequest, the second one
SETUP_HELLO_RETRY = 0x0000_0020
SETUP_PSK = 0x0000_0040  # ServerHello selected a pre-shared key
SETUP_SERVER_CHANGED = 0x0000_0080  # TLS 1.2 and older: the server's ChangeCipherSpec came before the client's
SETUP_FALSE_START = 0x0000_0100  # TLS 1.2: the client sent data before it had the server's ChangeCipherSpec
SETUP_CLIENT_FINISHED = 0x0000_0200
SETUP_SERVER_FINISHED = 0x0000_0400
SETUP_EARLY_OFFERED = 0x0000_0800  # the ClientHello has extension 42
SETUP_EARLY_SENT = 0x0000_1000  # and early data followed
SETUP_EARLY_ENDED = 0x0000_2000  # EndOfEarlyData: it was accepted
SETUP_CERTIFICATE_SENT = 0x0000_4000  # the client was asked for a certificate, and sent one
SETUP_CERTIFICATE_WITHHELD = 0x0000_8000  # and sent none
SETUP_CUT = 0x0001_0000  # truncated by the snap length: lengths and names are unknown from there on
SETUP_HOLE = 0x0002_0000  # bytes are missing: unknown from there on
SETUP_PSK_OFFERED = 0x0004_0000
SETUP_ECH = 0x0008_0000  # extension 65037 was offered
SETUP_UNREAD = 0x0010_0000  # a fragmented ClientHello did not get a buffer: its contents are unknown
SETUP_OFFERS_13 = 0x0020_0000
SETUP_OFFERS_H2 = 0x0040_0000
SETUP_ALERT = 0x0080_0000  # an alert ended it (or the first response never came); details below
SETUP_ALERT_SERVER = 0x0100_0000  # from the server, otherwise from the client
SETUP_ALERT_ENCRYPTED = 0x0200_0000  # its level and code are unknown
SETUP_ALERT_LATE = 0x0400_0000  # it came after the client's Finished
SETUP_GIVEN_UP = 0x0800_0000  # as EXCHANGE_GIVEN_UP
SETUP_EARLY_REQUEST = 0x1000_0000  # the request is the early data
SETUP_MALFORMED = 0x2000_0000  # not a hello, or invalid records: unknown from there on
SETUP_DOUBTED = 0x4000_0000  # bytes are missing where the client's Finished may be: the presumed one is uncertain
SETUP_FIRST_HELLO = 0x8000_0000  # no HelloRetryRequest came before ServerHello, though the ClientHello is missing

# Setup.upgrade
UPGRADE_NONE = 0
UPGRADE_OTHER = 1
UPGRADE_SMTP = 2
UPGRADE_IMAP = 3
UPGRADE_POP3 = 4
UPGRADE_FTP = 5
UPGRADE_XMPP = 6
UPGRADE_LDAP = 7
UPGRADE_POSTGRESQL = 8
UPGRADE_MYSQL = 9
UPGRADE_RDP = 10
UPGRADE_SOCKS = 11
UPGRADE_HTTP_CONNECT = 12
UPGRADES = (
    None, "other", "smtp", "imap", "pop3", "ftp", "xmpp", "ldap", "postgresql", "mysql", "rdp", "socks", "http-connect",
)  # fmt: skip

# Setup.lacks
LACKS_GREETING = 1  # the server sent something before the client's first data
LACKS_PROLOGUE = 2  # text before a ClientHello, of either side

# Extra.reason; hello-retry is Setup.retry_ns
EXTRA_WINDOW = 1
EXTRA_LOSS = 2
EXTRA_NAGLE = 3

# Extra.span
SPAN_BEFORE_TLS = 1
SPAN_TLS = 2
SPAN_BEFORE_REQUEST = 3
SPAN_RESPONSE = 4

# Connection.quick
QUICK = 1  # the fast path may handle the next segment
READ_OVER = 2  # parsing of the set-up is finished

# Reading.state: what a side is assumed to send
READ_TEXT = 0  # no TLS, or not yet
READ_RECORDS = 1
READ_LOST = 2  # records whose boundaries are unknown: the snap length cut off a header
READ_STUCK = 3  # unparsable from here on

# Reading.role
ROLE_NONE = 0
ROLE_FINISHED = 1  # the server's Finished
ROLE_LAST = 2  # the server's last record so far

# Reading.finished
FINISHED_NOT = 0
FINISHED_PERHAPS = 1  # a record that may be the Finished
FINISHED_SURELY = 2

MOST_SEGMENTS = 64  # of one side, after which parsing is given up
MOST_BYTES = 1 << 16
MOST_EXTRAS = 16

# Lengths of encrypted records of TLS 1.3, in bytes: what may be a session ticket, and what may be SETTINGS of HTTP/2.
LEAST_TICKET, MOST_TICKET = 100, 4500
# A ticket that is no more than the 32 bytes that name a session at the server (OpenSSL's), without and with early data.
NAMED_SESSION, NAMED_SESSION_EARLY = 74, 82
MOST_SETTINGS = 100  # SETTINGS are shorter
# HTTP/2 frames without HEADERS: an acknowledgment of SETTINGS, WINDOW_UPDATE, PING, GOAWAY, with 17 bytes at most
# (RFC 9113 section 6), and what the encryption adds: 17 bytes in TLS 1.3, 24 in TLS 1.2.
MOST_CONTROL_13, MOST_CONTROL = 17 + 17, 17 + 24
