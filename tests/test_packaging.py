"""The package is what pyproject.toml says, and every twin says what its Python file says."""

import ast
import ctypes
import importlib
import importlib.metadata
import inspect
import re
import runpy
import sys
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

import pytest
import setuptools
from setuptools.errors import CompileError

import handshake_inspect

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "handshake_inspect"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTENSIONS = PROJECT["tool"]["setuptools"]["ext-modules"]
TWINS = sorted(SOURCE.rglob("*.pxd"))


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def declarations(twin: Path) -> list[str]:
    """The statements at the left margin of a twin, without comments and cimports."""
    lines = [line.split("#")[0].rstrip() for line in twin.read_text().splitlines()]
    return [line for line in lines if line.startswith(("cdef", "cpdef", "ctypedef"))]


def is_header(twin: Path) -> bool:
    """Whether a twin stands for a file that is not compiled, as a C header would.

    Such a twin declares only structures and inline functions: these are compiled into those who cimport it, and
    the Python file beside it serves the pure build (and whoever asks for the structures from Python).
    """
    return all(
        re.match(r"cdef (packed )?struct |cdef inline |cdef extern |ctypedef ", each) for each in declarations(twin)
    )


HEADERS = [twin for twin in TWINS if is_header(twin)]


# The list of extensions


def test_extensions_are_the_twins():
    assert {each["name"] for each in EXTENSIONS} == {module_name(twin) for twin in TWINS if twin not in HEADERS}


@pytest.mark.parametrize("extension", EXTENSIONS, ids=lambda extension: extension["name"])
def test_an_extension_is_its_python_file_and_may_fail_to_compile(extension):
    source = extension["name"].replace(".", "/") + ".py"
    assert extension["sources"] == [source]
    assert (ROOT / source).is_file()
    assert extension["optional"] is True


def test_extensions_cost_little_to_build():
    """In parallel, without debug symbols, without what nobody asks extensions for, optimised only where it shows."""
    directives = PROJECT["tool"]["distutils"]["build_ext"]["cython_directives"]
    assert directives["auto_pickle"] is directives["binding"] is False
    assert PROJECT["tool"]["distutils"]["build_ext"]["parallel"] is True
    flags = {each["name"]: each["extra-compile-args"] for each in EXTENSIONS}
    at_once = ("-g0", "-O3", "-finline-limit=400")  # one function for what every frame takes
    assert {tuple(each) for each in flags.values()} == {("-g0", "-O1"), ("-g0", "-O3"), at_once}
    assert flags["handshake_inspect.tcp.tracker"] == ["-g0", "-O3"]


@pytest.mark.parametrize("failing", [set(), {"one"}, {"one", "two", "three"}], ids=["none", "one", "all"])
def test_extensions_are_built_together_or_not_at_all(tmp_path, monkeypatch, failing):
    """Compiled modules share C structures, which a module that runs as plain Python does not have."""
    made = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: made.update(arguments))
    runpy.run_path(str(ROOT / "setup.py"))
    extensions = [setuptools.Extension(name, [f"{name}.c"], optional=True) for name in ("one", "two", "three")]
    command = made["cmdclass"]["build_ext"](setuptools.Distribution({"name": "x", "ext_modules": extensions}))
    command.build_lib, command.build_temp, command.parallel = str(tmp_path), str(tmp_path / "temp"), True

    def compile_one(extension):
        if extension.name in failing:
            raise CompileError("the compiler was killed")
        Path(command.get_ext_fullpath(extension.name)).write_bytes(b"ELF")

    command.build_extension = compile_one
    command.ensure_finalized()
    command.build_extensions()
    assert len(list(tmp_path.glob("*.so"))) == (0 if failing else 3)


@pytest.mark.parametrize("twin", TWINS, ids=module_name)
def test_a_twin_has_its_python_file(twin):
    assert twin.with_suffix(".py").is_file()
    assert declarations(twin)


