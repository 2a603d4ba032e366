"""Rows are reserved, not allocated: with less address space there are fewer, and everything works."""

import json
import sys

import pytest

resource = pytest.importorskip("resource")

from handshake_inspect.tcp import row_memory, table  # noqa: E402


@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v is Linux's")
@pytest.mark.parametrize("gigabytes", [4, 2, 1])
def test_a_limited_address_space(hsi, pcaps, gigabytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (gigabytes << 30, gigabytes << 30))

    done = hsi("-T", "json", pcaps / "refused.pcap", preexec_fn=limit)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == json.loads(hsi("-T", "json", pcaps / "refused.pcap").stdout)


def test_what_is_affordable(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert row_memory.affordable(1 << 22, 16) == 1 << 22
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4 << 30, resource.RLIM_INFINITY))
    assert 1 << 19 < row_memory.affordable(1 << 22, 16) < 1 << 22
    assert row_memory.affordable(1000, 16) == 1000
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 10, resource.RLIM_INFINITY))
    assert row_memory.affordable(1 << 22, 16) == 16


def test_a_system_that_grants_less(monkeypatch):
    original = row_memory.reserve

    def stingy(name, count):
        if count > 5000:
            raise MemoryError("no")
        return original(name, count)

    monkeypatch.setattr(row_memory, "reserve", stingy)
    assert table.Table(1 << 14).limit == 1 << 11
    monkeypatch.setattr(row_memory, "reserve", lambda name, count: stingy(name, 1 << 20))
    with pytest.raises(MemoryError):
        table.Table(1 << 14)
