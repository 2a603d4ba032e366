"""The live screen as a picture: golden screens, and the rules that keep them readable."""

import io
import os
import re
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console
from support.reports import MS, SECOND, START, connection
from support.snapshots import HEALTHY_NS, SAMPLES, finding, hostile, seconds, snapshot, troubled

from handshake_inspect.errors import HsiError, UsageError
from handshake_inspect.render.screen import Screen
from handshake_inspect.render.screen.pages import SERVED
from handshake_inspect.report.model import Outcomes, Target
from handshake_inspect.report.process import Kernel, Listener, Owner, Process
from handshake_inspect.report.setup import SetupSummary, SpanDistribution, SpanDistributions, TlsCounts
from handshake_inspect.report.snapshot import Second

GOLDEN = Path(__file__).parent / "golden"
TIMES = "\N{MULTIPLICATION SIGN}"
SIZES = [(80, 24), (160, 50), (40, 12)]


def drawn(given, width=80, height=24, *, only_ascii=False, color=False, keys=(), story=None):
    """The screen as a terminal of this size gets it, after some keys."""
    screen = Screen(ascii=only_ascii, color=color)
    screen.story = story
    screen.show(given)
    for key in keys:
        screen.press(key)
    out = io.StringIO()
    console = Console(
        file=out, width=width, height=height, force_terminal=True, color_system="standard", no_color=not color
    )
    console.print(screen.render(given, width, height), end="")
    return out.getvalue()


def plain(*args, **options):
    return re.sub(r"\x1b\[[0-9;]*m", "", drawn(*args, **options))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", SAMPLES)
