cimport cython
from libc.stdint cimport int64_t

from handshake_inspect.wire cimport decimal


@cython.locals(i="Py_ssize_t", size="Py_ssize_t", absent="Py_ssize_t")
cpdef object measure_numbers(
    int64_t[::1] lengths, const int64_t[::1] rows, const unsigned char[::1] head, const int64_t[::1] values,
    const unsigned char[::1] known, const unsigned char[::1] none
)

@cython.locals(i="Py_ssize_t", size="Py_ssize_t", absent="Py_ssize_t", row=int64_t, end="Py_ssize_t")
cpdef object put_numbers(
    unsigned char[::1] out, int64_t[::1] ends, const int64_t[::1] rows, const unsigned char[::1] head,
    const int64_t[::1] values, const unsigned char[::1] known, const unsigned char[::1] none
)

@cython.locals(i="Py_ssize_t", size="Py_ssize_t", code=int64_t)
cpdef object measure_texts(
    int64_t[::1] lengths, const int64_t[::1] rows, const unsigned char[::1] head, const int64_t[::1] codes,
    const unsigned char[::1] texts, const int64_t[::1] bounds
)

@cython.locals(i="Py_ssize_t", size="Py_ssize_t", row=int64_t, code=int64_t, end="Py_ssize_t")
cpdef object put_texts(
    unsigned char[::1] out, int64_t[::1] ends, const int64_t[::1] rows, const unsigned char[::1] head,
    const int64_t[::1] codes, const unsigned char[::1] texts, const int64_t[::1] bounds
)

@cython.locals(i="Py_ssize_t", size="Py_ssize_t")
cpdef object measure_same(int64_t[::1] lengths, const int64_t[::1] rows, const unsigned char[::1] head)

@cython.locals(i="Py_ssize_t", size="Py_ssize_t", row=int64_t)
cpdef object put_same(
    unsigned char[::1] out, int64_t[::1] ends, const int64_t[::1] rows, const unsigned char[::1] head
)
