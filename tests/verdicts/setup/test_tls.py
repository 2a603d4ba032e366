"""Outcomes of TLS handshakes, and what alternatives would have saved."""

import pytest
from support.setups import COMPLETE, MS, Rows, connected

from handshake_inspect.tcp.facts import FACT_RST, METHOD_AMBIGUOUS, TRAIT_ACKS, TRAIT_ISS
from handshake_inspect.tcp.setup.facts import (
    EXTRA_NAGLE,
    EXTRA_WINDOW,
    SETUP_ALERT,
    SETUP_ALERT_ENCRYPTED,
    SETUP_ALERT_LATE,
    SETUP_ALERT_SERVER,
    SETUP_CLIENT_FINISHED,
    SETUP_CUT,
    SETUP_EARLY_ENDED,
    SETUP_EARLY_OFFERED,
    SETUP_EARLY_SENT,
    SETUP_FALSE_START,
    SETUP_GIVEN_UP,
    SETUP_HELLO_RETRY,
    SETUP_HOLE,
    SETUP_NOT_TLS,
    SETUP_PSK,
    SETUP_SERVER_CHANGED,
    SETUP_SERVER_FINISHED,
    SETUP_SERVER_HELLO,
    SETUP_SERVER_TLS,
    SETUP_TLS,
    SPAN_RESPONSE,
    SPAN_TLS,
)
from handshake_inspect.verdicts.setup import tls
from handshake_inspect.verdicts.setup.setups import setups_of
from handshake_inspect.verdicts.setup.words import EARLY_DATA, TLS_KINDS, TLS_OUTCOMES

HELLO = {"hello": 41}
SILENT, SOON = {"last": 100, "late": 3_100}, {"last": 100, "late": 3_099}  # 3 s of capture after it, or less
CLIENT_RESET, SERVER_RESET = {"facts": FACT_RST, "rst_side": 0}, {"facts": FACT_RST, "rst_side": 1}
ANSWERED = SETUP_TLS | SETUP_SERVER_TLS


def outcome(setup):
    return TLS_OUTCOMES[setup.outcomes[0]]


@pytest.mark.parametrize(
    ("flags", "version", "given", "became"),
    [
        (COMPLETE, 0x304, SOON, "established"),
        (COMPLETE & ~SETUP_SERVER_FINISHED, 0x303, SOON, "pending"),
        (COMPLETE & ~SETUP_SERVER_FINISHED, 0x303, SILENT, "failed"),
        (COMPLETE | SETUP_ALERT | SETUP_ALERT_LATE, 0x304, SOON, "failed"),
        (ANSWERED | SETUP_ALERT, 0, SOON, "failed"),
        (ANSWERED | SETUP_SERVER_HELLO, 0x304, SOON | CLIENT_RESET, "failed"),
        (SETUP_TLS, 0, SOON, "pending"),
        (SETUP_TLS, 0, SILENT, "no-answer"),
        (SETUP_TLS, 0, SOON | CLIENT_RESET, "no-answer"),
        (SETUP_TLS, 0, SOON | SERVER_RESET, "failed"),
        (SETUP_TLS, 0, SILENT | {"both_ways": False}, "unknown"),  # the capture holds one direction
        (SETUP_TLS | SETUP_NOT_TLS, 0, SOON, "not-tls"),
        (ANSWERED | SETUP_SERVER_HELLO | SETUP_CUT, 0x304, SILENT, "unknown"),
        (SETUP_TLS | SETUP_ALERT | SETUP_ALERT_ENCRYPTED, 0, SILENT | {"both_ways": False}, "unknown"),
        (SETUP_TLS | SETUP_ALERT, 0, SILENT | {"both_ways": False}, "failed"),
        (ANSWERED | SETUP_HOLE, 0, SILENT, "unknown"),
        (ANSWERED | SETUP_SERVER_HELLO | SETUP_GIVEN_UP, 0x304, SILENT, "unknown"),  # a chain of 64 segments and more
        (ANSWERED | SETUP_HOLE | SETUP_ALERT, 0, SILENT, "failed"),  # in the clear
        (ANSWERED | SETUP_HOLE | SETUP_ALERT | SETUP_ALERT_ENCRYPTED, 0, SILENT, "unknown"),
    ],
)
def test_outcome(flags, version, given, became):
    given = dict(given)
    late = given.pop("late")
    setup = connected(moments=HELLO, flags=flags, version=version, **given | {"last": late, "last_ns": 1100 * MS})
    assert outcome(setup) == became


