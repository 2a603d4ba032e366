"""The pytest plugin, in test runs of its own, on the loopback interface of a namespace."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

import handshake_inspect
from handshake_inspect.testing import plugin

pytestmark = pytest.mark.any_build

pytest_plugins = ["pytester"]

PORT = 8080
INSTALLED = importlib.metadata.entry_points(group="pytest11", name="handshakes")
PLUGIN = [] if INSTALLED else ["-p", "handshake_inspect.testing.plugin"]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "ci.md"

TALK = f"""
import socket
from contextlib import suppress
import pytest

PORT = {PORT}

def talk(address="127.0.0.1", port=PORT, times=3):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as listener:
        for _ in range(times):
            with socket.create_connection((address, port)) as here, listener.accept()[0] as there:
                there.sendall(b"hello")
                here.recv(5)
                here.shutdown(socket.SHUT_WR)  # TIME-WAIT is the client's, so that no later SYN meets it
                there.recv(1)

def knock(address="127.0.0.1", port=PORT):
    with suppress(ConnectionRefusedError):
        socket.create_connection((address, port)).close()
"""


@pytest.fixture
def run(pytester, network, monkeypatch):
    """Run a file of tests as a stranger would, with warnings as errors."""

    def run(code, *arguments):
        pytester.makepyfile(TALK + code)
        monkeypatch.setenv("PYTHONPATH", str(Path(handshake_inspect.__file__).parent.parent), prepend=os.pathsep)
        with network.client():
            return pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", *PLUGIN, *arguments)

    return run


def test_what_is_asked_in_a_test(run):
    done = run("""
def test_all(handshakes):
    with handshakes.capture("lo", port=PORT) as report:
        talk()
    assert report.outcomes.established == report.connections == 3
    assert all(connection.close.how == "fin" for connection in report)
    assert report.findings == []
    assert report.report.capture.complete

def test_trouble(handshakes):
    with handshakes.capture("lo", port=PORT) as report:
        talk()
        knock()
    assert (report.outcomes.refused, report.connections) == (1, 4)
    (refused,) = report.where('outcome == "refused"')
    assert refused.server.port == PORT
    assert [finding.id for finding in report.findings] == ["refused"]

def test_again(handshakes):
    for times in (1, 2):
        with handshakes.capture("lo", port=PORT) as report:
            talk(times=times)
        assert report.connections == times
""")
    done.assert_outcomes(passed=3)
    assert "handshakes" not in done.stdout.str()


@pytest.mark.parametrize("libpcap", [True, False])
def test_which_connections_are_meant(run, libpcap):
    done = run(f"""
@pytest.fixture(autouse=True)
def libpcap(monkeypatch):
    from handshake_inspect.live import filters
    if not {libpcap}:
        monkeypatch.setattr(filters, "is_available", lambda: False)

@pytest.mark.parametrize(("options", "count"), [
    ({{}}, 4), ({{"port": PORT}}, 2), ({{"port": [PORT, 8081]}}, 3), ({{"host": "127.0.0.2"}}, 1),
    ({{"host": "::1"}}, 1),
    ({{"host": "127.0.0.1", "port": PORT}}, 1), ({{"port": 9}}, 0),
])
def test_ends(handshakes, options, count):
    with handshakes.capture("lo", **options) as report:
        talk(times=1)
        talk("::1", times=1)
        talk("127.0.0.1", 8081, times=1)
        knock("127.0.0.2", 8082)
    assert report.connections == count
    assert len(report.report.connections) == (4 if not {libpcap} else count)

def test_a_filter(handshakes):
    with handshakes.capture("lo", port=PORT, filter="not ip6", snap_len=128) as report:
        talk(times=1)
        talk("::1", times=1)
    assert report.connections == 1
""")
    done.assert_outcomes(passed=8)


def test_what_was_open_before_is_left_out(run):
    done = run("""
@pytest.mark.parametrize("midstream", [False, True])
def test_old(handshakes, midstream):
    with socket.create_server(("127.0.0.1", PORT)) as listener:
        old = socket.create_connection(("127.0.0.1", PORT))
        accepted = listener.accept()[0]
        with handshakes.capture("lo", port=PORT, midstream=midstream) as report:
            old.close()
            accepted.close()
            knock(port=9)
            with socket.create_connection(("127.0.0.1", PORT)), listener.accept()[0]:
                pass
        assert report.connections == 1 + midstream
        assert report.report.summary.outcomes.midstream == 1
""")
    done.assert_outcomes(passed=2)


def test_an_icmp_error_is_the_answer_to_its_syn(run, network):
    """Though it has no port that a filter could ask for."""
    if shutil.which("nft") is None:
        pytest.skip("nft (nftables) is not installed")
    network.client.run("nft", "add table inet hsi; add chain inet hsi in { type filter hook input priority 0; };")
    network.client.run("nft", "add rule inet hsi in tcp dport 9 reject with icmpx type admin-prohibited")
    try:
        done = run("""
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_rejected(handshakes, address):
    with handshakes.capture("lo", host=address, port=9) as report:
        with suppress(OSError):
            socket.create_connection((address, 9)).close()
    assert report.outcomes.rejected == report.connections == 1
""")
    finally:
        network.client.run("nft", "delete table inet hsi")
    done.assert_outcomes(passed=2)


def test_a_failure_shows_what_happened(run):
    done = run("""
