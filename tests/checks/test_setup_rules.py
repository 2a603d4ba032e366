"""Rules on connection set-up and on names: on captures that are made here, and on reports written by hand."""

import msgspec
import pytest
from support import reports
from support.dns import Talk

import handshake_inspect
from handshake_inspect.checks import settings
from handshake_inspect.checks.rule_results import evaluate_rules
from handshake_inspect.errors import UsageError
from handshake_inspect.report.connection_parts import Server
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.setup import ExtraRoundTrip, OwnTime, ServerTimes, Setup, Span, Spans, Tls

MS = 1_000_000
V4, OTHER = "198.51.100.2", "198.51.100.3"


def span(value, most=None):
    return Span(0, value, value, most or value, 1, "exact" if value else "ambiguous")


def made(number, tls_ms=40, *, outcome="established", version="1.3", kind="full", extra=(), name=None, port=443):
    """A connection with its set-up; `tls_ms` None leaves an interval up to 90 ms."""
    spans = Spans(tls=span(None if tls_ms is None else tls_ms * MS, 90 * MS if tls_ms is None else None))
    return msgspec.structs.replace(
        reports.connection(number),
        server=Server("10.0.0.2", port, name, "sni" if name else None),
        setup=Setup("tls", spans=spans, extra_round_trips=list(extra)),
        tls=Tls(outcome, version=version, kind=kind),
    )


def check(connections, **raw):
    report = reports.report([msgspec.structs.replace(each, id=i) for i, each in enumerate(connections)])
    rules = settings.rules({key.replace("_", "-"): value for key, value in raw.items()})
    return evaluate_rules(report, rules).assertions[-1]


@pytest.mark.parametrize(
    ("rule", "passed", "value"),
    [
        ("tls.max<61ms", True, 60 * MS),
        ("tls.max<60ms", False, 60 * MS),
        ("tls.max<=60ms", True, 60 * MS),
        ("tls.median<50ms", True, 40 * MS),
        ("*:443 tls.p95 < 1 s", True, 60 * MS),
        ("*:80 tls.p95<1s", False, None),
        ("lookup.max<1s", False, None),  # nothing was measured
    ],
)
def test_limits_of_spans(rule, passed, value):
    assertion = check([made(0, 40), made(1, 20), made(2, 60)], setup=rule)
    assert (assertion.status == "passed", assertion.value) == (passed, value)


def test_an_interval_passes_only_with_its_upper_end():
    assert check([made(0, None)], setup="tls.max<89ms").status == "failed"
    assert check([made(0, None)], setup="tls.max<91ms").status == "passed"


def test_the_connections_that_are_too_slow_are_named():
    assertion = check([made(0, 40), made(1, 99)], setup="tls.max<50ms")
    assert (assertion.broken, [each.id for each in assertion.breaches]) == (1, [1])


@pytest.mark.parametrize(("rule", "broken"), [("1.2", 1), ("1.3", 2), ("1.0", 0), ("*:80 1.3", 0)])
def test_versions(rule, broken):
    connections = [made(0), made(1, version="1.2"), made(2, version="1.1"), made(3, outcome="failed", version="1.0")]
    assertion = check(connections, min_tls=rule)
    assert (assertion.status, assertion.broken) == ("failed" if broken else "passed", broken)


@pytest.mark.parametrize(("rule", "passed"), [("50%", True), ("51%", False), ("*:80 1%", False)])
def test_resumption(rule, passed):
    assert (check([made(0), made(1, kind="resumed")], min_resumed=rule).status == "passed") == passed


@pytest.mark.parametrize(("rule", "passed"), [("1", False), ("2", True), ("50%", False), ("67%", True), ("0", False)])
def test_failures_count_among_those_that_began_tls(rule, passed):
    connections = [made(0), made(1, outcome="failed"), made(2, outcome="not-tls"), made(3, outcome="pending")]
    assert (check(connections, max_tls_failed=rule).status == "passed") == passed


def test_waits_on_top():
    waited = made(1, extra=[ExtraRoundTrip("hello-retry", 40 * MS, 5)])
    assert check([made(0), waited], max_extra_round_trips="0").broken == 1
    assert check([made(0), waited], max_extra_round_trips="50%").status == "passed"


@pytest.mark.parametrize(
    ("allowed", "broken"),
    [
        (["*.example.org"], 2),
        (["*.example.org", "cdn.example.net"], 1),
        (["*.EXAMPLE.org.", "10.0.0.0/24"], 0),
        (["example.org"], 3),
        (["10.0.0.2"], 0),
        (["10.0.0.3", "2001:db8::/32"], 3),
    ],
)
def test_whom_clients_may_talk_to(allowed, broken):
    connections = [made(0, name="www.example.org"), made(1, name="cdn.example.net"), made(2)]
    assertion = check(connections, allow=allowed)
    assert (assertion.status, assertion.broken) == ("failed" if broken else "passed", broken)


