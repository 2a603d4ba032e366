"""What a command reads, which of its connections it shows, and in which format."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast

import click

from handshake_inspect.cli.progress import Meter
from handshake_inspect.cli.root import COMMANDS
from handshake_inspect.errors import UsageError
from handshake_inspect.render import FORMATS, REPORTS, Options

if TYPE_CHECKING:
    from handshake_inspect.capture.source import Input
    from handshake_inspect.cli.options import AnalysisOptions
    from handshake_inspect.cli.output import Target
    from handshake_inspect.expression.questions import Test
    from handshake_inspect.report.model import Connection, Connections, Report


LARGE = 5_000_000  # bytes that the pure build needs several seconds for

# --- what is read -----------------------------------------------------------------------------------------------------


def checked_paths(paths: Sequence[str]) -> list[str]:
    """Refuse command lines that cannot be meant."""
    if not paths:
        raise click.UsageError("name a capture, or - for standard input")
    if paths.count("-") > 1:
        raise click.UsageError("standard input can be read only once")
    for path in paths:
        if path in COMMANDS and not os.path.exists(path):  # noqa: PTH110 - no Path of what may not be one
            raise click.UsageError(f"options come after the command: hsi {path} ...")
    return list(paths)


def files_in(paths: Sequence[str]) -> list[str]:
    """The captures with the files of directories, and those that fit patterns, in their place."""
    from handshake_inspect.capture.path_patterns import expanded

    return cast("list[str]", expanded(paths))


def inputs_for(paths: Sequence[str], form: str) -> Sequence[Input]:
    """The captures as they are read: of a pipe a format that draws segments keeps what came."""
    if not FORMATS[form].drawn:
        return paths
    from handshake_inspect.capture.replayed_pipe import remembered

    return [remembered(path) for path in paths]


def analyzed(
    paths: Sequence[str],
    options: AnalysisOptions,
    *,
    watched: bool,
    background: Callable[[], object] | None = None,
    inputs: Sequence[Input] = (),
    cluster: str | None = None,
) -> Report:
    """The report of captures that make one trace; `watched` says whether progress may be shown.

    `inputs` are the same captures as they are to be read.
    """
    from handshake_inspect import engine
    from handshake_inspect.cli import memory

    memory.keep()
    if cluster is not None:
        return _by_workers(cluster, paths, options, watched=watched)
    _remark_build(paths)
    with Meter(wanted=watched, inputs=paths) as meter:
        return engine.analyze(inputs or paths, options=options.settings, progress=meter.update, background=background)


def _by_workers(where: str, paths: Sequence[str], options: AnalysisOptions, *, watched: bool) -> Report:
    """The same by a cluster."""
    from handshake_inspect.cluster import workers
    from handshake_inspect.cluster.analysis import analyze
    from handshake_inspect.cluster.parts import check

    check(paths)
    with workers(where) as runner, Meter(wanted=watched, inputs=paths) as meter:
        return analyze(paths, runner, options=options.settings, progress=meter.update)


def _remark_build(paths: Sequence[str]) -> None:
    """Say once why this will take long, where it will: without a compiler the slow build is installed in silence."""
    from handshake_inspect.about import build

    if click.get_current_context().params.get("quiet") or build() == "compiled":
        return
    size = sum(os.path.getsize(path) for path in paths if os.path.isfile(path))  # noqa: PTH113, PTH202
    if size >= LARGE:
        click.echo(
            f"hsi: note: {size / 1e6:,.0f} MB in the pure build, which is many times slower than the compiled one;"
            " install again with a C compiler",
            err=True,
        )


def saved_report(paths: Sequence[str], cluster: str | None = None) -> Report | None:
    """The report that a JSON file holds; None for captures, of which a report cannot be one."""
    if len(paths) != 1 or not _is_json(paths[0]):
        return None
    if cluster is not None:
        raise UsageError(f"--cluster reads captures, and {paths[0]} is a report: leave out --cluster")
    from handshake_inspect.report.schema import load

    return load(paths[0])


def report_of(
    paths: Sequence[str], options: AnalysisOptions, inputs: Sequence[Input] = (), cluster: str | None = None
) -> Report:
    """The report of captures that make one trace, or the one that a JSON file holds, which needs its connections."""
    report = saved_report(paths, cluster)
    if report is None:
        return analyzed(paths, options, watched=not options.no_progress, inputs=inputs, cluster=cluster)
    said = report.summary.connections + sum(service.connections for service in report.quic_services)
    if said and not len(report.connections) + len(report.quic_connections):
        raise UsageError(f"{paths[0]}: this report has no connections; write it without --no-connections")
    return report


def _is_json(path: str) -> bool:
    """Whether a file begins as a JSON object does, which no capture does."""
    try:
        if path == "-" or not os.path.isfile(path):  # noqa: PTH113
            return False
        with open(path, "rb") as stream:  # noqa: PTH123
            return stream.read(64).lstrip()[:1] == b"{"
    except OSError:
        return False


# --- which connections ------------------------------------------------------------------------------------------------


def test_of(expression: str | None) -> Test | None:
    """The test that `-Y` asks for, before anything is read."""
    if expression is None:
        return None
    from handshake_inspect.expression.language import parse

    return parse(expression)


def narrowed(report: Report, test: Test | None) -> Report:
    """The report of the connections that pass the test."""
    if test is None:
        return report
    from handshake_inspect.expression.select import filtered

    return filtered(report, test)


def checked_write(write: str | None, paths: Sequence[str]) -> None:
    """Refuse `--write` where the captures cannot be read once more."""
    if write is None:
        return
    from handshake_inspect.capture.remote import is_remote

    for path in paths:
        if _is_json(path):
            raise UsageError(f"{path} is a report, which has no frames: give --write the capture itself")
        if not is_remote(path) and not Path(path).is_file():
            raise UsageError(f"--write reads the captures twice, and {path} can be read only once")


def write_frames(write: str, paths: Sequence[str], every: Connections, chosen: Connections, *, watched: bool) -> None:
    """Write the frames of the chosen connections."""
    from handshake_inspect.cli.output import Target
    from handshake_inspect.engine.extract import extract

    with Target.open(write, frames=True) as target, Meter(wanted=watched) as meter:
        target.put(lambda stream: extract(paths, every, chosen, stream, meter.update))


def with_stories(
    looks: Options, form: str, report: Report, inputs: Sequence[Input], options: AnalysisOptions, *, watched: bool,
    also: Sequence[Connection] = (),
) -> Options:  # fmt: skip
    """The looks with the stories of the connections that the format draws, of captures that can be read once more.

    And of some others, where it draws any.
    """
    chosen = FORMATS[form].starring(report, looks)
    chosen += [each for each in also if FORMATS[form].drawn and each not in chosen]
    if not chosen or any(isinstance(each, str) and _is_json(each) for each in inputs):
        return looks
    from handshake_inspect.capture.replayed_pipe import readable_again
    from handshake_inspect.engine.explain import stories

    once_more = [again for each in inputs if (again := readable_again(each)) is not None]
    if len(once_more) < len(inputs):
        return looks

    with Meter(wanted=watched) as meter:
        limit = FORMATS[form].segments
        drawn = stories(once_more, chosen, report, limit=limit, options=options.settings, progress=meter.update)
    return replace(looks, stories=drawn)


# --- in which format --------------------------------------------------------------------------------------------------


def chosen_format(form: str | None, output: str, known: Collection[str] = tuple(REPORTS)) -> str:
    """The format that was asked for, or that the name of the output says, or text.

    Raises UsageError when the name says a format that the command has not, or ends in what says nothing.  A name
    without an ending is text.
    """
    if form is None:
        name = PurePath(output).name
        form = "sarif" if name.endswith(".sarif.json") else _by_ending(output, PurePath(name).suffix, known)
    if form in known:
        return form
    if form == "zeek":  # a .log may be anything's
        return "text"
    raise UsageError(f"{output}: this command cannot write {form}; its formats are {', '.join(known)} (-T)")


def _by_ending(output: str, ending: str, known: Collection[str]) -> str:
    if not ending:
        return "text"
    forms = {suffix: form for form, each in FORMATS.items() for suffix in each.suffixes}
    form = forms.get(ending.lower())
    if form is None:
        there = [end for end, form in forms.items() if form in known]
        there.sort(key=FORMATS["text"].suffixes.__contains__)  # which needs none: last
        raise UsageError(
            f"{output}: no format has the ending {ending}; use one of {', '.join(there)}, or choose with -T"
        )
    return form


def refuse_terminal(form: str, target: Target) -> None:
    """Keep bytes that are no text off a terminal."""
    if FORMATS[form].binary and target.terminal:
        raise UsageError(f"{form} is binary: write it to a file with -o")


@contextmanager
def opened(output: str, form: str) -> Iterator[Target]:
    """Open the output of a report: a file, or the directory of a dataset."""
    from handshake_inspect.cli.output import Folder, Target

    if not output.endswith(os.sep) and not (FORMATS[form].dataset and os.path.isdir(output)):  # noqa: PTH112
        with Target.open(output) as target:
            yield target
        return
    if not FORMATS[form].dataset:
        some = ", ".join(name for name, each in FORMATS.items() if each.dataset)
        raise UsageError(f"{output}: {form} is written to a file; into a directory goes -T {some}")
    with Folder.open(output) as folder:
        yield folder


def put_report(target: Target, form: str, report: Report, looks: Options, *, paged: bool = False) -> None:
    """Write a report to what was opened for it; text may be `paged`."""
    from handshake_inspect.cli.output import Folder

    if isinstance(target, Folder):
        target.fill(lambda path: FORMATS[form].write_dataset(report, path, looks))
    else:
        target.page(lambda stream: FORMATS[form].render(report, stream, looks), wanted=paged and form == "text")


def checked_binary(form: str, target: Target) -> None:
    """Refuse a format that is no text on a terminal, or without what writes it, before a long work begins."""
    if FORMATS[form].binary:
        from handshake_inspect.report.arrow import pyarrow

        refuse_terminal(form, target)
        pyarrow()


def checked_fields(fields: tuple[str, ...], form: str) -> tuple[str, ...]:
    """The chosen columns; UsageError for a format without columns, and for fields that do not exist."""
    if fields:
        if not FORMATS[form].columns:
            known = ", ".join(name for name, each in FORMATS.items() if each.columns)
            raise UsageError(f"-e chooses columns, and {form} has none; use -T {known}")
        from handshake_inspect.report.fields import chosen

        chosen(fields)
    return fields