def test_it(handshakes):
    with handshakes.capture("lo", port=PORT) as report:
        talk()
        knock()
    assert report.outcomes.established == report.connections
""")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "*assert 3 == 4",
            "*where Outcomes(established=3, refused=1*<handshakes on lo (port 8080): 4 connections, 3 established, 1"
            " refused; #3 127.0.0.1:*",
            "*- Captured handshakes on lo (port 8080) -*",
            "      closed-port: 127.0.0.1 answered with RST *",
            "  refused          1  25.0 %*",
        ]
    )


def test_an_exception_in_the_block_goes_on(run):
    done = run("""
def test_it(handshakes):
    error = ConnectionRefusedError("as it was")
    capture = handshakes.capture("lo", port=PORT)
    with pytest.raises(ConnectionRefusedError) as caught, capture as report:
        knock()
        raise error
    assert caught.value is error
    assert error.__context__ is None
    assert report.outcomes.refused == 1
    assert capture._background.source._socket.fileno() == -1

def test_fail(handshakes):
    with handshakes.capture("lo", port=PORT):
        knock()
        pytest.fail("on purpose")

def test_interrupted(handshakes):
    from handshake_inspect.testing import NotCapturedError
    with pytest.raises(KeyboardInterrupt), handshakes.capture("lo", port=PORT) as report:
        raise KeyboardInterrupt
    with pytest.raises(NotCapturedError, match="the block ended with KeyboardInterrupt"):
        report.connections
""")
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(["E *Failed: on purpose", "*Captured handshakes*", "  refused      1*"])


def test_before_the_end_of_the_block(run):
    done = run("""
def test_it(handshakes):
    with handshakes.capture("lo", port=PORT) as report:
        assert report.connections == 0
""")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["E *NotCapturedError: handshakes on lo (port 8080): the block has not ended yet"])


def test_skips_with_the_reason(run):
    done = run(
        """
from handshake_inspect.live import packet_socket

def test_permission(handshakes, monkeypatch):
    real = socket.socket
    def refuse(family, *rest):
        if family == socket.AF_PACKET:
            raise PermissionError(1, "Operation not permitted")
        return real(family, *rest)
    monkeypatch.setattr(packet_socket.socket, "socket", refuse)
    with handshakes.capture("lo"):
        raise AssertionError

def test_a_mistake_is_none(handshakes):
    with handshakes.capture("lo", filter="tcp prot 80"):
        raise AssertionError

def test_nor_is_a_misspelt_interface(handshakes):
    with handshakes.capture("l0"):
        raise AssertionError
""",
        "-rs",
    )
    done.assert_outcomes(skipped=1, failed=2)
    done.stdout.fnmatch_lines(
        [
            "*UsageError: filter 'tcp prot 80': *",
            "*NoSuchInterfaceError: l0: no such interface; did you mean lo?*",
            "SKIPPED *cannot capture: lo: capturing needs CAP_NET_RAW*",
        ]
    )


def test_other_tests_are_left_alone(run):
    done = run(
        """
def test_good():
    pass

def test_bad():
    import sys
    assert not {"numpy", "msgspec", "handshake_inspect.engine"} & set(sys.modules)
    assert False, "on purpose"
"""
    )
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["E *AssertionError: on purpose*"])
    assert "handshakes" not in done.stdout.str().replace("handshakes-", "")


@pytest.mark.skipif(importlib.util.find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_many_workers(run):
    done = run(
        """
@pytest.mark.parametrize("port", range(8080, 8088))
def test_it(handshakes, port):
    with handshakes.capture("lo", port=port) as report:
        talk(port=port)
    assert report.outcomes.established == report.connections == 3
    assert port != 8083
""",
        "-n2",
    )
    done.assert_outcomes(passed=7, failed=1)
    done.stdout.fnmatch_lines(["*- Captured handshakes on lo (port 8083) -*"])


def test_the_example_of_the_docs(run):
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    run(example).assert_outcomes(passed=example.count("def test_"))


def test_pytest_finds_it_by_itself(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"handshakes": plugin.__name__}
    assert callable(plugin.handshakes)
    for found in INSTALLED:
        assert found.load() is plugin


def test_a_program_that_uses_hsi_may_run_pytest(pytester, monkeypatch):
    """As installed: pytest knows the whole package then, and wants to rewrite its assertions."""
    package = Path(handshake_inspect.__file__).parent
    installed = pytester.mkdir("installed")
    (installed / "handshake_inspect").symlink_to(package)
    about = pytester.mkdir("installed/handshake_inspect-0.dist-info")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: handshake-inspect\nVersion: 0\n")
    (about / "entry_points.txt").write_text(f"[pytest11]\nhandshakes = {plugin.__name__}\n")
    (about / "RECORD").write_text("".join(f"handshake_inspect/{file.name},,\n" for file in package.glob("*.py")))
    monkeypatch.setenv("PYTHONPATH", str(installed), prepend=os.pathsep)
    pytester.makepyfile("def test_it(handshakes): pass")
    program = "import sys, handshake_inspect.errors, pytest; sys.exit(pytest.main(['-Werror', '-pno:cacheprovider']))"
    done = pytester.run(sys.executable, "-c", program)
    done.assert_outcomes(passed=1)
    assert done.stderr.str() == ""
