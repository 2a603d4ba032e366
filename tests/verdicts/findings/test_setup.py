"""Findings about TLS set-ups: when they are reported, and similar cases without one."""

import pytest
from support.setups import COMPLETE, MS, Rows

from handshake_inspect.tcp.facts import FACT_RST
from handshake_inspect.tcp.setup.facts import (
    EXCHANGE_ALERTED,
    EXTRA_LOSS,
    EXTRA_NAGLE,
    EXTRA_WINDOW,
    SETUP_ALERT,
    SETUP_ALERT_ENCRYPTED,
    SETUP_ALERT_LATE,
    SETUP_ALERT_SERVER,
    SETUP_CERTIFICATE_WITHHELD,
    SETUP_CUT,
    SETUP_FALSE_START,
    SETUP_NOT_TLS,
    SETUP_OFFERS_13,
    SETUP_PSK,
    SETUP_PSK_OFFERED,
    SETUP_SERVER_CHANGED,
    SETUP_SERVER_HELLO,
    SETUP_SERVER_TLS,
    SETUP_TLS,
    SPAN_BEFORE_REQUEST,
    SPAN_TLS,
)
from handshake_inspect.verdicts.findings import KINDS

HELLO = {"hello": 41, "hello_sent": 41}
FULL = HELLO | {
    "server_hello": 82, "flight": 82, "client_finished": 84, "server_finished": 125, "request": 126, "response": 170,
}  # fmt: skip
ANSWERED = SETUP_TLS | SETUP_SERVER_TLS
BY_SERVER, BY_CLIENT = ANSWERED | SETUP_ALERT | SETUP_ALERT_SERVER, ANSWERED | SETUP_SERVER_HELLO | SETUP_ALERT
LATE = (
    COMPLETE | SETUP_ALERT | SETUP_ALERT_SERVER | SETUP_ALERT_LATE | SETUP_ALERT_ENCRYPTED | SETUP_CERTIFICATE_WITHHELD
)


def good(rows, count=1, **given):
    for number in range(count):
        rows.add(**{"moments": FULL, "flags": COMPLETE, "version": 0x303, "begun": 1000 * number} | given)
    return rows


def only(rows, kind):
    (finding,) = rows.found(kind)
    return finding


# -- tls-failed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "cause", "sender", "stage", "advised"),
    [
        ({"flags": BY_SERVER, "alert_code": 40}, "handshake-failure", "server", "hello", "in common"),
        ({"flags": BY_SERVER, "alert_code": 70}, "protocol-version", "server", "hello", "-tls1_3"),
        ({"flags": BY_SERVER, "alert_code": 112}, "unrecognized-name", "server", "hello", "for the name"),
        ({"flags": BY_SERVER, "alert_code": 120}, "no-application-protocol", "server", "hello", "ALPN"),
        ({"flags": BY_CLIENT, "alert_code": 48}, "unknown-ca", "client", "handshake", "whole chain"),
        ({"flags": BY_CLIENT, "alert_code": 45}, "certificate-expired", "client", "handshake", "expired"),
        ({"flags": LATE, "version": 0x304}, "encrypted-alert", "server", "finished", "client certificate"),
        ({"flags": SETUP_TLS, "facts": FACT_RST, "rst_side": 1}, "closed", None, "hello", "log"),
        ({"flags": SETUP_TLS, "last_ns": 1100 * MS}, "no-answer", None, "hello", "ClientHello"),
        ({"flags": SETUP_TLS | SETUP_NOT_TLS}, "not-tls", None, "hello", "port"),
    ],
)
def test_a_failed_handshake(given, cause, sender, stage, advised):
    finding = only(Rows().add(moments=HELLO, **given), "tls-failed")
    metrics = finding.metrics
    assert (metrics["cause"], metrics["from"], metrics["stage"]) == (cause, sender, stage)
    assert (metrics["connections"], metrics["handshakes"], metrics["failed_ratio"]) == (1, 1, 1.0)
    assert advised in finding.advice
    assert (finding.severity, finding.port) == ("warning", 443)


def test_each_reason_of_a_service_is_a_finding():
    rows = good(Rows(), 3)
    for number in range(2):
        rows.add(moments=HELLO, flags=ANSWERED | SETUP_ALERT, alert_code=48, client=f"192.0.2.{number + 5}")
    rows.add(moments=HELLO, flags=ANSWERED | SETUP_ALERT | SETUP_ALERT_SERVER, alert_code=40)
    first, second = rows.found("tls-failed")
    assert (first.metrics["cause"], first.metrics["connections"], first.metrics["clients"]) == ("unknown-ca", 2, 2)
    assert (second.metrics["cause"], second.metrics["handshakes"]) == ("handshake-failure", 6)


