"""The table of samples in the README, from the scenarios' own sentences."""

from __future__ import annotations

import json
from pathlib import Path

from lab.sample import SCENARIOS, summary

_BEGIN, _END = "<!-- samples: written by make.py -->", "<!-- end of samples -->"


def verdict(directory: Path, name: str) -> str:
    """The outcomes that a sample expects, in words."""
    file = directory / f"{name}.json"
    if not file.exists():
        return "(not made)"
    expected = json.loads(file.read_text())["expected"]
    words = []
    for outcome, count in expected["outcomes"].items():
        number = f"{count[0]} to {count[1]}" if isinstance(count, list) else str(count)
        causes = {c.get("cause") for c in expected["connections"] or [] if c["outcome"] == outcome} - {None}
        words.append(f"{number} {outcome}" + (f" ({', '.join(sorted(causes))})" if causes else ""))
    return ", ".join(words)


def write(file: Path) -> None:
    """Replace the table between the two markers."""
    before, _, rest = file.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    rows = ["", "| sample | what it shows | expected |", "|---|---|---|"]
    rows += [f"| `{name}` | {summary(name)} | {verdict(file.parent, name)} |" for name in SCENARIOS]
    file.write_text(before + _BEGIN + "\n".join(rows) + "\n" + _END + after)
