"""Roll-ups of failures leave out what another finding accounts for."""

import numpy as np
import pytest
from support import samples

from handshake_inspect import analyze
from handshake_inspect.verdicts.findings.explained import beside_floods, explained
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
