from handshake_inspect.capture.frames cimport FrameReader
from handshake_inspect.engine cimport unlocked
from handshake_inspect.engine.pump cimport Pump

cpdef int drain(Pump pump, FrameReader reader) except -1
