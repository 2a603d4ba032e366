"""QUIC in the text of a report."""

import io
import json

import pytest
from support.quic import MS, Flow
from support.quic import initial as initial_packet

import handshake_inspect
from handshake_inspect.render import FORMATS, Options


def rendered(flow: Flow, form: str, **options) -> str:
    out = io.BytesIO()
    FORMATS[form].render(handshake_inspect.analyze(flow.file()), out, Options(encoding="utf-8", **options))
    return out.getvalue().decode()


def text_of(flow: Flow, width: int = 80) -> str:
    return rendered(flow, "text", width=width)


def test_a_capture_without_tcp_shows_what_became_of_quic():
    text = text_of(Flow().client(initial_packet(size=1200)).wait(7 * MS).error())
    assert "QUIC  1 connection" in text
    assert "rejected" in text
    assert "port-unreachable: " in text
    assert "CONNECTIONS  none" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_many_in_trouble_are_counted():
    flow = Flow()
    for port in range(8):
        flow.put(("192.0.2.1", 40000 + port), flow.ends[1], initial_packet(size=1200))
    flow.wait(9000 * MS).client(b"x")
    text = text_of(flow, 120)
    assert text.count("timed-out") == 2 + 5  # the headline, the table of outcomes, those listed
    assert "and 3 more" in text


@pytest.mark.parametrize("wanted", [True, False])
def test_no_connections_leaves_those_of_quic_out(wanted):
    flow = Flow().client(initial_packet(size=1200))
    document = json.loads(rendered(flow, "json", connections=wanted))
    assert (document["quic_connections"] is not None, len(document["quic_services"])) == (wanted, 1)
    events = [json.loads(line)["event"] for line in rendered(flow, "ndjson", connections=wanted).splitlines()]
    assert ("quic-connection" in events) == wanted