def test_golden(name, width, height):
    """HSI_UPDATE_GOLDEN=1 rewrites the screens: look at the difference before you commit it."""
    path = GOLDEN / f"screen-{name}-{width}x{height}.txt"
    shown = "\n".join(line.rstrip() for line in plain(SAMPLES[name](), width, height).splitlines()) + "\n"
    if os.environ.get("HSI_UPDATE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


OPEN = ["enter", "down", "enter"]  # unfold the first kind of trouble, and look at its newest connection
MODES = {
    "overview": (), "help": "?", "detail": OPEN, "unfolded": ["enter"], "connections": ["tab", "j"],
    "finding": ["tab", "tab", "j", "j"], "details of a finding": ["tab", "tab", "enter"], "expression": "/a == b",
    "filter": ["f", "8"], "chosen": "jjj", "sorted": "ss",
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("width", "height"), [*SIZES, (60, 18), (100, 30), (200, 60), (20, 5), (9, 2), (1, 1)])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_picture_fits_the_terminal_exactly(name, width, height, mode):
    lines = plain(SAMPLES[name](), width, height, keys=MODES[mode]).splitlines()
    assert len(lines) == height
    assert max(map(cell_len, lines)) <= width


def test_before_the_first_snapshot_it_says_what_it_waits_for():
    lines = Screen(interface="eth0").lines(None, 80, 24)
    assert len(lines) == 24
    assert "waiting for the first frames on eth0" in lines[0].plain


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_ascii_is_ascii(width, height, mode):
    shown = drawn(troubled(), width, height, only_ascii=True, keys=MODES[mode])
    assert shown.isascii()


def test_colour_is_never_the_only_sign():
    colored = drawn(troubled(), color=True)
    assert "\x1b[31m" in colored
    uncolored = drawn(troubled())
    assert not re.search(r"\x1b\[[0-9;]*(3|4|9|10)[0-7]m", uncolored)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == re.sub(r"\x1b\[[0-9;]*m", "", uncolored)


@pytest.mark.parametrize("only_ascii", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_hostile_names_drive_nothing(width, height, mode, only_ascii):
    shown = plain(
        hostile(),
        width,
        height,
        keys=MODES[mode],
        only_ascii=only_ascii,
        story=lambda *_: "a\x1b[2Jb\x1b]0;x\x07c\x9b1md",
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)


def test_a_ladder_keeps_its_colours_and_nothing_else():
    shown = drawn(
        troubled(), 80, 40, color=True, keys=OPEN, story=lambda _, shown: f"\x1b[32mSYN {shown.id}\x1b[0m\x1b[2J"
    )
    assert "\x1b[32mSYN 500\x1b[0m" in shown
    assert r"\x1b[2J" in shown


def test_a_ladder_that_cannot_be_drawn_is_reported():
    def gone(_, shown):
        raise HsiError(f"connection {shown.id} is kept no longer")

    assert "connection 500 is kept no longer" in plain(troubled(), 80, 40, keys=OPEN, story=gone)


def test_drops_are_said_in_words():
    assert "no frames dropped" in plain(snapshot(dropped=0))
    assert "drops not known" in plain(snapshot(dropped=None))
    assert "1 frame DROPPED" in plain(snapshot(dropped=1))
    assert "12,345 frames DROPPED (0.8 %)" in plain(troubled(), 120, 40)


def test_the_rate_of_frames_is_that_of_the_last_seconds():
    screen = Screen()
    for second in range(1, 11):
        given = snapshot(elapsed_ns=second * SECOND, frames=1_000_000 if second < 5 else 1_000_000 + (second - 4) * 700)
        screen.show(given)
    assert "700 frames/s" in screen.lines(given, 80, 24)[0].plain


def rates(history, elapsed_s=100):
    now = history[-1].at_ns
    given = snapshot(history=history, at_ns=now, elapsed_ns=elapsed_s * SECOND)
    return re.search(r"ATTEMPTS +([\d.,]+)/s  peak ([\d.,]+)/s", plain(given))


def test_looks_that_are_far_apart_show_attempts_per_second():
    found = rates([Second(START, 10, {}), Second(START + 4 * SECOND, 800, {})])
    assert found.groups() == ("200", "200")


def test_looks_within_a_second_add_up():
    parts = [Second(START + each * SECOND // 10, 5, {}) for each in range(31)]
    assert rates(parts).groups() == ("50", "50")


def test_a_rate_far_below_one_is_not_nothing():
    assert rates([Second(START, 0, {}), Second(START + 4 * SECOND, 1, {})]).groups() == ("0.2", "0.2")


@pytest.mark.parametrize("times", [[0], [0, 0, 0], [5, 1, 3], [-(10**30), 10**30]])
def test_clocks_that_misbehave_draw_something(times):
    history = [Second(START + time * SECOND, 3, {"refused": 2}) for time in times]
    for at_ns in (0, START, 2**63):
        assert len(plain(snapshot(history=history, at_ns=at_ns, elapsed_ns=0)).splitlines()) == 24


def test_the_chosen_connection_is_always_on_the_screen():
    given = troubled()
    for steps in range(1, 17):
        lines = plain(given, keys="j" * steps).splitlines()
        assert sum(line.startswith("▶") for line in lines) == 1


def test_a_filter_says_what_it_hides():
    shown = plain(troubled(), keys=["f", *"8080", "enter"])
    assert "3 of 16 fit the filter" in shown
    assert "filter: 8080" in shown
    assert ":22 " not in shown


@pytest.mark.parametrize(("height", "said"), [(24, "SERVICES  busiest 2 of 17 "), (80, "SERVICES  busiest   ")])
def test_the_heading_of_services_counts_those_that_do_not_fit(height, said):
    assert said in plain(troubled(), 80, height)


def test_services_are_sorted_as_asked():
    orders = []
    for keys in ("", "s", "ss", "sss"):
        lines = plain(troubled(), 80, 80, keys=keys).splitlines()
        start = next(number for number, line in enumerate(lines) if line.startswith("SERVICES"))
        orders.append((lines[start].split("attempts")[0].split("SERVICES")[1].strip(), lines[start + 1].split()[0]))
    assert orders == [
        ("busiest", "10.0.0.2:443"),
        ("most trouble", "10.0.0.2:8080"),
        ("slowest", "10.0.0.2:80"),
        ("by address", "10.0.0.2:80"),
    ]


def test_pausing_holds_the_picture():
    screen = Screen()
    screen.show(snapshot(connections=1))
    screen.press("p")
    screen.show(snapshot(connections=2))
    assert screen._held.connections == 1
    assert "PAUSED" in screen.lines(screen._held, 80, 24)[0].plain
    screen.press("p")
    screen.show(snapshot(connections=2))
    assert screen._held.connections == 2


def test_details_follow_the_connection_as_it_changes():
    reported = []
    screen = Screen()
    screen.story = lambda given, shown: reported.append((given, shown.id))
    before = troubled()
    screen.show(before)
    for key in OPEN:
        screen.press(key)
    first = before.trouble[0]
    changed = msgspec.structs.replace(first, why="Now it is another story.")
    after = msgspec.structs.replace(before, trouble=[changed], newest=[])
    screen.show(after)
    screen.show(after)
    assert "Now it is another story." in "\n".join(line.plain for line in screen.lines(before, 80, 24))
    screen.show(msgspec.structs.replace(before, trouble=[], newest=[]))
    assert screen.view.shown == changed
    assert reported == [(before, first.id), (after, first.id)]


def test_a_long_history_is_cut_to_the_width():
    given = snapshot(history=seconds([7] * 5_000, START))
    assert max(map(cell_len, plain(given, 80, 24).splitlines())) <= 80


def test_trouble_of_one_kind_is_one_row_that_unfolds():
    refused = [connection(9 - each, "refused", why=f"A RST after {each} ms.") for each in range(4)]
    given = snapshot(trouble=[*refused, connection(3, "timed-out")])
    shown = plain(given)
    assert re.search(f"▸ +4{TIMES} refused +→ ", shown)
    assert shown.count("A RST after") == 1
    assert "TROUBLE  5 connections, newest first" in shown
    unfolded = plain(given, 80, 40, keys=["enter"])
    assert re.search(f"▶▾ +4{TIMES} refused", unfolded)
    assert len(re.findall(r"^ {8,}refused +10\.0\.0\.1:", unfolded, re.MULTILINE)) == 4
    assert plain(given, 80, 40, keys=["enter", "enter", "home"]) == plain(given, 80, 40)


def test_every_connection_can_be_chosen_when_nothing_is_wrong():
    given = snapshot(newest=[connection(each, "established") for each in (7, 6, 5)])
    assert "CONNECTIONS  newest 3 of 148,211" in plain(given)
    assert "CONNECTION 6  established" in plain(given, keys=["j", "j", "enter"])


def test_a_finding_opens_with_its_numbers():
    found = finding("refused", "warning", "Nothing listens.", "Start it.", Target("10.0.0.2", 8080))
    found = msgspec.structs.replace(
        found,
        metrics={
            "connections": 1312,
            "waited_max_ns": 40_000_000,
            "ports": list(range(30)),
            "lost": {"syn": 2},
            "failed_ratio": 0.25,
            "top_clients": [{"ip": "10.0.0.1", "connections": 13}],
        },
    )
    shown = plain(snapshot(findings=[found]), 80, 30, keys=["tab", "tab", "enter"])
    for each in ("WARNING  refused  10.0.0.2:8080", "Start it.", "connections +1,312", "waited max +40 ms",
                 r"(?s)0, 1, 2, .* and\s+10 more", "lost syn +2", r"failed share +25\.0 %",
                 r"top clients +10\.0\.0\.1 13"):  # fmt: skip
        assert re.search(each, shown), each


def test_findings_say_how_old_they_are():
    held = troubled().findings
    assert "as of 3 s ago" in plain(snapshot(findings=held, found_ns=START + HEALTHY_NS - 3 * SECOND))
    assert "as of" not in plain(snapshot(findings=held, found_ns=START + HEALTHY_NS))
    assert "FINDINGS  none, as of 3 s ago" in plain(snapshot(found_ns=START + HEALTHY_NS - 3 * SECOND))
    assert "FINDINGS  none\n" in plain(snapshot(found_ns=START + HEALTHY_NS)).replace(" \n", "\n")
    assert "none" not in plain(snapshot(found_ns=None)).split("FINDINGS")[1].splitlines()[0]  # nobody has looked


@pytest.mark.parametrize("width", [80, 100, 160, 200])
def test_the_reason_of_a_group_is_whole_where_its_server_is_short(width):
    given = troubled()
    assert "port-filtered" in plain(given, width, 50).split("TROUBLE")[1]
    assert "last just now" not in plain(given, width, 50)


def test_a_filter_may_be_an_expression():
    """What is wrong with it is said while it is typed; what was understood last goes on."""
    asked = []

    def reads(text):
        asked.append(text)
        if text.count("=") == 1:
            raise UsageError("half an expression")
        return (lambda connections: [each for each in connections if each.outcome == "timed-out"]) if text else None

    screen = Screen()
    screen.reads = reads
    given = troubled()
    screen.show(given)
    for key in ("/", *"outcome ="):
        screen.press(key)
    assert "half an expression" in screen.lines(given, 80, 24)[-1].plain
    screen.press("enter")  # is not taken
    assert "half an expression" in screen.lines(given, 80, 24)[-1].plain
    for key in ("=", *" 1"):
        screen.press(key)
    assert "understood" in screen.lines(given, 80, 24)[-1].plain
    screen.press("enter")
    shown = "\n".join(line.plain for line in screen.lines(given, 80, 40))
    assert re.search(f"3{TIMES} timed-out", shown)
    assert "refused  " not in shown.split("TROUBLE")[1]
    screen.press("escape")
    assert asked[-1] == ""
    assert screen.passing is None


def owned():
    """Everything there is, with processes and set-ups."""
    given = troubled()
    kernel = Kernel("ESTABLISHED", 40_000, 20_000, 10_000, 3, 10)
    process = Process(Owner(812, "nginx", 33, "nginx.service", None, kernel), None)
    summary = SetupSummary(
        5, TlsCounts(5, failed=2), SpanDistributions(first_byte=SpanDistribution(5, 0, MS, MS, MS, MS, MS, MS))
    )
    services = [
        msgspec.structs.replace(each, setup=summary, listener=Listener(812, "nginx", 33, "nginx.service", None, 3, 511))
        for each in given.services
    ]
    trouble = [msgspec.structs.replace(each, process=process) for each in given.trouble]
    return msgspec.structs.replace(given, services=services, trouble=trouble, newest=trouble)


def test_whose_a_connection_is_and_where_the_kernel_differs():
    shown = plain(owned(), 160, 50, keys=["tab", "enter"])
    assert "process" in shown
    assert "client nginx (812, nginx.service)" in shown
    assert "client ESTABLISHED, RTT 40 µs (least 10 µs), 3 sent again, cwnd 10" in shown
    assert "▲ state: CLOSED on the wire" in shown
    assert "▲ sent again: 0 on the wire" in shown
    assert "listener   3 waiting for accept(), backlog 511" in shown


HEADS = {
    "attempts", "established", "RTT p50", "RTT p99", "TLS p50", "1st byte p50", "process", "not established",
}  # fmt: skip
UNITS = r"(?:ns|µs|ms|s)"


@pytest.mark.parametrize("make", [*SAMPLES.values(), owned], ids=[*SAMPLES, "owned"])
def test_no_cell_is_clipped_at_any_width(make, monkeypatch):
    """Lines fit before they are cut, headings are whole or not there, and times have their units."""
    cut = []
    monkeypatch.setattr("rich.text.Text.truncate", lambda self, width, **_: cut.append((self.plain, width)))
    given = make()
    for width in range(80, 201):
        screen = Screen(color=False)
        screen.show(given)
        for key in ["tab"] * (width % 3):
            screen.press(key)
        for line in screen.lines(given, width, (24, 40, 50)[width // 3 % 3]):
            assert line.cell_len <= width, (width, line.plain)
    too_long = [(text, width) for text, width in cut if cell_len(text) > width]
    assert not too_long, too_long[:3]


@pytest.mark.parametrize("width", range(80, 201, 3))
def test_the_columns_of_services_are_whole_or_left_out(width):
    lines = plain(owned(), width, 50).splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("SERVICES"))
    end = width if width < 150 else width * SERVED // 100
    head = re.sub(r"busiest [0-9]+(/| of )[0-9]+", "busiest", lines[at][:end])
    assert (
        set(re.split(r" {2,}| (?=RTT|TLS|1st|(?<!not )established|attempts)", head.split("busiest")[1].strip()))
        <= HEADS
    )
    assert {"attempts", "established"} <= set(head.split())
    assert "process" in head or width < 160
    assert width < 160 or "nginx" in lines[at + 1][:end]
    for line in lines[at + 1 : at + 4]:
        words = re.findall(r"(?<= )[\d.]+ (\S+)", line[: end - 20])
        assert all(re.fullmatch(rf"{UNITS}|%|[MG]|[a-z]+-?[a-z]*,?|TLS|…", word) for word in words), line


def test_beside_each_other_services_still_have_room_for_two_kinds_of_failure():
    """In the narrowest screen of two halves that shows processes, on a host with IPv4 alone."""
    outcomes = Outcomes(timed_out=17, pending=12)
    listener = Listener(19_400, "python3", 0, None, None, 2, 1)
    service = msgspec.structs.replace(troubled().services[0], outcomes=outcomes, connections=29, listener=listener)
    shown = plain(msgspec.structs.replace(troubled(), services=[service]), 160, 40)
    assert re.search(r"python3 +17 timed-out, 12 pending ", shown)


@pytest.mark.parametrize("width", [100, 145, 150, 155, 160, 200])
def test_connections_have_their_rtt_and_process_where_their_ends_leave_room(width):
    process = Process(None, Owner(812, "nginx", 33, None, None, None))
    newest = [
        connection(0, "refused"),
        *(msgspec.structs.replace(connection(n), process=process) for n in range(1, 20)),
    ]
    rows = plain(snapshot(newest=newest), width, 50).split("CONNECTIONS  newest")[1].splitlines()
    established = [row.rstrip() for row in rows if " established " in row]
    assert len(established) > 10
    assert all(re.search(rf"10\.0\.0\.2:443 +[\d.]+ {UNITS} ", row) for row in established)
    assert len({"nginx" in row for row in established}) == 1
    assert width in range(150, 180) or "nginx" in established[0]
    assert len(set(map(len, established))) == 1  # below each other


@pytest.mark.parametrize(("height", "both"), [(24, False), (36, True), (50, True)])
def test_connections_stand_below_trouble_where_that_leaves_room(height, both):
    given = snapshot(trouble=[connection(0, "refused")], newest=[connection(number) for number in range(20)])
    shown = plain(given, 100, height)
    assert ("TROUBLE" in shown, "CONNECTIONS  newest" in shown) == (True, both)
