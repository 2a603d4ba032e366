"""`lookup-failed`: clients looked up names and got no address.

One finding per name server and kind of failure, since each kind has its own causes: `nxdomain` (the name does not
exist), `servfail` and `refused` (the server cannot or will not answer), `no-answer` (silence for `SILENCE_NS`),
`other`. In a capture of one direction, silence is none.

Resolvers try search domains one after the other, and both address families, so most lookups of nonexistent names are
made in passing. In such a case the client *went on*: within `SOON_NS` it got addresses for the same name, or for a name
that begins with it or that it begins with. Severity: `info` if all clients went on, else `warning`.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter

from handshake_inspect.dns.lookups import Lookup
from handshake_inspect.dns.messages import NO_ERROR, NXDOMAIN, REFUSED, SERVFAIL
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import CITED, addr, capped
from handshake_inspect.verdicts.findings.named_attempts import address_halves
from handshake_inspect.verdicts.visibility import half_seen, sees_both
from handshake_inspect.wire.text import plural

SILENCE_NS = 5_000_000_000
SOON_NS = 10_000_000_000
PORT = 53

_WAYS = {NXDOMAIN: "nxdomain", SERVFAIL: "servfail", REFUSED: "refused", -1: "no-answer"}
_SAY = {
    "nxdomain": "says that it does not exist",
    "servfail": "could not find out (SERVFAIL)",
    "refused": "refused to answer",
    "no-answer": "did not answer",
    "other": "answered with an error",
}
_ADVICE = {
    "nxdomain": "Check the spelling and the search domains of the clients (`resolvectl`, `ndots` in /etc/resolv.conf).",
    "servfail": "Ask the server what it asks others: a broken delegation, DNSSEC, or an upstream that does not answer.",
    "refused": "The server does not serve these clients: check its access rules, or which server they are given.",
    "no-answer": "Check whether UDP port 53 gets through, and whether the server is up; clients wait 5 s for each try.",
    "other": "Look at the answers: `tcpdump -r FILE -v udp port 53`.",
}


def detect(case: Case) -> list[Finding]:
    """Return one finding per name server and kind of failure, the most frequent first."""
    groups: dict[tuple[bytes, str], list[Lookup]] = defaultdict(list)
    for one in failed(case):
        groups[one.server, way(one)].append(one)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[1][0].first_ns))
    known = answered(case)
    return capped(KIND, "name servers that failed", ordered, lambda item: finding(*item, known))


KIND = Kind(
    "lookup-failed",
    "Lookups that failed",
    "Clients asked a name server for names and got no address: the name does not exist, or the server fails.",
    detect,
    {
        "lookups": Metric(int, "Lookups that failed in this way."),
        "names": Metric(int, "Different names."),
        "clients": Metric(int, "Clients that asked."),
        "gave_up": Metric(int, "Lookups after which the client got no address for such a name from anybody."),
        "kind": Metric(str, "`nxdomain`, `servfail`, `refused`, `no-answer` or `other`."),
    },
    size="lookups",
)


def failed(case: Case) -> Iterable[Lookup]:
    """Yield the lookups that ended with an error or in sufficiently long silence."""
    latest = case.attempts.last_ns - SILENCE_NS if may_hold_answers(case) else -1
    for one in case.lookups:
        if one.rcode > NO_ERROR or (one.rcode < 0 and one.first_ns <= latest):
            yield one


def may_hold_answers(case: Case) -> bool:
    """Return whether silence counts: the capture has answers, or no connection shows that it has one direction only."""
    if any(one.rcode >= NO_ERROR for one in case.lookups):
        return True
    return sees_both(case.attempts) or not bool(half_seen(case.attempts).any())


def way(lookup: Lookup) -> str:
    """Return the kind of failure of a lookup."""
    return _WAYS.get(lookup.rcode, "other")


Known = dict[bytes, list[Lookup]]
MOST_COMPARED = 256  # other lookups of a client, the latest ones within SOON_NS


def answered(case: Case) -> Known:
    """Return the lookups that returned addresses, per client, in the order of their first queries."""
    known: Known = defaultdict(list)
    for one in case.lookups:
        if one.addresses:
            known[one.client].append(one)
    return known


def went_on(lookup: Lookup, known: Known) -> bool:
    """Return whether the client got addresses for a related name within `SOON_NS`."""
    others = known.get(lookup.client, [])
    end = bisect_right(others, lookup.first_ns + SOON_NS, key=attrgetter("first_ns"))
    near = (one for one in others[max(end - MOST_COMPARED, 0) : end] if one.first_ns >= lookup.first_ns - SOON_NS)
    return any(is_related(one.names[0], lookup.names[0]) for one in near)


def is_related(one: str, other: str) -> bool:
    """Return whether one name is the other plus a search domain."""
    short, long = sorted((one, other), key=len)
    return long == short or long.startswith(short + ".")


def finding(group: tuple[bytes, str], lookups: Sequence[Lookup], known: Known) -> Finding:
    """Return the finding for one name server and kind of failure."""
    server, kind = group
    host = address_halves(server)
    gave_up = sum(not went_on(one, known) for one in lookups)
    names = len({one.name for one in lookups})
    asked = f"{plural(len(lookups), 'lookup')} of {plural(names, 'name')}"
    outcome = f"{gave_up} of them without another answer" if gave_up else "but every client got an address otherwise"
    return Finding(
        KIND,
        "warning" if gave_up else "info",
        f"{addr(host, PORT)} {_SAY[kind]}: {asked}, {outcome}",
        host,
        PORT,
        lookups[0].first_ns,
        max(one.answer_ns or one.first_ns for one in lookups),
        {
            "lookups": len(lookups),
            "names": names,
            "clients": len({one.client for one in lookups}),
            "gave_up": gave_up,
            "kind": kind,
        },
        _ADVICE[kind],
        tuple(one.answer_frame or one.first_frame for one in lookups[:CITED]),
    )
