"""A lone SYN offers the columns of a connection row, so that one function makes a column of both."""

import numpy as np
import pytest
from support import samples

from handshake_inspect import analyze
from handshake_inspect.report.attempt_columns import LONE_CLIENT, LONE_SERVER, LONE_SYN, NONE, AttemptColumns
from handshake_inspect.report.column import Addresses
from handshake_inspect.report.fields import FIELDS
from handshake_inspect.tcp import rows

WITH_COLUMN = [name for name, entry in FIELDS.items() if entry.column]


@pytest.fixture(scope="module")
def mixed():
    """A capture of connections and of SYNs that nothing answered."""
    connections = analyze(samples.DIRECTORY / "port-scan-connect.pcap").connections
    assert len(connections.attempts.connections)
    return connections


@pytest.fixture(scope="module")
def lone():
    connections = analyze(samples.DIRECTORY / "port-scan-dark.pcap").connections
    assert len(connections.attempts.embryos) > 10
    return connections


@pytest.mark.parametrize(
    ("constants", "kind"), [(LONE_SYN, "Connection"), (LONE_CLIENT, "Endpoint"), (LONE_SERVER, "Endpoint")]
)
def test_constants_stand_for_fields_of_rows(constants, kind):
    assert set(constants) <= set(np.dtype(rows.ROWS[kind]).names)
    assert {value for value in constants.values() if isinstance(value, str)} <= set(np.dtype(rows.ROWS["Embryo"]).names)


@pytest.mark.parametrize("name", WITH_COLUMN)
@pytest.mark.parametrize("capture", ["mixed", "lone"])
def test_a_part_of_a_column_is_the_column_of_that_part(name, capture, request):
    connections = request.getfixturevalue(capture)
    make, trace = FIELDS[name].column, connections.attempts
    whole = make(AttemptColumns(connections.case, connections.names, ..., ...))
    full, alone = np.arange(len(trace.connections))[::2], np.arange(len(trace.embryos))[1::3]
    rows_ = np.concatenate([full, len(trace.connections) + alone])
    one, other = make(AttemptColumns(connections.case, connections.names, full, alone)), whole.at(rows_)
    assert len(one.known) == len(rows_)
    assert np.array_equal(one.known, other.known)
    assert np.all(one.same(other) | ~one.known)


def test_no_attempt_has_empty_columns(mixed):
    columns = [FIELDS[name].column(AttemptColumns(mixed.case, mixed.names, NONE, NONE)) for name in WITH_COLUMN]
    assert all(len(column.known) == 0 for column in columns)
    assert all(column.to_list() == [] for column in columns if not isinstance(column, Addresses))
