"""Run by cibuildwheel on every wheel: the command starts, is compiled, and understands a sample capture."""

import json
import subprocess
import sys
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "pcaps" / "refused.pcap"


def hsi(*arguments: str) -> str:
    """Run the command; return what it printed, and end the check if it failed."""
    command = [sys.executable, "-P", "-m", "handshake_inspect", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


version = hsi("--version")
if "compiled" not in version:
    sys.exit(f"the wheel has no compiled modules: {version.strip()}")
outcomes = json.loads(hsi("analyze", "-T", "json", str(SAMPLE)))["summary"]["outcomes"]
if outcomes["refused"] != 1:
    sys.exit(f"{SAMPLE.name}: {outcomes}")
print(version.strip())
