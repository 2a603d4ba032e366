"""Roll-ups of failures leave out what another finding accounts for."""

import numpy as np
import pytest
from support import samples
from support.detected import MS, SECOND, crowd, found, merged, only

from handshake_inspect import analyze
from handshake_inspect.verdicts.findings.rollups import beside_floods, explained
from handshake_inspect.verdicts.findings.syn_flood import flood_rows


def case_of(name):
    return analyze(samples.DIRECTORY / f"{name}.pcap").connections.case


@pytest.mark.parametrize("name", samples.SAMPLES[::9])
def test_what_is_explained_is_a_column_of_all_attempts(name):
    case = case_of(name)
    assert len(explained(case)) == len(case.attempts)
    assert explained(case) is explained(case)
    assert explained(case)[beside_floods(case)].all()
    assert (explained(case) | ~flood_rows(case)).all()


def test_a_healthy_capture_has_nothing_to_explain():
    assert not explained(case_of("healthy-burst")).any()


def test_a_scan_is_explained():
    case = case_of("port-scan-dark")
    assert np.mean(explained(case)) > 0.9


@pytest.mark.parametrize("lost", [None, "before"])
def test_a_reset_beside_a_full_queue_is_explained_also_where_the_capture_lacks_the_final_ack(lost):
    """As `tcp_abort_on_overflow` sends it: there is no roll-up of one beside the finding about the others."""

    def act(wire, number):
        wire.client.syn()
        wire.server.syn_ack()
        wire.client.ack(lost=lost if number == 3 else None)
        wire.server.rst(seq=wire.server.isn + 1, ident=0)

    overflow = only(merged(*crowd(6, act, every=50 * MS)), "accept-queue-overflow")
    assert overflow["metrics"]["connections"] == (6 if lost is None else 5)
    assert not found(merged(*crowd(6, act, every=50 * MS)), "half-open")


def test_a_reset_without_a_full_queue_is_rolled_up():
    def act(wire, _):
        wire.client.syn()
        wire.server.syn_ack()
        wire.client.ack(lost="before")
        wire.server.rst(seq=wire.server.isn + 1, ident=0)
        wire.quiet(5 * SECOND)

    assert only(merged(*crowd(2, act)), "half-open")["metrics"]["cause"] == "reset-by-server"
