"""The child process of `hsi check --live`: start it, forward signals to it, and wait for its exit status.

The child inherits standard input, output and error.  The terminal sends Ctrl-C to the whole foreground process group,
so the child gets SIGINT by itself; hsi forwards all other signals, and always waits for the child.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from handshake_inspect.errors import LiveError

_FORWARDED = [
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if (number := getattr(signal, name, None)) is not None
]
# A shell that keeps root privileges after hsi has dropped them, to signal a child that runs as root.  It reads signal
# names from stdin, one per line, and exits at EOF.  hsi sends nothing once it has seen the child exit.
_RELAY_SCRIPT = 'while read -r name; do kill -s "$name" "$1" 2>/dev/null; done'


class ChildProcess:
    """A child process.  Create it inside `forward_signals`, so that no signal is lost."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start the command with the credentials of this process; LiveError if it cannot be started."""
        self.name = os.fsencode(Path(words[0]).name).decode(errors="backslashreplace")
        self._relay: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(words, env=environment)  # noqa: S603 - no shell reads it
        except (OSError, ValueError) as error:
            raise LiveError(f"{self.name}: {_start_error(words[0], error)}") from None

    def start_signal_relay(self) -> None:
        """Start a relay that can still signal the child after this process has dropped root privileges."""
        command = ["/bin/sh", "-c", _RELAY_SCRIPT, "hsi", str(self._process.pid)]
        with suppress(OSError):
            self._relay = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # keeps Ctrl-C away from the relay
            )

    def wait(self) -> int:
        """Wait for the child to exit; return its exit status, or minus the signal number."""
        with signal_waiter() as wait_for_signal:
            while (status := self._process.poll()) is None:
                wait_for_signal()
        if self._relay is not None:
            self._relay.communicate()
        return status

    def forward(self, number: int) -> None:
        """Forward a signal, unless it is a Ctrl-C that the terminal has sent to the child as well."""
        if number != signal.SIGINT or not _is_foreground():
            self.send_signal(number)

    def send_signal(self, number: int) -> None:
        """Send a signal to the child; do nothing if it has exited."""
        try:
            self._process.send_signal(number)
        except PermissionError:
            if self._relay is not None and self._relay.stdin is not None:
                with suppress(OSError):
                    os.write(self._relay.stdin.fileno(), f"{signal.Signals(number).name[3:]}\n".encode())
        except OSError:
            return

    def terminate(self) -> None:
        """Terminate the child and reap it, because hsi is about to exit."""
        if self._process.poll() is None:
            self.send_signal(signal.SIGTERM)
            self.wait()


class SignalForwarder:
    """A signal handler that queues signals until it knows where to forward them."""

    def __init__(self) -> None:
        self._listener: Callable[[int], object] | None = None
        self._early: list[int] = []

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Forward the signal, or queue it."""
        if self._listener is None:
            self._early.append(number)
        else:
            self._listener(number)

    def forward_to(self, running: ChildProcess) -> None:
        """Forward signals to a child from now on, and the queued ones at once."""
        for number in self._early:
            running.send_signal(number)
        self._listener = running.forward

    def end(self, stop: Callable[[], object]) -> None:
        """Call `stop` on any signal from now on, and at once if one is queued."""
        if self._early:
            stop()
        self._listener = lambda _: stop()


@contextmanager
def forward_signals() -> Iterator[SignalForwarder]:
    """Install a `SignalForwarder` handler; ignored signals stay ignored, and the child inherits that."""
    signals = SignalForwarder()
    handled = [number for number in _FORWARDED if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signals) for number in handled}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signal_waiter() -> Iterator[Callable[[], None]]:
    """Yield a function that blocks until a signal arrives, SIGCHLD included; it sees earlier signals too.

    The kernel may deliver a signal to any thread.  A plain blocking wait in this thread would then continue, and Python
    would not run the handler; the wakeup descriptor ends the wait in every case.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)

    def wait() -> None:
        select.select([reader], [], [])
        os.read(reader, 1 << 12)

    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False), signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        yield wait
    finally:
        signal.set_wakeup_fd(before[0])
        signal.signal(signal.SIGCHLD, before[1])
        os.close(reader)
        os.close(writer)


def _is_foreground() -> bool:
    """Whether this process, and so its child, is in the foreground process group of a terminal."""
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _start_error(word: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and shutil.which(word) is None:
        return "no such command; name a program, or run a shell line with sh -c"
    return f"cannot be started ({getattr(error, 'strerror', None) or error}); is it a program?"
