"""Makes the captures that the benchmarks read: the same bytes every time, for one release of NumPy.

python benchmarks/make_captures.py [--dir DIR] [--only mix|flood|small] [--seed N]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from packets import ACK, CONNECTION, FRAME, SYN, Column, Frames, write_pcap
from traffic import CLIENT, SECOND, SERVER, SYN_BACKOFF, Dialogue

EPOCH = 1_767_225_600 * SECOND  # 2026-01-01 00:00:00 UTC
EPHEMERAL = (32768, 28232)  # Linux's first port and how many
CLIENT_NETS = (0x0A14_0000, 0x0A1F_0000, 0x6440_0000, 0xAC10_0000)  # 10.20, 10.31, 100.64, 172.16, all /16
CLIENTS = 6000
HOSTS = 0xC000_020A  # servers from 192.0.2.10 on
SILENT_HOST = 0xC000_02FA
PORTS = (443, 80, 5432, 6379, 8080, 9092, 3306, 22, 25, 389, 636, 993, 1883, 2049, 5672)
VICTIM = 0xCB00_710A  # 203.0.113.10

MIX_CONNECTIONS = 182_000
MIX_SECONDS = 300
FLOOD_SYNS = 3_000_000
FLOOD_FROM, FLOOD_UNTIL, FLOOD_END = 15, 75, 90
FLOOD_CLIENTS = 400
FLOOD_ANSWERED = 4096  # the listener's SYN queue

Capture = tuple[Column, Column]  # frames in order, connections


def default_directory() -> Path:
    """Outside the checkout: the captures are hundreds of megabytes."""
    return Path(tempfile.gettempdir()) / "hsi-benchmarks"


def _clients(rng: np.random.Generator, count: int) -> tuple[Column, Column, Column]:
    """Addresses, ports and RTTs of `count` connections; a few clients make most of them, none reuses a port."""
    hosts = rng.permutation(1 << 16)[:CLIENTS].astype("u4") | np.resize(np.array(CLIENT_NETS, "u4"), CLIENTS)
    distance = rng.lognormal(np.log(22_000), 0.8, CLIENTS)
    weight = 1 / (np.arange(CLIENTS) + 20)
    who = rng.choice(CLIENTS, count, p=weight / weight.sum())
    order = np.argsort(who, kind="stable")
    first = np.searchsorted(who[order], np.arange(CLIENTS))
    nth = np.empty(count, "i8")
    nth[order] = np.arange(count) - first[who[order]]
    port = EPHEMERAL[0] + (nth + 37 * who) % EPHEMERAL[1]
    return hosts[who], port, distance[who] * rng.uniform(0.95, 1.25, count)


def _connections(rng: np.random.Generator, count: int) -> Column:
    """Connection columns with what every population draws alike."""
    conns = np.zeros(count, CONNECTION)
    conns["client_isn"] = rng.integers(0, 1 << 32, count, "u4")
    conns["server_isn"] = rng.integers(0, 1 << 32, count, "u4")
    conns["timestamps"] = rng.random(count) >= 0.1
    conns["mss"] = np.where(rng.random(count) < 0.05, 1400, 1460)
    # What has no timestamps here is Windows, and starts from 128.
    conns["client_ttl"] = np.where(conns["timestamps"], 64, 128) - rng.integers(6, 20, count)
    conns["server_ttl"] = 63
    return conns


def _talk(dialogue: Dialogue, who: Column, rng: np.random.Generator) -> None:
    """Requests and responses, some connections many and most a few, and the close."""
    rounds = np.minimum(rng.geometric(0.4, len(who)), 12)
    for nth in range(rounds.max(initial=0)):
        dialogue.exchange(who[rounds > nth], 400 if nth == 0 else 0.6 * SECOND)
    dialogue.close(who)


def make_mix(rng: np.random.Generator, count: int = MIX_CONNECTIONS) -> Capture:
    """Five busy minutes in front of a server room: thirty services, mostly healthy."""
    conns = _connections(rng, count)
    conns["client_ip"], conns["client_port"], client_rtt = _clients(rng, count)

    weight = 1 / (np.arange(30) + 1.5)
    service = rng.choice(30, count, p=weight / weight.sum())
    conns["server_ip"] = HOSTS + service % 12
    conns["server_port"] = np.array(PORTS)[service % len(PORTS)]
    server_rtt = rng.lognormal(np.log(500), 0.8, 30)[service] * rng.uniform(0.95, 1.3, count)

    refused, silent, healthy = np.split(rng.permutation(count), (np.array([0.01, 0.015]) * count).astype("i8"))
    conns["server_port"][refused] = 8081
    dead = silent[: len(silent) // 3]
    conns["server_ip"][dead] = SILENT_HOST

    frames = Frames()
    start = EPOCH + np.sort(rng.integers(0, MIX_SECONDS * SECOND, count))
    dialogue = Dialogue(frames, conns, start, (client_rtt, server_rtt), rng)
    dialogue.fail(refused, silent)
    dialogue.connect(healthy)
    _talk(dialogue, healthy, rng)
    rows = frames.in_order()
    return rows[rows["time"] < EPOCH + MIX_SECONDS * SECOND], conns


def _spoofed(rng: np.random.Generator, count: int) -> Column:
    """Option-less SYNs from addresses and ports that are never the same pair twice."""
    first = np.setdiff1d(np.arange(1, 224), [10, 127, 203])  # bytes of addresses
    pairs = rng.integers(0, len(first) << 40, count + count // 50, "i8")
    pairs = rng.permutation(np.unique(pairs))[:count]
    conns = _connections(rng, count)
    conns["client_ip"] = (first[pairs >> 40] << 24) | ((pairs >> 16) & 0xFF_FFFF)
    conns["client_port"] = pairs & 0xFFFF
    conns["client_ttl"] = 52
    conns["timestamps"] = False
    conns["bare"] = True
    return conns


def _flood(frames: Frames, conns: Column, count: int, rng: np.random.Generator) -> None:
    """The spoofed SYNs, the first of which fill the SYN queue and are answered, again and again."""
    spoofed = np.arange(count)
    when = EPOCH + np.sort(rng.integers(FLOOD_FROM * SECOND, FLOOD_UNTIL * SECOND, count))
    frames.add(conn=spoofed, time=when, flags=SYN, seq=conns["client_isn"][:count], window=512)
    queued = spoofed[:FLOOD_ANSWERED]
    at = when[:FLOOD_ANSWERED] + 60
    for wait in (0, *SYN_BACKOFF):
        at = at + wait * SECOND
        frames.add(
            conn=queued,
            time=at,
            from_server=SERVER,
            flags=SYN | ACK,
            seq=conns["server_isn"][queued],
            ack=conns["client_isn"][queued] + np.uint32(1),
            window=64240,
        )


def _among_the_flood(dialogue: Dialogue, clients: Column, rng: np.random.Generator) -> None:
    """Real clients: well before and after; in between some are answered at once, some on a retry, some never."""
    offset = dialogue.now[clients] - EPOCH
    in_flood = (offset >= FLOOD_FROM * SECOND) & (offset < FLOOD_UNTIL * SECOND)
    retries = np.where(in_flood, rng.choice(4, len(clients), p=[0.5, 0.25, 0.1, 0.15]), 0)
    dialogue.send(clients, CLIENT, SYN)
    for nth, wait in enumerate(SYN_BACKOFF, start=1):
        retrying = (retries >= nth) | (retries == 3)
        dialogue.send(clients[retrying], CLIENT, SYN, wait * SECOND, repeat=True)
    answered = clients[retries < 3]
    dialogue.send(answered, SERVER, SYN | ACK, dialogue.turn(answered, SERVER))
    dialogue.send(answered, CLIENT, ACK, dialogue.turn(answered, CLIENT))
    _talk(dialogue, answered, rng)


def make_flood(rng: np.random.Generator, count: int = FLOOD_SYNS) -> Capture:
    """A minute of spoofed SYNs at one service, with its few hundred real clients before, during and after."""
    real = _connections(rng, FLOOD_CLIENTS)
    real["client_ip"], real["client_port"], client_rtt = _clients(rng, FLOOD_CLIENTS)
    conns = np.concatenate([_spoofed(rng, count), real])
    conns["server_ip"] = VICTIM
    conns["server_port"] = 443

    frames = Frames()
    _flood(frames, conns, count, rng)
    clients = count + np.arange(FLOOD_CLIENTS)
    start = np.zeros(len(conns), "i8")
    start[clients] = EPOCH + np.sort(rng.integers(0, FLOOD_END * SECOND, FLOOD_CLIENTS))
    far = np.zeros(len(conns))
    far[clients] = client_rtt
    _among_the_flood(Dialogue(frames, conns, start, (far, np.full(len(conns), 80)), rng), clients, rng)
    rows = frames.in_order()
    return rows[rows["time"] < EPOCH + FLOOD_END * SECOND], conns


def make_small(rng: np.random.Generator) -> Capture:
    """Twenty frames, for what starting up costs."""
    rows, conns = np.zeros(0, FRAME), np.zeros(0, CONNECTION)
    while len(rows) < 20:
        conns = _connections(rng, 2)
        conns["client_ip"], conns["client_port"], client_rtt = _clients(rng, 2)
        conns["server_ip"], conns["server_port"] = HOSTS, 443
        frames = Frames()
        dialogue = Dialogue(frames, conns, EPOCH + np.array([0, 9000]), (client_rtt, np.full(2, 700)), rng)
        dialogue.connect(np.arange(2))
        _talk(dialogue, np.arange(2), rng)
        rows = frames.in_order()
    return rows[:20], conns


MAKERS: dict[str, Callable[[np.random.Generator], Capture]] = {
    "mix": make_mix,
    "flood": make_flood,
    "small": make_small,
}


def make(name: str, directory: Path, seed: int) -> None:
    """Write one capture, and beside it what is in it."""
    began = time.perf_counter()
    directory.mkdir(parents=True, exist_ok=True)
    rows, conns = MAKERS[name](np.random.default_rng(seed))
    path = directory / f"{name}.pcap"
    size = write_pcap(path, rows, conns)
    about = {
        "frames": len(rows),
        "connections": len(np.unique(rows["conn"])),
        "bytes": size,
        "seed": seed,
        "numpy": np.__version__,
    }
    path.with_suffix(".json").write_text(json.dumps(about) + "\n")
    print(
        f"{path}: {about['frames']:,} frames, {about['connections']:,} connections, {size / 1e6:,.1f} MB, "
        f"made in {time.perf_counter() - began:.1f} s",
        flush=True,
    )


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description="Make the captures that the benchmarks read.")
    parser.add_argument("--dir", type=Path, default=default_directory(), help="where to (default: %(default)s)")
    parser.add_argument("--only", choices=sorted(MAKERS), action="append", help="just this one")
    parser.add_argument("--seed", type=int, default=9293)
    options = parser.parse_args()
    for name in options.only or MAKERS:
        make(name, options.dir, options.seed)


if __name__ == "__main__":
    main()
