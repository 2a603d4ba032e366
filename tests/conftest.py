"""What all tests share: which build is tested, the command, the sample captures."""

import os
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support.command_server import CommandServer

import handshake_inspect
from handshake_inspect.verdicts import finding

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(handshake_inspect.__file__).resolve().parent

# The pure build runs each seventh row of a wide table.  Parameters have 2 to 6 values: each value is among those rows.
STRIDE = 7  # see `pytest_collection_modifyitems`
WIDE = 100  # rows of a table of which the pure build runs only every `STRIDE`th

# A slow machine is no failure.
settings.register_profile("hsi", deadline=None)
settings.load_profile("hsi")


def hot_modules() -> list[str]:
    """The modules that an installed package has as C extensions: `ext-modules` of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [extension["name"] for extension in project["tool"]["setuptools"]["ext-modules"]]


def is_compiled(name: str) -> bool:
    """Whether the package has this module as an extension; found without importing anything that may be broken."""
    file = PACKAGE.parent / name.replace(".", "/")
    return any(file.with_name(file.name + suffix).is_file() for suffix in EXTENSION_SUFFIXES)


def tested_build() -> str:
    """`compiled`, `pure`, or how many of the hot modules are compiled: a broken installation."""
    modules = hot_modules()
    compiled = sum(map(is_compiled, modules))
    if compiled == len(modules):
        return "compiled"
    return "pure" if compiled == 0 else f"compiled in part ({compiled} of {len(modules)} modules)"


def pytest_configure() -> None:
    """HSI_EXPECT_BUILD=compiled or pure: refuse to test the other one by mistake."""
    _hear("SIGINT", "SIGHUP")
    finding.REFUSE = True  # a finding with anything of NumPy in it fails its test
    expected = os.environ.get("HSI_EXPECT_BUILD")
    if expected and tested_build() != expected:
        pytest.exit(f"HSI_EXPECT_BUILD={expected}, but {PACKAGE} is {tested_build()}", returncode=4)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the pure build, leave out what says nothing of a build, and most rows of wide tables.

    The rules are the same lines in both builds; as plain Python they take about 50 times as long.
    HSI_EVERY_ROW=1 runs all.
    """
    if tested_build() != "pure" or os.environ.get("HSI_EVERY_ROW"):
        return
    sizes = Counter(map(_table, items))
    seen: Counter[str] = Counter()
    left_out = []
    for item in items:
        table = _table(item)
        is_wide = sizes[table] > WIDE or item.get_closest_marker("wide_table")
        if item.get_closest_marker("any_build") or (is_wide and seen[table] % STRIDE != 0):
            left_out.append(item)
        seen[table] += 1
    config.hook.pytest_deselected(items=left_out)
    dropped = set(left_out)
    items[:] = [item for item in items if item not in dropped]


def _table(item: pytest.Item) -> str:
    """The test function of which an item is one row."""
    return item.nodeid.partition("[")[0]


def _hear(*names: str) -> None:
    """Have processes that tests start receive these signals, also where nohup or a background job ignores them."""
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_report_header() -> str:
    return f"handshake_inspect: {tested_build()} build, from {PACKAGE}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def pcaps() -> Path:
    """The sample captures."""
    return ROOT / "pcaps"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """HSI_CORPUS: a folder of captures that others wrote, and what they say of them; skipped where there is none."""
    path = os.environ.get("HSI_CORPUS")
    if not path:
        pytest.skip("HSI_CORPUS names no folder of captures that others wrote")
    return Path(path)


@pytest.fixture(scope="session")
def network() -> Iterator[object]:
    """A client and a server of the real kernel; skipped, with the reason, where there can be none."""
    from live.network import Network, why_not  # noqa: PLC0415 - only for those who ask for it

    reason = why_not()
    if reason:
        pytest.skip(reason)
    network = Network()
    yield network
    network.close()


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def command_server() -> Iterator[CommandServer]:
    """What runs commands without importing the package for each."""
    server = CommandServer(PACKAGE)
    yield server
    server.close()


@pytest.fixture(scope="session")
def hsi(command_server: CommandServer) -> Run:
    """Run the command of the build under test: `hsi("schema").stdout`; keywords go to subprocess.run.

    Output is bytes; `env` adds to the environment.  A plain call is a child of the command server.
    """

    def run(*arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[bytes]":
        words = [str(each) for each in arguments]
        timeout = options.setdefault("timeout", 120)
        if options.keys() <= {"cwd", "timeout"} and command_server.is_current:
            return command_server.run(words, str(options.get("cwd") or Path.cwd()), timeout)
        # The package under test and no other: not the one that lies in the working directory.
        command = [sys.executable, "-P", "-m", "handshake_inspect", *words]
        environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)} | dict(options.pop("env", {}))
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(command, env=environment, check=False, **({"capture_output": True} | options))

    return run
