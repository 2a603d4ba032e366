"""What the pump counted that is wrong with the capture, in words."""

from collections.abc import Iterator

from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import Problem
from handshake_inspect.wire.linktypes import link_type_name


def remarks(pump: Pump) -> Iterator[Problem]:
    """Each kind of trouble once, with the first frame that shows it."""
    tracker = pump.tracker
    if pump.cut_headers:
        message = (
            f"the snap length cut {_frames(pump.cut_headers)} inside the TCP or IP header; capture with -s 128 or more"
        )
        yield Problem("snap-length", message, pump.first_cut_header)
    if pump.cut_options:
        yield Problem("cut-options", f"TCP options are cut or malformed in {_frames(pump.cut_options)}")
    if pump.damaged_headers:
        message = f"header lengths cannot be in {_frames(pump.damaged_headers)}: left out"
        yield Problem("bad-header", message, pump.first_damaged_header)
    checksums = tracker.checksums
    if checksums.bad:
        message = f"wrong TCP checksum in {_frames(checksums.bad)}: damaged on the way, or left to the network card"
        yield Problem("bad-checksum", message, checksums.first_bad)
    if checksums.bad_ip:
        message = f"wrong IP header checksum in {_frames(checksums.bad_ip)}: damaged on the way"
        yield Problem("bad-ip-checksum", message, checksums.first_bad_ip)
    apart = pump.fragments - pump.reassembler.joined
    if apart > 0:
        verb = "is an IP fragment" if apart == 1 else "are IP fragments"
        message = f"{_frames(apart)} {verb} of TCP segments that are not whole: their bytes are not counted"
        yield Problem("fragments", message)
    if pump.backwards:
        message = (
            f"{_frames(pump.backwards)} older than the frame before: stored out of order, or the clock was set back"
        )
        yield Problem("clock-backwards", message, pump.first_backwards)
    for number, count in sorted(pump.unsupported.items()):
        message = f"{_frames(count)} of {link_type_name(number)} cannot be decoded; capture on another interface"
        yield Problem("unsupported-link-type", message)
    if tracker.table.evicted:
        message = f"{tracker.table.evicted} connections had to make room for newer ones; raise --max-connections"
        yield Problem("evicted", message)


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
