"""The picture in README, docs/explain.svg: what hsi prints, as a terminal shows it.  Written by docs/generate.py."""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "explain.svg"
COMMAND = ("explain", "pcaps/accept-queue-overflow.pcap", "2")
WIDTH, LAST = 100, "the capture ends"  # the line that the picture ends with


def shown(color: str = "always") -> str:
    """What the command prints, up to the end of the ladder."""
    environment = {
        **os.environ, "COLUMNS": str(WIDTH), "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8",
        "TERM": "xterm-256color",
    }  # fmt: skip
    command = [sys.executable, "-P", "-m", "handshake_inspect", *COMMAND, "--color", color]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True)
    lines = done.stdout.splitlines()
    return "\n".join(lines[: next(i for i, line in enumerate(lines) if LAST in line) + 1])


def svg(text: str) -> str:
    """The text as a terminal shows it, in SVG that loads nothing."""
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text), soft_wrap=True)
    drawn = console.export_svg(title=f"hsi {' '.join(COMMAND)}", unique_id="explain")
    drawn = re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"
