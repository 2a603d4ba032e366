"""One JSON object per line: every connection, then every finding, then the capture and its summary.

`event` says what a line is: `connection`, `finding` or `summary`.  With chosen fields a line holds these alone.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

from handshake_inspect.render import Options
from handshake_inspect.render.rows import chunks, columns, values
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.model import Ending, Report

_ENCODER = msgspec.json.Encoder()


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write one object per line."""
    if options.fields:
        fields = columns(options)
        names = [field.name for field in fields]
        for made in values(report, fields, options):
            lines = [dict(zip(names, row, strict=True)) for row in zip(*made, strict=True)]
            out.write(_ENCODER.encode_lines(lines))
        return
    for chunk in chunks(report, options):
        out.writelines(_event("connection", connection) for connection in chunk)
    out.writelines(_event("finding", finding) for finding in report.findings)
    out.write(_event("summary", Ending(tool=report.tool, capture=report.capture, summary=report.summary)))


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one line per assertion, and one for the whole."""
    out.writelines(_event("assertion", each) for each in checked.assertions)
    whole = msgspec.structs.asdict(checked)
    del whole["assertions"]
    out.write(_event("check", whole))


def _event(kind: str, body: Any) -> bytes:
    try:
        encoded = _ENCODER.encode(body)
    except UnicodeEncodeError:  # a file name that is not UTF-8 reached us as lone surrogates
        encoded = _ENCODER.encode(_mended(msgspec.to_builtins(body)))
    return b'{"event":"%s",%s\n' % (kind.encode(), encoded[1:])


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {key: _mended(item) for key, item in value.items()}
    return value
