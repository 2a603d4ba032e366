"""Advice for connections that failed for one reason, the most likely cause first."""

from handshake_inspect.verdicts.findings.base import Host, addr
from handshake_inspect.verdicts.findings.tally import Tally
from handshake_inspect.verdicts.words import CAUSES, REJECTED
from handshake_inspect.wire.address import address_text

ADVICE = {
    "closed-port": "Start the service or correct the address: `{listeners}` on {host} shows what is listening.",
    "refused-while-serving": "Look for a full backlog (Windows resets what it cannot queue) or one dead backend behind "
    "{where}: `{listeners}` there and on every backend, and the balancer's health checks.",
    "middlebox-reset": "Find the box that resets in the server's name by its TTL: `hsi explain`, `tracepath {host}`.",
    "host-silent": "Check that {host} is up and routed in both directions: `ping {host}`, `ip route get {host}`.",
    "answered-from-elsewhere": "Translate the way back too: the rule for {host} lacks its source NAT (`nft add rule ip "
    "nat postrouting ip daddr BACKEND masquerade`), or the answer of {others} does not come back through the box that "
    "translates (`ip route get CLIENT` there).",
    "bogon-source": "Drop what cannot be before it reaches {host} (BCP 38; `nft add rule inet filter prerouting fib "
    "saddr . iif oif missing drop`): these sources are forged, and no answer can reach anybody.",
    "no-final-ack": "Find where the way back breaks: capture on the client to see whether {host}'s SYN-ACKs arrive, "
    "and check its firewall and reverse path (`sysctl net.ipv4.conf.all.rp_filter`).",
    "accept-queue-overflow": "Let the application accept faster, or raise its backlog and net.core.somaxconn: "
    "`{listeners}` shows Recv-Q against Send-Q.",
    "final-ack-lost": "Find what keeps ACKs from {host}: mostly an asymmetric path past a stateful firewall, "
    "which sees one direction only; compare `ip route get` on both ends, and capture on {host}.",
    "address-conflict": "Find the second host with this address: `arping -D {host}` in its subnet.",
    "reset-by-middlebox": "Find the device that forges its RSTs by their TTL: `hsi explain`, `tracepath {host}`.",
    "reset-by-server": "Check `sysctl net.ipv4.tcp_abort_on_overflow` and the backlog of {those} on {host}: it "
    "resets what it cannot queue.",
}
REJECTED_ADVICE = (
    "Find the rule or route that answers with ICMP {cause}: `nft list ruleset` and `ip route get {host}` on {by}."
)
ADVISED = {False: "Look, in this order, for", True: "These SYNs are signed: look, in this order, for"}
# Why a signed SYN gets no answer, most likely first. Linux does not even refuse one (it has no key to sign the RST).
SIGNED_BY = (
    "a key (TCP MD5 or TCP-AO) that {host} lacks for this peer, or that differs "
    "(`nstat -az '*MD5*' '*TCPAO*'` on {host}, and the configuration of both)",
    "a port without a listener, since many hosts do not refuse a signed SYN (`{listeners}` there)",
)
# A signed handshake most likely fails to complete because of the key.
SIGNED = {
    "no-final-ack": "Compare the key (TCP MD5 or TCP-AO) of both peers, since a client drops a SYN-ACK that another "
    "one signed (`nstat -az '*MD5*' '*TCPAO*'` there); else see on the client whether {host}'s SYN-ACKs arrive.",
    "final-ack-lost": "Compare the key (TCP MD5 or TCP-AO) of both peers, since {host} drops an ACK that another one "
    "signed (`nstat -az '*MD5*' '*TCPAO*'` there); else look for an asymmetric path past a stateful firewall.",
}
SILENT_BY = {
    "port-filtered": (
        "a rule that drops {those} (`nft list ruleset` on {host} and the firewalls before it)",
        "a listener whose accept queue stays full (`{listeners}` there shows Recv-Q above Send-Q)",
    ),
    "host-silent": ("a host that is down or not routed (`ping {host}`, `ip route get {host}`)",),
}
# What drops SYNs to a live port, most likely first.
DROPPED_BY = (
    "a full queue on {host} (`nstat -az TcpExtListenDrops TcpExtListenOverflows`, `ss -ltn`)",
    "a NAT without free ports or a full connection table on the way (`conntrack -S`)",
    "timestamps older than the newest from that address, as clients behind one NAT send (PAWS: `nstat -az '*PAWS*'`)",
    "a rate limit",
)
PAWS = 2  # index in DROPPED_BY
OTHER_ADVICE = "Follow one of the connections with `hsi explain`."


def place(host: Host, ports: list[int]) -> str:
    """Format the target: `10.0.0.2:80`, or `20 ports of 10.0.0.2`."""
    return addr(host, ports[0]) if len(ports) == 1 else f"{len(ports):,} ports of {addr(host)}"


def advice(tally: Tally, outcome: int, at: Host, ports: list[int], named: list[str]) -> str:
    """Return the advice for a cause; `named` are the senders of an ICMP error or of an answer from elsewhere."""
    cause, host = CAUSES[tally.cause] or "", address_text(*at)
    alone = len(ports) == 1
    if outcome == REJECTED:
        return REJECTED_ADVICE.format(cause=cause, host=host, by=" and ".join(named) or "the routers before it")
    order = reasons_of_silence(tally, cause)
    text = f"{ADVISED[tally.is_signed]} {', '.join(order[:-1])}, and {order[-1]}." if order else ""
    if tally.is_signed and cause in SIGNED:
        text = SIGNED[cause]
    return (text or ADVICE.get(cause, OTHER_ADVICE)).format(
        host=host,
        where=place(at, ports),
        those=f"port {ports[0]}" if alone else f"these {len(ports):,} ports",
        listeners=f"ss -ltn 'sport = :{ports[0]}'" if alone else "ss -ltn",
        others=" and ".join(named),
    )


def reasons_of_silence(tally: Tally, cause: str) -> list[str]:
    """Return why nothing answered, most likely first: the key for signed SYNs, PAWS for SYNs with old timestamps.

    Empty if there is only one reason.
    """
    if cause in SILENT_BY:
        order = list(SILENT_BY[cause])
        return [*SIGNED_BY, *order] if tally.is_signed else order if len(order) > 1 else []
    if cause != "syn-dropped":
        return []
    order = list(DROPPED_BY)
    if tally.older_timestamps == tally.connections:
        order.insert(0, order.pop(PAWS))
    return [SIGNED_BY[0], *order] if tally.is_signed else order