def test_python_files_know_nothing_of_cython():
    """The pure build runs where Cython is not installed."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] in {"cython", "Cython"} for name in names), file


# Structures: the same fields, types and order in both builds

C_TYPES = {
    "uint8_t": ctypes.c_uint8,
    "uint16_t": ctypes.c_uint16,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "int8_t": ctypes.c_int8,
    "int16_t": ctypes.c_int16,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
}


def structures(twin: Path) -> dict[str, list[tuple[str, str, int]]]:
    """The structures of a twin: name -> [(field, C type, how many; 0 for no array)]."""
    found: dict[str, list[tuple[str, str, int]]] = {}
    fields: list[tuple[str, str, int]] | None = None
    for line in twin.read_text().splitlines():
        code = line.split("#")[0].rstrip()
        head = re.fullmatch(r"cdef struct (\w+):", code)
        if head:
            fields = found[head[1]] = []
        elif code and not code.startswith(" "):
            fields = None
        elif code and fields is not None:
            c_type, names = code.split(maxsplit=1)
            for name in names.split(","):
                parts = re.fullmatch(r"\s*(\w+)(?:\[(\d+)\])?", name)
                assert parts, f"{twin.name}: {line}"
                fields.append((parts[1], c_type, int(parts[2] or 0)))
    return found


def ctypes_fields(structure: type[ctypes.Structure]) -> list[tuple[str, str, int]]:
    """The same of a ctypes structure."""
    names = {c_type: name for name, c_type in C_TYPES.items()}
    return [
        (name, names[getattr(c_type, "_type_", None) if issubclass(c_type, ctypes.Array) else c_type],
         getattr(c_type, "_length_", 0))
        for name, c_type in structure._fields_
    ]  # fmt: skip


STRUCTURES = [(twin, name) for twin in TWINS for name in structures(twin)]


def test_structures_are_found():
    assert {name for _, name in STRUCTURES} >= {"Segment", "Connection", "Endpoint", "Embryo"}


@pytest.mark.parametrize(("twin", "name"), STRUCTURES, ids=[name for _, name in STRUCTURES])
def test_a_structure_is_the_same_in_c_and_ctypes(twin, name):
    structure = getattr(importlib.import_module(module_name(twin)), name)
    assert issubclass(structure, ctypes.Structure)
    assert not hasattr(structure, "_pack_")
    assert ctypes_fields(structure) == structures(twin)[name]


@pytest.mark.parametrize("twin", TWINS, ids=module_name)
def test_every_ctypes_structure_of_a_twin_is_declared(twin):
    module = importlib.import_module(module_name(twin))
    own = {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, ctypes.Structure) and value.__module__ == module.__name__
    }
    assert own == set(structures(twin))


@pytest.mark.parametrize(("twin", "name"), STRUCTURES, ids=[name for _, name in STRUCTURES])
def test_a_structure_has_no_hidden_padding(twin, name):
    """So that rows can be saved, compared and handed to NumPy byte by byte."""
    structure = getattr(importlib.import_module(module_name(twin)), name)
    assert sum(ctypes.sizeof(c_type) for _, c_type in structure._fields_) == ctypes.sizeof(structure)


# Constants: a number that a twin does not type is compared as a Python object, frame by frame


def typed_constants(twin: Path) -> set[str]:
    """Names that `cdef TYPE A, B` gives a type of C, or that are taken from another twin, on one line or several."""
    text = re.sub(r",\s*(\\\s*)?\n\s*", ", ", twin.read_text())
    lists = re.findall(
        r"^cdef (?:const )?(?:unsigned )?\w+ (_?[A-Z][A-Z_0-9]*(?:, _?[A-Z][A-Z_0-9]*)*)$", text, re.MULTILINE
    )
    lists += re.findall(
        r"^from \S+ cimport \(?\s*([A-Z_0-9]+(?:,\s+[A-Z_0-9]+)*),?\s*\)?$", twin.read_text(), re.MULTILINE
    )
    return {name for names in lists for name in re.split(r",\s+", names)}


def numbers(twin: Path) -> tuple[set[str], set[str]]:
    """The upper-case numbers that a Python file imports, and all names that it has."""
    module = ast.parse(twin.with_suffix(".py").read_text())
    imported = {
        (each.asname or each.name): getattr(importlib.import_module(node.module), each.name, None)
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module
        for each in node.names
        if (each.asname or each.name).isupper()
    }
    own = {node.id for node in ast.walk(module) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return {name for name, value in imported.items() if isinstance(value, int)}, set(imported) | own


@pytest.mark.parametrize("twin", [twin for twin in TWINS if twin not in HEADERS], ids=module_name)
def test_each_imported_number_has_a_type_of_c_and_no_other_is_named(twin):
    imported, all_names = numbers(twin)
    assert imported - typed_constants(twin) == set()
    assert typed_constants(twin) - all_names == set()


RANGES = {
    "int": (-(1 << 31), 1 << 31, ""), "unsigned int": (0, 1 << 32, "u"),
    "int64_t": (-(1 << 63), 1 << 63, "ll"), "Py_ssize_t": (-(1 << 63), 1 << 63, "ll"), "uint64_t": (0, 1 << 64, "ull"),
}  # fmt: skip
CONSTANTS = {
    twin: found
    for twin in HEADERS
    if (found := re.findall(r'^    const (.+) (\w+) "(.*)"$', twin.read_text(), re.MULTILINE))
}


def test_constants_are_found():
    names = {name for found in CONSTANTS.values() for _, name, _ in found}
    assert names >= {"SYN", "MASK64", "FACT_ACKED", "QUICK", "PARTIAL"}


@pytest.mark.parametrize("twin", CONSTANTS, ids=module_name)
def test_constants_are_the_same_in_c_and_python(twin):
    module = importlib.import_module(module_name(twin))
    for kind, name, literal in CONSTANTS[twin]:
        least, beyond, suffix = RANGES[kind]
        value = getattr(module, name)
        assert literal.removesuffix(suffix) in {str(value), hex(value)}, name
        assert least <= value < beyond, name


# Inline functions: what the compiled build uses instead of the Python file


def inline_functions(twin: Path) -> dict[str, int]:
    """Name -> number of arguments."""
    heads = re.findall(r"^cdef inline [^(\n]*?(\w+)\(([^)]*)\)", twin.read_text(), re.MULTILINE)
    return {name: len([each for each in arguments.split(",") if each.strip()]) for name, arguments in heads}


@pytest.mark.parametrize("twin", HEADERS, ids=module_name)
def test_inline_functions_stand_for_python_functions(twin):
    """Some under several names: `connection_at = endpoint_at = row_at`."""
    python = vars(importlib.import_module(module_name(twin)))
    parameters = {name: len(inspect.signature(python[name]).parameters) for name in inline_functions(twin)}
    assert inline_functions(twin) == parameters


def test_twins_with_inline_functions_have_file_names_of_their_own():
    """Whatever their folders: Cython takes two of one name for the same, and compiles the functions of one only."""
    names = [twin.name for twin in TWINS if inline_functions(twin)]
    assert sorted(names) == sorted(set(names))


# The build under test


def test_the_build_is_whole():
    compiled = [find_spec(each["name"]).origin.endswith(tuple(EXTENSION_SUFFIXES)) for each in EXTENSIONS]
    assert compiled == [handshake_inspect.build() == "compiled"] * len(compiled)


def test_version_says_which_build_runs(hsi):
    done = hsi("--version")
    assert done.returncode == 0
    assert PROJECT["project"]["version"] in done.stdout.decode() or "0+unknown" in done.stdout.decode()
    assert handshake_inspect.build() in done.stdout.decode()


def test_the_package_brings_its_types_and_twins():
    """Whoever cimports or type-checks against an installed package finds what the source tree has."""
    package = Path(handshake_inspect.__file__).parent
    for file in [SOURCE / "py.typed", *TWINS, *SOURCE.rglob("*.json")]:
        assert (package / file.relative_to(SOURCE)).is_file()


def test_the_installed_version_is_that_of_the_source():
    try:
        version = importlib.metadata.version("handshake-inspect")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not installed")
    assert version == PROJECT["project"]["version"] == handshake_inspect.__version__


def test_python_versions_agree():
    oldest = re.search(r"\d+\.\d+", PROJECT["project"]["requires-python"])[0]
    assert sys.version_info >= tuple(map(int, oldest.split(".")))
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert f"cp{oldest.replace('.', '')}-*" in PROJECT["tool"]["cibuildwheel"]["build"]


def test_the_change_log_leads_with_this_version_or_what_comes_next():
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == PROJECT["project"]["version"]


@pytest.mark.parametrize("twin", sorted((SOURCE / "tcp").glob("*.pxd")), ids=lambda twin: twin.stem)
def test_the_tracker_needs_no_lock(twin):
    # Blocks are read and modules imported while it runs: it is called without Python's lock.
    functions = re.findall(r"^ *cdef (?!class|struct|inline)[^\n(]*\([^)]*\) .*$", twin.read_text(), re.MULTILINE)
    assert [each for each in functions if not each.endswith((" nogil", " with gil"))] == []
