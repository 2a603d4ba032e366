"""The reference of the Python API in docs/python.md, made from signatures and docstrings.  Read by docs/generate.py."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "handshake_inspect"

# What is promised to programs: the module to import it from, and the names in the order of the page.
PUBLIC = {
    "handshake_inspect": ("analyze",),
    "handshake_inspect.engine.analysis": ("Options",),
    "handshake_inspect.report.model": ("Report", "Capture", "Summary", "Outcomes", "Service", "Finding"),
    "handshake_inspect.report.sequence": ("Connections",),
    "handshake_inspect.report.schema": ("load",),
    "handshake_inspect.testing.capturing": ("capture", "Capture"),
    "handshake_inspect.testing.captured": ("Captured",),
    "handshake_inspect.errors": (
        "HsiError", "UsageError", "CaptureError", "LiveError", "NoSuchInterfaceError",
    ),
}  # fmt: skip


def page() -> str:
    """Every public name with its signature and docstring."""
    return "\n".join(line for module, names in PUBLIC.items() for name in names for line in _entry(module, name))


def _entry(module: str, name: str) -> Iterator[str]:
    node = _definition(module, name)
    yield from (f"### `{module}.{name}`", "")
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        yield from (f"`class {name}({bases})`" if bases else f"`class {name}`", "", _doc(node), "")
        yield from _members(node)
    else:
        yield from (f"`{_signature(node)}`", "", _doc(node), "")


def _definition(module: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    """The class or function, also where the module only imports it."""
    file = PACKAGE.parent / module.replace(".", "/")
    tree = ast.parse((file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text())
    for each in tree.body:
        if isinstance(each, ast.ClassDef | ast.FunctionDef) and each.name == name:
            return each
        if isinstance(each, ast.ImportFrom) and each.module and name in {alias.name for alias in each.names}:
            return _definition(each.module, name)
    raise LookupError(f"{module} has no {name}")


def _members(node: ast.ClassDef) -> Iterator[str]:
    """Attributes with their types, then properties and methods, a line each."""
    listed = False
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and not ast.unparse(each.target).startswith("_"):
            default = f" = {ast.unparse(each.value)}" if each.value is not None else ""
            yield f"- `{ast.unparse(each.target)}: {ast.unparse(each.annotation)}{default}`"
            listed = True
        elif isinstance(each, ast.FunctionDef) and ast.get_docstring(each) and _is_public(each.name):
            is_property = any("property" in ast.unparse(decorator) for decorator in each.decorator_list)
            shown = f"{each.name}: {ast.unparse(each.returns)}" if is_property and each.returns else _signature(each)
            yield f"- `{shown}`: {' '.join(_doc(each).split())}"
            listed = True
    if listed:
        yield ""


def _is_public(name: str) -> bool:
    return name in {"__len__", "__iter__", "__getitem__"} or not name.startswith("_")


def _signature(node: ast.FunctionDef) -> str:
    given = ast.unparse(node.args).removeprefix("self, ").removeprefix("self").removeprefix("cls, ")
    return f"{node.name}({given})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")


def _doc(node: ast.AST) -> str:
    """The docstring as Markdown: what it calls code by an indented block stays one."""
    return re.sub(r"^>>> ", "    ", ast.get_docstring(node) or "", flags=re.MULTILINE)
