"""Connections as Zeek's conn.log: tab-separated, with the header that zeek-cut reads.

Fields that hsi does not determine (services, IP bytes, local networks) are unset.  `#open` and `#close` are the times
of the capture, so that output is reproducible.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import BinaryIO

from handshake_inspect.render import Format, Options
from handshake_inspect.render.rows import CHUNK
from handshake_inspect.report.model import Report

_SECOND = 1_000_000_000
_UNSET = "-"
_COLUMNS = (
    ("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"),
    ("id.resp_p", "port"), ("proto", "enum"), ("service", "string"), ("duration", "interval"), ("orig_bytes", "count"),
    ("resp_bytes", "count"), ("conn_state", "string"), ("local_orig", "bool"), ("local_resp", "bool"),
    ("missed_bytes", "count"), ("history", "string"), ("orig_pkts", "count"), ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"), ("resp_ip_bytes", "count"), ("tunnel_parents", "set[string]"), ("community_id", "string"),
)  # fmt: skip
_FIELDS = (
    "id", "first_ns", "last_ns", "client.ip", "client.port", "server.ip", "server.port", "client_to_server.frames",
    "server_to_client.frames", "client_to_server.bytes", "server_to_client.bytes", "aliases.zeek.conn_state",
    "aliases.zeek.history", "aliases.community_id",
)  # fmt: skip
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PAIRS = [one + other for one in _LETTERS for other in _LETTERS]


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the log in order of first frames."""
    capture = report.capture
    head = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", f"#unset_field\t{_UNSET}", "#path\tconn",
        f"#open\t{_moment(capture.first_ns)}",
        "\t".join(["#fields", *(name for name, _ in _COLUMNS)]), "\t".join(["#types", *(kind for _, kind in _COLUMNS)]),
    ]  # fmt: skip
    out.write("".join(f"{line}\n" for line in head).encode())
    if options.connections:
        out.writelines("".join(map(_line, *columns)).encode() for columns in report.connections.values(_FIELDS, CHUNK))
    out.write(f"#close\t{_moment(capture.last_ns)}\n".encode())


def _moment(ns: int | None) -> str:
    try:
        return f"{datetime.fromtimestamp((ns or 0) // _SECOND, UTC):%Y-%m-%d-%H-%M-%S}"
    except (ValueError, OverflowError, OSError):  # outside the range of datetime
        return "1970-01-01-00-00-00"


def _seconds(ns: int) -> str:
    whole, rest = divmod(abs(ns), _SECOND)
    return f"{'-' if ns < 0 else ''}{whole}.{rest // 1_000:06}"


def _line(
    number: int, first_ns: int, last_ns: int, client: str, client_port: int, server: str, server_port: int,
    sent: int, answered: int, sent_bytes: int, answered_bytes: int, state: str | None, history: str | None,
    community_id: str | None,
) -> str:  # fmt: skip
    ends = f"{client}\t{client_port}\t{server}\t{server_port}"
    sizes = f"{_UNSET}\t{_UNSET}\t{_UNSET}"
    if last_ns > first_ns:  # Zeek leaves duration and sizes unset if there is only one point in time
        sizes = f"{_seconds(last_ns - first_ns)}\t{sent_bytes}\t{answered_bytes}"
    return (
        f"{_seconds(first_ns)}\t{_uid(f'{number} {first_ns} {ends}')}\t{ends}\ttcp\t{_UNSET}\t{sizes}"
        f"\t{state or _UNSET}\t{_UNSET}\t{_UNSET}\t{_UNSET}\t{history or _UNSET}\t{sent}\t{_UNSET}\t{answered}"
        f"\t{_UNSET}\t{_UNSET}\t{community_id or _UNSET}\n"
    )


def _uid(name: str) -> str:
    """Return a UID; Zeek's are random, these are derived from the connection and so reproducible."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:12], "big")
    letters = []
    for _ in range(9):
        number, place = divmod(number, len(_PAIRS))
        letters.append(_PAIRS[place])
    return f"C{''.join(letters)[:17]}"


FORMATS = {
    "zeek": Format(render, (".log",)),
}
