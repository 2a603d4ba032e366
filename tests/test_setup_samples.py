"""Set-ups of the samples against the clock of the client that waited for them."""

import json
import re

import pytest
from support.samples import SAMPLES

from handshake_inspect import engine
from handshake_inspect.errors import UsageError
from handshake_inspect.expression.language import parse
from handshake_inspect.expression.select import filtered, passing
from handshake_inspect.report.setup_names import text

TOLERANCE_NS = 1_000_000  # the calls begin before the kernel sends, and return after it has sent
CLOCKED = [
    "tls12-full", "tls12-full-server-side", "tls12-full-between", "tls12-resumed", "tls13-resumed", "tls13-hello-retry",
    "smtp-starttls", "tls-slow-server", "plain-slow-answer",
]  # fmt: skip


def ends(setup):
    """When the client could go on, from the first SYN: connected, secured, answered."""
    spans = setup.spans
    tls = spans.tls
    return {
        "connected_ns": spans.tcp.value_ns,
        "tls_ns": None if tls is None else tls.start_ns + tls.value_ns,
        "first_byte_ns": spans.first_byte.value_ns,
    }


@pytest.mark.parametrize("name", CLOCKED)
def test_the_client_s_own_clock_agrees(name, pcaps):
    shown = json.loads((pcaps / f"{name}.json").read_text())
    report = engine.analyze([pcaps / f"{name}.pcap"])
    by_port = {connection.client.port: connection for connection in report.connections}
    for clock in shown["kernel"]["clock"]:
        found = ends(by_port[clock["client"]["port"]].setup)
        for moment, at in clock.items():
            if moment != "client":
                assert abs(found[moment] - at) <= TOLERANCE_NS, (moment, found[moment], at)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("tls12-full")])
def test_every_position_gives_the_same_figures(name, pcaps):
    setups = [engine.analyze([pcaps / f"{each}.pcap"]).connections[0].setup for each in ("tls12-full", name)]
    for span in ("tcp", "tls", "response", "first_byte"):
        one, other = (getattr(setup.spans, span).value_ns for setup in setups)
        assert abs(one - other) <= 5 * TOLERANCE_NS  # of two runs over the same path
    assert [setup.round_trips for setup in setups] == [4, 4]


@pytest.mark.parametrize(
    ("name", "trips"),
    [
        ("tls12-full", [4]), ("tls12-resumed", [4, 3]), ("tls13-resumed", [3, 3]), ("tls13-hello-retry", [4]),
        ("plain-slow-answer", [2]), ("smtp-starttls", [6]),
    ],
)  # fmt: skip
def test_round_trips_are_those_of_the_messages(name, trips, pcaps):
    report = engine.analyze([pcaps / f"{name}.pcap"])
    assert [connection.setup.round_trips for connection in report.connections] == trips


def test_the_pictures_in_the_docs_are_what_is_drawn(hsi, pcaps):
    page = (pcaps.parent / "docs" / "setup.md").read_text()
    shown = re.findall(r"<!-- waterfall: ([\w-]+) ?(\w*) -->\n```text\n(.*?)```\n", page, re.DOTALL)
    assert [name for name, _, _ in shown] == ["tls12-full", "quic-early-data"]
    for name, number, picture in shown:
        words = ["explain", str(pcaps / f"{name}.pcap"), *filter(None, [number])]
        drawn = hsi(*words, env={"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}).stdout.decode()
        assert drawn[drawn.index("SET-UP") :] == picture


NAMES = (b"lab.example", b"http/1.1")


@pytest.mark.parametrize("arguments", [["-T", "json"], ["-T", "csv", "-e", "*"], ["explain"]], ids=" ".join)
def test_no_names_leaves_names_out(arguments, hsi, pcaps):
    file = str(pcaps / "tls12-full.pcap")
    assert NAMES[0] in hsi(*arguments, file).stdout
    assert not [each for each in NAMES if each in hsi(*arguments, "--no-names", file).stdout]


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ('tls.kind == resumed and setup.spans.tls < 60ms', [1]),
        ('setup.extra_round_trips contains nagle', []),
        ('tls.server_name == "lab.example" and setup.round_trips == 4', [0]),
    ],
)  # fmt: skip
def test_filters_know_set_ups(expression, ids, pcaps):
    report = engine.analyze([pcaps / "tls12-resumed.pcap"])
    assert passing(report.connections, parse(expression)).nonzero()[0].tolist() == ids
    chosen = filtered(report, parse(expression))
    shown = chosen.summary.setup
    assert (0 if shown is None else shown.connections) == len(ids)


def test_a_list_of_texts_has_no_order():
    with pytest.raises(UsageError, match="use contains or matches"):
        parse("tls.alpn_offered == h2")


@pytest.mark.parametrize("data", [b"\x1b[31m", b"a\nb\tc", b"\xff\xfe", b"=cmd|x", b"\x00"])
def test_names_drive_no_terminal(data):
    assert text(data).isprintable()
