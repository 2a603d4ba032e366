"""`hsi check --live`: capture while a command runs, then check its traffic.

The order is what it is for a reason.  All that may need root is opened first; from then on nothing is missed, and what
comes waits in the kernel.  Then the command is started, as whoever hsi was started as; then hsi lets go of root; and
only after that frames are read.  With `-Z USER` hsi becomes USER before it starts the command.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from handshake_inspect.cli.judging import Judge, broken
from handshake_inspect.cli.live_options import checked_live
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.running import Running, passing_on
from handshake_inspect.cli.sparing import spare
from handshake_inspect.cli.watching import REFUSED, import_late
from handshake_inspect.engine import Options
from handshake_inspect.engine.background import QUIET_S, Background
from handshake_inspect.live import privileges
from handshake_inspect.live.session import DEFAULT_SNAP_LEN, open_live

_SIGNALS_S = 0.2  # after so long a signal is heard, which another thread got

if TYPE_CHECKING:
    from handshake_inspect.checks.held import Holder
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.report.model import Report


def check_live(given: dict[str, Any], words: Sequence[str]) -> bool:
    """Capture while the command runs, and check; whether every assertion passed and the command did not fail."""
    from handshake_inspect.checks import command

    checked_live(given, words)
    spare([name for name in [given["rules_file"]] if name], given["output"], given["write"])
    judge = Judge(given)
    with ExitStack() as stack:
        target = stack.enter_context(Target.held(given["output"]))
        written = Written(stack, given["write"]) if given["write"] else None
        _warm_up(judge)
        source = _source(given, written)
        background = stack.enter_context(Background(source, _options(given), **_limits(given)))
        if written is not None:
            written.disappear()
        name, status = _beside(background, given, words)
        report = background.finish(given["settle"] or QUIET_S)
        background.close()  # also the recording
        holder = judge.hold(report)
        checked = holder.checked()
        if status is not None:
            checked = command.behind(command.ended(name, status), checked)
        target.put(lambda stream: judge.show(checked, target, stream))
        if written is not None:
            written.write(report, holder)
        if background.failure is not None:
            raise background.failure
    return checked.passed


def _beside(background: Background, given: dict[str, Any], words: Sequence[str]) -> tuple[str, int | None]:
    """Capture until the command has ended, or the capture has; the command's name and exit status."""
    with passing_on() as signals:
        if not words:
            signals.end(background.stop)
            privileges.drop(given["user"])
            background.start()
            while not background.wait(_SIGNALS_S):
                pass
            return "", None
        running = _started(words, given["user"])
        signals.are_for(running)
        try:
            if given["user"] is None and os.geteuid() == 0:
                running.keep_in_reach()
                privileges.drop()
            background.start()
            return running.name, running.wait()
        except BaseException:
            running.abandon()
            raise


def _started(words: Sequence[str], user: str | None) -> Running:
    if user is None:
        return Running(words)
    account = privileges.named(user)
    if privileges.drop(user) is None:
        return Running(words)
    with suppress(KeyError):
        home = pwd.getpwuid(account.uid).pw_dir
        return Running(words, os.environ | {"HOME": home, "USER": account.name, "LOGNAME": account.name})
    return Running(words)


def _source(given: dict[str, Any], written: Written | None) -> LiveSource:
    length = given["snap_length"]
    return open_live(
        given["interface"],
        backend=given["backend"],
        filter_text=given["filter_text"] or "",
        snap_len=DEFAULT_SNAP_LEN if length is None else length,
        ring_mib=given["ring_size"],
        promiscuous=not given["no_promiscuous"],
        write_to=None if written is None else written.path,
    )


def _options(given: dict[str, Any]) -> Options:
    settings: dict[str, Any] = {"time_wait_ns": given["time_wait"], "unanswered_ns": given["timeout"]}
    if given["max_connections"] is not None:
        settings["max_connections"] = given["max_connections"]
    return Options(**settings)


def _limits(given: dict[str, Any]) -> dict[str, Any]:
    return {"frames": given["count"], "duration_s": given["duration"]}


def _warm_up(judge: Judge) -> None:
    """Have everything imported that the answer needs: later imports may lie where only root may read."""
    import handshake_inspect

    import_late()
    import_module("handshake_inspect.engine.extract")
    holder = judge.hold(handshake_inspect.analyze(BytesIO(REFUSED)))
    sink = Target("-", BytesIO(), encoding="utf-8", terminal=False)
    judge.show(holder.checked(), sink, sink.stream)
    broken(holder)


class Written:
    """The frames that were captured, to write those of the connections that broke a rule."""

    def __init__(self, stack: ExitStack, name: str) -> None:
        """Open the file, and another one without a name for all frames."""
        self.target = stack.enter_context(Target.held(name, frames=True))
        descriptor, self.path = tempfile.mkstemp(suffix=".pcapng", prefix="hsi-")
        stack.callback(self.disappear)
        self._frames: BinaryIO = stack.enter_context(open(descriptor, "rb"))  # noqa: PTH123, SIM115

    def disappear(self) -> None:
        """Take the name away: who has it open goes on."""
        with suppress(OSError):  # once is enough, and root may be gone by the second time
            Path(self.path).unlink()

    def write(self, report: Report, holder: Holder) -> None:
        """Write the frames of the connections that broke a rule."""
        from handshake_inspect.engine.extract import extract

        self.target.put(lambda out: extract([self._frames], report.connections, broken(holder), out))
