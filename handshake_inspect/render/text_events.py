"""Text events of a live run: a line per connection with a verdict, like an access log, or per notable segment.

On a terminal, lines of segments are wrapped to its width; elsewhere each segment is a single line, for `grep` and
files.  Times are UTC, as in reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.layout import LOOKS, Style, paragraph
from handshake_inspect.render.rungs import Signs
from handshake_inspect.report.event import Phase
from handshake_inspect.report.model import Connection, Connections, Finding, Report
from handshake_inspect.report.packet import Packet
from handshake_inspect.report.process import Process, owner_text
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.snapshot import Snapshot
from handshake_inspect.report.story import RttMark, Step
from handshake_inspect.wire.text import bounds, duration, gap, moment, plural

_REMEMBERED = 1 << 16  # limit for connections written while still open
_CLOCK = slice(11, 26)  # the time without the date, in microseconds
_GAP = 9
_TIMES = 15 + 1 + _GAP + 2  # columns before the addresses
_LEAST_END = 12  # columns of an address and its port
_STATE = 13  # columns of the longest state in brackets
_NUMBERS = 25  # those of a SYN-ACK
_LEAST_NOTES = 36  # columns: with less room than that beside the rest, notes have lines of their own
_INDENT = " " * 17
_ROUND_TRIPS = {"synack": "to the server and back:", "ackdat": "to the client and back:", "total": "open after"}


Notes = Sequence[tuple[str, tuple[str, ...]]]  # texts, and how they look


class EventWriter:
    """Writes connections with a verdict, or segments, of a live run as lines."""

    wants_picture = False
    wants_single = False

    def __init__(self, out: BinaryIO, options: Options) -> None:
        """Write segments if `options.packets`, else connections."""
        self.wants_packets = options.packets
        self.wants_connections = not options.packets
        self._out = out
        self._style = Style(color=options.color, encoding=options.encoding)
        self._encoding = options.encoding
        self._passing = _Passing(options.width, self._style)
        self._quic: set[int] = set()  # ids that were written: as many as a run tracks at most
        self._open: dict[int, str] = {}  # outcomes by ids: written, and not ended yet

    def connections(self, connections: Connections) -> None:
        """Write a line for each connection with a verdict, but no second one when it ends."""
        self._write(_connection(each, self._style) for each in connections if self._is_news(each))

    def quic_connections(self, connections: Sequence[QuicConnection]) -> None:
        """Write a line for each QUIC connection with a verdict."""
        news = (each for each in connections if each.decided and each.id not in self._quic)
        self._write(_quic_connection(each, self._style) for each in news)
        self._quic.update(each.id for each in connections if each.decided)

    def packets(self, packets: Sequence[Packet], skipped: int) -> None:
        """Write segments, and the number of segments skipped before them."""
        if skipped:
            text = f"{plural(skipped, 'segment')} not shown: more came than could be written"
            self._write([self._style.paint(text, "bold", "red")])
        self._write(line for each in packets for line in self._passing.lines(each))

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Do nothing: findings are in the report."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Do nothing: counters are in the report."""

    def ending(self, report: Report) -> None:
        """Do nothing: the report follows."""

    def _is_news(self, connection: Connection) -> bool:
        if not connection.decided:
            return False  # still undecided at the end of the capture: the report has these
        before = self._open.pop(connection.id, None)
        if connection.close.how == "open":
            self._open[connection.id] = connection.outcome
            if len(self._open) > _REMEMBERED:
                self._open.pop(next(iter(self._open)))
        return before != connection.outcome

    def _write(self, lines: Sequence[str] | Iterator[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if text:
            self._out.write(text.encode(self._encoding, "backslashreplace"))
            self._out.flush()


# --- connections ------------------------------------------------------------------------------------------------------


def _connection(c: Connection, style: Style) -> str:
    """Return the line of a connection: time, outcome, endpoints, RTT, ending, bytes, and reason if informative."""
    return _line(c, "", ", ".join(_facts(c, style)), style)


def _quic_connection(c: QuicConnection, style: Style) -> str:
    """Return the line of a QUIC connection: time, outcome, endpoints and reason."""
    why = f"{c.cause}: {c.why}" if c.cause else c.why
    return _line(c, "QUIC ", f"{why} {_amounts(c)}", style)


def _line(c: Connection | QuicConnection, kind: str, rest: str, style: Style) -> str:
    when = moment(c.first_ns).replace(" ", "T", 1).replace(" UTC", "Z")
    outcome = style.paint(f"{c.outcome:<11}", LOOKS.get(c.outcome, "dim"))
    return f"{when}  {outcome}" + style.clean(f"  {kind}{c.client} {style.arrow} {_server(c)}  {rest}")


def _amounts(c: Connection | QuicConnection) -> str:
    """Return the bytes that the client sent and received."""
    return f"sent {plural(c.client_to_server.bytes, 'byte')}, got {plural(c.server_to_client.bytes, 'byte')}"


def _server(c: Connection | QuicConnection) -> str:
    return f"{c.server} ({c.server.name})" if c.server.name else str(c.server)


def _facts(c: Connection, style: Style) -> Iterator[str]:
    total = c.rtt.total
    if total.max_ns is not None:
        yield f"connect RTT {bounds(total.value_ns, total.min_ns, total.max_ns, style.micro)}"
    if c.handshake.syn_count > 1:
        yield plural(c.handshake.syn_count, "SYN")
    if c.process is not None:
        yield from _owners(c.process)
    if c.outcome != "established":
        yield f"{c.cause}: {c.why}" if c.cause else c.why
        return
    side = c.close.reset_by or c.close.first
    yield _ENDINGS[c.close.how].format(end=f"the {side}" if side else "both ends")
    yield _amounts(c)
    if again := c.client_to_server.retransmissions + c.server_to_client.retransmissions:
        yield plural(again, "retransmission")


def _owners(process: Process) -> Iterator[str]:
    for what, owner in (("from", process.client), ("to", process.server)):
        if owner is not None and owner.pid is not None:
            yield f"{what} {owner_text(owner)}"


_ENDINGS = {
    "open": "open", "fin": "closed by {end}", "half-closed": "half closed by {end}",
    "rst": "reset by {end}", "rst-after-fin": "closed, then reset by {end}", "timeout": "timed out",
}  # fmt: skip


# --- segments ---------------------------------------------------------------------------------------------------------


class _Passing:
    """Lays out segments; address columns grow with the longest address so far."""

    def __init__(self, width: int, style: Style) -> None:
        self._width = width
        self._style = style
        self._ends = 0, 0
        self._signs = Signs(style)

    def lines(self, packet: Packet) -> Iterator[str]:
        """Yield the line of a segment, and further lines for its notes if the terminal is too narrow."""
        step, style = packet.step, self._style
        most = max((self._width - _TIMES - len(" > ")) // 2, _LEAST_END)
        client, server = (style.elide(str(end), most) for end in (packet.client, packet.server))
        self._ends = max(self._ends[0], len(client)), max(self._ends[1], len(server))
        after = "" if packet.gap_ns is None else gap(packet.gap_ns, style.micro)
        # An ICMP error goes back to the sender of the quoted segment.
        sign = ">" if (step.sender == "client") == (step.icmp is None) else "<"
        ends = f"{client:>{self._ends[0]}} {sign} {server:<{self._ends[1]}}"
        head = f"{moment(step.ts_ns)[_CLOCK]} {after:>{_GAP}}  {ends}  "
        flags, _, rest = style.clean(_numbers(step)).partition(" ")
        looks = ("bold", "red") if "R" in step.flags or step.icmp else ("bold", "green") if "S" in step.flags else ()
        numbers = f"{style.paint(flags, *looks)} {rest:<{_NUMBERS - len(flags)}}"
        states = style.paint(f"{_client_state(packet):>{_STATE}}  {step.state.server:<{_STATE - 1}}", "dim")
        room = self._width - len(head) - _NUMBERS - 1 - 2 * _STATE - 3  # beside all that
        notes = list(self._notes(step))
        if room >= _LEAST_NOTES:
            yield from self._hung(f"{head}{numbers}{states}  ", notes, room)
        elif room >= -2:
            yield (head + numbers + states).rstrip()
            yield from self._below(notes)
        else:
            yield head.rstrip()
            yield _INDENT + (numbers + states).rstrip()
            yield from self._below(notes)

    def _below(self, notes: Notes) -> Iterator[str]:
        for note, looks in notes:
            for text in paragraph(note, self._width, _INDENT):
                yield _INDENT + self._style.paint(text.strip(), *looks)

    def _hung(self, line: str, notes: Notes, room: int) -> Iterator[str]:
        """Yield notes beside the segment if they fit, else wrapped."""
        whole = "  ".join(text for text, _ in notes)
        if len(whole) <= room:
            yield (line + "  ".join(self._style.paint(text, *looks) for text, looks in notes)).rstrip()
            return
        hanging = " " * (self._width - room)
        for text, looks in notes:
            for piece in paragraph(text, room, ""):
                yield line + self._style.paint(piece, *looks)
                line = hanging

    def _notes(self, step: Step) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield events with the round trips that end here, and anomalies."""
        done = [self._style.clean(mark.text) for mark in step.events]
        if step.rtt:
            done.append(f"({'; '.join(_round_trip(leg, step, self._style) for leg in step.rtt)})")
        if done:
            yield f"{self._signs.event} {' '.join(done)}", ()
        for mark in step.anomalies:
            yield f"{self._signs.anomaly} {self._style.clean(mark.text)}", ("bold", "red")


def _client_state(packet: Packet) -> str:
    """Return the state of the client, in parentheses if nothing that it sent confirms the state."""
    state = packet.step.state.client
    return f"({state})" if packet.believed and state == "ESTABLISHED" else state


def _numbers(step: Step) -> str:
    """Return flags and numbers as in tcpdump: absolute for SYNs, else relative."""
    if step.icmp is not None:
        return f"ICMP {step.icmp.cause} from {step.icmp.ip}"
    absolute = "S" in step.flags
    seq = step.raw_seq if absolute or step.seq is None else step.seq
    ack = step.raw_ack if step.ack is None else step.ack
    parts = [f"[{step.flags}]"]
    if step.length or absolute or "F" in step.flags or ack is None:
        parts.append(f"seq {seq}" if absolute or not step.length else f"seq {seq}:{seq + step.length}")
    if ack is not None:
        parts.append(f"ack {ack}")
    if not step.window and "R" not in step.flags:
        parts.append("win 0")
    return " ".join(parts)


def _round_trip(mark: RttMark, step: Step, style: Style) -> str:
    """Return a leg and its RTT; with the time to open if repeated SYNs made that longer than the RTT."""
    leg = mark.measured
    took = bounds(leg.value_ns, leg.min_ns, leg.max_ns, style.micro)
    opened = step.since_first_ns
    if mark.leg == "total" and leg.max_ns is not None and opened > leg.max_ns:
        return f"connect RTT {took}; open {duration(opened, style.micro)} after the first SYN"
    return f"{_ROUND_TRIPS[mark.leg]} {took}"
