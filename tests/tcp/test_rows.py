"""Rows of the connection table: nothing stands in one that nobody writes, or that nobody reads."""

import ast
import re
from pathlib import Path

import pytest

from handshake_inspect.tcp import rows

FOLDER = Path(__file__).resolve().parents[2] / "handshake_inspect" / "tcp"


def written():
    """Names of all attributes that the sources of `tcp/` assign to, or to an element of."""
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                place = target.value if isinstance(target, ast.Subscript) else target
                if isinstance(place, ast.Attribute):
                    yield place.attr


@pytest.mark.parametrize("row", [rows.Connection, rows.Endpoint, rows.Aftermath], ids=lambda row: row.__name__)
def test_every_field_is_written_somewhere(row):
    missing = {name for name, *_ in row._fields_} - {"spare"} - set(written())
    assert not missing, f"{row.__name__} of tcp/rows.py: nothing in tcp/ writes {', '.join(sorted(missing))}"


SOURCES = [file.read_text() for file in FOLDER.parent.rglob("*.py") if file != FOLDER / "rows.py"]


@pytest.mark.parametrize("row", [rows.Connection, rows.Endpoint, rows.Aftermath], ids=lambda row: row.__name__)
def test_every_field_is_read_somewhere(row):
    """What counts for nobody is a field that was forgotten in `Direction`, or that nobody needs."""
    names = {name for name, *_ in row._fields_} - {"spare"}
    for source in SOURCES:
        names = {name for name in names if not re.search(rf"\b{name}\b(?!\s*([-+|&^]|<<|>>)?=[^=])", source)}
    assert not names, (
        f"{row.__name__} of tcp/rows.py: nothing reads {', '.join(sorted(names))}; see report/connection.py"
    )
