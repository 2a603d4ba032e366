"""A kind of finding is defined once, in its own module: nothing of it can be forgotten without a failing test."""

import ast
import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin

import msgspec
import pytest

from handshake_inspect.report.docs import FINDING_DOCS
from handshake_inspect.report.words import FindingId
from handshake_inspect.verdicts import findings
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import DETECTORS, KINDS
from handshake_inspect.verdicts.host import HostEvidence

MODULES = [import_module(f"{findings.__name__}.{found.name}") for found in pkgutil.iter_modules(findings.__path__)]


def kinds_of(module):
    """The kinds that a module makes, under whatever name."""
    values = [value for name, value in vars(module).items() if not name.startswith("__")]
    values = [each for value in values for each in (value.values() if isinstance(value, dict) else [value])]
    return list(dict.fromkeys(value for value in values if isinstance(value, Kind)))


DECLARED = [(module, kinds_of(module)) for module in MODULES if kinds_of(module)]


@pytest.mark.parametrize(("module", "kinds"), DECLARED, ids=[module.__name__.split(".")[-1] for module, _ in DECLARED])
def test_every_kind_is_found_by_its_name(module, kinds):
    file = f"verdicts/findings/{module.__name__.split('.')[-1]}.py"
    for kind in kinds:
        assert KINDS.get(kind.id) is kind, f"{file}: {kind.id} must be KIND, or one of KINDS, and its id no other's"


@pytest.mark.parametrize(
    "module", [module for module, _ in DECLARED], ids=lambda module: module.__name__.split(".")[-1]
)
def test_its_docstring_is_the_rule(module):
    words = (module.__doc__ or "").split()
    assert len(words) > 20, f"{module.__name__}: the docstring of a finding says what its rule is, and why"


def test_every_kind_is_declared_once():
    assert sorted(kind.id for _, kinds in DECLARED for kind in kinds) == list(KINDS)


TESTS = Path(__file__).resolve().parents[2]
OF_VERDICTS = "".join(file.read_text() for file in (TESTS / "verdicts").rglob("test_*.py"))
OF_LISTS = {"LISTED", "NAMED", "PORTS"}  # how many a finding names: no rule
OF_THE_DOCS = (TESTS / "test_docs_verdicts.py").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_test_is_about_it(kind):
    assert f'"{kind}"' in OF_VERDICTS, f"no test in tests/verdicts names {kind}"


@pytest.mark.parametrize(("module", "kinds"), DECLARED, ids=[module.__name__.split(".")[-1] for module, _ in DECLARED])
def test_its_thresholds_are_held_to_the_docs(module, kinds):
    name = module.__name__.split(".")[-1]
    body = ast.parse(inspect.getsource(module)).body
    names = {at.targets[0].id for at in body if isinstance(at, ast.Assign) and isinstance(at.targets[0], ast.Name)}
    thresholds = {each for each in names - OF_LISTS if isinstance(getattr(module, each), int | float)}
    held = set(re.findall(rf"\b{name}\.([A-Z_]+)", OF_THE_DOCS))
    assert held & thresholds or not thresholds, f"tests/test_docs_verdicts.py holds none of {name}: {thresholds}"


WITH_DETECTOR = [module for module in MODULES if hasattr(module, "detect")]


@pytest.mark.parametrize("module", WITH_DETECTOR, ids=lambda module: module.__name__)
def test_a_detector_has_its_kind(module):
    mine = {value for name, value in vars(module).items() if name.startswith("detect")}
    mine = {each for each in mine if each.__module__ == module.__name__}
    assert {kind.detect for kind in kinds_of(module)} == mine <= set(DETECTORS)


def test_all_else_that_knows_kinds_is_derived():
    assert get_args(FindingId) == tuple(KINDS) == tuple(FINDING_DOCS)


def is_a_count(metric):
    return metric is not None and metric.type is int and not metric.keys


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_is_whole(kind):
    assert is_a_count(kind.metrics.get(kind.size)), kind.size
    assert kind.explanation.endswith(".")
    assert not kind.title.endswith(".")


def metrics_of(declared, within=""):
    for name, metric in declared.items():
        yield f"{within}{name}", metric
        yield from metrics_of(metric.keys or {}, f"{within}{name}.")


# The end of a name says the unit.
ENDINGS = {"_ns": "ns", "_bytes": "bytes", "_ratio": "ratio", "_per_s": "1/s"}
METRICS = [(kind.id, *each) for kind in KINDS.values() for each in metrics_of(kind.declared)]


@pytest.mark.parametrize(("kind", "name", "metric"), METRICS, ids=[f"{kind}-{name}" for kind, name, _ in METRICS])
def test_a_metric_says_type_unit_and_meaning(kind, name, metric):
    msgspec.json.schema(metric.type)
    assert metric.meaning.endswith(".")
    for ending, unit in ENDINGS.items():
        assert (metric.unit == unit) or not name.endswith(ending), f"{kind}: {name} is in {unit}"
    if metric.unit in ("ns", "bytes"):
        parts = get_args(metric.type) if isinstance(metric.type, UnionType) else [metric.type]
        assert int in parts or get_origin(metric.type) is dict


def literal_metrics(module):
    """The names of metrics that stand in a module's source: also in branches that nothing triggers."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        dicts = []
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id == "metrics":
                    dicts.append(node.value)
                if isinstance(target, ast.Subscript) and getattr(target.value, "id", "") == "metrics":
                    yield target.slice.value
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Finding", "quality"):
            dicts += [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "metrics")]
        for each in dicts:
            if isinstance(each, ast.Dict):
                yield from (key.value for key in each.keys if isinstance(key, ast.Constant))


@pytest.mark.parametrize(("module", "kinds"), DECLARED, ids=[module.__name__.split(".")[-1] for module, _ in DECLARED])
def test_every_metric_of_the_source_is_declared(module, kinds):
    names = set(literal_metrics(module))
    assert names
    assert names - {name for kind in kinds for name in kind.declared} == set()


INNER = Metric(dict, "An object.", keys={"known": Metric(int, "A number.")})
LIST = Metric(list, "A list.", keys={"known": Metric(int, "A number.")})
KIND = Kind(
    "port-scan", "t", "e.", lambda _: [], {"probes": Metric(int, "Probes."), "inner": INNER, "list": LIST},
    at_target=(HostEvidence(("listen_drops",), ("somaxconn",)),),
)  # fmt: skip


def finding(**metrics):
    return Finding(KIND, "info", "t", None, None, None, None, metrics, "a.")


@pytest.mark.parametrize(("metrics", "named"), [
    ({"guesses": 1}, "guesses"), ({"probes": 1, "a": 1, "b": 2}, "a, b"), ({"inner": {"other": 1}}, "inner.other"),
    ({"list": [{"known": 1}, {"other": 1}]}, "list.other"), ({"host_listen_overflows": 1}, "host_listen_overflows"),
])  # fmt: skip
def test_a_finding_refuses_what_is_not_declared(metrics, named):
    with pytest.raises(TypeError, match=f"port-scan: not declared in its Kind: {named}$"):
        finding(**metrics)


def test_a_finding_takes_what_is_declared():
    metrics = {"probes": 3, "inner": {"known": 1}, "list": [{"known": 1}], "host_listen_drops": 1, "host_somaxconn": 2}
    assert finding(**metrics).metrics == metrics
    assert finding(not_listed=4).id == "port-scan"
