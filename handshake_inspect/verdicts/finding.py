"""A finding before it becomes part of a report, and the declaration of each kind of finding.

A detector's module declares its `Kind` next to `detect`: id, texts and all metrics. Everything else that lists kinds
(ids in the JSON Schema, help in SARIF, `check --no-finding`, findings over time, host evidence) is derived from it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from handshake_inspect.verdicts.advice_steps import Step
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.host import HostEvidence

REFUSE = False  # the tests set it, so that detectors that leave NumPy values in a finding are fixed
_PLAIN = (bool, int, float, str, type(None))
_AS_THEY_ARE = frozenset(_PLAIN) - {float}  # a float may be NaN


@dataclass(frozen=True)
class Metric:
    """A number or word of a finding, as shown in the JSON Schema and the docs.

    `type` is the Python type: `int`, `float | None`, `list[str]`. `keys` declares the keys of an object, or of the
    objects in a list.
    """

    type: Any
    meaning: str
    unit: str = ""  # ns, bytes, ratio (0 to 1), 1/s; empty for counts and words
    keys: "Mapping[str, Metric] | None" = None


NOT_LISTED = Metric(int, "Findings of this kind beyond those that are listed; such a finding has no other metric.")


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of finding: its id and meaning, its metrics, and the detector that finds it.

    `size` names the metric that measures a finding, to compare two looks of a live run.
    """

    id: str
    title: str
    explanation: str
    detect: "Detector"
    metrics: Mapping[str, Metric]
    size: str = "connections"
    whole_run: bool = False  # a live run also counts expired attempts
    steps: tuple[Step, ...] = ()  # steps of its advice
    at_target: tuple[HostEvidence, ...] = ()  # host evidence if the target is the capturing host
    at_client: tuple[HostEvidence, ...] = ()  # host evidence if all cited clients are

    @cached_property
    def declared(self) -> dict[str, Metric]:
        """All metrics that such a finding may have, including those that no detector sets."""
        return {**self.metrics, "not_listed": NOT_LISTED, **host_metrics(*self.at_target, *self.at_client)}

    def undeclared(self, metrics: Mapping[str, Any]) -> list[str]:
        """Return the names of undeclared metrics; nested ones as `outer.inner`."""
        return list(_undeclared(metrics, self.declared))


def host_metrics(*evidence: HostEvidence) -> dict[str, Metric]:
    """Return the metrics that the capturing host adds to a finding."""
    counters = (key for each in evidence for key in each.counters)
    settings = (key for each in evidence for key in each.settings)
    return {
        **{f"host_{key}": Metric(int, f"`{key}` of the capturing host during the capture.") for key in counters},
        **{f"host_{key}": Metric(int | list[int], f"`{key}` of the capturing host.") for key in settings},
    }


def _undeclared(metrics: Mapping[str, Any], declared: Mapping[str, Metric], within: str = "") -> Iterator[str]:
    for name, value in metrics.items():
        if name not in declared:
            yield f"{within}{name}"
        elif inner := declared[name].keys:
            for each in value if isinstance(value, list) else [value]:
                yield from _undeclared(each, inner, f"{within}{name}.")


@dataclass(frozen=True)
class Finding:
    """One finding. `host` is an address as two 64-bit halves; `connections` are row numbers, not ids.

    With `prefix`, `host` is a network of so many bits. All values are plain Python, whatever they were computed from:
    see `plain`.
    """

    kind: Kind
    severity: str  # critical, warning, info
    title: str
    host: tuple[int, int] | None
    port: int | None
    start_ns: int | None
    end_ns: int | None
    metrics: dict[str, Any]
    advice: str
    frames: tuple[int, ...] = ()
    connections: tuple[int, ...] = ()
    prefix: int | None = None

    @property
    def id(self) -> str:
        """The id of its kind."""
        return self.kind.id

    def __post_init__(self) -> None:
        """Convert values to plain Python; raise TypeError for undeclared metrics or values without a plain form."""
        for each in fields(self)[1:]:
            value = getattr(self, each.name)
            if (converted := plain(value, f"{self.id}: {each.name}")) is not value:
                object.__setattr__(self, each.name, converted)
        if names := self.kind.undeclared(self.metrics):
            raise TypeError(f"{self.id}: not declared in its Kind: {', '.join(names)}")


Detector = Callable[[Case], list[Finding]]


def plain(value: Any, where: str = "value") -> Any:
    """Return the value in plain Python; NaN and infinity become None. Raise TypeError if there is no plain form.

    Detectors compute with NumPy, whose scalars look like Python numbers until an encoder meets one: `a and b` of two
    arrays' elements is a `numpy.bool_`, which no JSON encoder accepts. Arrays become lists. With `REFUSE`, raise
    TypeError for anything that had to be converted.
    """
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return _changed(None, value, where)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {plain(key, where): plain(each, f"{where}.{key}") for key, each in value.items()}
    if kind in (list, tuple):
        if _AS_THEY_ARE.issuperset(map(type, value)):
            return value
        return kind(plain(each, where) for each in value)
    if isinstance(value, np.generic | np.ndarray):
        return _changed(plain(value.tolist(), where), value, where)
    if isinstance(value, Enum):
        return _changed(plain(value.value, where), value, where)
    raise TypeError(f"{where} is a {kind.__name__}, which a finding cannot hold: {value!r}")


def _changed(converted: Any, value: Any, where: str) -> Any:
    if REFUSE:
        raise TypeError(f"{where} is a {type(value).__module__}.{type(value).__name__}: {value!r}")
    return converted
