"""Data moves one way: every module stands on those below it, and nothing is imported before it is used."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import click
import pytest

import handshake_inspect
from handshake_inspect.render import FORMATS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "handshake_inspect"
FILES = sorted(SOURCE.rglob("*.py"))


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python(code: str) -> "subprocess.CompletedProcess[str]":
    """Run `code` in a fresh interpreter, with the build under test."""
    environment = os.environ | {"PYTHONPATH": str(Path(handshake_inspect.__file__).resolve().parent.parent)}
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_every_module_can_be_imported():
    """Each alone, too: that depends on what came before only where modules import each other in a circle."""
    names = [module_name(file) for file in FILES if file.stem != "__main__"]
    done = python("\n".join(f"import {name}" for name in names))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def loaded_after(code: str) -> set[str]:
    done = python(f"import sys\ntry:\n {code}\nexcept SystemExit as end: assert not end.code\nprint('+', *sys.modules)")
    assert done.returncode == 0, done.stderr
    return set(done.stdout[done.stdout.rindex("+") :].split())


HEAVY = {"dpkt", "lxml", "numpy", "pygments", "pyshark", "rich"}


def test_the_bare_package_costs_no_library():
    assert not loaded_after("import handshake_inspect; handshake_inspect.__version__") & (
        HEAVY | {"click", "msgspec", "tabulate"}
    )


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_command_loads_no_more_than_it_needs(option):
    code = f"import runpy; sys.argv = ['hsi', {option!r}]; runpy.run_module('handshake_inspect', run_name='__main__')"
    assert not loaded_after(code) & HEAVY


# A report of one small capture, as text: what it costs to start.
PLAIN = """
import runpy, sys
from handshake_inspect import about
about._version_beside = lambda folder: "1.0"  # as an installed package has it
sys.argv = ["hsi", {capture!r}]
runpy.run_module("handshake_inspect", run_name="__main__")
"""
LIBRARIES = {"click", "msgspec", "numpy", "typing_extensions"}
NEEDLESS = HEAVY - {"numpy"} | {
    "click.shell_completion", "cryptography", "difflib", "email", "fsspec", "importlib.metadata", "jinja2", "lark",
    "numpy.ma", "pandas", "polars", "pyarrow", "socket", "subprocess", "tabulate", "tempfile", "wcwidth", "zipfile",
}  # fmt: skip
ASIDE = {"checks", "expression", "live", "render.screen", "testing"}  # what a plain report has no use for


def test_a_plain_report_loads_no_more_than_it_needs(pcaps):
    loaded = loaded_after("exec(" + repr(PLAIN.format(capture=str(pcaps / "healthy-burst.pcap"))) + ")")
    assert loaded & NEEDLESS == set()
    installed = {path.name.partition(".")[0] for path in Path(click.__file__).parent.parent.iterdir()}
    tops = {name.partition(".")[0] for name in loaded}
    assert {name for name in tops & installed if not name.startswith("_")} <= LIBRARIES | {"handshake_inspect"}
    aside = tuple(f"handshake_inspect.{stage}." for stage in ASIDE)
    assert [name for name in loaded if name.startswith(aside)] == []


@pytest.mark.any_build
def test_no_sample_loads_masked_arrays(pcaps):
    """`np.unique` without indices or counts imports `numpy.ma`, which takes as long as reading 100,000 frames."""
    captures = sorted(str(path) for path in pcaps.glob("*.pcap*"))
    code = f"import handshake_inspect; [handshake_inspect.analyze(path) for path in {captures!r}]"
    assert "numpy.ma" not in loaded_after(code)


@cache
def layers() -> list[set[str]]:
    """The order of the stages as pyproject.toml has it for import-linter, lowest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contract = next(each for each in project["tool"]["importlinter"]["contracts"] if each["id"] == "layers")
    return [{name.strip(" ()") for name in layer.split("|")} for layer in reversed(contract["layers"])]


