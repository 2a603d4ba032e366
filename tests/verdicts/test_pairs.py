"""Connections by client and service, and hosts by number, compared with a plain lookup of addresses."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.attempts import attempts

from handshake_inspect.verdicts import pairs

ends = st.tuples(st.integers(1, 4), st.integers(1, 3), st.sampled_from([80, 443]), st.permutations(range(3)))
many = pytest.mark.parametrize("few", [1 << 14, 0], ids=["by number", "by name"])


def of(connections):
    """A connection for each client, server and port, and in what order their first frames came."""
    rows = [{"from_": f"192.0.2.{one}", "server": (f"198.51.100.{two}", port)} for one, two, port, _ in connections]
    for number, (row, (*_, turn)) in enumerate(zip(rows, connections, strict=True)):
        row["first_frame"] = 3 * number + turn[0] * 7
    return attempts(*rows)


@many
@given(st.lists(ends, max_size=20))
def test_pairs_are_of_one_client_and_one_service_in_the_order_of_their_first_frames(few, connections):
    trace = of(connections)
    expected = defaultdict(list)
    for row in trace.order.tolist():
        expected[connections[row][:3]].append(row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "FEW", few)
        found = pairs.by_pair(trace)
    assert sorted(found.of(g).tolist() for g in range(len(found))) == sorted(expected.values())
    wanted = np.arange(len(connections)) % 3 > 0
    some = found.among(wanted, 2)
    left = [[row for row in rows if wanted[row]] for rows in expected.values()]
    assert sorted(some.of(g).tolist() for g in range(len(some))) == sorted(rows for rows in left if len(rows) > 1)


@many
@given(st.lists(ends, min_size=1, max_size=20))
def test_a_host_has_one_number_as_a_server_and_as_a_client(few, connections):
    named = [(one, one % 3 + 1, *others) for one, _, *others in connections]
    trace = attempts(*({"from_": f"192.0.2.{one}", "server": (f"192.0.2.{two}", port)} for one, two, port, _ in named))
    every = np.arange(len(named))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "FEW", few)
        numbers = pairs.hosts_of(trace, every, every)
    _, places = np.unique(np.concatenate([trace.server_host, trace.client_host]), return_inverse=True)
    assert np.unique(numbers, return_inverse=True)[1].tolist() == places.tolist()
