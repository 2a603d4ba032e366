"""What a script over dpkt does first: a loop over the frames, and a dictionary of connections.

    python benchmarks/dpkt_loop.py FILE

It knows SYN, SYN-ACK and the ACK that follows, and counts frames; no states, no retransmissions.
"""

import sys
from pathlib import Path

import dpkt


def main(path: str) -> None:
    """Print how many connections there are and how many completed their handshake."""
    syn, ack = dpkt.tcp.TH_SYN, dpkt.tcp.TH_ACK
    connections: dict[tuple[bytes, int, bytes, int], list[float]] = {}
    with Path(path).open("rb") as capture:
        for when, data in dpkt.pcap.Reader(capture):
            packet = dpkt.ethernet.Ethernet(data).data
            if not isinstance(packet, dpkt.ip.IP) or not isinstance(packet.data, dpkt.tcp.TCP):
                continue
            segment = packet.data
            near, far = (packet.src, segment.sport), (packet.dst, segment.dport)
            key = near + far if near < far else far + near
            marks = connections.get(key)
            if marks is None:
                marks = connections[key] = [0.0, 0.0, 0.0, 0]
            marks[3] += 1
            flags = segment.flags
            if flags & syn:
                marks[1 if flags & ack else 0] = when
            elif flags & ack and marks[1] and not marks[2]:
                marks[2] = when
    complete = sum(1 for opened, answered, done, _ in connections.values() if opened and answered and done)
    print(f"{len(connections)} connections, {complete} complete handshakes")


if __name__ == "__main__":
    main(sys.argv[1])