def stage_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def imported_by(file: Path) -> set[str]:
    """The stages that a file imports from, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}:{node.lineno}: imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    stages = {module_name(each) for each in SOURCE.iterdir() if each.suffix == ".py" or (each / "__init__.py").exists()}
    return {stage_of(name) for name in names if name.startswith("handshake_inspect.")} & set(map(stage_of, stages)) - {
        ""
    }


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_no_stage_imports_a_later_one(file):
    """The contract again without import-linter, which not everybody who runs the tests has."""
    stage = stage_of(module_name(file))
    if stage in {"", "__main__"}:  # entry points
        return
    height = next(i for i, layer in enumerate(layers()) if stage in layer)
    allowed = {stage}.union(*layers()[:height])
    assert imported_by(file) <= allowed


def test_every_stage_has_its_place():
    stages = {stage_of(module_name(file)) for file in FILES} - {"", "__main__"}
    assert stages <= set().union(*layers())


def test_the_layers_are_drawn_as_they_are():
    drawn = (ROOT / "CONTRIBUTING.md").read_text().partition("from those above:\n\n```text\n")[2].partition("```")[0]
    names = [re.match(r"[a-z]+(?: \| [a-z]+)*", line)[0] for line in drawn.splitlines()]
    assert [set(each.split(" | ")) for each in reversed(names)] == layers()


def test_no_stage_imports_the_package_root_or_what_users_call():
    """The package root imports the engine when it is called: a stage that imports the root makes a circle."""
    entries = {"", "__main__", "cli", "testing"}
    for file in FILES:
        if stage_of(module_name(file)) in entries:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            root = isinstance(node, ast.Import) and any(each.name == "handshake_inspect" for each in node.names)
            assert not root, f"{file}:{node.lineno}: import handshake_inspect.about instead"
            if isinstance(node, ast.ImportFrom) and node.module == "handshake_inspect":
                stages = {path.stem for path in SOURCE.iterdir()}
                assert {alias.name for alias in node.names} <= stages, f"{file}:{node.lineno}"


MODULES = {module_name(file): file for file in FILES}


def modules_imported_by(name: str) -> set[str]:
    """The modules that one imports, also inside functions and for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {each if each in MODULES else node.module for each in whole.values()}
    return (found | cimported_by(MODULES[name].with_suffix(".pxd"))) & set(MODULES) - {name}


def cimported_by(twin: Path) -> set[str]:
    """The modules from which a twin takes C functions and types: they are imported when its own module is."""
    if not twin.exists():
        return set()
    found = set()
    for module, names in re.findall(r"^from (\S+) cimport (.+)$", twin.read_text(), re.MULTILINE):
        whole = {f"{module}.{name.split()[0]}" for name in names.split(",")}
        found |= {each if each in MODULES else module for each in whole}
    return found


def circle_among(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, whoever imports what is not among them left out; none, if none do."""
    left = {name: set(others) for name, others in imports.items()}
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    if not left:
        return []
    way = [next(iter(sorted(left)))]
    while len(way) == len(set(way)):
        way.append(min(left[way[-1]] & set(left)))
    return way[way.index(way[-1]) :]


def test_no_modules_import_each_other_in_a_circle():
    """Nor for types alone, nor inside functions, where the contracts of import-linter may look away."""
    assert circle_among({name: modules_imported_by(name) for name in MODULES}) == []


@pytest.mark.parametrize(
    ("imports", "circle"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}, ["b", "c", "b"]),
        ({"a": {"c"}, "b": {"a"}, "c": {"b"}}, ["a", "c", "b", "a"]),
    ],
)
def test_a_circle_is_named(imports, circle):
    assert circle_among(imports) == circle


def test_what_judges_sees_no_frame():
    """The contract again, as `test_no_stage_imports_a_later_one`."""
    for file in FILES:
        if stage_of(module_name(file)) == "verdicts":
            assert not imported_by(file) & {"capture", "decode", "live"}, file


def test_no_renderer_imports_another():
    modules = {f"handshake_inspect.render.{each.report.split(':')[0]}" for each in FORMATS.values() if each.report}
    for name in modules:
        tree = ast.parse((ROOT / name.replace(".", "/")).with_suffix(".py").read_text())
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names = {str(node.module) for node in imports}
        names |= {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
        assert not names & (modules - {name})


def test_import_contract():
    pytest.importorskip("importlinter", reason="import-linter comes with '.[dev]'")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
