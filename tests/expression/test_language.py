"""`-Y`: what expressions mean, and what is said of those that mean nothing."""

import re
from io import BytesIO

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import captures, reports, samples

from handshake_inspect import analyze
from handshake_inspect.errors import UsageError
from handshake_inspect.expression.language import ExpressionError, parse
from handshake_inspect.expression.select import filtered
from handshake_inspect.expression.wireshark import ALIASES, HINTS
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.fields import derived, fields, find
from handshake_inspect.report.lines import JSON
from handshake_inspect.report.model import Endpoint, ListedConnections
from handshake_inspect.report.sequence import read_all

MS = 1_000_000


def report():
    server6 = Endpoint("2001:db8::2", 8443)
    return reports.report(
        [
            reports.connection(0, rtt_ns=40 * MS),
            reports.connection(1, rtt_ns=60 * MS, server=Endpoint("10.1.0.2", 80)),
            reports.connection(2, "refused", server=Endpoint("10.0.0.2", 81)),
            reports.connection(3, "timed-out", client=Endpoint("2001:db8::1", 5000), server=server6),
            reports.connection(4, "pending"),
        ]
    )


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("outcome == established", [0, 1]),
        ("outcome = 'established'", [0, 1]),
        ('outcome != "established"', [2, 3, 4]),
        ("outcome in {refused, timed-out}", [2, 3]),
        ("outcome not in {refused, timed-out}", [0, 1, 4]),
        ("server.port in {80, 443}", [0, 1, 4]),
        ("server.port in {80..82}", [1, 2]),
        ("server.port in 80..82", [1, 2]),
        ("rtt.total > 50ms", [1]),
        ("rtt.total.value_ns > 50000000", [1]),
        ("rtt.total > 0.05 s", [1]),
        ("rtt.total <= 50 ms", [0]),
        ("not rtt.total > 50ms", [0, 2, 3, 4]),
        ("rtt.total == null", [2, 3, 4]),
        ("rtt.total != null", [0, 1]),
        ("rtt.total > rtt.synack", [0, 1]),
        ("server in 10.0.0.0/16", [0, 2, 4]),
        ("server.ip == 10.1.0.2", [1]),
        ("server.ip in {10.1.0.0/16, 2001:db8::/32}", [1, 3]),
        ("client.ip in 10.0.0.0..10.0.0.9", [0, 1, 2, 4]),
        ("client.ip == server.ip", []),
        ("decided", [0, 1, 2, 3]),
        ("!decided", [4]),
        ("decided == false", [4]),
        ("cause == closed-port or cause == port-filtered", [2, 3]),
        ("cause contains 'FILTER'", [3]),
        ('why matches "^7 SYNs"', [3]),
        ("state.client == SYN_SENT and not (outcome == pending || decided and id > 3)", [3]),
        ("outcome == refused or outcome == established and rtt.total > 50ms", [1, 2]),
        ("handshake.client_isn == 0xDEADBEEF && id < 2", [0, 1]),
        ("close.first == client", [0, 1]),
        ('first_ns > "2026-11-18T11:06:40.123456Z" and id == 0', [0]),
        ("aliases.zeek.conn_state == SF", [0, 1, 2, 3, 4]),
        # as in Wireshark
        ("outcome eq refused or rtt.total gt 50ms", [1, 2]),
        ("id ge 3 and id le 3", [3]),
        ("id lt 1 || id ne 1 && id < 3", [0, 2]),
        ("ip.addr == 10.1.0.2", [1]),
        ("ip.addr == 10.0.0.1", [0, 1, 2, 4]),
        ("ip.addr != 10.0.0.2", [1, 3]),
        ("ip.addr in {10.1.0.0/16, 2001:db8::1}", [1, 3]),
        ("ip.addr not in 10.0.0.0/24", [3]),
        ("tcp.port in {80 81}", [1, 2]),
        ("tcp.port == 40002 or tcp.port == 80", [1, 2]),
        ("not tcp.port == 443", [1, 2, 3]),
        ("tcp.stream == 3", [3]),
        ('why ~ "^7 syns"', [3]),
        # of both directions, and from first to last frame
        ("bytes > 0", [0, 1]),
        ("bytes == 130728", [0]),
        ("frames == 9", [0, 1, 2, 3, 4]),
        ("retransmissions == 0 and zero_windows == 0", [0, 1, 2, 3, 4]),
        ("duration > 1s", [0, 1, 2, 3, 4]),
        ("duration != 2 s", []),
        # what nobody measured equals nothing, nor what nobody measured either
        ("rtt.total != rtt.synack and id > 1", [2, 3, 4]),
        ("rtt.total == rtt.synack and id > 1", []),
        # times without quotes
        ("first_ns >= 2026-11-18T11:06:40Z and id == 0", [0]),
        ("first_ns < 2026-11-18T11:06:41Z and id == 0", [0]),
        ("time > 2026-11-19 or id == 1", [1]),
        ("first_ns in 2026-11-18..2026-11-19 and id < 2", [0, 1]),
        ('time < "2026-11-18 11:06"', []),
    ],
)
def test_meaning(expression, ids):
    assert [connection.id for connection in filtered(report(), parse(expression)).connections] == ids


