"""Parse plain text: a request and response without TLS, or the prologue before TLS starts.

A prologue is some form of STARTTLS, or the exchange with a proxy.  If the server sends first, or the client begins like
one of these protocols, parsing continues after the first response.
"""

from typing import Any

from handshake_inspect.tcp.facts import FACT_SYN, FACT_SYNACK, TRAIT_ISS, TRAIT_SEEN
from handshake_inspect.tcp.setup.facts import (
    EXCHANGE_ALERTED,
    EXCHANGE_UNREAD,
    LACKS_GREETING,
    LACKS_PROLOGUE,
    MOST_BYTES,
    READ_RECORDS,
    READ_TEXT,
    SETUP_CUT,
    SETUP_FIRST_HELLO,
    SETUP_HOLE,
    SETUP_NOT_TLS,
    SETUP_SPOKE_FIRST,
    SETUP_TLS,
    SETUP_UNREAD,
    UPGRADE_FTP,
    UPGRADE_HTTP_CONNECT,
    UPGRADE_IMAP,
    UPGRADE_LDAP,
    UPGRADE_MYSQL,
    UPGRADE_NONE,
    UPGRADE_OTHER,
    UPGRADE_POP3,
    UPGRADE_POSTGRESQL,
    UPGRADE_RDP,
    UPGRADE_SMTP,
    UPGRADE_SOCKS,
    UPGRADE_XMPP,
)
from handshake_inspect.tls.numbers import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    HANDSHAKE,
    LONGEST_RECORD,
    RECORD_HEADER,
    SERVER_HELLO,
)
from handshake_inspect.wire import big_endian, seqspace
from handshake_inspect.wire.const import MASK32

MOST_TURNS = 255

# The first bytes of protocols, as integers in network byte order.
CONN = 0x434F4E4E  # HTTP CONNECT
XML = 0x3C3F786D  # <?xm
STREAM = 0x3C737472  # <str
AMQP, AMQP_TLS = 0x414D5150, 2  # the header that asks for TLS (OASIS AMQP 1.0 part 5)
AUTH, FEAT = 0x41555448, 0x46454154  # FTP (RFC 4217, RFC 2389)
GO_AHEAD = 0x323334  # 234, the FTP server's consent
_TLS, _SSL = 0x00544C53, 0x0053534C  # arguments of AUTH, in upper case
EHLO, HELO, LHLO = 0x45484C4F, 0x48454C4F, 0x4C484C4F  # SMTP (RFC 5321), and LMTP
STLS = 0x53544C53  # POP3 (RFC 2595)
STAR, TTLS = 0x53544152, 0x54544C53  # STARTTLS of IMAP, behind a tag; of IRC, without
LONGEST_TAG = 16
SSH = 0x5353482D  # SSH-
SSL_REQUEST = 0x04D2162F  # PostgreSQL
GSS_REQUEST = 0x04D21630  # PostgreSQL with Kerberos, sent before SSL_REQUEST
OF_1466 = 0x31343636  # of 1.3.6.1.4.1.1466.20037, the name of LDAP's StartTLS (RFC 4511 section 4.14.1)
OF_20037 = 0x2E323030
MYSQL_REQUEST = 0x20000001  # header of packet 1 with 32 bytes: SSLRequest, a truncated handshake response
MYSQL_BYTES = 36
MYSQL_TLS = 8  # CLIENT_SSL, in the second byte of its capabilities
UPPER = 0xDFDFDFDF  # commands may be in lower case
SHORTEST_LDAP = 31  # bytes of a message with that name
EXTENDED_REQUEST = 0x77  # the tag of such a message
LONGEST_LDAP = 64  # bytes to search for that name: encodings of lengths vary (X.690 section 8.1.3)
PROXY, SPACED = 0x50524F58, 0x5920  # "PROXY ": the PROXY protocol's text header
PROXY_2, PROXY_2_REST = 0x0D0A0D0A, 0x000D0A515549540A  # its binary header
SHORTEST_PROXY, LONGEST_PROXY = 15, 107
PROXY_2_HEADER = 16


def looks_like_hello(data: Any, at: int, count: int) -> bool:
    """Return True if `count` bytes can begin a record with a ClientHello."""
    if count < 1 or data[at] != HANDSHAKE:
        return False
    if (count > 1 and data[at + 1] != 3) or (count > 2 and data[at + 2] > 4):
        return False
    return count < 6 or data[at + 5] == CLIENT_HELLO


