"""What an output option must not touch: what is read, another output, and captures.

Files are distinguished by device and inode, so links, other spellings of a path and `- < FILE` are the same file.
All is asked before anything is opened.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence

from handshake_inspect.errors import UsageError

_File = tuple[int | str, int | str]


def spare(inputs: Sequence[str], output: str, write: str | None = None, option: str = "--write") -> None:
    """Refuse to write a report to `output`, and frames to `write`, where that would destroy what is there.

    UsageError where one of them is what is read, or both are one file, or the report would replace a capture.
    `option` is how frames are asked for.
    """
    outputs = [("-o", output)] if write is None else [("-o", output), (option, write)]
    read = [(path, _read(path)) for path in inputs]
    for asked, name in outputs:
        place = _written(name)
        for path, file in read:
            if place is not None and file == place:
                what = "standard input" if path == "-" else path
                whose = "standard output" if name == "-" else f"{asked} {name}"
                raise UsageError(f"{whose} would replace the capture itself: {what} is read; name another file")
    if write is not None:
        _refuse_one_for_both(output, write, option)
    refuse_capture(output)


def _refuse_one_for_both(output: str, write: str, option: str) -> None:
    if output == write == "-":
        raise UsageError(f"{option} - takes standard output: name a file for the report with -o")
    place = _written(output)
    if place is not None and place == _written(write):
        raise UsageError(f"-o {output} and {option} {write} are one file; name two")


def refuse_capture(output: str) -> None:
    """Refuse to replace a file that begins like a capture, whatever program wrote it."""
    if output != "-" and _is_capture(output):
        raise UsageError(f"-o {output} would replace a capture with a report; remove it first, or name another file")


def _is_capture(name: str) -> bool:
    """Whether a file is there that begins as a capture does, compressed or not."""
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116 - no Path of what may not be one
            return False
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            return _begins_capture(file)
    except (OSError, ValueError):
        return False


def _begins_capture(file: object) -> bool:
    from handshake_inspect.capture import sniff
    from handshake_inspect.capture.codecs import codec_of
    from handshake_inspect.capture.streams import PackedStream, PlainStream

    plain = PlainStream(file)
    head = plain.peek(sniff.SNIFFED)
    codec = codec_of(head)
    if codec is not None:
        try:
            head = PackedStream(plain, codec).peek(sniff.SNIFFED)
        except ImportError:  # who cannot look inside does not touch it
            return True
    return sniff.container(head) is not None


def _read(name: str) -> _File | None:
    """The file that an input is; None where there is none."""
    try:
        status = os.fstat(sys.stdin.fileno()) if name == "-" else os.stat(name)  # noqa: PTH116
    except (OSError, ValueError, AttributeError):
        return None
    return status.st_dev, status.st_ino


def _written(name: str) -> _File | None:
    """The file that an output is or will be; None for what is no file: a pipe, a terminal."""
    try:
        status = os.fstat(sys.stdout.fileno()) if name == "-" else os.stat(name)  # noqa: PTH116
    except FileNotFoundError:
        return "", os.path.realpath(name)
    except (OSError, ValueError, AttributeError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
