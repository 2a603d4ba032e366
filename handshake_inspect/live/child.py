"""dumpcap, tcpdump or pyshark as a child process that captures and writes to a pipe."""

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

# The child belongs to a shell that waits for the end of its standard input, and then stops it.  So it is stopped also
# when this process has dropped its privileges and may not do that itself, and when this process is killed.
_KEEPER = '"$@" & child=$!; exec >&-; read -r _ || :; kill -TERM "$child" 2>/dev/null; wait "$child"'
_PATIENCE_MS = 5000  # for a child that was asked to end
_PIPE_SIZE = 1 << 20
_MOST_SAID = 1 << 16

_TCPDUMP_COUNTS = re.compile(r"^(\d+) packets? (received by filter|dropped by (?:kernel|interface))", re.MULTILINE)
_DUMPCAP_COUNTS = re.compile(r"^Packets received/dropped on interface .*: (\d+)/(\d+)", re.MULTILINE)
_NO_PERMISSION = re.compile(r"permission|Operation not permitted", re.IGNORECASE)
_NO_INTERFACE = re.compile(r"No such device|doesn't exist|does not exist|no interface", re.IGNORECASE)
_BAD_FILTER = re.compile(r"syntax error|filter expression|capture filter|unknown host|aid supported|illegal|expression")
_LIBPCAP_WORDS = re.compile(r"valid capture filter \((.*)\)")  # in what dumpcap says
_CHATTER = re.compile(
    r"^(Capturing on|File: |Packets captured|Packets received/dropped|.*listening on |dropped privs|reading from|"
    r"\d+ packets? |Running as user|.*verbose output suppressed|Warning: )"
)
_HINTS = {
    "tcpdump": "install tcpdump",
    "dumpcap": "install it with Wireshark (wireshark-common on Debian and Ubuntu, wireshark-cli on Fedora)",
    "tshark": "install tshark",
}


class Wish(NamedTuple):
    """What is to be captured."""

    interface: str
    filter_text: str
    snap_len: int
    ring_mib: int | None
    promiscuous: bool


