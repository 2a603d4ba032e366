"""Build the story of one connection from its segment log, of a whole capture or of a live one so far."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from handshake_inspect.about import version
from handshake_inspect.report import narrate
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.model import Capture, Finding, Target, Tool
from handshake_inspect.report.segment_log import SegmentLog
from handshake_inspect.report.snapshot import Snapshot
from handshake_inspect.report.story import Mark, Step, Story

FOREIGN_TTL = {"duplicate-copy", "bad-checksum"}  # marks of segments whose TTL may not be the sender's


def explain(
    connection: Connection, log: SegmentLog, capture: Capture, findings: Sequence[Finding], matches: Sequence[int] = ()
) -> Story:
    """Return the story of a connection with the findings that cite it.

    `matches` are the ids of all connections that matched the request; by default only this one.
    """
    listed = with_context(narrate.steps(log, connection), connection, findings)
    return Story(
        tool=Tool("hsi", version()),
        capture=capture,
        matches=list(matches) or [connection.id],
        connection=connection,
        segments=log.total,
        duration_ns=max(connection.last_ns, listed[-1].ts_ns) - connection.first_ns,
        steps=listed,
        evidence=narrate.evidence(connection, listed),
        findings=[finding for finding in findings if connection.id in finding.evidence.connections],
    )


def explain_now(snapshot: Snapshot, connection: Connection) -> Story | None:
    """Return the story of a live connection so far; None if none of its segments is in the log any more."""
    log = snapshot.logs.get(connection.id)
    if log is None or not log.logged:
        return None
    capture = Capture(
        [snapshot.interface], None, [], snapshot.frames, snapshot.tcp_segments,
        snapshot.at_ns - snapshot.elapsed_ns, snapshot.at_ns, snapshot.dropped, True, [],
    )  # fmt: skip
    return explain(connection, log, capture, snapshot.findings)


# -- marks that only other segments, or findings, justify: unusual TTLs and SYN cookies -------------------------------


def with_context(steps: Sequence[Step], connection: Connection, findings: Sequence[Finding]) -> list[Step]:
    """Return the steps with marks that only their context justifies."""
    odd = _strange_ttls(steps)
    if any(each.id == "rst-injection" and connection.id in each.evidence.connections for each in findings):
        odd = _ttls_of_resets(steps) | odd
    cookie = _cookie(connection, findings)
    return [_marked(step, odd.get(number), cookie) for number, step in enumerate(steps)]


def _marked(step: Step, odd: Mark | None, cookie: Mark | None) -> Step:
    if odd is not None:
        step = replace(step, anomalies=[*step.anomalies, odd])
    if cookie is not None and "S" in step.flags and "." in step.flags and step.icmp is None:
        step = replace(step, events=[*step.events, cookie])
    return step


def _strange_ttls(steps: Sequence[Step]) -> dict[int, Mark]:
    """Return, by step number, a mark for the first segment with each TTL that is unusual for its sender."""
    found = {}
    for who in ("client", "server"):
        own = [(number, step.ttl) for number, step in enumerate(steps) if step.sender == who and _is_original(step)]
        if not own:
            continue
        usual = Counter(ttl for _, ttl in own).most_common(1)[0][0]  # the first one seen on ties
        seen = {usual}
        for number, ttl in own:
            if ttl not in seen:
                seen.add(ttl)
                text = f"TTL {ttl}, where the {who}'s own is {usual}: another path, or another sender."
                found[number] = Mark("other-ttl", text)
    return found


def _ttls_of_resets(steps: Sequence[Step]) -> dict[int, Mark]:
    """Return, by step number, a mark with the TTL of each RST, for connections with a finding of forged ones."""
    return {
        number: Mark("rst-ttl", f"TTL {step.ttl}: compare it with other segments of the host.")
        for number, step in enumerate(steps)
        if "R" in step.flags and step.icmp is None
    }


def _is_original(step: Step) -> bool:
    return step.icmp is None and not FOREIGN_TTL & {mark.id for mark in step.anomalies}


def _cookie(connection: Connection, findings: Iterable[Finding]) -> Mark | None:
    """Return the mark for the SYN-ACK of a server that sends SYN cookies; cookies are never retransmitted."""
    server = Target(connection.server.ip, connection.server.port)
    about = [each for each in findings if each.id == "syn-cookies" and each.target == server]
    if not about or connection.handshake.synack_count != 1:
        return None
    if any(connection.id in each.evidence.connections for each in about):
        text = "A SYN cookie: the server keeps nothing of the SYN until the final ACK returns it."
    else:
        text = "Perhaps a SYN cookie: this server answers with them, and then keeps nothing of the SYN."
    return Mark("syn-cookie", text, "RFC 4987 section 3.6")
