"""A report does not depend on how its trace is cut into files."""

import gzip
import io
import itertools
import json
import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.captures import records
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect.engine import analyze
from handshake_inspect.render import Options
from handshake_inspect.render.json import render

HEADER = 24


def as_json(inputs):
    out = io.BytesIO()
    render(analyze(inputs), out, Options())
    return out.getvalue()


def times(content):
    """Return the times of all records, in order."""
    return [struct.unpack_from("<II", content, at) for at in records(content)[:-1]]


# How programs name the files of one capture.  Those whose numbers are none of dumpcap's must be in order of time.
NAMES = {
    "editcap": "cut_{:05d}_20260101000000.pcap".format,
    "tcpdump": lambda number: f"cut.pcap{number or ''}",
    "gzip": "cut_{:05d}_20260101000000.pcap.gz".format,
}


def cut(content, places, directory, how="editcap"):
    """Cut a capture into files, each with the original header."""
    ends = records(content)
    bounds = [0, *sorted({place % len(ends) for place in places}), len(ends) - 1]
    paths = []
    for number, (start, stop) in enumerate(itertools.pairwise(bounds)):
        path = directory / NAMES[how](number)
        part = content[:HEADER] + content[ends[start] : ends[stop]]
        path.write_bytes(gzip.compress(part, 1) if how == "gzip" else part)
        paths.append(path)
    return paths


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_the_report_is_the_same_wherever_the_trace_is_cut(tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(SAMPLES)), label="sample")
    content = (DIRECTORY / f"{name}.pcap").read_bytes()
    ordered = times(content) == sorted(times(content))
    how = data.draw(st.sampled_from(sorted(NAMES) if ordered else ["editcap", "gzip"]), label="how")
    directory = tmp_path_factory.mktemp("cut")
    whole = directory / "whole.pcap"
    whole.write_bytes(content)
    places = data.draw(st.lists(st.integers(0, 1 << 20), min_size=1, max_size=12), label="places")
    paths = data.draw(st.permutations(cut(content, places, directory, how)), label="order")
    expected, found = as_json([whole]), as_json(paths)
    assert without_files(found, paths) == without_files(expected, [whole])


def without_files(content, paths):
    """Return the report without file names."""
    report = json.loads(content)
    assert sorted(report["capture"].pop("sources")) == sorted(map(str, paths))
    for connection in [*report["connections"], *report["quic_connections"]]:
        files = [connection.pop(key) for key in ("first_file", "frame_in_file", "evidence_in_files")]
        assert {value is None for value in files} == {len(paths) == 1}
    for finding in report["findings"]:
        assert bool(finding["evidence"].pop("in_files")) <= (len(paths) > 1)
    return json.dumps(report, indent=1)


def test_the_report_of_a_directory_is_that_of_its_files(tmp_path):
    paths = cut((DIRECTORY / "healthy-burst.pcap").read_bytes(), [30, 90], tmp_path)
    assert as_json([tmp_path]) == as_json([f"{tmp_path}/*"]) == as_json(paths)


def test_findings_and_connections_say_where_their_frames_are(tmp_path):
    content = (DIRECTORY / "accept-queue-full-syn-dropped.pcap").read_bytes()
    paths = cut(content, [3, 7, 11], tmp_path)
    before = dict(zip(map(str, paths), [0, 3, 7, 11], strict=True))
    report = analyze(paths)
    for connection in [*report.connections, *report.quic_connections]:
        assert connection.first_frame == before[connection.first_file] + connection.frame_in_file
        assert connection.evidence == [before[place.file] + place.frame for place in connection.evidence_in_files]
    for finding in report.findings:
        found = [before[place.file] + place.frame for place in finding.evidence.in_files]
        assert found == finding.evidence.frames


def test_a_story_names_the_file_in_which_it_begins(hsi, tmp_path, monkeypatch):
    cut((DIRECTORY / "accept-queue-full-syn-dropped.pcap").read_bytes(), [3, 7], tmp_path)
    monkeypatch.chdir(tmp_path)
    head = hsi("explain", ".", "0").stdout.decode().splitlines()[1]
    assert head.split() == ["file", "./cut_00000_20260101000000.pcap,", "from", "frame", "1", "on,", "of", "3", "files"]
