"""Terminal handling: read keys without echo, query the size, and restore all settings in any case."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, TextIO

from handshake_inspect.render.screen.keys import ESCAPE_WAIT_S, KeyDecoder

RESIZED, STOPPED = "resized", "stopped"  # events other than keys
_LEAVE = b"\x1b[0m\x1b[?25h\x1b[?1049l"  # reset attributes, show the cursor, leave the alternate screen
_FALLBACK = (80, 24)


class Terminal:
    """Within it, keys and events come to `events` and nothing is echoed; after it, all is as before.

    Ctrl-C still interrupts as ever.  SIGWINCH is handled if entered from the main thread; a caller of `size`
    at every picture needs it only to be quick.
    """

    def __init__(self, out: TextIO) -> None:
        self.events: SimpleQueue[str] = SimpleQueue()
        self.drawn = False  # the alternate screen may be active
        self._out = out.fileno()
        self._keyboard: int | None = None
        self._opened: int | None = None  # a descriptor that this object must close
        self._before: list[Any] | None = None
        self._wake: tuple[int, int] | None = None
        self._reader: threading.Thread | None = None
        self._handlers: dict[int, Any] = {}

    @property
    def size(self) -> tuple[int, int]:
        """The current columns and lines."""
        try:
            columns, lines = os.get_terminal_size(self._out)
        except OSError:
            return _FALLBACK
        return columns or _FALLBACK[0], lines or _FALLBACK[1]

    def __enter__(self) -> Terminal:
        atexit.register(self.restore)  # in case a daemon thread owns the screen
        try:
            self._listen()
            self._handle_signals()
        except BaseException:
            self.restore()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.restore()

    def restore(self) -> None:
        """Restore the terminal; calling it again has no effect."""
        atexit.unregister(self.restore)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
        if self._wake is not None:
            with contextlib.suppress(OSError):
                os.write(self._wake[1], b".")
        if self._reader is not None:
            self._reader.join(1)
            self._reader = None
        if self.drawn:
            with contextlib.suppress(OSError):  # the terminal may have gone away
                os.write(self._out, _LEAVE)
            self.drawn = False
        if self._before is not None and self._keyboard is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keyboard, termios.TCSAFLUSH, self._before)
            self._before = None
        for descriptor in (*(self._wake or ()), *(() if self._opened is None else (self._opened,))):
            os.close(descriptor)
        self._wake = self._opened = None

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Read keys in a thread; without a keyboard, only Ctrl-C works."""
        self._keyboard = self._find_keyboard()
        if self._keyboard is None:
            return
        self._before = termios.tcgetattr(self._keyboard)
        termios.tcsetattr(self._keyboard, termios.TCSADRAIN, _without_echo(self._before))
        self._wake = os.pipe()
        self._reader = threading.Thread(
            target=_read_keys, args=(self._keyboard, self._wake[0], self.events.put), name="hsi-keys", daemon=True
        )
        self._reader.start()

    def _find_keyboard(self) -> int | None:
        """Return the descriptor of standard input, or of the terminal if standard input is a capture; else None."""
        try:
            if os.isatty(sys.stdin.fileno()):
                return sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            pass  # closed, or an object without a descriptor
        try:
            self._opened = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return None
        return self._opened

    # --- signals ------------------------------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._resized)
        for number in (signal.SIGTERM, signal.SIGHUP):
            # The default action would leave the terminal on the alternate screen; existing handlers stop the screen.
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, _leave)

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self.events.put(RESIZED)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _without_echo(attributes: list[Any]) -> list[Any]:
    """Return attributes for unbuffered input without echo; Ctrl-C works, but Ctrl-Z and Ctrl-S do not freeze hsi."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = attributes
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    characters[termios.VSUSP] = b"\x00"
    return [
        iflag & ~termios.IXON, oflag, cflag, lflag & ~(termios.ICANON | termios.ECHO | termios.IEXTEN), ispeed, ospeed,
        characters,
    ]  # fmt: skip


def _read_keys(keyboard: int, wake: int, put: Callable[[str], None]) -> None:
    decoder = KeyDecoder()
    while True:
        try:
            ready, _, _ = select.select([keyboard, wake], [], [], ESCAPE_WAIT_S if decoder.waiting else None)
            if wake in ready:
                return
            typed = os.read(keyboard, 1024) if ready else b""
        except OSError:
            return  # the terminal has gone away
        if ready and not typed:
            return
        for key in decoder.feed(typed) if ready else decoder.expire():
            put(key)