def test_what_is_no_failed_handshake():
    rows = good(Rows())
    rows.add(moments={"request": 41, "response": 90})  # plain
    rows.add(moments=HELLO, flags=ANSWERED | SETUP_CUT)  # nobody knows
    rows.add(moments=HELLO, flags=SETUP_TLS, begun=99_900, last=100)  # the capture ends
    assert rows.found("tls-failed") == []


def test_a_client_that_only_looks_fails_at_a_bad_service_alone():
    looked = {"moments": HELLO, "flags": ANSWERED | SETUP_SERVER_HELLO, "closed_by": 0}
    assert good(Rows()).add(**looked).found("tls-failed") == []
    assert only(Rows().add(**looked), "tls-failed").metrics["cause"] == "closed"


@pytest.mark.parametrize(
    "given",
    [
        {},  # a health check, a pool, the loser of a race: no data at all
        {"closed_by": 0},
        {"facts": FACT_RST, "rst_side": 0},
        {"moments": {name: at for name, at in FULL.items() if name not in ("request", "response")}, "flags": COMPLETE},
    ],
    ids=["idle", "closed", "reset", "no request"],
)
def test_a_client_that_never_asks_is_no_trouble(given):
    rows = Rows()
    for number in range(12):
        rows.add(**{"version": 0x304} | given, client=f"192.0.2.{number + 1}", begun=number * 1000)
    kinds = [kind for kind in KINDS if kind.startswith(("tls-", "nagle", "protocol"))]
    assert len(kinds) == 8
    assert [kind for kind in kinds if rows.found(kind)] == []


# -- tls-slow-server, tls-slow-client --------------------------------------------------------------------------------


def answered_after(ms, to_server=40):
    hello = to_server + 1
    return {
        "hello": hello,
        "hello_sent": hello,
        "server_hello": hello + to_server + ms,
        "client_finished": hello + to_server + ms + 2,
    }


@pytest.mark.parametrize("ms", [50, 60])
def test_a_server_that_takes_longer_than_the_network(ms):
    rows = Rows()
    for number in range(3):
        rows.add(moments=answered_after(ms), flags=COMPLETE, version=0x304, begun=number * 1000)
    finding = only(rows, "tls-slow-server")
    assert (finding.metrics["own_p50_ns"], finding.metrics["network_p50_ns"]) == (ms * MS, 40 * MS)


@pytest.mark.parametrize(("count", "ms", "to_server"), [(2, 60, 40), (3, 49, 40), (3, 60, 61)])
def test_few_fast_or_far(count, ms, to_server):
    rows = Rows()
    for number in range(count):
        moments = answered_after(ms, to_server)
        rows.add(moments=moments, flags=COMPLETE, version=0x304, to_server=to_server, begun=number * 1000)
    assert rows.found("tls-slow-server") == []


@pytest.mark.parametrize(
    ("moments", "kind"),
    [
        (FULL | {"hello": 95, "hello_sent": 95}, "before-tls"),
        (FULL | {"client_finished": 140, "server_finished": 181}, "finished"),
    ],
)
def test_a_client_that_takes_its_time(moments, kind):
    rows = Rows()
    for number in range(3):
        rows.add(moments=moments, flags=COMPLETE, version=0x303, begun=number * 1000)
    finding = only(rows, "tls-slow-client")
    assert (finding.severity, finding.metrics["kind"], finding.port) == ("info", kind, None)


def test_a_plain_prologue_is_not_the_client_s_own_time():
    rows = Rows()
    for number in range(3):
        moments = FULL | {"hello": 95, "hello_sent": 95}
        rows.add(moments=moments, flags=COMPLETE, version=0x303, begun=number * 1000, upgrade=2, turns=3)
    assert rows.found("tls-slow-client") == []


# -- tls-extra-round-trip --------------------------------------------------------------------------------------------

RETRIED = FULL | {"retry": 82, "hello_2": 84}


