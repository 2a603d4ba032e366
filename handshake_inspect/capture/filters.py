"""Which handshake segments a capture filter lets through, judged from its text in libpcap's language.

Only tests of TCP flags are understood, such as `tcp[tcpflags] & (tcp-syn|tcp-fin) != 0` or `tcp[13] == 2`, joined by
`and` and `or` from left to right as libpcap does.  A filter without byte offsets cannot select by flags.  For every
other filter the answer is unknown.
"""

import re
from itertools import pairwise
from typing import Final, NamedTuple

from handshake_inspect.wire.const import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG

# What it takes to see handshakes, closes and failures over IPv4 and IPv6: SYN, FIN, RST, segments without data (the
# final ACK is one), and ICMP errors.  IPv6 packets with extension headers pass: filters cannot look behind those.
HANDSHAKES_ONLY = (
    "(tcp and ((tcp[13] & 7) != 0 or ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 240) >> 2) == 0))"
    " or (icmp and (icmp[0] == 3 or icmp[0] == 4 or icmp[0] == 11 or icmp[0] == 12))"
    " or (ip6 and ((ip6[6] == 6 and ((ip6[53] & 7) != 0 or ip6[4:2] - ((ip6[52] & 240) >> 2) == 0))"
    " or (ip6[6] == 58 and ip6[40] < 128)"
    " or ip6[6] == 0 or ip6[6] == 43 or ip6[6] == 44 or ip6[6] == 51 or ip6[6] == 60))"
)

_NAMES: Final = {
    "tcp-fin": FIN, "tcp-syn": SYN, "tcp-rst": RST, "tcp-push": PSH, "tcp-ack": ACK, "tcp-urg": URG, "tcp-ece": ECE,
    "tcp-cwr": CWR,
}  # fmt: skip
_MAX_TEXT: Final = 4096
_FLAGS: Final = r"(?:tcp\s*\[\s*(?:13|0x0?d|tcpflags)\s*\]|ip6\s*\[\s*(?:53|0x35)\s*\])"
_NUMBER: Final = r"(?:tcp-[a-z]+|0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)"
_SUM: Final = rf"\(*\s*{_NUMBER}(?:\s*\)*\s*[|+]\s*\(*\s*{_NUMBER})*"
_FLAG_TEST: Final = re.compile(
    rf"{_FLAGS}\s*(?:&\s*(?P<mask>{_SUM})[\s)]*)?\s*\)?\s*(?P<how>!=|==|=)\s*(?P<value>{_SUM})", re.IGNORECASE
)
_NOT: Final = re.compile(r"(?:\bnot\b|!(?!=)) ?(?P<group>\(*)", re.IGNORECASE)
_ANY_OR: Final = re.compile(r"\bor\b|\|\|", re.IGNORECASE)


class FilterCoverage(NamedTuple):
    """Which segments a filter lets through, for the hosts and ports that it selects."""

    bare_acks: bool  # segments without SYN, FIN, RST and data, such as the final ACK of a handshake
    answers: bool  # SYN-ACKs, and RSTs that refuse a SYN


def filter_coverage(text: str) -> FilterCoverage | None:
    """Return what the filter lets through, None if that is unknown."""
    text = " ".join(text.split())
    if len(text) > _MAX_TEXT:
        return None
    tests = list(_FLAG_TEST.finditer(text))
    rest = _FLAG_TEST.sub(" ", text).lower()
    if "[" in rest or "tcp-" in rest or any(_negates_byte_test(text, found) for found in _NOT.finditer(text)):
        return None
    if any(name not in _NAMES for name in re.findall(r"tcp-[a-z]+", text.lower())):
        return None
    if not tests:
        return FilterCoverage(bare_acks=True, answers=True)
    answers = all(_passes(text, tests, flags | ACK) for flags in (SYN, RST))
    return FilterCoverage(_passes(text, tests, ACK), answers)


def _negates_byte_test(text: str, found: re.Match[str]) -> bool:
    """Return True if the operand of this `not` tests bytes by offset."""
    depth = len(found["group"])
    end = found.end()
    if not depth:
        return re.match(r"(?:tcp|ip6) ?\[", text[end:], re.IGNORECASE) is not None
    while depth and end < len(text):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return "[" in text[found.end() : end]


def _passes(text: str, tests: list[re.Match[str]], flags: int) -> bool:
    """Return True if a segment with these flags passes the comparisons, joined from left to right."""
    passes = _test_passes(tests[0], flags)
    for before, this in pairwise(tests):
        if _ANY_OR.search(text, before.end(), this.start()):
            passes |= _test_passes(this, flags)
        else:
            passes &= _test_passes(this, flags)
    return passes


def _test_passes(test: re.Match[str], flags: int) -> bool:
    mask = 0xFF if test["mask"] is None else _number(test["mask"])
    return (flags & mask == _number(test["value"])) == (test["how"] != "!=")


def _number(text: str) -> int:
    total = 0
    for name in re.findall(_NUMBER, text.lower()):
        total |= (
            _NAMES[name] if name in _NAMES else int(name, 16 if name.startswith("0x") else 8 if name[0] == "0" else 10)
        )
    return total
