"""What `hsi check` was asked to hold a report to, and how it tells what came of that."""
# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from handshake_inspect.cli.selecting import chosen_format, narrowed, test_of
from handshake_inspect.render import CHECKS, Options, check_renderer

if TYPE_CHECKING:
    from handshake_inspect.checks.held import Holder
    from handshake_inspect.checks.rules import Rules
    from handshake_inspect.cli.output import Target
    from handshake_inspect.report.checked import Checked
    from handshake_inspect.report.model import Connections, Report

RULES = ("profile", "rtt", "expect", "no_finding", "fail_on", "min_connections", "ignore", "undecided", "strict")


class Judge:
    """The rules, the connections that they are about, and the looks of the answer."""

    def __init__(self, given: dict[str, Any]) -> None:
        """Read what the command line says; UsageError for rules that cannot be meant."""
        self.rules = _rules(given)
        self.test = test_of(given["where"])
        self.form = chosen_format(given["form"], given["output"], CHECKS)
        self.limit: int = given["limit"]
        self.color: str = given["color"]
        self.verbosity = -int(given["quiet"])

    def hold(self, report: Report) -> Holder:
        """Hold the rules against the connections of a report that they are about."""
        from handshake_inspect.checks.held import Holder

        return Holder(narrowed(report, self.test), self.rules, self.limit)

    def show(self, checked: Checked, target: Target, stream: BinaryIO) -> None:
        """Write it in the format that was asked for."""
        looks = Options(target.width, target.colored(self.color), target.encoding, verbosity=self.verbosity)
        check_renderer(self.form)(checked, stream, looks)


def broken(holder: Holder) -> Connections:
    """The connections that broke a rule."""
    from handshake_inspect.expression.select import selected

    return selected(holder.report, holder.broken).connections


def _rules(given: dict[str, Any]) -> Rules:
    from handshake_inspect.checks import settings

    options = {key.replace("_", "-"): given[key] for key in given if key in RULES or key.startswith("max_")}
    options.pop("max-connections", None)  # bounds memory
    options = {key: value for key, value in options.items() if value not in (None, ())}
    name = given["rules_file"]
    path = Path(name) if name else None if given["no_rules"] else settings.found(Path())
    return settings.rules(options, settings.read(path) if path else None, str(path or ""))