@pytest.mark.parametrize(
    ("given", "cause", "cost"),
    [
        ({"moments": RETRIED, "version": 0x304}, "hello-retry", 43),
        ({"moments": FULL, "version": 0x304, "extras": [(EXTRA_WINDOW, SPAN_TLS, 41)]}, "window", 41),
        ({"moments": FULL, "version": 0x303, "flags": COMPLETE | SETUP_OFFERS_13}, "older-version", 40),
    ],
)
def test_one_round_trip_more(given, cause, cost):
    finding = only(Rows().add(**{"flags": COMPLETE} | given), "tls-extra-round-trip")
    assert (finding.metrics["cause"], finding.metrics["cost_p50_ns"]) == (cause, cost * MS)
    assert finding.severity == "info"  # one handshake is no rule


def test_the_cost_of_several_is_their_median():
    rows = Rows().add(moments=RETRIED, flags=COMPLETE, version=0x304)
    assert "took one more round trip, 43 ms: " in only(rows, "tls-extra-round-trip").title
    rows.add(moments=RETRIED, flags=COMPLETE, version=0x304)
    assert "took one more round trip, 43 ms in the median: " in only(rows, "tls-extra-round-trip").title


def test_a_warning_if_it_is_often_and_costly():
    rows = good(Rows(), 9, version=0x304)
    rows.add(moments=RETRIED, flags=COMPLETE, version=0x304)
    assert only(rows, "tls-extra-round-trip").severity == "warning"
    rows = good(Rows(), 10, version=0x304)
    rows.add(moments=RETRIED, flags=COMPLETE, version=0x304)
    assert only(rows, "tls-extra-round-trip").severity == "info"  # 1 of 11
    rows = good(Rows(), 8, version=0x304)
    rows.add(moments=RETRIED, flags=COMPLETE, version=0x304)
    assert only(rows, "tls-extra-round-trip").severity == "info"  # of 9


@pytest.mark.parametrize(("cost", "severity"), [(9, "info"), (10, "warning")])
def test_a_warning_from_10_ms_on(cost, severity):
    rows = good(Rows(), 9, version=0x304)
    rows.add(moments=FULL | {"retry": 42, "hello_2": 41 + cost}, flags=COMPLETE, version=0x304)
    assert only(rows, "tls-extra-round-trip").severity == severity


@pytest.mark.parametrize(
    "given",
    [
        {"flags": COMPLETE, "version": 0x303},  # the client offers no 1.3
        {"flags": COMPLETE | SETUP_OFFERS_13, "version": 0x304},
        {"flags": COMPLETE | SETUP_OFFERS_13 | SETUP_FALSE_START, "version": 0x303},
        {"flags": COMPLETE, "version": 0x304, "extras": [(EXTRA_LOSS, SPAN_TLS, 200)]},
    ],
)
def test_no_round_trip_more(given):
    assert Rows().add(moments=FULL, **given).found("tls-extra-round-trip") == []


# -- nagle-stall -----------------------------------------------------------------------------------------------------

STALLED = {"extras": [(EXTRA_NAGLE, SPAN_BEFORE_REQUEST, 82, 0, 1)]}


def test_nagle_at_the_client():
    rows = good(Rows(), 2, version=0x304).add(moments=FULL, flags=COMPLETE, version=0x304, **STALLED)
    finding = only(rows, "nagle-stall")
    assert (finding.metrics["side"], finding.metrics["delayed"], finding.metrics["cost_p50_ns"]) == (
        "client",
        1,
        82 * MS,
    )
    assert (finding.metrics["connections"], finding.metrics["requests"]) == (1, 3)
    assert "TCP_NODELAY at the client" in finding.advice


def test_nagle_in_few_connections_or_seldom():
    stalled = {"moments": FULL, "flags": COMPLETE, "version": 0x304} | STALLED
    assert good(Rows()).add(**stalled).found("nagle-stall") == []
    assert good(Rows(), 10).add(**stalled).found("nagle-stall") == []  # 1 of 11


def test_nagle_without_tls():
    rows = Rows()
    for number in range(3):
        wait = [(EXTRA_NAGLE, SPAN_BEFORE_REQUEST, 40, 1, 0)]
        rows.add(moments={"request": 41, "response": 160}, extras=wait, begun=number * 1000)
    assert only(rows, "nagle-stall").metrics["side"] == "server"


# -- tls-no-resumption -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "version", "cause", "saved"),
    [
        (COMPLETE, 0x303, "never-offered", 400 * MS),
        (COMPLETE | SETUP_PSK_OFFERED, 0x304, "refused", 0),
    ],
)
def test_sessions_that_are_never_resumed(flags, version, cause, saved):
    finding = only(good(Rows(), 10, flags=flags, version=version), "tls-no-resumption")
    assert (finding.metrics["cause"], finding.metrics["saveable_ns"], finding.severity) == (cause, saved, "info")


