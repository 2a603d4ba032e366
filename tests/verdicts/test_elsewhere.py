"""Answers to a SYN from another address or port: they belong to the attempt, and to no other."""

import io
import json

import numpy as np
import pytest
from support import captures, frames
from support.wire import MS, SECOND, START, Wire, merged, report_of

from handshake_inspect import engine
from handshake_inspect.verdicts import nat_bypass
from handshake_inspect.verdicts.row_store import AttachedRows

BACKEND = ("198.51.100.77", 8080)
BACKEND6 = ("2001:db8:ffff::77", 8080)
ISN = 0xFFFF_FFF0
ENDS = [(frames.CLIENT, frames.SERVER, BACKEND), (frames.CLIENT6, frames.SERVER6, BACKEND6)]


def asked(copies=3, *, client=frames.CLIENT, server=frames.SERVER, start=START, isn=ISN):
    """An attempt that its own server never answers."""
    wire = Wire(client=client, server=server, client_isn=isn, start=start, at="client")
    for _ in range(copies):
        wire.client.syn(lost="after", stay=True)
        wire.wait(SECOND)
    return wire


def answered(times=3, *, client=frames.CLIENT, backend=BACKEND, start=START + MS, ack=ISN + 1, resets=True):
    """What a backend answers in its own name."""
    wire = Wire(client=client, server=backend, start=start)
    for _ in range(times):
        wire.server.syn_ack(ack=ack)
        if resets:
            wire.client.rst(seq=ack, stay=True)
        wire.wait(SECOND)
    return wire


def quiet():
    return Wire(client=("203.0.113.7", 1), server=("203.0.113.8", 2)).quiet(20 * SECOND)


def verdicts(report):
    return [(one["outcome"], one["cause"], from_(one)) for one in report["connections"]]


def from_(connection):
    """Address and port of what answered, whatever names it has."""
    end = connection["answered_from"]
    return end and {"ip": end["ip"], "port": end["port"]}


def at(end):
    return {"ip": end[0], "port": end[1]}


@pytest.mark.parametrize("copies", [1, 3], ids=["embryo", "repeated"])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("resets", [True, False])
@pytest.mark.parametrize("ends", ENDS, ids=["v4", "v6"])
def test_an_answer_from_elsewhere_belongs_to_the_attempt(copies, times, resets, ends):
    client, server, backend = ends
    report = merged(
        asked(copies, client=client, server=server),
        answered(times, client=client, backend=backend, resets=resets),
        quiet(),
    )
    (one,) = report["connections"]
    assert verdicts(report) == [("timed-out", "answered-from-elsewhere", at(backend))]
    assert one["decided"]
    assert len(one["evidence"]) == 2 + resets
    assert one["handshake"]["syn_count"] == copies
    assert (one["handshake"]["synack_count"], one["server_to_client"]["frames"]) == (0, 0)
    where = f"[{backend[0]}]" if ":" in backend[0] else backend[0]
    assert f"{where}:8080 answered under its own address: NAT is missing on the way back" in one["why"]
    (finding,) = report["findings"]
    assert finding["id"] == "timed-out"
    assert finding["metrics"]["answered_from"] == [f"{where}:8080"]
    assert finding["target"] == at(server)
    assert "source NAT" in finding["advice"]


@pytest.mark.parametrize("backend", [(frames.SERVER[0], 8443), ("198.51.100.77", frames.SERVER[1])])
def test_another_port_or_another_address_is_elsewhere(backend):
    assert verdicts(merged(asked(), answered(backend=backend), quiet())) == [
        ("timed-out", "answered-from-elsewhere", at(backend))
    ]


def test_stored_before_the_syn():
    report = merged(asked(), answered(start=START - MS), quiet())
    assert verdicts(report) == [("timed-out", "answered-from-elsewhere", at(BACKEND))]


def test_a_rst_that_acknowledges_the_syn_is_an_answer_too():
    wire = Wire(server=BACKEND, start=START + MS)
    wire.server.rst_ack(seq=0, ack=ISN + 1)
    assert verdicts(merged(asked(), wire, quiet())) == [("timed-out", "answered-from-elsewhere", at(BACKEND))]


def test_too_early_to_tell():
    report = merged(asked(1), answered(1))
    (one,) = report["connections"]
    assert (one["outcome"], one["cause"], one["decided"]) == ("pending", "answered-from-elsewhere", False)
    assert "NAT is missing" in one["why"]
    assert report["findings"] == []