class ChildSource(PipeSource):
    """Frames that another program captures."""

    def __init__(self, backend: str, wish: Wish) -> None:
        """Start the program and wait until it captures; LiveError or UsageError, in its words, when it does not."""
        command = _COMMANDS[backend](wish)
        self._counters = Counters(None, None)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the source
        self._keeper = subprocess.Popen(  # noqa: S603 - no shell reads the arguments
            ["/bin/sh", "-c", _KEEPER, "hsi", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for this process
        )
        stdout = self._keeper.stdout
        assert stdout is not None  # noqa: S101 - for mypy
        try:
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(stdout, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
            source = Source(os.fdopen(os.dup(stdout.fileno()), "rb", buffering=0), wish.interface)
        except CaptureError:
            self._end()
            words = self._words()
            self._said.close()
            raise _refusal(backend, wish, words) from None
        except BaseException:
            self._end()
            self._said.close()
            raise
        super().__init__(source, stdout.fileno(), backend, wish.snap_len)

    def stop(self) -> None:
        """Have the program end; what it has captured is still given."""
        if not self._stopping:
            super().stop()
            self._tell_to_end()

    def counters(self) -> Counters:
        """Say what the program counted: only known when it has ended."""
        return self._counters

    def _drain(self) -> bool:
        stdout = self._keeper.stdout
        waiting = select.poll()
        waiting.register(stdout or -1, select.POLLIN)
        if not waiting.poll(_PATIENCE_MS):
            self._kill()
        return True

    def _at_end(self) -> None:
        status = self._end()
        words = self._words()
        self._counters = _counts(words)
        if not self._stopping:
            why = _first_words(words) or f"status {status}"
            self.fail("interface-gone", f"{self.name}: {self.backend} stopped capturing ({why})")

    def _release(self) -> None:
        if self._closed:
            return
        if self._counters.received is None:
            self._end()
            self._counters = _counts(self._words())
        self._said.close()
        super()._release()

    def _end(self) -> int:
        """Have the keeper and its child end, and wait for that."""
        self._tell_to_end()
        stdout = self._keeper.stdout
        if stdout is not None:
            stdout.close()
        try:
            return self._keeper.wait(_PATIENCE_MS / 1000)
        except subprocess.TimeoutExpired:
            self._kill()
            return self._keeper.wait()

    def _tell_to_end(self) -> None:
        if self._keeper.stdin is not None:
            with contextlib.suppress(OSError):
                self._keeper.stdin.close()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._keeper.pid, signal.SIGKILL)

    def _words(self) -> str:
        """What the program wrote to its standard error."""
        return _tail(self._said).decode(errors="replace")


def _tcpdump(wish: Wish) -> list[str]:
    command = [_program("tcpdump"), "-n", "-U", "--immediate-mode", "-i", wish.interface, "-s", str(wish.snap_len)]
    if sys.platform.startswith("linux"):
        command.append("--time-stamp-precision=nano")
    if wish.ring_mib is not None:
        command += ["-B", str(wish.ring_mib << 10)]
    if not wish.promiscuous:
        command.append("-p")
    return [*command, "-w", "-", "--", *([wish.filter_text] if wish.filter_text else [])]


def _dumpcap(wish: Wish) -> list[str]:
    command = [_program("dumpcap"), "-q", "-i", wish.interface, "-s", str(wish.snap_len)]
    if wish.ring_mib is not None:
        command += ["-B", str(wish.ring_mib)]
    if wish.filter_text:
        command += ["-f", wish.filter_text]
    if not wish.promiscuous:
        command.append("-p")
    return [*command, "-w", "-"]


def _tshark(wish: Wish) -> list[str]:
    _program("tshark")
    _program("dumpcap")
    promiscuous = "1" if wish.promiscuous else "0"
    module = "handshake_inspect.live.tshark"
    return [sys.executable, "-P", "-m", module, wish.interface, str(wish.snap_len), promiscuous, wish.filter_text]


_COMMANDS = {"tcpdump": _tcpdump, "dumpcap": _dumpcap, "tshark": _tshark}


def installed(program: str) -> bool:
    """Whether a program can be found."""
    return _path(program) is not None


def _path(program: str) -> str | None:
    # Where capturing programs are, and PATH often does not lead.
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"])
    return shutil.which(program, path=search)


def _program(program: str) -> str:
    path = _path(program)
    if path is None:
        raise LiveError(f"{program}: is not installed; {_HINTS[program]}, or choose another --backend")
    return path


def _environment() -> dict[str, str]:
    """Words in English, and this package for the child that is ours."""
    package = str(Path(__file__).resolve().parent.parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"LC_ALL": "C", "PYTHONPATH": path}


def _refusal(backend: str, wish: Wish, words: str) -> HsiError:
    """Say why the program did not begin to capture."""
    reason = _first_words(words)
    known = [each.name for each in interfaces.interfaces()]
    if _NO_PERMISSION.search(words):
        return LiveError(refusals.no_permission(wish.interface))
    if _NO_INTERFACE.search(words) and wish.interface not in known:
        return NoSuchInterfaceError(interfaces.no_such(wish.interface, known))
    if wish.filter_text and _BAD_FILTER.search(words):
        of_libpcap = _LIBPCAP_WORDS.search(words)
        said = of_libpcap[1] if of_libpcap else reason
        return UsageError(f"filter '{wish.filter_text}': {said}{filters.hint(wish.filter_text)}")
    return LiveError(f"{wish.interface}: {backend} cannot capture ({reason or 'it gives no reason'})")


def _first_words(words: str) -> str:
    """What a program said first that is not its usual talk, without its name."""
    lines = [line.strip() for line in words.splitlines() if line.strip() and not _CHATTER.match(line.strip())]
    return re.sub(r"^(tcpdump|dumpcap|tshark): ", "", lines[0]) if lines else ""


def _counts(words: str) -> Counters:
    """Read the counters that a program prints when it ends."""
    received = dropped = None
    for number, what in _TCPDUMP_COUNTS.findall(words):
        if what.startswith("received"):
            received = int(number)
        else:
            dropped = (dropped or 0) + int(number)
    for kept, lost in _DUMPCAP_COUNTS.findall(words):
        received = (received or 0) + int(kept) + int(lost)
        dropped = (dropped or 0) + int(lost)
    return Counters(received, dropped)


def _tail(file: IO[bytes]) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MOST_SAID))
    return file.read()
