"""Rows that would fill the memory are in a file, and the report is the same."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from support.parts import check, cut
from support.samples import DIRECTORY

from handshake_inspect.cluster import row_arrays, threads
from handshake_inspect.errors import ClusterError

OPEN = Path("/proc/self/fd")


@pytest.fixture
def little_memory(monkeypatch):
    """A machine whose memory takes no rows."""
    monkeypatch.setattr(row_arrays, "memory", lambda: 0)


@pytest.mark.parametrize("name", ["healthy-burst", "quic", "lookup", "half-open-no-final-ack"])
def test_the_report_is_that_of_one_pass(little_memory, tmp_path, name):
    data = (DIRECTORY / f"{name}.pcap").read_bytes()
    with threads.started(2) as runner:
        check(cut(data, [5, 20, 300], tmp_path), runner)


@pytest.mark.parametrize(("text", "limited"), [("1048576\n", True), ("max\n", False), (None, False)])
def test_a_container_has_the_memory_of_its_limit(monkeypatch, tmp_path, text, limited):
    monkeypatch.setattr(row_arrays, "CONTAINER_LIMITS", ())
    whole = row_arrays.memory()
    path = tmp_path / "memory.max"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(row_arrays, "CONTAINER_LIMITS", (path, tmp_path / "of another version"))
    assert whole > 1 << 20
    assert row_arrays.memory() == (1 << 20 if limited else whole)


def test_rows_lie_in_memory_where_they_are_few():
    made = row_arrays.allocate({"few": 3}, {"few": np.dtype(np.uint64)})
    assert made["few"].base is None


@pytest.mark.skipif(not OPEN.is_dir(), reason="no list of open files")
def test_the_file_has_no_name_and_takes_no_descriptor(little_memory):
    before = len(list(OPEN.iterdir()))
    made = row_arrays.allocate({"many": 5000, "none": 0}, {"many": np.dtype(np.uint64), "none": np.dtype(np.uint8)})
    made["many"][:] = np.arange(5000)
    assert int(made["many"].sum()) == 4999 * 2500
    assert (len(made["many"]), len(made["none"])) == (5000, 0)
    assert len(list(OPEN.iterdir())) <= before + 1  # that of the mapping


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="blocks are not asked for beforehand here")
def test_no_space_at_all(little_memory, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ClusterError, match=r"no space for 8\.0 GB of rows .*TMPDIR"):
        row_arrays.allocate({"many": 10**9}, {"many": np.dtype(np.uint64)})
