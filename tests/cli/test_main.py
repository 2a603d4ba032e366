"""The command line in process: what means what, and what goes wrong with which status."""

import json
import sys

import click
import pytest
from click.testing import CliRunner
from support.stub_engine import StubEngine

import handshake_inspect
from handshake_inspect.cli.root import hsi

SECOND = 1_000_000_000


@pytest.fixture
def engine(monkeypatch):
    stub = StubEngine()
    monkeypatch.setitem(sys.modules, "handshake_inspect.engine", stub)
    monkeypatch.setattr(handshake_inspect, "engine", stub, raising=False)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "HSI_DEBUG", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return stub


@pytest.fixture
def run(engine):
    return lambda *args, **more: CliRunner().invoke(hsi, args, **more)


@pytest.mark.parametrize(
    "args",
    [
        ["healthy"],
        ["-r", "healthy"],
        ["analyze", "healthy"],
        ["analyze", "-r", "healthy"],
        ["-T", "text", "healthy"],
        ["-n", "healthy"],
        ["healthy", "-n"],
        ["-nr", "healthy"],
    ],
)
def test_a_file_means_analyze(run, engine, args):
    result = run(*args)
    assert result.exit_code == 0
    assert "CONNECTIONS  40" in result.stdout
    assert result.stderr == ""
    assert engine.paths == ["healthy"]


@pytest.mark.parametrize(("command", "usage"), [("diff", "OLD NEW"), ("pair", "A B")])
def test_what_is_missing_is_shown_in_its_place(run, command, usage):
    result = run(command, "healthy")
    assert result.exit_code == 2
    assert result.stderr.endswith(f"'{usage.split()[1]}'; usage: hsi {command} [OPTIONS] {usage}\n")


def test_json(run):
    result = run("-T", "json", "troubled")
    assert json.loads(result.stdout)["summary"]["connections"] == 101
    assert result.stderr == "hsi: warning: the file ends inside a frame\n"
    assert run("-qT", "json", "troubled").stderr == ""


def test_several_captures_in_order(run, engine):
    run("-T", "csv", "-r", "one", "two", "-r", "-")
    assert engine.paths == ["one", "-", "two"]


