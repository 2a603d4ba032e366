"""The ladder as people see it: golden pages, and that it fits where it is shown.

`HSI_WRITE_LADDERS=1 pytest tests/explain` rewrites the pages; read the difference before you commit it.
"""

import io
import os
import re
from pathlib import Path

import pytest
from support.samples import SAMPLES

from handshake_inspect.engine import analyze
from handshake_inspect.engine.explain import explain
from handshake_inspect.engine.selection import ConnectionQuery, parse
from handshake_inspect.render import Options
from handshake_inspect.render.story import render

LADDERS = Path(__file__).parent / "ladders"


def page(path, number=0, limit=40, **looks):
    story = explain([path], ConnectionQuery(number=number), limit=limit)
    out = io.BytesIO()
    render(story, out, Options(**looks))
    return out.getvalue().decode(looks.get("encoding", "utf-8"))


def rungs(text):
    """The ladder itself, without the verdict, whose words other tests hold."""
    return text[text.index("SEGMENTS") : text.index("VERDICT")].rstrip() + "\n"


GOLDEN = {
    "closed-by-client": {},
    "lost-synack": {},
    "zero-window": {"limit": 12},
    "rejected-ttl-exceeded": {},
    "simultaneous-open": {},
    "simultaneous-close": {},
    "middlebox-reset-ignored": {},
    "blind-syn": {},
    "keep-alive": {"width": 160},
    "midstream": {"encoding": "ascii", "limit": 10},
    "closed-by-client-ipv6": {"width": 160, "encoding": "ascii"},
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_ladders(name, pcaps):
    golden = LADDERS / f"{name}.txt"
    shown = rungs(page(pcaps / f"{name}.pcap", **GOLDEN[name]))
    if os.environ.get("HSI_WRITE_LADDERS"):
        golden.write_text(shown)
    assert shown == golden.read_text()


@pytest.mark.parametrize("name", SAMPLES)
def test_no_line_is_wider_than_the_terminal(name, pcaps, monkeypatch):
    monkeypatch.chdir(pcaps)  # the ladder names the file, and a long path cannot be broken
    capture = Path(f"{name}.pcap")
    story = explain([capture], ConnectionQuery(number=0) if analyze([capture]).connections else parse("q0"))
    for width in (64, 72, 80, 100, 124, 160):
        out = io.BytesIO()
        render(story, out, Options(width=width))
        for line in out.getvalue().decode().splitlines():
            # Only a word that cannot be broken, such as an option of advice, may stand out.
            assert len(line) <= width or " " not in line.strip()


def test_a_narrow_ladder_leaves_out_gaps_and_whole_numbers(pcaps):
    """Half a number would be another one."""
    shown = rungs(page(pcaps / "zero-window.pcap", width=64))
    assert " gap " not in shown
    assert re.findall(r"\[P\.\] [^─]+", shown)[0].strip() in {"[P.] 1449 +1448", "[P.] 1449"}
    assert {int(size) for size in re.findall(r" \+(\d+) ─", shown)} <= {1448, 2896, 1176}


@pytest.mark.parametrize("name", ["lost-syn", "middlebox-reset-ignored", "rejected-port-unreachable"])
def test_plain_ascii_where_the_terminal_has_no_more(name, pcaps):
    text = page(pcaps / f"{name}.pcap", encoding="ascii")
    assert text.isascii()
    assert "\\x" not in text
    assert re.search(r"-+> |<[-.]+ ", text)


def test_colour_adds_nothing_but_colour(pcaps):
    path = pcaps / "middlebox-reset-ignored.pcap"
    plain, colored = page(path), page(path, color=True)
    assert plain != colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_both_states_stand_on_every_rung(pcaps):
    path = pcaps / "closed-by-client.pcap"
    story = explain([path], ConnectionQuery())
    lines = [line for line in page(path).splitlines() if re.match(r" *[0-9.]+ +(\+[0-9.]+ \w+ +)?[0-9]+ ", line)]
    assert len(lines) == len(story.steps)
    for line, step in zip(lines, story.steps, strict=True):
        assert re.search(rf" {step.state.client} .*[─▶◀].* {step.state.server}$", line)
        assert ("▶" in line) == (step.sender == "client")
        assert f"[{step.flags}]" in line


def test_the_verdict_has_its_proof(pcaps):
    text = page(pcaps / "refused.pcap")
    verdict = text[text.index("VERDICT") :]
    assert verdict.startswith("VERDICT  refused, closed-port\n")
    assert re.search(r"^ *evidence +frames 1 and 2$", verdict, re.MULTILINE)
    assert "which is no RTT" in verdict
