"""One object, one row per line, written in pieces."""

import io
import json
from dataclasses import dataclass

import msgspec
from support.reports import connection, flooded, healthy, report

from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.model import Connections


def as_json(given, **options):
    out = io.BytesIO()
    FORMATS["json"].render(given, out, Options(**options))
    return out.getvalue()


def test_the_keys_come_in_the_order_of_the_specification():
    document = json.loads(as_json(healthy()))
    assert list(document) == [
        "schema",
        "tool",
        "capture",
        "summary",
        "services",
        "connections",
        "findings",
        "quic_services",
        "quic_connections",
    ]
    assert list(document["connections"][0])[:6] == ["id", "client", "server", "roles", "first_ns", "last_ns"]


def test_every_connection_is_a_line():
    lines = as_json(healthy()).decode().splitlines()
    assert sum('"community_id"' in line for line in lines) == 40
    assert json.loads(lines[-5].rstrip(","))["id"] == 38


def test_the_same_report_gives_the_same_bytes_whatever_the_looks():
    assert as_json(healthy()) == as_json(healthy(), width=300, color=True, encoding="ascii", every=True, verbosity=1)


def test_without_connections_the_key_is_null():
    document = json.loads(as_json(healthy(), connections=False))
    assert document["connections"] is None
    assert document["summary"]["connections"] == 40


@dataclass
class Sink:
    """Counts what it is given and keeps nothing."""

    largest: int = 0
    rows: int = 0

    def write(self, data):
        self.largest = max(self.largest, len(data))
        self.rows += bytes(data).count(b'"community_id"')
        return len(data)


class Many(Connections):
    """More connections than one piece holds, made when asked for."""

    def __init__(self):
        self.one = connection(0)

    def __len__(self):
        return 30_000

    def connection(self, index):
        return self.one

    trouble_count = 0

    def trouble(self, limit=None):
        return []


def test_connections_are_written_in_pieces():
    sink = Sink()
    FORMATS["json"].render(msgspec.structs.replace(healthy(), connections=Many()), sink, Options())
    assert sink.rows == 30_000
    assert sink.largest < 6_000_000


def test_a_summary_of_millions_makes_no_connection():
    given = flooded()
    assert json.loads(as_json(given, connections=False))["summary"]["outcomes"]["half-open"] == 3_000_000
    assert given.connections.made == 0


def test_a_file_name_that_is_not_utf_8_is_escaped():
    document = json.loads(as_json(report([], sources=["caf\udce9.pcap"])))
    assert document["capture"]["sources"] == ["caf\\udce9.pcap"]
