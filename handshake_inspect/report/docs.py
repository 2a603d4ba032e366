"""Documentation of findings and check rules, for output formats that include it (such as SARIF)."""

from __future__ import annotations

from handshake_inspect.verdicts.findings import KINDS

FINDING_DOCS: dict[str, tuple[str, str]] = {kind.id: (kind.title, kind.explanation) for kind in KINDS.values()}
"""Title and explanation of every kind of finding."""

_CEILINGS = {
    "refused": "a RST answered the SYN",
    "rejected": "an ICMP or ICMPv6 error answered the SYN",
    "timed-out": "nothing answered the SYN",
    "half-open": "the handshake never completed",
    "failed": "refused, rejected, timed out or half-open",
    "aborted": "the client reset its own attempt",
    "retransmitted": "something was sent more than once: a SYN, a SYN-ACK or data",
}

_RANKS = {"rtt": "longest", "p50": "median", **{f"p{rank}": f"{rank}th percentile" for rank in (90, 95, 99)}}

RULE_DOCS: dict[str, tuple[str, str]] = {
    "command": (
        "The command failed",
        "The command whose traffic was checked ended with an exit status other than 0, or by a signal.",
    ),
    "min-connections": (
        "Too few connections",
        "The capture holds fewer connections than it must: a capture without any proves nothing.",
    ),
    **{
        f"max-{kind}": (
            f"Too many connections {kind}",
            f"More connections than allowed, as a number or as a share, were {kind}: {means}.",
        )
        for kind, means in _CEILINGS.items()
    },
    "rtt": (
        "Handshake RTT beyond its limit",
        "A statistic of a handshake RTT is not below its limit, or no RTT was measured. `synack` is the way to the "
        "server and back, `ackdat` that to the client, `total` their sum.",
    ),
    **{
        f"max-{which}": (
            "Handshake RTT beyond its limit",
            f"The {named} of handshake RTTs, SYN to final ACK, is beyond its limit, or no RTT was measured.",
        )
        for which, named in _RANKS.items()
    },
    "setup": (
        "Connection set-up beyond its limit",
        "A statistic of a part of connection set-up is not below its limit, or nothing was measured. Where only bounds "
        "are known the upper one counts.",
    ),
    "min-tls": (
        "TLS version too old",
        "A TLS connection that was established agreed on an older version than the rules require.",
    ),
    "min-resumed": (
        "Too few TLS sessions resumed",
        "A smaller share of the TLS connections that were established resumed a session than the rules require.",
    ),
    "max-tls-failed": (
        "Too many TLS failures",
        "More connections that began TLS failed, got no answer, or met something that is not TLS than the rules allow.",
    ),
    "max-extra-round-trips": (
        "Too many extra round trips",
        "More connections waited for round trips that their set-up does not need than the rules allow.",
    ),
    "allow": (
        "Connection to a stranger",
        "A connection went to a name or an address that the rules do not allow.",
    ),
    "expect": (
        "Expected connections are missing",
        "The number of connections to a server with the expected outcome is not as required.",
    ),
    "no-finding": ("Unwanted finding", "The capture has a finding that the rules forbid."),
    "fail-on": ("Finding too severe", "The capture has a finding of a severity that the rules forbid."),
    "strict": (
        "Capture not whole",
        "The capture is cut or damaged, the kernel dropped frames, or connections had to be left out.",
    ),
    "undecided": (
        "Undecided connections",
        "The capture ends too soon to decide some connections, and the rules do not allow that.",
    ),
}
"""Title and explanation of a failure of every rule."""
