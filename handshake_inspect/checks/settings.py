"""Merge rules from a profile, a file and the command line; for each rule, the last of these wins."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from handshake_inspect.checks.limits import CountLimit
from handshake_inspect.checks.rules import (
    COUNT_EXPRESSIONS,
    RTT_SHORTHANDS,
    Expectation,
    Rules,
    finding_id,
    ignored,
    rtt_limit,
    severity,
    total_rtt_limit,
)
from handshake_inspect.checks.setup_rules import (
    AllowedServer,
    MinResumedShare,
    MinTlsVersion,
    span_limit,
)
from handshake_inspect.errors import UsageError

FILES = ("hsi.toml", "pyproject.toml")
MAXIMA = tuple(f"max-{kind}" for kind in COUNT_EXPRESSIONS)
SETUP = ("setup", "min-tls", "min-resumed", "max-tls-failed", "max-extra-round-trips", "allow")
LISTS = ("rtt", *RTT_SHORTHANDS, *SETUP, "no-finding", "expect", "ignore", *MAXIMA)
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
    """Read rules from a TOML file (of pyproject.toml, the table `[tool.hsi]`); UsageError if it is invalid."""
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
    """Return the rules file in a directory: hsi.toml, else pyproject.toml with [tool.hsi], else None."""
    for name in FILES:
        path = directory / name
        if path.is_file() and (name == "hsi.toml" or read(path)):
            return path
    return None


def rules(options: Raw, file: Raw | None = None, where: str = "") -> Rules:
    """Merge profile, file and options into rules; `where` is the name of the file, for errors."""
    file = file or {}
    name = options.get("profile", file.get("profile"))
    if name is not None and name not in PROFILES:
        raise UsageError(f"no profile {name!r}; choose from {', '.join(PROFILES)}")
    profile = PROFILES[name] if name is not None else {}
    merged = {**profile, **file, **options}

    def source(key: str) -> str:
        return f"{where}: " if key in file and key not in options else ""

    return _RuleParser(merged, source).rules()


class _RuleParser:
    """Parses raw values into rules; errors name the rule and its file."""

    def __init__(self, raw: Raw, source: Callable[[str], str]) -> None:
        self.raw = raw
        self.source = source

    def rules(self) -> Rules:
        return Rules(
            count_limits=tuple(
                count_limit for name in MAXIMA for count_limit in self._all(name, partial(CountLimit.of, name))
            ),
            rtt=(
                *self._all("rtt", rtt_limit),
                *(limit for name in RTT_SHORTHANDS for limit in self._all(name, partial(total_rtt_limit, name))),
            ),
            setup=tuple(self._all("setup", span_limit)),
            min_tls=tuple(self._all("min-tls", MinTlsVersion.of)),
            min_resumed=tuple(self._all("min-resumed", MinResumedShare.of)),
            max_tls_failed=tuple(self._all("max-tls-failed", partial(CountLimit.of, "max-tls-failed"))),
            max_extra_round_trips=tuple(
                self._all("max-extra-round-trips", partial(CountLimit.of, "max-extra-round-trips"))
            ),
            allow=tuple(self._all("allow", AllowedServer.of)),
            expect=tuple(self._all("expect", Expectation.of)),
            no_finding=tuple(self._all("no-finding", finding_id)),
            fail_on=next(iter(self._all("fail-on", severity)), None),
            min_connections=self._number("min-connections", 1),
            ignore=tuple(self._all("ignore", ignored)),
            strict=self._flag("strict"),
            undecided=self._undecided(),
            given=frozenset(self.raw) - {"profile"},
        )

    def _all(self, key: str, parse_rule: Callable[[str], Any]) -> Iterable[Any]:
        value = self.raw.get(key, ())
        texts = list(value) if isinstance(value, (list, tuple)) else [value]
        for text in texts:
            if isinstance(text, bool) or not isinstance(text, (str, int)):
                raise UsageError(f"{self.source(key)}{key}: {text!r} is not a valid rule")
            try:
                yield parse_rule(str(text))
            except UsageError as error:
                error.args = (f"{self.source(key)}{error.args[0]}",)
                raise

    def _number(self, key: str, default: int) -> int:
        value = self.raw.get(key, default)
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
