"""A dataset whose connections workers write is that of one process, row for row."""

import itertools
import os
import signal
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.captures import records
from support.parts import APART, SENSORS, cut, dealt
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect import engine
from handshake_inspect.capture.frame_locator import FrameLocator
from handshake_inspect.cluster import apart, narrow, numbering, scheduler, tables, threads
from handshake_inspect.cluster.analysis import InlineRunner, analyze
from handshake_inspect.cluster.parts import Sizes
from handshake_inspect.errors import ClusterError
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.verdicts.row_store import OF_CONNECTIONS, OF_ENDPOINTS

pq = pytest.importorskip("pyarrow.parquet")
BEYOND = (1 << 32) - 20


class Sharded(InlineRunner):
    """Use several shards, as with several workers."""

    shards = 3


def rows_of(directory):
    """Return the rows of a dataset by table and day, connections by their ids, and the report."""
    found = {"report": (directory / "report.json").read_bytes()}
    for path in sorted(directory.rglob("*.parquet")):
        found.setdefault(str(path.parent.relative_to(directory)), []).extend(pq.ParquetFile(path).read().to_pylist())
    for name, rows in found.items():
        if name.startswith("connections"):
            rows.sort(key=lambda row: row["id"])
    return found


def dataset(report, directory, **options):
    """Write a dataset and return its rows."""
    directory.mkdir()
    FORMATS["parquet"].write_dataset(report, directory, Options(**options))
    return rows_of(directory)


def check(paths, runner, directory, sizes=APART):
    """Both datasets are the same."""
    expected = dataset(engine.analyze(paths), directory / "one")
    assert dataset(analyze(paths, runner, sizes=sizes, apart=True), directory / "apart") == expected
    return expected


