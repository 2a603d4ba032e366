"""How many changes of a stage's code its own tests notice: a fresh sample, drawn by a seed.

mutmut makes the changes (mutants) and switches between them.  What is drawn goes into a copy of the tree.  There the
tests of the stage are collected once; each mutant then has a process with those tests which call its function: first
those of the module's own file, then the shortest, for as long as BUDGET.  A longer run could only find more, so the
share is never too high.  A test which takes longer than SLOW runs for no mutant.

    python tests/lab/mutants.py tcp --count 150 --seed 1
"""

from __future__ import annotations

import argparse
import importlib
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any, NoReturn

import libcst as cst
import pytest
from mutmut.mutation import file_mutation
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import get_mutant_name, mangled_name_from_mutant_name

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("decode", "tcp", "verdicts")
SLOW = 2.0  # seconds of the processor
BUDGET = 30.0  # for the tests of a mutant
MEMORY = 6 << 30  # a loop that never ends may fill a list
# They read the sources, which have more names where mutants are.
READERS = ("tests/verdicts/findings/test_kinds.py::test_every_metric_of_the_source_is_declared",)
PYTEST = ("-p", "no:cacheprovider", "--rootdir=.")
NOT_COPIED = shutil.ignore_patterns(".git", "build", "mutants", "*.so", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True)
class Mutant:
    """A change, and the name under which mutmut's switch knows it."""

    name: str
    diff: str

    @property
    def function(self) -> str:
        return mangled_name_from_mutant_name(self.name)

    def is_of_own_file(self, test: str) -> bool:
        """Tests of `rtt.py` are in `test_rtt.py` and `test_rtt_rules`, of `setup/text.py` in `test_setup_text`."""
        *_, folder, module, _ = self.function.split(".")
        module = module.removeprefix("_")
        return f"test_{module}" in test or f"test_{folder}_{module}" in test


@dataclass(frozen=True)
class Changed:
    """A file of the package with every change that can be made to it."""

    path: Path
    module: cst.Module
    mutations: Sequence[file_mutation.Mutation]

    def write(self, drawn: Sequence[file_mutation.Mutation]) -> list[Mutant]:
        """Write the file with those changes beside the code as it is.  Their names are in the order of functions."""
        made = file_mutation.combine_mutations_to_source(self.module, drawn)
        self.path.write_text(made.code)
        grouped = file_mutation.group_by_top_level_node(drawn)
        ordered = [change for function in self._functions() for change in grouped.get(function, ())]
        return [
            Mutant(get_mutant_name(self.path, name), self._diff(change))
            for name, change in zip(made.mutant_names, ordered, strict=True)
        ]

    def _functions(self) -> Iterator[cst.CSTNode]:
        for statement in self.module.body:
            if isinstance(statement, cst.ClassDef):
                yield from statement.body.body
            else:
                yield statement

    def _diff(self, change: file_mutation.Mutation) -> str:
        function = change.contained_by_top_level_function
        assert function is not None
        changed = file_mutation.deep_replace(function, change.original_node, change.mutated_node)
        assert isinstance(changed, cst.FunctionDef)
        before, after = (self.module.code_for_node(node).splitlines() for node in (function, changed))
        return "\n".join(
            line for line in unified_diff(before, after, n=2, lineterm="") if line[:3] not in {"---", "+++"}
        )


def read(path: Path) -> Changed:
    module, mutations, _, _ = file_mutation.create_mutations(str(path), path.read_text())
    inside = [change for change in mutations if isinstance(change.contained_by_top_level_function, cst.FunctionDef)]
    return Changed(path, module, inside)


def draw(stage: str, count: int, seed: int) -> tuple[int, list[Mutant]]:
    """How many mutants the stage has, and `count` of them, written into the tree of the working directory."""
    files = [read(path) for path in sorted(Path("handshake_inspect", stage).rglob("*.py"))]
    every = [(at, number) for at, file in enumerate(files) for number in range(len(file.mutations))]
    drawn = random.Random(seed).sample(every, min(count, len(every)))
    mutants: list[Mutant] = []
    for at, file in enumerate(files):
        numbers = sorted(number for file_at, number in drawn if file_at == at)
        if numbers:
            mutants += file.write([file.mutations[number] for number in numbers])
    random.Random(seed).shuffle(mutants)  # what an interrupted run has done is a sample, too
    return len(every), mutants


