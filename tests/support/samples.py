"""The samples of `pcaps/`, and how to hold a report to what is expected of one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).resolve().parents[2] / "pcaps"
SAMPLES = sorted(path.stem for path in DIRECTORY.glob("*.json") if path.with_suffix(".pcap").exists())

# Of every way in which connections end, and of what may happen while they are open.
LIVES = [
    "zero-window", "lost-syn", "lost-data", "keep-alive", "half-closed", "reset-by-server", "reset-after-fin",
    "dead-peer", "middlebox-reset-established", "connection-churn", "overtaken-data", "doubled-data", "midstream",
    "refused-while-serving", "simultaneous-close", "syn-flood-cookies", "timed-out-linear",
]  # fmt: skip

# `true_ns` is the delay that the path was set to; the kernel and the forwarder add up to a few milliseconds.
FORWARDING_NS = 5_000_000
_IN_HANDSHAKE = {"syn_count", "synack_count", "client_options", "server_options"}


def differences(found: list[Any], counted: dict[str, int], expected: dict[str, Any]) -> Iterator[str]:
    """What a report's connections and outcome counts have otherwise than expected; absent keys are not held."""
    wanted = expected.get("connections")
    if wanted is not None:
        if len(found) != len(wanted):
            yield f"{len(found)} connections instead of {len(wanted)}"
        for number, (one, other) in enumerate(zip(found, wanted, strict=False)):
            yield from (f"connection {number}{difference}" for difference in _of_connection(one, other))
    for outcome, count in (expected.get("outcomes") or {}).items():
        low, high = count if isinstance(count, list) else (count, count)
        if not low <= counted[outcome] <= high:
            yield f"{counted[outcome]} {outcome} instead of {count}"


def quic_differences(found: list[Any], expected: dict[str, Any]) -> Iterator[str]:
    """As `differences`, of QUIC connections; samples with none say nothing of them."""
    wanted = expected.get("quic_connections", [])
    if len(found) != len(wanted):
        yield f"{len(found)} QUIC connections instead of {len(wanted)}"
    for number, (one, other) in enumerate(zip(found, wanted, strict=False)):
        yield from _of_value(f"QUIC connection {number}", one, other)


def _of_connection(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for key, value in wanted.items():
        if key == "rtt":
            for leg, bounds in value.items():
                yield from _of_leg(f".rtt.{leg}", found["rtt"][leg], bounds)
        else:
            yield from _of_value(f".{key}", (found["handshake"] if key in _IN_HANDSHAKE else found)[key], value)


def _of_value(path: str, found: Any, wanted: Any) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from _of_value(f"{path}.{key}", found.get(key), value)
    elif found != wanted:
        yield f"{path} is {found!r} instead of {wanted!r}"


def _of_leg(path: str, leg: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    if "method" in wanted and leg["method"] != wanted["method"]:
        yield f"{path} is {leg['method']} instead of {wanted['method']}"
    if "min_ns" in wanted and not wanted["min_ns"] <= (leg["value_ns"] or -1) <= wanted["max_ns"]:
        yield f"{path} is {leg['value_ns']}, not within {wanted['min_ns']}..{wanted['max_ns']}"
    true_ns = wanted.get("true_ns")
    if true_ns is None or leg["min_ns"] is None:
        return
    if not leg["min_ns"] - FORWARDING_NS <= true_ns <= leg["max_ns"] + FORWARDING_NS:
        yield f"{path} is {leg['min_ns']}..{leg['max_ns']}, which does not hold {true_ns}"
