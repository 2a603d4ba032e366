"""The command `hsi check --live`: capture while a command runs, then check its traffic.

The order of the steps matters.  Everything that may need root is opened first; from then on the kernel buffers every
frame.  Next, the command starts as the user who started hsi; then hsi drops root privileges; only then does it read
frames.  With `-Z USER`, hsi becomes USER before it starts the command.
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

from handshake_inspect.cli.check_options import CheckOptions, CheckRunner, broken
from handshake_inspect.cli.child_command import ChildProcess, forward_signals
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import refuse_overwrite
from handshake_inspect.cli.watching import SAMPLE_PCAP, import_lazy_modules
from handshake_inspect.engine.background import QUIET_S, Background
from handshake_inspect.errors import UsageError
from handshake_inspect.live import chosen_snap_len, privileges
from handshake_inspect.live.session import open_live

_SIGNALS_S = 0.2  # interval of checks for signals that were delivered to another thread

if TYPE_CHECKING:
    from handshake_inspect.checks.rule_results import RuleEvaluation
    from handshake_inspect.live.base import LiveSource
    from handshake_inspect.report.model import Report


def check_live(args: CheckOptions, command_words: Sequence[str]) -> bool:
    """Capture while the command runs, then check; return True if every assertion passed and the command succeeded."""
    from handshake_inspect.checks import command

    interface = _interface(args, command_words)
    refuse_overwrite(args.rules.files, args.output, args.write)
    runner = CheckRunner(args)
    with ExitStack() as stack:
        target = stack.enter_context(Target.held(args.output))
        breach_writer = BreachWriter(stack, args.write) if args.write else None
        _warm_up(runner)
        source = _source(interface, args, breach_writer)
        background = stack.enter_context(
            Background(source, args.analysis.settings, frames=args.capture.count, duration_s=args.capture.duration)
        )
        if breach_writer is not None:
            breach_writer.unlink_temporary()
        name, status = _capture_until_done(background, args.capture.user, command_words)
        report = background.finish(args.capture.settle or QUIET_S)
        background.close()  # also the recording
        evaluation = runner.evaluate(report)
        checked = evaluation.checked()
        if status is not None:
            checked = command.prepend(command.exit_assertion(name, status), checked)
        target.put(lambda stream: runner.show(checked, runner.render_options(evaluation, target), stream))
        if breach_writer is not None:
            breach_writer.write(report, evaluation)
        if background.failure is not None:
            raise background.failure
    return checked.passed


def _interface(args: CheckOptions, command_words: Sequence[str]) -> str:
    """Return the interface to capture on; UsageError for options that contradict each other."""
    capture = args.capture
    if args.captures or args.read:
        name = (*args.captures, *args.read)[0]
        raise UsageError(f"--live captures, and {name} is already a capture; put a command after --")
    if capture.interface is None:
        raise UsageError("--live: name an interface with -i, such as -i lo (hsi live -D lists them)")
    if not command_words and capture.duration is None and capture.count is None:
        raise UsageError("--live: put a command after --, or set the time with --duration")
    if args.write == "-":
        raise UsageError("--write - would take standard output from the command and the report: name a file")
    return capture.interface


def _capture_until_done(
    background: Background, user: str | None, command_words: Sequence[str]
) -> tuple[str, int | None]:
    """Capture until the command exits or the capture ends; return the command's name and exit status."""
    with forward_signals() as signals:
        if not command_words:
            signals.end(background.stop)
            privileges.drop(user)
            background.start()
            while not background.wait(_SIGNALS_S):
                pass
            return "", None
        running = _started(command_words, user)
        signals.forward_to(running)
        try:
            if user is None and os.geteuid() == 0:
                running.start_signal_relay()
                privileges.drop()
            background.start()
            return running.name, running.wait()
        except BaseException:
            running.terminate()
            raise


def _started(command_words: Sequence[str], user: str | None) -> ChildProcess:
    if user is None:
        return ChildProcess(command_words)
    account = privileges.named(user)
    if privileges.drop(user) is None:
        return ChildProcess(command_words)
    with suppress(KeyError):
        home = pwd.getpwuid(account.uid).pw_dir
        return ChildProcess(command_words, os.environ | {"HOME": home, "USER": account.name, "LOGNAME": account.name})
    return ChildProcess(command_words)


def _source(interface: str, args: CheckOptions, breach_writer: BreachWriter | None) -> LiveSource:
    capture = args.capture
    return open_live(
        interface,
        backend=capture.backend,
        filter_text=capture.filter or "",
        snap_len=chosen_snap_len(capture.snap_length, setup=not args.analysis.no_setup),
        ring_mib=capture.ring_size,
        promiscuous=not capture.no_promiscuous,
        write_to=None if breach_writer is None else breach_writer.path,
    )


def _warm_up(runner: CheckRunner) -> None:
    """Import everything that the check needs, because modules may be unreadable after dropping root."""
    import handshake_inspect

    import_lazy_modules()
    import_module("handshake_inspect.engine.extract")
    evaluation = runner.evaluate(handshake_inspect.analyze(BytesIO(SAMPLE_PCAP)))
    sink = Target("-", BytesIO(), encoding="utf-8", terminal=False)
    runner.show(evaluation.checked(), runner.render_options(evaluation, sink), sink.stream)
    broken(evaluation)


class BreachWriter:
    """A temporary capture file, from which the frames of connections that broke a rule are written to `--write`."""

    def __init__(self, stack: ExitStack, name: str) -> None:
        """Open the output file and a temporary file for all frames."""
        self.target = stack.enter_context(Target.held(name, frames=True))
        descriptor, self.path = tempfile.mkstemp(suffix=".pcapng", prefix="hsi-")
        stack.callback(self.unlink_temporary)
        self._frames: BinaryIO = stack.enter_context(open(descriptor, "rb"))  # noqa: PTH123, SIM115

    def unlink_temporary(self) -> None:
        """Unlink the temporary file; open descriptors stay valid."""
        with suppress(OSError):  # already unlinked, or root privileges were dropped since
            Path(self.path).unlink()

    def write(self, report: Report, evaluation: RuleEvaluation) -> None:
        """Write the frames of the connections that broke a rule."""
        from handshake_inspect.engine.extract import extract

        self.target.put(lambda out: extract([self._frames], report.connections, broken(evaluation), out))