@pytest.mark.parametrize(
    ("expression", "place", "message"),
    [
        ("outcome == refsued", 11, "did you mean refused?"),
        ("outcome == nothing", 11, "it is one of aborted"),
        ("cause == closed_port", 9, "did you mean closed-port?"),
        ("server.prt == 80", 0, "did you mean server.port"),
        ("decided and rtt == 5ms", 12, "did you mean rtt.synack or rtt.ackdat or rtt.total?"),
        ("bytes > 10kB", 10, "write the number out, such as 1000"),
        ("server.port == ", 14, "the expression ends here; expected a value"),
        ("(decided", 8, "expected ')'"),
        ("decided decided", 8, "unexpected 'decided'"),
        ("decided ? 3", 8, "unexpected '?'; text with signs goes in quotes"),
        ("tcp.analysis.initial_rtt > 0.1", 28, "a number with a fraction needs a unit, such as 0.5ms"),
        ("outcome > refused", 8, "has no order"),
        ("rtt.total > 50", 12, "give a unit, such as 50ms"),
        ("rtt.total > 0.3ns", 12, "whole number of nanoseconds"),
        ("server.port == 'http'", 15, "is a number"),
        ("server.port == 99999999999999999999", 15, "too large"),
        ("client.ip in 10.0.0.0/33", 13, "is an address"),
        ("client.ip == server.port", 13, "different kinds"),
        ("server.port in 90..80", 15, "ends before it begins"),
        ("server.port", 0, "needs a comparison"),
        ("why matches '('", 12, "not a regular expression"),
        ("server.port contains 3", 0, "is not text"),
        ("first_ns > yesterday", 11, "is a time"),
        ("evidence == 3", 0, "a list"),
        ("cause < null", 6, "null can only be compared with == and !="),
        ("!established", 1, "did you mean outcome == established?"),
        ("closed-port", 0, "did you mean cause == closed-port?"),
        ("syn-flood", 0, "did you mean finding == syn-flood?"),
        ("finding == syn-flod", 11, "did you mean syn-flood?"),
        ("finding", 0, "needs a comparison, such as finding == syn-flood"),
        ("finding < refused", 8, "has no order"),
        ("tcp.flags.reset == 1", 0, "is a field of packets; ask for close.how == rst"),
        ("ip.src == 10.0.0.1", 0, "client.ip is who connected; ip.addr is either end"),
        ("tcp.port == http", 12, "is a number"),
        ("ip.addr > 10.0.0.1", 8, "has no order"),
        ("rtt_ms > 3", 9, "compare rtt.total"),
        ("http.request", 0, "is a field of packets; ask for server.port in {80, 8080}"),
        ("tcp port 80", 4, "looks like a filter of tcpdump; ask for ip.addr == 10.0.0.1 and tcp.port == 80"),
        ("src host 10.0.0.1", 4, "looks like a filter of tcpdump"),
        ("decided and", 11, "expected '(', 'not' or a field"),
        ("outcome equals refused", 8, "unexpected 'equals'"),
    ],
)
def test_mistakes_are_shown_where_they_are(expression, place, message):
    with pytest.raises(ExpressionError) as caught:
        parse(expression)
    assert message in str(caught.value)
    shown, caret = caught.value.__notes__
    assert shown == f"  {expression}"
    assert caret.index("^") - 2 == place


def test_a_long_expression_shows_the_part_that_matters():
    with pytest.raises(ExpressionError) as caught:
        parse(" or ".join(["id == 1"] * 50) + " or id == x")
    shown, caret = caught.value.__notes__
    assert shown[caret.index("^")] == "x"


@pytest.mark.parametrize("expression", ["(" * 101, "not " * 101, "x" * 10_001])
def test_depth_and_length_are_bounded(expression):
    with pytest.raises(UsageError):
        parse(expression)


