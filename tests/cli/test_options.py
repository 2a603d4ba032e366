"""The classes of options: what the command line says becomes a typed object; what is shared is the same everywhere."""

import dataclasses
from decimal import Decimal
from importlib import import_module
from typing import get_type_hints

import click
import msgspec
import pytest

from handshake_inspect.checks import settings
from handshake_inspect.cli import options
from handshake_inspect.cli.analyze import AnalyzeOptions
from handshake_inspect.cli.check_options import CheckOptions, LiveCheckOptions, RuleOptions
from handshake_inspect.cli.diff import DiffOptions
from handshake_inspect.cli.explain import ExplainOptions
from handshake_inspect.cli.live_options import WatchOptions
from handshake_inspect.cli.pair import PairOptions
from handshake_inspect.cli.verify import VerifyOptions
from handshake_inspect.engine import Options

COMMANDS = {
    "analyze": (AnalyzeOptions, ["a.pcap"]), "diff": (DiffOptions, ["old.pcap", "new.pcap"]),
    "explain": (ExplainOptions, ["a.pcap", "7"]), "check": (CheckOptions, ["a.pcap"]),
    "live": (WatchOptions, ["-i", "lo"]), "pair": (PairOptions, ["a.pcap", "b.pcap"]),
    "verify": (VerifyOptions, ["a.pcap"]),
}  # fmt: skip


def parsed(kind, arguments):
    """The object that a command with these options is called with."""
    seen = []

    @click.command()
    @options.takes(kind)
    def command(given):
        seen.append(given)

    command.main(arguments, standalone_mode=False)
    return seen[0]


def leaves(given):
    for field in dataclasses.fields(given):
        value = getattr(given, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value)
        else:
            yield type(given), field.name, value


EVERYTHING = {
    "analyze": ["-r", "b.pcap", "-T", "csv", "-o", "x", "-e", "id", "-Y", "id == 1", "--write", "w", "--all", "-q",
                "-v", "-n", "--strict", "--no-connections", "--max-connections", "5", "--no-progress", "a.pcap"],
    "diff": ["--by", "port", "--max-rtt-increase", "5%", "--min-rtt-shift", "2ms", "--max-failure-increase", "1",
             "--no-vanished", "--color", "never", "old.pcap", "new.pcap"],
    "explain": ["--finding", "refused", "--limit", "9", "--strict", "--timeout", "0.5", "a.pcap", "7"],
    "check": ["--profile", "smoke", "--rules", "f", "--no-rules", "--max-refused", "1", "--rtt", "total.p95<1ms",
              "--expect", "* refused", "--no-finding", "refused", "--fail-on", "info", "--min-connections", "0",
              "--ignore", "id == 1", "--undecided", "fail", "--strict", "--live", "-i", "lo", "-f", "tcp",
              "--duration", "2m", "-c", "3", "--settle", "1s", "-Z", "me", "-s", "0", "-p", "--backend", "ring", "-B",
              "4", "a.pcap"],
    "live": ["-i", "lo", "-r", "-", "-D", "-f", "tcp", "--handshakes-only", "-c", "1", "--duration", "1h", "-a",
             "duration:3", "-w", "w", "-s", "0", "-p", "--backend", "tshark", "-B", "1", "--no-host", "-Z", "me",
             "--keep", "7", "-l", "-n", "tcp", "port", "80"],
    "pair": ["--explain", "7", "-T", "json", "-o", "x", "--all", "-q", "--jobs", "2", "a.pcap", "b.pcap"],
    "verify": ["-T", "json", "-o", "x", "--all", "-q", "--no-names", "a.pcap"],
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("every", [False, True], ids=["defaults", "everything"])
def test_values_are_of_the_types_that_the_fields_say(name, every):
    kind, least = COMMANDS[name]
    for owner, field, value in leaves(parsed(kind, EVERYTHING[name] if every else least)):
        hint = get_type_hints(owner)[field]
        made = msgspec.convert(value, hint)
        assert (made, type(made)) == (value, type(value)), f"{owner.__name__}.{field}"


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_changed_later(name):
    given = parsed(*COMMANDS[name])
    for owner, *_ in leaves(given):
        assert owner.__dataclass_params__.frozen
    with pytest.raises(dataclasses.FrozenInstanceError):
        given.form = "json"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_options_of_its_class_in_their_order(name):
    command = import_module(f"handshake_inspect.cli.{name}").command
    kind, least = COMMANDS[name]
    assert [each.name for each in command.params] == [field for _, field, _ in leaves(parsed(kind, least))]
    flags = [flag for each in command.params for flag in each.opts if flag.startswith("-")]
    assert len(set(flags)) == len(flags)


def test_what_commands_share_means_the_same_in_each():
    """The same letters, the same type, and as often; only help and defaults may differ."""
    seen = {}
    for name in COMMANDS:
        for each in import_module(f"handshake_inspect.cli.{name}").command.params:
            if isinstance(each, click.Option):
                meant = (sorted(each.opts), each.metavar, type(each.type).__name__, each.is_flag, each.multiple)
                seen.setdefault(max(each.opts, key=len), {})[name] = meant
    for flag in ("--write", "--read"):  # of hsi live: all frames, one stream
        del seen[flag]["live"]
    assert {flag for flag, uses in seen.items() if len(set(map(repr, uses.values()))) > 1} == set()
    assert set(seen["--time-wait"]) == set(COMMANDS)
    assert set(seen["--interface"]) == {"check", "live"}


def test_every_rule_is_an_option():
    """And the other way round: a rule that checks know and the command does not is named here."""
    names = {field.name.replace("_", "-") for field in dataclasses.fields(RuleOptions)} - {"rules-file", "no-rules"}
    assert names == set(settings.KEYS)


def test_what_needs_live_is_refused_without():
    given = parsed(CheckOptions, ["a.pcap"]).capture
    assert given.option_without_live() is None
    for field in dataclasses.fields(LiveCheckOptions):
        if field.name != "live":
            changed = dataclasses.replace(given, **{field.name: 1})
            assert changed.option_without_live() == f"--{field.name.replace('_', '-')}"


def test_what_the_engine_gets():
    default = parsed(AnalyzeOptions, ["a.pcap"]).analysis
    assert default.settings == Options()
    arguments = ["--time-wait", "0.000000001", "--timeout", "2", "--max-connections", "3", "a.pcap"]
    assert parsed(AnalyzeOptions, arguments).analysis.settings == Options(3, 1, 2_000_000_000)


@pytest.mark.parametrize(
    ("text", "value"), [("20%", Decimal(20)), ("0", Decimal(0)), ("2.5 %", Decimal("2.5")), ("1000000", Decimal(10**6))]
)
def test_percent(text, value):
    assert options.percentage(text) == value


@pytest.mark.parametrize("text", ["-1", "x", "1000001", "%", "nan", ""])
def test_no_percent(text):
    with pytest.raises(click.BadParameter):
        options.percentage(text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [("60", 60 * 10**9), ("0.000000001", 1), ("0", 0), ("1e-3", 10**6), ("4611686018.427387904", 1 << 62)],
)
def test_seconds_are_exact(text, ns):
    assert options.seconds_to_ns(text) == ns


@pytest.mark.parametrize("text", ["-0.1", "x", "", "nan", "inf", "4611686018.427387905"])
def test_no_seconds(text):
    with pytest.raises(click.BadParameter):
        options.seconds_to_ns(text)


def test_a_shift_is_written_as_in_rules():
    assert options.duration_to_ns("1ms") == 1_000_000
    with pytest.raises(click.BadParameter):
        options.duration_to_ns("1")
