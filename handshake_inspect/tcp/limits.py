"""By what the tracker judges: times, distances and sizes.  Never compiled: its twin has those for compiled modules."""

PAWS_WINDOW = 1  # ticks that Linux lets a clock go back
SLOW_REPEATS = 3  # from here on all segments take the long path
SHRUNK_REPEATS = 2  # so many copies of one length before a shorter one is tried
RTT_NS = 250_000_000  # where the handshake showed none

MOST_PATHS = 1 << 20  # that are remembered for a right checksum: the first ones
NO_TTL = 1 << 8  # stands for the receiver's, so that both directions have names of their own

# How long after a packet an equal one is still its copy, microseconds.  A sender that numbers its packets or stamps
# them would have changed the number; one that does neither cannot resend a SYN within 300 ms (initial RTO 1 s,
# RFC 6298 section 2.1) or data within 2 ms.
COPY_WITH_IP_ID_US = 2_000_000
COPY_WITH_TSVAL_US = 500_000
COPY_OF_SYN_US = 300_000
COPY_US = 2_000
# With another TTL: sooner than a first timeout, or than a RTO of Linux where the RTT is not known.
TWIN_OF_SYN_US = 900_000
TWIN_OF_DATA_US = 200_000
UNTIMED_US = 25_000  # no timer of a stack is shorter but that of a loss probe: 30 ms in FreeBSD, 200 ms in Linux
FAR_US = 500  # what doubles packets within a host or a switch is no further away
CLOCKS_DIFFER_NS = 100_000_000  # of two capture points, no more than that
COPIED = 8  # one of so many segments was a copy, at least, where all are copied

IP_ID_NEAR = 4096
MAX_SHIFT = 14  # RFC 7323 section 2.3
LARGE_INDEX = 1 << 20

FLOOR_NS = 3_000_000  # Wireshark's limit, too
STORED_LATE_NS = 200_000_000  # sooner than any stack sends again what was acknowledged
SENT_SINCE = 1024  # packets at most that leave between a segment and its next copy

# The hash has no secret, so a capture can be made whose 4-tuples all collide.  No honest run of slots gets this long;
# at its end the newest takes the place of another, which is known no more, though its row stays.
LONGEST_RUN = 1024

AHEAD = 16  # records before a segment is tracked, its rows are fetched, and as many before, the slot that names them
EARLY = 16  # segments of an end within which a connection that was open before shows whether it is captured twice
REUSE_NS = 120_000_000_000  # 2 MSL with the longest MSL in use; who reports it compares with its own
SEVERAL = 4  # connections that all lack what a filter on flags leaves out
LEAST_ROWS = 16  # of a table, however small its limit
