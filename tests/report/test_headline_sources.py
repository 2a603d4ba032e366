"""What is shown of the names of many files."""

import pytest
from support.reports import healthy

from handshake_inspect.report.headline import few_sources
from handshake_inspect.report.model import Capture


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (1, "<0>"),
        (4, "<0>, <1>, <2>, <3>"),
        (5, "<0>, <1>, <2>, 2 files more"),
        (5003, "<0>, <1>, <2>, 5,000 files more"),
    ],
)
def test_few_of_many_names_are_shown(count, shown):
    fields = {name: getattr(healthy().capture, name) for name in Capture.__struct_fields__}
    capture = Capture(**{**fields, "sources": [str(number) for number in range(count)]})
    assert few_sources(capture, "<{}>".format) == shown
    assert few_sources(Capture(**{**fields, "sources": ["-"]}), "<{}>".format) == "standard input"
