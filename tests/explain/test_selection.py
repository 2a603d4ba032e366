"""Which connection is meant, in every form, and what is said when there is none."""

import pytest
from support.quic import Flow, initial

from handshake_inspect import engine
from handshake_inspect.engine.explain import explain
from handshake_inspect.engine.segment_log import ConnectionLogs
from handshake_inspect.engine.selection import ConnectionQuery, parse
from handshake_inspect.errors import UsageError


@pytest.mark.parametrize("text", ["7", "#7", " 7 "])
def test_an_id(text):
    assert parse(text).number == 7


@pytest.mark.parametrize(
    "text",
    ["192.0.2.1:4000-192.0.2.2:80", "192.0.2.1:4000 -> 192.0.2.2:80", "192.0.2.1:4000 192.0.2.2:80",
     "192.0.2.1:4000→192.0.2.2:80", "192.0.2.1:4000 > 192.0.2.2:80"],
)  # fmt: skip
def test_a_pair(text):
    one, other = parse(text).ends
    assert (one[2], other[2]) == (4000, 80)
    assert one[1] + 1 == other[1]


def test_an_end_of_ipv6():
    assert parse("[2001:db8::1]:443").ends == ((0x20010DB8 << 32, 1, 443),)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "192.0.2.1:", "192.0.2.1:70000", "[192.0.2.1:80", "1.2.3:4",
             "192.0.2.1:1-192.0.2.2:2-192.0.2.3:3", "٣"],
)  # fmt: skip
def test_what_names_no_connection(text):
    with pytest.raises(UsageError, match=r"is not a connection: give its id .q7 for QUIC., a host, an end"):
        parse(text)


@pytest.fixture(scope="module")
def connections(pcaps):
    return engine.analyze([pcaps / "happy-eyeballs.pcap"]).connections


def forms(connection):
    def end(endpoint):
        return f"[{endpoint.ip}]:{endpoint.port}" if ":" in endpoint.ip else f"{endpoint.ip}:{endpoint.port}"

    client, server = end(connection.client), end(connection.server)
    return [str(connection.id), client, f"{client}-{server}", f"{server}-{client}"]


def test_every_form_finds_the_same(connections, pcaps):
    for connection in connections:
        for form in forms(connection):
            story = explain([pcaps / "happy-eyeballs.pcap"], parse(form))
            assert story.connection == connection, form
            assert story.matches == [connection.id]


def test_a_service_matches_all_that_connected_to_it(pcaps):
    path = pcaps / "accept-queue-overflow.pcap"
    report = engine.analyze([path])
    service = report.connections[0].server
    story = explain([path], parse(f"{service.ip}:{service.port}"))
    assert story.matches == [connection.id for connection in report.connections]
    assert story.connection == report.connections.trouble(1)[0]


def test_incarnations_of_one_pair_are_counted(pcaps):
    path = pcaps / "port-reuse.pcap"
    first = engine.analyze([path]).connections[0]
    story = explain([path], parse(f"{first.client.ip}:{first.client.port}"))
    assert len(story.matches) > 1


@pytest.mark.parametrize(
    ("name", "finding"), [("lost-syn", "syn-retransmission"), ("middlebox-reset-ignored", "rst-injection")]
)
def test_a_finding_leads_to_its_first_connection(name, finding, pcaps):
    story = explain([pcaps / f"{name}.pcap"], ConnectionQuery(finding=finding))
    assert finding in {each.id for each in story.findings}


def test_the_only_connection_needs_no_name(pcaps):
    assert explain([pcaps / "handshake.pcap"], ConnectionQuery()).connection.id == 0


@pytest.mark.parametrize(
    ("name", "wish", "said"),
    [
        ("handshake", parse("1"), "no connection 1: the capture holds only connection 0"),
        ("happy-eyeballs", parse("99999"), "the capture holds connections 0 to "),
        ("handshake", parse("10.0.0.1:40002"), "near it: 0 (10.0.0.1:40001-10.0.0.2:80)"),
        ("handshake", parse("10.9.9.9:40001"), "near it: 0 (10.0.0.1:40001-10.0.0.2:80)"),
        ("handshake", parse("10.9.9.9:9"), "no connection 10.9.9.9:9; there are: 0 (10.0.0.1:40001-10.0.0.2:80)"),
        ("happy-eyeballs", ConnectionQuery(), "which connection? the capture holds connections 0 to "),
        ("handshake", ConnectionQuery(finding="syn-flood"), "no finding syn-flood in this capture; its findings: "),
    ],
)
def test_what_is_not_there_is_said_with_what_is_near(name, wish, said, pcaps):
    with pytest.raises(UsageError) as error:
        explain([pcaps / f"{name}.pcap"], wish)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (parse("0"), "no connection 0: the capture holds only connection q0"),
        (parse("q1"), "no connection q1: the capture holds only connection q0"),
        (parse("192.0.2.1:443"), "no connection 192.0.2.1:443"),
    ],
)
def test_quic_connections_are_asked_for_by_ids_of_their_own(wish, said):
    with pytest.raises(UsageError) as error:
        explain([Flow().client(initial(size=1200)).file()], wish)
    assert str(error.value).startswith(said)


def test_a_capture_without_connections_says_so():
    with pytest.raises(UsageError, match=r"^which connection\? the capture has no TCP or QUIC connection$"):
        explain([Flow().client(b"no QUIC").file()], ConnectionQuery())


def test_memory_is_bounded_and_what_was_not_kept_is_reported(pcaps, monkeypatch):
    monkeypatch.setattr("handshake_inspect.engine.segment_log.ENTRIES", 8)
    all_logs = []

    class Logs(ConnectionLogs):
        def __init__(self, *given):
            super().__init__(*given)
            all_logs.append(self)

    monkeypatch.setattr("handshake_inspect.engine.explain.ConnectionLogs", Logs)
    story = explain([pcaps / "zero-window.pcap"], parse("0"), limit=4)
    assert all_logs[0].kept <= 8
    assert story.segments > 8
    assert [step.frame for step in story.steps][:2] == [1, 2]
    assert story.steps[-1].frame == story.segments, "the end is kept, too"


def test_a_connection_that_did_not_fit_is_asked_for_by_address(pcaps, monkeypatch):
    monkeypatch.setattr("handshake_inspect.engine.segment_log.ENTRIES", 0)
    with pytest.raises(UsageError, match="was not recorded in this pass"):
        explain([pcaps / "handshake.pcap"], ConnectionQuery())
