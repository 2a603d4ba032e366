"""Help pages for terms in reports (outcomes, causes, findings, states, terms), for `hsi help` and SARIF."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("topics.json")  # written by docs/generate.py


@cache
def topics() -> dict[str, dict[str, str]]:
    """Return, by kind (outcome, cause, finding, state, term), a page of Markdown for each word."""
    return dict(json.loads(_FILE.read_text(encoding="utf-8")))


def explained(word: str) -> tuple[str, list[str], list[str]]:
    """Return a word as the docs spell it, its kinds, and the pages about it; all empty if unknown."""
    found = _found(lambda name: name == word) or _found(lambda name: folded(name) == folded(word))
    pages = list(dict.fromkeys(page for _, page in found.values()))
    pages = [page for page in pages if not any(page in other for other in pages if other is not page)]
    name = next((name for name, _ in found.values()), "")
    return name, list(found), pages


def _found(is_it: Callable[[str], bool]) -> dict[str, tuple[str, str]]:
    return {kind: each for kind, pages in topics().items() for each in pages.items() if is_it(each[0])}


def folded(word: str) -> str:
    """Normalise case, spaces, hyphens and underscores of a word."""
    return re.sub(r"[\s_-]+", "-", word.strip()).lower()
