cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tls cimport hello_row
from handshake_inspect.tls.hello_row cimport Hello
from handshake_inspect.wire cimport big_endian
from handshake_inspect.tls.numbers cimport (
    ALPN, CHOSE_PSK, CUT_SHORT, DRAFT, EARLY_DATA, ENCRYPTED_CLIENT_HELLO, FIRST_DRAFT, IS_RETRY, KEY_SHARE,
    OFFERS_13, OFFERS_EARLY_DATA, OFFERS_ECH, OFFERS_H2, OFFERS_PSK, PRE_SHARED_KEY, SERVER_NAME, SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS, TLS13,
)

cdef Py_ssize_t MESSAGE_HEADER
cdef uint32_t RETRY_0, RETRY_1, RETRY_2, RETRY_3, RETRY_4, RETRY_5, RETRY_6, RETRY_7
cdef Py_ssize_t LONGEST_PART
cdef unsigned int NAME
cdef unsigned int PROTOCOLS
cdef unsigned int VERSIONS
cdef unsigned int GROUPS

cpdef void read_bytes(bytes data, object storage)
@cython.locals(client=bint)
cdef void read_hello(const unsigned char *data, Py_ssize_t at, Py_ssize_t end, Hello *out) noexcept nogil
cdef bint is_retry(const unsigned char *data, Py_ssize_t at) noexcept nogil
@cython.locals(stop=Py_ssize_t, kind=uint32_t, length=Py_ssize_t)
cdef void read_extensions(
    const unsigned char *data, Py_ssize_t at, Py_ssize_t end, bint client, Hello *out
) noexcept nogil
cdef void offered(const unsigned char *data, Py_ssize_t at, Py_ssize_t end, uint32_t kind, Hello *out) noexcept nogil
cdef void note_part(Hello *out, unsigned int part, Py_ssize_t at, Py_ssize_t length) noexcept nogil
cdef void chosen(const unsigned char *data, Py_ssize_t at, Py_ssize_t end, uint32_t kind, Hello *out) noexcept nogil
cdef bint is_grease(uint32_t value) noexcept nogil
cdef void pack(const unsigned char *data, Hello *out) noexcept nogil
@cython.locals(length=Py_ssize_t, at=Py_ssize_t, i=Py_ssize_t)
cdef void pack_name(const unsigned char *data, Hello *out) noexcept nogil
@cython.locals(head=Py_ssize_t, to=Py_ssize_t, at=Py_ssize_t, end=Py_ssize_t, length=Py_ssize_t, i=Py_ssize_t)
cdef void pack_protocols(const unsigned char *data, Hello *out) noexcept nogil
@cython.locals(head=Py_ssize_t, to=Py_ssize_t, at=Py_ssize_t, end=Py_ssize_t, value=uint32_t)
cdef void pack_numbers(const unsigned char *data, Hello *out, unsigned int part) noexcept nogil
cdef void note_version(Hello *out, uint32_t value) noexcept nogil
