"""Checks that an output does not overwrite an input, another output or a capture.

Files are compared by device and inode, so links, other spellings of a path and `- < FILE` count as the same file.
The checks run before any file is opened.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence

from handshake_inspect.errors import UsageError

_File = tuple[int | str, int | str]


def refuse_overwrite(inputs: Sequence[str], output: str, write: str | None = None, option: str = "--write") -> None:
    """Raise UsageError if writing a report to `output`, or frames to `write`, would destroy data.

    That is so if an output is also an input, both outputs are the same file, or the report would replace a capture.
    `option` is the name of the option that set `write`, for the message.
    """
    outputs = [("-o", output)] if write is None else [("-o", output), (option, write)]
    read = [(path, _input_file(path)) for path in inputs]
    for flag, name in outputs:
        target = _output_file(name)
        for path, file in read:
            if target is not None and file == target:
                what = "standard input" if path == "-" else path
                whose = "standard output" if name == "-" else f"{flag} {name}"
                raise UsageError(f"{whose} would replace the capture itself: {what} is read; name another file")
    if write is not None:
        _refuse_same_output(output, write, option)
    refuse_capture(output)


def _refuse_same_output(output: str, write: str, option: str) -> None:
    if output == write == "-":
        raise UsageError(f"{option} - takes standard output: name a file for the report with -o")
    target = _output_file(output)
    if target is not None and target == _output_file(write):
        raise UsageError(f"-o {output} and {option} {write} are one file; name two")


def refuse_capture(output: str) -> None:
    """Raise UsageError if `output` is an existing file that begins like a capture."""
    if output != "-" and _is_capture(output):
        raise UsageError(f"-o {output} would replace a capture with a report; remove it first, or name another file")


def _is_capture(name: str) -> bool:
    """Whether `name` is a regular file that begins like a capture, compressed or not."""
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116 - may be an invalid path
            return False
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            return _begins_capture(file)
    except (OSError, ValueError):
        return False


def _begins_capture(file: object) -> bool:
    from handshake_inspect.capture import sniff
    from handshake_inspect.capture.codecs import codec_of
    from handshake_inspect.capture.streams import DecompressedStream, PlainStream

    plain = PlainStream(file)
    head = plain.peek(sniff.SNIFF_LEN)
    codec = codec_of(head)
    if codec is not None:
        try:
            head = DecompressedStream(plain, codec).peek(sniff.SNIFF_LEN)
        except ImportError:  # cannot decompress it, so assume a capture
            return True
    return sniff.container(head) is not None


def _input_file(name: str) -> _File | None:
    """Return the device and inode of an input, or None if it does not exist."""
    try:
        status = os.fstat(sys.stdin.fileno()) if name == "-" else os.stat(name)  # noqa: PTH116
    except (OSError, ValueError, AttributeError):
        return None
    return status.st_dev, status.st_ino


def _output_file(name: str) -> _File | None:
    """Return the device and inode of an output (of a new file, its path); None for a pipe or a terminal."""
    try:
        status = os.fstat(sys.stdout.fileno()) if name == "-" else os.stat(name)  # noqa: PTH116
    except FileNotFoundError:
        return "", os.path.realpath(name)
    except (OSError, ValueError, AttributeError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
