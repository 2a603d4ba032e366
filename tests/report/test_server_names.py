"""Names of servers in reports, and the lookups that connections waited for."""

import socket

import pytest
from support.dns import AAAA, HTTPS, MS, SECOND, A, Talk, service
from support.frames import data
from support.wire import report_of

import handshake_inspect
from handshake_inspect.expression.language import parse
from handshake_inspect.expression.select import filtered
from handshake_inspect.report.server_names import chosen

V4, OTHER = "198.51.100.2", "198.51.100.3"
TXT = 16


@pytest.mark.parametrize(
    ("sni", "dns", "expected"),
    [
        ("a.example", [], ("a.example", "sni", None)),
        ("a.example", ["a.example"], ("a.example", "sni", None)),
        ("a.example", ["b.example"], ("a.example", "sni", ["a.example", "b.example"])),
        (None, ["b.example"], ("b.example", "dns", None)),
        (None, ["b.example", "c.example"], (None, None, ["b.example", "c.example"])),
        ("a", ["b", "c", "d", "e"], ("a", "sni", ["a", "b", "c", "d"])),
    ],
)
def test_which_name(sni, dns, expected):
    assert chosen(sni, dns) == expected


def test_a_name_from_a_lookup():
    talk = Talk().look_up("www.example.org", V4).connect(V4).connect(OTHER).fail(V4)
    servers = [each["server"] for each in talk.report()["connections"]]
    named = {"name": "www.example.org", "name_basis": "dns", "names": None}
    assert [each["name"] for each in servers] == ["www.example.org", None, "www.example.org"]
    assert servers[0] == {"ip": V4, "port": 443, **named}


def test_names_can_be_asked_for_and_left_out():
    talk = Talk().look_up("www.example.org", V4).connect(V4).connect(OTHER)
    report = handshake_inspect.analyze(talk.file())
    assert [each.server.ip for each in report.connections if each.server.name] == [V4]
    hidden = report_of(talk.file().getvalue(), names=False)
    assert all(each["server"]["name"] is None for each in hidden["connections"])
    assert "www.example.org" not in str(hidden)


def answered(talk: Talk, server: str) -> Talk:
    """A connection with a request, and its answer 30 ms later."""
    talk.connect(server)
    here, there = ("192.0.2.1", 40000 + talk.number), (server, 443)
    talk.put(data(b"GET", seq=1001, ack=5001, src=here, dst=there)).wait(30 * MS)
    return talk.put(data(b"200", seq=5001, ack=1004, src=there, dst=here))


def test_the_first_leg_of_the_way():
    talk = Talk().look_up("www.example.org", V4, took=12 * MS).wait(3 * MS)
    answered(talk, V4)
    answered(talk.wait(MS), V4)
    first, second = talk.report()["connections"]
    spans = first["setup"]["spans"]
    assert (spans["lookup"]["value_ns"], spans["before_connect"]["value_ns"]) == (12 * MS, 3 * MS)
    assert first["setup"]["with_lookup_ns"] == spans["first_byte"]["value_ns"] + 15 * MS
    assert (second["setup"]["spans"]["lookup"], second["setup"]["with_lookup_ns"]) == (None, None)


@pytest.mark.parametrize(
    ("took", "waited_for"),
    [
        ({A: 10, AAAA: 40, HTTPS: 30}, "AAAA"),
        ({A: 10, AAAA: 30, HTTPS: 40}, "HTTPS"),
        ({A: 10, AAAA: 10, HTTPS: 9}, None),  # all had come
        ({A: 50, AAAA: 40, HTTPS: 30}, None),
        ({A: 10, TXT: 40}, None),  # for which no client waits
    ],
)
def test_the_other_answer_that_a_client_waited_for(took, waited_for):
    answers = [(kind, socket.inet_aton(V4) if kind == A else None, ms * MS) for kind, ms in took.items()]
    talk = Talk().look_up_together("www.example.org", *answers).wait(3 * MS)
    setup = answered(talk, V4).report()["connections"][0]["setup"]
    assert setup["waited_for"] == waited_for
    assert setup["spans"]["lookup"]["value_ns"] == took[A] * MS
    assert setup["spans"]["before_connect"]["value_ns"] == (max(took.values()) + 3 - took[A]) * MS


def test_summaries_have_what_connections_waited_for_also_of_some_alone():
    talk = Talk().look_up("www.example.org", V4, took=12 * MS).wait(3 * MS)
    answered(talk, V4)
    answered(talk.wait(MS), V4)
    report = handshake_inspect.analyze(talk.file())
    whole = report.summary.setup.spans
    assert (whole.lookup.count, whole.lookup.max_ns, whole.before_connect.median) == (1, 12 * MS, 3 * MS)
    for expression, count in (("id == 0", 1), ("id == 1", 0)):
        some = filtered(report, parse(expression))
        for summary in (some.summary.setup, some.services[0].setup):
            assert summary.spans.lookup.count == count


def test_a_lookup_that_had_to_be_repeated_is_not_typical():
    talk = Talk().look_up("www.example.org", V4, tries=2)
    span = answered(talk, V4).report()["connections"][0]["setup"]["spans"]["lookup"]
    assert (span["method"], span["value_ns"]) == ("lost", 5 * SECOND + 10 * MS)


def test_what_is_connected_to_later_found_the_answer_in_a_cache():
    talk = Talk().look_up("www.example.org", V4).wait(2 * SECOND)
    assert answered(talk, V4).report()["connections"][0]["setup"]["spans"]["lookup"] is None


V6_DATA = socket.inet_pton(socket.AF_INET6, "2001:db8:f::2")
HINTED = service("", V4, "2001:db8:f::2", parameters={1: b"\x02h2"})


@pytest.mark.parametrize(
    ("answers", "lookup", "before"),
    [
        ([(A, socket.inet_aton(V4), 10), (AAAA, b"", 12), (HTTPS, HINTED, 30)], 10, 20),
        ([(A, socket.inet_aton(V4), 10), (AAAA, V6_DATA, 12), (HTTPS, service(), 30)], 10, 20),
        ([(HTTPS, HINTED, 8), (A, socket.inet_aton(V4), 15), (AAAA, b"", 40)], 15, 25),
        ([(A, socket.inet_aton(OTHER), 10), (HTTPS, HINTED, 30)], 30, 0),  # only the hint has the server's address
        ([(A, b"", 10), (HTTPS, HINTED, 30)], 30, 0),
        ([(A, socket.inet_aton(V4), 10), (HTTPS, b"", 30)], 10, 20),
    ],
)
def test_the_lookup_ends_with_the_answer_that_the_connection_used(answers, lookup, before):
    talk = Talk().look_up_together("www.example.org", *((kind, data, took * MS) for kind, data, took in answers))
    (connection,) = answered(talk.wait(2 * MS), V4).report()["connections"]
    spans = connection["setup"]["spans"]
    assert (spans["lookup"]["value_ns"], spans["before_connect"]["value_ns"]) == (lookup * MS, (before + 2) * MS)
    assert (connection["server"]["name"], connection["server"]["name_basis"]) == ("www.example.org", "dns")
