"""The page loads nothing, says all without a script, escapes what captures say, and stays small."""

import base64
import hashlib
import io
import json
import re
from xml.etree import ElementTree

import lxml.html
import msgspec
import pytest
from support import reports
from support.captures import pcap
from support.quic import Flow, client_hello, crypto, initial
from support.reports import connection

from handshake_inspect import engine
from handshake_inspect.checks.compare import compare
from handshake_inspect.checks.rule_results import RuleEvaluation
from handshake_inspect.checks.settings import rules
from handshake_inspect.cli.input_options import chosen_format
from handshake_inspect.engine.explain import explain, stories
from handshake_inspect.engine.selection import ConnectionQuery
from handshake_inspect.errors import UsageError
from handshake_inspect.render import DIFFS, FORMATS, STORIES, Options
from handshake_inspect.report.connection_parts import Server
from handshake_inspect.report.model import Direction, Evidence, Finding, Problem, Target
from handshake_inspect.report.process import Listener

EVIL = """<img src=x onerror="alert(1)"></script><script>alert('2')</script>{{ 7*7 }}&amp;\x1b[31m\u202e\ud800"""
MOST = 2 << 20


def page(report, **options):
    out = io.BytesIO()
    FORMATS["html"].render(report, out, Options(**options))
    return out.getvalue()


def drawn(path):
    """The page of a capture with its ladders."""
    report = engine.analyze([path])
    chosen = FORMATS["html"].starring(report, Options())
    return page(report, stories=stories([path], chosen, report))


def test_connections_of_quic_are_drawn(pcaps):
    data = drawn(pcaps / "quic-retry.pcap")
    assert b"Datagrams of connection q0 from 10.0.0.1:41001 to 10.0.0.2:443, established" in data
    assert b"Retry: the server checks" in data


def tree(data):
    return lxml.html.fromstring(data.decode())


def story(pcaps, name="middlebox-reset", number=1):
    return explain([pcaps / f"{name}.pcap"], ConnectionQuery(number=number))


@pytest.fixture(scope="module")
def pages(pcaps):
    """A page of each kind."""
    checked, difference, shown = io.BytesIO(), io.BytesIO(), io.BytesIO()
    old, new = (engine.analyze([pcaps / f"{name}.pcap"]) for name in ("healthy-burst", "slow-handshake"))
    FORMATS["html"].render_diff(compare(old, new), difference, Options(reports=(old, new)))
    FORMATS["html"].render_story(story(pcaps), shown, Options())
    report = engine.analyze([pcaps / "refused-storm.pcap"])
    held = RuleEvaluation(report, rules({"profile": "strict"}), 20).checked()
    FORMATS["html"].render_check(held, checked, Options(reports=(report,)))
    return {
        "scan": drawn(pcaps / "port-scan-connect.pcap"),
        "flood": drawn(pcaps / "syn-flood-hping3.pcap"),
        "tls": drawn(pcaps / "tls13-hello-retry.pcap"),
        "empty": page(reports.SAMPLES["empty"]()),
        "check": checked.getvalue(),
        "diff": difference.getvalue(),
        "story": shown.getvalue(),
    }


