# What compiled modules need of these, as literals: a variable would be read again and again.
cdef extern from *:
    const unsigned int INACTIVE "0u"
    const unsigned int SYN_SENT "1u"
    const unsigned int SYN_ACK_SENT "2u"
    const unsigned int PARTIAL "3u"
    const unsigned int ESTABLISHED "4u"
    const unsigned int CLOSED "5u"
    const unsigned int RESET "6u"
