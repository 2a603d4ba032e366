"""The story of a QUIC connection: what is listed, what it says, and that it fits."""

import io
import json

import pytest
from jsonschema import validate
from support import quic
from support.quic import DCID, MS, SERVER_CID, V1, Flow

from handshake_inspect.engine.explain import explain
from handshake_inspect.engine.selection import ConnectionQuery, parse
from handshake_inspect.errors import UsageError
from handshake_inspect.quic.initial import can_open
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.schema import quic_story_schema

HELLO = quic.initial(quic.crypto(quic.client_hello("lab.test")), size=1200)
ANSWER = quic.initial(scid=SERVER_CID, dcid=b"", keyed=DCID, from_server=True, size=200)
OTHER = ("192.0.2.9", 50009)


def visit(flow=None, think=30 * MS):
    """A handshake over 40 ms, a request with the Finished, and its answer."""
    flow = (flow or Flow()).client(HELLO).wait(40 * MS).server(ANSWER, quic.handshake(900))
    flow.wait(MS).client(quic.handshake(60, dcid=SERVER_CID), quic.short(200)).wait(40 * MS)
    return flow.server(quic.short(250, dcid=b"")).wait(think).server(quic.short(900, dcid=b""))


def story(flow, name="", **how):
    shown = explain([flow.file()], parse(name) if name else ConnectionQuery(), **how)
    assert isinstance(shown, QuicStory)
    return shown


def ids(shown):
    return [[mark.id for mark in (*step.events, *step.anomalies)] for step in shown.steps]


def page(shown, **looks):
    out = io.BytesIO()
    FORMATS["text"].render_story(shown, out, Options(**looks))
    return out.getvalue().decode(looks.get("encoding", "utf-8"))


def test_every_datagram_with_what_it_did():
    shown = story(visit())
    assert [(step.sender, step.packets) for step in shown.steps] == [
        ("client", ["initial"]), ("server", ["initial", "handshake"]), ("client", ["handshake", "1-rtt"]),
        ("server", ["1-rtt"]), ("server", ["1-rtt"]),
    ]  # fmt: skip
    assert ids(shown) == [
        ["client-hello"],
        ["server-hello", "server-finished"],
        ["client-finished", "request"],
        ["response"],
        [],
    ]
    assert [step.since_first_ns // MS for step in shown.steps] == [0, 40, 41, 81, 111]
    assert (shown.datagrams, shown.matches, shown.connection.outcome) == (5, [0], "established")


def test_what_cost_a_round_trip():
    flow = Flow().client(quic.initial(version=0x1A2A3A4A, size=1200)).wait(44 * MS).server(quic.negotiation(V1))
    flow.wait(MS).client(HELLO).wait(42 * MS).server(quic.retry()).wait(2 * MS)
    shown = story(flow.client(quic.initial(dcid=SERVER_CID, token=b"a token", size=1200)))
    assert ids(shown)[:4] == [["client-hello"], ["version-negotiation"], ["client-hello-2"], ["retry"]]
    assert shown.steps[1].packets == ["version-negotiation"]
    assert [step.version for step in shown.steps[:3]] == ["0x1a2a3a4a", None, "0x00000001"]


def test_an_initial_that_nothing_answers_comes_again():
    flow = Flow().client(HELLO).wait(MS).client(HELLO).wait(200 * MS).client(HELLO).wait(400 * MS).client(HELLO)
    assert ids(story(flow)) == [["client-hello"], [], ["again"], ["again"]]


@pytest.mark.skipif(not can_open(), reason="without the library")
def test_a_hello_retry_request_is_marked():
    asks = quic.crypto(quic.HELLO_RETRY)
    flow = Flow().client(HELLO).wait(40 * MS)
    flow.server(quic.initial(asks, scid=SERVER_CID, dcid=b"", keyed=DCID, from_server=True, size=200)).wait(MS)
    shown = story(flow.client(quic.initial(dcid=SERVER_CID, keyed=DCID, pn=1, size=1200)))
    assert ids(shown)[1] == ["server-hello", "hello-retry"]


def test_what_was_lost_is_marked_once():
    shown = story(visit(Flow().client(HELLO).wait(200 * MS)))
    assert ids(shown)[:3] == [["client-hello"], ["again"], ["server-hello", "server-finished"]]
    flow = Flow().client(HELLO).wait(40 * MS).server(ANSWER, quic.handshake(900)).wait(200 * MS)
    flow.server(ANSWER, quic.handshake(900)).wait(MS).client(quic.handshake(60, dcid=SERVER_CID), quic.short(100))
    assert ids(story(flow))[:3] == [["client-hello"], ["server-hello"], ["server-finished", "loss"]]


def test_an_error_is_listed_with_its_cause():
    shown = story(Flow().client(HELLO).wait(MS).error(code=13))
    assert (shown.steps[1].icmp, shown.steps[1].sender, shown.datagrams) == ("admin-prohibited", "client", 1)
    assert "ICMP admin-prohibited" in page(shown)


def test_a_client_that_moves():
    shown = story(visit().wait(MS).client(quic.short(50), src=OTHER).wait(MS).client(quic.short(50), src=OTHER))
    assert ids(shown)[5:] == [["moved"], []]


@pytest.mark.parametrize("name", ["", "q0", "192.0.2.1:40000", "198.51.100.2:443-192.0.2.1:40000"])
def test_how_it_is_asked_for(name):
    flow = visit()
    client = flow.ends[0]
    assert story(flow, name.replace(":40000", f":{client[1]}")).connection.id == 0


def test_of_several_the_first_with_trouble():
    flow = visit()
    first, flow.ends = flow.ends, (OTHER, flow.ends[1])
    flow.wait(MS).client(HELLO).wait(MS)
    flow.ends = first
    flow.wait(5000 * MS).client(quic.short(50))
    shown = story(flow, "198.51.100.2:443")
    assert (shown.matches, shown.connection.id, shown.connection.outcome) == ([0, 1], 1, "timed-out")
    assert "choose one by its id: q0" in page(shown)


def test_no_more_than_wanted():
    shown = story(visit(), limit=2)
    assert (len(shown.steps), shown.datagrams) == (2, 5)
    assert "3 datagrams not listed" in page(shown)


def test_what_was_not_recorded_is_reported(monkeypatch):
    monkeypatch.setattr("handshake_inspect.engine.explain.ENTRIES", 1)
    flow = visit()
    flow.ends = (OTHER, flow.ends[1])
    with pytest.raises(UsageError, match="q1 was not recorded"):
        explain([visit(flow).file()], parse("q1"))


def test_json_is_valid():
    out = io.BytesIO()
    FORMATS["json"].render_story(story(visit()), out, Options())
    validate(json.loads(out.getvalue()), quic_story_schema())


@pytest.mark.parametrize("looks", [{"width": 80}, {"width": 160, "color": True}, {"width": 80, "encoding": "ascii"}])
def test_it_fits(looks):
    text = page(story(visit()), **looks)
    assert "QUIC CONNECTION q0" in text.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "SET-UP" in text
    if not looks.get("color"):
        assert max(map(len, text.splitlines())) <= looks["width"]
