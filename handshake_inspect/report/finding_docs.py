"""What each kind of finding means, for formats that carry the documentation of their rules."""

from __future__ import annotations

from handshake_inspect.report.words import FindingId

FINDING_DOCS: dict[FindingId, tuple[str, str]] = {
    "refused": (
        "Connections were refused",
        "A RST answered the SYN: nothing listens there, or a device says so.",
    ),
    "rejected": ("Connections were rejected", "An ICMP or ICMPv6 error answered the SYN; its cause names the error."),
    "timed-out": ("Connections timed out", "SYNs went without any answer until the client gave up."),
    "half-open": ("Handshakes stayed half-open", "The server sent a SYN-ACK and the handshake never completed."),
    "syn-flood": (
        "SYN flood",
        "Many attempts stand unfinished at one target, from sources that never complete anything. Judged by the "
        "half-open population and the completion ratio, not by the rate of SYNs.",
    ),
    "syn-cookies": (
        "SYN cookies",
        "The server answers without keeping state, as it does when its SYN queue is full: TCP options may be lost.",
    ),
    "accept-queue-overflow": (
        "Accept queue overflow",
        "The client's final ACK is in the capture and the server does not take it: the application accepts too slowly, "
        "or its backlog is too short.",
    ),
    "syn-retransmission": (
        "SYNs or SYN-ACKs were lost",
        "Connects waited for a retransmission timer, one second and more, because a SYN or SYN-ACK was lost.",
    ),
    "port-scan": ("Port scan", "One source tried many ports or hosts, as a scanner does."),
    "backscatter": (
        "Backscatter",
        "A host answers addresses that never sent it a SYN: somebody floods it from forged source addresses.",
    ),
    "reflection": (
        "Reflection",
        "Many hosts answer one that never asked them: somebody forges its address, and their answers hit it.",
    ),
    "ack-flood": ("ACK flood", "ACKs that belong to no connection reach one host from many sources."),
    "rst-flood": ("RST flood", "RSTs that belong to no connection reach one host from many sources."),
    "rst-injection": (
        "Forged RST",
        "A RST does not fit the host that it claims to be from, or its target ignored it: a device on the way sent it.",
    ),
    "slow-handshake": ("Slow handshakes", "Handshakes took far longer than others of the same service."),
    "slow-client-ack": ("Slow final ACKs", "Clients took far longer than others to answer the SYN-ACK."),
    "early-reset": (
        "Connections ended before an answer",
        "The server accepts connections and ends them before it has sent a byte: nobody serves what is accepted.",
    ),
    "address-conflict": (
        "Two hosts with one address",
        "Two ISNs answered one SYN, or a SYN-ACK was repeated after a RST in the same name: two hosts own the address.",
    ),
    "stale-peer": (
        "Stale peer",
        "One end lost the connection while the other went on: half-open as RFC 9293 means the word.",
    ),
    "port-reuse": ("4-tuple reused early", "The same addresses and ports were used again within 2 MSL."),
    "time-wait-pressure": (
        "TIME_WAIT pressure",
        "The host that closes first holds so many connections in TIME_WAIT that ephemeral ports may run out.",
    ),
    "connection-churn": (
        "Connection churn",
        "Many short connections between the same two hosts: pooling would have saved their handshakes.",
    ),
    "predictable-isn": ("Predictable initial sequence numbers", "ISNs of one host repeat or follow a pattern."),
    "path-mtu": (
        "Long packets do not pass",
        "Short packets pass between two hosts and long ones never do, whatever is repeated: a link with a smaller MTU, "
        "and nobody says so.",
    ),
    "stalled": (
        "Connections stand still",
        "One end repeats data or keep-alives and the other acknowledges nothing any more: a dead host, or a device on "
        "the path that forgot the connection.",
    ),
    "idle-timeout": (
        "Idle connections are forgotten",
        "Connections end, or are lost, after the same time without a packet: a balancer, NAT or firewall drops its "
        "entry.",
    ),
    "keep-alive-race": (
        "Requests cross the server's close",
        "A client uses a pooled connection at the moment when the server closes it for being idle: the request draws "
        "a RST.",
    ),
    "capture-quality": (
        "Limits of the capture",
        "What the capture lacks, such as a direction, frames, or the headers' ends, and what cannot be judged for it.",
    ),
}
"""Short name and explanation of every kind of finding."""
