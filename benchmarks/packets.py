"""Turns columns of TCP segments into a pcap file, whole blocks of frames at a time.

Ethernet, IPv4, TCP; microseconds; snapped at 96 bytes.  IP and TCP checksums are right: what a payload has behind the
snap length is taken to be zeros, so the visible part is all that counts.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
SNAP = 96
LINK_ETHERNET = 1
PAYLOAD = b"GET /orders/2931?page=4 HTTP/1.1\r\nHost: sh"
BLOCK = 1 << 17

# One frame of one connection; `conn` is a row of the connection columns, `time` is in microseconds since the epoch.
FRAME = np.dtype(
    [
        ("time", "i8"),
        ("conn", "i4"),
        ("seq", "u4"),
        ("ack", "u4"),
        ("tsval", "u4"),
        ("tsecr", "u4"),
        ("payload", "u2"),
        ("window", "u2"),
        ("from_server", "u1"),
        ("flags", "u1"),
    ]
)

# What all frames of a connection share.  `bare`: the client's SYN has no options, as hping3 sends it.
CONNECTION = np.dtype(
    [
        ("client_ip", "u4"),
        ("server_ip", "u4"),
        ("client_isn", "u4"),
        ("server_isn", "u4"),
        ("client_port", "u2"),
        ("server_port", "u2"),
        ("mss", "u2"),
        ("client_ttl", "u1"),
        ("server_ttl", "u1"),
        ("timestamps", "?"),
        ("bare", "?"),
    ]
)

_FIELDS: list[tuple[str, Any]] = [
    ("sec", "<u4"),
    ("usec", "<u4"),
    ("captured", "<u4"),
    ("wire", "<u4"),
    ("dst_mac", "V6"),
    ("src_mac", "V6"),
    ("ethertype", ">u2"),
    ("version_ihl", "u1"),
    ("tos", "u1"),
    ("ip_length", ">u2"),
    ("ip_id", ">u2"),
    ("fragment", ">u2"),
    ("ttl", "u1"),
    ("protocol", "u1"),
    ("ip_sum", "<u2"),  # summed in native order: the Internet checksum does not mind (RFC 1071)
    ("src", ">u4"),
    ("dst", ">u4"),
    ("src_port", ">u2"),
    ("dst_port", ">u2"),
    ("seq", ">u4"),
    ("ack", ">u4"),
    ("data_offset", "u1"),
    ("flags", "u1"),
    ("window", ">u2"),
    ("tcp_sum", "<u2"),
    ("urgent", ">u2"),
    ("rest", "u1", 42),
]
_PACKED = np.dtype(_FIELDS)
_REST_AT = _PACKED.fields["rest"][1]  # type: ignore[index]
# The same record, with the options also seen as 32-bit words.
RECORD = np.dtype(
    {
        "names": [*_PACKED.names, "option"],  # type: ignore[misc]
        "formats": [*(_PACKED[name] for name in _PACKED.names), np.dtype((">u4", 10))],  # type: ignore[union-attr]
        "offsets": [*(_PACKED.fields[name][1] for name in _PACKED.names), _REST_AT],  # type: ignore[index,union-attr]
        "itemsize": _PACKED.itemsize,
    }
)
_IP_WORDS = slice(15, 25)
_TCP_WORDS = slice(21, 56)  # from the addresses on: they are the pseudo-header's
_CLIENT_MAC = np.frombuffer(b"\x02\x00\x00\x00\x00\x01", "V6")[0]
_SERVER_MAC = np.frombuffer(b"\x02\x00\x00\x00\x00\x02", "V6")[0]


def _payload_table() -> Column:
    """Row w: the payload's text behind w words of options."""
    table = np.zeros((11, 42), "u1")
    for words in range(11):
        text = PAYLOAD[: 42 - 4 * words]
        table[words, 4 * words : 4 * words + len(text)] = np.frombuffer(text, "u1")
    return table


_PAYLOAD_BEHIND = _payload_table()


class Frames:
    """Collects frames in any order; gives them back in the order of time."""

    def __init__(self) -> None:
        self._parts: list[Column] = []

    def add(self, **columns: Any) -> None:
        """Add one frame per row of the columns; scalars are spread, missing columns are zero."""
        part = np.zeros(len(columns["conn"]), FRAME)
        for name, values in columns.items():
            part[name] = values
        self._parts.append(part)

    def in_order(self) -> Column:
        """All frames by time; of frames at the same microsecond, the one added first comes first."""
        rows = np.concatenate(self._parts)
        self._parts.clear()
        return rows[np.argsort(rows["time"], kind="stable")]


def _count_within(keys: Column) -> Column:
    """For each row, how many earlier rows have the same key."""
    order = np.argsort(keys, kind="stable")
    grouped = keys[order]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    lengths = np.diff(np.r_[starts, len(keys)])
    counts = np.empty(len(keys), "i8")
    counts[order] = np.arange(len(keys)) - np.repeat(starts, lengths)
    return counts


