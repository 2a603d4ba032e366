"""What other tools call a connection: Zeek's `conn_state` and `history`, Wireshark's completeness, the Community ID.

`conn_state` works on whole columns; the text forms are only made for rows that are printed.
"""

import re
from binascii import b2a_base64
from hashlib import sha1
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import COMPLETE_SYN, TRAIT_ACKS, TRAIT_FIN
from handshake_inspect.tcp.zeek_words import CLOSED, ESTABLISHED, INACTIVE, PARTIAL, RESET, SYN_ACK_SENT, SYN_SENT
from handshake_inspect.wire.address import are_ipv4
from handshake_inspect.wire.const import MASK32

# Zeek's conn_state; `conn_state()` returns indices in this tuple.
CONN_STATES: Final = (
    "OTH", "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR",
)  # fmt: skip
_CODE: Final = {name: code for code, name in enumerate(CONN_STATES)}

# A SYN that nothing answered.
EMBRYO_CONN_STATE: Final = "S0"
EMBRYO_HISTORY: Final = "S"

_RESET_UNANSWERED: Final = re.compile(rb"\^?S[^HAFGIQ]*R")  # only the case of the originator's letters matters

# seed, two addresses, protocol, padding, two ports
_ORDERED4: Final = np.dtype(
    [
        ("seed", ">u2"),
        ("lo0", ">u4"),
        ("lo1", ">u4"),
        ("protocol", "u1"),
        ("pad", "u1"),
        ("port0", ">u2"),
        ("port1", ">u2"),
    ]
)
_ORDERED6: Final = np.dtype(
    [("seed", ">u2"), ("hi0", ">u8"), ("lo0", ">u8"), ("hi1", ">u8"), ("lo1", ">u8"), ("protocol", "u1"), ("pad", "u1"),
     ("port0", ">u2"), ("port1", ">u2")]
)  # fmt: skip
Halves = NDArray[np.uint64]
Ports = NDArray[np.uint16]
_TCP: Final = 6


def _decide(orig: int, resp: int, *, empty: bool = False, unanswered: bool = False) -> str:
    """Decide one conn_state from the two endpoint states, in the order of Zeek's own script.

    `empty`: neither end sent payload; `unanswered`: the originator sent nothing but a SYN before its RST.
    """
    orig_inactive, resp_inactive = orig in {INACTIVE, PARTIAL}, resp in {INACTIVE, PARTIAL}
    if resp == RESET:
        if orig in {SYN_SENT, SYN_ACK_SENT} or (orig == RESET and empty):
            return "REJ"
        return "RSTRH" if orig_inactive else "RSTR"
    if orig == RESET:
        if resp_inactive:
            return "RSTOS0" if unanswered else "OTH"
        return "RSTO"
    if orig == CLOSED:
        if resp == CLOSED:
            return "SF"
        return "SH" if resp_inactive else "S2"
    if resp == CLOSED:
        return "SHR" if orig_inactive else "S3"
    return {(SYN_SENT, INACTIVE): "S0", (ESTABLISHED, ESTABLISHED): "S1"}.get((orig, resp), "OTH")


_STATES: Final = range(RESET + 1)
_DECIDED: Final = np.array([[_CODE[_decide(orig, resp)] for resp in _STATES] for orig in _STATES], dtype=np.uint8)


def conn_state(aliases: NDArray[Any], endpoints: NDArray[Any]) -> NDArray[np.uint8]:
    """Return Zeek's conn_state of every connection as indices in `CONN_STATES`.

    `aliases` are Alias rows, `endpoints` their Endpoint rows, two for each.
    """
    one, other = aliases["state"][:, 0], aliases["state"][:, 1]
    flipped = aliases["flipped"] != 0
    orig, resp = np.where(flipped, other, one), np.where(flipped, one, other)
    codes: NDArray[np.uint8] = _DECIDED[orig, resp]
    both_reset = np.flatnonzero((orig == RESET) & (resp == RESET))
    codes[both_reset[_empty(endpoints, both_reset)]] = _CODE["REJ"]
    lone_reset = np.flatnonzero((orig == RESET) & ((resp == INACTIVE) | (resp == PARTIAL)))
    codes[lone_reset[_unanswered(aliases["history"][lone_reset])]] = _CODE["RSTOS0"]
    return codes


