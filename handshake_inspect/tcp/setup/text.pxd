cimport cython
from libc.stdint cimport uint32_t, uint64_t

from handshake_inspect.tcp.facts cimport FACT_SYN, FACT_SYNACK, TRAIT_ISS, TRAIT_SEEN
from handshake_inspect.tcp.setup cimport setup_rows as sr
from handshake_inspect.tcp.setup.focus cimport Focus
from handshake_inspect.wire cimport big_endian, seqspace
from handshake_inspect.tcp.setup.facts cimport (
    EXCHANGE_ALERTED, EXCHANGE_UNREAD, LACKS_GREETING, LACKS_PROLOGUE, MOST_BYTES, READ_RECORDS, READ_TEXT, SETUP_CUT,
    SETUP_FIRST_HELLO, SETUP_HOLE, SETUP_NOT_TLS, SETUP_SPOKE_FIRST, SETUP_TLS, SETUP_UNREAD, UPGRADE_FTP,
    UPGRADE_HTTP_CONNECT, UPGRADE_IMAP, UPGRADE_LDAP, UPGRADE_MYSQL, UPGRADE_NONE, UPGRADE_OTHER, UPGRADE_POP3,
    UPGRADE_POSTGRESQL, UPGRADE_RDP, UPGRADE_SMTP, UPGRADE_SOCKS, UPGRADE_XMPP,
)
from handshake_inspect.wire.const cimport MASK32
from handshake_inspect.tls.numbers cimport (
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, CLIENT_HELLO, HANDSHAKE, LONGEST_RECORD, RECORD_HEADER,
    SERVER_HELLO,
)

cdef unsigned int MOST_TURNS
cdef uint32_t CONN
cdef uint32_t XML
cdef uint32_t STREAM
cdef uint32_t AMQP
cdef unsigned int AMQP_TLS
cdef uint32_t AUTH
cdef uint32_t FEAT
cdef uint32_t GO_AHEAD
cdef uint32_t PROXY
cdef unsigned int SPACED
cdef uint32_t PROXY_2
cdef uint64_t PROXY_2_REST
cdef Py_ssize_t SHORTEST_PROXY
cdef Py_ssize_t LONGEST_PROXY
cdef Py_ssize_t PROXY_2_HEADER
cdef uint32_t _TLS
cdef uint32_t _SSL
cdef uint32_t EHLO
cdef uint32_t HELO
cdef uint32_t LHLO
cdef uint32_t STLS
cdef uint32_t STAR
cdef uint32_t TTLS
cdef uint32_t UPPER
cdef Py_ssize_t LONGEST_TAG
cdef uint32_t MYSQL_REQUEST
cdef Py_ssize_t MYSQL_BYTES
cdef unsigned int MYSQL_TLS
cdef uint32_t SSH
cdef uint32_t SSL_REQUEST
cdef uint32_t GSS_REQUEST
cdef uint32_t OF_1466
cdef uint32_t OF_20037
cdef unsigned int LONGEST_LDAP
cdef Py_ssize_t SHORTEST_LDAP
cdef unsigned int EXTENDED_REQUEST

cdef bint looks_like_alert(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
cdef bint looks_like_hello(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(reading="sr.Reading *", place=Py_ssize_t, count=Py_ssize_t, behind=uint32_t)
cdef void read(Focus focus) noexcept nogil
@cython.locals(behind=uint32_t)
cdef uint32_t hello_behind_proxy(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(words=uint32_t)
cdef bint begins_proxy(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(i=Py_ssize_t)
cdef uint32_t proxy_header(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(reading="sr.Reading *", side=int, peer="unsigned int", unseen=uint32_t)
cdef void begin_records(Focus focus) noexcept nogil
@cython.locals(side="unsigned int")
cdef void expect_records(sr.Reading *reading) noexcept nogil
@cython.locals(reading="sr.Reading *")
cdef void revert(Focus focus) noexcept nogil
@cython.locals(setup="sr.Setup *", exchange="sr.Exchange *", reading="sr.Reading *")
cdef void upgrade(Focus focus) noexcept nogil
cdef void be_answer(sr.Setup *setup) noexcept nogil
@cython.locals(reading="sr.Reading *")
cdef void note_client(Focus focus, const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(reading="sr.Reading *")
cdef void request(Focus focus, uint32_t at) noexcept nogil
cdef bint looks_like_server_hello(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(length="unsigned int")
cdef bint looks_like_ciphertext(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
cdef void lose_hellos(Focus focus) noexcept nogil
@cython.locals(reading="sr.Reading *", client="unsigned int")
cdef void lose_hello(Focus focus) noexcept nogil
@cython.locals(
    setup="sr.Setup *", exchange="sr.Exchange *", reading="sr.Reading *", unseen=bint, blind=bint, begun=bint
)
cdef void note_server(Focus focus, const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(words=uint32_t)
cdef unsigned int kind_of_client(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(words=uint32_t)
cdef unsigned int kind_of_server(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(word=uint32_t, i=Py_ssize_t, is_imap=bint)
cdef unsigned int kind_of_command(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(i=Py_ssize_t)
cdef bint is_start_tls(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
@cython.locals(place=Py_ssize_t)
cdef bint is_extended_request(const unsigned char *data, Py_ssize_t at, Py_ssize_t count) noexcept nogil