def test_several_clients_with_one_address():
    """Many clients behind a NAT, each with a port and an ISN of its own."""
    clients = [("192.0.2.1", 40_000 + n) for n in range(5)]
    wires = [asked(client=client, isn=1000 * n) for n, client in enumerate(clients)]
    wires += [answered(client=client, ack=1000 * n + 1) for n, client in enumerate(clients)]
    report = merged(*wires, quiet())
    assert verdicts(report) == 5 * [("timed-out", "answered-from-elsewhere", at(BACKEND))]
    assert [one["id"] for one in report["findings"]] == ["timed-out"]


@pytest.mark.parametrize("words", [
    {"ack": ISN + 2}, {"ack": ISN}, {"client": ("192.0.2.1", 40001)}, {"client": ("192.0.2.9", 40000)},
    {"start": START + 400 * SECOND}, {"start": START - 60 * SECOND},
], ids=str)  # fmt: skip
def test_what_does_not_acknowledge_it_is_another(words):
    outcomes = [(one["outcome"], from_(one)) for one in merged(asked(), answered(**words), quiet())["connections"]]
    assert sorted(outcomes) == [("timed-out", None), ("unsolicited", None)]


def test_a_scanner_uses_one_port_and_isn_for_all():
    """The answer of nobody who was asked may be about any of them."""
    servers = [(f"198.51.100.{n}", 443) for n in range(2, 7)]
    scan = [asked(1, server=server) for server in servers]
    outcomes = [one["outcome"] for one in merged(*scan, answered(1), quiet())["connections"]]
    assert (outcomes.count("timed-out"), outcomes.count("unsolicited")) == (5, 1)


@pytest.mark.parametrize("backend", [("198.51.100.77", 103), ("198.51.100.77", 9999)])
def test_of_ports_scanned_with_one_isn_the_same_port_is_meant(backend):
    scan = [asked(1, server=(frames.SERVER[0], port)) for port in range(100, 106)]
    report = merged(*scan, answered(1, backend=backend), quiet())
    meant = [one["server"]["port"] for one in report["connections"] if one["answered_from"]]
    assert meant == ([103] if backend[1] == 103 else [])


def test_of_a_scan_that_began_before_the_capture_the_one_silent_target_is_not_meant():
    """It is the only one without an answer of its own, and may be silent all the same."""
    others = [Wire(server=(f"198.51.100.{n}", 443), client_isn=ISN) for n in range(2, 7)]
    for other in others[1:]:
        other.client.syn()
        other.server.refuse()
    others[0].client.syn(lost="after")
    report = merged(*others, answered(1), quiet())
    assert [one["answered_from"] for one in report["connections"]] == [None] * 6


def test_an_answer_to_an_attempt_that_succeeded_has_no_row_either():
    """Two answers to one SYN: the client took the right one, and reset the other."""
    wire = Wire(client_isn=ISN).handshake().exchange()
    report = merged(wire, answered(1, start=START + 50 * MS), quiet())
    assert verdicts(report) == [("established", None, at(BACKEND))]


def test_what_the_client_took_is_a_connection_of_its_own():
    """A capture on a router that translates sees the SYN before, and the rest after that."""
    wire = Wire(server=BACKEND, start=START + MS)
    wire.server.syn_ack(ack=ISN + 1)
    wire.client.ack(seq=ISN + 1)
    wire.client.data(seq=ISN + 1)
    assert [one["answered_from"] for one in merged(asked(), wire, quiet())["connections"]] == [None, None]


def test_a_syn_ack_alone_stays_what_it_was():
    (one,) = answered(1, resets=False).quiet(9 * SECOND).connections()
    assert (one["outcome"], one["answered_from"]) == ("unsolicited", None)


def test_other_rows_keep_their_numbers_and_their_past():
    """A row that goes moves all behind it, and what they say of rows before them."""
    before = Wire(client=("192.0.2.5", 4000), start=START - 9 * SECOND).handshake().close()
    again = Wire(client=("192.0.2.5", 4000), client_isn=70_000, start=START + 9 * SECOND).handshake().close()
    plain = merged(before, asked(), again, quiet())
    joined = merged(before, asked(), answered(), again, quiet())
    assert [one["client"] for one in joined["connections"]] == [one["client"] for one in plain["connections"]]
    assert (
        [one["id"] for one in joined["findings"]]
        == [one["id"] for one in plain["findings"]]
        == ["timed-out", "port-reuse"]
    )


