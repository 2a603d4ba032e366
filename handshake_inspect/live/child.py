"""Capture with dumpcap, tcpdump or pyshark in a child process that writes to a pipe."""

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, NamedTuple

from handshake_inspect.capture.source import Source
from handshake_inspect.errors import CaptureError, HsiError, LiveError, NoSuchInterfaceError, UsageError
from handshake_inspect.live import filters, interfaces, refusals
from handshake_inspect.live.base import Counters
from handshake_inspect.live.pipe import PipeSource

# A shell supervises the capture program and terminates it at end of file on the shell's standard input.  This works
# even if hsi has dropped the privileges to signal the program, or is killed.
_SUPERVISOR = '"$@" & child=$!; exec >&-; read -r _ || :; kill -TERM "$child" 2>/dev/null; wait "$child"'
_EXIT_TIMEOUT_MS = 5000
_PIPE_SIZE = 1 << 20
_MAX_STDERR = 1 << 16

_TCPDUMP_COUNTS = re.compile(r"^(\d+) packets? (received by filter|dropped by (?:kernel|interface))", re.MULTILINE)
_DUMPCAP_COUNTS = re.compile(r"^Packets received/dropped on interface .*: (\d+)/(\d+)", re.MULTILINE)
_NO_PERMISSION = re.compile(r"permission|Operation not permitted", re.IGNORECASE)
_NO_INTERFACE = re.compile(r"No such device|doesn't exist|does not exist|no interface", re.IGNORECASE)
_BAD_FILTER = re.compile(r"syntax error|filter expression|capture filter|unknown host|aid supported|illegal|expression")
_LIBPCAP_MESSAGE = re.compile(r"valid capture filter \((.*)\)")  # within dumpcap's message
_STATUS_LINE = re.compile(
    r"^(Capturing on|File: |Packets captured|Packets received/dropped|.*listening on |dropped privs|reading from|"
    r"\d+ packets? |Running as user|.*verbose output suppressed|Warning: )"
)
_HINTS = {
    "tcpdump": "install tcpdump",
    "dumpcap": "install it with Wireshark (wireshark-common on Debian and Ubuntu, wireshark-cli on Fedora)",
    "tshark": "install tshark",
}


class CaptureRequest(NamedTuple):
    """The parameters of a capture."""

    interface: str
    filter_text: str
    snap_len: int
    ring_mib: int | None
    promiscuous: bool


class ChildSource(PipeSource):
    """Frames captured by another program."""

    def __init__(self, backend: str, request: CaptureRequest) -> None:
        """Start the program and wait until it captures; raises LiveError or UsageError with its message if it fails."""
        command = _COMMANDS[backend](request)
        self._counters = Counters(None, None)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the source
        self._supervisor = subprocess.Popen(  # noqa: S603 - no shell reads the arguments
            ["/bin/sh", "-c", _SUPERVISOR, "hsi", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=_environment(),
            start_new_session=True,  # Ctrl-C must not reach it
        )
        stdout = self._supervisor.stdout
        assert stdout is not None  # noqa: S101 - for mypy
        try:
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
            source = Source(os.fdopen(os.dup(stdout.fileno()), "rb", buffering=0), request.interface)
        except CaptureError:
            self._terminate()
            stderr_text = self._stderr_text()
            self._stderr.close()
            raise _start_error(backend, request, stderr_text) from None
        except BaseException:
            self._terminate()
            self._stderr.close()
            raise
        super().__init__(source, stdout.fileno(), backend, request.snap_len)

    def stop(self) -> None:
        """Terminate the program; frames it has captured can still be read."""
        if not self._stopping:
            super().stop()
            self._request_exit()

    def counters(self) -> Counters:
        """Return the program's own counts, known only after it has ended."""
        return self._counters

    def _drain(self) -> bool:
        stdout = self._supervisor.stdout
        waiting = select.poll()
        waiting.register(stdout or -1, select.POLLIN)
        if not waiting.poll(_EXIT_TIMEOUT_MS):
            self._kill()
        return True

    def _on_end(self) -> None:
        status = self._terminate()
        stderr_text = self._stderr_text()
        self._counters = _parse_counts(stderr_text)
        if not self._stopping:
            why = _first_error(stderr_text) or f"status {status}"
            self.fail("interface-gone", f"{self.name}: {self.backend} stopped capturing ({why})")

    def _release(self) -> None:
        if self._closed:
            return
        if self._counters.received is None:
            self._terminate()
            self._counters = _parse_counts(self._stderr_text())
        self._stderr.close()
        super()._release()

    def _terminate(self) -> int:
        """Terminate the supervisor and the program; return the exit status."""
        self._request_exit()
        stdout = self._supervisor.stdout
        if stdout is not None:
            stdout.close()
        try:
            return self._supervisor.wait(_EXIT_TIMEOUT_MS / 1000)
        except subprocess.TimeoutExpired:
            self._kill()
            return self._supervisor.wait()

    def _request_exit(self) -> None:
        if self._supervisor.stdin is not None:
            with contextlib.suppress(OSError):
                self._supervisor.stdin.close()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._supervisor.pid, signal.SIGKILL)

    def _stderr_text(self) -> str:
        """Return the last part of the program's standard error."""
        return _tail(self._stderr).decode(errors="replace")


