"""What must not change a report, and what no capture may break."""

import io
import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import captures, frames
from support.wire import MASK32, MS, SECOND, START, json_of, report_of

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import CaptureError
from handshake_inspect.tcp.tracker import Tracker

EXAMPLES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# A step of a conversation that need make no sense: who, flags, where in sequence space, how much, how long after.
FLAGS = [
    frames.SYN, frames.SYN | frames.ACK, frames.ACK, frames.ACK, frames.ACK | frames.PSH, frames.FIN | frames.ACK,
    frames.RST, frames.RST | frames.ACK, frames.SYN | frames.FIN, 0, frames.SYN | frames.RST,
]  # fmt: skip
steps = st.tuples(
    st.sampled_from(["client", "server"]),
    st.sampled_from(FLAGS),
    st.sampled_from([-1, 0, 0, 0, 1, 1, 1, 2, 50, 101, 70_000, 1 << 31]),
    st.sampled_from([-1, 0, 0, 1, 1, 1, 2, 101, 1 << 31]),
    st.sampled_from([0, 0, 0, 1, 100]),
    st.sampled_from([0, 1, 100_000, 20 * MS, SECOND, 61 * SECOND]),
    st.booleans(),
)
# Beginnings that reach the states worth disturbing.
OPENINGS = [
    [],
    [("client", frames.SYN, 0, 0, 0, 0, True)],
    [("client", frames.SYN, 0, 0, 0, 0, True), ("server", frames.SYN | frames.ACK, 0, 1, 0, 20 * MS, True)],
    [
        ("client", frames.SYN, 0, 0, 0, 0, True),
        ("server", frames.SYN | frames.ACK, 0, 1, 0, 20 * MS, True),
        ("client", frames.ACK, 1, 1, 0, 20 * MS, True),
    ],
]
conversations = st.tuples(st.sampled_from(OPENINGS), st.lists(steps, max_size=14)).map(
    lambda pair: [*pair[0], *pair[1]]
)