def test_what_resumes_or_comes_seldom():
    assert good(Rows(), 9).found("tls-no-resumption") == []
    assert good(good(Rows(), 10, version=0x304), flags=COMPLETE | SETUP_PSK).found("tls-no-resumption") == []
    assert good(good(Rows(), 10), flags=COMPLETE | SETUP_SERVER_CHANGED).found("tls-no-resumption") == []
    failed = COMPLETE | SETUP_ALERT | SETUP_ALERT_SERVER
    assert good(Rows(), 10, flags=failed, alert_code=48).found("tls-no-resumption") == []
    rows = Rows()
    for number in range(10):  # an hour and more for ten
        good(rows, begun=number * 500_000)
    assert rows.found("tls-no-resumption") == []
    rows = Rows()
    for number in range(10):
        good(rows, client=f"192.0.2.{number + 1}")
    assert rows.found("tls-no-resumption") == []


@pytest.mark.parametrize(("gap", "found"), [(400_000, 1), (400_001, 0)])
def test_ten_within_an_hour(gap, found):
    rows = Rows()
    for number in range(10):
        good(rows, begun=number * gap)
    assert len(rows.found("tls-no-resumption")) == found


def test_other_names_are_other_sites():
    class Names:
        def facts(self, number):
            return (b"one.test" if number < 3 else b"two.test", (), (), ())

    rows = Rows()
    rows.names = Names()
    good(good(rows, 5, hello=1), 5, hello=2)
    assert only(rows, "tls-no-resumption").metrics["connections"] == 10
    rows = Rows()
    rows.names = Names()
    assert good(good(rows, 5, hello=1), 5, hello=3).found("tls-no-resumption") == []


# -- tls-old-version -------------------------------------------------------------------------------------------------


def test_old_versions():
    rows = good(good(Rows(), 2), flags=COMPLETE, version=0x302, client="192.0.2.7")
    finding = only(good(rows, version=0x301), "tls-old-version")
    assert (finding.metrics["versions"], finding.metrics["connections"]) == ({"1.1": 1, "1.0": 1}, 2)
    assert finding.metrics["first_clients"] == ["192.0.2.7", "192.0.2.1"]


def test_new_versions_and_old_ones_that_failed():
    assert good(good(Rows()), version=0x304).found("tls-old-version") == []
    rows = Rows().add(moments=HELLO, flags=ANSWERED | SETUP_SERVER_HELLO | SETUP_ALERT, alert_code=70, version=0x301)
    assert rows.found("tls-old-version") == []


# -- protocol-mismatch -----------------------------------------------------------------------------------------------

PLAIN = {"moments": {"request": 41, "response": 90}}


def test_plain_text_to_tls():
    assert only(good(Rows()).add(**PLAIN, closed_by=1), "protocol-mismatch").metrics["kind"] == "plain-to-tls"
    assert only(good(Rows()).add(moments={"request": 41}), "protocol-mismatch").metrics["connections"] == 1


def test_an_alert_in_answer_to_plain_text():
    rows = Rows().add(moments={"request": 41, "response": 90}, closed_by=0)
    rows.exchanges[0]["setup"] |= EXCHANGE_ALERTED
    assert only(rows, "protocol-mismatch").metrics["kind"] == "plain-to-tls"


def test_a_service_that_speaks_both():
    assert good(Rows()).add(**PLAIN, closed_by=0).found("protocol-mismatch") == []
    assert good(Rows(), upgrade=2, turns=3).add(**PLAIN, closed_by=1).found("protocol-mismatch") == []
    assert Rows().add(**PLAIN, closed_by=1).found("protocol-mismatch") == []
    assert good(Rows()).add(**PLAIN, closed_by=1, port=80).found("protocol-mismatch") == []


def test_tls_to_plain_text():
    finding = only(Rows().add(moments=HELLO, flags=SETUP_TLS | SETUP_NOT_TLS), "protocol-mismatch")
    assert finding.metrics == {"kind": "tls-to-plain", "connections": 1, "clients": 1}


# -- connection-churn ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "each"),
    [({"flags": COMPLETE, "version": 0x303}, 125), ({"moments": {"request": 41, "response": 90}}, 40)],
)
def test_churn_counts_all_of_the_set_up(given, each):
    rows = Rows()
    for number in range(50):
        rows.add(**{"moments": FULL} | given, begun=number * 300 + number % 7, last=250, closed_by=0)
    assert only(rows, "connection-churn").metrics["handshake_mean_ns"] == each * MS