def ring(name, directory, parts=3):
    """A sample, cut into parts."""
    data = (DIRECTORY / f"{name}.pcap").read_bytes()
    count = len(records(data)) - 1
    directory.mkdir(exist_ok=True)
    return cut(data, [count * part // parts for part in range(1, parts)], directory)


@pytest.mark.wide_table
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_sample_in_three_parts(name, tmp_path):
    with threads.started(2) as runner:
        check(ring(name, tmp_path / "parts"), runner, tmp_path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    sensors=st.integers(1, 3),
    seed=st.integers(0, 1 << 16),
    places=st.lists(st.integers(0, 1 << 20), max_size=8),
    sizes=st.sampled_from([APART, Sizes(4000), Sizes(0, 700)]),
    runner=st.sampled_from([InlineRunner(), Sharded()]),
)
def test_parts_of_several_sensors(tmp_path_factory, name, sensors, seed, places, sizes, runner):
    directory = tmp_path_factory.mktemp("apart")
    (directory / "parts").mkdir()
    dealt_ = dealt((DIRECTORY / f"{name}.pcap").read_bytes(), sensors, Random(seed))
    cuts = (cut(part, places, directory / "parts", sensor) for sensor, part in zip(SENSORS, dealt_, strict=False))
    check(list(itertools.chain.from_iterable(cuts)), runner, directory)


def test_captures_of_others(corpus, tmp_path):
    """Copies with translated addresses and answers from elsewhere have no rows of their own, in whichever part."""
    for number, path in enumerate(sorted((corpus / "cases").glob("*.pcap"))):
        directory = tmp_path / str(number)
        directory.mkdir()
        data = path.read_bytes()
        check(cut(data, [len(records(data)) // 2], directory), Sharded(), directory)


REFERENCES = ("in_use", "previous", "retries", "aftermath", "client", "hi0", "lo0", "hi1", "lo1", "port0", "port1")


def test_any_field_may_be_fetched(tmp_path, monkeypatch):
    """Which fields move at once decides only how much moves."""
    here = {"connection": {*REFERENCES, *OF_CONNECTIONS}, "endpoint": set(OF_ENDPOINTS)}
    for name, kept in here.items():
        others = tuple(field for field in tables.ROW_TYPES[name].names if field not in kept)
        monkeypatch.setitem(narrow.NARROW_TYPES, name, narrow.without_fields(tables.ROW_TYPES[name], others))
    for name in ("healthy-burst", "middlebox-reset", "router-any", "stale-peer-client", "tls13-resumed", "path-mtu"):
        (tmp_path / name).mkdir()
        check(ring(name, tmp_path / name / "parts"), Sharded(), tmp_path / name)


def test_frame_numbers_beyond_32_bits(tmp_path, monkeypatch):
    plain = numbering.starts_of
    monkeypatch.setattr(FrameLocator, "of", lambda _, numbers: (numbers * 0, numbers))  # knows only files there are
    monkeypatch.setattr(
        numbering, "starts_of", lambda them: [replace(each, before=each.before + BEYOND) for each in plain(them)]
    )
    for name in ("healthy-burst", "lost-syn"):
        paths = ring(name, tmp_path / name, 5)
        expected = dataset(analyze(paths, InlineRunner(), sizes=APART), tmp_path / name / "one")
        assert dataset(analyze(paths, InlineRunner(), sizes=APART, apart=True), tmp_path / name / "apart") == expected
        (day,) = (rows for table, rows in expected.items() if table.startswith("connections"))
        assert day[0]["first_frame"] > BEYOND


def test_chosen_fields(tmp_path):
    paths = ring("refused", tmp_path / "parts")
    report = analyze(paths, InlineRunner(), sizes=APART, apart=True)
    found = dataset(report, tmp_path / "apart", fields=("id", "outcome"))
    (rows,) = (rows for table, rows in found.items() if table.startswith("connections"))
    assert {tuple(row) for row in rows} == {("id", "outcome")}
    assert not [table for table in dataset(report, tmp_path / "none", connections=False) if table.startswith("conn")]


def test_a_directory_that_a_worker_does_not_have(tmp_path):
    report = analyze(ring("refused", tmp_path / "parts"), InlineRunner(), sizes=APART, apart=True)
    with pytest.raises(ClusterError, match="not there on a worker: name a directory that all workers can write"):
        report.connections.write_apart(tmp_path / "other" / "connections", ["id"])


def test_a_file_that_a_worker_wrote_elsewhere(tmp_path, monkeypatch):
    report = analyze(ring("refused", tmp_path / "parts"), InlineRunner(), sizes=APART, apart=True)
    monkeypatch.setattr(apart, "write_part", lambda *_: [("date=2026-11-20/part-0-0.parquet", 4)])
    with pytest.raises(ClusterError, match="is not here: name a directory that all share"):
        report.connections.write_apart(tmp_path / "connections", ["id"])


# -- a Dask cluster ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client():
    """A client of a cluster of two processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.parametrize("name", ["healthy-burst", "lookup", "quic-blocked", "timed-out-answered-from-elsewhere"])
def test_workers_write_their_connections(client, tmp_path, name):
    check(ring(name, tmp_path / "parts", 4), scheduler.Workers(client), tmp_path)


class Killing(scheduler.Workers):
    """Kills a worker before connections are written."""

    def submit(self, stage, function, *given):
        if stage == "share":
            os.kill(next(iter(self.client.run(os.getpid).values())), signal.SIGKILL)
        return super().submit(stage, function, *given)


def test_what_a_lost_worker_had_is_read_again(client, tmp_path):
    check(ring("healthy-burst", tmp_path / "parts", 4), Killing(client), tmp_path)


def test_the_command_has_workers_write(client, hsi, tmp_path):
    paths = ring("healthy-burst", tmp_path / "parts")
    for where, name in (([], "one"), (["--cluster", client.scheduler.address], "apart")):
        done = hsi(*where, "-T", "parquet", "-o", f"{tmp_path / name}/", *paths)
        assert (done.returncode, done.stderr.decode()) == (0, "")
    assert rows_of(tmp_path / "apart") == rows_of(tmp_path / "one")
    written = [path.name for path in Path(tmp_path / "apart" / "connections").rglob("*.parquet")]
    assert "part-0-0.parquet" in written
