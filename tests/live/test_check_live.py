"""`hsi check --live`: the command runs as it would without hsi, and what it did on the network is checked."""

import csv
import io
import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from live.network import PATIENCE_S, needs

import handshake_inspect
from handshake_inspect.cli import child_command
from handshake_inspect.render import CHECKS
from handshake_inspect.report.schema import check_schema

pytestmark = pytest.mark.any_build

PORT = 8080
MAKE = f"""#!{sys.executable}
# Connects three times, and once where nobody listens; the exit status is that of the argument.
import socket, sys
where = "127.0.0.1", {PORT}
with socket.create_server(where) as listener:
    for _ in range(3):
        with socket.create_connection(where), listener.accept()[0]:
            pass
try:
    socket.create_connection(where)
except ConnectionRefusedError:
    pass
print("said", sys.stdin.read())
print("complained", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
UNTIL_HSI_IS = "until grep -q '^Uid:.{uid}' /proc/$PPID/status; do sleep 0.01; done; "


@pytest.fixture
def make(tmp_path):
    """Return the arguments of a command that makes four connections and exits with the given status."""
    program = tmp_path / "make"
    program.write_text(MAKE)
    program.chmod(0o755)
    return lambda status=0: ["--", program, str(status)]


@pytest.fixture
def check(network, hsi, tmp_path):
    """Run `hsi check --live` on the loopback interface of the client."""

    def run(*arguments, **options):
        with network.client():
            return hsi("check", "--live", "-i", "lo", *arguments, **{"cwd": tmp_path} | options)

    return run


def test_standard_streams_are_passed_through_and_the_report_follows(check, make):
    done = check("--max-refused", "0", *make(), input=b"a line")
    said, *lines = done.stdout.decode().splitlines()
    assert (said, done.stderr) == ("said a line", b"complained\n")
    assert [line for line in lines if not line.startswith(" ")] == [
        "ok    command make       exit status 0; expected: exit status 0",
        "ok    min-connections 1  4 connections; expected: at least 1",
        "FAIL  max-refused 0      1 of 4 connections (25.0 %); expected: none",
        "hsi check: failed, 1 of 3 assertions, 4 connections; max-refused 0",
    ]
    assert done.returncode == 1


def test_it_passes(check, make):
    rules = ["--expect", f"127.0.0.1:{PORT} established 3", "--expect", f"*:{PORT} refused 1", "--strict"]
    assert check(*rules, *make()).returncode == 0


def test_an_expression_selects_the_checked_connections(check, make):
    done = check("-f", f"tcp port {PORT}", "-Y", "outcome == established", "--max-refused", "0", *make())
    assert done.returncode == 0
    assert b"3 connections" in done.stdout
    assert check("-f", "tcp port 1", *make()).returncode == 1  # there is none


@pytest.mark.parametrize("form", CHECKS)
def test_a_command_that_fails_fails_the_check(check, make, tmp_path, form):
    done = check("-T", form, "-o", "report", *make(3))
    assert (done.returncode, done.stdout) == (1, b"said \n")
    text = (tmp_path / "report").read_text()
    assert "exit status 3" in text
    if form == "json":
        jsonschema.validate(json.loads(text), check_schema())
        assert json.loads(text)["passed"] is False
        first = json.loads(text)["assertions"][0]
        assert (first["rule"], first["status"], first["value"], first["limit"]) == ("command make", "failed", 3, 0)
    elif form == "junit":
        cases = ElementTree.fromstring(text).iter("testcase")
        assert [(case.get("name"), case.find("failure") is not None) for case in cases] == [
            ("command make", True),
            ("min-connections 1", False),
        ]
    elif form == "sarif":
        assert [result["kind"] for result in json.loads(text)["runs"][0]["results"]] == ["fail"]
    elif form == "github":
        assert text.startswith("::error title=hsi check%3A command make::exit status 3")
    elif form in ("csv", "tsv"):
        rows = list(csv.DictReader(io.StringIO(text), delimiter="," if form == "csv" else "\t"))
        assert (rows[0]["rule"], rows[0]["status"]) == ("command make", "failed")


def test_a_command_that_is_killed(check):
    done = check("--min-connections", "0", "--", "sh", "-c", "kill -KILL $$")
    assert done.returncode == 1
    assert b"FAIL  command sh         killed by SIGKILL (exit status 137); expected: exit status 0" in done.stdout


def test_a_command_that_cannot_be_started(check, tmp_path):
    (tmp_path / "data").write_text("no program")
    kept = tmp_path / "kept.json"
    kept.write_text("what it held before")
    for command, message in (("no-such-command", "no such command"), ("./data", "cannot be started (Permission")):
        for output in ("kept.json", "new.json"):
            done = check("-o", output, "--write", "broken.pcapng", "--", command)
            assert (done.returncode, done.stdout) == (2, b"")
            assert done.stderr.decode().startswith(f"hsi: error: {Path(command).name}: {message}")
            assert done.stderr.count(b"\n") == 1
    assert kept.read_text() == "what it held before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "kept.json"]


@pytest.mark.parametrize("user", [[], ["-Z", "root"]])
def test_frames_of_connections_that_broke_a_rule_are_written(check, make, hsi, tmp_path, user):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "broken.pcapng").write_bytes(bytes(100_000))
    arguments = ["--max-refused", "0", "--write", "broken.pcapng", "-o", "report.json"]
    done = check(*user, *arguments, *make(), env={"TMPDIR": str(tmp_path / "tmp")})
    assert done.returncode == 1
    report = json.loads(hsi("-T", "json", tmp_path / "broken.pcapng").stdout)
    assert report["summary"]["outcomes"]["refused"] == report["summary"]["connections"] == 1
    assert report["capture"]["frames"] == 2
    (breach,) = json.loads((tmp_path / "report.json").read_text())["assertions"][2]["breaches"]
    assert breach["client"] == report["connections"][0]["client"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_broken_rule_can_be_explained_from_the_written_frames(check, make, hsi, tmp_path):
    done = check("--max-refused", "0", "--write", "broken.pcapng", *make())
    (line,) = [line for line in done.stdout.decode().splitlines() if line.startswith("next  hsi ")]
    story = hsi(*line.split()[2:], cwd=tmp_path)
    assert line.split()[2:4] == ["explain", "broken.pcapng"]
    assert story.returncode == 0
    assert b"refused" in story.stdout


def test_another_backend(check, make):
    needs("tcpdump")
    done = check("--backend", "tcpdump", "-f", f"tcp port {PORT}", *make())
    assert b"passed, 2 assertions, 4 connections" in done.stdout


def test_an_interface_that_disappears(network, hsi, tmp_path):
    """Frames captured until then are reported, but the check does not succeed."""
    with network.client():
        try:
            words = ["-i", "wire", "--min-connections", "0", "-o", "report.json", "--", "ip", "link", "del", "wire"]
            done = hsi("check", "--live", *words, cwd=tmp_path)
        finally:
            network.plug()
    assert done.returncode == 2
    assert b"wire: the interface was removed" in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert [each["status"] for each in report["assertions"]] == ["passed", "passed"]
    assert not report["capture"]["complete"]


# Whose the command is, and whose hsi is


@pytest.mark.parametrize(
    ("user", "command", "own"), [([], 0, 65534), (["-Z", "nobody"], 65534, 65534), (["-Z", "root"], 0, 0)]
)
def test_the_command_runs_as_the_right_user(check, user, command, own):
    script = UNTIL_HSI_IS.format(uid=own) + "id -u; id -G"
    done = check("--min-connections", "0", *user, "--", "sh", "-c", script, env={"SUDO_UID": "", "SUDO_GID": ""})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[0] == str(command)


def test_another_user_has_a_home(check):
    script = 'echo "$HOME $USER $LOGNAME"'
    done = check("--min-connections", "0", "-Z", "nobody", "--", "sh", "-c", script)
    home, *names = done.stdout.decode().splitlines()[0].split()
    assert names == ["nobody", "nobody"]
    assert home != os.environ.get("HOME")


def test_a_report_can_be_where_only_root_may_write(check, make, tmp_path):
    assert not tmp_path.stat().st_mode & stat.S_IWOTH
    assert check("-o", "report.xml", *make()).returncode == 0
    assert ElementTree.parse(tmp_path / "report.xml").getroot().get("failures") == "0"


# SignalForwarder


@pytest.mark.parametrize(("user", "own"), [([], 65534), (["-Z", "nobody"], 65534), (["-Z", "root"], 0)])
@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "USR1"])
def test_a_signal_is_passed_on_and_the_check_made(check, user, own, name):
    """Even if hsi has dropped root privileges and the command has not."""
    # A shell handles a signal before it waits, and while it does; before it reads, too late.
    trap = f'sleep 1000 & trap "kill $!; echo caught; exit 7" {name}; '
    script = f"{trap}{UNTIL_HSI_IS.format(uid=own)} kill -{name} $PPID; wait; exit 99"
    options = {"start_new_session": True, "env": {"SUDO_UID": "", "SUDO_GID": ""}}
    done = check("--min-connections", "0", *user, "--", "sh", "-c", script, **options)
    assert done.stdout.splitlines()[:2] == [
        b"caught",
        b"FAIL  command sh         exit status 7; expected: exit status 0",
    ]
    assert (done.returncode, done.stderr) == (1, b"")


# Gets Ctrl-C, and then what hsi passes on: were that Ctrl-C once more, it would come first.
IN_FRONT = f"""#!{sys.executable}
import os, signal
caught = signal.SIGINT, signal.SIGUSR1
signal.pthread_sigmask(signal.SIG_BLOCK, caught)
print("ready", flush=True)
first = signal.sigwait(caught)
os.kill(os.getppid(), signal.SIGUSR1)
print(first.name, signal.sigwait(caught).name)
raise SystemExit(first)
"""


def test_ctrl_c_reaches_the_command_once(network, tmp_path):
    if shutil.which("setsid") is None:
        pytest.skip("setsid (util-linux) is not installed")
    program = tmp_path / "in-front"
    program.write_text(IN_FRONT)
    program.chmod(0o755)
    master, slave = pty.openpty()
    with network.client(), os.fdopen(master, "r+b", buffering=0) as terminal:
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *hsi_words("--min-connections", "0", "--", program)],
            stdin=slave, stdout=slave, stderr=slave, env=environment(), cwd=tmp_path,
        )  # fmt: skip
        os.close(slave)
        said = b""
        while b"ready" not in said:
            said += terminal.read(1000)
        terminal.write(b"\x03")
        while b"hsi check:" not in said:
            said += terminal.read(1000)
        assert process.wait(PATIENCE_S) == 1
    assert b"SIGINT SIGUSR1\r\n" in said
    assert b"exit status 2; expected: exit status 0" in said


def test_a_signal_delivered_to_another_thread_is_passed_on():
    """The kernel may choose any thread, and does so while the first one handles another signal."""
    main = Path(f"/proc/self/task/{threading.get_native_id()}/stat")

    def get_one():
        while main.read_text().rpartition(")")[2].split()[0] != "S":
            pass  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    with child_command.forward_signals() as signals:
        command = child_command.ChildProcess(["sleep", "1000"])
        signals.forward_to(command)
        other = threading.Thread(target=get_one)
        other.start()
        assert command.wait() == -signal.SIGUSR1
        other.join()


def test_signals_from_the_terminal_are_not_passed_on_twice(monkeypatch):
    sent = []
    command = child_command.ChildProcess(["true"])
    command.wait()
    monkeypatch.setattr(command, "send_signal", sent.append)
    for in_front in (True, False):
        monkeypatch.setattr(child_command, "_is_foreground", lambda in_front=in_front: in_front)
        command.forward(signal.SIGINT)
        command.forward(signal.SIGTERM)
    assert sent == [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]


def hsi_words(*arguments):
    return [sys.executable, "-P", "-m", "handshake_inspect", "check", "--live", "-i", "lo", *map(str, arguments)]


def environment():
    return os.environ | {"PYTHONPATH": str(Path(handshake_inspect.__file__).resolve().parent.parent)}


# Without a command


def test_a_duration_and_a_count(check, network):
    done = check("--duration", "200ms", "--max-refused", "0", "--min-connections", "0")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"passed, 2 assertions, 0 connections" in done.stdout


def test_ctrl_c_ends_a_capture_without_a_command(network, tmp_path):
    with network.client():
        process = subprocess.Popen(
            hsi_words("--duration", "1h", "--min-connections", "0"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path,
        )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    while not catches(process.pid, signal.SIGUSR1):
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, complained) == (0, b"")
    assert b"passed, 1 assertion, 0 connections" in said


def catches(pid, number):
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


def test_a_count_limits_the_capture_and_not_the_command(check, make, tmp_path):
    done = check("-c", "2", "--min-connections", "0", "-o", "report.json", *make())
    assert (done.returncode, done.stdout) == (0, b"said \n")
    assert json.loads((tmp_path / "report.json").read_text())["capture"]["frames"] == 2