def build(conversation, *, ends=(frames.CLIENT, frames.SERVER), isns=(1000, 5000), start=START, link=frames.ethernet):
    """The frames of a conversation, between these ends and with these ISNs."""
    isn = dict(zip(("client", "server"), isns, strict=True))
    now, taken = start, []
    for number, (who, flags, seq, ack, size, pause, stamped) in enumerate(conversation):
        now += pause
        src, dst = ends if who == "client" else ends[::-1]
        other = "server" if who == "client" else "client"
        options = frames.timestamps(1000 + (now - start) // MS, 500) if stamped else b""
        frame = frames.segment(
            src, dst, flags, seq=(isn[who] + seq) & MASK32,
            ack=(isn[other] + ack) & MASK32 if flags & frames.ACK else 0,
            payload=b"x" * size, options=options, ident=1 + number, link=link,
        )  # fmt: skip
        taken.append((now, frame))
    return taken


def report_on(taken, **words):
    return report_of(captures.pcap(taken, nano=True, **words))


def without(report, *names):
    """A report without the keys of these names, at any depth."""
    if isinstance(report, dict):
        return {key: without(value, *names) for key, value in report.items() if key not in names}
    if isinstance(report, list):
        return [without(value, *names) for value in report]
    return report


def moved(report, ns):
    """The report with all times `ns` later."""
    times = {"first_ns", "last_ns", "syn_ns", "synack_ns", "ack_ns", "start_ns", "end_ns", "ns"}

    def shift(value, key=None):
        if key == "spans":  # which count from the first SYN
            return value
        if isinstance(value, dict):
            return {name: shift(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [shift(inner) for inner in value]
        return value + ns if key in times and value is not None else value

    return shift(report)


@EXAMPLES
@given(conversations)
def test_any_conversation_gives_a_sound_report(conversation):
    report_on(build(conversation))


@EXAMPLES
@given(conversations, st.integers(0, MASK32), st.integers(0, MASK32))
def test_initial_sequence_numbers_do_not_matter(conversation, client_isn, server_isn):
    """But for a window that an ISN of 0 would close, all arithmetic is modulo 2^32."""
    names = ("client_isn", "server_isn", "findings")
    assert without(report_on(build(conversation)), *names) == without(
        report_on(build(conversation, isns=(client_isn, server_isn))), *names
    )


@EXAMPLES
@given(conversations, st.integers(-START + SECOND, 1 << 60))
def test_the_time_of_day_does_not_matter(conversation, shift_ns):
    shift_ns -= shift_ns % MS
    there = report_on(build(conversation, start=START + shift_ns))
    assert there == moved(report_on(build(conversation)), shift_ns)


ADDRESSES = ("ip", "community_id", "why", "title", "advice", "port", "ports")


@EXAMPLES
@given(conversations, st.sampled_from(["10.1.2.3", "203.0.113.200", "1.0.0.1", "223.255.255.254"]))
def test_addresses_do_not_matter(conversation, address):
    """Not even which of the two is the greater number."""
    other = build(conversation, ends=((address, 40000), ("100.64.0.1", 443)))
    assert without(report_on(other), *ADDRESSES) == without(report_on(build(conversation)), *ADDRESSES)


@EXAMPLES
@given(conversations, st.integers(1025, 65535), st.integers(1, 1024))
def test_ports_do_not_matter(conversation, client_port, server_port):
    """But for Zeek's roles, which trust well-known ports more than the handshake."""
    names = (*ADDRESSES, "zeek")
    other = build(conversation, ends=((frames.CLIENT[0], client_port), (frames.SERVER[0], server_port)))
    assert without(report_on(other), *names) == without(report_on(build(conversation)), *names)


LINKS = {
    "vlan": (frames.vlan, 1), "qinq": (frames.qinq, 1), "raw": (frames.raw, 101), "sll": (frames.sll, 113),
    "sll2": (frames.sll2, 276), "null": (frames.null, 0), "loop": (frames.loop, 108),
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
@settings(max_examples=15, deadline=None)
@given(conversation=conversations)
def test_the_link_layer_does_not_matter(name, conversation):
    link, link_type = LINKS[name]
    other = report_on(build(conversation, link=link), link_type=link_type)
    assert without(other, "link_types") == without(report_on(build(conversation)), "link_types")


@EXAMPLES
@given(conversations, st.sampled_from(["big", "pcapng", "big pcapng"]))
def test_the_container_does_not_matter(conversation, kind):
    taken = build(conversation)
    content = {
        "big": lambda: captures.pcap(taken, nano=True, big=True),
        "pcapng": lambda: captures.pcapng(taken),
        "big pcapng": lambda: captures.pcapng(taken, big=True),
    }[kind]()
    names = ("format",) if taken else ("format", "link_types")
    assert without(report_of(content), *names) == without(report_on(taken), *names)


@EXAMPLES
@given(conversations, st.integers(0, 20))
def test_two_files_of_one_trace(conversation, at):
    """Split anywhere, and given in either order."""
    taken = build(conversation)
    whole = report_on(taken)
    one, two = captures.pcap(taken[:at], nano=True), captures.pcap(taken[at:], nano=True)
    pairs = [(one, two)]
    if 0 < at < len(taken) and taken[at - 1][0] < taken[at][0]:
        pairs.append((two, one))
    for pair in pairs:
        places = ("sources", "first_file", "frame_in_file", "in_files", "evidence_in_files")
        assert without(report_of(*pair), *places) == without(whole, *places)


class Sips(io.RawIOBase):
    """A file that gives a few bytes at a time."""

    def __init__(self, content, sizes):
        self.content, self.sizes, self.at, self.turn = content, sizes, 0, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(self.sizes[self.turn % len(self.sizes)], len(buffer), len(self.content) - self.at)
        buffer[:size] = self.content[self.at : self.at + size]
        self.at += size
        self.turn += 1
        return size


@EXAMPLES
@given(conversations, st.lists(st.integers(1, 200), min_size=1, max_size=5), st.booleans())
def test_how_the_bytes_come_does_not_matter(conversation, sizes, as_pcapng):
    taken = build(conversation)
    content = captures.pcapng(taken) if as_pcapng else captures.pcap(taken, nano=True)
    assert json_of(Sips(content, sizes)) == json_of(content)


@EXAMPLES
@given(conversations, st.integers(0, 1 << 16))
def test_a_file_cut_anywhere_is_analysed_up_to_the_cut(conversation, cut):
    taken = build(conversation)
    content = captures.pcap(taken, nano=True)
    cut = 24 + cut % (len(content) - 23)
    lengths = [16 + len(frame) for _, frame in taken]
    whole = [sum(lengths[: count + 1]) + 24 for count in range(len(taken))]
    count = sum(end <= cut for end in whole)
    report = report_of(content[:cut])
    assert report["capture"]["frames"] == count
    assert report["capture"]["complete"] == (cut in {24, *whole})
    assert report["connections"] == report_on(taken[:count])["connections"]


@EXAMPLES
@given(st.binary(max_size=400))
def test_any_bytes_give_a_report_or_a_capture_error(content):
    with suppress(CaptureError):
        report_of(content)


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(0, (1 << 32) * SECOND - 1), st.binary(min_size=1, max_size=120)), max_size=8),
    st.data(),
)
def test_any_frames_give_a_report(taken, data):
    link_type = data.draw(st.sampled_from([0, 1, 9, 12, 14, 101, 105, 108, 113, 127, 228, 229, 276, 9999]))
    report = report_of(captures.pcap(taken, nano=True, link_type=link_type))
    assert report["capture"]["frames"] == len(taken)


@EXAMPLES
@given(conversations, st.data())
def test_damaged_frames_give_a_report(conversation, data):
    content = bytearray(captures.pcap(build(conversation), nano=True))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(24, max(24, len(content) - 1)))
        if at < len(content):
            content[at] = data.draw(st.integers(0, 255))
    report_of(bytes(content))