@pytest.mark.parametrize("number", range(3))
def test_explain_and_extract_know_whose_frames_they_are(hsi, tmp_path, number):
    other = Wire(client=("192.0.2.5", 4000), start=START + 500 * MS).handshake()
    last = Wire(client=("192.0.2.6", 4000), start=START + 700 * MS).handshake()
    taken = sorted(each for wire in (asked(), answered(), other, last, quiet()) for each in wire.frames())
    (path := tmp_path / "x.pcap").write_bytes(captures.pcap(taken, nano=True))
    story = json.loads(hsi("explain", "-T", "json", str(path), str(number)).stdout)
    ports = [("192.0.2.1", 40000), ("192.0.2.5", 4000), ("192.0.2.6", 4000)]
    assert (story["connection"]["client"]["ip"], story["connection"]["client"]["port"]) == ports[number]
    hsi("analyze", str(path), "-Y", f"id == {number}", "--write", str(tmp_path / "y.pcapng"))
    assert engine.analyze([str(tmp_path / "y.pcapng")]).capture.frames == (9 if number == 0 else 3)


def test_filters_and_columns(hsi, tmp_path):
    taken = sorted(each for wire in (asked(), answered(), quiet()) for each in wire.frames())
    (path := tmp_path / "x.pcap").write_bytes(captures.pcap(taken, nano=True))
    done = hsi("analyze", "-T", "csv", "-Y", "answered_from.port == 8080", "-e", "answered_from.ip,cause", str(path))
    assert done.stdout.decode().split() == ["answered_from.ip,cause", "198.51.100.77,answered-from-elsewhere"]


def test_chosen_attempts_take_their_answers_along():
    answers = AttachedRows(np.array([2, 2, 5, 9]), np.arange(4), np.arange(10, 14))
    chosen = answers.select(np.array([7, 9, 2]))
    assert (chosen.attempts.tolist(), chosen.answers.tolist(), chosen.numbers.tolist()) == (
        [1, 2, 2],
        [3, 0, 1],
        [13, 10, 11],
    )
    assert answers.select(np.zeros(0, dtype=np.intp)).attempts.tolist() == []
    assert (answers.of(5), answers.of(3), answers.of(10)) == (2, None, None)


def test_report_is_valid_whoever_answers():
    report_of(captures.pcap(sorted(asked().frames() + answered().frames()), nano=True))


def test_of_nothing(tmp_path):
    (path := tmp_path / "x.pcap").write_bytes(captures.pcap([], nano=True))
    assert len(engine.analyze([io.BytesIO(path.read_bytes())]).connections) == 0


@pytest.mark.parametrize(
    ("taken", "cause"),
    [
        (0, "answered-from-elsewhere"), (1, "answered-from-elsewhere"), (49, "answered-from-elsewhere"),
        (50, "answered-from-elsewhere"), (51, None), (60, None), (-1, None), (1 << 31, None),
    ],
)  # fmt: skip
def test_an_answer_to_the_data_of_a_syn(taken, cause):
    wire = Wire(client_isn=ISN)
    wire.client.syn(size=50, options=frames.fast_open(b"12345678") + frames.nop(2), lost="after")
    report = merged(wire, answered(1, ack=ISN + 1 + taken & 0xFFFF_FFFF), quiet())
    assert ("answered-from-elsewhere" in {one["cause"] for one in report["connections"]}) == (cause is not None)


FAST = frames.fast_open(b"12345678") + frames.nop(2)


def with_data(size=50, **words):
    wire = Wire(**{"client_isn": ISN, **words})
    wire.client.syn(size=size, options=FAST, lost="after")
    return wire


def causes(report):
    return [(one["client"]["port"], one["outcome"], one["cause"]) for one in report["connections"]]


def test_a_part_of_the_data_of_a_syn_that_was_repeated_without_it():
    """Linux sends the second SYN without data."""
    wire = with_data()
    wire.wait(SECOND)
    wire.client.syn(lost="after")
    report = merged(wire, answered(2, ack=ISN + 11 & 0xFFFF_FFFF), quiet())
    assert causes(report) == [(40000, "timed-out", "answered-from-elsewhere")]


def test_parts_of_the_data_of_several_clients():
    clients = [("192.0.2.1", 50_000 + n) for n in range(6)]
    wires = [with_data(client=client, client_isn=1000 * n) for n, client in enumerate(clients)]
    wires += [answered(1, client=client, ack=1000 * n + 1 + 7 * n) for n, client in enumerate(clients)]
    report = merged(*wires, quiet())
    assert causes(report) == [(50_000 + n, "timed-out", "answered-from-elsewhere") for n in range(6)]


def test_a_part_that_the_client_took():
    """It goes on from there: a connection of its own, whoever asked."""
    other = Wire(server=BACKEND, start=START + MS)
    other.server.syn_ack(ack=ISN + 11 & 0xFFFF_FFFF)
    other.client.ack(seq=ISN + 11 & 0xFFFF_FFFF)
    other.client.data(10, seq=ISN + 11 & 0xFFFF_FFFF)
    other.server.data(10)
    report = merged(with_data(), other, quiet())
    assert "answered-from-elsewhere" not in {cause for _, _, cause in causes(report)}


