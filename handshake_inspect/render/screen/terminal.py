"""The terminal: keys without echo, its size, and giving it back as it was, whatever happens."""

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

RESIZED, STOPPED = "resized", "stopped"  # events that are no keys
_LEAVE = b"\x1b[0m\x1b[?25h\x1b[?1049l"  # plain, cursor shown, back from the alternate screen
_FALLBACK = (80, 24)


class Terminal:
    """Within it, keys and events come to `events` and nothing is echoed; after it, all is as before.

    Ctrl-C still interrupts as ever.  SIGWINCH is handled if entered from the main thread; a caller of `size`
    at every picture needs it only to be quick.
    """

    def __init__(self, out: TextIO) -> None:
        self.events: SimpleQueue[str] = SimpleQueue()
        self.drawn = False  # whether the alternate screen may be shown
        self._out = out.fileno()
        self._keyboard: int | None = None
        self._opened: int | None = None  # a keyboard of our own, to be closed
        self._before: list[Any] | None = None
        self._wake: tuple[int, int] | None = None
        self._reader: threading.Thread | None = None
        self._handlers: dict[int, Any] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        try:
            columns, lines = os.get_terminal_size(self._out)
        except OSError:
            return _FALLBACK
        return columns or _FALLBACK[0], lines or _FALLBACK[1]

    def __enter__(self) -> Terminal:
        atexit.register(self.restore)  # for when a thread that is not waited for has the screen
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
        """Give the terminal back; a second time does nothing."""
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
            with contextlib.suppress(OSError):  # it may be gone
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
        """Read keys in a thread of their own; where there is no keyboard, Ctrl-C is all there is."""
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
        """Standard input, or the terminal itself when a capture is piped in there."""
        try:
            if os.isatty(sys.stdin.fileno()):
                return sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            pass  # closed, or a stand-in without a descriptor
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
            # Who handles it already will end the screen; else the process would end on the alternate screen.
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, _leave)

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self.events.put(RESIZED)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _without_echo(attributes: list[Any]) -> list[Any]:
    """Keys at once and unseen; Ctrl-C keeps its meaning, Ctrl-Z and Ctrl-S lose theirs: they would freeze a screen."""
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
            return  # the terminal is gone
        if ready and not typed:
            return
        for key in decoder.feed(typed) if ready else decoder.expire():
            put(key)
