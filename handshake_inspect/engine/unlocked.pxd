from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.engine.pump cimport Pump

cdef inline int drain(Pump pump, FrameReader reader) except -1:
    cdef int got
    with nogil:
        got = pump.run(reader)
    return got
