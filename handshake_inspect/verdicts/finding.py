"""A finding before it is a report, and what is declared of each kind of finding.

A detector's file declares its `Kind` beside `detect`: id, words and every metric.  All else that knows kinds (ids in
the JSON Schema, help in SARIF, `check --no-finding`, findings over time, evidence of the host) is derived from it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from handshake_inspect.verdicts.advice_steps import Step
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.host import HostEvidence
from handshake_inspect.verdicts.plain_values import plain


@dataclass(frozen=True)
class Metric:
    """A number or word of a finding, as the JSON Schema and the docs show it.

    `type` is what the value is in Python: `int`, `float | None`, `list[str]`.  `keys` are those of the object that it
    is, or of the objects in its list.
    """

    type: Any
    meaning: str
    unit: str = ""  # ns, bytes, ratio (from 0 to 1), 1/s; none of a plain count or word
    keys: "Mapping[str, Metric] | None" = None


NOT_LISTED = Metric(int, "Findings of this kind beyond those that are listed; such a finding has no other metric.")


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of finding: what its id means, what its metrics are, and the detector that finds it.

    `size` is the metric that says how much there is in one, by which two looks of a live run are compared.
    """

    id: str
    title: str
    explanation: str
    detect: "Detector"
    metrics: Mapping[str, Metric]
    size: str = "connections"
    of_the_run: bool = False  # a live run counts the attempts whose rows are gone, too
    steps: tuple[Step, ...] = ()  # of its advice
    at_target: tuple[HostEvidence, ...] = ()  # what the capturing host knows of it, where that is its target
    at_client: tuple[HostEvidence, ...] = ()  # where that is all of the clients that are cited

    @cached_property
    def declared(self) -> dict[str, Metric]:
        """All metrics that such a finding may have, also those that are not the detector's."""
        return {**self.metrics, "not_listed": NOT_LISTED, **host_metrics(*self.at_target, *self.at_client)}

    def undeclared(self, metrics: Mapping[str, Any]) -> list[str]:
        """The metrics that are not declared, those inside of others as `outer.inner`."""
        return list(_undeclared(metrics, self.declared))


def host_metrics(*evidence: HostEvidence) -> dict[str, Metric]:
    """The metrics that a finding gets from the capturing host."""
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
    """One judgement.  `host` is an address as two 64-bit halves; `connections` are row numbers, not ids.

    Where `prefix` is given, `host` is a network of which so many bits count.  It holds
    plain Python values, whatever it is built of: see `plain_values.py`.
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
        """Have only metrics that are declared, and nothing of NumPy: TypeError for what no format could write."""
        for each in fields(self)[1:]:
            value = getattr(self, each.name)
            if (made := plain(value, f"{self.id}: {each.name}")) is not value:
                object.__setattr__(self, each.name, made)
        if names := self.kind.undeclared(self.metrics):
            raise TypeError(f"{self.id}: not declared in its Kind: {', '.join(names)}")


Detector = Callable[[Case], list[Finding]]
