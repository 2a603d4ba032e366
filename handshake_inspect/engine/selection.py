"""Select connections by id, address or finding, and suggest near matches if there are none."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import numpy as np

from handshake_inspect.engine.logging_tracker import LoggingTracker
from handshake_inspect.errors import UsageError
from handshake_inspect.report.model import Connection, Report
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.wire.address import address_halves, halves_within

MAX_SUGGESTIONS = 3
MAX_MATCHES = 1000  # matching connections considered

_END = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<four>[0-9.]+)):(?P<port>[0-9]{1,5})")
_BETWEEN = re.compile(r"\s*(?:->|→|[-,>]|\s)\s*")

End = tuple[int, int, int]


@dataclass(frozen=True)
class ConnectionQuery:
    """A connection as the user named it; an empty query means the only connection."""

    text: str = ""
    number: int | None = None
    quic: bool = False  # `number` is the id of a QUIC connection
    ends: tuple[End, ...] = ()
    host: tuple[int, int] | None = None
    finding: str | None = None


def parse(text: str) -> ConnectionQuery:
    """Parse `7`, `q7` (QUIC), `client:port`, `client:port-server:port` or an address; raises UsageError otherwise.

    IPv6 addresses with a port are in brackets.
    """
    text = text.strip()
    if re.fullmatch(r"q[0-9]{1,18}", text, re.ASCII):
        return ConnectionQuery(text, number=int(text[1:]), quic=True)
    if re.fullmatch(r"#?[0-9]{1,18}", text, re.ASCII):
        return ConnectionQuery(text, number=int(text.lstrip("#")))
    with suppress(ValueError):
        return ConnectionQuery(text.strip("[]"), host=address_halves(str(ip_address(text.strip("[]")))))
    try:
        ends = tuple(_end(part) for part in _BETWEEN.split(text))
    except ValueError:
        ends = ()
    if not 1 <= len(ends) <= 2:
        raise UsageError(
            f"{text!r} is not a connection: give its id (q7 for QUIC), a host, an end as host:port or both as"
            " client:port-server:port ([v6]:port for IPv6)"
        )
    return ConnectionQuery(text, ends=ends)


def _end(text: str) -> End:
    match = _END.fullmatch(text)
    if match is None or int(match["port"]) > 0xFFFF:
        raise ValueError(text)
    return (*address_halves(match["six"] or match["four"]), int(match["port"]))


def log(tracker: LoggingTracker, query: ConnectionQuery) -> None:
    """Make the tracker log all connections that may match."""
    if query.quic:
        return
    if query.number is not None:
        tracker.log_id(query.number)
    elif query.ends:
        tracker.log_end(*query.ends[0])
        for end in query.ends[1:]:
            tracker.log_peer(*end)
    else:
        tracker.log_all()


def found(report: Report, trace: Attempts, query: ConnectionQuery) -> bool:
    """Return True if any TCP connection matches."""
    try:
        return bool(matches(report, trace, query))
    except UsageError:
        return False


def matches(report: Report, trace: Attempts, query: ConnectionQuery) -> list[int]:
    """Return the ids of all matching connections; raises UsageError with suggestions if there are none."""
    total = len(report.connections)
    if query.finding is not None:
        return _of_finding(report, trace, query.finding)
    if query.number is not None:
        if query.number < total:
            return [query.number]
        raise UsageError(f"no connection {query.number}: {_range(report)}")
    if query.ends:
        found = _between(trace, query.ends)
        if found:
            return found
        near = _suggestions(report, _near(trace, query.ends))
        raise UsageError(f"no connection {query.text}{near or _suggestions(report, _interesting(report), 'there are')}")
    if total == 1:
        return [0]
    raise UsageError(f"which connection? {_range(report)}{_suggestions(report, _interesting(report), 'for example')}")


def _range(report: Report) -> str:
    held = [*_held("", len(report.connections)), *_held("q", len(report.quic_connections))]
    return f"the capture holds {' and '.join(held)}" if held else "the capture has no TCP or QUIC connection"


def _held(sign: str, total: int) -> list[str]:
    """Return the range of ids as text; empty if there are none."""
    return [f"only connection {sign}0" if total == 1 else f"connections {sign}0 to {sign}{total - 1}"] if total else []


def quic_matches(report: Report, query: ConnectionQuery) -> list[int]:
    """Return the ids of matching QUIC connections; raises UsageError if a QUIC id is out of range."""
    quic = report.quic_connections
    if query.quic:
        assert query.number is not None  # noqa: S101
        if query.number < len(quic):
            return [query.number]
        raise UsageError(f"no connection {query.text}: {_range(report)}")
    if query.ends:
        pairs = ((each.id, (each.client, each.server)) for each in quic)
        return [i for i, pair in pairs if set(query.ends) <= {(*address_halves(end.ip), end.port) for end in pair}]
    if query.finding is not None:
        frames = {
            frame for finding in report.findings if finding.id == query.finding for frame in finding.evidence.frames
        }
        return [each.id for each in quic if each.first_frame in frames or frames & set(each.evidence)]
    return [0] if query == ConnectionQuery() and len(quic) == 1 and not len(report.connections) else []


def _is(trace: Attempts, end: End, far: bool) -> Any:
    part = trace.server if far else trace.client
    return (part("port") == end[2]) & (part("lo") == np.uint64(end[1])) & (part("hi") == np.uint64(end[0]))


def _between(trace: Attempts, ends: Sequence[End]) -> list[int]:
    """Return ids of the connections between two ends; for one end, those it opened, else those it accepted."""
    if len(ends) == 2:
        one, other = ends
        mask = _is(trace, one, False) & _is(trace, other, True) | _is(trace, other, False) & _is(trace, one, True)
    else:
        mask = _is(trace, ends[0], False)
        if not mask.any():
            mask = _is(trace, ends[0], True)
    return _ids(trace, mask)


def _ids(trace: Attempts, mask: Any) -> list[int]:
    ids: list[int] = np.sort(trace.ids[np.flatnonzero(mask)]).tolist()
    return ids


def _near(trace: Attempts, ends: Sequence[End]) -> list[int]:
    """Return ids of connections that share an end, else a host and a port, else a port, else a host."""
    port = np.zeros(len(trace), dtype=bool)
    host = port.copy()
    whole = port.copy()
    for end in ends:
        for far in (False, True):
            part = trace.server if far else trace.client
            whole |= _is(trace, end, far)
            port |= part("port") == end[2]
            host |= (part("lo") == np.uint64(end[1])) & (part("hi") == np.uint64(end[0]))
    for mask in (whole, host & port, port, host):
        if mask.any():
            return _ids(trace, mask)
    return []


def _interesting(report: Report) -> list[int]:
    troubled = [connection.id for connection in report.connections.trouble(MAX_SUGGESTIONS)]
    return troubled or list(range(min(MAX_SUGGESTIONS, len(report.connections))))


def _suggestions(report: Report, ids: Sequence[int], lead: str = "near it") -> str:
    if not ids:
        return ""
    named = ", ".join(name(report.connections[i]) for i in ids[:MAX_SUGGESTIONS])
    more = f" and {len(ids) - MAX_SUGGESTIONS} more" if len(ids) > MAX_SUGGESTIONS else ""
    return f"; {lead}: {named}{more}"


def name(connection: Connection) -> str:
    """Return a name that `parse` accepts in both forms: `7 (192.0.2.1:40000-192.0.2.2:80)`."""
    return f"{connection.id} ({connection.client}-{connection.server})"


def _of_finding(report: Report, trace: Attempts, wanted: str) -> list[int]:
    findings = [finding for finding in report.findings if finding.id == wanted]
    if not findings:
        there = ", ".join(dict.fromkeys(finding.id for finding in report.findings)) or "none"
        raise UsageError(f"no finding {wanted} in this capture; its findings: {there}")
    ids = [i for finding in findings for i in finding.evidence.connections]
    if not ids:
        first = trace.first_frame[trace.order]
        frames = sorted(frame for finding in findings for frame in finding.evidence.frames)
        ids = [int(i) for i in np.flatnonzero(np.isin(first, frames))]
    if not ids:
        ids = _of_targets(trace, [finding.target for finding in findings if finding.target is not None])
    if not ids:
        raise UsageError(f"finding {wanted} is not about a TCP connection")
    return list(dict.fromkeys(ids))


def _of_targets(trace: Attempts, targets: Sequence[Any]) -> list[int]:
    """Return ids of the connections to the targets of findings: services or hosts."""
    mask = np.zeros(len(trace), dtype=bool)
    for target in targets:
        hi, low, high = (np.uint64(half) for half in halves_within(target.ip))
        lo = trace.server("lo")
        host = (lo >= low) & (lo <= high) & (trace.server("hi") == hi)
        mask |= host if target.port is None else host & (trace.server("port") == target.port)
    return _ids(trace, mask)
