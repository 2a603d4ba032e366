"""The text output of `hsi explain`: a ladder of segments, then the verdict with its evidence."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_inspect.render import Options
from handshake_inspect.render.layout import INDENT, LABEL, LOOKS, Style, labelled, paragraph
from handshake_inspect.render.rungs import Rungs
from handshake_inspect.render.waterfall import waterfall
from handshake_inspect.render.words import direction_words, ending_words
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.connection_parts import Server
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Story
from handshake_inspect.report.waterfall import headline
from handshake_inspect.wire.text import bounds, duration, listing, moment, plural, printable, span

OTHERS_SHOWN = 6
PROBLEMS_SHOWN = 3
METHODS = {
    "exact": "sent once, so exact",
    "tsecr": "sent again, but the echoed timestamp proves which copy was answered",
    "ambiguous": "sent again, and nothing shows which copy was answered",
    "data-ack": "the final ACK is missing, a later segment stood in for it: at most this",
    "one-sided": "one direction is missing: only the sum can be known",
}
REASONS = {
    "refused": "refused", "rejected": "rejected", "no-answer": "no answer", "no-final-ack": "no final ACK",
    "aborted": "aborted", "midstream": "the opening is not in the capture", "reordered": "stored out of order",
    "simultaneous-open": "both ends opened", "one-sided": "one direction is missing", "no-syn": "no SYN in the capture",
    "not-captured": "not in the capture", "unsolicited": "no SYN in the capture",
}  # fmt: skip


def short(story: Story, options: Options, style: Style) -> Iterator[str]:
    """Yield the short form: endpoints, the ladder without unremarkable segments, and a one-sentence verdict."""
    c, width = story.connection, options.width
    head = f"{c.client} {style.arrow} {named(c.server)}"
    yield style.paint(f"CONNECTION {c.id}", "bold") + f"  {style.clean(head)}"
    yield ""
    yield from Rungs(story, width, style, brief=True, absolute=options.absolute).lines()
    yield from verdict(c, width, style)
    if c.tls is not None and c.tls.outcome == "failed":  # the ladder leaves out alerts as unremarkable
        yield from labelled("set-up", headline(c, style.micro), width, style)
    yield from labelled("client", direction_words(c.client_to_server), width, style)
    yield from labelled("server", direction_words(c.server_to_client), width, style)


def page(story: Story, options: Options, style: Style) -> Iterator[str]:
    """Yield the full form."""
    width = options.width
    yield from _head(story, width, style)
    yield ""
    yield from Rungs(story, width, style, absolute=options.absolute).lines()
    yield from _verdict(story, width, style)
    yield from waterfall(story.connection.setup, headline(story.connection, style.micro), width, style)


def _head(story: Story, width: int, style: Style) -> Iterator[str]:
    c = story.connection
    yield from titled(f"CONNECTION {c.id}", c, width, style)
    room = width - len(INDENT) - LABEL
    names = [
        "standard input" if source == "-" else style.elide(printable(source), room) for source in story.capture.sources
    ]
    if c.first_file is None:
        yield from labelled("file", ", ".join(names), width, style)
    else:
        where = f"{style.elide(printable(c.first_file), room)}, from frame {c.frame_in_file} on, of {len(names)} files"
        yield from labelled("file", where, width, style)
    inferred = "" if c.roles == "observed" else " (no SYN in the capture: who opened is a guess)"
    yield from labelled("client", str(c.client) + inferred, width, style)
    yield from labelled("server", named(c.server), width, style)
    if c.translated_to is not None:
        behind = f"{c.translated_to.client} {style.arrow} {c.translated_to.server}"
        yield from labelled("NAT", f"captured once more as {behind}", width, style)
    lasting = span(story.duration_ns, style.micro)
    listed = "" if len(story.steps) == story.segments else f", {len(story.steps):,} of them listed"
    counted = f"{plural(story.segments, 'segment')} in {lasting}{listed}"
    yield from labelled("began", f"{moment(c.first_ns)}, {counted}", width, style)
    yield from notes(story, width, style)


def notes(story: Story | QuicStory, width: int, style: Style) -> Iterator[str]:
    """Yield other connections that matched the request, and problems of the capture."""
    others = [number for number in story.matches if number != story.connection.id]
    if others:
        more = f" and {len(others) - OTHERS_SHOWN} more" if len(others) > OTHERS_SHOWN else ""
        sign = "q" if isinstance(story, QuicStory) else ""
        which = ", ".join(f"{sign}{number}" for number in others[:OTHERS_SHOWN]) + more
        text = f"{plural(len(others), 'other connection')} match too; choose one by its id: {which}"
        yield from labelled("note", text, width, style, "bold")
    for problem in story.capture.problems[:PROBLEMS_SHOWN]:
        yield from labelled("problem", problem.message, width, style, "bold")


def named(server: Server) -> str:
    """Return a server with its name, or all its possible names."""
    name = server.name or " or ".join(server.names or ())
    return f"{server} ({name})" if name else str(server)


def titled(title: str, c: Connection | QuicConnection, width: int, style: Style) -> Iterator[str]:
    """Yield a title with coloured outcome and cause, and a note if undecided."""
    words = c.outcome if c.cause is None else f"{c.outcome}, {c.cause}"
    doubt = "" if c.decided else "undecided: the capture ends too soon"
    beside = f" ({doubt})" if doubt and len(f"{title}  {words} ({doubt})") <= width else ""
    yield style.paint(title, "bold") + "  " + style.paint(words, LOOKS.get(c.outcome, "dim")) + beside
    if doubt and not beside:
        yield from paragraph(doubt, width, INDENT)


def verdict(c: Connection | QuicConnection, width: int, style: Style) -> Iterator[str]:
    """Yield the outcome and its reason."""
    yield ""
    yield from titled("VERDICT", c, width, style)
    yield from paragraph(style.clean(c.why), width, INDENT)


# --- the verdict ------------------------------------------------------------------------------------------------------


def _verdict(story: Story, width: int, style: Style) -> Iterator[str]:
    c = story.connection
    yield from verdict(c, width, style)
    yield ""
    for number, text in enumerate(_evidence(story)):
        yield from labelled("evidence" if number == 0 else "", text, width, style)
    yield from _rtt(c, width, style)
    yield from labelled("ended", ending_words(c), width, style)
    yield from labelled("states", f"client {c.state.client}, server {c.state.server}", width, style)
    yield from labelled("client", direction_words(c.client_to_server), width, style)
    yield from labelled("server", direction_words(c.server_to_client), width, style)
    for finding in story.findings:
        yield from labelled("finding", f"{finding.severity} {finding.id}: {finding.title}", width, style, "bold")
        yield from labelled("", finding.advice, width, style)
    yield from labelled("elsewhere", _aliases(c), width, style)


def _evidence(story: Story) -> Iterator[str]:
    """Yield the evidence; frames that the ladder shows are given only by number."""
    listed = {step.frame for step in story.steps}
    above = [str(proof.frame) for proof in story.evidence if proof.frame in listed]
    if above:
        yield f"{'frame' if len(above) == 1 else 'frames'} {listing(above)}"
    yield from (f"frame {proof.frame}: {proof.text}" for proof in story.evidence if proof.frame not in listed)


def _rtt(c: Connection, width: int, style: Style) -> Iterator[str]:
    if c.rtt.reject_ns is not None:
        text = duration(c.rtt.reject_ns, style.micro)
        yield from labelled("RTT", f"none: refused or rejected after {text}, which is no RTT", width, style)
        return
    legs = {"to the server": c.rtt.synack, "to the client": c.rtt.ackdat, "connect": c.rtt.total}
    known = {name: leg for name, leg in legs.items() if leg.max_ns is not None}
    if not known:
        reason = c.rtt.total.reason or ""
        yield from labelled("RTT", f"not measured: {REASONS.get(reason, reason)}", width, style)
    for number, (name, leg) in enumerate(known.items()):
        text = (
            f"{name} {bounds(leg.value_ns, leg.min_ns, leg.max_ns, style.micro)}: {METHODS.get(leg.method, leg.method)}"
        )
        yield from labelled("" if number else "RTT", text, width, style)


def _aliases(c: Connection) -> str:
    parts: list[str] = []
    if c.aliases.zeek is not None:
        parts.append(f"Zeek conn_state {c.aliases.zeek.conn_state}, history {c.aliases.zeek.history}".rstrip())
    if c.aliases.tshark is not None:
        parts.append(f"Wireshark tcp.stream eq {c.aliases.tshark.stream}")
    if c.aliases.community_id is not None:
        parts.append(f"Community ID {c.aliases.community_id}")
    return "; ".join(parts)
