"""The shortcut for simple connections gives the same results as the general path."""

import numpy as np
import pytest
from support.samples import SAMPLES

from handshake_inspect import engine
from handshake_inspect.verdicts.setup.setups import MEASURED, all_of, concatenated, setups_of, values_of


@pytest.mark.wide_table
@pytest.mark.parametrize("name", SAMPLES)
def test_the_short_way_agrees_with_the_long_one(name, pcaps):
    attempts = engine.analyze([pcaps / f"{name}.pcap"]).connections.attempts
    found = setups_of(attempts)
    if not len(found.rows):
        pytest.skip("nothing was set up")
    short, long = all_of(attempts)[0], concatenated([values_of(found.of(found.rows))])
    assert short.rows.tolist() == long.rows.tolist()
    assert short.tls.tolist() == long.tls.tolist()
    assert short.version.tolist() == long.version.tolist()
    for span in MEASURED:
        one, other = ([side.tolist() for side in values.bounds(span)] for values in (short, long))
        assert one == other
    for part in ("spans", "saveable", "extras"):
        one, other = getattr(short, part), getattr(long, part)
        assert {key: each.tolist() for key, each in one.items()} == {key: each.tolist() for key, each in other.items()}


@pytest.mark.wide_table
@pytest.mark.parametrize("name", SAMPLES)
def test_bounds_of_some_are_those_of_all_in_their_places(name, pcaps):
    values = setups_of(engine.analyze([pcaps / f"{name}.pcap"]).connections.attempts).values
    odd = np.arange(len(values.rows))[::-2]
    some = values.of(odd)
    assert some.rows.tolist() == values.rows[odd].tolist()
    for span in MEASURED:
        assert [side.tolist() for side in some.bounds(span)] == [side[odd].tolist() for side in values.bounds(span)]
