"""Every sample explained segment by segment: the same verdict and the same states as `analyze`, and valid JSON."""

import json

import jsonschema
import pytest
from support.samples import SAMPLES

from handshake_inspect import engine
from handshake_inspect.engine.explain import explain
from handshake_inspect.engine.selection import ConnectionQuery, parse
from handshake_inspect.report.schema import story_schema

LARGE_CAPTURE = 2_000_000  # bytes: of larger samples only the first and the last connection are explained


def some(count, large):
    if large:
        return [0, count - 1]
    return range(count) if count <= 12 else [0, 1, count // 2, count - 2, count - 1]


@pytest.mark.wide_table
@pytest.mark.parametrize("name", SAMPLES)
def test_the_last_states_and_the_verdict_are_those_of_analyze(name, pcaps):
    path = pcaps / f"{name}.pcap"
    connections = engine.analyze([path]).connections
    begins = {connection.first_frame for connection in connections}
    for number in some(len(connections), path.stat().st_size > LARGE_CAPTURE):
        connection = connections[number]
        story = explain([path], ConnectionQuery(str(number), number=number), limit=1000)
        assert story.connection == connection
        assert story.steps[0].frame == connection.first_frame
        last = story.steps[-1].state
        # A timer may have run out since, or another connection have taken the 4-tuple, or a client that had to answer
        # at once have kept silent; nothing else changes a state.
        silent = "SYN_SENT" if connection.outcome == "half-open" else "CLOSED"
        assert connection.state.client in (last.client, "CLOSED", silent)
        assert connection.state.server in (last.server, "CLOSED")
        sent = [step for step in story.steps if step.icmp is None]
        later = begins - {connection.first_frame}
        frames = connection.client_to_server.frames + connection.server_to_client.frames
        if len(story.steps) == story.segments:
            # A SYN that met the old connection is listed there, though it belongs to the next.
            assert frames in (len(sent), len([step for step in sent if step.frame not in later]))


@pytest.mark.parametrize("name", ["handshake", "rejected-ttl-exceeded", "ecn", "mptcp", "fast-open", "overtaken-data"])
def test_the_json_is_what_its_schema_says(name, pcaps, hsi):
    document = json.loads(hsi("explain", "-T", "json", pcaps / f"{name}.pcap", "0").stdout)
    jsonschema.Draft202012Validator(story_schema()).validate(document)
    assert document["schema"] == "hsi-explain/1"
    assert document["steps"][0]["frame"] == document["connection"]["first_frame"]


def test_the_schema_is_printed(hsi):
    assert json.loads(hsi("schema", "explain").stdout) == story_schema()
    assert json.loads(hsi("schema").stdout) == json.loads(hsi("schema", "analyze").stdout)


def test_every_key_of_the_schema_is_required():
    for definition in [story_schema(), *story_schema()["$defs"].values()]:
        if "properties" in definition and "Outcomes" not in definition.get("title", ""):
            assert set(definition["required"]) == set(definition["properties"])


def tell(pcaps, name, number=0, **options):
    return explain([pcaps / f"{name}.pcap"], ConnectionQuery(str(number), number=number), **options)


def ids(story):
    return {mark.id for step in story.steps for mark in step.anomalies}


# The kernel really did this in these samples.
@pytest.mark.parametrize(
    ("name", "anomaly"),
    [
        ("lost-syn", "syn-again"),
        ("dead-server-retried", "syn-again"),
        ("keep-alive", "keep-alive"),
        ("zero-window", "zero-window"),
        ("zero-window", "window-open"),
        ("lost-data", "retransmission"),
        ("doubled-data", "duplicate-copy"),
        ("doubled-syn", "duplicate-copy"),
        ("middlebox-reset-ignored", "rst-ignored"),
        ("middlebox-reset-ignored", "rst-without-effect"),
        ("blind-reset-out-of-window", "rst-not-believed"),
        ("blind-syn", "blind-syn"),
        ("blind-syn", "challenge-ack"),
        ("lost-final-ack", "synack-after-ack"),
        ("half-open-no-final-ack", "synack-again"),
        ("reordered-capture", "stored-late"),
    ],
)
def test_anomalies_are_named_where_they_happen(name, anomaly, pcaps):
    connections = engine.analyze([pcaps / f"{name}.pcap"]).connections
    assert any(anomaly in ids(tell(pcaps, name, number)) for number in range(min(len(connections), 12)))


@pytest.mark.parametrize("name", ["handshake", "closed-by-client", "closed-by-server", "half-closed", "refused", "ecn"])
def test_what_is_plain_has_no_anomalies(name, pcaps):
    assert ids(tell(pcaps, name)) == set()


def test_a_full_accept_queue_shows_in_the_states(pcaps):
    path = pcaps / "accept-queue-overflow.pcap"
    half_open = [c.id for c in engine.analyze([path]).connections if c.cause == "accept-queue-overflow"]
    story = explain([path], ConnectionQuery(number=half_open[0]))
    marked = [step for step in story.steps if any(mark.id == "synack-after-ack" for mark in step.anomalies)]
    assert marked
    assert all(step.state.server == "SYN_RECEIVED" for step in marked)
    assert all(step.state.client == "ESTABLISHED" for step in marked)


def test_the_rtt_stands_where_it_became_known(pcaps):
    story = tell(pcaps, "handshake-40ms")
    marks = {mark.leg: (step.frame, mark.measured) for step in story.steps for mark in step.rtt}
    shake, rtt = story.connection.handshake, story.connection.rtt
    assert marks == {
        "synack": (shake.synack_frame, rtt.synack),
        "ackdat": (shake.ack_frame, rtt.ackdat),
        "total": (shake.ack_frame, rtt.total),
    }


def test_every_connection_of_a_capture_can_be_explained_by_its_id(pcaps):
    """Also where a SYN on a living connection turned out to be a connection of its own."""
    path = pcaps / "stale-peer-client.pcap"
    stories = [explain([path], ConnectionQuery(number=number)) for number in (0, 1)]
    assert [story.steps[0].frame for story in stories] == [
        connection.first_frame for connection in engine.analyze([path]).connections
    ]
    assert stories[1].steps[0].state.client == "SYN_SENT"
    assert {step.frame for step in stories[0].steps} & {step.frame for step in stories[1].steps} == {
        stories[1].steps[0].frame
    }


def test_evidence_says_what_each_frame_shows(pcaps):
    story = tell(pcaps, "refused")
    assert [(proof.frame, proof.text) for proof in story.evidence] == [
        (1, "The client opens a connection."),
        (2, "A RST refuses the SYN."),
    ]


def test_numbers_are_relative_to_the_first(pcaps):
    story = tell(pcaps, "closed-by-client")
    first = {step.sender: step.raw_seq for step in reversed(story.steps)}
    for step in story.steps:
        assert step.seq == (step.raw_seq - first[step.sender]) & 0xFFFFFFFF
    assert (story.steps[0].seq, story.steps[1].seq, story.steps[1].ack) == (0, 0, 1)


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_a_limit_leaves_out_the_middle_and_counts_it(limit, pcaps):
    whole = tell(pcaps, "zero-window", limit=1000)
    story = tell(pcaps, "zero-window", limit=limit)
    assert len(story.steps) == limit
    assert story.segments == len(whole.steps)
    assert story.steps[-1].frame == whole.steps[-1].frame
    assert limit == 1 or story.steps[0].frame == whole.steps[0].frame
    gone = [step.elided_before for step in story.steps if step.elided_before]
    assert limit == 1 or sum(each.segments for each in gone) == story.segments - limit
    states = {step.frame: step.state for step in whole.steps}
    assert all(states[step.frame] == step.state for step in story.steps)


def test_what_is_not_plain_survives_a_limit(pcaps):
    whole = tell(pcaps, "zero-window", limit=1000)
    story = tell(pcaps, "zero-window", limit=16)
    assert {"retransmission", "zero-window"} <= ids(whole) & ids(story)


def test_several_captures_are_one_trace(pcaps):
    story = explain([pcaps / "handshake.pcap", pcaps / "refused.pcap"], parse("10.0.0.1:40001-10.0.0.2:81"))
    assert story.connection.outcome == "refused"
    assert len(story.capture.sources) == 2


def test_the_syn_ack_of_a_server_that_sends_cookies_is_marked(pcaps):
    cookies = explain([pcaps / "syn-cookies.pcap"], ConnectionQuery(number=3))
    assert [step.flags for step in cookies.steps if "syn-cookie" in {mark.id for mark in step.events}] == ["S."]
    others = explain([pcaps / "handshake.pcap"], ConnectionQuery())
    assert not any(mark.id == "syn-cookie" for step in others.steps for mark in step.events)


def test_of_a_reset_by_somebody_else_the_ttl_is_shown(pcaps):
    story = explain([pcaps / "middlebox-reset.pcap"], ConnectionQuery(number=3))
    assert [mark.text.split(":")[0] for mark in story.steps[-1].anomalies] == ["TTL 243"]
