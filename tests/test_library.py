"""The library in a few names: what `analyze` and `capture` take."""

import pytest

import handshake_inspect
from handshake_inspect.errors import UsageError
from handshake_inspect.testing import capture


def test_where_leaves_what_the_option_leaves(pcaps):
    path = pcaps / "refused.pcap"
    whole, none, every = (
        handshake_inspect.analyze(path, where=where) for where in (None, "outcome == established", "outcome == refused")
    )
    refused = whole.summary.outcomes.refused
    assert refused
    assert (none.summary.connections, len(none.connections)) == (whole.summary.connections - refused, 0)
    assert (every.summary.connections, every.summary.outcomes.refused) == (refused, refused)


def test_an_expression_with_a_mistake_is_refused_before_anything_is_read():
    with pytest.raises(UsageError, match="no field outcom"):
        handshake_inspect.analyze("/nonexistent/x.pcap", where="outcom == refused")


@pytest.mark.parametrize("client", [None, object()])
def test_a_keyword_that_is_none_is_named_with_those_there_are(pcaps, client):
    with pytest.raises(TypeError, match=r"^analyze\(\) has no keyword 'whereas'; there are client, jobs, .*, where$"):
        handshake_inspect.analyze(pcaps / "refused.pcap", whereas="outcome == refused", client=client)
    with pytest.raises(
        TypeError, match=r"^capture\(\) has no keyword 'prot'; there are backend, .*, settle, snap_len$"
    ):
        capture("lo", prot=80)
