from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memmove

cdef inline unsigned char *address(object data) except NULL:
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_WRITABLE)
    cdef unsigned char *start = <unsigned char *>view.buf
    PyBuffer_Release(&view)
    return start

cdef inline Py_ssize_t put_u32(unsigned char *data, Py_ssize_t at, uint32_t value) noexcept nogil:
    memcpy(data + at, &value, 4)
    return at + 4

cdef inline Py_ssize_t put_be16(unsigned char *data, Py_ssize_t at, uint32_t value) noexcept nogil:
    data[at] = <unsigned char>(value >> 8)
    data[at + 1] = <unsigned char>value
    return at + 2

cdef inline Py_ssize_t copy(unsigned char *data, Py_ssize_t at, const unsigned char *source, Py_ssize_t start,
                            Py_ssize_t count) noexcept nogil:
    memmove(data + at, source + start, count)
    return at + count
