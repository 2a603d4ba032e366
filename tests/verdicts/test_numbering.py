"""mypy rejects row numbers of the wrong kind; at run time they are plain arrays."""

import subprocess
import sys

import numpy as np
import pytest

from handshake_inspect.verdicts import numbering

KINDS = ("AttemptRows", "ConnectionRows", "EndpointRows", "ReportIds")
PRELUDE = """
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, EndpointRows, ReportIds
from handshake_inspect.verdicts.numbering import ascending, chained
def attempts(rows: AttemptRows) -> None: ...
def connections(rows: ConnectionRows) -> None: ...
def endpoints(rows: EndpointRows) -> None: ...
def ids(numbers: ReportIds) -> None: ...
def check(a: AttemptRows, c: ConnectionRows, e: EndpointRows, i: ReportIds) -> None:
"""
RIGHT = [
    "attempts(a)", "attempts(c)", "connections(c)", "endpoints(e)", "ids(i)", "connections(c[c > 3])",
    "attempts(a[:2])", "connections(c[a.argsort()])", "endpoints(e ^ 1)", "connections(chained(c, c))",
    "connections(ascending(c))",
    "attempts(chained(a, c))",
]  # fmt: skip
WRONG = [
    "connections(a)", "endpoints(a)", "endpoints(c)", "attempts(e)", "connections(e)", "attempts(i)", "ids(a)",
    "ids(c)", "connections(a[a > 3])", "attempts(2 * c)", "connections(chained(a, a))",
]  # fmt: skip


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """The lines of RIGHT and WRONG that mypy refuses."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("types")
    lines = [*RIGHT, *WRONG]
    source = folder / "uses.py"
    source.write_text(PRELUDE + "".join(f"    {line}\n" for line in lines))
    settings = folder / "mypy.ini"
    settings.write_text("[mypy]\nfollow_imports = silent\nignore_missing_imports = true\n")
    command = [
        sys.executable,
        "-m",
        "mypy",
        f"--config-file={settings}",
        f"--cache-dir={folder / 'cache'}",
        str(source),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    first = PRELUDE.count("\n") + 1
    numbers = {int(each.split(":")[1]) for each in said.splitlines() if each.startswith(str(source))}
    return {lines[number - first] for number in numbers if number >= first}


def test_what_is_right_is_taken(refused):
    assert refused.isdisjoint(RIGHT)


def test_other_numbers_are_refused(refused):
    assert refused.issuperset(WRONG)


@pytest.mark.parametrize("kind", KINDS)
def test_they_cost_nothing(kind):
    numbers = np.arange(5, dtype=np.int32)
    assert getattr(numbering, kind)(numbers) is numbers


def test_several_become_one_and_are_put_in_order():
    rows = numbering.chained(np.array([3, 1]), np.array([2]))
    assert rows.tolist() == [3, 1, 2]
    assert numbering.ascending(rows).tolist() == [1, 2, 3]
