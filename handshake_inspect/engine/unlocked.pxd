from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.engine.pump cimport Pump
from handshake_inspect.engine.relay cimport Relay

cdef inline int drain(Pump pump, FrameReader reader) except -1:
    cdef int got
    with nogil:
        got = pump.run(reader)
    return got

cdef inline int follow(Relay relay) except -1:
    cdef int got
    with nogil:
        got = relay.run()
    return got
