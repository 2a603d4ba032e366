"""The text story of a QUIC connection: a ladder of its datagrams, the verdict and the set-up."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_inspect.render.ladder import named, notes, titled, verdict
from handshake_inspect.render.layout import Style, labelled
from handshake_inspect.render.rungs import ROOMY, Note, Signs, arrow, icmp_arrow, mark_text, note_lines
from handshake_inspect.render.waterfall import waterfall
from handshake_inspect.report.headline import few_sources
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.quic_story import QuicStep, QuicStory
from handshake_inspect.wire.text import bounds, duration, gap, moment, offsets, plural, span

END = 6  # width of "client" and "server"
LONGEST_SHAFT = 56
WORDS = {
    "initial": "Initial", "0-rtt": "0-RTT", "handshake": "Handshake", "retry": "Retry", "1-rtt": "1-RTT",
    "version-negotiation": "Version Negotiation", "unknown": "?",
}  # fmt: skip
LOOKS = {"retry": "yellow", "version-negotiation": "yellow", "initial": "green"}
VERSIONS = {"0x00000001": "QUIC version 1", "0x6b3343cf": "QUIC version 2"}
EARLY = {"accepted": "early data accepted", "offered": "early data", None: ""}


def short(story: QuicStory, width: int, style: Style) -> Iterator[str]:
    """Yield the lines of the short story: both ends, the datagrams without their events, and the verdict."""
    c = story.connection
    head = f"{c.client} {style.arrow} {named(c.server)}"
    yield style.paint(f"QUIC CONNECTION q{c.id}", "bold") + f"  {style.clean(head)}"
    yield ""
    yield from QuicRungs(story, width, style, brief=True).lines()
    yield from verdict(c, width, style)
    yield from labelled("set-up", headline(c, style.micro), width, style)
    yield from _sent(c, width, style)


def page(story: QuicStory, width: int, style: Style) -> Iterator[str]:
    """Yield the lines of the whole story."""
    yield from _head(story, width, style)
    yield ""
    yield from QuicRungs(story, width, style).lines()
    yield from _verdict(story, width, style)
    yield from waterfall(story.connection.setup, headline(story.connection, style.micro), width, style)


def _head(story: QuicStory, width: int, style: Style) -> Iterator[str]:
    c = story.connection
    yield from titled(f"QUIC CONNECTION q{c.id}", c, width, style)
    yield from labelled("file", few_sources(story.capture), width, style)
    yield from labelled("client", str(c.client), width, style)
    yield from labelled("server", named(c.server), width, style)
    counted = f"{plural(story.datagrams, 'datagram')} in {span(story.duration_ns, style.micro)}"
    yield from labelled("began", f"{moment(c.first_ns)}, {counted}", width, style)
    yield from notes(story, width, style)


class QuicRungs:
    """Lays out all datagrams with the same columns."""

    def __init__(self, story: QuicStory, width: int, style: Style, *, brief: bool = False) -> None:
        """`brief` omits the events of datagrams, and keeps their anomalies."""
        self.brief = brief
        self.story, self.width, self.style, self.signs = story, width, style, Signs(style)
        steps = story.steps
        length = max((abs(step.since_first_ns) for step in steps), default=0)
        self.times = [time.removesuffix(" s") for time in offsets([step.since_first_ns for step in steps], length)]
        self.gaps = ["", *(gap(step.since_previous_ns, style.micro) for step in steps[1:])]
        self.time = max(map(len, [*self.times, "seconds"]))
        self.gap = max(map(len, [*self.gaps, "gap"]))
        self.frame = max(len("frame"), *(len(str(step.frame)) for step in steps))
        room = width - self.time - self.gap - self.frame - 2 * 2 - 1 - 2 * (END + 1)
        self.shaft = min(max(room, 24), LONGEST_SHAFT)

    def lines(self) -> Iterator[str]:
        """Yield the heading, every datagram with its notes, and the number of unlisted ones."""
        style = self.style
        yield style.paint("DATAGRAMS", "bold") + "  as far as headers show; what is in them is encrypted"
        head = f"{'seconds':>{self.time}}  {'gap':>{self.gap}}  {'frame':>{self.frame}} client "
        yield style.paint(head + " " * (self.shaft + 1) + "server", "dim")
        for number, step in enumerate(self.story.steps):
            yield self._rung(number, step)
            for note in self.notes(step):
                yield from note_lines(note, self.width, style)
        if (rest := self.rest()) is not None:
            yield from note_lines(rest, self.width, style)

    def notes(self, step: QuicStep) -> Iterator[Note]:
        """Yield events and anomalies of a datagram."""
        for mark in () if self.brief else step.events:
            yield Note(self.signs.event, mark_text(mark, self.style, self.signs, cited=self.width >= ROOMY))
        for mark in step.anomalies:
            text = mark_text(mark, self.style, self.signs, cited=True)
            yield Note(self.signs.anomaly, text, ("bold", "red"), whole=False)

    def rest(self) -> Note | None:
        """Return a note about unlisted datagrams, or None."""
        more = self.story.datagrams - sum(step.icmp is None for step in self.story.steps)
        return Note(self.signs.skipped, f"{plural(more, 'datagram')} not listed", ("dim",)) if more > 0 else None

    def _rung(self, number: int, step: QuicStep) -> str:
        left = f"{self.style.paint(self.times[number].rjust(self.time), 'dim')}  {self.gaps[number]:>{self.gap}}  "
        return f"{left}{step.frame:>{self.frame}} {' ' * END} {self._arrow(step)}"

    def _arrow(self, step: QuicStep) -> str:
        style = self.style
        if step.icmp is not None:
            return icmp_arrow(step.icmp, step.sender, self.shaft, self.signs, style)
        kinds = ", ".join(WORDS[each] for each in step.packets)
        rest = f"+{step.length:,}"
        kinds = style.shorten(kinds, self.shaft - len(rest) - 7)
        text = f"{style.paint(kinds, 'bold', LOOKS.get(step.packets[0] if step.packets else '', 'bold'))} {rest}"
        return arrow(text, len(kinds) + 1 + len(rest), step.sender, self.shaft, self.signs)


def _verdict(story: QuicStory, width: int, style: Style) -> Iterator[str]:
    c = story.connection
    yield from verdict(c, width, style)
    yield ""
    yield from labelled("evidence", _frames(c.evidence), width, style)
    for number, text in enumerate(round_trips(c, style.micro)):
        yield from labelled("" if number else "RTT", text, width, style)
    yield from _sent(c, width, style)
    if c.moved:
        yield from labelled("moved", f"the client changed its address {plural(c.moved, 'time')}", width, style)
    if c.raced_by is not None:
        text = f"connection {c.raced_by} over TCP tried the same server: `hsi explain FILE {c.raced_by}`"
        yield from labelled("raced", text, width, style)
    for finding in story.findings:
        yield from labelled("finding", f"{finding.severity} {finding.id}: {finding.title}", width, style, "bold")
        yield from labelled("", finding.advice, width, style)


def _sent(c: QuicConnection, width: int, style: Style) -> Iterator[str]:
    for who, way in (("client", c.client_to_server), ("server", c.server_to_client)):
        yield from labelled(who, f"sent {plural(way.frames, 'datagram')}, {plural(way.bytes, 'byte')}", width, style)


def _frames(frames: list[int]) -> str:
    return ("frame " if len(frames) == 1 else "frames ") + ", ".join(map(str, frames))


def round_trips(c: QuicConnection, micro: str) -> Iterator[str]:
    """Yield a line per known round trip."""
    for whose, leg in (("to the server", c.rtt.initial), ("to the client", c.rtt.client)):
        if leg.max_ns is not None:
            yield f"{whose}, and its computing: {bounds(leg.value_ns, leg.min_ns, leg.max_ns, micro)}"
    if c.spin_rtt is not None:
        yield f"by the spin bit, and what the ends waited: {duration(c.spin_rtt, micro)}"


def headline(c: QuicConnection, micro: str) -> str:
    """Return version, server and upper bound of the RTT: `QUIC version 1, to lab.test`."""
    words = [VERSIONS.get(c.version, f"QUIC {c.version}"), EARLY[c.early_data]]
    words.append("after Version Negotiation" if c.version_negotiation else "")
    words.append("after Retry" if c.retry else "")
    words.append(f"to {c.server_name}" if c.server_name else "")
    text = ", ".join(filter(None, words))
    most = c.rtt.initial.max_ns
    return text if most is None else f"{text}; first answer after {duration(most, micro)}"
