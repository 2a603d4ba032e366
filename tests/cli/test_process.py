"""The command as a process: streams, pipes, signals, and what it imports."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STUBBED = """
import sys
from support.stub_engine import install
install()
from handshake_inspect.cli import main
main()
"""
PLAIN = "from handshake_inspect.cli import main; main()"


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8", **more}


def run(*args, program=STUBBED, **more):
    command = [sys.executable, "-c", program, *args]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False, **more)


def test_the_report_alone_goes_to_stdout():
    result = run("-T", "json", "troubled")
    assert json.loads(result.stdout)["schema"] == "hsi-report/1"
    assert result.stderr == "hsi: warning: the file ends inside a frame\n"
    assert result.returncode == 0


def test_errors_go_to_stderr():
    result = run("missing")
    assert (result.returncode, result.stdout, result.stderr) == (2, "", "hsi: error: missing: no such file\n")


@pytest.mark.parametrize("args", [["-T", "json", "troubled"], ["--all", "flooded"], ["schema"], ["--help"]])
def test_a_closed_pipe_is_quiet(args):
    with subprocess.Popen(
        [sys.executable, "-c", STUBBED, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(60) == 0
    assert errors in (b"", b"hsi: warning: the file ends inside a frame\n")


def test_a_full_disk_is_an_error():
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-c", STUBBED, "healthy"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
            check=False,
        )
    assert result.returncode == 2
    assert result.stderr == (
        b"hsi: error: cannot write standard output: No space left on device; free some space, or write elsewhere\n"
    )


def test_a_closed_stdout_is_an_error():
    result = run("healthy", preexec_fn=lambda: os.close(1))
    assert result.returncode == 2
    assert result.stderr.startswith("hsi: error: cannot write standard output")


def test_ctrl_c_is_130_and_leaves_nothing(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBED, "-o", str(tmp_path / "report.txt"), "slow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    while process.poll() is None and not list(tmp_path.iterdir()):
        time.sleep(0.01)  # until the target is open, and so the command at work
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("args", [["--version"], ["--help"]])
def test_light_commands_import_nothing_heavy(args):
    program = (
        "import sys, atexit\n"
        "heavy = ('numpy', 'pyshark', 'rich', 'msgspec', 'tabulate', 'dpkt')\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules], file=sys.stderr))\n" + PLAIN
    )
    result = run(*args, program=program)
    assert result.returncode == 0
    assert result.stderr == "[]\n"


def test_version_names_the_build():
    result = run("--version", program=PLAIN)
    words = result.stdout.split()
    assert words[0] == "hsi"
    assert words[2] in ("(compiled)", "(pure)")
    assert len(words) == 3


def test_python_m():
    command = [sys.executable, "-m", "handshake_inspect", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert result.stdout.startswith("hsi ")


def test_no_bar_without_a_terminal():
    result = run("healthy")
    assert result.stderr == ""


def test_ctrl_c_while_loading_is_no_traceback():
    script = """if True:
        import sys
        class Interrupts:
            def find_spec(self, name, *_):
                if name == "handshake_inspect.cli.root":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Interrupts())
        import handshake_inspect.cli
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")
