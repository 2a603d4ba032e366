"""Steps that commands share: check and expand input paths, analyse, filter connections, choose the output format."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast

import click

from handshake_inspect.cli.progress import ProgressBar
from handshake_inspect.cli.root import COMMANDS
from handshake_inspect.errors import UsageError
from handshake_inspect.render import FORMATS, REPORTS, Options

if TYPE_CHECKING:
    from handshake_inspect.capture.source import Input
    from handshake_inspect.cli.options import AnalysisOptions
    from handshake_inspect.cli.output import Target
    from handshake_inspect.expression.predicates import Predicate
    from handshake_inspect.report.model import Connection, Connections, Report


SLOW_SIZE = 5_000_000  # bytes; the pure build takes several seconds from here on

# --- input ------------------------------------------------------------------------------------------------------------


def check_paths(paths: Sequence[str]) -> list[str]:
    """Return `paths` as a list; UsageError if there are none or they are ambiguous."""
    if not paths:
        raise click.UsageError("name a capture, or - for standard input")
    if paths.count("-") > 1:
        raise click.UsageError("standard input can be read only once")
    for path in paths:
        if path in COMMANDS and not os.path.exists(path):  # noqa: PTH110 - may be an invalid path
            raise click.UsageError(f"options come after the command: hsi {path} ...")
    return list(paths)


def expand_paths(paths: Sequence[str]) -> list[str]:
    """Replace directories and glob patterns with the captures that they contain or match."""
    from handshake_inspect.capture.path_patterns import expand_inputs

    return cast("list[str]", expand_inputs(paths))


def replayable_inputs(paths: Sequence[str], form: str) -> Sequence[Input]:
    """Return the inputs to analyse; for a format that draws segments, pipes are buffered so they can be read again."""
    if not FORMATS[form].drawn:
        return paths
    from handshake_inspect.capture.replayable_pipe import replayable

    return [replayable(path) for path in paths]


def analyze_paths(
    paths: Sequence[str],
    options: AnalysisOptions,
    *,
    show_progress: bool,
    preload: Callable[[], object] | None = None,
    inputs: Sequence[Input] = (),
    cluster: str | None = None,
    keep_workers: ExitStack | None = None,
) -> Report:
    """Analyse captures as one trace; `show_progress` allows a progress bar.

    `inputs`, if given, are the streams to read instead of opening `paths`.  With `keep_workers`, workers of a cluster
    keep the connections, to write them as a dataset, until it is closed.
    """
    from handshake_inspect import engine
    from handshake_inspect.cli import memory

    memory.tune()
    if cluster is not None:
        return _analyze_on_cluster(cluster, paths, options, show_progress=show_progress, keep_workers=keep_workers)
    _note_pure_build(paths)
    with ProgressBar(wanted=show_progress, inputs=paths) as meter:
        return engine.analyze(inputs or paths, options=options.settings, progress=meter.update, background=preload)


def _analyze_on_cluster(
    where: str, paths: Sequence[str], options: AnalysisOptions, *, show_progress: bool, keep_workers: ExitStack | None
) -> Report:
    """Analyse captures on a Dask cluster."""
    from handshake_inspect.cluster import workers
    from handshake_inspect.cluster.analysis import analyze
    from handshake_inspect.cluster.parts import check

    check(paths)
    with ExitStack() as own:
        runner = (own if keep_workers is None else keep_workers).enter_context(workers(where))
        with ProgressBar(wanted=show_progress, inputs=paths) as meter:
            return analyze(
                paths, runner, options=options.settings, progress=meter.update, apart=keep_workers is not None
            )


def _note_pure_build(paths: Sequence[str]) -> None:
    """Note on stderr that a large input is read by the pure build, which is installed silently without a compiler."""
    from handshake_inspect.about import build

    if click.get_current_context().params.get("quiet") or build() == "compiled":
        return
    size = sum(os.path.getsize(path) for path in paths if os.path.isfile(path))  # noqa: PTH113, PTH202
    if size >= SLOW_SIZE:
        click.echo(
            f"hsi: note: {size / 1e6:,.0f} MB in the pure build, which is many times slower than the compiled one;"
            " install again with a C compiler",
            err=True,
        )


def load_saved_report(paths: Sequence[str], cluster: str | None = None) -> Report | None:
    """Load the report if the only input is a JSON file; return None for captures."""
    if len(paths) != 1 or not _is_json_object(paths[0]):
        return None
    if cluster is not None:
        raise UsageError(f"--cluster reads captures, and {paths[0]} is a report: leave out --cluster")
    from handshake_inspect.report.schema import load

    return load(paths[0])


def load_or_analyze(
    paths: Sequence[str], options: AnalysisOptions, inputs: Sequence[Input] = (), cluster: str | None = None
) -> Report:
    """Analyse captures as one trace, or load a JSON report; UsageError if that was saved without connections."""
    report = load_saved_report(paths, cluster)
    if report is None:
        return analyze_paths(paths, options, show_progress=not options.no_progress, inputs=inputs, cluster=cluster)
    counted = report.summary.connections + sum(service.connections for service in report.quic_services)
    if counted and not len(report.connections) + len(report.quic_connections):
        raise UsageError(f"{paths[0]}: this report has no connections; write it without --no-connections")
    return report


def _is_json_object(path: str) -> bool:
    """Whether a file begins like a JSON object; no capture format does."""
    try:
        if path == "-" or not os.path.isfile(path):  # noqa: PTH113
            return False
        with open(path, "rb") as stream:  # noqa: PTH123
            return stream.read(64).lstrip()[:1] == b"{"
    except OSError:
        return False


# --- connections ------------------------------------------------------------------------------------------------------


def parse_filter(expression: str | None) -> Predicate | None:
    """Parse the expression of `-Y`, so that errors are reported before anything is read."""
    if expression is None:
        return None
    from handshake_inspect.expression.language import parse

    return parse(expression)


def filter_report(report: Report, test: Predicate | None) -> Report:
    """Return the report limited to matching connections; unchanged if `test` is None."""
    if test is None:
        return report
    from handshake_inspect.expression.select import filtered

    return filtered(report, test)


def check_write(write: str | None, paths: Sequence[str]) -> None:
    """Raise UsageError for `--write` if the captures cannot be read twice."""
    if write is None:
        return
    from handshake_inspect.capture.remote import is_remote

    for path in paths:
        if _is_json_object(path):
            raise UsageError(f"{path} is a report, which has no frames: give --write the capture itself")
        if not is_remote(path) and not Path(path).is_file():
            raise UsageError(f"--write reads the captures twice, and {path} can be read only once")


def write_frames(
    write: str, paths: Sequence[str], every: Connections, chosen: Connections, *, show_progress: bool
) -> None:
    """Write the frames of the `chosen` connections to a pcapng file."""
    from handshake_inspect.cli.output import Target
    from handshake_inspect.engine.extract import extract

    with Target.open(write, frames=True) as target, ProgressBar(wanted=show_progress) as meter:
        target.put(lambda stream: extract(paths, every, chosen, stream, meter.update))


def add_stories(
    render_options: Options, form: str, report: Report, inputs: Sequence[Input], options: AnalysisOptions, *,
    show_progress: bool, also: Sequence[Connection] = (),
) -> Options:  # fmt: skip
    """Return render options with the stories of the connections that the format draws, and of `also`.

    Making stories reads the captures again; unchanged options are returned if that is not possible or nothing is drawn.
    """
    chosen = FORMATS[form].starring(report, render_options)
    chosen += [each for each in also if FORMATS[form].drawn and each not in chosen]
    if not chosen or any(isinstance(each, str) and _is_json_object(each) for each in inputs):
        return render_options
    from handshake_inspect.capture.replayable_pipe import reopened
    from handshake_inspect.engine.explain import stories

    once_more = [again for each in inputs if (again := reopened(each)) is not None]
    if len(once_more) < len(inputs):
        return render_options

    with ProgressBar(wanted=show_progress) as meter:
        limit = FORMATS[form].segments
        drawn = stories(once_more, chosen, report, limit=limit, options=options.settings, progress=meter.update)
    return replace(render_options, stories=drawn)


# --- output format ----------------------------------------------------------------------------------------------------


def chosen_format(form: str | None, output: str, known: Collection[str] = tuple(REPORTS)) -> str:
    """Return the format from `-T`, else from the file name extension of the output, else text.

    UsageError if the extension is unknown or its format is not one of `known`.
    """
    if form is None:
        name = PurePath(output).name
        form = "sarif" if name.endswith(".sarif.json") else _format_for_extension(output, PurePath(name).suffix, known)
    if form in known:
        return form
    if form == "zeek":  # .log is too common to insist on Zeek
        return "text"
    raise UsageError(f"{output}: this command cannot write {form}; its formats are {', '.join(known)} (-T)")


def _format_for_extension(output: str, ending: str, known: Collection[str]) -> str:
    if not ending:
        return "text"
    forms = {suffix: form for form, each in FORMATS.items() for suffix in each.suffixes}
    form = forms.get(ending.lower())
    if form is None:
        there = [end for end, form in forms.items() if form in known]
        there.sort(key=FORMATS["text"].suffixes.__contains__)  # text last: it needs no extension
        raise UsageError(
            f"{output}: no format has the ending {ending}; use one of {', '.join(there)}, or choose with -T"
        )
    return form


def refuse_terminal(form: str, target: Target) -> None:
    """Raise UsageError if a binary format would be written to a terminal."""
    if FORMATS[form].binary and target.terminal:
        raise UsageError(f"{form} is binary: write it to a file with -o")


@contextmanager
def open_output(output: str, form: str) -> Iterator[Target]:
    """Open the output of a report: a file, or the directory of a dataset."""
    from handshake_inspect.cli.output import DirectoryTarget, Target

    if not output.endswith(os.sep) and not (FORMATS[form].dataset and os.path.isdir(output)):  # noqa: PTH112
        with Target.open(output) as target:
            yield target
        return
    if not FORMATS[form].dataset:
        some = ", ".join(name for name, each in FORMATS.items() if each.dataset)
        raise UsageError(f"{output}: {form} is written to a file; into a directory goes -T {some}")
    with DirectoryTarget.open(output) as folder:
        yield folder


def write_report(target: Target, form: str, report: Report, render_options: Options, *, paged: bool = False) -> None:
    """Write a report to an opened target; `paged` allows a pager for text."""
    from handshake_inspect.cli.output import DirectoryTarget

    if isinstance(target, DirectoryTarget):
        target.fill(lambda path: FORMATS[form].write_dataset(report, path, render_options))
    else:
        target.page(
            lambda stream: FORMATS[form].render(report, stream, render_options), wanted=paged and form == "text"
        )


def check_binary(form: str, target: Target) -> None:
    """Raise early if a binary format would be written to a terminal or pyarrow is missing."""
    if FORMATS[form].binary:
        from handshake_inspect.report.arrow import pyarrow

        refuse_terminal(form, target)
        pyarrow()


def check_fields(fields: tuple[str, ...], form: str) -> tuple[str, ...]:
    """Return the columns of `-e`; UsageError if the format has no columns or a field is unknown."""
    if fields:
        if not FORMATS[form].columns:
            known = ", ".join(name for name, each in FORMATS.items() if each.columns)
            raise UsageError(f"-e chooses columns, and {form} has none; use -T {known}")
        from handshake_inspect.report.fields import chosen

        chosen(fields)
    return fields