def _write_options(rows: Column, frames: Column, conns: Column) -> Column:
    """Fill in the options; returns how many 32-bit words they take."""
    syn = (frames["flags"] & SYN) != 0
    timed = conns["timestamps"]
    plain = ~syn & timed & ((frames["flags"] & RST) == 0)
    full_syn = syn & timed & ~conns["bare"]
    short_syn = syn & ~timed & ~conns["bare"]
    mss_only = syn & conns["bare"] & (frames["from_server"] != 0)
    words = np.select([full_syn, short_syn | plain, mss_only], [5, 3, 1], 0)
    rows["rest"] = _PAYLOAD_BEHIND[words]
    rows["rest"][np.arange(42) >= (4 * words + frames["payload"])[:, None]] = 0

    mss = np.where(frames["from_server"], 1460, conns["mss"]).astype("u4") | 0x0204_0000
    option = rows["option"]
    any_mss = full_syn | short_syn | mss_only
    option[any_mss, 0] = mss[any_mss]
    # MSS, SACK permitted, timestamps, NOP, window scale 7: as Linux orders them.
    option[full_syn, 1] = 0x0402_080A
    option[full_syn, 2] = frames["tsval"][full_syn]
    option[full_syn, 3] = frames["tsecr"][full_syn]
    option[full_syn, 4] = 0x0103_0307
    # MSS, NOP, window scale 8, NOP, NOP, SACK permitted: as Windows does.
    option[short_syn, 1] = 0x0103_0308
    option[short_syn, 2] = 0x0101_0402
    option[plain, 0] = 0x0101_080A
    option[plain, 1] = frames["tsval"][plain]
    option[plain, 2] = frames["tsecr"][plain]
    return words


def _fold(sums: Column) -> Column:
    """The one's complement of one's complement sums (RFC 1071)."""
    for _ in range(2):
        sums = (sums & 0xFFFF) + (sums >> 16)
    return ~sums & 0xFFFF


def _block(frames: Column, conns: Column, ip_ids: Column) -> bytes:
    """The pcap records of some frames."""
    rows = np.zeros(len(frames), RECORD)
    words = _write_options(rows, frames, conns)
    tcp_length = 20 + 4 * words + frames["payload"].astype("i8")
    served = frames["from_server"] != 0

    rows["sec"], rows["usec"] = np.divmod(frames["time"], 1_000_000)
    rows["wire"] = np.maximum(34 + tcp_length, 60)  # Ethernet pads short frames
    rows["captured"] = np.minimum(rows["wire"], SNAP)
    rows["dst_mac"] = np.where(served, _CLIENT_MAC, _SERVER_MAC)
    rows["src_mac"] = np.where(served, _SERVER_MAC, _CLIENT_MAC)
    rows["ethertype"] = 0x0800
    rows["version_ihl"] = 0x45
    rows["ip_length"] = 20 + tcp_length
    rows["ip_id"] = ip_ids
    rows["fragment"] = 0x4000
    rows["ttl"] = np.where(served, conns["server_ttl"], conns["client_ttl"])
    rows["protocol"] = 6
    for near, far, client, server in (
        ("src", "dst", "client_ip", "server_ip"),
        ("src_port", "dst_port", "client_port", "server_port"),
    ):
        rows[near] = np.where(served, conns[server], conns[client])
        rows[far] = np.where(served, conns[client], conns[server])
    rows["seq"] = frames["seq"]
    rows["ack"] = frames["ack"]
    rows["data_offset"] = (5 + words) << 4
    rows["flags"] = frames["flags"]
    rows["window"] = frames["window"]

    halves = rows.view("<u2").reshape(len(rows), -1)
    rows["ip_sum"] = _fold(halves[:, _IP_WORDS].sum(1, dtype="u4"))
    pseudo = 0x0600 + tcp_length.astype("u2").byteswap().astype("u4")
    rows["tcp_sum"] = _fold(halves[:, _TCP_WORDS].sum(1, dtype="u4") + pseudo)

    data = rows.view("u1").reshape(len(rows), -1)
    kept = np.arange(data.shape[1]) < (16 + rows["captured"])[:, None]
    return data[kept].tobytes()


def write_pcap(path: Path, frames: Column, connections: Column) -> int:
    """Write frames, which must be in the order of time; returns the size in bytes."""
    ip_ids = _count_within(frames["conn"].astype("i8") * 2 + frames["from_server"])
    ip_ids += connections["client_isn"][frames["conn"]] & 0xFFFF
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP, LINK_ETHERNET))
        for at in range(0, len(frames), BLOCK):
            block = frames[at : at + BLOCK]
            out.write(_block(block, connections[block["conn"]], ip_ids[at : at + BLOCK] & 0xFFFF))
    partial.replace(path)
    return path.stat().st_size
