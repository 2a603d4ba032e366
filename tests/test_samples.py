"""Every sample of `pcaps/` against what the kernel said when it was made."""

import json

import msgspec
import pytest
from support.samples import SAMPLES, differences, quic_differences

from handshake_inspect import engine
from handshake_inspect.wire.text import capitalized


@pytest.mark.parametrize("name", SAMPLES)
def test_connections_are_what_the_kernel_reported(name, pcaps):
    expected = json.loads((pcaps / f"{name}.json").read_text())["expected"]
    report = engine.analyze([pcaps / f"{name}.pcap"])
    found = [msgspec.to_builtins(connection) for connection in report.connections]
    assert [each.title for each in report.findings if each.title != capitalized(each.title)] == []
    counted = report.summary.outcomes.as_dict()
    assert list(differences(found, counted, expected)) == []
    quic = [msgspec.to_builtins(connection) for connection in report.quic_connections]
    assert list(quic_differences(quic, expected)) == []
