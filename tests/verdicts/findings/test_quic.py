"""Findings about QUIC connections, and similar cases without one."""

import pytest
from support import frames, quic
from support.captures import pcap
from support.quic import DCID, MS, SERVER_CID, Flow
from support.wire import report_of

SECOND = 1000 * MS
HELLO = quic.initial(size=1200)
ANSWER = quic.initial(scid=SERVER_CID, dcid=b"", keyed=DCID, from_server=True, size=200)
CLIENT, SERVER = "192.0.2.1", "198.51.100.2"


class Capture:
    """QUIC and TCP of several clients and servers in one capture."""

    def __init__(self) -> None:
        self.now, self.port, self.taken = 1_700_000_000 * SECOND, 40000, []

    def flow(self, client=CLIENT, server=SERVER) -> Flow:
        self.port += 1
        flow = Flow((client, self.port), (server, 443))
        flow.now, flow.frames = self.now, self.taken
        return flow

    def unanswered(self, copies=2, **ends) -> "Capture":
        flow = self.flow(**ends)
        for _ in range(copies):
            flow.client(HELLO).wait(SECOND)
        return self

    def answered(self, *, again: bytes | None = None, **ends) -> "Capture":
        flow = self.flow(**ends).client(HELLO).wait(20 * MS)
        if again is not None:
            flow.server(again).wait(MS).client(quic.initial(dcid=SERVER_CID, size=1200)).wait(20 * MS)
        flow.server(ANSWER, quic.handshake(900)).wait(MS).client(quic.handshake(60, dcid=SERVER_CID), quic.short(90))
        return self

    def tcp(self, client=CLIENT, server=SERVER, *, works=True, after=300 * MS) -> "Capture":
        self.port += 1
        here, there = (client, self.port), (server, 443)
        now = self.now + after
        exchange = [
            frames.syn(src=here, dst=there),
            frames.syn_ack(src=there, dst=here),
            frames.ack(src=here, dst=there),
        ]
        self.taken += [(now + i * 10 * MS, each) for i, each in enumerate(exchange if works else exchange[:1])]
        return self

    def later(self, ns=20 * SECOND) -> "Capture":
        self.now += ns
        return self

    def report(self) -> dict:
        end = [(self.now + 60 * SECOND, frames.udp(("203.0.113.7", 9), ("203.0.113.8", 9)))]
        return report_of(pcap(sorted(self.taken + end, key=lambda each: each[0]), nano=True))

    def found(self, kind: str) -> list:
        return [each for each in self.report()["findings"] if each["id"] == kind]


def only(capture: Capture, kind: str) -> dict:
    found = capture.found(kind)
    assert len(found) == 1, [each["title"] for each in found]
    return found[0]


def test_udp_is_dropped_where_tcp_works():
    finding = only(Capture().unanswered().tcp(), "quic-blocked")
    assert (finding["severity"], finding["target"]) == ("warning", {"ip": SERVER, "port": 443})
    assert finding["metrics"] == {
        "connections": 1, "clients": 1, "servers": 1, "delay_p50_ns": 300 * MS, "first_byte_p50_ns": None,
    }  # fmt: skip
    assert finding["evidence"] == {"frames": [1], "connections": [0], "in_files": []}


def test_one_initial_is_enough_where_an_icmp_error_answers_it():
    capture = Capture()
    capture.flow().client(HELLO).error()
    assert only(capture.tcp(), "quic-blocked")["metrics"]["connections"] == 1


def test_a_client_that_is_blocked_everywhere_is_the_target():
    capture = Capture()
    for end in (2, 3, 4):
        capture.unanswered(server=f"198.51.100.{end}").tcp(server=f"198.51.100.{end}").later()
    finding = only(capture, "quic-blocked")
    assert (finding["target"], finding["metrics"]["servers"]) == ({"ip": CLIENT, "port": None}, 3)