def test_a_part_where_no_data_was_sent():
    report = merged(asked(1), answered(1, ack=ISN + 11 & 0xFFFF_FFFF), quiet())
    assert "answered-from-elsewhere" not in {cause for _, _, cause in causes(report)}


def test_a_part_far_later():
    report = merged(with_data(), answered(1, start=START + 200 * SECOND, ack=ISN + 11 & 0xFFFF_FFFF), quiet())
    assert "answered-from-elsewhere" not in {cause for _, _, cause in causes(report)}


# Where the translation is captured on both sides, the SYN is there twice: to the service and to the backend.


def passed_on(tries, answer, *, marks=None, hops=1, later=30_000, took=False, resets=True, ends=ENDS[0], port=40000):
    """An attempt and what a box between passes on of it, which the backend answers in its own name."""
    client, server, backend = ends
    words = {"client": (client[0], port), "client_isn": ISN ^ port, "delay": 200_000} | (marks or {})
    outer, inner = Wire(server=server, **words), Wire(server=backend, **words)
    inner.client.ttl -= hops
    for number in range(tries):
        outer.client.syn(lost="after", stay=True)
        inner.now = outer.now + later
        inner.client.syn(ident=outer.client.ident and outer.client.ident - 1, options=outer.client.options(frames.SYN))
        getattr(inner.server, answer)()
        if took:
            inner.client.ack()
            inner.client.data(10)
        elif resets and answer == "syn_ack":
            inner.client.rst(seq=inner.client.isn + 1, options=b"")
        outer.wait(SECOND << number)
    return outer, inner


BARE = {"timestamps": False, "ident": False}


@pytest.mark.parametrize("ends", ENDS, ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("marks", [{}, {"timestamps": False}, BARE], ids=["timestamps", "plain", "bare"])
@pytest.mark.parametrize("tries", [1, 3])
@pytest.mark.parametrize(("answer", "resets"), [("syn_ack", True), ("syn_ack", False), ("refuse", True)])
def test_an_answer_behind_the_translation_belongs_to_the_attempt(answer, resets, tries, marks, ends):
    report = merged(*passed_on(tries, answer, resets=resets, marks=marks, ends=ends), quiet())
    (attempt,) = report["connections"]
    assert verdicts(report)[0] == ("timed-out", "answered-from-elsewhere", at(ends[2]))
    assert at(ends[1]).items() <= attempt["server"].items()
    assert attempt["handshake"]["syn_count"] == tries
    assert {one["id"] for one in report["findings"]} <= {"timed-out", "capture-quality"}


def test_many_answers_behind_a_translation():
    wires = [wire for port in range(40000, 40006) for wire in passed_on(3, "syn_ack", port=port)]
    report = merged(*wires, quiet())
    assert [cause for _, cause, _ in verdicts(report)] == ["answered-from-elsewhere"] * 6


@pytest.mark.parametrize(
    "words",
    [{"took": True}, {"later": 5 * MS}, {"later": -30_000}, {"marks": BARE, "hops": 0}],
    ids=["taken", "later", "before", "no mark"],
)
def test_what_is_another_attempt_than_the_one_before_it(words):
    report = merged(*passed_on(1, "syn_ack", **words), quiet())
    assert {one["cause"] for one in report["connections"]} & {"answered-from-elsewhere"} == set()
    assert report["summary"]["connections"] == 2


def test_syns_of_a_tool_with_one_isn_and_one_number_are_attempts_of_their_own():
    poor = {"options": frames.mss(1460), "ident": 54321}
    silent, open_ = (Wire(server=(frames.SERVER[0], port), client_isn=ISN, delay=200_000) for port in (21, 22))
    silent.client.syn(lost="after", **poor)
    open_.wait(100_000).client.syn(**poor)
    open_.server.syn_ack(options=frames.mss(1460))
    open_.client.rst(seq=ISN + 1, options=b"")
    report = merged(silent, open_, quiet())
    assert [outcome for outcome, _, _ in verdicts(report)][:2] == ["timed-out", "aborted"]


def test_where_too_many_attempts_came_to_nothing_none_is_looked_into(monkeypatch):
    wires = [wire for port in range(40000, 40003) for wire in passed_on(1, "syn_ack", port=port)]
    for most, rows in ((3, 3), (2, 6)):
        monkeypatch.setattr(nat_bypass, "MOST_JUDGED", most)
        assert merged(*wires, quiet())["summary"]["connections"] == rows
