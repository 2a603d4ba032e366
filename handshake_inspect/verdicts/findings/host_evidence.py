"""Adds counters and settings of the capturing host to the findings that they bear on.

Only findings about this host get them: those whose target is an address of this host, and some kinds if all cited
clients are. A capture on a router or mirror port is about other hosts, which have counters of their own.

And only findings that the counters can explain: an overflowing queue drops SYNs to a live port, or final ACKs; it does
not silence a host, filter a port or lose segments on the way to the client. Settings that this host has already are
removed from the advice. SYNs to a listener whose accept queue is full were dropped for that reason, and no other is
advised.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from handshake_inspect.verdicts.advice_steps import COOKIES_ON, remaining_steps, sentence
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding
from handshake_inspect.verdicts.findings.base import client
from handshake_inspect.verdicts.host import WORDS, HostEvidence, counted, set_to
from handshake_inspect.verdicts.sockets import is_full


def with_host(case: Case, found: Finding) -> Finding:
    """Return the finding with this host's counters and settings, if it is about this host."""
    host = case.host
    given = evidence_for(case, found)
    if host is None or not given:
        return found
    found = with_full_queue(case, found)
    counters = known(host.counters, (key for each in given for key in each.counters))
    settings = known(host.settings, (key for each in given for key in each.settings))
    advice = remaining(found, settings)
    return replace(
        found,
        title=found.title + remark(counters, denied=is_denied(given[0], counters)),
        metrics=found.metrics | {f"host_{key}": value for key, value in (counters | settings).items()},
        advice=advice.removesuffix(".") + f"; here {set_to(settings)}." if settings else advice,
    )


def with_full_queue(case: Case, found: Finding) -> Finding:
    """Return a finding of dropped SYNs with the accept queue of the listener, if that is full: it is the reason."""
    if case.sockets is None or found.host is None or found.port is None or found.metrics.get("cause") != "syn-dropped":
        return found
    listener = case.sockets.listener((*found.host, found.port), is_local=True)
    if listener is None or not is_full(listener):
        return found
    return replace(
        found,
        title=f"{found.title}; its accept queue is full: {listener.queued:,} waiting, backlog {listener.backlog:,}",
        advice=f"Let {listener.name or 'the application'} accept() faster, or raise its listen() backlog and "
        f"net.core.somaxconn together: `ss -ltn 'sport = :{found.port}'` shows Recv-Q above Send-Q.",
    )


def remaining(found: Finding, settings: Mapping[str, Any]) -> str:
    """Return the advice without the steps that these settings show as done.

    The first step may already be missing because the wire shows SYN cookies.
    """
    steps = found.kind.steps
    for intro, rest in (("", steps), (COOKIES_ON, steps[1:])):
        if rest and found.advice == intro + sentence(rest):
            return intro + sentence(remaining_steps(rest, settings))
    return found.advice


def evidence_for(case: Case, found: Finding) -> list[HostEvidence]:
    """Return the evidence of this host that bears on the finding."""
    host = case.host
    if host is None or found.host is None:
        return []
    given = list(found.kind.at_target) if host.has(found.host) else []
    if found.kind.at_client and found.connections:
        clients = {client(case.attempts, row)[0] for row in found.connections}
        given += found.kind.at_client if all(map(host.has, clients)) else ()
    return [each for each in given if each.explains(found.metrics)]


def known(numbers: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the numbers under these keys that this kernel has."""
    return {key: numbers[key] for key in dict.fromkeys(keys) if numbers.get(key) is not None}


def is_denied(evidence: HostEvidence, counters: dict[str, int]) -> bool:
    """Return whether this host counted none of what the wire shows."""
    return evidence.denies and counters.get(evidence.counters[0]) == 0


def remark(counters: dict[str, int], *, denied: bool) -> str:
    """Return what this host counted, as text to append to a title."""
    words = counted(counters)
    if denied:
        nothing = f"no {WORDS[next(iter(counters))][0]}"
        return f"; this host counted {nothing} during the capture: is the listener in another network namespace?"
    return f"; this host counted {words} during the capture" if words else ""
