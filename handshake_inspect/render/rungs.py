"""The rungs of a text ladder: one segment each, between the states of client and server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from handshake_inspect.render.layout import Style, paragraph
from handshake_inspect.report.story import Elided, Mark, RttMark, SegmentOptions, Step, Story
from handshake_inspect.wire.const import MASK32
from handshake_inspect.wire.text import bounds, gap, offsets, plural

STATE = 12  # width of the longest state
NOTES = 22  # indent of the notes under a rung
OPTIONS = 34  # width of the options beside a rung, on wide terminals
WIDE = 124
ROOMY = 100  # width from which events include their references
NARROWEST = 72
SHORTEST_SHAFT, LONGEST_SHAFT = 18, 56
LETTERS = {
    "S": "SYN", "F": "FIN", "R": "RST", "P": "PSH", ".": "ACK", "U": "URG", "E": "ECE", "W": "CWR", "e": "AE",
}  # fmt: skip

SILENT_END = "No segment says so: a timer must have run out, or the addresses have a newer connection."
HALVES = {
    "synack": "first half, to the server and back",
    "ackdat": "second half, to the client and back",
    "total": "both halves, the connect RTT",
}


class Note(NamedTuple):
    """A note under a rung, after its symbol; `whole` also colours the text."""

    sign: str
    text: str
    looks: tuple[str, ...] = ()
    whole: bool = True


class Signs:
    """The symbols of arrows and marks, in Unicode or ASCII."""

    def __init__(self, style: Style) -> None:
        unicode = style.arrow == "→"
        self.shaft, self.left, self.right = ("─", "◀", "▶") if unicode else ("-", "<", ">")
        self.dotted, self.cross, self.skipped = ("╌", "✕", "⋮") if unicode else (".", "x", ":")
        self.event, self.rtt, self.anomaly = ("•", "↔", "▲") if unicode else ("*", "=", "!")
        self.section = " §" if unicode else " sec. "


def arrow(text: str, length: int, sender: str, room: int, signs: Signs) -> str:
    """Return `text` on an arrow to the other end; `length` is its visible width, `room` that of the whole arrow."""
    shaft = signs.shaft * (room - length - 5)
    if sender == "client":
        return f"{signs.shaft * 2} {text} {shaft}{signs.right}"
    return f"{signs.left}{shaft} {text} {signs.shaft * 2}"


def icmp_arrow(cause: str, sender: str, room: int, signs: Signs, style: Style) -> str:
    """Return an ICMP error on an arrow back to the sender of the quoted segment."""
    text = style.shorten(f"ICMP {cause}", room - 6)
    shaft = signs.dotted * (room - len(text) - 6)
    shown = style.paint(text, "bold", "red")
    if sender == "client":
        return f"{signs.left}{signs.dotted}{shaft} {shown} {signs.dotted}{signs.cross}"
    return f"{signs.cross}{signs.dotted} {shown} {shaft}{signs.dotted}{signs.right}"


def mark_text(mark: Mark, style: Style, signs: Signs, *, cited: bool) -> str:
    """Return the text of a mark, with its reference if `cited`."""
    text = style.clean(mark.text)
    if cited and mark.reference:
        # Prevent line breaks within the reference.
        where = mark.reference.replace(" section ", signs.section).replace(" ", "\N{NO-BREAK SPACE}")
        return f"{text} ({where})"
    return text


def note_lines(note: Note, width: int, style: Style) -> Iterator[str]:
    """Yield the lines of a note, wrapped and aligned with its symbol."""
    indent = NOTES if width >= NARROWEST else NOTES // 2
    for number, line in enumerate(paragraph(note.text, width, " " * (indent + 2))):
        shown = line.strip(" ")
        words = style.paint(shown, *note.looks) if note.whole else shown
        yield " " * indent + style.paint(note.sign if number == 0 else " ", *note.looks) + " " + words


class Rungs:
    """Lays out all steps of a story in common columns."""

    def __init__(
        self,
        story: Story,
        width: int,
        style: Style,
        *,
        end: str = "the capture ends",
        brief: bool = False,
        absolute: bool = False,
    ) -> None:
        """`end` is the text of the last rung.

        `brief` leaves out what is unremarkable; `absolute` shows sequence numbers as on the wire.
        """
        self.story = story
        self.brief, self.absolute = brief, absolute
        self.is_believed = _is_believed(story)
        self.state = STATE + (2 if self.is_believed and story.connection.handshake.synack_count else 0)
        self.last = f" {end} "
        self.width = width
        self.style = style
        self.signs = Signs(style)
        steps = story.steps
        length = max((abs(step.since_first_ns) for step in steps), default=0)
        self.end_ns = max((story.capture.last_ns or 0) - story.connection.first_ns, 0)
        times = offsets([*(step.since_first_ns for step in steps), self.end_ns], max(length, self.end_ns))
        self.times = [time.removesuffix(" s") for time in times]
        self.deltas = ["", *(gap(step.since_previous_ns, style.micro) for step in steps[1:])]
        last = steps[-1].since_first_ns if steps else 0
        self.end_gap = gap(max(self.end_ns - last, 0), style.micro)
        self.time = max(map(len, [*self.times, "seconds"]))
        self.delta = max(map(len, [*self.deltas, self.end_gap]))
        self.frame = max(len("frame"), *(len(str(step.frame)) for step in steps))
        self.wide = width >= WIDE
        room = width - self.state - 1 - 1 - STATE - (2 + OPTIONS if self.wide else 0)
        self.has_gaps = self.time + self.delta + self.frame + 2 * 2 + 1 <= room - SHORTEST_SHAFT
        self.shaft = min(max(room - len(self._left("", "", "")), SHORTEST_SHAFT), LONGEST_SHAFT)
        self.labels = _labels(steps, self.shaft - 6, absolute=absolute)
        self.offered: dict[str, list[str]] = {}  # options of the last SYN, by sender

    def _left(self, time: str, gap: str, frame: str) -> str:
        """Return the columns before a rung; the gap is left out on narrow terminals."""
        columns = [time.rjust(self.time), gap.rjust(self.delta), frame.rjust(self.frame) + " "]
        return "  ".join(columns if self.has_gaps else columns[::2])

    def _time(self, number: int) -> str:
        return self.style.paint(self.times[number].rjust(self.time), "dim")

    def lines(self) -> Iterator[str]:
        """Yield the heading, every rung with its notes, unlisted segments, and the end of the capture."""
        yield from self._heading()
        before: Step | None = None
        for number, step in enumerate(self.story.steps):
            if step.elided_before is not None:
                yield from self._note(self.elision(step.elided_before))
            yield self._rung(number, step, before)
            for note in self.notes(step):
                yield from self._note(note)
            before = step
        if (rest := self.rest()) is not None:
            yield from self._note(rest)
        yield from self._end(before)
        if not self.brief:
            yield ""
            yield from self._legend()

    def _heading(self) -> Iterator[str]:
        style = self.style
        yield style.paint("SEGMENTS", "bold") + "  with the state of each end after them (RFC 9293)"
        ends = f"{'client'.rjust(self.state)} {' ' * self.shaft} server"
        head = self._left("seconds", "gap", "frame") + ends
        yield style.paint(head + (" " * (STATE - 4) + "options" if self.wide else ""), "dim")

    def _rung(self, number: int, step: Step, before: Step | None) -> str:
        style = self.style
        left = self._left(self._time(number), self.deltas[number], str(step.frame))
        was = before.state if before is not None else None
        client = self._client(step.state.client, changed=was is None or was.client != step.state.client)
        server = self._state(step.state.server.ljust(STATE), changed=was is None or was.server != step.state.server)
        line = f"{left}{client} {self._arrow(number, step)} {server}"
        if self.wide:
            line += "  " + style.paint(
                style.shorten(", ".join(_options(self._numbered(step), terse=True)), OPTIONS), "dim"
            )
        return line.rstrip()

    def client_state(self, state: str) -> str:
        """Return a state of the client, in parentheses if nothing that it sent confirms the state."""
        return f"({state})" if self.is_believed and state == "ESTABLISHED" else state

    def _client(self, state: str, *, changed: bool) -> str:
        return self._state(self.client_state(state).rjust(self.state), changed=changed)

    def _state(self, padded: str, *, changed: bool) -> str:
        name = padded.strip()
        return padded.replace(name, self.style.paint(name, "bold" if changed else "dim"))

    def _arrow(self, number: int, step: Step) -> str:
        if step.icmp is not None:
            return icmp_arrow(step.icmp.cause, step.sender, self.shaft, self.signs, self.style)
        label = self.labels[number]
        looks = ("bold", "red") if "R" in step.flags else ("bold", "green") if "S" in step.flags else ("bold",)
        flags, _, rest = label.partition(" ")
        text = self.style.paint(flags, *looks) + (f" {rest}" if rest else "")
        return arrow(text, len(label), step.sender, self.shaft, self.signs)

    def notes(self, step: Step) -> Iterator[Note]:
        """Yield events, options, round trips and anomalies of a segment."""
        signs = self.signs
        if not self.brief:
            for mark in step.events:
                yield Note(signs.event, self._text_of(mark, cited=self.width >= ROOMY))
            yield from self._offer(step)
        for measured in step.rtt:
            yield Note(signs.rtt, self._round_trip(measured), ("cyan",), whole=False)
        for mark in step.anomalies:
            yield Note(signs.anomaly, self._text_of(mark, cited=True), ("bold", "red"), whole=False)

    def _offer(self, step: Step) -> Iterator[Note]:
        """Yield the options of a SYN or SYN-ACK, unless repeated, and SACK blocks."""
        options = [] if self.wide else _options(self._numbered(step), terse=False)
        if "S" in step.flags and step.icmp is None:
            offer = [f"ISN {step.raw_seq}", *options, *([] if options or self.wide else ["no options"])]
            if self.offered.get(step.sender) != offer:
                self.offered[step.sender] = offer
                yield Note(" ", ", ".join(offer), ("dim",))
        elif step.options.sack and not self.wide:
            yield Note(" ", options[-1], ("dim",))

    def _numbered(self, step: Step) -> SegmentOptions:
        """Return the options, with SACK blocks absolute or relative like the numbers on the arrow."""
        sack, ack, raw = step.options.sack, step.ack, step.raw_ack
        if not self.absolute or not sack or ack is None or raw is None:
            return step.options
        return replace(step.options, sack=[(edge - ack + raw) & MASK32 for edge in sack])

    def _round_trip(self, mark: RttMark) -> str:
        """Return a leg with its value or bounds."""
        since = f", since frame {mark.since_frame}" if mark.since_frame and self.width >= ROOMY else ""
        leg = mark.measured
        took = bounds(leg.value_ns, leg.min_ns, leg.max_ns, self.style.micro)
        return f"RTT {HALVES[mark.leg]}: {took} ({leg.method}{since})"

    def _text_of(self, mark: Mark, *, cited: bool) -> str:
        return mark_text(mark, self.style, self.signs, cited=cited)

    def _note(self, note: Note) -> Iterator[str]:
        return note_lines(note, self.width, self.style)

    def elision(self, gone: Elided) -> Note:
        """Return a note about unlisted segments before a listed one."""
        parts = [plural(gone.segments, "segment") + " not listed"]
        for name, size in (("client", gone.client_bytes), ("server", gone.server_bytes)):
            if size > 0:
                parts.append(f"{plural(size, 'byte')} of the {name}")
        return Note(self.signs.skipped, ", ".join(parts), ("dim",))

    def rest(self) -> Note | None:
        """Return a note about unlisted segments after the last one, or None."""
        listed = sum(1 + (step.elided_before.segments if step.elided_before else 0) for step in self.story.steps)
        left = self.story.segments - listed
        return Note(self.signs.skipped, f"{plural(left, 'segment')} not listed", ("dim",)) if left > 0 else None

    def _end(self, last: Step | None) -> Iterator[str]:
        """Yield the final states of both ends, which a timer may have changed after the last segment."""
        state = self.story.connection.state
        shaft = self.last.center(self.shaft, self.signs.dotted)
        left = self._left(self._time(-1), self.end_gap, "")
        was = last.state if last is not None else None
        client = self._client(state.client, changed=was is None or was.client != state.client)
        server = self._state(state.server.ljust(STATE), changed=was is None or was.server != state.server)
        yield f"{left}{client} {self.style.paint(shaft, 'dim')} {server}".rstrip()
        if was is not None and was != state:
            yield from self._note(Note(self.signs.event, SILENT_END))

    def _legend(self) -> Iterator[str]:
        seen = {letter for step in self.story.steps for letter in step.flags if letter in LETTERS}
        flags = ", ".join(f"{letter} {word}" for letter, word in LETTERS.items() if letter in seen)
        terse = any(" +" in label for label in self.labels)
        sentences = [
            f"Flags: {flags}.",
            _COUNTED[self.absolute] + (", +5 is 5 bytes of data." if terse else "."),
            f"{self.signs.event} event, {self.signs.rtt} round trip, {self.signs.anomaly} anomaly.",
        ]
        if self.is_believed and any(step.state.client == "ESTABLISHED" for step in self.story.steps):
            sentences.append("(ESTABLISHED) if the SYN-ACK arrived: nothing that the client sent shows it.")
        if self.story.steps and self.story.steps[0].state.server == "CLOSED":
            sentences.append("An end that has sent nothing yet is shown as CLOSED, even if it is listening.")
        for line in paragraph(" ".join(sentences), self.width, "  "):
            yield self.style.paint(line, "dim")


_COUNTED = {False: "Numbers count from the first of each end", True: "Numbers are those on the wire"}


def _is_believed(story: Story) -> bool:
    """Whether the client never acknowledged a SYN-ACK, so that its state is only presumed."""
    acked = (step.sender == "client" and "." in step.flags and "R" not in step.flags for step in story.steps)
    return story.connection.roles == "observed" and story.connection.handshake.ack_frame is None and not any(acked)


def _options(options: SegmentOptions, *, terse: bool) -> list[str]:
    """Return the relevant options in words or, if `terse`, in tcpdump's notation."""
    words = []
    if options.mss is not None:
        words.append(f"mss {options.mss}")
    if options.window_scale is not None:
        words.append(f"wscale {options.window_scale}" if terse else f"window scale {options.window_scale}")
    if options.sack_permitted:
        words.append("sackOK" if terse else "SACK permitted")
    if options.tsval is not None and not terse:
        words.append("timestamps")
    elif options.tsval is not None:
        words.append(f"ts {options.tsval}/{options.tsecr}" if options.mss is None else "ts")
    if options.tfo:
        words.append("Fast Open cookie" if options.tfo_cookie else "Fast Open")
    if options.mptcp:
        words.append("MPTCP")
    if options.ecn:
        words.append("ECN")
    if options.signed:
        words.append("signed")
    if options.sack_permitted is None:
        words.append("options cut")
    if options.sack:
        words.append(f"SACK {options.sack[0]}:{options.sack[1]}")
    return words


