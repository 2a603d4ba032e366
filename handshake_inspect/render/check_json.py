"""What a check found, as one JSON object with an assertion per line."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from handshake_inspect.render import Options
from handshake_inspect.report.checked import Checked


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write the object; its schema is that of `hsi schema check`."""
    document = msgspec.to_builtins(checked)
    assertions = b",\n".join(msgspec.json.encode(each) for each in checked.assertions)
    document["assertions"] = msgspec.Raw(b"[" + assertions + b"]")
    sources = document["capture"]["sources"]  # file names that are not UTF-8 reach us as lone surrogates
    document["capture"]["sources"] = [name.encode("utf-8", "backslashreplace").decode() for name in sources]
    separator = b"{"
    for key, value in document.items():
        out.write(separator + msgspec.json.encode(key) + b":" + msgspec.json.encode(value))
        separator = b",\n"
    out.write(b"}\n")