def test_strangers_are_listed_by_name():
    assertion = check([made(0, name="cdn.example.net"), made(1, name="cdn.example.net"), made(2)], allow=["*.org"])
    assert assertion.findings == [
        "cdn.example.net (10.0.0.2:443): 2 connections", "10.0.0.2:443: 1 connection",
    ]  # fmt: skip


def test_names_from_lookups_count_and_all_of_two_have_to_be_allowed():
    talk = Talk().look_up("a.example.org", V4).look_up("b.example.net", V4).connect(V4)
    report = handshake_inspect.analyze(talk.file())
    for allowed, status in (("*.example.org", "failed"), ("*.example.*", "passed")):
        assert evaluate_rules(report, settings.rules({"allow": [allowed]})).assertions[-1].status == status


def test_quic_connections_have_to_be_allowed_too():
    client, service = reports.connection(0).client, reports.connection(0).server.service
    server = Server(service.ip, service.port, "cdn.example.net", "dns")
    setup = Setup("quic", spans=Spans(quic=span(30 * MS)))
    one = QuicConnection(
        0, client, server, 0, 0, 1, "established", None, True, "", [1], "0x00000001", setup=setup
    )  # fmt: skip
    report = msgspec.structs.replace(reports.report([made(0, name="www.example.org")]), quic_connections=[one])
    assertion = evaluate_rules(report, settings.rules({"allow": ["*.example.org"]})).assertions[-1]
    assert (assertion.status, assertion.broken) == ("failed", 1)
    assert (
        evaluate_rules(report, settings.rules({"allow": ["*.example.org", "cdn.example.net"]})).assertions[-1].status
        == "passed"
    )
    assert evaluate_rules(report, settings.rules({"setup": "quic.max<31ms"})).assertions[-1].status == "passed"


def quick(took, *, extra=()):
    """A QUIC connection to 10.0.0.2:443, whose answer took between so many ms and 20 more."""
    spans = Spans(quic=span(30 * MS), response=Span(0, None, took * MS, (took + 20) * MS, 1, "ambiguous"))
    setup = Setup("quic", spans=spans, server=ServerTimes(hello=OwnTime(5 * MS, 5 * MS, 5 * MS)))
    setup = msgspec.structs.replace(setup, extra_round_trips=list(extra))
    ends = reports.connection(0).client, Server("10.0.0.2", 443)
    return QuicConnection(0, *ends, 0, 0, 1, "established", None, True, "", [1], "0x00000001", setup=setup)


@pytest.mark.parametrize(
    ("rule", "passed", "value"),
    [
        ("response.max<91ms", True, 90 * MS),  # with its upper end
        ("response.max<90ms", False, 90 * MS),
        ("response.min<51ms", True, 50 * MS),
        ("*:443 server.hello.max<6ms", True, 5 * MS),
        ("10.0.0.0/24 response.median<=50ms", True, 50 * MS),
        ("*:80 response.max<1s", False, None),
        ("10.0.0.2:443 quic.max<31ms", True, 30 * MS),
        ("10.0.0.3 quic.max<31ms", False, None),
        ("tls.max<41ms", True, 40 * MS),  # which QUIC has not
    ],
)
def test_quic_connections_count_where_a_span_means_the_same(rule, passed, value):
    report = reports.report([made(0)])
    report = msgspec.structs.replace(report, quic_connections=[quick(70), quick(30)])
    assertion = evaluate_rules(report, settings.rules({"setup": rule})).assertions[-1]
    assert (assertion.status == "passed", assertion.value) == (passed, value)


def test_extra_round_trips_of_quic_connections_count():
    retried = quick(70, extra=[ExtraRoundTrip("retry", 40 * MS, 3)])
    report = msgspec.structs.replace(reports.report([made(0)]), quic_connections=[retried, quick(70)])
    for rule, status in (("0", "failed"), ("1", "passed"), ("33%", "failed"), ("34%", "passed"), ("*:80 0", "passed")):
        checked = evaluate_rules(report, settings.rules({"max-extra-round-trips": rule})).assertions[-1]
        assert checked.status == status


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("setup", "tls<50ms"), ("setup", "tsl.max<50ms"), ("setup", "tls.p0<5ms"), ("setup", "tls.max<5"),
        ("min-tls", "1.4"), ("min-tls", "tls1.2"), ("min-resumed", "3"), ("min-resumed", "101%"),
        ("max-tls-failed", "x"), ("max-tls-failed", "1.5"), ("max-extra-round-trips", "200%"),
        ("allow", "not a name"), ("allow", "10.0.0.0/33"), ("allow", ""),
    ],
)  # fmt: skip
def test_what_is_no_rule(key, text):
    with pytest.raises(UsageError, match=key):
        settings.rules({key: text})
