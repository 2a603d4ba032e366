"""What the kernel of the capturing host reports: numbers for findings, and their wording.

The counters cover the whole network namespace, not one listener: they confirm or contradict what the wire shows, and
are no verdict by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from handshake_inspect.wire.address import address_text, is_ipv4
from handshake_inspect.wire.text import plural

Address = tuple[int, int]

# A counter in words, singular and plural.  `tcp_req_q_full_do_cookies` has none: the kernel counts it for a cookie
# sent because the queue is full, and with tcp_syncookies=2 for any, so `syncookies_sent` says the same.
WORDS = {
    "listen_overflows": ("listen overflow", "listen overflows"),
    "listen_drops": ("listen drop", "listen drops"),
    "syncookies_sent": ("SYN cookie sent", "SYN cookies sent"),
    "syncookies_recv": ("SYN cookie that came back", "SYN cookies that came back"),
    "syncookies_failed": ("invalid SYN cookie", "invalid SYN cookies"),
    "tcp_req_q_full_drop": ("SYN dropped at a full SYN queue", "SYNs dropped at a full SYN queue"),
    "tcp_syn_retrans": ("SYN or SYN-ACK repeated", "SYNs and SYN-ACKs repeated"),
    "tcp_time_wait_overflow": ("TIME_WAIT socket without room", "TIME_WAIT sockets without room"),
}

# Settings of a listener's queues, and of a client's ports.
QUEUE_SETTINGS = ("somaxconn", "tcp_max_syn_backlog", "tcp_syncookies")
PORT_SETTINGS = ("ip_local_port_range", "tcp_tw_reuse")


class HostEvidence(NamedTuple):
    """Counters and settings (report keys) that bear on a kind of finding, the most relevant first."""

    counters: tuple[str, ...]
    settings: tuple[str, ...]
    denies: bool = False  # a listener in this namespace would have incremented the first counter
    causes: tuple[str, ...] = ()  # causes or losses that it can explain; empty for all

    def explains(self, metrics: Mapping[str, Any]) -> bool:
        """Return whether it can explain a finding with these metrics."""
        found = {metrics.get("cause"), *(what for what, count in metrics.get("lost", {}).items() if count)}
        return not self.causes or not found.isdisjoint(self.causes)


@dataclass(frozen=True)
class HostFacts:
    """What was counted from `start_ns` to `end_ns`, and the host's settings and addresses."""

    start_ns: int
    end_ns: int
    counters: Mapping[str, int | None]
    settings: Mapping[str, int | list[int] | None]
    addresses: frozenset[Address]

    def has(self, address: Address) -> bool:
        """Return whether the address is one of this host's; 127.0.0.0/8 always is."""
        return address in self.addresses or (is_ipv4(*address) and address_text(*address).startswith("127."))


def counted(counters: Mapping[str, int | None]) -> str:
    """Format the counters that increased: `12 listen overflows, 1 SYN cookie sent`."""
    moved = [(counters.get(key) or 0, words) for key, words in WORDS.items()]
    return ", ".join(plural(count, *words) for count, words in moved if count)


def set_to(settings: Mapping[str, int | list[int] | None]) -> str:
    """Format settings: `somaxconn is 4096, ip_local_port_range is 32768 to 60999`."""
    known = {key: value if isinstance(value, list) else [value] for key, value in settings.items() if value is not None}
    return ", ".join(f"{key} is {' to '.join(map(str, numbers))}" for key, numbers in known.items())
