"""Every format can write every finding: detectors run over generated captures, not only over samples."""

import io
import json
import random
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import frames as wire
from support.captures import pcap
from support.wire import validator

from handshake_inspect import engine
from handshake_inspect.checks import settings as rules
from handshake_inspect.checks.rule_results import evaluate_rules
from handshake_inspect.render import CHECKS, FORMATS, REPORTS, Options
from handshake_inspect.verdicts import finding as finding_module
from handshake_inspect.verdicts.finding import Finding, Kind, Metric

SECOND = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * SECOND
SERVER = ("198.51.100.2", 443)
RICH = wire.linux_syn_options()


class Traffic:
    """Frames of one kind of traffic, with what chance decides about them."""

    def __init__(self, seed: int, count: int) -> None:
        self.chance = random.Random(seed)
        self.count = count
        self.every = self.chance.choice([MS, 20 * MS, 400 * MS])
        self.ttls = self.chance.choice([[64], [57], list(range(40, 64)), [64, 128]])
        self.options = self.chance.choice([RICH, RICH, wire.mss(1460), b""])
        self.net = self.chance.choice(["10", "any", "2001:db8"])
        self.timed: list[tuple[int, bytes]] = []

    def source(self, number: int) -> tuple[str, int]:
        """A client; each number has its own."""
        port = self.chance.randrange(1024, 65536)
        if ":" in self.net:
            return f"{self.net}::{number + 1:x}", port
        net = self.chance.randrange(11, 200) if self.net == "any" else self.net
        return f"{net}.{self.chance.randrange(256)}.{number >> 8 & 255}.{number & 255}", port

    def target(self) -> tuple[str, int]:
        return ("2001:db8:ffff::2", 443) if ":" in self.net else SERVER

    def put(self, at: int, frame: bytes) -> None:
        self.timed.append((START + at, frame))

    def opened(self, at: int, here, there, isn=1000, iss=5000, **words) -> None:
        """A SYN, a SYN-ACK and a final ACK."""
        self.put(at, wire.syn(here, there, seq=isn, options=self.options, **words))
        self.put(at + 10 * MS, wire.syn_ack(there, here, seq=iss, ack=isn + 1, options=self.options))
        self.put(at + 20 * MS, wire.ack(here, there, seq=isn + 1, ack=iss + 1, **words))