@given(st.text(max_size=60) | st.text("ido=!<>(){},.'\"0123456789:/ntrue ", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        test = parse(text)
    except UsageError:
        return
    assert len(test.mask(Columns(report().connections))) == 5


def as_json(connections):
    """As the renderers write them; rows are written column by column, what is listed object by object."""
    names = [*fields(), *derived()]
    whole = connections.as_json(100, b"{", b"\n")
    chosen = connections.as_lines(names, 100, [b"\t"] * len(names), b"\n", JSON)
    return [bytes(piece) for pieces in (whole, chosen) for piece in pieces]


@pytest.mark.wide_table
@pytest.mark.parametrize("sample", samples.SAMPLES)
def test_rows_say_what_their_connections_say(sample):
    hold_columns_to_objects(analyze(samples.DIRECTORY / f"{sample}.pcap"))


@pytest.mark.parametrize("kept", [0, 4, 16])
def test_so_do_rows_whose_options_were_cut(kept):
    whole = (samples.DIRECTORY / "port-reuse.pcap").read_bytes()
    hold_columns_to_objects(analyze(BytesIO(captures.snapped(whole, 54 + kept))))


def hold_columns_to_objects(whole):
    """Compare what rows say with what the objects made of them say."""
    listed = msgspec.structs.replace(whole, connections=ListedConnections(list(whole.connections)))
    columns, made = Columns(whole.connections), Columns(listed.connections)
    from_rows = [field for field in fields().values() if whole.connections.column(field.name) is not None]
    assert len(from_rows) > 70
    for field in from_rows:
        one, other = columns.of(field), made.of(field)
        assert np.array_equal(one.known, other.known), field.name
        assert np.all(one.same(other) | ~one.known), field.name
    assert as_json(whole.connections) == as_json(listed.connections)
    test = parse("outcome == established or server.port < 100 and handshake.syn_count == 1")
    assert as_json(filtered(whole, test).connections) == as_json(filtered(listed, test).connections)
    assert list(filtered(whole, test).connections) == list(filtered(listed, test).connections)
    assert filtered(whole, test).summary == filtered(listed, test).summary
    assert list(filtered(whole, test).services) == list(filtered(listed, test).services)
    assert filtered(whole, test).findings == filtered(listed, test).findings


def test_a_filtered_report_counts_what_it_lists():
    whole = analyze(samples.DIRECTORY / "port-scan-connect.pcap")
    few = filtered(whole, parse("outcome == established"))
    assert 0 < len(few.connections) < len(whole.connections)
    assert few.summary.connections == few.summary.outcomes.established == len(few.connections)
    assert sum(service.connections for service in few.services) == len(few.connections)
    ids = [connection.id for connection in few.connections]
    assert [whole.connections[i] for i in ids] == list(few.connections) == few.connections[:]
    assert few.connections.trouble() == [c for c in whole.connections.trouble() if c.id in ids]


def test_filters_can_be_applied_to_what_was_filtered():
    whole = analyze(samples.DIRECTORY / "refused-storm.pcap")
    once = filtered(whole, parse("id >= 10"))
    twice = filtered(once, parse("id < 20"))
    assert [connection.id for connection in twice.connections] == list(range(10, 20))


def test_findings_stay_with_those_they_are_about():
    whole = analyze(samples.DIRECTORY / "refused.pcap")
    assert [finding.id for finding in filtered(whole, parse("id == 0")).findings] == ["refused"]
    assert filtered(whole, parse("id == 1")).findings == []


def test_every_alias_is_a_field_and_every_hint_is_an_expression():
    for names in ALIASES.values():
        assert all(find(name) for name in names)
    for hint in HINTS.values():
        for example in re.findall(r"(?:ask for|or) ([a-z._]+ (?:>|==|!=|in) (?:\{[^}]*\}|[a-z0-9-]+))", hint):
            parse(example)


def test_connections_that_a_finding_cites(pcaps):
    report = analyze(pcaps / "refused-while-serving.pcap")
    cited = [number for each in report.findings for number in each.evidence.connections]
    for expression in (
        "finding == refused",
        "finding in {refused, syn-flood}",
        "finding ~ refu",
        "finding contains REF",
    ):
        assert [each.id for each in filtered(report, parse(expression)).connections] == cited
    others = filtered(report, parse("finding != refused")).connections
    assert {each.id for each in others} == set(range(len(report.connections))) - set(cited)


@pytest.mark.parametrize("name", ["syn-flood-hping3", "zero-window", "overtaken-data", "refused"])
def test_derived_fields_from_rows_are_those_of_connections(pcaps, name):
    connections = analyze(pcaps / f"{name}.pcap").connections
    objects = list(connections)
    for field in derived().values():
        expected = read_all(objects, field.name)
        assert connections.column(field.name).to_list() == expected
        assert [value for (values,) in connections.values([field.name], 100) for value in values] == expected


@pytest.mark.parametrize("nothing", ["", "  "])
def test_nothing_is_no_place_to_show(nothing):
    with pytest.raises(ExpressionError, match="empty; write one such as outcome == refused") as caught:
        parse(nothing)
    assert not hasattr(caught.value, "__notes__")