KINDS = ["scan", "flood", "tls", "empty", "check", "diff", "story"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_and_nothing_inline_is_needed(pages, kind):
    """No address, no style attribute, no handler: a policy may forbid all of them."""
    for each in tree(pages[kind]).iter():
        if not isinstance(each.tag, str):
            continue
        assert not {"style", "src", "srcset", "action", "data"} & set(each.attrib), each.tag
        assert not [name for name in each.attrib if name.startswith("on")]
        assert each.get("href", "#").startswith("#")
    assert not re.findall(rb"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", pages[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_unique_and_pictures_have_names(pages, kind):
    found = tree(pages[kind])
    ids = found.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert all(
        each.get("aria-label") or each.get("aria-hidden") or each.getparent().tag == "svg" for each in found.iter("svg")
    )
    assert len(found.xpath("//h1")) == 1


def test_the_policy_knows_the_page_by_its_hashes(pages):
    found = tree(pages["scan"])
    (policy,) = found.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    for name in ("style", "script"):
        (source,) = [each.text for each in found.iter(name) if each.get("type") is None]
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_the_words_are_those_of_the_text_report(pcaps):
    report = engine.analyze([pcaps / "accept-queue-overflow.pcap"])
    out = io.BytesIO()
    FORMATS["text"].render(report, out, Options(width=400))
    (title,) = tree(page(report)).xpath("//h1/text()")
    assert out.getvalue().decode().splitlines()[0] == title


def test_what_is_drawn(pages):
    labels = {kind: tree(data).xpath("//svg/@aria-label") for kind, data in pages.items()}
    assert any("What the scan learnt of 60 ports" in label for label in labels["scan"])
    assert any("first byte" in label for label in labels["flood"])
    assert any("Half-open" in label for label in labels["flood"])
    assert any("Set-up of the connection" in label for label in labels["tls"])
    for kind in ("scan", "flood", "tls", "story"):
        assert any(label.startswith("Segments of connection") for label in labels[kind])
    assert "connect RTT, then and now" in labels["diff"]


def test_the_report_is_inside_as_json(pages, pcaps):
    report = engine.analyze([pcaps / "port-scan-connect.pcap"])
    (text,) = tree(pages["scan"]).xpath("//script[@id='hsi-report']/text()")
    inside = json.loads(text)
    assert inside["schema"] == report.schema
    assert inside["summary"] == msgspec.to_builtins(report.summary)
    assert len(inside["findings"]) == len(report.findings)
    assert inside["connections"][0] == msgspec.to_builtins(report.connections[inside["connections"][0]["id"]])


def test_text_of_captures_is_no_markup():
    server = Server("10.0.0.2", 443, EVIL, "sni")
    finding = Finding(
        "refused", "warning", EVIL, Target("10.0.0.2", 443), reports.START, reports.START + 5,
        {"cause": EVIL, "ports": [EVIL]}, Evidence([1], [0]), EVIL,
    )  # fmt: skip
    report = reports.report(
        [connection(i, "refused", why=EVIL, cause=EVIL, server=server) for i in range(3)], [finding],
        sources=[EVIL], filters=[EVIL], link_types=[EVIL], format=EVIL, problems=[Problem("cut", EVIL, 1, 2)],
    )  # fmt: skip
    data = page(report)
    found = tree(data)
    assert len(list(found.iter("script"))) == 2
    assert not list(found.iter("img"))
    assert b"\x1b" not in data
    assert "\u202e" not in data.decode()
    assert "{{ 7*7 }}" in found.text_content()
    (text,) = found.xpath("//script[@id='hsi-report']/text()")
    assert "<" not in text
    assert json.loads(text)["connections"][0]["why"].startswith("<img")


def test_a_page_stays_small(pcaps):
    """However much there is: what is left out is counted."""
    found = [
        Finding("refused", "warning", f"{i} " + "x" * 300, Target("10.0.0.2", i), reports.START, reports.START + i,
                {"connections": i, "ports": list(range(2000))}, Evidence(list(range(1, 500)), list(range(500))),
                "y" * 300)
        for i in range(1, 400)
    ]  # fmt: skip
    many = [
        connection(
            i,
            ("refused", "timed-out", "half-open")[i % 3],
            why="z" * 900,
            server=Server(f"10.0.{i % 250}.2", 1 + i % 60),
        )
        for i in range(3000)
    ]
    report = reports.report(many, found, sources=[f"{i}.pcap" for i in range(3000)])
    one = story(pcaps, "healthy-burst", 0)
    shown = [msgspec.structs.replace(one, connection=each, steps=one.steps * 6) for each in many]
    data = page(report, every=True, stories=shown)
    assert len(data) < MOST
    text = " ".join(tree(data).text_content().split())
    assert "and 339 more findings" in text
    assert "and 2,750 more" in text
    assert "and 2,997 files more" in text


def test_a_check_stays_small(pcaps):
    report = engine.analyze([pcaps / "refused-storm.pcap"])
    held = RuleEvaluation(report, rules({"profile": "strict"}), 1000).checked()
    failed = next(each for each in held.assertions if each.breaches)
    many = msgspec.structs.replace(held, assertions=[failed] * 300)
    out = io.BytesIO()
    FORMATS["html"].render_check(many, out, Options())
    assert len(out.getvalue()) < MOST
    assert out.getvalue().count(b"and 300 more") == 298
    assert b"and 100 more" in out.getvalue()


def test_a_listener_is_named_and_its_backlog_drawn():
    """As a live capture on the server's own host knows them."""
    made = [connection(i, "half-open", server=Server("10.0.0.2", 80)) for i in range(6)]
    made = [
        msgspec.structs.replace(c, handshake=msgspec.structs.replace(c.handshake, synack_ns=c.first_ns)) for c in made
    ]
    report = reports.report(made)
    listener = Listener(812, "nginx", 0, "nginx.service", None, 4, 4)
    report = msgspec.structs.replace(
        report, services=[msgspec.structs.replace(each, listener=listener) for each in report.services]
    )
    text = tree(page(report)).text_content()
    assert "nginx (812, nginx.service)" in text
    assert "backlog 4" in text


def test_what_a_finding_cites_is_shown_though_it_had_no_trouble(pcaps):
    """Slow handshakes all worked: they are what the page is about."""
    path = pcaps / "slow-handshake.pcap"
    report = tree(drawn(path))
    (section,) = [each for each in report.iter("section") if each.findtext("h2", "").startswith("Cited by findings")]
    assert [each.get("id") for each in section.iter("details") if each.get("id")] == ["c9", "c19"]
    assert len(section.xpath(".//*[local-name()='svg']")) >= 2
    assert report.xpath("//a[@href='#c9']")  # from the evidence of the finding


def test_without_connections_there_are_none(pcaps):
    report = engine.analyze([pcaps / "refused.pcap"])
    assert not FORMATS["html"].starring(report, Options(connections=False))
    assert 'id="c0"' not in page(report, connections=False).decode()


def test_the_ladder_is_a_file_of_its_own(pcaps):
    out = io.BytesIO()
    FORMATS["svg"].render_story(story(pcaps), out, Options())
    root = ElementTree.fromstring(out.getvalue())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = " ".join(root.itertext())
    assert "SYN_RECEIVED" in words
    assert "the capture ends" in words


def test_a_state_in_parentheses_has_room_beside_the_frame(pcaps):
    out = io.BytesIO()
    FORMATS["svg"].render_story(story(pcaps, "happy-eyeballs", 0), out, Options())
    root = ElementTree.fromstring(out.getvalue())
    moved = int(re.search(r"translate\((\d+) 0\)", out.getvalue().decode())[1])
    place = {each.text: float(each.get("x")) for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert place["#5"] + 7 * len("#5") < moved + place["(ESTABLISHED)"] - 8 * len("(ESTABLISHED)")


@pytest.mark.parametrize("form", ["html", "svg"])
def test_a_quic_connection_has_a_ladder_too(form):
    flow = Flow()
    flow.client(initial(crypto(client_hello("name.example", b"h3")), size=1200))
    out = io.BytesIO()
    FORMATS[form].render_story(explain([io.BytesIO(pcap(flow.frames, nano=True))], ConnectionQuery()), out, Options())
    assert b"Initial +1,200" in out.getvalue()


def test_only_a_story_is_a_drawing():
    assert "svg" in STORIES
    assert "html" in DIFFS
    with pytest.raises(UsageError, match="this command cannot write svg"):
        chosen_format(None, "report.svg")


def test_a_file_has_ladders_and_a_pipe_too(hsi, pcaps, tmp_path):
    sample = pcaps / "refused.pcap"
    assert hsi("analyze", sample, "-o", tmp_path / "a.html").returncode == 0
    assert b"Segments of connection 0" in (tmp_path / "a.html").read_bytes()
    done = hsi("analyze", "-", "-T", "html", input=sample.read_bytes())
    assert done.returncode == 0
    assert b"nothing listens" in done.stdout
    assert b"Segments of connection 0" in done.stdout


def test_a_check_draws_the_first_that_broke_each_assertion(hsi, pcaps):
    done = hsi("check", "--rtt", "total.max<1us", pcaps / "healthy-burst.pcap", "-T", "html")
    assert done.returncode == 1
    found = tree(done.stdout)
    (first,) = found.xpath("//details[@class='critical']/p[1]/text()")
    number = first.split()[0].removeprefix("#")
    assert len(found.xpath(f"//div[@aria-label='segments of connection {number}']/svg")) == 2  # wide and narrow


def test_a_live_run_draws_what_it_still_has(hsi, pcaps):
    done = hsi("live", "-q", "-r", pcaps / "refused.pcap", "-T", "html")
    assert done.returncode == 0
    assert b"Segments of connection 0" in done.stdout


def test_a_group_says_what_all_of_it_suffered():
    """The numbers of one connection stand beside it, not over others; one alone is said whole."""
    lossy = [connection(i, client_to_server=Direction(frames=20 + i, retransmissions=4)) for i in range(2)]
    shut = connection(2, server_to_client=Direction(zero_windows=3))
    titles = [each.text_content() for each in tree(page(reports.report([*lossy, shut]))).xpath("//summary")]
    assert any("2\xd7" in each and "The client sent many segments again." in each for each in titles)
    assert any("1\xd7" in each and "(zero window 3 times)." in each for each in titles)


@pytest.mark.parametrize(("source", "typed"), [("a b.pcap", "&#39;a b.pcap&#39;"), ("standard input", "-"), ("-", "-")])
def test_what_makes_the_page_again_can_be_typed(source, typed):
    shown = page(reports.report([connection(0)], sources=[source])).decode()
    assert f"hsi -o report.html {typed}<" in shown


@pytest.mark.parametrize(("source", "readable"), [("a.pcap", True), ("standard input", False)])
def test_what_a_pipe_held_cannot_be_read_by_others(source, readable):
    found = Finding("refused", "warning", "x", None, 1, 2, {}, Evidence([5]), "Do.")
    assert (b"tshark -r" in page(reports.report([connection(0)], [found], sources=[source]))) == readable
