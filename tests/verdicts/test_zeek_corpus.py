"""Zeek's own baselines: what Zeek reports for its test captures, compared with our `aliases.zeek`.

Only connections whose first packet is a plain SYN are compared; others depend on the scripts that a baseline loaded.
"""

import json
from collections import Counter
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec

import numpy as np
import pytest

from handshake_inspect.capture.frames import DAMAGED
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import EMBRYO_STATE
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.aliases import (
    CONN_STATES,
    EMBRYO_CONN_STATE,
    EMBRYO_HISTORY,
    conn_state,
    history_texts,
)
from handshake_inspect.wire.address import address_text

FILES = [
    "chksums/localhost-bad-chksum.pcap",
    "ftp/bigtransfer.pcap",
    "ftp/ftp-auth-tls.pcap",
    "ftp/ftp-missing-reply-code.pcap",
    "ftp/ftp-missing-space-after-reply-code.pcap",
    "ftp/ftp-password-pass-command.pcap",
    "ftp/ipv6.pcap",
    "http/concurrent-range-requests.pcap",
    "http/connect-with-header.pcap",
    "http/get.pcap",
    "http/http-post-large.pcap",
    "http/zeek-image-post-1080-8000-x.pcap",
    "krb/optional-service-name.pcap",
    "ldap/sasl-scram-sha-512.pcap",
    "ldap/simpleauth.pcap",
    "modbus/modbus-eit.pcap",
    "mysql/tls-12-amazon-rds.pcap",
    "mysql/tls-13-amazon-rds.pcap",
    "pop3/bad-list-retr-crafted.pcap",
    "pop3/redis-50-pings.pcap",
    "tcp-http-with-padding.pcap",
    "tcp/syn-then-ack-then-rst.pcap",
    "tcp/syn-then-stuff-then-rst.pcap",
    "tls/https-to-http.pcap",
    "tls/imap-starttls.pcap",
    "tls/pop3-starttls.pcap",
    "tunnels/Teredo.pcap",
    "tunnels/geneve-many-options.pcap",
    "tunnels/gre-aruba-amsdu.pcap",
    "tunnels/gre-sample.pcap",
    "tunnels/gtp/gtp1_gn_normal_incl_fragmentation.pcap",
    "tunnels/gtp/gtp6_gtp_0x32.pcap",
]
IN_TUNNELS = [
    "tunnels/Teredo.pcap",
    pytest.param(
        "tunnels/geneve-many-options.pcap",
        marks=pytest.mark.xfail(reason="one wrong checksum among right ones, which the baseline did not verify"),
    ),
    "tunnels/gre-sample.pcap",
    pytest.param(
        "tunnels/gtp/gtp1_gn_normal_incl_fragmentation.pcap",
        marks=pytest.mark.xfail(reason="later fragments are not captured, and a first one counts as the whole segment"),
    ),
    "tunnels/gtp/gtp6_gtp_0x32.pcap",
]


def connections(path):
    """(originator, its port, responder, its port, conn_state, history) of each connection of a capture."""
    pump = Pump(Tracker(1 << 12))
    with open_trace([path]) as trace:
        while pump.drain(trace.reader) != DAMAGED and trace.fill():
            pass
    table = pump.tracker.table
    count = table.connection_count
    aliases = np.frombuffer(table.alias_rows, dtype=np.dtype(rows.Alias))[:count]
    endpoints = np.frombuffer(table.endpoint_rows, dtype=np.dtype(rows.Endpoint))[: 2 * count]
    found = []
    said = zip(conn_state(aliases, endpoints), history_texts(aliases, np.arange(count)), strict=True)
    for (code, history), alias, row in zip(said, aliases, table.connection_rows[:count], strict=True):
        ends = [(address_text(row.hi0, row.lo0), row.port0), (address_text(row.hi1, row.lo1), row.port1)]
        if alias["flipped"]:
            ends.reverse()
        found.append((*ends[0], *ends[1], CONN_STATES[code], history))
    for number, row in enumerate(table.embryo_rows[: table.embryo_count]):
        if row.options & EMBRYO_STATE:
            addresses = table.embryo_addresses(number)
            client, server = address_text(*addresses[:2]), address_text(*addresses[2:])
            found.append((client, row.client_port, server, row.server_port, EMBRYO_CONN_STATE, EMBRYO_HISTORY))
    return found


def is_compiled(name):
    return find_spec(name).origin.endswith(tuple(EXTENSION_SUFFIXES))


def missing(corpus, name, *, tunneled):
    """What Zeek says of the connections that begin with a SYN and we do not."""
    path = corpus / "zeek"
    rows_ = [
        row
        for row in json.loads((path / "expected.json").read_text())[name]["conns"]
        if row["plain_syn_first"] and row["tunneled"] == tunneled
    ]
    keys = ("orig_h", "orig_p", "resp_h", "resp_p", "conn_state", "history_tcp")
    wanted = Counter(tuple(row[key] for key in keys if row[key] is not None) for row in rows_)
    found = connections(path / name)
    # two baselines do not give addresses
    return wanted - Counter(found) - Counter(row[4:] for row in found)


@pytest.mark.parametrize("name", FILES)
def test_says_what_zeek_says(corpus, name):
    assert not missing(corpus, name, tunneled=False)


@pytest.mark.parametrize("name", IN_TUNNELS)
def test_says_what_zeek_says_of_connections_in_tunnels(corpus, name):
    assert not missing(corpus, name, tunneled=True)


def test_every_capture_is_held_to_it(corpus):
    expected = json.loads((corpus / "zeek" / "expected.json").read_text())
    tunneled = [
        name
        for name, capture in expected.items()
        if any(row["tunneled"] and row["plain_syn_first"] for row in capture["conns"])
    ]
    assert set(FILES) == set(expected)
    assert len(IN_TUNNELS) == len(tunneled)


@pytest.mark.skipif(is_compiled("handshake_inspect.tcp.tracker"), reason="compiled methods cannot be replaced")
@pytest.mark.parametrize("name", ["closed-by-client", "lost-data", "midstream", "tls-40ms", "zero-window"])
def test_the_fast_path_writes_the_same_as_the_full_one(pcaps, name, monkeypatch):
    path = pcaps / f"{name}.pcap"
    quick, taken = Tracker.fast_path, []

    def watched(*arguments):
        taken.append(quick(*arguments))
        return taken[-1]

    monkeypatch.setattr(Tracker, "fast_path", watched)
    short = connections(path)
    assert any(taken)
    monkeypatch.setattr(Tracker, "fast_path", lambda *_: False)
    assert connections(path) == short
