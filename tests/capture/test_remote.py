"""Captures that lie elsewhere: in memory, on an HTTP server, in S3."""

import gzip
import subprocess
import sys

import pytest
from support.captures import drain, pcap
from support.servers import Handler, gcs_server, http_server, s3_server

from handshake_inspect.capture.remote import display_name, is_remote
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.errors import CaptureError

fsspec = pytest.importorskip("fsspec")

NS = 1_000_000_000
EPOCH = 1_700_000_000 * NS


def at(*seconds):
    return pcap([(EPOCH + s * NS, b"%d" % s) for s in seconds])


def order(*urls):
    with open_trace(urls) as trace:
        return [int(s.data) for s in drain(trace)]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://user:secret@host:8443/a/b.pcap?X-Amz-Signature=secret#secret", "https://host:8443/a/b.pcap"),
        ("s3://bucket/key_1.pcap", "s3://bucket/key_1.pcap"),
        ("https://us@er:se@cret@host/a@b.pcap", "https://host/a@b.pcap"),
        ("https://[bad?secret", "https://[bad"),
        ("s3://bucket/a\nb", "s3://bucket/a\\nb"),
    ],
)
def test_what_is_shown_of_an_address_has_no_secrets(url, name):
    assert is_remote(url)
    assert display_name(url) == name


@pytest.mark.parametrize("path", ["a.pcap", "-", "C:\\a.pcap", "dir/s3:/x", b"s3://x", None, "://x"])
def test_what_is_no_address(path):
    assert not is_remote(path)


def test_a_file_with_such_a_name_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "bucket").mkdir(parents=True)
    (tmp_path / "s3:" / "bucket" / "a").write_bytes(at(1))
    assert order("s3://bucket/a") == [1]


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def test_one_file_many_files_directories_and_patterns(memory):
    for name, data in {
        "r/a1.pcap": at(3, 4),
        "r/a2.pcap": at(1, 2),
        "r/b.gz": gzip.compress(at(9)),
        "r/x": b"?" * 99,
    }.items():
        memory.pipe(name, data)
    assert order("memory://r/a1.pcap") == [3, 4]
    assert order("memory://r/b.gz") == [9]
    assert order("memory://r/a1.pcap", "memory://r/a2.pcap") == [1, 2, 3, 4]
    assert order("memory://r/a*") == [1, 2, 3, 4]
    with open_trace(["memory://r/"]) as trace:
        assert [int(s.data) for s in drain(trace)] == [1, 2, 3, 4, 9]
        assert [len(sensor.files) for sensor in trace.sensors] == [2, 1]
        assert [problem.kind for problem in trace.problems] == ["left-out"]
        assert trace.size == trace.consumed


@pytest.mark.parametrize("url", ["memory://no/such", "memory://no/such*", "memory://nowhere/"])
def test_what_is_not_there(memory, url):
    with pytest.raises(CaptureError, match="memory://"):
        open_trace([url])


def test_an_unknown_kind_of_address():
    with pytest.raises(CaptureError, match=r"gopher://host/a: no address of a kind"):
        open_trace(["gopher://user:secret@host/a?secret"])


def test_a_library_that_is_missing_is_named(monkeypatch):
    def missing(_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(CaptureError, match=r"s3://bucket/a: s3:// needs a library .* 'handshake-inspect\[s3\]'"):
        open_trace(["s3://bucket/a"])


def test_a_read_that_fails_is_an_error_without_secrets(memory, monkeypatch):
    memory.pipe("a.pcap", at(*range(100)))
    with open_trace(["memory://a.pcap"]) as trace:
        monkeypatch.setattr(type(trace._file._file), "read", lambda *_: 1 / 0)
        with pytest.raises(CaptureError, match=r"memory://a.pcap: reading failed .*ZeroDivisionError") as caught:
            drain(trace)
    assert caught.value.__cause__ is None


# --- HTTP -------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["ranges", "streamed"])
def http(request):
    pytest.importorskip("aiohttp")
    handler = type("Served", (Handler,), {"files": {}, "ranges": request.param})
    with http_server(handler) as base:
        yield handler.files, base


def test_captures_on_an_http_server(http):
    files, base = http
    files.update({"/a1.pcap": at(3, 4), "/a2.pcap": at(1, 2), "/secret.pcap": at(5)})
    assert order(f"{base}/a1.pcap") == [3, 4]
    assert order(f"{base}/a1.pcap", f"{base}/a2.pcap") == [1, 2, 3, 4]
    files.update({"/b1.pcap": at(*range(5000)), "/b2.pcap": at(*range(1, 5000))})
    assert order(f"{base}/b1.pcap", f"{base}/b2.pcap") == sorted([*range(5000), *range(1, 5000)])
    with open_trace([f"{base.replace('//', '//user:secret@')}/secret.pcap?key=right"]) as trace:
        assert [s.data for s in drain(trace)] == [b"5"]
        assert trace.names == [f"{base}/secret.pcap"]


@pytest.mark.parametrize(("path", "reason"), [("/none.pcap", "no such file"), ("/secret.pcap?key=wrong", "permission")])
def test_what_an_http_server_refuses(http, path, reason):
    files, base = http
    files["/secret.pcap"] = at(5)
    with pytest.raises(CaptureError, match=reason) as caught:
        open_trace([f"{base}{path}"])
    assert "wrong" not in str(caught.value)


def test_a_server_that_is_not_there():
    pytest.importorskip("aiohttp")
    with pytest.raises(CaptureError, match=r"a.pcap: cannot be reached or read \(Connection refused\)"):
        open_trace(["http://127.0.0.1:9/a.pcap"])


def test_what_libraries_log_is_not_shown_beside_the_error():
    """Unless somebody asks for it: they log tracebacks, with whole addresses."""
    code = """
import logging
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.errors import CaptureError
try:
    open_trace(["memory://none.pcap"])
except CaptureError:
    logging.getLogger("gcsfs").error("secret")
logging.basicConfig(format="asked for %(message)s")
logging.getLogger("gcsfs").error("this")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "asked for this\n"


# --- S3 ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[("s3", s3_server), ("gs", gcs_server)], ids=["s3", "gs"])
def bucket(request, monkeypatch):
    """The beginning of addresses, and the file system behind it."""
    scheme, server = request.param
    with server(monkeypatch) as files:
        yield f"{scheme}://captures", files


def test_captures_in_a_bucket(bucket):
    there, files = bucket
    for name, data in {"ring/a1.pcap": at(3, 4), "ring/a2.pcap": at(1, 2), "ring/c.txt": b"text" * 9}.items():
        files.pipe(f"captures/{name}", data)
    assert order(f"{there}/ring/a1.pcap") == [3, 4]
    assert order(f"{there}/ring/a*.pcap") == [1, 2, 3, 4]
    with open_trace([f"{there}/ring/"]) as trace:
        assert [int(s.data) for s in drain(trace)] == [1, 2, 3, 4]
        assert trace.names == [f"{there}/ring/a1.pcap", f"{there}/ring/a2.pcap"]
    with pytest.raises(CaptureError, match="no such file"):
        open_trace([f"{there}/none.pcap"])
