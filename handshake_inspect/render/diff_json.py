"""What `hsi diff` found, as one JSON object with a service per line."""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

from handshake_inspect.render import Options
from handshake_inspect.report.difference import Difference


def render_diff(difference: Difference, out: BinaryIO, _: Options) -> None:
    """Write the object; its schema is that of `hsi schema diff`."""
    document: dict[str, Any] = msgspec.to_builtins(difference)
    for side in ("old", "new"):  # file names that are not UTF-8 reach us as lone surrogates
        sources = document[side]["sources"]
        document[side]["sources"] = [name.encode("utf-8", "backslashreplace").decode() for name in sources]
    services = b",\n".join(msgspec.json.encode(each) for each in difference.services)
    document["services"] = msgspec.Raw(b"[" + services + b"]")
    separator = b"{"
    for key, value in document.items():
        out.write(separator + msgspec.json.encode(key) + b":" + msgspec.json.encode(value))
        separator = b",\n"
    out.write(b"}\n")