def looks_like_alert(data: Any, at: int, count: int) -> bool:
    """Return True if `count` bytes are, or begin, a TLS alert."""
    return count >= 3 and data[at] == ALERT and data[at + 1] == 3 and data[at + 2] <= 4


def read(focus: Any) -> None:
    """Parse bytes of a side that sends plain text."""
    reading = focus.reading
    place = (reading.next[focus.side] - focus.seq) & MASK32
    count = focus.captured - place
    count = max(count, 0)
    if focus.lacks(focus.acked) and looks_like_ciphertext(focus.data, focus.at + place, count):
        lose_hellos(focus)
        return
    if focus.is_client:
        behind = hello_behind_proxy(focus.data, focus.at + place, count)
        if behind:
            reading.prologue = 1
            reading.next[focus.side] = (reading.next[focus.side] + behind) & MASK32
        if behind or looks_like_hello(focus.data, focus.at + place, count):
            begin_records(focus)
            return
        if place + count < (focus.end - focus.seq) & MASK32 and begins_proxy(focus.data, focus.at + place, count):
            focus.setup.flags |= SETUP_CUT  # a ClientHello may be behind it
        note_client(focus, focus.data, focus.at + place, count)
    else:
        note_server(focus, focus.data, focus.at + place, count)


def hello_behind_proxy(data: Any, at: int, count: int) -> int:
    """Return the offset of a ClientHello after a PROXY protocol header, 0 if there is none."""
    behind = proxy_header(data, at, count)
    return behind if behind and looks_like_hello(data, at + behind, count - behind) else 0


def begins_proxy(data: Any, at: int, count: int) -> bool:
    """Return True if the bytes begin a PROXY protocol header, complete or not."""
    if count < PROXY_2_HEADER:
        return False
    words = big_endian.be32(data, at)
    if words == PROXY:
        return big_endian.be16(data, at + 4) == SPACED
    return words == PROXY_2 and big_endian.be64(data, at + 4) == PROXY_2_REST


def proxy_header(data: Any, at: int, count: int) -> int:
    """Return the length of the PROXY protocol header, of either version, at `at`; 0 if there is none."""
    if not begins_proxy(data, at, count):
        return 0
    if big_endian.be32(data, at) == PROXY_2:
        return PROXY_2_HEADER + big_endian.be16(data, at + 14)
    for i in range(SHORTEST_PROXY - 2, min(count, LONGEST_PROXY) - 1):
        if big_endian.be16(data, at + i) == 0x0D0A:
            return i + 2
    return 0


def begin_records(focus: Any) -> None:
    """Expect TLS records from both sides, provided that this proves to be a ClientHello."""
    reading = focus.reading
    peer = focus.side ^ 1
    unseen = (focus.acked - reading.next[peer]) & MASK32
    if 0 < unseen < MOST_BYTES:
        reading.next[peer] = focus.acked  # text that the client received but the capture lacks
        focus.setup.lacks |= LACKS_PROLOGUE
        if reading.prologue == 0:
            focus.setup.lacks |= LACKS_GREETING
    elif reading.prologue and not focus.peer.traits & TRAIT_SEEN:
        focus.setup.lacks |= LACKS_PROLOGUE
    expect_records(reading)


def expect_records(reading: Any) -> None:
    """Switch both sides to TLS records."""
    for side in range(2):
        reading.state[side] = READ_RECORDS
        reading.headed[side] = 0
        reading.base[side] = reading.next[side]
        reading.segments[side] = 0


def revert(focus: Any) -> None:
    """Return to plain text: it was not a ClientHello."""
    reading = focus.reading
    reading.state[0] = READ_TEXT
    reading.state[1] = READ_TEXT
    if focus.is_client:
        request(focus, reading.header[focus.side])


def upgrade(focus: Any) -> None:
    """Process a ClientHello after text: request and response are still to come."""
    setup = focus.setup
    exchange = focus.exchange
    reading = focus.reading
    if reading.prologue or setup.turns:
        setup.upgrade = reading.kind or UPGRADE_OTHER
    exchange.request_ns = 0
    exchange.request_frame = 0
    exchange.response_ns = 0
    exchange.response_frame = 0
    setup.response_seen_ns = 0
    reading.answers = 0
    setup.request_sent_ns = 0


def be_answer(setup: Any) -> None:
    """Turn the server's greeting into a non-TLS answer to the ClientHello, as the client saw it."""
    setup.flags = setup.flags & ~SETUP_SPOKE_FIRST | SETUP_NOT_TLS
    setup.server_hello_ns = setup.greeting_ns
    setup.server_hello_frame = setup.greeting_frame
    setup.greeting_ns = 0
    setup.greeting_frame = 0
    setup.turns = 0


