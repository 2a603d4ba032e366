"""A sample is in order when Wireshark reads it without complaint and its JSON says as many frames."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

MOST_BYTES = 400_000


def problem(directory: Path, name: str) -> str | None:
    """What is wrong with a sample, None when nothing is."""
    file, beside = directory / f"{name}.pcap", directory / f"{name}.json"
    if not file.exists() or not beside.exists():
        return "not made"
    document = json.loads(beside.read_text())
    if file.stat().st_size > MOST_BYTES:
        return f"{file.stat().st_size} bytes: too big"
    expected = document["expected"]
    if expected["connections"] is not None and not expected["connections"] and "quic_connections" not in expected:
        return "it expects nothing"
    if shutil.which("tshark") is None:
        return None
    done = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-T", "fields", "-e", "frame.number", "-e", "_ws.malformed"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    if done.returncode != 0:
        return f"tshark: {done.stderr.strip()}"
    if len(lines) != document["capture"]["frames"] or not lines:
        return f"tshark counts {len(lines)} frames, the sample says {document['capture']['frames']}"
    malformed = [line.split("\t")[0] for line in lines if line.split("\t")[1:] not in ([], [""])]
    if malformed and document["capture"]["snaplen"] > 65535:
        return f"malformed frames: {', '.join(malformed[:5])}"
    return None
