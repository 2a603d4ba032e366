"""The waterfall of one set-up, and the table of services."""

import pytest
from msgspec.structs import replace
from support.reports import healthy

from handshake_inspect.render.layout import Style
from handshake_inspect.render.setups import setups
from handshake_inspect.render.waterfall import waterfall
from handshake_inspect.report.setup import (
    ClientTimes,
    ExtraRoundTrip,
    Milestone,
    Milestones,
    OwnTime,
    Saveable,
    ServerTimes,
    Setup,
    SetupGroup,
    SetupSummary,
    Span,
    Spans,
    Tls,
    TlsAlert,
    TlsCounts,
)
from handshake_inspect.report.setup import Savings as Sums
from handshake_inspect.report.waterfall import headline

MS = 1_000_000
UTF8, ASCII = Style(color=False, encoding="utf-8"), Style(color=False, encoding="ascii")


def span(start, value, trips=0, *, low=None, high=None):
    low, high = (value if each is None else each for each in (low, high))
    times = (None if each is None else int(each * MS) for each in (start, value, low, high))
    return Span(*times, round_trips=trips, method="exact" if value is not None else "ambiguous")


def own(ms):
    return OwnTime(*[int(ms * MS)] * 3)


def connection(setup, tls=None):
    return replace(healthy().connections[0], setup=setup, tls=tls)


TLS13 = Setup(
    protocol="tls",
    speaks_first="client",
    spans=Spans(
        tcp=span(0, 40.5, 1), before_tls=span(40.5, 0.7), tls=span(41.2, 43.2, 1), before_request=span(84.4, 0.2),
        response=span(84.6, 70.9, 1), first_byte=span(0, 155.5, 3),
    ),
    round_trips=3,
    server=ServerTimes(own(0.9), own(30.4)),
    client=ClientTimes(own(1.8)),
    saveable=Saveable(84_400_000, None, 0, 40_500_000, 40_500_000, 81_000_000),
)  # fmt: skip
ESTABLISHED = Tls("established", "1.3", "full", server_name="lab.test")


def drawn(shown, width=80, style=UTF8):
    return list(waterfall(shown.setup, headline(shown, style.micro), width, style))


def test_the_waterfall():
    _, head, *lines = drawn(connection(TLS13, ESTABLISHED))
    assert head.startswith("SET-UP  TLS 1.3, full handshake, to lab.test; round trip ")
    assert lines == [
        "                      ms trips  0                                        156 ms",
        "  TCP               40.5     1  ████████████",
        "  client waits       0.7                    ▒",
        "  TLS               43.2     1              █████████████▒",
        "  client waits       0.2                                  ▒",
        "  answer            70.9     1                            ████████████░░░░░░░░░",
        "  first byte       155.5     3  network 121.5, server 31.3, client 2.7 ms",
        "  A connection kept open would have saved 84.4 ms, early data about 40.5 ms and",
        "  QUIC about 40.5 ms (hsi help setup.saveable).",
    ]


@pytest.mark.parametrize(("other", "said"), [(None, ""), ("AAAA", ", in which the answer for AAAA came")])
def test_what_was_before_the_first_syn(other, said):
    spans = replace(TLS13.spans, lookup=span(None, 41.4, 1), before_connect=span(None, 126.6))
    shown = connection(replace(TLS13, spans=spans, waited_for=other), ESTABLISHED)
    lines = " ".join(line.strip() for line in drawn(shown))
    assert f"Before that: 41.4 ms for the lookup of the name, then 127 ms until the client connected{said}." in lines
    assert "Before that" not in " ".join(drawn(connection(TLS13, ESTABLISHED)))


def test_ascii_has_letters_for_whose_time_it_is():
    lines = drawn(connection(TLS13, ESTABLISHED), style=ASCII)
    assert lines[4].strip().endswith(" c")
    assert lines[7].endswith("############sssssssss")
    assert all(line.isascii() for line in lines)


@pytest.mark.parametrize("width", [80, 140, 400])
def test_no_line_is_wider_than_the_terminal(width):
    assert max(map(len, drawn(connection(TLS13, ESTABLISHED), width))) <= width


def test_rows_join():
    lines = drawn(connection(TLS13, ESTABLISHED), 140)[3:8]
    ends = [len(line) for line in lines]
    begins = [len(line[32:]) - len(line[32:].lstrip()) + 32 for line in lines]
    assert all(begin - end in (0, 1, -1) for end, begin in zip(ends, begins[1:], strict=False))


def test_bounds_where_no_value_can_be_named():
    doubtful = replace(TLS13, spans=replace(TLS13.spans, response=span(84.6, None, 1, low=40, high=90)))
    line = next(line for line in drawn(connection(doubtful, ESTABLISHED)) if "answer" in line)
    assert f"40.0{UTF8.dash}90.0" in line
    assert line.endswith("╌")


def test_early_data_does_not_wait_for_the_end_of_tls():
    spans = Spans(
        tcp=span(0, 40, 1), before_tls=span(40, 1), tls=span(41, 42, 0), before_request=span(83, 0),
        response=span(42, 41, 1), first_byte=span(0, 83, 2),
    )  # fmt: skip
    lines = drawn(connection(replace(TLS13, spans=spans, server=ServerTimes()), ESTABLISHED))
    assert "network 81.0, client 1.0 ms" in next(line for line in lines if "first byte" in line)


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (Tls("failed", alert=TlsAlert("client", "fatal", "unknown_ca", 48)), "alert unknown_ca (48) from the client"),
        (Tls("failed", alert=TlsAlert("server", encrypted=True)), "TLS, failed: encrypted alert from the server"),
        (Tls("failed"), "failed: closed before it was complete"),
        (Tls("no-answer"), "no answer to the ClientHello"),
        (Tls("not-tls"), "the server does not speak TLS"),
    ],
)  # fmt: skip
def test_why_tls_failed(tls, words):
    assert words in drawn(connection(replace(TLS13, spans=Spans(tcp=span(0, 40, 1))), tls))[1]


