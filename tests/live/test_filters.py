"""Filters behave like tcpdump's, in what they accept and what they reject."""

import shutil
import subprocess

import pytest

from handshake_inspect.errors import LiveError, UsageError
from handshake_inspect.live import filters

ETHERNET, COOKED = 1, 276


@pytest.fixture(autouse=True)
def _libpcap():
    try:
        filters.compile_filter("tcp", ETHERNET, 96, "lo")
    except LiveError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("expression", ["tcp port 443 and host 10.0.0.2", "ip6", filters.HANDSHAKES_ONLY])
def test_the_program_is_the_same_as_tcpdump_s(expression):
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    command = ["tcpdump", "-ddd", "-y", "EN10MB", "-s", "96", expression]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1:]
    program = filters.compile_filter(expression, ETHERNET, 96, "lo")
    numbers = [number for each in filters._INSTRUCTION.iter_unpack(program) for number in each]
    assert numbers == [int(number) for number in shown]


def test_an_empty_expression_accepts_everything_up_to_the_snap_length():
    assert filters.compile_filter(" ", ETHERNET, 96, "lo") == filters.accept(96)


@pytest.mark.parametrize("link_type", [ETHERNET, COOKED])
@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("tcp prot 80", "syntax error; it is written as for tcpdump, such as tcp port 80 and host 10.0.0.2"),
        ("port 99999", "illegal port number"),
        ("host 1.2.3.4.5", "1.2.3.4.5"),
        ("tcp[", "syntax error"),
        ("a\0b", "zero byte"),
        ("tcp.port == 80", "display filter of Wireshark: it goes after -Y"),
        ("ip.addr eq 10.0.0.2", "display filter of Wireshark"),
    ],
)
def test_an_invalid_expression(expression, words, link_type):
    with pytest.raises(UsageError, match=words) as refused:
        filters.compile_filter(expression, link_type, 96, "lo")
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("filter")


def test_too_long_for_the_kernel():
    with pytest.raises(UsageError, match=r"^filter 'many hosts': too long for the kernel \(4097 instructions"):
        filters._adapted([(0x06, 0, 0, 0)] * 4097, ETHERNET, 96, "many hosts")


def test_without_libpcap(monkeypatch):
    filters._libpcap.cache_clear()
    monkeypatch.setattr(filters, "_LINUX_NAMES", ())
    monkeypatch.setattr(filters, "_NAMES", {})
    monkeypatch.setattr(filters.ctypes.util, "find_library", lambda _: None)
    try:
        with pytest.raises(LiveError, match=r"needs libpcap, which is not installed; install libpcap0\.8"):
            filters.compile_filter("tcp", ETHERNET, 96, "lo")
        assert filters.compile_filter("", ETHERNET, 96, "lo") == filters.accept(96)
    finally:
        filters._libpcap.cache_clear()


# What `--handshakes-only` lets through: tried with tcpdump, whose filters are the same


def packet(head, body=b""):
    return bytes.fromhex("020000000001020000000002") + bytes.fromhex(head.replace(" ", "")) + body


def tcp4(flags, payload=0, options=0, total=None):
    header = 20 + options
    length = 20 + header + payload if total is None else total
    return packet(
        f"0800 4500 {length:04x} 00000000 4006 0000 0a000001 0a000002"
        f" 1000 2000 00000001 00000001 {header << 2:02x} {flags:02x} 0400 00000000",
        bytes(options + payload),
    )


def tcp6(flags, payload=0, options=0):
    header = 20 + options
    return packet(
        f"86dd 60000000 {header + payload:04x} 06 40 {'00' * 32}"
        f" 1000 2000 00000001 00000001 {header << 2:02x} {flags:02x} 0400 00000000",
        bytes(options + payload),
    )


def icmp4(kind):
    return packet(f"0800 4500 0038 00000000 4001 0000 0a000001 0a000002 {kind:02x} 03 0000 00000000", bytes(28))


def icmp6(kind):
    return packet(f"86dd 60000000 0038 3a 40 {'00' * 32} {kind:02x} 00 0000 00000000", bytes(48))


@pytest.mark.parametrize("tcp", [tcp4, tcp6])
@pytest.mark.parametrize(
    ("flags", "payload", "options", "kept"),
    [
        (0x02, 0, 20, True),
        (0x02, 100, 20, True),  # Fast Open
        (0x12, 0, 12, True),
        (0x10, 0, 0, True),
        (0x10, 0, 12, True),
        (0x10, 1, 12, False),
        (0x18, 500, 0, False),
        (0x19, 500, 0, True),
        (0x04, 0, 0, True),
    ],
)
def test_handshakes_only_takes_segments(tmp_path, tcp, flags, payload, options, kept):
    assert passes(tmp_path, tcp(flags, payload, options)) == kept


@pytest.mark.parametrize(
    ("frame", "kept"),
    [
        (icmp4(3), True),
        (icmp4(11), True),
        (icmp4(8), False),
        (icmp6(1), True),
        (icmp6(3), True),
        (icmp6(128), False),
        (icmp6(135), False),
        (packet("0806", bytes(28)), False),
        (tcp4(0x10, 500, 0, total=0), False),  # segmented later on: no length yet
        (packet(f"86dd 60000000 0020 00 40 {'00' * 32}", bytes(32)), True),  # extension headers
        (packet(f"86dd 60000000 0020 11 40 {'00' * 32}", bytes(32)), False),
    ],
)
def test_handshakes_only_takes_errors(tmp_path, frame, kept):
    assert passes(tmp_path, frame) == kept


def passes(tmp_path, frame):
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    path = tmp_path / "one.pcap"
    header = bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 00000400 01000000")
    path.write_bytes(header + bytes(8) + 2 * len(frame).to_bytes(4, "little") + frame)
    command = ["tcpdump", "-n", "-r", str(path), filters.HANDSHAKES_ONLY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return bool(done.stdout)
