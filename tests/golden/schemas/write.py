"""Keep what this version writes, for all later ones to read: `python tests/golden/schemas/write.py`, once a release.

A file that exists is never written again: it says what that release wrote.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CAPTURES = ["closed-by-client", "refused", "accept-queue-overflow-recovered", "timed-out-host-silent", "pending"]
FILES = [f"{name}.pcap" for name in CAPTURES]
ONE, OTHER = "closed-by-client.pcap", "refused.pcap"
RULES = ["--no-rules", "--profile", "strict", "--expect", "*:80 established", "--rtt", "total.p95<1us"]

COMMANDS = {
    "hsi-report-1": ["analyze", "-T", "json", *FILES],
    "hsi-event-1": ["analyze", "-T", "ndjson", *FILES],
    "hsi-event-1-live": ["live", "-q", "-T", "ndjson", "-r", OTHER],
    "hsi-event-1-check": ["check", "-T", "ndjson", *RULES, *FILES],
    "hsi-check-1": ["check", "-T", "json", *RULES, *FILES],
    "hsi-diff-1": ["diff", "-T", "json", ONE, OTHER],
    "hsi-explain-1": ["explain", "-T", "json", "accept-queue-overflow-recovered.pcap", "0"],
    "hsi-explain-quic-1": ["explain", "-T", "json", "quic-early-data.pcap", "q1"],
}


def main() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for name, arguments in COMMANDS.items():
        suffix = "ndjson" if "event" in name else "json"
        path = HERE / f"{name}-by-{version}.{suffix}"
        if path.exists():
            print(f"{path.name} is there")
            continue
        done = subprocess.run(
            [sys.executable, "-P", "-m", "handshake_inspect", *arguments],
            capture_output=True, check=False, cwd=ROOT / "pcaps", env=environment,
        )  # fmt: skip
        if done.returncode not in (0, 1):
            sys.exit(done.stderr.decode())
        # A source tree does not know its version.
        path.write_bytes(done.stdout.replace(b'"version":"0+unknown"', f'"version":"{version}"'.encode()))


if __name__ == "__main__":
    main()
