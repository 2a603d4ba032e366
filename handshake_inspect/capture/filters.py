"""What a capture filter lets through, as far as its text says: libpcap's language, read for TCP flags alone.

`tcp[tcpflags] & (tcp-syn|tcp-fin) != 0`, `tcp[13] == 2` and the like are read, joined by `and` and `or` from the left
as libpcap does.  A filter that reads no bytes by their place cannot select flags.  Of any other nothing is known.
"""

import re
from itertools import pairwise
from typing import Final, NamedTuple

from handshake_inspect.wire.const import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG

# What a handshake, its end and its failure need, of both IP versions: SYN, FIN and RST, segments without data (the
# final ACK is one), and ICMP errors.  IPv6 packets with extension headers are kept: a filter does not look behind them.
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
_LONGEST: Final = 4096
_FLAGS: Final = r"(?:tcp\s*\[\s*(?:13|0x0?d|tcpflags)\s*\]|ip6\s*\[\s*(?:53|0x35)\s*\])"
_NUMBER: Final = r"(?:tcp-[a-z]+|0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)"
_SUM: Final = rf"\(*\s*{_NUMBER}(?:\s*\)*\s*[|+]\s*\(*\s*{_NUMBER})*"
_COMPARED: Final = re.compile(
    rf"{_FLAGS}\s*(?:&\s*(?P<mask>{_SUM})[\s)]*)?\s*\)?\s*(?P<how>!=|==|=)\s*(?P<value>{_SUM})", re.IGNORECASE
)
_NOT: Final = re.compile(r"(?:\bnot\b|!(?!=)) ?(?P<group>\(*)", re.IGNORECASE)
_ANY_OR: Final = re.compile(r"\bor\b|\|\|", re.IGNORECASE)


class Passing(NamedTuple):
    """Whether a filter lets these through, of the hosts and ports that it is about."""

    bare_acks: bool  # segments with none of SYN, FIN, RST and data: the final ACK of a handshake
    answers: bool  # SYN-ACKs, and the RSTs that refuse a SYN


def passing(text: str) -> Passing | None:
    """What is known of a filter."""
    text = " ".join(text.split())
    if len(text) > _LONGEST:
        return None
    compared = list(_COMPARED.finditer(text))
    rest = _COMPARED.sub(" ", text).lower()
    if "[" in rest or "tcp-" in rest or any(_is_denied(text, found) for found in _NOT.finditer(text)):
        return None
    if any(name not in _NAMES for name in re.findall(r"tcp-[a-z]+", text.lower())):
        return None
    if not compared:
        return Passing(bare_acks=True, answers=True)
    answers = all(_passes(text, compared, flags | ACK) for flags in (SYN, RST))
    return Passing(_passes(text, compared, ACK), answers)


def _is_denied(text: str, found: re.Match[str]) -> bool:
    """Whether the operand of a `not` reads bytes by their place."""
    depth = len(found["group"])
    end = found.end()
    if not depth:
        return re.match(r"(?:tcp|ip6) ?\[", text[end:], re.IGNORECASE) is not None
    while depth and end < len(text):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return "[" in text[found.end() : end]


def _passes(text: str, compared: list[re.Match[str]], flags: int) -> bool:
    """Whether a segment with these flags passes all the comparisons, as they are joined."""
    passes = _holds(compared[0], flags)
    for before, this in pairwise(compared):
        if _ANY_OR.search(text, before.end(), this.start()):
            passes |= _holds(this, flags)
        else:
            passes &= _holds(this, flags)
    return passes


def _holds(compared: re.Match[str], flags: int) -> bool:
    mask = 0xFF if compared["mask"] is None else _number(compared["mask"])
    return (flags & mask == _number(compared["value"])) == (compared["how"] != "!=")


def _number(text: str) -> int:
    total = 0
    for name in re.findall(_NUMBER, text.lower()):
        total |= (
            _NAMES[name] if name in _NAMES else int(name, 16 if name.startswith("0x") else 8 if name[0] == "0" else 10)
        )
    return total