def _tcpdump(request: CaptureRequest) -> list[str]:
    command = [_program("tcpdump"), "-n", "-U", "--immediate-mode"]
    command += ["-i", request.interface, "-s", str(request.snap_len)]
    if sys.platform.startswith("linux"):
        command.append("--time-stamp-precision=nano")
    if request.ring_mib is not None:
        command += ["-B", str(request.ring_mib << 10)]
    if not request.promiscuous:
        command.append("-p")
    return [*command, "-w", "-", "--", *([request.filter_text] if request.filter_text else [])]


def _dumpcap(request: CaptureRequest) -> list[str]:
    command = [_program("dumpcap"), "-q", "-i", request.interface, "-s", str(request.snap_len)]
    if request.ring_mib is not None:
        command += ["-B", str(request.ring_mib)]
    if request.filter_text:
        command += ["-f", request.filter_text]
    if not request.promiscuous:
        command.append("-p")
    return [*command, "-w", "-"]


def _tshark(request: CaptureRequest) -> list[str]:
    _program("tshark")
    _program("dumpcap")
    promiscuous = "1" if request.promiscuous else "0"
    module = "handshake_inspect.live.tshark"
    arguments = [request.interface, str(request.snap_len), promiscuous, request.filter_text]
    return [sys.executable, "-P", "-m", module, *arguments]


_COMMANDS = {"tcpdump": _tcpdump, "dumpcap": _dumpcap, "tshark": _tshark}


def installed(program: str) -> bool:
    """Return True if the program can be found."""
    return _path(program) is not None


def _path(program: str) -> str | None:
    # Capture programs are often in sbin directories, which may not be in PATH.
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"])
    return shutil.which(program, path=search)


def _program(program: str) -> str:
    path = _path(program)
    if path is None:
        raise LiveError(f"{program}: is not installed; {_HINTS[program]}, or choose another --backend")
    return path


def _environment() -> dict[str, str]:
    """Return the environment: messages in English, and this package importable for `live.tshark`."""
    package = str(Path(__file__).resolve().parent.parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"LC_ALL": "C", "PYTHONPATH": path}


def _start_error(backend: str, request: CaptureRequest, stderr_text: str) -> HsiError:
    """Return the error for a program that did not start to capture."""
    reason = _first_error(stderr_text)
    known = [each.name for each in interfaces.interfaces()]
    if _NO_PERMISSION.search(stderr_text):
        return LiveError(refusals.no_permission(request.interface))
    if _NO_INTERFACE.search(stderr_text) and request.interface not in known:
        return NoSuchInterfaceError(interfaces.no_such(request.interface, known))
    if request.filter_text and _BAD_FILTER.search(stderr_text):
        of_libpcap = _LIBPCAP_MESSAGE.search(stderr_text)
        message = of_libpcap[1] if of_libpcap else reason
        return UsageError(f"filter '{request.filter_text}': {message}{filters.hint(request.filter_text)}")
    return LiveError(f"{request.interface}: {backend} cannot capture ({reason or 'it gives no reason'})")


def _first_error(stderr_text: str) -> str:
    """Return the first line that is no status message, without the name of the program."""
    lines = [line.strip() for line in stderr_text.splitlines() if line.strip() and not _STATUS_LINE.match(line.strip())]
    return re.sub(r"^(tcpdump|dumpcap|tshark): ", "", lines[0]) if lines else ""


def _parse_counts(stderr_text: str) -> Counters:
    """Parse the counters that the program prints on exit."""
    received = dropped = None
    for number, what in _TCPDUMP_COUNTS.findall(stderr_text):
        if what.startswith("received"):
            received = int(number)
        else:
            dropped = (dropped or 0) + int(number)
    for kept, lost in _DUMPCAP_COUNTS.findall(stderr_text):
        received = (received or 0) + int(kept) + int(lost)
        dropped = (dropped or 0) + int(lost)
    return Counters(received, dropped)


def _tail(file: IO[bytes]) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MAX_STDERR))
    return file.read()
