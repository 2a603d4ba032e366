"""A command that runs beside a capture: whose it is, what signals do to it, how it ended.

It has the terminal: standard input, output and error are its own.  Ctrl-C reaches it by itself, as every process in
front of the terminal; other signals to hsi are passed on.  hsi waits for its end in any case.
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

_PASSED_ON = [
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if (number := getattr(signal, name, None)) is not None
]
# A shell that stays root when hsi does not, for signals to a command that is root's: their names come as lines.  It
# ends with hsi, which sends nothing once it knows that the command has ended.
_RELAY = 'while read -r name; do kill -s "$name" "$1" 2>/dev/null; done'


class Running:
    """A command that was started; to be made within `passing_on`."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it as this process is; LiveError when that cannot be."""
        self.name = os.fsencode(Path(words[0]).name).decode(errors="backslashreplace")
        self._relay: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(words, env=environment)  # noqa: S603 - no shell reads it
        except (OSError, ValueError) as error:
            raise LiveError(f"{self.name}: {_not_started(words[0], error)}") from None

    def keep_in_reach(self) -> None:
        """See to it that signals can still be passed on when this process is root no more."""
        command = ["/bin/sh", "-c", _RELAY, "hsi", str(self._process.pid)]
        with suppress(OSError):
            self._relay = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is not for it
            )

    def wait(self) -> int:
        """Wait for its end: the exit status, negative for a signal."""
        with woken() as wait_for_signal:
            while (status := self._process.poll()) is None:
                wait_for_signal()
        if self._relay is not None:
            self._relay.communicate()
        return status

    def relay(self, number: int) -> None:
        """Pass a signal on, unless the terminal sent it to the command as well: Ctrl-C."""
        if number != signal.SIGINT or not _is_in_front():
            self.pass_on(number)

    def pass_on(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        try:
            self._process.send_signal(number)
        except PermissionError:
            if self._relay is not None and self._relay.stdin is not None:
                with suppress(OSError):
                    os.write(self._relay.stdin.fileno(), f"{signal.Signals(number).name[3:]}\n".encode())
        except OSError:
            return

    def abandon(self) -> None:
        """End it, because there will be nobody to wait for it."""
        if self._process.poll() is None:
            self.pass_on(signal.SIGTERM)
            self.wait()


class Signals:
    """Signals that came, and who they are for."""

    def __init__(self) -> None:
        self._listener: Callable[[int], object] | None = None
        self._early: list[int] = []

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle a signal."""
        if self._listener is None:
            self._early.append(number)
        else:
            self._listener(number)

    def are_for(self, running: Running) -> None:
        """Pass on to a command what comes, and what came before it was started."""
        for number in self._early:
            running.pass_on(number)
        self._listener = running.relay

    def end(self, stop: Callable[[], object]) -> None:
        """Call `stop` for what comes, and for what came."""
        if self._early:
            stop()
        self._listener = lambda _: stop()


@contextmanager
def passing_on() -> Iterator[Signals]:
    """Have signals handled; those that this process ignores are ignored by the command, too."""
    signals = Signals()
    handled = [number for number in _PASSED_ON if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signals) for number in handled}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def woken() -> Iterator[Callable[[], None]]:
    """Give a function that waits for the next signal, such as the end of a child, or one that came before the call.

    Whichever thread the kernel gives a signal to: a plain wait of this one would go on, and its handler not be called.
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


def _is_in_front() -> bool:
    """Whether a terminal has this process, and so the command, in front."""
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _not_started(word: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and shutil.which(word) is None:
        return "no such command; name a program, or run a shell line with sh -c"
    return f"cannot be started ({getattr(error, 'strerror', None) or error}); is it a program?"
