"""Every sample of `pcaps/`: what these detectors must find in it, on which target, and what they must not."""

import json

import msgspec
import pytest
from support.samples import SAMPLES

from handshake_inspect import engine

DETECTED = {
    "refused",
    "rejected",
    "timed-out",
    "half-open",
    "syn-flood",
    "syn-cookies",
    "accept-queue-overflow",
    "port-scan",
    "backscatter",
}
# Where a sample's facts stand under the same name in the metrics.
FACTS = {
    "refused": {"connections"},
    "timed-out": {"connections", "clients"},
    "syn-flood": {"syns"},
    "backscatter": {"addresses"},
    "port-scan": {
        "kind",
        "direction",
        "ports",
        "hosts",
        "open",
        "filtered",
        "closed_count",
        "unfiltered_count",
        "open_or_filtered_count",
    },
}
RENAMED = {"closed": "closed_count", "unfiltered": "unfiltered_count", "open_or_filtered": "open_or_filtered_count"}


def findings(path):
    return [msgspec.to_builtins(finding) for finding in engine.analyze([path]).findings]


@pytest.fixture(params=SAMPLES)
def sample(request, pcaps):
    """Name, expectation and findings of one sample."""
    name = request.param
    expected = json.loads((pcaps / f"{name}.json").read_text())["expected"]
    return name, expected, findings(pcaps / f"{name}.pcap")


def test_what_a_sample_shows_is_found_and_nothing_else(sample):
    _name, expected, found = sample
    wanted = {key: value or {} for key, value in expected["findings"].items() if key in DETECTED}
    by_id = {}
    for finding in found:
        by_id.setdefault(finding["id"], []).append(finding)
    assert wanted.keys() <= by_id.keys()
    assert not by_id.keys() & DETECTED & set(expected["not_findings"])
    for key, value in wanted.items():
        one, *others = by_id[key]
        assert not others
        if value.get("target"):
            assert one["target"] == value["target"]
        for fact, truth in value.get("facts", {}).items():
            metric = RENAMED.get(fact, fact)
            if metric in FACTS.get(key, ()):
                assert one["metrics"][metric] == truth, fact


def test_findings_are_sorted_cited_and_advised(sample):
    name, _, found = sample
    order = [(["critical", "warning", "info"].index(one["severity"]), one["start_ns"] or 0, one["id"]) for one in found]
    assert order == sorted(order), name
    for one in found:
        if one["id"] in DETECTED:
            assert one["start_ns"] <= one["end_ns"]
            assert one["evidence"]["frames"]
            assert one["evidence"]["connections"]
            assert one["advice"].endswith(".")


HEALTHY = {
    "healthy-burst",
    "handshake",
    "handshake-ipv6",
    "handshake-40ms",
    "tls-40ms",
    "connection-churn",
    "closed-by-client",
    "closed-by-server",
    "loopback",
    "keep-alive",
    "ecn",
    "mptcp",
    "fast-open",
    "cooked",
    "defer-accept",
}


def test_a_healthy_sample_has_no_warning_of_these(sample):
    name, _, found = sample
    if name in HEALTHY:
        assert [one["id"] for one in found if one["id"] in DETECTED and one["severity"] != "info"] == []