@EXAMPLES
@given(st.permutations(range(9)))
def test_any_order_of_a_connection_gives_a_sound_report(order):
    """Stored out of order, with times that go back and forth."""
    conversation = [
        ("client", frames.SYN, 0, 0, 0, 0, True),
        ("server", frames.SYN | frames.ACK, 0, 1, 0, 20 * MS, True),
        ("client", frames.ACK, 1, 1, 0, 20 * MS, True),
        ("client", frames.ACK | frames.PSH, 1, 1, 100, MS, True),
        ("server", frames.ACK | frames.PSH, 1, 101, 100, MS, True),
        ("client", frames.ACK, 101, 101, 0, MS, True),
        ("client", frames.FIN | frames.ACK, 101, 101, 0, MS, True),
        ("server", frames.FIN | frames.ACK, 101, 102, 0, MS, True),
        ("client", frames.ACK, 102, 102, 0, MS, True),
    ]
    taken = build(conversation)
    report = report_on([taken[at] for at in order])
    assert report["capture"]["tcp_segments"] == 9
    assert (
        sum(
            one[direction]["frames"]
            for one in report["connections"]
            for direction in ("client_to_server", "server_to_client")
        )
        == 9
    )


def test_equal_input_gives_equal_bytes(pcaps):
    for name in ("syn-flood-answered", "port-scan-syn", "two-capture-points"):
        path = pcaps / f"{name}.pcap"
        assert json_of(path) == json_of(path)


def test_the_pump_can_be_driven_by_hand(pcaps):
    """What `engine.analyze` does, in three lines: the stages know nothing of each other."""
    pump = Pump(Tracker(1 << 10))
    with (pcaps / "handshake.pcap").open("rb") as file, open_source(file) as source:
        while pump.drain(source.reader) == 0 and source.fill():
            pass
    assert (pump.frames, pump.tracker.table.connection_count) == (pump.tcp_segments, 1)
    assert json.loads(json_of(pcaps / "handshake.pcap"))["capture"]["tcp_segments"] == pump.tcp_segments