@pytest.mark.parametrize("lacks", [(0, 600), (1, 600), (0, 501), (1, 501), (0, 500)])
def test_bytes_that_were_acknowledged_and_are_not_in_the_capture(lacks):
    """The answer may be among them, or the Finished; a FIN takes a number, too."""
    side, taken = lacks
    flags = ANSWERED | SETUP_SERVER_HELLO
    became = {}
    for more in (0, SETUP_ALERT, SETUP_ALERT | SETUP_ALERT_ENCRYPTED):
        rows = Rows().add(moments=HELLO, flags=flags | more, version=0x304, last=5000, last_ns=1100 * MS)
        ends = rows.ends[0]
        ends["traits"] |= TRAIT_ISS | TRAIT_ACKS
        ends["bytes"], ends["iss"], ends["last_ack"] = 500, 7000, 7501
        ends["last_ack"][side ^ 1] = 7001 + taken
        found = setups_of(rows.attempts())
        became[more] = outcome(found.of(found.rows))
    missing = taken > 501
    assert became[SETUP_ALERT] == "failed"  # in the clear
    assert [became[0], became[SETUP_ALERT | SETUP_ALERT_ENCRYPTED]] == ["unknown" if missing else "failed"] * 2


LATE = SETUP_ALERT | SETUP_ALERT_LATE | SETUP_ALERT_ENCRYPTED
SERVER_S = LATE | SETUP_ALERT_SERVER


@pytest.mark.parametrize(
    ("flags", "given", "became"),
    [
        (LATE, {}, "established"),  # the client's own, behind its Finished
        (SERVER_S, {}, "failed"),  # it wanted a certificate
        (SERVER_S, {"ticket_length": 250}, "established"),  # it had greeted the client with a ticket
        (SERVER_S, {"closed_by": 0, "fin_ns": 1_060 * MS}, "established"),  # the client had gone, 40 ms from the server
        (SERVER_S, {"closed_by": 0, "fin_ns": 1_063 * MS}, "established"),  # as far as round trips vary
        (SERVER_S, {"closed_by": 0, "fin_ns": 1_065 * MS}, "failed"),  # the server cannot have known
        (SERVER_S, {"closed_by": 0, "fin_ns": 1_090 * MS, "to_server": 1}, "established"),
        (SERVER_S, {"closed_by": 0, "fin_ns": 1_110 * MS}, "failed"),  # since it got the alert
        (SERVER_S, {"version": 0x303}, "established"),
        (SERVER_S & ~SETUP_ALERT_LATE, {"version": 0x303}, "failed"),  # before the client's Finished
        (SERVER_S & ~SETUP_ALERT_ENCRYPTED, {"ticket_length": 250}, "failed"),  # its words are known
    ],
)
def test_an_encrypted_alert_that_is_a_close_notify(flags, given, became):
    given = {"version": 0x304, "last": 200, "moments": HELLO | {"alert": 100}, **given}
    assert outcome(connected(flags=COMPLETE | flags, **given)) == became


@pytest.mark.parametrize(
    ("flags", "version", "kind"),
    [
        (COMPLETE, 0x304, "full"),
        (COMPLETE | SETUP_PSK, 0x304, "resumed"),
        (COMPLETE | SETUP_SERVER_CHANGED, 0x304, "full"),  # there it means nothing
        (COMPLETE | SETUP_SERVER_CHANGED, 0x303, "resumed"),
        (COMPLETE, 0x303, "full"),
        (ANSWERED | SETUP_SERVER_HELLO, 0x303, None),  # who changes first is not known yet
        (SETUP_TLS, 0, None),
    ],
)
def test_kind(flags, version, kind):
    code = tls.kinds(connected(moments=HELLO, flags=flags, version=version, cipher=0x1301).seen)[0]
    assert (TLS_KINDS[code] if code >= 0 else None) == kind


def test_of_a_server_hello_that_was_cut_nobody_knows_whether_it_resumes():
    assert tls.kinds(connected(moments=HELLO, flags=COMPLETE | SETUP_CUT, version=0x304).seen)[0] == -1


