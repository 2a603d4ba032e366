"""The first words of a report: the verdict, and the names of many files."""

from io import BytesIO

import pytest
from msgspec.structs import replace
from support.reports import connection, healthy, report

from handshake_inspect.engine.analysis import analyze
from handshake_inspect.render import Options, text
from handshake_inspect.report.headline import AppliedFilter, captured, few_sources, verdict, why_nothing
from handshake_inspect.report.model import Capture, Evidence, Finding, Problem, Target


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (1, "<0>"),
        (4, "<0>, <1>, <2>, <3>"),
        (5, "<0>, <1>, <2>, 2 files more"),
        (5003, "<0>, <1>, <2>, 5,000 files more"),
    ],
)
def test_few_of_many_names_are_shown(count, shown):
    fields = {name: getattr(healthy().capture, name) for name in Capture.__struct_fields__}
    capture = Capture(**{**fields, "sources": [str(number) for number in range(count)]})
    assert few_sources(capture, "<{}>".format) == shown
    assert few_sources(Capture(**{**fields, "sources": ["-"]}), "<{}>".format) == "standard input"


def rolled_up(kind, cause, ports=(80,)):
    """A finding that sums up what failed, at one or several ports of a host."""
    port = ports[0] if len(ports) == 1 else None
    metrics = {"cause": cause, "port_count": len(ports)}
    return Finding(kind, "warning", "many words: 1", Target("10.0.0.2", port), None, None, metrics, Evidence(), "Do.")


@pytest.mark.parametrize(
    ("outcomes", "found", "said"),
    [
        ([], [], "no TCP connections"),
        (["refused"], [rolled_up("refused", "closed-port")], "0 of 1 connection established, 1 refused: "
         "10.0.0.2:80 (closed-port)"),
        (["refused", "timed-out"], [rolled_up("timed-out", "port-filtered", (80, 81))],
         "0 of 2 connections established, 1 refused, 1 timed-out: 2 ports of 10.0.0.2 timed-out (port-filtered)"),
        (["refused"] * 3, [rolled_up("refused", "closed-port"), rolled_up("refused", "closed-port", (81,)),
                           rolled_up("refused", "reset-by-firewall")],
         "0 of 3 connections established, 3 refused: 10.0.0.2:80 and 1 other (closed-port)"),
        (["refused"] * 2, [rolled_up("refused", "closed-port"), rolled_up("refused", "closed-port", (81,)),
                           replace(rolled_up("refused", None), metrics={"not_listed": 7})],
         "0 of 2 connections established, 2 refused: 10.0.0.2:80 and at least 1 other (closed-port)"),
        (["refused"], [rolled_up("refused", None)], "0 of 1 connection established, 1 refused: many words"),
        (["established"] * 20, [], "20 of 20 connections established"),
        (["refused"] * 20, [], "0 of 20 connections established, 20 refused"),
        (["established"] + ["refused"] * 19, [], "1 of 20 connections established (5.0 %), 19 refused"),
    ],
)  # fmt: skip
def test_the_verdict_says_nothing_twice(outcomes, found, said):
    assert verdict(report([connection(n, outcome) for n, outcome in enumerate(outcomes)], found)) == said


@pytest.mark.parametrize(
    ("probes", "said"),
    [
        (20, "1 of 21 connections established (4.8 %), 20 refused: 10.0.0.1 scanned 20 ports"),
        (11, "1 of 21 connections established (4.8 %), 20 refused: 10.0.0.1 scanned 20 ports"),
        (10, "1 of 21 connections established (4.8 %), 20 refused"),  # half may have another reason
    ],
)
def test_a_scan_that_found_nothing_is_named_where_most_failures_are_its(probes, said):
    words = ["established"] + ["refused"] * 20
    scan = Finding(
        "port-scan",
        "info",
        "10.0.0.1 scanned 20 ports: 20 closed",
        None,
        None,
        None,
        {"probes": probes},
        Evidence(),
        "Do.",
    )
    shown = report([connection(n, outcome) for n, outcome in enumerate(words)], [scan])
    assert verdict(shown) == said
    well = report([connection(0)], [scan])
    assert verdict(well) == "1 of 1 connection established"


@pytest.mark.parametrize(
    ("among", "said"),
    [
        (37, "0 of 37 connections match -Y 'outcome == refused'"),
        (1, "0 of 1 connection matches -Y 'outcome == refused'"),
        (None, "no connection matches -Y 'outcome == refused'"),  # where nobody counted
        (0, "no TCP connections"),
    ],
)
def test_the_verdict_of_what_an_expression_leaves(among, said):
    assert verdict(report([]), AppliedFilter("outcome == refused", among)) == said


@pytest.mark.parametrize(("among", "said"), [
    (3, "; 2 of 3 connections match -Y 'server.port == 80'"), (2, ""), (None, ""),
])  # fmt: skip
def test_a_report_of_some_says_of_how_many(among, said):
    out = BytesIO()
    options = Options(verbosity=-1, applied_filter=AppliedFilter("server.port == 80", among))
    text.render(report([connection(0), connection(1)]), out, options)
    assert out.getvalue().decode() == f"2 of 2 connections established{said}\n"


def test_beside_quic_an_expression_was_asked_of_tcp(pcaps):
    quic = replace(analyze([pcaps / "quic.pcap"]), findings=[])
    assert verdict(quic, AppliedFilter("rst_by == client", 0)) == "1 of 1 QUIC connection established; no TCP"
    assert verdict(quic, AppliedFilter("rst_by == client", 3)) == "0 of 3 connections match -Y 'rst_by == client'"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"frames": 0}, "The capture holds no frames: check the interface and the capture filter."),
        ({"tcp_segments": 0}, "None of the frames is TCP: check the capture filter."),
        (
            {"tcp_segments": 0, "problems": [Problem("unsupported-link-type", "", None)]},
            "No TCP was found, and not all frames could be looked into: see the problems below.",
        ),
        (
            {"tcp_segments": 0, "problems": [Problem("cut-short", "", None)]},
            "None of the frames is TCP: check the capture filter.",
        ),
        (
            {"problems": [Problem("unsupported-link-type", "", None)]},
            "None of the TCP segments belongs to a connection.",
        ),
    ],
)
def test_why_there_are_no_connections(known, said):
    assert why_nothing(replace(healthy().capture, **known), None) == said


@pytest.mark.parametrize(
    ("known", "name", "rest"),
    [
        ({}, "a.pcap", ": 5 frames in 2 s, complete"),
        ({"sources": ["a.pcap", "b.pcap", "c.pcap"]}, "a.pcap and 2 more", ": 5 frames in 2 s, complete"),
        ({"sources": []}, "nothing", ": 5 frames in 2 s, complete"),
        ({"frames": 1}, "a.pcap", ": 1 frame, complete"),
        ({"last_ns": None}, "a.pcap", ": 5 frames, complete"),
        ({"complete": False}, "a.pcap", ": 5 frames in 2 s, INCOMPLETE: cut or damaged, analysed as far as it goes"),
        ({"dropped_by_kernel": 0}, "a.pcap", ": 5 frames in 2 s, complete, no drops reported"),
        ({"dropped_by_kernel": 7}, "a.pcap", ": 5 frames in 2 s, complete, 7 frames DROPPED while capturing"),
    ],
)
def test_how_much_was_captured(known, name, rest):
    usual = {
        "sources": ["a.pcap"], "frames": 5, "first_ns": 0, "last_ns": 2_000_000_000, "complete": True,
        "dropped_by_kernel": None,
    }  # fmt: skip
    assert captured(replace(healthy().capture, **(usual | known))) == (name, rest)