def test_names_are_hostile_text():
    hostile = "\x1b[31mlab\u202etest"
    head = drawn(connection(TLS13, replace(ESTABLISHED, server_name=hostile)))[1]
    assert "\x1b" not in head
    assert "\u202e" not in head


def test_what_cost_time_besides():
    waits = [ExtraRoundTrip("nagle", 82 * MS, 10, True), ExtraRoundTrip("hello-retry", 43 * MS, 8)]
    text = " ".join(" ".join(drawn(connection(replace(TLS13, extra_round_trips=waits), ESTABLISHED))).split())
    assert "delayed the acknowledgment that it waited for, 82 ms (frame 10)" in text
    assert "one more round trip, 43 ms (frame 8)" in text


def test_waiting_for_an_acknowledgment_is_the_network_s_time():
    waits = [ExtraRoundTrip("nagle", 60 * MS, 10, True)]
    spans = replace(TLS13.spans, before_request=span(84.4, 62), first_byte=span(0, 217.3, 3))
    held = replace(TLS13, spans=spans, extra_round_trips=waits, milestones=Milestones(request=Milestone(1, 10)))
    shares = next(line for line in drawn(connection(held, ESTABLISHED)) if "first byte" in line)
    assert "network 181.5, server 31.3, client 4.5 ms" in shares


def test_nothing_is_drawn_where_nothing_was_set_up():
    assert drawn(connection(None)) == []


def summary(*groups, **given):
    return SetupSummary(sum(group.connections for group in groups), groups=list(groups), **given)


def test_the_table_of_services():
    tls13 = SetupGroup("tls", "1.3", 41, own(40.5), own(43.2), None, own(0.9), own(70.9), own(156.2))
    tls12 = SetupGroup(
        "tls", "1.2", 12, own(40.4), own(83.7), None, own(1.1), OwnTime(None, 47 * MS, 89 * MS), own(196)
    )
    counts = TlsCounts(53, {"1.3": 41, "1.2": 12}, 17, 0, 1)
    reported = summary(tls13, tls12, tls=counts, saveable_ns=Sums(tls13=12 * 40 * MS), extra_round_trips={"nagle": 2})
    report = healthy()
    service = replace(report.services[0], setup=reported)
    shown = replace(report, services=[service], summary=replace(report.summary, setup=reported))
    lines = list(setups(shown, 80, UTF8))
    server = str(service.server)
    assert lines[1:] == [
        "SET-UP  medians as seen by the clients, up to the first byte",
        "  server".ljust(len(server) + 2) + "  protocol  conns      TCP      TLS   waits    answer  first byte",
        f"  {server}  TLS 1.3      41  40.5 ms  43.2 ms  900 µs   70.9 ms      156 ms",
        "  ".ljust(len(server) + 2) + "  TLS 1.2      12  40.4 ms  83.7 ms  1.1 ms  47\N{EN DASH}89 ms      196 ms",
        "  resumed 32.1 %; TLS failed 1.9 %; TLS 1.3 would have saved about 40 ms each",
        "  for 12 of 53; extra round trips: 2 (nagle)",
    ]


@pytest.mark.parametrize(
    ("counts", "said"), [((1,), "as seen by"), ((1, 1), "as seen by"), ((1, 2), "medians as seen by")]
)
def test_a_single_connection_has_no_median(counts, said):
    groups = [SetupGroup("plain", None, count, own(40), None, None, own(1), own(2), own(43)) for count in counts]
    report, reported = healthy(), summary(*groups)
    service = replace(report.services[0], setup=reported)
    shown = replace(report, services=[service], summary=replace(report.summary, setup=reported))
    assert next(line for line in setups(shown, 80, UTF8) if line).startswith(f"SET-UP  {said} the clients")


@pytest.mark.parametrize("width", [64, 72, 80])
def test_rows_of_intervals_fit_the_terminal(width):
    """Bounds share their unit, and what tells least goes first: waits, the answer, the count, TCP, TLS."""
    wide = OwnTime(None, 116_000, int(44.7 * MS))
    report = healthy()
    reported = summary(SetupGroup("tls", "1.3", 41, wide, wide, None, wide, wide, wide))
    service = replace(report.services[0], setup=reported)
    shown = replace(report, services=[service], summary=replace(report.summary, setup=reported))
    _, _, head, row = list(setups(shown, width, UTF8))[:4]
    assert max(len(head), len(row)) <= width
    assert "TLS" in head
    assert head.endswith("first byte")
    assert row.endswith("116 µs\N{EN DASH}44.7 ms")


def test_a_column_of_dashes_goes_first():
    group = SetupGroup("plain", None, 2, own(40), None, None, own(1), own(2), own(43))
    report, reported = healthy(), summary(group)
    service = replace(report.services[0], setup=reported)
    shown = replace(report, services=[service], summary=replace(report.summary, setup=reported))
    assert "TLS" in list(setups(shown, 80, UTF8))[2]
    assert "TLS" not in list(setups(shown, 60, UTF8))[2]
    assert "answer" in list(setups(shown, 60, UTF8))[2]


def test_no_table_where_nothing_was_set_up():
    assert list(setups(healthy(), 80, UTF8)) == []
