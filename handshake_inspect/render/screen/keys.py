"""Decoder from bytes sent by a terminal to key names."""

from __future__ import annotations

_SEQUENCES = {
    b"\x1b[A": "up", b"\x1b[B": "down", b"\x1bOA": "up", b"\x1bOB": "down",
    b"\x1b[H": "home", b"\x1b[F": "end", b"\x1bOH": "home", b"\x1bOF": "end", b"\x1b[1~": "home", b"\x1b[4~": "end",
    b"\x1b[5~": "page-up", b"\x1b[6~": "page-down",
}  # fmt: skip
_SINGLE = {
    0x0D: "enter", 0x0A: "enter", 0x7F: "backspace", 0x08: "backspace", 0x15: "clear", 0x0C: "redraw", 0x09: "tab",
}  # fmt: skip
_ESCAPE = 0x1B
_LONGEST = 16  # maximum bytes of a sequence; longer ones are noise
ESCAPE_WAIT_S = 0.05  # bytes that follow ESC within this time belong to it


class KeyDecoder:
    """Decodes bytes to keys; incomplete sequences are buffered.

    A key is a character, one of the names above, or `escape`.  Unknown sequences are dropped.
    """

    def __init__(self) -> None:
        self._rest = b""

    @property
    def waiting(self) -> bool:
        """Whether an incomplete sequence is buffered."""
        return bool(self._rest)

    def feed(self, typed: bytes) -> list[str]:
        """Return the keys completed by `typed`."""
        self._rest += typed
        keys: list[str] = []
        while self._rest:
            length, key = self._first()
            if not length:
                break
            self._rest = self._rest[length:]
            if key:
                keys.append(key)
        return keys

    def expire(self) -> list[str]:
        """Handle a timeout: a lone ESC is the key itself; drop any other incomplete sequence."""
        rest, self._rest = self._rest, b""
        return ["escape"] if rest == b"\x1b" else []

    def _first(self) -> tuple[int, str]:
        """Return length and name of the first key; length 0 if incomplete, empty name if unknown."""
        first = self._rest[0]
        if first == _ESCAPE:
            return self._sequence()
        if first < 0x20 or first == 0x7F:
            return 1, _SINGLE.get(first, "")
        if first < 0x80:
            return 1, chr(first)
        return self._character(first)

    def _sequence(self) -> tuple[int, str]:
        rest = self._rest
        if len(rest) < 2:
            return 0, ""
        if rest[1] == _ESCAPE:
            return 1, "escape"
        if rest[1] not in b"[O":
            return 2, ""  # Alt and a key
        # A control sequence ends with a byte from @ to ~ (ECMA-48); one after ESC O is one byte long.
        for end in range(2, min(len(rest), _LONGEST)):
            if 0x40 <= rest[end] <= 0x7E:
                return end + 1, _SEQUENCES.get(rest[: end + 1], "")
        return (_LONGEST, "") if len(rest) >= _LONGEST else (0, "")

    def _character(self, first: int) -> tuple[int, str]:
        length = 2 if 0xC2 <= first < 0xE0 else 3 if 0xE0 <= first < 0xF0 else 4 if 0xF0 <= first < 0xF5 else 1
        if len(self._rest) < length:
            return 0, ""
        try:
            return length, self._rest[:length].decode()
        except UnicodeDecodeError:
            return 1, ""
