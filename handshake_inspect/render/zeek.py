"""Connections as Zeek's conn.log: tab-separated, with the header that zeek-cut reads.

What a passive look at TCP headers does not give Zeek's way (services, IP octets, local networks) is unset.  `#open` and
`#close` are the times of the capture, so that the same capture gives the same log.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.rows import chunks
from handshake_inspect.report.model import Connection, Report

_SECOND = 1_000_000_000
_UNSET = "-"
_COLUMNS = (
    ("ts", "time"), ("uid", "string"), ("id.orig_h", "addr"), ("id.orig_p", "port"), ("id.resp_h", "addr"),
    ("id.resp_p", "port"), ("proto", "enum"), ("service", "string"), ("duration", "interval"), ("orig_bytes", "count"),
    ("resp_bytes", "count"), ("conn_state", "string"), ("local_orig", "bool"), ("local_resp", "bool"),
    ("missed_bytes", "count"), ("history", "string"), ("orig_pkts", "count"), ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"), ("resp_ip_bytes", "count"), ("tunnel_parents", "set[string]"), ("community_id", "string"),
)  # fmt: skip
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the log; its order is that of first frames."""
    capture = report.capture
    head = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", f"#unset_field\t{_UNSET}", "#path\tconn",
        f"#open\t{_moment(capture.first_ns)}",
        "\t".join(["#fields", *(name for name, _ in _COLUMNS)]), "\t".join(["#types", *(kind for _, kind in _COLUMNS)]),
    ]  # fmt: skip
    out.write("".join(f"{line}\n" for line in head).encode())
    for chunk in chunks(report, options):
        out.writelines(_line(connection).encode() for connection in chunk)
    out.write(f"#close\t{_moment(capture.last_ns)}\n".encode())


def _moment(ns: int | None) -> str:
    try:
        return f"{datetime.fromtimestamp((ns or 0) // _SECOND, UTC):%Y-%m-%d-%H-%M-%S}"
    except (ValueError, OverflowError, OSError):  # a clock beyond the calendar
        return "1970-01-01-00-00-00"


def _seconds(ns: int) -> str:
    whole, rest = divmod(ns, _SECOND)
    return f"{whole}.{rest // 1_000:06}"


def _line(connection: Connection) -> str:
    there, back, alias = connection.client_to_server, connection.server_to_client, connection.aliases
    alone = there.frames + back.frames < 2  # Zeek has no duration, and then no sizes, of a single packet
    cells = (
        _seconds(connection.first_ns),
        _uid(connection),
        connection.client.ip,
        connection.client.port,
        connection.server.ip,
        connection.server.port,
        "tcp",
        _UNSET,
        _UNSET if alone else _seconds(max(connection.last_ns - connection.first_ns, 0)),
        _UNSET if alone else there.bytes,
        _UNSET if alone else back.bytes,
        alias.zeek.conn_state if alias.zeek else _UNSET,
        _UNSET,
        _UNSET,
        _UNSET,
        (alias.zeek.history if alias.zeek else "") or _UNSET,
        there.frames,
        _UNSET,
        back.frames,
        _UNSET,
        _UNSET,
        alias.community_id or _UNSET,
    )
    return "\t".join(map(str, cells)) + "\n"


def _uid(connection: Connection) -> str:
    """Zeek's are random; these name the same connection of the same capture each time."""
    told = f"{connection.id} {connection.first_ns} {connection.client} {connection.server}"
    number = int.from_bytes(hashlib.sha256(told.encode()).digest()[:12], "big")
    letters = ""
    for _ in range(17):
        number, digit = divmod(number, len(_LETTERS))
        letters += _LETTERS[digit]
    return f"C{letters}"
