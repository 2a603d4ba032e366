"""The report for people: golden screens, and the rules that keep them readable."""

import io
import os
import re
from pathlib import Path

import msgspec
import pytest
from support.reports import SAMPLES, connection, flooded, healthy, report, troubled

from handshake_inspect.render import FORMATS, Options
from handshake_inspect.render.examples import examples, in_common, kind_of
from handshake_inspect.render.finding_lines import figures
from handshake_inspect.render.layout import Style
from handshake_inspect.render.text import TROUBLE_SEEN
from handshake_inspect.report.connection import Server
from handshake_inspect.report.headline import AppliedFilter
from handshake_inspect.report.model import Direction, Endpoint, Evidence, Finding, Problem
from handshake_inspect.wire.text import plural

GOLDEN = Path(__file__).parent / "golden"


def as_text(given, **options):
    out = io.BytesIO()
    FORMATS["text"].render(given, out, Options(**options))
    return out.getvalue().decode(options.get("encoding", "utf-8"))


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("name", SAMPLES)
def test_golden(name, width):
    """HSI_UPDATE_GOLDEN=1 rewrites the screens: look at the difference before you commit it."""
    path = GOLDEN / f"{name}-{width}.txt"
    shown = as_text(SAMPLES[name](), width=width)
    if os.environ.get("HSI_UPDATE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("options", [{}, {"every": True}, {"verbosity": 1}, {"every": True, "verbosity": 1}])
@pytest.mark.parametrize("width", [80, 100, 132, 200])
@pytest.mark.parametrize("name", ["healthy", "troubled", "empty"])
def test_no_line_is_wider_than_the_terminal(name, width, options):
    lines = as_text(SAMPLES[name](), width=width, **options).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_a_column_of_zeros_is_left_out_unless_later_rows_may_have_some():
    unanswered = report([connection(number, "timed-out") for number in range(3)])
    assert "bytes out" not in as_text(unanswered, width=200)
    assert "bytes out" in as_text(unanswered, width=200, every=True)


def test_colour_changes_nothing_but_colour():
    plain, colored = as_text(troubled()), as_text(troubled(), color=True)
    assert "\x1b" not in plain
    assert "\x1b[31mrefused" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_a_terminal_without_utf_8_gets_ascii():
    shown = as_text(troubled(), encoding="ascii", width=120)
    assert "SYN -> SYN-ACK" in shown
    assert "35 us" in shown
    assert "##" in shown


def test_what_the_encoding_lacks_is_escaped():
    assert r"caf\xe9.pcap" in as_text(report([], sources=["café.pcap"]), encoding="ascii")


def test_hostile_names_drive_nothing():
    given = report(
        [connection(0, "refused", why="a\x1b]0;owned\x07b")],
        sources=["\x1b[2J.pcap"],
        link_types=["eth\r\n0"],
        problems=[Problem("cut", "in '\x9b31m'")],
    )
    shown = as_text(given, every=True, verbosity=1)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    assert r"\x1b[2J.pcap" in shown


def test_one_line_when_quiet():
    assert as_text(healthy(), verbosity=-1) == "40 of 40 connections established\n"
    assert as_text(SAMPLES["empty"](), verbosity=-1) == "no TCP connections\n"
    assert as_text(flooded(), verbosity=-1) == "0 of 3,000,000 connections established, 3,000,000 half-open\n"


def test_a_flood_makes_only_the_connections_it_shows():
    given = flooded()
    shown = as_text(given)
    assert given.connections.made == TROUBLE_SEEN
    assert "and 2,999,995 more: --all shows every connection" in shown


def test_all_shows_every_connection_once_under_one_header():
    shown = as_text(report([connection(number) for number in range(1_203)]), every=True)
    listed = shown.split("EVERY CONNECTION", 1)[1].splitlines()
    rows = [line for line in listed if "10.0.0.1:4" in line]
    assert len(rows) == 1_203
    assert len({line.index("10.0.0.2:443") for line in rows}) == 1  # pieces are laid out alike
    assert sum("frame" in line and "client" in line for line in listed) == 1


def test_later_pieces_keep_within_the_width():
    long = Endpoint("2001:db8:1234:5678:9abc:def0:1234:5678", 54321)
    connections = [
        connection(number, client=long if number > 700 else Endpoint("10.0.0.1", 1)) for number in range(900)
    ]
    lines = as_text(report(connections), every=True).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("]:54321" in line and "established" in line for line in lines) == 199


def test_a_run_of_equal_explanations_is_given_once():
    shown = as_text(report([connection(number, "timed-out") for number in range(5)]))
    assert shown.count("port-filtered:") == 1


def test_one_explanation_of_many_holds_for_each():
    """A range where their figures differ, and no address of one of them."""
    refused = [
        connection(
            number,
            "refused",
            cause="closed-port",
            why=f"10.9.0.{number} answered with RST {took} after the SYN: nothing listens on the port.",
            server=Server(f"10.9.0.{number}", 22),
        )
        for number, took in enumerate(["2.73 µs", "222 µs", "1.04 ms"], 3)
    ]
    said = in_common(refused, lambda each: each.why)
    assert said == "the server answered with RST 2.73 µs to 1.04 ms after the SYN: nothing listens on the port."
    waited = [connection(n, "timed-out", why=f"{plural(n, 'SYN')} in {n}.1 s without any answer") for n in (1, 2, 3)]
    assert in_common(waited, lambda each: each.why) == "1 to 3 SYNs in 1.1 to 3.1 s without any answer"
    assert in_common(waited[1:2], lambda each: each.why) == waited[1].why


def test_an_address_of_a_third_host_is_no_figure():
    apart = [connection(n, "timed-out", why=f"but 10.0.0.{n}:80 answered") for n in (8, 9)]
    assert in_common(apart, lambda each: each.why) == "but 10.0.0.9:80 answered"


def test_a_few_of_a_kind_stand_for_all():
    alike = [connection(number, "timed-out") for number in range(9)]
    differing = [connection(9 + number, "refused", server=Endpoint(f"10.0.0.{number}", 80)) for number in range(9)]
    shown = as_text(report(alike + differing))
    assert "TROUBLE  18 connections, 10 of them shown" in shown
    assert shown.count("closed-port:") == 1


def test_what_happened_most_often_comes_first():
    frequent = [connection(number, "half-open") for number in range(2, 9)]
    often = {"established": 9, "refused": 1, "half-open": 7}
    shown = [each.outcome for each in examples([connection(0, "refused"), connection(1, syns=2), *frequent], 20, often)]
    assert shown == ["half-open"] * 5 + ["refused", "established"]


def test_of_a_kind_every_server_is_shown_before_one_of_them_again():
    servers = [80] * 7 + [81, 80, 82]
    alike = [connection(number, "refused", server=Endpoint("10.0.0.2", port)) for number, port in enumerate(servers)]
    shown = [each.id for each in examples(alike, 20)]
    assert shown == [0, 1, 2, 7, 9]


def test_every_kind_is_shown_before_many_of_one():
    kinds = [
        connection(number, "timed-out", why=f"kind {'x' * (number % 7)}, {number} SYNs in 3 s") for number in range(70)
    ]
    shown = examples(kinds, 20)
    assert [each.id for each in shown] == [number + 7 * turn for number in range(7) for turn in range(2)]
    assert len({kind_of(each) for each in shown}) == 7
    assert [each.id for each in examples(kinds, 3)] == [0, 1, 2]


def test_doubt_is_shown():
    assert re.search(r"pending\?", as_text(troubled(), every=True))
    assert re.search(r"half-open\?", as_text(report([connection(0, "half-open", decided=False)])))


def test_no_connections_leaves_the_summary():
    shown = as_text(troubled(), connections=False)
    assert "SERVICES" in shown
    assert "TROUBLE" not in shown


def test_what_was_left_out_is_reported():
    given = healthy()
    given = msgspec.structs.replace(given, summary=msgspec.structs.replace(given.summary, evicted=12_345))
    assert "40, 12,345 more left out to bound memory" in as_text(given)


def test_many_problems_and_many_files_are_counted():
    given = report(
        [], sources=[f"{n}.pcap" for n in range(9)], problems=[Problem("damaged", f"hole {n}", n) for n in range(30)]
    )
    shown = as_text(given)
    assert "and 6 files more" in shown
    assert "and 22 problems more" in shown


def test_findings_come_with_their_advice():
    shown = as_text(troubled())
    finding: Finding = troubled().findings[0]
    assert "WARNING  10.0.0.2:80 completed 5 handshakes" in shown
    assert "net.core.somaxconn" in shown
    assert finding.advice.split(",")[0] in shown


def test_of_many_findings_with_one_cause_the_first_stand_for_all():
    def about(number, cause="closed-port"):
        title = f"4 of 4 connections to 10.0.0.{number}:80 refused"
        return Finding("refused", "warning", title, None, 0, 1, {"cause": cause}, Evidence([], []), "Start it.")

    given = report([connection(0)], findings=[*(about(number) for number in range(40)), about(41, "middlebox-reset")])
    shown = as_text(given)
    assert shown.count("WARNING") == 4
    assert "\nand 37 more findings like these 3: -v shows all\n" in shown
    assert "10.0.0.41:80" in shown
    assert as_text(given, verbosity=1).count("WARNING") == 41
    assert as_text(report([connection(0)], findings=list(map(about, range(4))))).count("WARNING") == 4  # one is no many


def test_a_capture_without_any_frame_says_so():
    shown = as_text(report([], frames=0, tcp_segments=0, first_ns=None, last_ns=None))
    assert "holds no frames" in shown
    assert "None of the frames is TCP" in as_text(SAMPLES["empty"]())


def test_where_no_connection_fits_the_expression_is_named():
    shown = as_text(report([], frames=3, tcp_segments=3), applied_filter=AppliedFilter("outcome == \x1brefused", 2))
    assert "0 of 2 connections match -Y 'outcome == \\x1brefused'." in " ".join(shown.split())
    shown = as_text(report([], frames=3, tcp_segments=3), applied_filter=AppliedFilter("outcome == refused", 0))
    assert "None of the TCP segments belongs to a connection." in shown


def test_of_a_scan_the_open_ports_are_shown():
    ports = {22: "aborted", 53: "established", 80: "half-open"}
    probes = [
        connection(number, ports.get(number, "refused"), server=Endpoint("10.0.0.2", number))
        for number in range(1, 100)
    ]
    scan = Finding("port-scan", "warning", "a scan", None, None, None, {}, Evidence(), "Drop it.")
    services = as_text(report(probes, [scan])).split("SERVICES")[1].split("CAPTURE")[0]
    assert services.startswith("  3 of 99, the open ones\n")
    assert re.findall(r"10.0.0.2:(\d+)", services) == ["22", "53", "80"]
    assert "the 10 busiest of 99" in as_text(report(probes))
    asked = [connection(100 + n, "refused", server=Endpoint("10.0.0.9", 81)) for n in range(4)]
    services = as_text(report([*probes, *asked], [scan])).split("SERVICES")[1].split("CAPTURE")[0]
    assert services.startswith("  4 of 100, open ones first\n")  # what was asked for oftener is no scan's
    assert "10.0.0.9:81" in services
    busy = [connection(200 + n, "established" if n % 2 else "refused") for n in range(9)]
    services = as_text(report([*busy, *probes], [scan])).split("SERVICES")[1].split("CAPTURE")[0]
    assert re.findall(r"10.0.0.2:(\d+)", services)[0] == "443"  # the busiest of those that are open now and then


def test_of_a_scan_that_found_nothing_a_few_ports_are_shown():
    probes = [connection(n, "refused", server=Endpoint("10.0.0.2", n)) for n in range(1, 60)]
    scan = Finding("port-scan", "info", "a scan", None, None, None, {}, Evidence(), "Drop it.")
    services = as_text(report(probes, [scan])).split("SERVICES")[1].split("CAPTURE")[0]
    assert services.startswith("  3 of 59\n")
    assert len(re.findall(r"10.0.0.2:(\d+)", services)) == 3


def test_the_numbers_and_the_proof_of_a_finding_are_shown_when_asked_for():
    metrics = {
        "recovered": 3, "recovered_ratio": 0.125, "stuck_max_ns": 3_050_000_000, "peak_syns_per_s": 12_345.0,
        "open": [22, 53], "inside": {"rtt_p50_ns": 1_500}, "method": None, "forged": True,
    }  # fmt: skip
    given = Finding("syn-flood", "warning", "a flood", None, 0, 2_000_000_000, metrics, Evidence([5], [0, 2]), "Wait.")
    shown = re.sub(r"\s+", " ", as_text(report([connection(0)], [given]), verbosity=1, width=120))
    for words in (
        "recovered 3; recovered share 12.5 %; stuck max 3.05 s; peak syns 12,345 per s; open 22, 53;",
        "inside rtt p50 1.5 µs; forged yes", "evidence frame 5 connections 0, 2",
        "1970-01-01 00:00:00.000000 UTC, for 2 s",
    ):  # fmt: skip
        assert words in shown
    assert "method" not in shown
    assert "recovered share" not in as_text(report([connection(0)], [given]))


@pytest.mark.parametrize(
    ("metrics", "written"),
    [
        ({"waited_max_ns": 40_000_000, "lost_bytes": 1312}, {"waited max": "40 ms", "lost": "1,312 bytes"}),
        ({"failed_ratio": 0.25, "syns_per_s": 12.5}, {"failed share": "25.0 %", "syns": "12 per s"}),
        ({"lost": {"syn": 2}, "unknown": None}, {"lost syn": "2"}),
        ({"ports": list(range(22))}, {"ports": ", ".join(map(str, range(20))) + " and 2 more"}),
        ({"top_clients": [{"ip": "10.0.0.1", "connections": 13}]}, {"top clients": "10.0.0.1 13"}),
        ({"reporters": ["10.0.0.\x1b[2J"]}, {"reporters": r"10.0.0.\x1b[2J"}),
    ],
)
def test_metrics_are_written_with_their_units(metrics, written):
    found = figures(metrics, Style(color=False, encoding="utf-8"))
    assert {name.replace("_", " "): value for name, value in found} == written


def test_what_to_type_next_is_what_can_be_typed():
    """An interface is no file; the file that its frames were saved to is one."""
    saw = report([connection(0)], sources=["eth0"], format="live")
    assert as_text(saw).splitlines()[-1] == "next: hsi live -w FILE  keeps the frames, for hsi explain FILE"
    for pipe in ("-", "standard input"):
        assert "next:" not in as_text(report([connection(0)], sources=[pipe], format="live"))
    assert as_text(saw, saved="a b.pcapng").splitlines()[-1] == "next: hsi explain 'a b.pcapng' 0  segment by segment"
    assert "next: hsi explain eth0 0" in as_text(report([connection(0)], sources=["eth0"], format="pcap"))


def test_what_to_look_at_first_is_in_trouble_or_cited_by_a_finding():
    plain = [connection(number) for number in range(3)]
    cited = Finding("slow-handshake", "warning", "slow", None, 0, 1, {}, Evidence([5], [2]), "Look.")
    assert "next: hsi explain capture.pcapng 2" in as_text(report(plain, findings=[cited]))
    refused = [*plain, connection(3, "refused")]
    assert "next: hsi explain capture.pcapng 3" in as_text(report(refused, findings=[cited]))


def test_a_single_frame_takes_no_time():
    one = as_text(report([connection(0)], frames=1))
    assert "capture.pcapng: 1 frame, complete" in one
    assert "lasting" not in one


def test_afterwards_say_how_long_windows_were_shut():
    shut = Direction(zero_windows=2, zero_window_ns=1_370_000_000)
    lines = as_text(report([connection(n, server_to_client=shut) for n in range(2)])).splitlines()
    (line,) = (line for line in lines if line.startswith("  zero window "))
    assert line.endswith("4 segments; shut for 2.74 s in all")
