"""Servers that captures lie on: HTTP, with ranges of bytes or without, S3, and Google's storage."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import fsspec
import pytest


class Handler(BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {}
    ranges = True

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        path, _, query = self.path.partition("?")
        data = self.files.get(path)
        status = 404 if data is None else 403 if path == "/secret.pcap" and query != "key=right" else 200
        if status != 200:
            self.send_error(status)
            return
        wanted = self.headers.get("Range")
        if self.ranges and wanted is not None:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            status, data = 206, data[int(first) : int(last) + 1 if last else None]
        self.send_response(status)
        if self.ranges:
            self.send_header("Accept-Ranges", "bytes")
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.files[path])}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextmanager
def http_server(handler):
    """The address of a server whose requests are answered by a class."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@contextmanager
def s3_server(monkeypatch):
    """The file system of a server that the environment names, with a bucket `captures`."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.mkdir("captures")
    yield files
    files.rm("captures", recursive=True)  # what a server holds outlives it: it is of the process
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


@contextmanager
def gcs_server(monkeypatch):
    """As `s3_server`, of Google's storage, as its emulator has it."""
    pytest.importorskip("gcsfs")
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="captures")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server._api._httpd.server_address[1]}")
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # asks Google itself what kind a bucket is
    yield fsspec.filesystem("gs", skip_instance_cache=True)
    fsspec.filesystem("gs").clear_instance_cache()
    server.wipe()
    server.stop()
