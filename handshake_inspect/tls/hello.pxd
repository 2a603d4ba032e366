cimport cython
from libc.stdint cimport uint32_t

from handshake_inspect.tls cimport hello_row
from handshake_inspect.tls.hello_row cimport Hello
from handshake_inspect.wire cimport big_endian

cdef unsigned int ALPN
cdef unsigned int CHOSE_PSK
cdef unsigned int CUT_SHORT
cdef unsigned int DRAFT
cdef unsigned int EARLY_DATA
cdef unsigned int ENCRYPTED_CLIENT_HELLO
cdef unsigned int FIRST_DRAFT
cdef unsigned int IS_RETRY
cdef unsigned int KEY_SHARE
cdef Py_ssize_t MESSAGE_HEADER
cdef unsigned int OFFERS_13
cdef unsigned int OFFERS_EARLY_DATA
cdef unsigned int OFFERS_ECH
cdef unsigned int OFFERS_H2
cdef unsigned int OFFERS_PSK
cdef unsigned int PRE_SHARED_KEY
cdef uint32_t RETRY_0, RETRY_1, RETRY_2, RETRY_3, RETRY_4, RETRY_5, RETRY_6, RETRY_7
cdef unsigned int SERVER_NAME
cdef unsigned int SUPPORTED_GROUPS
cdef unsigned int SUPPORTED_VERSIONS
cdef unsigned int TLS13
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