def test_a_client_that_is_blocked_at_two_servers_is_not():
    capture = Capture()
    for end in (2, 3):
        capture.unanswered(server=f"198.51.100.{end}").tcp(server=f"198.51.100.{end}").later()
    targets = [finding["target"]["ip"] for finding in capture.found("quic-blocked")]
    assert sorted(targets) == ["198.51.100.2", "198.51.100.3"]


@pytest.mark.parametrize(
    "made",
    [
        lambda: Capture().unanswered(copies=1).tcp(),  # one datagram may be lost
        lambda: Capture().unanswered(),  # nobody knows whether TCP would work
        lambda: Capture().unanswered().tcp(works=False),
        lambda: Capture().unanswered().tcp(server="198.51.100.9"),
        lambda: Capture().unanswered().tcp(client="192.0.2.9"),
        lambda: Capture().answered().later().unanswered().tcp(),  # it worked before
        lambda: Capture().unanswered().later(11 * SECOND).tcp(),
        lambda: Capture().answered().tcp(),  # a race
    ],
)
def test_nothing_is_blocked(made):
    assert made().found("quic-blocked") == []


@pytest.mark.parametrize(("copies", "wait", "found"), [(2, 40 * MS, 1), (2, 39 * MS, 0), (1, 2 * SECOND, 0)])
def test_a_capture_that_ends_soon_shows_what_is_blocked_by_an_initial_that_was_sent_again(copies, wait, found):
    """Two round trips of the TCP connection, of 20 ms each, are long enough for an answer to come."""
    made = Capture().unanswered(copies).tcp()
    end = [(max(made.taken)[0] + wait, frames.udp(("203.0.113.7", 9), ("203.0.113.8", 9)))]
    report = report_of(pcap(sorted(made.taken + end), nano=True))
    assert report["quic_connections"][0]["outcome"] == "pending"
    assert [each["id"] for each in report["findings"]].count("quic-blocked") == found


def test_races_are_named_on_both_sides():
    report = Capture().answered().tcp().report()
    assert (report["quic_connections"][0]["raced_by"], report["connections"][0]["raced_by"]) == (0, 0)
    report = Capture().answered().tcp(server="198.51.100.9").report()
    assert (report["quic_connections"][0]["raced_by"], report["connections"][0]["raced_by"]) == (None, None)


@pytest.mark.parametrize("quic_first", [True, False])
@pytest.mark.parametrize(("apart", "together"), [(10 * SECOND, True), (10 * SECOND + 1, False)])
def test_races_begin_within_10_s_of_each_other(quic_first, apart, together):
    made = Capture().answered().tcp(after=apart) if quic_first else Capture().tcp(after=0).later(apart).answered()
    found = made.report()
    assert [found[kind][0]["raced_by"] for kind in ("connections", "quic_connections")] == [0 if together else None] * 2


def test_handshakes_that_fail():
    capture = Capture().answered()
    capture.flow().client(HELLO).wait(20 * MS).server(ANSWER)
    finding = only(capture, "quic-failed")
    assert (finding["metrics"]["connections"], finding["metrics"]["attempts"]) == (1, 2)
    assert (finding["metrics"]["cause"], finding["severity"]) == ("stuck", "warning")
    assert (finding["metrics"]["code"], finding["metrics"]["reason"]) == (None, None)
    assert Capture().answered().found("quic-failed") == []


def test_handshakes_that_fail_with_words():
    """RFC 9000 section 19.19: an Initial that closes names a code and a reason."""
    capture = Capture()
    closing = quic.initial(quic.close(0x178, b"no h3"), dcid=b"", keyed=DCID, from_server=True)
    capture.flow().client(HELLO).wait(20 * MS).server(closing)
    finding = only(capture, "quic-failed")
    told = [finding["metrics"][name] for name in ("cause", "code", "reason", "clients", "failed_ratio")]
    assert told == ["closed-by-server", 0x178, "no h3", 1, 1.0]