@pytest.mark.parametrize(
    ("flags", "became"),
    [
        (COMPLETE, None),
        (COMPLETE | SETUP_EARLY_OFFERED | SETUP_EARLY_SENT | SETUP_EARLY_ENDED, "accepted"),
        (COMPLETE | SETUP_EARLY_OFFERED | SETUP_EARLY_SENT, "rejected"),
        (ANSWERED | SETUP_HELLO_RETRY | SETUP_EARLY_OFFERED, "rejected"),
        (ANSWERED | SETUP_EARLY_OFFERED, "offered"),
    ],
)
def test_early_data(flags, became):
    code = tls.early_data(connected(moments=HELLO, flags=flags, version=0x304).seen)[0]
    assert (EARLY_DATA[code] if code >= 0 else None) == became


R = 40 * MS


NAMES = ("tls13_ns", "resumption_ns", "early_data_ns", "quic_ns", "quic_early_data_ns")


@pytest.mark.parametrize(
    ("flags", "version", "saved", "reuse"),
    [
        (COMPLETE, 0x303, (R, R, -1, 2 * R, 3 * R), 125),
        (COMPLETE | SETUP_FALSE_START, 0x303, (0, 0, -1, R, 2 * R), 84),
        (COMPLETE | SETUP_SERVER_CHANGED, 0x303, (0, 0, -1, R, 2 * R), 84),
        (COMPLETE, 0x304, (-1, 0, R, R, 2 * R), 84),
        (COMPLETE | SETUP_EARLY_ENDED, 0x304, (-1, 0, -1, 0, R), 41),
    ],
    ids=["1.2", "false start", "1.2 resumed", "1.3", "early data"],
)
def test_what_would_have_been_saved(flags, version, saved, reuse):
    moments = {"hello": 41, "client_finished": 84, "server_finished": 125}
    shown = {n: int(c[0]) for n, c in connected(moments=moments, flags=flags, version=version).saveable.items()}
    assert shown == dict(zip(NAMES, saved, strict=True)) | {"reuse_ns": reuse * MS}


@pytest.mark.parametrize(
    ("flags", "extras", "saved"),
    [
        (COMPLETE, [(EXTRA_WINDOW, SPAN_TLS, 41), (EXTRA_WINDOW, SPAN_TLS, 42)], 83 * MS),
        (COMPLETE | SETUP_PSK, [(EXTRA_WINDOW, SPAN_TLS, 41)], 0),  # it sent no certificates
        (COMPLETE, [(EXTRA_WINDOW, SPAN_RESPONSE, 41), (EXTRA_NAGLE, SPAN_TLS, 41)], 0),
    ],
    ids=["certificates", "resumed", "another wait"],
)
def test_resumption_of_tls13_saves_the_waits_for_the_window(flags, extras, saved):
    moments = {"hello": 41, "client_finished": 165, "server_finished": 164}
    shown = connected(moments=moments, flags=flags, version=0x304, extras=extras).saveable
    assert int(shown["resumption_ns"][0]) == saved


def test_a_plain_connection_would_have_saved_its_tcp_handshake():
    shown = connected(moments={"request": 41, "response": 81}).saveable
    assert {name: int(column[0]) for name, column in shown.items()} == {
        "reuse_ns": 40 * MS, "tls13_ns": -1, "resumption_ns": -1, "early_data_ns": -1, "quic_ns": -1,
        "quic_early_data_ns": -1,
    }  # fmt: skip


def test_without_the_network_s_round_trip_only_what_was_measured_is_known():
    moments = {"hello": 41, "client_finished": 84, "server_finished": 84}
    unsure = {"synack_max_ns": 90 * MS, "synack_method": METHOD_AMBIGUOUS}
    saved = connected(moments=moments, flags=COMPLETE, version=0x304, **unsure).saveable
    assert {name: int(column[0]) for name, column in saved.items() if column[0] >= 0} == {"reuse_ns": 84 * MS}


def test_nothing_is_saved_of_a_handshake_that_did_not_end():
    shown = connected(moments={"hello": 41}, flags=SETUP_TLS | SETUP_CLIENT_FINISHED).saveable
    assert {int(column[0]) for column in shown.values()} == {-1}
