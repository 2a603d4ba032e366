"""The packet length of a payload, and the MSS that keeps packets below what a path passes.

A capture on the sending host has segments longer than any packet (TSO, GSO): they count as packets of the MSS that the
receiver offered.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import TRAIT_ISS
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.wire.const import OPT_MSS, OPT_TIMESTAMPS

TIMESTAMPS = 12  # bytes of the option, with padding (RFC 7323 appendix A)
HEADERS = {4: 40, 6: 60}  # IP and TCP headers without options
DEFAULT_MSS = 1460  # Ethernet, if the receiver's MSS is unknown
# Packets of this length always pass: RFC 9293 section 3.7.1 (IPv4 hosts reassemble so much), RFC 8200 section 5.
LEAST = {4: 576, 6: 1280}
# MTUs of links and tunnels in use: PPPoE, 6in4, GRE, GRE with IPsec, VXLAN, WireGuard, common IPsec, mobile cores.
MTUS = (9000, 1500, 1492, 1480, 1476, 1472, 1460, 1454, 1450, 1440, 1436, 1430, 1428, 1420, 1412, 1400, 1392, 1380,
        1376, 1358, 1350, 1330, 1300, 1280, 1240, 1200)  # fmt: skip


def timestamped(trace: Attempts, rows: ConnectionRows) -> NDArray[np.int64]:
    """Return the bytes of options in every segment: 12 if both ends offered timestamps, else 0."""
    options = trace.endpoints["options"]
    both = options[2 * rows] & options[2 * rows + 1] & OPT_TIMESTAMPS != 0
    return np.where(both, TIMESTAMPS, 0).astype(np.int64)


def cut(trace: Attempts, rows: ConnectionRows, side: Any, lengths: NDArray[Any]) -> NDArray[np.int64]:
    """Limit the payload lengths that `side` (one for all rows, or one per row) sent to what fits one packet."""
    ends = trace.endpoints
    peers = 2 * rows + (side ^ 1)
    known = (
        (ends["traits"][peers] & TRAIT_ISS != 0) & (ends["options"][peers] & OPT_MSS != 0) & (ends["mss"][peers] > 0)
    )
    mss = np.where(known, ends["mss"][peers], DEFAULT_MSS).astype(np.int64)
    return np.minimum(lengths.astype(np.int64), mss - timestamped(trace, rows))


def clamp(version: int, passed: int, failed: int, named: int) -> int:
    """Return the MSS for the MTU that ICMP reported, or else for a common MTU between `passed` and `failed`.

    `passed` and `failed` are lengths of IP packets; `named` is 0 if no ICMP error named an MTU.
    """
    headers = HEADERS[version]
    if LEAST[version] <= named < failed:
        return named - headers
    for mtu in MTUS:
        if passed <= mtu < failed:
            return mtu - headers
    return max(passed, LEAST[version]) - headers