def _empty(endpoints: NDArray[Any], connections: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return a mask over `connections`: neither end sent payload, as far as sequence numbers show."""
    one, other = endpoints[2 * connections], endpoints[2 * connections + 1]
    return (_payload_sent(one, other) <= 0) & (_payload_sent(other, one) <= 0)


def _payload_sent(end: NDArray[Any], peer: NDArray[Any]) -> NDArray[np.int64]:
    """Return the bytes between SYN and FIN that `end` sent or `peer` acknowledged; 0 or less for none."""
    sent = (end["snd_nxt"] - end["iss"]).astype(np.int32)
    acked = (peer["last_ack"] - end["iss"]).astype(np.int32)
    acked[peer["traits"] & TRAIT_ACKS == 0] = 0
    fin = end["traits"] & TRAIT_FIN != 0
    sent_bytes: NDArray[np.int64] = np.maximum(sent, acked).astype(np.int64) - 1 - fin
    return sent_bytes


def _unanswered(histories: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask: only its SYN came from the originator before its RST. Each distinct history is matched once."""
    texts = np.ascontiguousarray(histories).view(f"S{histories.shape[1]}")[:, 0]
    kinds, which = np.unique(texts, return_inverse=True)
    verdicts = np.array([_RESET_UNANSWERED.match(kind) is not None for kind in kinds.tolist()], dtype=bool)
    return verdicts[which]


def history_texts(aliases: NDArray[Any], rows: NDArray[Any]) -> list[str]:
    """Return the histories of these Alias rows as text."""
    letters = np.ascontiguousarray(aliases["history"][rows])
    texts: list[str] = letters.view(f"S{letters.shape[1]}")[:, 0].astype(np.str_).tolist()
    return texts


def community_ids(hi0: Halves, lo0: Halves, hi1: Halves, lo1: Halves, port0: Ports, port1: Ports) -> list[str]:
    """Return the Community IDs (version 1, seed 0) of TCP 4-tuples; both directions give the same ID."""
    beyond = (lo0 > lo1) | ((lo0 == lo1) & (port0 > port1))
    swapped = (hi0 > hi1) | ((hi0 == hi1) & beyond)
    hi0, hi1 = np.where(swapped, hi1, hi0), np.where(swapped, hi0, hi1)
    lo0, lo1 = np.where(swapped, lo1, lo0), np.where(swapped, lo0, lo1)
    ports = np.where(swapped, port1, port0), np.where(swapped, port0, port1)
    four = are_ipv4(hi0, lo0)
    digests = np.empty(len(four), dtype="S21")
    for kind, those in ((_ORDERED4, four), (_ORDERED6, ~four)):
        rows = np.flatnonzero(those)
        ordered = np.zeros(len(rows), dtype=kind)
        ordered["protocol"] = _TCP
        halves = {"lo0": lo0, "lo1": lo1} if kind is _ORDERED4 else {"hi0": hi0, "lo0": lo0, "hi1": hi1, "lo1": lo1}
        for name, half in halves.items():
            ordered[name] = half[rows] & np.uint64(MASK32) if kind is _ORDERED4 else half[rows]
        ordered["port0"], ordered["port1"] = ports[0][rows], ports[1][rows]
        size, packed = kind.itemsize, ordered.tobytes()
        digests[rows] = [
            sha1(packed[at : at + size], usedforsecurity=False).digest() for at in range(0, len(packed), size)
        ]
    # 20 bytes plus a zero byte are 28 base64 characters; the last one encodes only the zero.
    letters = b2a_base64(digests.tobytes(), newline=False).decode("ascii")
    return [f"1:{letters[at : at + 27]}=" for at in range(0, len(letters), 28)]


def community_id(hi0: int, lo0: int, hi1: int, lo1: int, port0: int, port1: int) -> str:
    """Return the Community ID of one 4-tuple."""
    ends = [np.array([half], dtype=np.uint64) for half in (hi0, lo0, hi1, lo1)]
    ports = [np.array([port], dtype=np.uint16) for port in (port0, port1)]
    return community_ids(ends[0], ends[1], ends[2], ends[3], ports[0], ports[1])[0]


def completeness(bits: NDArray[np.uint8], frames: NDArray[Any]) -> NDArray[np.uint8]:
    """Return Wireshark's `tcp.completeness`: of connections with a single frame, only a SYN counts."""
    alone: NDArray[np.bool_] = (frames == 1) & (bits & COMPLETE_SYN == 0)
    return np.where(alone, 0, bits).astype(np.uint8)