def flood(t: Traffic) -> None:
    there = t.target()
    for number in range(t.count):
        isn = t.chance.getrandbits(31)
        here, ttl = t.source(number), t.chance.choice(t.ttls)
        t.put(number * t.every // 20, wire.syn(here, there, seq=isn, options=t.options, ttl=ttl))
        iss = t.chance.getrandbits(31)
        for again in (0, 1, 3):
            at = number * t.every // 20 + again * SECOND + MS
            t.put(at, wire.syn_ack(there, here, seq=iss, ack=isn + 1, options=RICH))
    t.put(20 * SECOND, wire.udp())


def healthy(t: Traffic) -> None:
    there = t.target()
    host = t.source(1)[0]
    for number in range(t.count):
        at, here = number * t.every, (host, 20000 + number)
        isn, iss = t.chance.getrandbits(31), t.chance.getrandbits(31)
        t.opened(at, here, there, isn, iss)
        t.put(at + 21 * MS, wire.data(b"?", here, there, seq=isn + 1, ack=iss + 1))
        t.put(at + 30 * MS, wire.data(b"!", there, here, seq=iss + 1, ack=isn + 2))
        t.put(at + 40 * MS, wire.fin(here, there, seq=isn + 2, ack=iss + 2))
        t.put(at + 50 * MS, wire.fin(there, here, seq=iss + 2, ack=isn + 3))
        t.put(at + 60 * MS, wire.ack(here, there, seq=isn + 3, ack=iss + 3))


def scan(t: Traffic) -> None:
    here, (there, _) = t.source(1), t.target()
    flags = t.chance.choice([wire.SYN, wire.FIN, 0, wire.ACK])
    for port in range(1, t.count + 1):
        at = port * t.every
        t.put(at, wire.syn(here, (there, port), seq=1000, flags=flags, options=b""))
        if port % 7:
            t.put(at + MS, wire.rst((there, port), here, ack=1001))


def refusals(t: Traffic) -> None:
    there, host = t.target(), t.source(1)[0]
    for number in range(t.count):
        at, here = number * t.every, (host, 20000 + number)
        t.put(at, wire.syn(here, there, seq=1000 + number, options=t.options))
        t.put(at + MS, wire.rst(there, here, ack=1001 + number))


def silence(t: Traffic) -> None:
    there, host = t.target(), t.source(1)[0]
    for number in range(min(t.count, 60)):
        for again in (0, 1, 3, 7):
            t.put(number * t.every + again * SECOND, wire.syn((host, 20000 + number), there, seq=1000, options=RICH))


def resets(t: Traffic) -> None:
    """Opened, and ended by a RST: of the server, or of somebody in between."""
    there, forged = t.target(), t.chance.random() < 0.5
    host = t.source(1)[0]
    for number in range(t.count):
        at, here = number * t.every, (host, 20000 + number)
        t.opened(at, here, there)
        t.put(at + 21 * MS, wire.data(b"?", here, there, seq=1001, ack=5001))
        t.put(at + 30 * MS, wire.rst(there, here, seq=5001, ack=None, ttl=33 if forged else 64))
        if forged:
            t.put(at + 32 * MS, wire.data(b"!", there, here, seq=5001, ack=1002))


def overflow(t: Traffic) -> None:
    there, host = t.target(), t.source(1)[0]
    for number in range(min(t.count, 60)):
        at, here = number * t.every, (host, 20000 + number)
        t.opened(at, here, there)
        for again in (1, 3, 7):
            t.put(at + again * SECOND, wire.syn_ack(there, here, seq=5000, ack=1001, options=RICH))
            t.put(at + again * SECOND + 10 * MS, wire.ack(here, there, seq=1001, ack=5001))


def one_sided(t: Traffic) -> None:
    healthy(t)
    mine = t.target()[0]
    written = wire.address(mine)
    t.timed = [(at, frame) for at, frame in t.timed if written not in frame[14:38][: 12 + len(written)]]


def backscatter(t: Traffic) -> None:
    there = t.target()
    for number in range(t.count):
        here = t.source(number)
        t.put(number * t.every, wire.syn_ack(there, here, seq=number, ack=77))
        t.put(number * t.every + MS, wire.rst(there, here, ack=78))


def reused(t: Traffic) -> None:
    there, here = t.target(), (t.source(1)[0], 40000)
    for number in range(min(t.count, 60)):
        at, isn = number * SECOND, 1000 + 100_000 * number
        t.opened(at, here, there, isn)
        t.put(at + 40 * MS, wire.fin(here, there, seq=isn + 1, ack=5001))
        t.put(at + 50 * MS, wire.fin(there, here, seq=5001, ack=isn + 2))
        t.put(at + 60 * MS, wire.ack(here, there, seq=isn + 2, ack=5002))


def doubled(t: Traffic) -> None:
    healthy(t)
    t.timed = [each for each in t.timed for _ in range(2)]


def errors(t: Traffic) -> None:
    there, host = t.target(), t.source(1)[0]
    if ":" in host:
        return
    for number in range(t.count):
        at, syn = number * t.every, wire.syn((host, 20000 + number), there, seq=1000, options=RICH, link=wire.raw)
        t.put(at, wire.ethernet(syn))
        t.put(at + MS, wire.icmp_error(syn, code=t.chance.choice([1, 3, 10, 13]), reporter="203.0.113.9"))


KINDS = (
    flood, healthy, scan, refusals, silence, resets, overflow, one_sided, backscatter, reused, doubled, errors,
)  # fmt: skip


def capture_of(parts) -> bytes:
    timed: list[tuple[int, bytes]] = []
    for kind, seed, count in parts:
        traffic = Traffic(seed, count)
        kind(traffic)
        timed += traffic.timed
    return pcap(sorted(timed, key=lambda each: each[0]), nano=True)


def write_all(report) -> None:
    """Write it in every format; JSON is what the schema says."""
    for form in REPORTS:
        each = FORMATS[form]
        if each.binary and not find_spec("pyarrow"):
            continue
        out = io.BytesIO()
        each.render(report, out, Options(every=True, verbosity=1))
        if form == "json":
            validator().validate(json.loads(out.getvalue()))
    checked = evaluate_rules(report, rules.rules({"profile": "strict", "fail-on": "info", "max-refused": "0"}))
    for form in CHECKS:
        FORMATS[form].render_check(checked, io.BytesIO(), Options())


PARTS = st.tuples(st.sampled_from(KINDS), st.integers(0, 1 << 30), st.sampled_from([5, 30, 120]))


# The smallest failing capture takes minutes to find and says no more than any.
@settings(max_examples=12, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PARTS, min_size=1, max_size=2))
def test_every_format_writes_what_is_found(parts):
    write_all(engine.analyze([io.BytesIO(capture_of(parts))]))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind(kind):
    """Each kind once for certain, and that it is found out."""
    report = engine.analyze([io.BytesIO(capture_of([(kind, 1, 120)]))])
    write_all(report)
    assert report.findings or kind is healthy


