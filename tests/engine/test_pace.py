"""The interval of periodic work grows with its cost and the number of rows."""

from pathlib import Path

import pytest

from handshake_inspect.engine import live, search
from handshake_inspect.engine.pace import Pace

DOCS = Path(__file__).parents[2] / "docs"


def next_one(pace, rows):
    """Return the number of seconds after t = 100 at which the next run is due."""
    return next(second for second in range(1000) if pace.is_due(100 + second, rows))


@pytest.mark.parametrize(
    ("took_s", "rows", "later"),
    [
        (0.0, 100, 3),
        (0.1, 100, 3),  # a tenth of that would do
        (0.4, 100, 4),
        (0.4, 150, 6),
        (0.4, 100_000, 8),  # most of it does not depend on rows then
        (0.4, 10, 4),  # it is not known whether fewer will take less
    ],
)
def test_it_takes_at_most_its_share(took_s, rows, later):
    pace = Pace(3.0, 0.1, 0.0)
    assert not pace.is_due(2.9, rows)
    assert pace.is_due(3.0, rows)
    pace.note(100.0, took_s, 100)
    assert next_one(pace, rows) == later


def test_an_empty_table_does_not_delay():
    pace = Pace(1.0, 0.1, 0.0)
    pace.note(100.0, 0.05, 0)
    assert next_one(pace, 0) == 1


def test_the_documentation_states_the_share_of_run_time():
    share = f"at most {100 * (live.REFRESH_SHARE + search.SHARE):.0f} % of the time"
    sentence = f"Refreshes of the screen and events, and the search for findings, take {share}"
    assert sentence in (DOCS / "live.md").read_text()
