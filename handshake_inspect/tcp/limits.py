"""Thresholds of the tracker: times, distances and sizes.

Never compiled: the twin declares those that compiled modules use as C literals.
"""

PAWS_WINDOW = 1  # ticks by which Linux lets a TSval go back
SLOW_REPEATS = 3  # retransmissions after which all segments take the full path
SHRUNK_REPEATS = 2  # copies of one length before a sender tries a shorter one
RTT_NS = 250_000_000  # assumed if the handshake showed none

MAX_PATHS = 1 << 20  # paths remembered for a correct checksum: the first ones
NO_TTL = 1 << 8  # placeholder for the receiver's TTL, so that the directions have different keys

# Maximum age of a packet for an equal one to be its copy, in microseconds.  A sender whose IP ID or timestamps vary
# would have changed them; one without cannot resend a SYN within 300 ms (initial RTO 1 s, RFC 6298 section 2.1) or data
# within 2 ms.
COPY_WITH_IP_ID_US = 2_000_000
COPY_WITH_TSVAL_US = 500_000
COPY_OF_SYN_US = 300_000
COPY_US = 2_000
# With another TTL: below the initial RTO, or below the minimum RTO of Linux if the RTT is unknown.
TWIN_OF_SYN_US = 900_000
TWIN_OF_DATA_US = 200_000
UNTIMED_US = 25_000  # below any retransmission timer except TLP: 30 ms in FreeBSD, 200 ms in Linux
FAR_US = 500  # capture points closer than this are within one host or switch
MAX_CLOCK_SKEW_NS = 100_000_000  # between the clocks of two capture points
COPIED = 8  # if everything is captured twice, at least one of this many segments was a copy

IP_ID_NEAR = 4096
MAX_SHIFT = 14  # RFC 7323 section 2.3
LARGE_INDEX = 1 << 20

REORDER_FLOOR_NS = 3_000_000  # as in Wireshark
RST_SLACK_NS = 10_000_000  # added to the round trip that segments may be in flight after a RST
STORED_LATE_NS = 200_000_000  # below the time after which any stack resends acknowledged data
SENT_SINCE = 1024  # maximum number of packets between a segment and its retransmission

# The hash is unkeyed, so 4-tuples can be crafted to collide.  Ordinary probe sequences never get this long; at the end
# of one, the newest entry replaces another, whose 4-tuple is then unknown, though its row stays.
MAX_PROBES = 1024

AHEAD = 16  # records by which rows are prefetched before their segment is tracked; index slots twice as early
EARLY = 16  # segments of an end that decide if a midstream connection is captured twice
REUSE_NS = 120_000_000_000  # 2 MSL with the longest MSL in use; reports apply a shorter limit of their own
SEVERAL = 4  # connections that all lack what a filter on flags leaves out
MIN_ROWS = 16  # of a table, however small its limit
