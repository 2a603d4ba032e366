"""Counters and settings of the capturing host, put to the findings that they bear on.

Only findings about this host are given its evidence: those whose target is an address of this host, and some of which
all clients that are cited are.  A capture on a router or on a mirror port is of others, who count for themselves.

And only findings that it can explain: a queue that overflowed drops the SYNs of a port that lives, or a final ACK; it
makes no host silent, filters no port, and loses nothing on the way to the client.  What this host is set to already is
not recommended to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from handshake_inspect.verdicts.advice_steps import COOKIES_ON, left, sentence
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding
from handshake_inspect.verdicts.findings.base import client
from handshake_inspect.verdicts.host import WORDS, HostEvidence, counted, set_to


def with_host(case: Case, found: Finding) -> Finding:
    """The finding with this host's own numbers, where it is about this host."""
    host = case.host
    given = evidence_for(case, found)
    if host is None or not given:
        return found
    counters = known(host.counters, (key for each in given for key in each.counters))
    settings = known(host.settings, (key for each in given for key in each.settings))
    advice = remaining(found, settings)
    return replace(
        found,
        title=found.title + remark(counters, denied=is_denied(given[0], counters)),
        metrics=found.metrics | {f"host_{key}": value for key, value in (counters | settings).items()},
        advice=advice.removesuffix(".") + f"; here {set_to(settings)}." if settings else advice,
    )


def remaining(found: Finding, settings: Mapping[str, Any]) -> str:
    """The advice without the steps that these settings show to be taken; the wire may have shown the first."""
    steps = found.kind.steps
    for said, rest in (("", steps), (COOKIES_ON, steps[1:])):
        if rest and found.advice == said + sentence(rest):
            return said + sentence(left(rest, settings))
    return found.advice


def evidence_for(case: Case, found: Finding) -> list[HostEvidence]:
    """What of this host bears on the finding."""
    host = case.host
    if host is None or found.host is None:
        return []
    given = list(found.kind.at_target) if host.has(found.host) else []
    if found.kind.at_client and found.connections:
        clients = {client(case.attempts, row)[0] for row in found.connections}
        given += found.kind.at_client if all(map(host.has, clients)) else ()
    return [each for each in given if each.explains(found.metrics)]


def known(numbers: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Those of the numbers that this kernel has, each once."""
    return {key: numbers[key] for key in dict.fromkeys(keys) if numbers.get(key) is not None}


def is_denied(evidence: HostEvidence, counters: dict[str, int]) -> bool:
    """Whether this host counted nothing of what the wire shows."""
    return evidence.denies and counters.get(evidence.counters[0]) == 0


def remark(counters: dict[str, int], *, denied: bool) -> str:
    """What this host counted, to follow a title."""
    words = counted(counters)
    if denied:
        nothing = f"no {WORDS[next(iter(counters))][0]}"
        return f"; this host counted {nothing} during the capture: is the listener in another network namespace?"
    return f"; this host counted {words} during the capture" if words else ""