def note_client(focus: Any, data: Any, at: int, count: int) -> None:
    """Process client text."""
    reading = focus.reading
    reading.prologue = 1
    if reading.kind == UPGRADE_NONE:
        reading.kind = kind_of_client(data, at, count)
        if reading.kind:
            reading.lasting = 1
    elif reading.kind == UPGRADE_SMTP and count >= 4 and big_endian.be32(data, at) == AUTH:
        reading.kind = UPGRADE_FTP
    if count == 0:
        focus.exchange.setup |= EXCHANGE_UNREAD
    request(focus, reading.next[focus.side])


def request(focus: Any, at: int) -> None:
    """Record the client's first bytes as its request."""
    reading = focus.reading
    if focus.exchange.request_frame == 0:
        focus.exchange.request_ns = focus.seen_ns
        focus.exchange.request_frame = focus.frame
        reading.request_at = at
        reading.ack[focus.side] = focus.acked
        if focus.lacks(focus.acked):
            focus.setup.lacks |= LACKS_GREETING


def note_server(focus: Any, data: Any, at: int, count: int) -> None:
    """Process server text: the response or a greeting."""
    reading = focus.reading
    setup = focus.setup
    exchange = focus.exchange
    unseen = focus.lacks(focus.acked)
    blind = focus.peer.traits & (TRAIT_ISS | TRAIT_SEEN) == 0  # no client segment was captured
    begun = unseen or blind or not focus.connection.facts & (FACT_SYN | FACT_SYNACK) or setup.flags & SETUP_CUT
    if begun and looks_like_server_hello(data, at, count):
        lose_hello(focus)
        return
    if (focus.turned or setup.turns == 0) and setup.turns < MOST_TURNS:
        setup.turns += 1
    if reading.kind == UPGRADE_SMTP and count >= 4 and big_endian.be32(data, at) >> 8 == GO_AHEAD:
        reading.kind = UPGRADE_FTP
    if exchange.request_frame and seqspace.seq_gt(focus.acked, reading.request_at):
        if exchange.response_frame == 0:
            exchange.response_ns = focus.ns
            exchange.response_frame = focus.frame
            setup.response_seen_ns = focus.seen_ns
            reading.answer_at[0] = reading.next[focus.side]
            reading.answers = 1
            if not setup.flags & SETUP_SPOKE_FIRST and looks_like_alert(data, at, count):
                exchange.setup |= EXCHANGE_ALERTED
        if not reading.lasting:
            focus.conclude()
    elif setup.greeting_frame == 0 and not unseen:  # otherwise it answers what the capture lacks
        setup.flags |= SETUP_SPOKE_FIRST
        setup.lacks &= ~LACKS_GREETING  # it was stored late
        setup.greeting_ns = focus.ns
        setup.greeting_frame = focus.frame
        reading.kind = kind_of_server(data, at, count)
        reading.lasting = count < 4 or big_endian.be32(data, at) != SSH


def looks_like_server_hello(data: Any, at: int, count: int) -> bool:
    """Return True if `count` bytes begin a record with a ServerHello."""
    if count < 6 or data[at] != HANDSHAKE or data[at + 5] != SERVER_HELLO:
        return False
    return data[at + 1] == 3 and data[at + 2] <= 4


def looks_like_ciphertext(data: Any, at: int, count: int) -> bool:
    """Return True if `count` bytes begin a record that follows the hellos."""
    if count < RECORD_HEADER or data[at] not in (CHANGE_CIPHER_SPEC, APPLICATION_DATA):
        return False
    length = big_endian.be16(data, at + 3)
    return data[at + 1] == 3 and data[at + 2] <= 4 and 0 < length <= LONGEST_RECORD


def lose_hellos(focus: Any) -> None:
    """Stop parsing TLS without captured hellos: the text before was not request and response, and no more is known."""
    upgrade(focus)
    focus.exchange.setup |= EXCHANGE_UNREAD
    focus.finish()


