"""Rules from a profile, a file and the command line: what is nearer to the user wins, rule by rule."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from handshake_inspect.checks.rules import (
    COUNTED,
    SHORT,
    Ceiling,
    Expectation,
    RttLimit,
    Rules,
    finding_id,
    ignored,
    severity,
)
from handshake_inspect.checks.setup_rules import Allowed, LeastResumed, LeastVersion, SetupCeiling, SpanLimit
from handshake_inspect.errors import UsageError

FILES = ("hsi.toml", "pyproject.toml")
MAXIMA = tuple(f"max-{kind}" for kind in COUNTED)
SETUP = ("setup", "min-tls", "min-resumed", "max-tls-failed", "max-extra-round-trips", "allow")
LISTS = ("rtt", *SHORT, *SETUP, "no-finding", "expect", "ignore", *MAXIMA)
KEYS = ("profile", "fail-on", "min-connections", "strict", "undecided", *LISTS)

Raw = Mapping[str, Any]

PROFILES: dict[str, Raw] = {
    "smoke": {
        "max-refused": 0, "max-rejected": 0, "max-timed-out": 0, "max-half-open": 0, "fail-on": "critical",
    },
    "strict": {
        "max-refused": 0, "max-rejected": 0, "max-timed-out": 0, "max-half-open": 0, "max-aborted": 0,
        "max-retransmitted": 0, "fail-on": "warning", "undecided": "fail", "strict": True,
    },
}  # fmt: skip


def read(path: Path) -> Raw:
    """The rules of a file: all of it, or `[tool.hsi]` of a pyproject.toml.  UsageError where it cannot be read."""
    try:
        document: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    if path.name == "pyproject.toml":
        tool = document.get("tool", {})
        document = tool.get("hsi", {}) if isinstance(tool, dict) else {}
    if not isinstance(document, dict):
        raise UsageError(f"{path}: [tool.hsi] is not a table")
    for key in document:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            raise UsageError(f"{path}: no rule {key!r}{f'; did you mean {near[0]}?' if near else ''}")
    return document


def found(directory: Path) -> Path | None:
    """The file that holds rules here: hsi.toml, else a pyproject.toml with [tool.hsi]."""
    for name in FILES:
        path = directory / name
        if path.is_file() and (name == "hsi.toml" or read(path)):
            return path
    return None


def rules(options: Raw, file: Raw | None = None, where: str = "") -> Rules:
    """Put together what was asked for; `where` names the file in errors."""
    file = file or {}
    name = options.get("profile", file.get("profile"))
    if name is not None and name not in PROFILES:
        raise UsageError(f"no profile {name!r}; choose from {', '.join(PROFILES)}")
    profile = PROFILES[name] if name is not None else {}
    merged = {**profile, **file, **options}

    def source(key: str) -> str:
        return f"{where}: " if key in file and key not in options else ""

    return _Reader(merged, source).rules()


class _Reader:
    """Raw values to rules; every mistake names the rule, and the file that it stands in."""

    def __init__(self, raw: Raw, source: Callable[[str], str]) -> None:
        self.raw = raw
        self.source = source

    def rules(self) -> Rules:
        return Rules(
            ceilings=tuple(
                ceiling for kind in COUNTED for ceiling in self._all(f"max-{kind}", partial(Ceiling.of, kind))
            ),
            rtt=(
                *self._all("rtt", RttLimit.of),
                *(limit for name in SHORT for limit in self._all(name, partial(RttLimit.short, name))),
            ),
            setup=tuple(self._all("setup", SpanLimit.of)),
            min_tls=tuple(self._all("min-tls", LeastVersion.of)),
            min_resumed=tuple(self._all("min-resumed", LeastResumed.of)),
            max_tls_failed=tuple(self._all("max-tls-failed", partial(SetupCeiling.of, "max-tls-failed"))),
            max_extra_round_trips=tuple(
                self._all("max-extra-round-trips", partial(SetupCeiling.of, "max-extra-round-trips"))
            ),
            allow=tuple(self._all("allow", Allowed.of)),
            expect=tuple(self._all("expect", Expectation.of)),
            no_finding=tuple(self._all("no-finding", finding_id)),
            fail_on=next(iter(self._all("fail-on", severity)), None),
            min_connections=self._number("min-connections", 1),
            ignore=tuple(self._all("ignore", ignored)),
            strict=self._flag("strict"),
            undecided=self._undecided(),
            given=frozenset(self.raw) - {"profile"},
        )

    def _all(self, key: str, made: Callable[[str], Any]) -> Iterable[Any]:
        value = self.raw.get(key, ())
        texts = list(value) if isinstance(value, (list, tuple)) else [value]
        for text in texts:
            if isinstance(text, bool) or not isinstance(text, (str, int)):
                raise UsageError(f"{self.source(key)}{key}: {text!r} is not a valid rule")
            try:
                yield made(str(text))
            except UsageError as error:
                error.args = (f"{self.source(key)}{error.args[0]}",)
                raise

    def _number(self, key: str, otherwise: int) -> int:
        value = self.raw.get(key, otherwise)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UsageError(f"{self.source(key)}{key}: {value!r} is not a number of connections")
        return value

    def _flag(self, key: str) -> bool:
        value = self.raw.get(key, False)
        if not isinstance(value, bool):
            raise UsageError(f"{self.source(key)}{key}: {value!r} is neither true nor false")
        return value

    def _undecided(self) -> Any:
        value = self.raw.get("undecided", "ignore")
        if value not in ("fail", "ignore"):
            raise UsageError(f"{self.source('undecided')}undecided: {value!r} is neither fail nor ignore")
        return value