@pytest.mark.parametrize(
    ("kind", "again"), [("quic-retry", quic.retry()), ("quic-version-negotiation", quic.negotiation(1))]
)
def test_servers_that_let_clients_begin_again(kind, again):
    capture = Capture().answered(again=again)
    for _ in range(8):
        capture.answered()
    assert capture.found(kind) == []  # of 9
    finding = only(capture.answered(), kind)
    assert (finding["severity"], finding["metrics"]["again_ratio"], finding["metrics"]["connections"]) == (
        "info",
        0.1,
        1,
    )
    assert finding["metrics"]["cost_p50_ns"] == 21 * MS
    assert capture.answered().found(kind) == []  # 1 of 11
    assert Capture().answered(again=again).found(kind) == []


def test_the_report_of_a_connection():
    report = Capture().answered().report()
    (connection,), (service,) = report["quic_connections"], report["quic_services"]
    assert (connection["outcome"], connection["version"], connection["setup"]["protocol"]) == (
        "established",
        "0x00000001",
        "quic",
    )
    assert connection["setup"]["spans"]["quic"]["value_ns"] == 21 * MS
    assert (service["connections"], service["outcomes"]["established"]) == (1, 1)
    assert service["setup"]["spans"]["quic"]["p50_ns"] == 21 * MS


def test_names_are_read_where_the_library_is(monkeypatch):
    hello = quic.initial(quic.crypto(quic.client_hello("lab.test")), size=1200)
    capture = Capture()
    capture.flow().client(hello)
    connection = capture.report()["quic_connections"][0]
    monkeypatch.setattr("handshake_inspect.verdicts.quic.quics.can_open", lambda: False)
    without = capture.report()["quic_connections"][0]
    assert (without["names_read"], without["server_name"]) == (False, None)
    assert without["server"]["name"] is None
    if connection["names_read"]:
        assert (connection["server"]["name"], connection["server"]["name_basis"]) == ("lab.test", "sni")
        assert (connection["server_name"], connection["alpn_offered"]) == ("lab.test", ["h3"])
    of_names = {"names_read": 0, "server_name": 0, "alpn_offered": 0, "server": 0}
    assert connection | of_names == without | of_names


# -- tls-extra-round-trip --------------------------------------------------------------------------------------------


def stalled(made: Capture) -> Capture:
    """A server with a large flight, 40 ms away, that has sent three times 1200 bytes and waits for the client."""
    flow = made.flow().client(HELLO).wait(40 * MS)
    flow.server(quic.initial(dcid=b"", scid=SERVER_CID, size=1200))
    flow.server(quic.handshake(1150)).server(quic.handshake(1150))
    flow.wait(MS).client(quic.initial(dcid=SERVER_CID, pn=1, size=1200)).wait(40 * MS).server(quic.handshake(900))
    flow.wait(MS).client(quic.handshake(60, dcid=SERVER_CID), quic.short(90))
    return made


def test_a_server_that_may_not_send_more_costs_a_round_trip():
    finding = only(stalled(Capture()), "tls-extra-round-trip")
    assert (finding["severity"], finding["target"]) == ("info", {"ip": SERVER, "port": 443})
    assert finding["metrics"] == {
        "cause": "amplification", "connections": 1, "handshakes": 1, "hit_ratio": 1.0, "clients": 1,
        "cost_p50_ns": 41 * MS, "cost_total_ns": 41 * MS,
    }  # fmt: skip


@pytest.mark.parametrize(("others", "severity"), [(9, "warning"), (10, "info"), (8, "info")])
def test_a_warning_if_many_of_ten_or_more_wait(others, severity):
    made = stalled(Capture())
    for _ in range(others):
        made.later().answered()
    assert only(made, "tls-extra-round-trip")["severity"] == severity


def test_a_retry_costs_a_round_trip():
    finding = only(Capture().answered(again=quic.retry()), "tls-extra-round-trip")
    assert (finding["metrics"]["cause"], finding["metrics"]["cost_p50_ns"]) == ("retry", 21 * MS)


def test_an_answer_at_once_costs_none():
    assert Capture().answered().found("tls-extra-round-trip") == []
