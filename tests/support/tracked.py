"""Rows that a tracker makes of frames: what no report shows."""

from handshake_inspect.decode import frame as decoder
from handshake_inspect.decode import payload, segment
from handshake_inspect.tcp.tracker import Tracker
from support import frames

MS = 1_000_000


def tracked(*built):
    """The table after these frames, a millisecond apart and numbered from 1."""
    records = segment.segments(len(built))
    for i, frame in enumerate(built):
        decoder.decode_bytes(frame, len(frame), frames.LINK_ETHERNET, records, i)
        records[i].ts_ns, records[i].frame = i * MS, i + 1
    tracker = Tracker(16)
    tracker.owners = payload.owners_of(records)
    tracker.track_all(segment.segments_of(records), len(built))
    return tracker.table


def ends_of(*built):
    """The rows of both ends of the one connection of these frames; side 0 sent the first."""
    table = tracked(*built)
    assert table.connection_count == 1
    return table.endpoint_rows[0], table.endpoint_rows[1]
