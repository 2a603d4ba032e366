"""Attempts are judged once, all together; subsets keep those verdicts."""

import numpy as np
import pytest
from support import samples

from handshake_inspect import analyze
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.aliases import CONN_STATES
from handshake_inspect.verdicts.words import OUTCOMES


@pytest.fixture(scope="module", params=["port-scan-connect", "port-scan-dark", "syn-retransmission"])
def report(request):
    return analyze(samples.DIRECTORY / f"{request.param}.pcap")


def test_columns_are_of_all_attempts(report):
    case = report.connections.case
    attempts = len(report.connections)
    columns = [*case.states, case.stages, case.conn_states, case.outcomes.outcome, case.outcomes.decided]
    assert {len(column) for column in columns} == {attempts}


def test_columns_say_what_connections_say(report):
    case = report.connections.case
    order = case.attempts.order
    for column, said in (
        (case.states[0], [TcpState[each.state.client.replace("-", "_")] for each in report.connections]),
        (case.states[1], [TcpState[each.state.server.replace("-", "_")] for each in report.connections]),
        (case.conn_states, [CONN_STATES.index(each.aliases.zeek.conn_state) for each in report.connections]),
        (case.outcomes.outcome, [OUTCOMES.index(each.outcome) for each in report.connections]),
    ):
        assert column[order].tolist() == said


def test_a_lone_syn_leaves_a_closed_server_and_conn_state_s0():
    case = analyze(samples.DIRECTORY / "port-scan-dark.pcap").connections.case
    client, server = (case.attempts.of_lone(states) for states in case.states)
    assert len(server) > 10
    assert set(server.tolist()) == {TcpState.CLOSED}
    assert set(client.tolist()) <= {TcpState.CLOSED, TcpState.SYN_SENT}
    assert {CONN_STATES[code] for code in case.attempts.of_lone(case.conn_states).tolist()} == {"S0"}


def test_some_attempts_keep_what_was_judged_of_all(report):
    case = report.connections.case
    mask = np.arange(len(case.attempts)) % 3 == 0
    some = case.select(mask)
    assert len(some.attempts) == np.count_nonzero(mask)
    assert some.outcomes.outcome.tolist() == case.outcomes.outcome[mask].tolist()
    assert some.attempts.server_key[:].tolist() == case.attempts.server_key[mask].tolist()
    rows = np.flatnonzero(mask)[::-1]
    copy, order, places = case.copied(rows)
    assert copy.attempts.client_host[places].tolist() == case.attempts.client_host[rows].tolist()
    assert copy.outcomes.cause[places].tolist() == case.outcomes.cause[rows].tolist()
    assert sorted(order.tolist()) == sorted(rows.tolist())


def test_what_is_asked_twice_is_computed_once(report):
    case = report.connections.case
    assert case.legs is case.legs
    assert case.states is case.states
    assert all(one is other for one, other in zip(case.legs.values, case.legs.values, strict=True))
    assert case.legs.reject_ns is not None
