"""The finding kinds, one module each, and the function that runs all detectors.

A detector maps a `Case` to a list of findings. The module's docstring states its rule, the thresholds and the reasons
for them; its `Kind` declares the finding. There is no registry: every module of this package that defines `KIND` (or
several as `KINDS`) is a kind of finding.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Detector, Finding, Kind
from handshake_inspect.verdicts.findings import host_evidence, syn_flood

SEVERITIES = ("critical", "warning", "info")


def _declared() -> Iterator[Kind]:
    """Yield every `Kind` that the modules of this package declare as `KIND` or in `KINDS`."""
    for found in iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        if hasattr(module, "KIND"):
            yield module.KIND
        yield from getattr(module, "KINDS", {}).values()


KINDS: dict[str, Kind] = {kind.id: kind for kind in sorted(_declared(), key=lambda kind: kind.id)}
DETECTORS: tuple[Detector, ...] = tuple(dict.fromkeys(kind.detect for kind in KINDS.values()))


def find_all(case: Case) -> list[Finding]:
    """Run all detectors; return the findings sorted by severity, start time and id."""
    detected = [finding for detect in DETECTORS for finding in detect(case)]
    cookies = {(each.host, each.port) for each in detected if each.id == "syn-cookies"}
    detected = [syn_flood.with_cookies(each) if (each.host, each.port) in cookies else each for each in detected]
    found = [host_evidence.with_host(case, finding) for finding in detected]
    return sorted(found, key=lambda finding: (SEVERITIES.index(finding.severity), finding.start_ns or 0, finding.id))
