"""`hsi check --live`: capture while a command runs, then check its traffic.

The order is what it is for a reason.  All that may need root is opened first; from then on nothing is missed, and what
comes waits in the kernel.  Then the command is started, as the user who started hsi; then hsi drops root; and
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
from typing import TYPE_CHECKING, BinaryIO

from handshake_inspect.cli.check_options import CheckOptions, Judge, broken
from handshake_inspect.cli.child_command import Running, passing_on
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import spare
from handshake_inspect.cli.watching import REFUSED, import_late
from handshake_inspect.engine.background import QUIET_S, Background
from handshake_inspect.errors import UsageError
from handshake_inspect.live import chosen_snap_len, privileges
from handshake_inspect.live.session import open_live

_SIGNALS_S = 0.2  # how often to look for a signal that another thread got

if TYPE_CHECKING:
    from handshake_inspect.checks.rule_results import Holder
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.report.model import Report


def check_live(given: CheckOptions, words: Sequence[str]) -> bool:
    """Capture while the command runs, and check; whether every assertion passed and the command did not fail."""
    from handshake_inspect.checks import command

    interface = _interface(given, words)
    spare(given.rules.files, given.output, given.write)
    judge = Judge(given)
    with ExitStack() as stack:
        target = stack.enter_context(Target.held(given.output))
        written = Written(stack, given.write) if given.write else None
        _warm_up(judge)
        source = _source(interface, given, written)
        background = stack.enter_context(
            Background(source, given.analysis.settings, frames=given.beside.count, duration_s=given.beside.duration)
        )
        if written is not None:
            written.disappear()
        name, status = _beside(background, given.beside.user, words)
        report = background.finish(given.beside.settle or QUIET_S)
        background.close()  # also the recording
        holder = judge.hold(report)
        checked = holder.checked()
        if status is not None:
            checked = command.behind(command.ended(name, status), checked)
        target.put(lambda stream: judge.show(checked, judge.looks(holder, target), stream))
        if written is not None:
            written.write(report, holder)
        if background.failure is not None:
            raise background.failure
    return checked.passed


def _interface(given: CheckOptions, words: Sequence[str]) -> str:
    """Where to capture; UsageError for what cannot be meant."""
    beside = given.beside
    if given.captures or given.read:
        name = (*given.captures, *given.read)[0]
        raise UsageError(f"--live captures, and {name} is already a capture; put a command after --")
    if beside.interface is None:
        raise UsageError("--live: name an interface with -i, such as -i lo (hsi live -D lists them)")
    if not words and beside.duration is None and beside.count is None:
        raise UsageError("--live: put a command after --, or set the time with --duration")
    if given.write == "-":
        raise UsageError("--write - would take standard output from the command and the report: name a file")
    return beside.interface


def _beside(background: Background, user: str | None, words: Sequence[str]) -> tuple[str, int | None]:
    """Capture until the command has ended, or the capture has; the command's name and exit status."""
    with passing_on() as signals:
        if not words:
            signals.end(background.stop)
            privileges.drop(user)
            background.start()
            while not background.wait(_SIGNALS_S):
                pass
            return "", None
        running = _started(words, user)
        signals.are_for(running)
        try:
            if user is None and os.geteuid() == 0:
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


def _source(interface: str, given: CheckOptions, written: Written | None) -> LiveSource:
    beside = given.beside
    return open_live(
        interface,
        backend=beside.backend,
        filter_text=beside.filter or "",
        snap_len=chosen_snap_len(beside.snap_length, setup=not given.analysis.no_setup),
        ring_mib=beside.ring_size,
        promiscuous=not beside.no_promiscuous,
        write_to=None if written is None else written.path,
    )


def _warm_up(judge: Judge) -> None:
    """Have everything imported that the answer needs: later imports may lie where only root may read."""
    import handshake_inspect

    import_late()
    import_module("handshake_inspect.engine.extract")
    holder = judge.hold(handshake_inspect.analyze(BytesIO(REFUSED)))
    sink = Target("-", BytesIO(), encoding="utf-8", terminal=False)
    judge.show(holder.checked(), judge.looks(holder, sink), sink.stream)
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
