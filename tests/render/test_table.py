"""The table of formats: what is in it is there, and what is there is in it."""

import ast
import io
import re
import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import pytest
from support import reports

from handshake_inspect import render
from handshake_inspect.cli.input_options import chosen_format
from handshake_inspect.render import CHECKS, DIFFS, FORMATS, REPORTS, STORIES, Options

FOLDER = Path(__file__).resolve().parents[2] / "handshake_inspect" / "render"
CI_DOCS = FOLDER.parents[1] / "docs" / "ci.md"
PARTS = ("report", "check", "diff", "story", "verified", "paired", "events")
# What a writer takes first; the class of events takes its stream.
TAKEN = {
    "Report": "report",
    "Checked": "check",
    "Difference": "diff",
    "Story": "story",
    "Story | QuicStory": "story",
    "Verified": "verified",
    "Paired": "paired",
}


def writers():
    """Every public writer in the folder: `module:name`, and which part of a format it is."""
    for file in sorted(FOLDER.glob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("render"):
                yield f"{file.stem}:{node.name}", TAKEN[ast.unparse(node.args.args[0].annotation)]
            if isinstance(node, ast.ClassDef) and node.name.endswith("EventWriter"):
                yield f"{file.stem}:{node.name}", "events"


def places(part):
    return [getattr(each, part) for each in FORMATS.values() if getattr(each, part)]


@pytest.mark.parametrize(("place", "part"), list(writers()))
def test_every_writer_is_in_the_table(place, part):
    assert place in places(part), f"FORMATS at the end of render/{place.replace(':', '.py lacks ')}"


@pytest.mark.parametrize(("part", "place"), [(part, place) for part in PARTS for place in places(part)])
def test_every_place_is_a_writer(part, place):
    """Not some other function: one whose first argument is what is to be written."""
    assert (place, part) in list(writers())


def test_the_table_is_what_the_files_declare():
    """It is made without importing them."""
    declared = {}
    for file in sorted(FOLDER.glob("[a-z]*.py")):
        if file.stem in {place.partition(":")[0] for part in PARTS for place in places(part)}:
            declared |= getattr(import_module(f"handshake_inspect.render.{file.stem}"), "FORMATS", {})
    assert set(declared) == set(FORMATS)
    for name, each in declared.items():
        for field in fields(each):
            value, read = getattr(each, field.name), getattr(FORMATS[name], field.name)
            assert value == (resolve_name(f"handshake_inspect.render.{read}") if callable(value) else read)


def test_help_begins_with_what_most_people_want():
    assert list(FORMATS)[:6] == ["text", "json", "ndjson", "csv", "tsv", "markdown"]


def test_no_writer_serves_two_formats():
    for part in PARTS:
        assert len(set(places(part))) == len(places(part))


def test_names_by_what_is_written():
    assert set(FORMATS) == {*REPORTS, *CHECKS, *DIFFS, *STORIES}
    assert {"text", "json", "markdown"} <= set(DIFFS) <= set(FORMATS)
    assert {"text", "json"} <= set(STORIES) <= set(FORMATS)
    assert not {"zeek", "parquet", "arrow"} & set(CHECKS)  # which hold connections
    assert FORMATS["ndjson"].events


def test_a_suffix_means_one_format():
    suffixes = [suffix for each in FORMATS.values() for suffix in each.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    for name, each in FORMATS.items():
        for suffix in each.suffixes:
            assert re.fullmatch(r"\.[a-z]+", suffix)
            assert {chosen_format(None, out, FORMATS) for out in (f"out{suffix}", f"OUT{suffix.upper()}")} == {name}


@pytest.mark.parametrize("name", REPORTS)
def test_columns_are_chosen_where_the_table_says_so(name):
    if FORMATS[name].binary and not find_spec("pyarrow"):
        pytest.skip("pyarrow comes with '.[arrow]'")

    def written(**options):
        out = io.BytesIO()
        FORMATS[name].render(reports.troubled(), out, Options(**options))
        return out.getvalue()

    two = ("client_to_server.frames,outcome",)
    assert (written() != written(fields=two)) == FORMATS[name].columns
    assert (b"client_to_server.frames" in written(fields=two).replace(b"\\_", b"_")) == FORMATS[name].columns


@pytest.mark.parametrize("name", REPORTS)
def test_what_is_no_text_is_called_binary(name):
    if FORMATS[name].binary and not find_spec("pyarrow"):
        pytest.skip("pyarrow comes with '.[arrow]'")
    out = io.BytesIO()
    FORMATS[name].render(reports.troubled(), out, Options())
    assert (b"\0" in out.getvalue()) == FORMATS[name].binary


@pytest.mark.parametrize("name", FORMATS)
def test_the_docs_name_it(name):
    assert f"`{name}`" in CI_DOCS.read_text()


def test_nothing_is_imported_before_it_is_used():
    code = (
        "import sys; from handshake_inspect.render import FORMATS; FORMATS['tsv'].load();"
        "print(*(name for name in sys.modules if name.startswith('handshake_inspect.render.')))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(Path(render.__file__).resolve().parents[2])},
    )  # fmt: skip
    assert set(done.stdout.split()) == {f"handshake_inspect.render.{name}" for name in ("delimited", "rows")}