def _labels(steps: Sequence[Step], room: int, *, absolute: bool) -> list[str]:
    """Return the labels of all arrows, in the longest form that fits all, so that they are comparable."""
    forms = [[_label(step, form, absolute=absolute) for step in steps] for form in range(4)]
    fitting = (labels for labels in forms if max(map(len, labels), default=0) <= room)
    return next(fitting, [_cut(label, room) for label in forms[-1]])


def _cut(label: str, room: int) -> str:
    """Shorten a label to whole words, because a truncated number would be misleading."""
    while len(label) > room and " " in label:
        label = label.rpartition(" ")[0]
    return label[:room]


def _label(step: Step, form: int, *, absolute: bool) -> str:
    """Return flags and numbers: with window (0), without (1), abbreviated (2), or only the relevant number (3)."""
    seq = _number(step.seq, step.raw_seq, absolute=absolute)
    ack = "" if step.raw_ack is None else f" ack {_number(step.ack, step.raw_ack, absolute=absolute)}"
    if form == 0:
        return f"{_label(step, 1, absolute=absolute)} win {step.window}"
    if form == 1:
        return f"[{step.flags}] seq {seq}{ack}" + (f" len {step.length}" if step.length else "")
    length = f" +{step.length}" if step.length else ""
    if form == 2:
        return f"[{step.flags}] {seq}{length}{ack}"
    return f"[{step.flags}] {seq}{length}" if length or not ack else f"[{step.flags}]{ack}"


def _number(relative: int | None, raw: int, *, absolute: bool) -> str:
    if absolute:
        return str(raw)
    return f"raw {raw}" if relative is None else str(relative)