def lose_hello(focus: Any) -> None:
    """Start TLS without a captured ClientHello: the text before was its prologue, not request and response."""
    reading = focus.reading
    client = focus.side ^ 1
    upgrade(focus)
    focus.setup.flags |= SETUP_TLS | SETUP_UNREAD
    if focus.sender.traits & TRAIT_ISS and not focus.setup.lacks & LACKS_PROLOGUE:
        focus.setup.flags |= SETUP_FIRST_HELLO
    if reading.hold[client]:
        focus.setups.give_back(reading.hold[client])  # a part of it
        reading.hold[client] = 0
        focus.setup.flags &= ~SETUP_HOLE
    reading.next[client] = focus.acked
    reading.beyond[client] = seqspace.seq_max(reading.beyond[client], focus.acked)
    reading.hello_end = focus.acked
    expect_records(reading)


def kind_of_client(data: Any, at: int, count: int) -> int:
    """Return the UPGRADE_* that a client's first bytes suggest."""
    if count >= 3 and data[at] == 5 and data[at + 1] == count - 2:  # version 5, number of methods (RFC 1928)
        return UPGRADE_SOCKS
    if count < 4:
        return UPGRADE_NONE
    words = big_endian.be32(data, at)
    if words == CONN:
        return UPGRADE_HTTP_CONNECT
    if words == AMQP and count >= 5 and data[at + 4] == AMQP_TLS:
        return UPGRADE_OTHER
    if words in (XML, STREAM):
        return UPGRADE_XMPP
    if count >= 8 and words == 8 and big_endian.be32(data, at + 4) in (SSL_REQUEST, GSS_REQUEST):
        return UPGRADE_POSTGRESQL
    if words >> 16 == 0x0300 and count >= 6 and data[at + 5] == 0xE0:
        return UPGRADE_RDP
    if words >> 16 in (0x0401, 0x0402) and count >= 9:
        return UPGRADE_SOCKS
    if words >> 24 == 0x30 and is_start_tls(data, at, min(count, LONGEST_LDAP)):
        return UPGRADE_LDAP
    if words == MYSQL_REQUEST and count == MYSQL_BYTES and data[at + 5] & MYSQL_TLS:
        return UPGRADE_MYSQL
    return kind_of_command(data, at, count)


def kind_of_command(data: Any, at: int, count: int) -> int:
    """Return the UPGRADE_* that a client's command suggests, in case the greeting was not captured."""
    word = big_endian.be32(data, at) & UPPER
    if word in (EHLO, HELO, LHLO):
        return UPGRADE_SMTP
    if word == STLS:
        return UPGRADE_POP3
    if word == FEAT or (word == AUTH and count >= 8 and big_endian.be32(data, at + 4) & UPPER in (_TLS, _SSL)):
        return UPGRADE_FTP
    if word == STAR and count >= 8 and big_endian.be32(data, at + 4) & UPPER == TTLS:
        return UPGRADE_OTHER
    for i in range(1, min(count - 8, LONGEST_TAG)):
        if data[at + i] == 0x20:
            is_imap = (
                big_endian.be32(data, at + i + 1) & UPPER == STAR and big_endian.be32(data, at + i + 5) & UPPER == TTLS
            )
            return UPGRADE_IMAP if is_imap else UPGRADE_NONE
    return UPGRADE_NONE


def is_start_tls(data: Any, at: int, count: int) -> bool:
    """Return True if an LDAPMessage requests StartTLS; assume so for a truncated ExtendedRequest."""
    if count < SHORTEST_LDAP:
        return is_extended_request(data, at, count)
    for i in range(count - 7):
        if big_endian.be32(data, at + i) == OF_1466 and big_endian.be32(data, at + i + 4) == OF_20037:
            return True
    return False


def is_extended_request(data: Any, at: int, count: int) -> bool:
    """Return True if an LDAPMessage, possibly truncated, is an ExtendedRequest (RFC 4511 section 4.12)."""
    place = 2 if count > 1 and data[at + 1] < 0x80 else 2 + (data[at + 1] & 7) if count > 1 else count
    if place + 1 >= count or data[at + place] != 2:  # the messageID
        return False
    place += 2 + data[at + place + 1]
    return place < count and data[at + place] == EXTENDED_REQUEST


def kind_of_server(data: Any, at: int, count: int) -> int:
    """Return the UPGRADE_* that a server's greeting suggests."""
    if count < 4:
        return UPGRADE_NONE
    words = big_endian.be32(data, at)
    if words >> 8 == 0x323230:  # 220, also used by FTP
        return UPGRADE_SMTP
    if words >> 16 == 0x2A20:  # an asterisk
        return UPGRADE_IMAP
    if words >> 8 == 0x2B4F4B:  # +OK
        return UPGRADE_POP3
    if count >= 5 and words & 0xFF == 0 and data[at + 4] == 10:
        return UPGRADE_MYSQL
    return UPGRADE_NONE