def fork(work: Callable[[], int]) -> int:
    """Do this in a process of its own, which prints nothing; its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        code = work()
    finally:
        os._exit(code)


class Runs:
    """Takes the place of pytest's loop: which tests call a drawn function; then these tests, for each mutant."""

    def __init__(self, mutants: list[Mutant], jobs: int, out: Any) -> None:
        self.mutants, self.jobs, self.out = mutants, jobs, out
        self.took: dict[str, float] = {}
        self.calls: dict[str, list[str]] = {}
        self.at_import: frozenset[str] = frozenset()
        self.found: dict[str, str] = {}
        self.session: pytest.Session

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for module in {mutant.function.rpartition(".")[0] for mutant in self.mutants}:
            importlib.import_module(module)  # here, and not in the first test that needs it
        self.session, self.at_import = session, frozenset(state()._stats)
        if session.testsfailed:
            raise session.Failed("no mutant ran: the tests cannot be collected")
        self._learn()
        self._judge()
        return True

    def _say(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    def _quiet(self) -> None:
        reporter = self.session.config.pluginmanager.unregister(name="terminalreporter")
        assert reporter is not None

    def _learn(self) -> None:
        """Which functions each test calls, how long it takes; by as many processes as there are jobs."""
        parts = [self.session.items[at :: self.jobs] for at in range(self.jobs)]
        pids = [
            fork(lambda part=part, at=at: self._learn_part(part, Path(f"learned.{at}")))
            for at, part in enumerate(parts)
        ]
        for pid in pids:
            os.waitpid(pid, 0)
        for at in range(self.jobs):
            for test, (seconds, functions) in pickle.loads(Path(f"learned.{at}").read_bytes()).items():
                self.took[test] = seconds
                for function in functions:
                    self.calls.setdefault(function, []).append(test)

    def _learn_part(self, items: list[pytest.Item], into: Path) -> int:
        self._quiet()
        set_mutant_under_test("stats")
        learned = {}
        for item, following in zip(items, [*items[1:], None], strict=True):
            state()._stats.clear()
            failed, began = self.session.testsfailed, time.process_time()
            self._run(item, following)
            if self.session.testsfailed == failed:  # one that fails as it is says nothing of a mutant
                learned[item.nodeid] = time.process_time() - began, sorted(state()._stats)
        into.write_bytes(pickle.dumps(learned))
        return 0

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _judge(self) -> None:
        """Each mutant before its tests, `jobs` at a time."""
        self._say(f"{len(self.took)} of {len(self.session.items)} tests pass, in {sum(self.took.values()):.0f} s")
        items = {item.nodeid: item for item in self.session.items}
        running: dict[int, Mutant] = {}
        for mutant in self.mutants:
            tests = [items[test] for test in self._tests(mutant)]
            if not tests:
                self._note(mutant, "no test")
                continue
            run = self._try_import if mutant.function in self.at_import else self._try
            running[fork(lambda run=run, mutant=mutant, tests=tests: run(mutant, tests))] = mutant
            if len(running) == self.jobs:
                self._wait(running)
        while running:
            self._wait(running)

    def _tests(self, mutant: Mutant) -> list[str]:
        callers = self.took if mutant.function in self.at_import else self.calls.get(mutant.function, ())
        tests = [test for test in callers if self.took[test] < SLOW]
        tests.sort(key=lambda test: (not mutant.is_of_own_file(test), self.took[test]))
        chosen, seconds = [], 0.0
        for test in tests:
            seconds += self.took[test]
            if seconds > BUDGET:
                break
            chosen.append(test)
        return chosen

    def _try(self, mutant: Mutant, tests: list[pytest.Item]) -> int:
        """0 where every test passes.  A loop that never ends is ended by a signal."""
        self._quiet()
        set_mutant_under_test(mutant.name)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        for item, following in zip(tests, [*tests[1:], None], strict=True):
            signal.alarm(10 + int(30 * self.took[item.nodeid]))
            self._run(item, following)
            if self.session.testsfailed:
                return 1
        return 0

    @staticmethod
    def _try_import(mutant: Mutant, tests: list[pytest.Item]) -> int:
        """The same for a function that the import calls: this process has imported it without the change."""
        os.environ["MUTANT_UNDER_TEST"] = mutant.name
        names = Path(f"tests.{os.getpid()}")
        names.write_text("\n".join(item.nodeid for item in tests))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.execv(sys.executable, [sys.executable, "-m", "pytest", "-x", "-q", *PYTEST, f"@{names}"])

    def _wait(self, running: dict[int, Mutant]) -> None:
        pid, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        kinds = {0: "survived", -signal.SIGALRM: "timeout"}
        self._note(running.pop(pid), kinds.get(code, "killed"))

    def _note(self, mutant: Mutant, kind: str) -> None:
        self.found[mutant.name] = kind
        self._say(f"{len(self.found)}/{len(self.mutants)} {kind} {mutant.name}")


def copied_tree() -> Path:
    """A copy of the tree to change, the working directory from here on."""
    tree = Path(tempfile.mkdtemp(prefix="mutants."))
    shutil.copytree(ROOT, tree, dirs_exist_ok=True, ignore=NOT_COPIED)
    os.chdir(tree)
    (tree / "tmp").mkdir()
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(tree / "tmp")
    sys.path[:] = [str(tree), *(entry for entry in sys.path if Path(entry).resolve() not in {ROOT, tree})]
    os.environ["PYTHONPATH"] = str(tree)
    os.environ["HSI_EVERY_ROW"] = "1"  # what a stage's tests notice in the pure and the compiled build together
    return tree


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    tree = copied_tree()
    try:
        whole, mutants = draw(asked.stage, asked.count, asked.seed)
        runs = Runs(mutants, asked.jobs, os.fdopen(os.dup(1), "w"))
        print(f"{asked.stage}: {len(mutants)} of {whole} mutants, seed {asked.seed}", flush=True)
        left_out = [f"--deselect={test}" for test in READERS]
        set_mutant_under_test("stats")
        pytest.main(["-q", *PYTEST, *left_out, f"tests/{asked.stage}"], [runs])
    finally:
        os.chdir(ROOT)
        shutil.rmtree(tree)
    for mutant in mutants:
        if runs.found.get(mutant.name) in {"survived", "no test"}:
            print(f"\n{runs.found[mutant.name]}: {mutant.name}\n{mutant.diff}")
    kinds = Counter(runs.found.values())
    noticed = kinds["killed"] + kinds["timeout"]
    print(f"\n{asked.stage}, seed {asked.seed}: {noticed} of {len(mutants)} killed; {dict(kinds)}")
    sys.exit(noticed < 0.85 * len(mutants))


if __name__ == "__main__":
    main()
