"""What `hsi diff` found, in words that its renderers share."""

from __future__ import annotations

from handshake_inspect.render.units import durations, share
from handshake_inspect.report.difference import Difference, LegDifference, ServiceDifference


def verdict(difference: Difference) -> str:
    """How it went, in a few words."""
    count = len(difference.regressions)
    return "no regression" if not count else "1 regression" if count == 1 else f"{count} regressions"


def interesting(difference: Difference) -> list[ServiceDifference]:
    """The services of which there is something to tell."""
    return [each for each in difference.services if each.status != "same" or each.regressions or _moved(each)]


def _moved(service: ServiceDifference) -> bool:
    return any(leg.status in ("slower", "faster") for leg in service.rtt)


def failures(failed: int, tried: int) -> str:
    """`2 of 40 (5.0 %)`."""
    if not tried:
        return ""
    return f"{failed} of {tried}" + (f" ({share(failed, tried)})" if failed else "")


def rtt(service: ServiceDifference, micro: str = "µ") -> str:
    """How the connect RTT moved."""
    leg = next((each for each in service.rtt if each.leg == "total"), None)
    return shift(leg, micro) if leg is not None else ""


def shift(leg: LegDifference, micro: str = "µ") -> str:
    """`40.1 ms to 52.0 ms, slower`."""
    if leg.old.p50_ns is None or leg.new.p50_ns is None:
        return ""
    then, now = durations([leg.old.p50_ns, leg.new.p50_ns], micro)
    return f"{then} to {now}, {leg.status.replace('-', ' ')}"