@pytest.mark.parametrize("ttls", [[64], list(range(40, 64))], ids=["one-ttl", "mixed-ttls"])
def test_a_flood_with_ordinary_options(ttls):
    traffic = Traffic(1, 300)
    traffic.options, traffic.ttls, traffic.net = RICH, ttls, "any"
    flood(traffic)
    report = engine.analyze([io.BytesIO(pcap(sorted(traffic.timed), nano=True))])
    assert "syn-flood" in {finding.id for finding in report.findings}
    write_all(report)


# -- what a finding may hold -------------------------------------------------------------------------------------


REFUSED = Kind("refused", "t", "e.", lambda _: [], {"a": Metric(object, "Anything.")})


def finding(**changes):
    fields = {
        "kind": REFUSED, "severity": "info", "title": "t", "host": (0, 1), "port": 80, "start_ns": 1, "end_ns": 2,
        "metrics": {}, "advice": "a.",
    }  # fmt: skip
    return Finding(**(fields | changes))


NOT_PLAIN = [
    ({"metrics": {"a": {"b": [np.bool_(True)]}}}, ("metrics", {"a": {"b": [True]}})),
    ({"metrics": {"a": np.float64(0.5)}}, ("metrics", {"a": 0.5})),
    ({"metrics": {"a": np.arange(2)}}, ("metrics", {"a": [0, 1]})),
    ({"metrics": {"a": float("nan")}}, ("metrics", {"a": None})),
    ({"metrics": {"a": np.float64("inf")}}, ("metrics", {"a": None})),
    ({"metrics": {np.str_("a"): 1}}, ("metrics", {"a": 1})),
    ({"frames": (np.uint32(7),)}, ("frames", (7,))),
    ({"port": np.uint16(80)}, ("port", 80)),
    ({"start_ns": np.int64(5)}, ("start_ns", 5)),
]


@pytest.mark.parametrize(("given_", "made"), NOT_PLAIN)
def test_findings_refuse_numpy_where_they_are_tested(given_, made):
    with pytest.raises(TypeError, match="refused: "):
        finding(**given_)


@pytest.mark.parametrize(("given_", "made"), NOT_PLAIN)
def test_findings_make_numpy_plain_for_users(monkeypatch, given_, made):
    monkeypatch.setattr(finding_module, "REFUSE", False)
    name, value = made
    found = getattr(finding(**given_), name)
    assert found == value
    assert "numpy" not in repr(list(map(type, found.values())) if isinstance(found, dict) else type(found))


def test_a_finding_holds_nothing_else(monkeypatch):
    monkeypatch.setattr(finding_module, "REFUSE", False)
    with pytest.raises(TypeError, match="object"):
        finding(metrics={"a": object()})
