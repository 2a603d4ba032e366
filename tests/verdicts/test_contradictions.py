"""No two findings contradict each other about one connection, nor its outcome and cause, on any capture."""

import contextlib
import io

import msgspec
import pytest
from support import captures, contradictions, frames
from support.contradictions import EXCLUSIVE, FORBIDDEN, OUTCOMES
from support.samples import SAMPLES
from support.wire import Wire

from handshake_inspect import engine
from handshake_inspect.errors import CaptureError
from handshake_inspect.report import words
from handshake_inspect.verdicts.words import CAUSES

CAPTURES = (".pcap", ".pcapng", ".cap", ".trace", ".pcap.gz")
FINDINGS = {*words.FindingId.__args__}


def report_of(path):
    """As much of a report as the tables ask for."""
    report = engine.analyze([path])
    return {
        "findings": [msgspec.to_builtins(finding) for finding in report.findings],
        "connections": [
            {"id": one.id, "outcome": one.outcome, "cause": one.cause, "decided": one.decided}
            for one in report.connections
        ],
    }


@pytest.fixture(autouse=True)
def _whole_evidence(monkeypatch):
    contradictions.cite_all(monkeypatch)


@pytest.mark.wide_table
@pytest.mark.parametrize("name", SAMPLES)
def test_of_samples(name, pcaps):
    assert list(contradictions.contradictions(report_of(pcaps / f"{name}.pcap"))) == []


def test_of_captures_of_others(corpus):
    paths = [path for path in sorted(corpus.rglob("*")) if path.name.endswith(CAPTURES)]
    assert len(paths) > 20
    found = {}
    for path in paths:
        with contextlib.suppress(CaptureError):  # some are there to be refused
            found[path.name] = list(contradictions.contradictions(report_of(path)))
    assert len(found) > len(paths) // 2
    assert {name: said for name, said in found.items() if said} == {}


def test_the_tables_know_the_words():
    assert {word for each in EXCLUSIVE for word in each} <= FINDINGS
    assert {*OUTCOMES} | {word for each in FORBIDDEN.values() for word in each} <= FINDINGS
    assert {word for each in OUTCOMES.values() for word in each} <= {*words.OUTCOMES}
    assert {*FORBIDDEN} | {*contradictions.ASKS_FOR} <= {*CAUSES}


def test_a_contradiction_is_seen():
    connection = {"id": 0, "outcome": "established", "cause": "reset-by-middlebox", "decided": True}
    evidence = {"connections": [0]}
    said = [{"id": name, "evidence": evidence} for name in ("early-reset", "rst-injection", "half-open")]
    found = list(contradictions.contradictions({"connections": [connection], "findings": said}))
    assert any("early-reset and rst-injection" in each for each in found)
    assert any("half-open is not about such an outcome" in each for each in found)
    assert any("early-reset is another cause" in each for each in found)
    found = list(contradictions.contradictions({"connections": [connection], "findings": []}))
    assert any("no finding of ['rst-injection']" in each for each in found)


# -- whatever the server's side does after a handshake

SERVER_ACTS = {
    "SYN-ACK again": lambda server: server.syn_ack(ack=1001),
    "another ISN": lambda server: server.syn_ack(seq=900_000, ack=1001),
    "RST": lambda server: server.rst(seq=5001),
    "RST of elsewhere": lambda server: server.rst(seq=5001, ttl=62),
    "RST, ACK": lambda server: server.rst_ack(seq=5001),
    "ACK": lambda server: server.ack(seq=5001),
    "data": lambda server: server.data(50),
    "FIN": lambda server: server.fin(),
}
CLIENT_ACTS = {
    "nothing": lambda client: client,
    "ACK": lambda client: client.ack(seq=1001),
    "data": lambda client: client.data(100, seq=1001),
    "RST": lambda client: client.rst(seq=1001),
}


@pytest.mark.wide_table
@pytest.mark.parametrize("asks", CLIENT_ACTS)
@pytest.mark.parametrize("then", SERVER_ACTS)
@pytest.mark.parametrize("first", SERVER_ACTS)
def test_of_whatever_follows_a_handshake(first, then, asks):
    """Each on its own, on a crowd of connections, soon or late: one story, whatever it is."""
    taken = []
    for number, pause in enumerate((0, 5_000_000, 300_000_000, 1_000_000_000, 1_000_000_000)):
        wire = Wire(client=(frames.CLIENT[0], 40000 + number)).handshake()
        wire.client.data(100, stay=True)
        SERVER_ACTS[first](wire.server)
        wire.wait(pause)
        CLIENT_ACTS[asks](wire.client)
        SERVER_ACTS[then](wire.server)
        wire.wait(pause)
        SERVER_ACTS[first](wire.server)
        taken += wire.frames()
    capture = io.BytesIO(captures.pcap(sorted(taken, key=lambda each: each[0]), nano=True))
    assert list(contradictions.contradictions(report_of(capture))) == []