def test_options_reach_the_engine(run, engine):
    run("--time-wait", "0.1", "--timeout", "1.000000001", "--max-connections", "7", "healthy")
    assert engine.options == engine.Options(max_connections=7, time_wait_ns=SECOND // 10, unanswered_ns=SECOND + 1)
    run("healthy")
    assert engine.options == engine.Options(time_wait_ns=60 * SECOND, unanswered_ns=3 * SECOND)


def test_views(run):
    assert "EVERY CONNECTION  40" in run("--all", "healthy").stdout
    assert "TROUBLE" not in run("--no-connections", "troubled").stdout
    assert json.loads(run("--no-connections", "-T", "json", "troubled").stdout)["connections"] is None
    assert run("-q", "healthy").stdout == "40 of 40 connections established\n"
    line = run("-q", "troubled").stdout  # the report wraps it at 80 columns
    assert run("troubled").stdout.split()[: len(line.split())] == line.split()
    assert line.endswith(" did not accept in time\n")
    assert "evidence: frames" in run("-v", "troubled").stdout


def test_strict_is_for_captures_that_are_cut(run):
    assert run("troubled").exit_code == 0
    result = run("--strict", "troubled")
    assert result.exit_code == 3
    assert "CONNECTIONS  101" in result.stdout
    assert run("--strict", "healthy").exit_code == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["analyze"], "name a capture"),
        (["--strickt", "healthy"], "--strict"),
        (["analyze", "--al", "healthy"], "--all"),
        (["-T", "yaml", "healthy"], "--format: 'yaml' is not one of text, json, "),
        (["-T", "jsn", "healthy"], "; did you mean json?"),
        (["-Q", "healthy"], "no such option: -Q; hsi analyze --help lists them"),
        (["-o", "no/such/place.json", "healthy"], "; make its directory, or write elsewhere"),
        (["schem"], "Did you mean schema?"),
        (["lo"], "no such file: lo is an interface; hsi live -i lo watches it"),
        (["analyse"], "Did you mean analyze?"),
        (["-q", "analyze", "healthy"], "options come after the command: hsi analyze"),
        (["-", "-r", "-"], "only once"),
        (["--time-wait", "soon", "healthy"], "not a number of seconds"),
        (["--timeout", "-1", "healthy"], "not a number of seconds"),
        (["--timeout", "nan", "healthy"], "not a number of seconds"),
        (["--timeout", "1e400", "healthy"], "not a number of seconds"),
        (["--max-connections", "0", "healthy"], "--max-connections: 0 is too small: at least 1"),
        (["--jobs", "999", "healthy"], "--jobs: 999 is out of range: 0 to 256"),
        (["missing"], "missing: no such file"),
        (["bug"], r"please report it with what HSI_DEBUG=1 shows: ZeroDivisionError: a\nbug"),
        (["memory"], "out of memory; --max-connections"),
        (["pages"], "out of memory; --max-connections"),
    ],
)
def test_what_goes_wrong_is_one_line_and_status_2(run, args, message):
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("hsi: error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bug_shows_its_traceback_when_asked(run, monkeypatch):
    monkeypatch.setenv("HSI_DEBUG", "1")
    assert isinstance(run("bug").exception, ZeroDivisionError)


def test_an_interrupt_is_130(run):
    result = run("interrupt")
    assert result.exit_code == 130
    assert result.stdout == ""


@pytest.mark.parametrize(("build", "size", "said"), [("pure", 1, True), ("pure", 0, False), ("compiled", 1, False)])
def test_the_slow_build_says_so_once_where_it_matters(run, tmp_path, monkeypatch, build, size, said):
    monkeypatch.setattr("handshake_inspect.about.build", lambda: build)
    monkeypatch.setattr("handshake_inspect.cli.input_options.SLOW_SIZE", 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "healthy").write_bytes(bytes(size))
    result = run("healthy")
    assert result.stderr.count("pure build") == int(said)
    assert run("-q", "healthy").stderr == ""


def test_output_appears_whole(run, tmp_path):
    path = tmp_path / "report.json"
    assert run("-T", "json", "-o", str(path), "healthy").stdout == ""
    assert json.loads(path.read_bytes())["summary"]["connections"] == 40
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("failing", ["missing", "bug", "interrupt"])
def test_nothing_half_written_remains(run, tmp_path, failing):
    path = tmp_path / "report.json"
    path.write_text("the old one")
    assert run("-o", str(path), failing).exit_code != 0
    assert path.read_text() == "the old one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_output_goes_through_a_link_and_keeps_the_mode(run, tmp_path):
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    assert run("-o", str(link), "healthy").exit_code == 0
    assert link.is_symlink()
    assert "CONNECTIONS" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


def test_output_is_refused_before_the_work(run, engine, tmp_path):
    result = run("-o", str(tmp_path / "no" / "report.txt"), "healthy")
    assert result.exit_code == 2
    assert "cannot write" in result.stderr
    assert engine.paths is None


def test_output_may_not_replace_the_capture(run, tmp_path):
    capture = tmp_path / "a.pcap"
    capture.write_bytes(b"precious")
    result = run("-o", str(capture), str(capture))
    assert result.exit_code == 2
    assert capture.read_bytes() == b"precious"


def test_output_to_a_device(run):
    assert run("-o", "/dev/null", "healthy").exit_code == 0
    result = run("-o", "/dev/full", "healthy")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "hsi: error: cannot write /dev/full: No space left on device; free some space, or write elsewhere\n"
    )


@pytest.mark.parametrize(
    ("environment", "args", "colored"),
    [
        ({}, [], False),
        ({"FORCE_COLOR": "1"}, [], True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
        ({"FORCE_COLOR": "1"}, ["--color", "never"], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({"FORCE_COLOR": "1"}, ["-T", "json"], False),
    ],
)
def test_colour(run, environment, args, colored):
    result = run(*args, "healthy", env=environment, color=True)
    assert ("\x1b[" in result.stdout) == colored


def test_columns_widen_the_table(run):
    assert "p95" not in run("healthy").stdout
    assert "p95" in run("healthy", env={"COLUMNS": "120"}).stdout
    assert "median" in run("healthy", env={"COLUMNS": "wide"}).stdout


def test_the_c_locale_gets_ascii(run):
    assert run("healthy", env={"LC_ALL": "C"}).stdout.isascii()
    assert not run("healthy").stdout.isascii()


def test_help_shows_examples_and_statuses(run):
    for args in (["--help"], ["analyze", "--help"], ["-T", "json", "--help"]):
        result = run(*args)
        assert result.exit_code == 0
        assert "Examples:" in result.stdout
        assert "3  with --strict" in result.stdout
    assert "analyze" in run("--help").stdout


def test_every_command_and_option_explains_itself():
    context = click.Context(hsi)
    for name in hsi.list_commands(context):
        command = hsi.get_command(context, name)
        assert command.help
        assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_schema(run, tmp_path):
    assert json.loads(run("schema").stdout)["$id"] == "hsi-report/1"
    path = tmp_path / "schema.json"
    assert run("schema", "-o", str(path)).exit_code == 0
    assert json.loads(path.read_text())["$id"] == "hsi-report/1"


def test_the_library_calls_the_engine(engine):
    report = handshake_inspect.analyze("healthy", max_connections=3)
    assert isinstance(report, handshake_inspect.Report)
    assert engine.paths == ["healthy"]
    assert engine.options.max_connections == 3
    with pytest.raises(AttributeError, match="nonsense"):
        _ = handshake_inspect.nonsense
