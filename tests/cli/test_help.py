"""`hsi`, `-h`, `--help`, `hsi help` and `hsi completion`: how somebody who knows nothing of hsi gets on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from handshake_inspect.cli.manual import SECTIONS, section_of
from handshake_inspect.cli.root import COMMANDS, hsi
from handshake_inspect.report.topics import explained, topics
from handshake_inspect.report.words import OUTCOMES
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.findings import KINDS
from handshake_inspect.verdicts.words import CAUSES


def run(*arguments, **options):
    return CliRunner().invoke(hsi, arguments, **options)


def commands():
    context = click.Context(hsi)
    return {name: hsi.get_command(context, name) for name in COMMANDS}


# The command alone, -h and --help


def test_the_command_alone_is_the_short_help():
    alone = run()
    assert alone.exit_code == 0
    assert alone.stdout == run("-h").stdout
    assert len(alone.stdout.splitlines()) <= 23  # a terminal of 24, and the prompt
    assert all(f"  {name} " in alone.stdout for name in COMMANDS)
    assert "hsi capture.pcapng" in alone.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_names_options_on_one_screen(name):
    short, whole = run(name, "-h"), run(name, "--help")
    assert short.exit_code == whole.exit_code == 0
    assert len(short.stdout.splitlines()) <= 23
    assert max(map(len, whole.stdout.splitlines())) <= 100
    words = set(re.split(r"[\s,/]+", short.stdout))
    named = [
        set(each.opts) <= words
        for each in commands()[name].params
        if isinstance(each, click.Option) and not each.hidden
    ]
    assert named.count(False) == 0 if "…" not in short.stdout else named.count(True) > 20


def test_headings_are_bold_on_a_terminal_and_nowhere_else(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for word, headings in (("-h", ("Usage:", "Output", "Rules")), ("--help", ("Usage:", "Output:", "Exit status:"))):
        bold = CliRunner().invoke(hsi, ["check", word], color=True).stdout
        assert [f"\x1b[1m{heading}\x1b[0m" in bold for heading in headings] == [True] * 3
        assert "\x1b" not in run("check", word).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in CliRunner().invoke(hsi, ["check", "--help"], color=True).stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_its_group(name):
    options = [each for each in commands()[name].params if isinstance(each, click.Option) and not each.hidden]
    assert [each.opts for each in options if section_of(each) == "Other options"] == []


def test_the_version_has_a_short_option():
    assert run("-V").stdout == run("--version").stdout != ""


def test_version_is_an_option():
    assert "Did you mean hsi --version?" in run("version").stderr


@pytest.mark.parametrize("words", [["--vesion"], ["--verson"], ["analyze", "--version"], ["check", "--vrsion"]])
def test_a_misspelt_version_is_an_option_of_hsi(words):
    done = run(*words)
    assert (done.exit_code, done.stderr.rstrip("\n").rpartition(". ")[2]) == (2, "Did you mean hsi --version?")


def test_the_groups_stand_in_order():
    shown = run("check", "--help").stdout
    places = [shown.index(f"\n{section}:") for section in SECTIONS if f"\n{section}:" in shown]
    assert len(places) > 5
    assert places == sorted(places)


# hsi help


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_its_own(name):
    assert run("help", name).stdout == run(name, "--help").stdout


WORDS = [*OUTCOMES, *filter(None, CAUSES), *KINDS, *(state.name for state in TcpState)]


@pytest.mark.parametrize("word", sorted(set(WORDS)))
def test_every_word_of_a_report_has_a_page(word):
    done = run("help", word)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{word} (")
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if " " in line.strip())
    assert len(done.stdout.splitlines()) > 2
    assert "](#" not in done.stdout


def test_a_word_of_several_kinds_says_each_thing_once():
    name, kinds, pages = explained("half-open")
    assert (name, kinds, len(pages)) == ("half-open", ["outcome", "finding"], 1)
    assert explained("accept-queue-overflow")[1] == ["cause", "finding"]


@pytest.mark.parametrize("spelt", ["TIME_WAIT", "time-wait", "Time Wait", " time_wait "])
def test_words_are_found_however_they_are_spelt(spelt):
    assert explained(spelt)[0] == "TIME_WAIT"


def test_words_without_quotes():
    assert run("help", "syn", "cookie").stdout.startswith("SYN cookie (term)")


def test_fields_are_explained_too():
    done = run("help", "rtt.total")
    assert "rtt.total.value_ns (duration, ns): " in done.stdout
    assert "rtt.synack" not in done.stdout


def test_an_unknown_word_names_the_nearest():
    done = run("help", "half-opne")
    assert done.exit_code == 2
    assert "Did you mean half-open?" in done.stderr


def test_the_contents_name_every_page():
    shown = " ".join(run("help").stdout.split())
    assert all(name in shown for pages in topics().values() for name in pages)


def test_a_terminal_sees_no_markup():
    done = run("help", "--color", "always", "half-open", color=True)
    assert "**" not in done.stdout
    assert "\x1b[1mMeans:" in done.stdout


def test_the_pages_cost_a_report_nothing(hsi, root):
    """They are read when they are asked for."""
    code = (
        "import sys; from handshake_inspect.cli.root import hsi; import handshake_inspect.render.text; "
        "print('handshake_inspect.report.topics' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, check=True, cwd=root,
        env=os.environ | {"PYTHONPATH": str(Path(sys.modules["handshake_inspect"].__file__).parent.parent)},
    )  # fmt: skip
    assert done.stdout == b"False\n"


# Completion


def completed(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    environment = {
        "_HSI_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["hsi", *words]),
        "COMP_CWORD": str(len(words)),
    }
    return run(env=environment, prog_name="hsi").stdout.split()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_terminal_of_80_columns(name):
    lines = run(name, "--help", env={"COLUMNS": "80"}, terminal_width=80).stdout.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert [line for line in lines if re.search(r"\w-$", line)] == []  # no option is cut at its hyphen


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_for_its_shell(shell):
    script = run("completion", shell).stdout
    assert f"{shell}_complete" in script
    if program := shutil.which(shell):
        done = subprocess.run([program, "-n"], input=script.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_the_shell_of_the_environment_needs_no_name():
    assert "zsh_complete" in run("completion", env={"SHELL": "/bin/zsh"}).stdout
    done = run("completion", env={"SHELL": "/bin/tcsh"})
    assert (done.exit_code, done.stderr) == (2, "hsi: error: name a shell: hsi completion bash|zsh|fish\n")


def test_commands_options_and_files_are_offered():
    assert completed("an") == ["file,an", "plain,analyze"]
    assert "plain,--max-refused" in completed("check", "--max-")
    assert completed("analyze", "pca") == ["file,pca"]
    assert completed("analyze", "-o", "re") == ["file,re"]
    assert "plain,parquet" in completed("-T", "")


def test_interfaces_are_offered():
    assert "plain,lo" in completed("live", "-i", "lo") if sys.platform == "linux" else completed("live", "-i", "lo")
