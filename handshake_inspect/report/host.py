"""Models for the capturing host: its kernel's TCP counters and the sysctls that affect them."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from handshake_inspect.report.words import Count, Port, TimeNs
from handshake_inspect.verdicts.host import HostFacts, counted, set_to


class HostCounters(Struct, frozen=True, gc=False):
    """What the kernel counted, of all sockets of the network namespace; null where it does not know the counter.

    The first three are its `Tcp` counters, the others those of `TcpExt`.
    """

    active_opens: Count | None
    passive_opens: Count | None
    attempt_fails: Count | None
    listen_overflows: Count | None
    listen_drops: Count | None
    syncookies_sent: Count | None
    syncookies_recv: Count | None
    syncookies_failed: Count | None
    tcp_req_q_full_drop: Count | None
    tcp_req_q_full_do_cookies: Count | None
    tcp_syn_retrans: Count | None
    tcp_time_wait_overflow: Count | None


class HostSettings(Struct, frozen=True, gc=False):
    """Settings (sysctl) of the network namespace when the capture began; null where the kernel does not have one."""

    somaxconn: Count | None
    tcp_syncookies: Count | None
    tcp_max_syn_backlog: Count | None
    tcp_syn_retries: Count | None
    tcp_synack_retries: Count | None
    tcp_abort_on_overflow: Count | None
    tcp_tw_reuse: Count | None
    tcp_max_tw_buckets: Count | None
    ip_local_port_range: list[Port] | None


class Host(Struct, frozen=True, gc=False):
    """The capturing host's own view of the same time, by its own clock."""

    start_ns: TimeNs
    end_ns: TimeNs
    counters: HostCounters
    settings: HostSettings


# Settings to show with a counter that increased.
_TELLING = {
    "listen_overflows": ("somaxconn",),
    "syncookies_sent": ("tcp_syncookies", "tcp_max_syn_backlog"),
    "tcp_req_q_full_drop": ("tcp_syncookies", "tcp_max_syn_backlog"),
    "tcp_time_wait_overflow": ("tcp_max_tw_buckets",),
}


def host_section(facts: HostFacts) -> Host:
    """Convert host facts to the report's model."""
    counters, settings = HostCounters(**facts.counters), HostSettings(**facts.settings)  # type: ignore[arg-type]
    return Host(facts.start_ns, facts.end_ns, counters, settings)


def host_words(host: Host | None) -> str:
    """Return the host's counters in one line; empty if no counter that indicates trouble increased."""
    if host is None:
        return ""
    counters, settings = msgspec.structs.asdict(host.counters), msgspec.structs.asdict(host.settings)
    moved = counted(counters)
    telling = dict.fromkeys(name for key, names in _TELLING.items() if counters[key] for name in names)
    values = set_to({name: settings[name] for name in telling})
    return f"{moved} while capturing" + (f"; {values}" if values else "") if moved else ""
