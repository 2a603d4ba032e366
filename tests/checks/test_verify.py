"""Each reason for which hsi and Wireshark may differ, and what has none: on what Wireshark would say, without it."""

import json
from io import BytesIO

import jsonschema
import pytest
from support import frames
from support.captures import pcap

from handshake_inspect.capture import wireshark
from handshake_inspect.capture.wireshark import DissectedSegment
from handshake_inspect.checks.verify import REASONS, compare_with_wireshark
from handshake_inspect.checks.wireshark_join import RetransmittedSegments
from handshake_inspect.engine.segment_columns import segment_columns
from handshake_inspect.errors import HsiError
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.model import Tool
from handshake_inspect.report.schema import verify_schema

MS = 1_000_000
HANDSHAKE = [frames.syn(), frames.syn_ack(), frames.ack(seq=1001, ack=5001)]
DATA = frames.data(b"x" * 10, seq=1001, ack=5001)


def columns(*wire):
    return segment_columns([BytesIO(pcap((i * MS, frame) for i, frame in enumerate(wire, 1)))])


def said(count, completeness=7, rtt=2 * MS, **changed):
    """What Wireshark says of `count` segments of one stream; `changed` by frame, as f4={"is_reset": True}."""
    rows = [DissectedSegment(i, 0, completeness, rtt, False, False, False) for i in range(1, count + 1)]
    for name, values in changed.items():
        at = int(name[1:]) - 1
        rows[at] = rows[at]._replace(**values)
    return rows


def found(wire, rows):
    result = compare_with_wireshark(columns(*wire), rows, Tool("tshark", "4.0"))
    every = [*result.whole, *(each for one in result.connections for each in one.disagreements)]
    return result.passed, {(each.aspect, each.agreement, each.reason) for each in every}


def test_both_say_the_same():
    result = compare_with_wireshark(columns(*HANDSHAKE), said(3), Tool("tshark", "4.0"))
    assert result.passed
    assert {aspect.agrees for aspect in result.aspects} == {1}
    assert result.connections[0].hsi == result.connections[0].wireshark


@pytest.mark.parametrize(
    ("rows", "aspect"),
    [
        (said(3, completeness=15), "completeness"),
        (said(3, rtt=3 * MS), "initial-rtt"),
        (said(3, rtt=-1), "initial-rtt"),
        (said(3, f3={"is_reset": True}), "resets"),
        (said(2), "segments"),
    ],
)
def test_what_the_capture_shows_no_reason_for_is_unexplained(rows, aspect):
    passed, differences = found(HANDSHAKE, rows)
    assert not passed
    assert (aspect, "unexplained", "unexplained") in differences


def test_a_segment_that_was_never_sent_before_is_no_retransmission():
    passed, differences = found([*HANDSHAKE, DATA], said(4, 15, f4={"is_retransmission": True}))
    assert (passed, differences) == (True, {("retransmissions", "hsi-knows-more", "nothing-again")})


def test_where_copies_are_stored_wireshark_takes_them_for_segments_sent_again():
    wire = [*HANDSHAKE, DATA, frames.data(b"y" * 10, seq=1006, ack=5001)]
    rows = said(5, 15, f4={"is_retransmission": True}, f5={"is_retransmission": True})
    assert found(wire, rows) == (True, {("retransmissions", "hsi-knows-more", "nothing-again")})
    wire = [*HANDSHAKE, DATA, DATA]
    assert found(wire, said(5, 15, f5={"is_retransmission": True})) == (
        True,
        {("retransmissions", "hsi-knows-more", "copies")},
    )


def test_bytes_that_were_sent_before_are_unexplained_when_hsi_does_not_count_them():
    answer = frames.ack(frames.SERVER, frames.CLIENT, seq=5001, ack=1011)
    keep_alive = frames.data(b"x", seq=1010, ack=5001, ident=7)
    rows = said(6, 15, f6={"is_retransmission": True})
    passed, differences = found([*HANDSHAKE, DATA, answer, keep_alive], rows)
    assert (passed, differences) == (False, {("retransmissions", "unexplained", "unexplained")})


@pytest.mark.parametrize(("rtt_ms", "reason"), [(2, "answered-copy"), (4, "any-copy"), (1, "unexplained")])
def test_wireshark_may_measure_from_a_syn_that_was_not_the_one_answered(rtt_ms, reason):
    """The SYN-ACK came before the second SYN: it answered the first one, and no copy of it is so near to the ACK."""
    again = frames.syn(ident=2), frames.syn_ack(ident=2)
    wire = [frames.syn(), frames.udp(), frames.syn_ack(), *again, HANDSHAKE[2]]
    rows = said(6, rtt=rtt_ms * MS)
    del rows[1]
    assert {each[2] for each in found(wire, rows)[1] if each[0] == "initial-rtt"} == {reason}


def test_an_answer_that_is_a_reset_has_no_rtt():
    wire = [frames.syn(), frames.rst()]
    rows = said(2, 37, f2={"is_reset": True})
    assert found(wire, rows) == (True, {("initial-rtt", "hsi-knows-more", "no-rtt")})


def test_wireshark_may_measure_up_to_a_segment_that_was_not_accepted():
    reset = frames.segment(frames.CLIENT, frames.SERVER, frames.RST | frames.ACK, seq=200_000, ack=5001)
    challenge = frames.segment(frames.SERVER, frames.CLIENT, frames.ACK, seq=5001, ack=1001)
    wire = [*HANDSHAKE[:2], reset, challenge, HANDSHAKE[2], DATA]
    rows = said(6, completeness=47, rtt=2 * MS, f3={"is_reset": True})
    assert found(wire, rows) == (True, {("initial-rtt", "hsi-knows-more", "not-accepted")})


def test_streams_begin_with_any_other_syn():
    wire = [*HANDSHAKE, frames.syn(seq=77_000)]
    rows = [*said(3), DissectedSegment(4, 1, 1, -1, False, False, False)]
    assert ("stream", "hsi-knows-more", "another-isn") in found(wire, rows)[1]


def test_a_stream_without_a_connection_is_unexplained():
    passed, differences = found(HANDSHAKE, [*said(3), DissectedSegment(9, 1, 1, -1, False, False, False)])
    assert not passed
    assert ("segments", "unexplained", "unexplained") in differences


@pytest.mark.parametrize(
    ("sent", "again", "jumps"),
    [
        ([(1, 10), (11, 10)], set(), False),
        ([(1, 10), (1, 10)], {2}, False),
        ([(11, 10), (1, 10)], set(), False),
        ([(0xFFFF_FFF0, 32), (0, 4)], {2}, False),
        ([(1, 10), (1 << 31, 10)], set(), True),
        ([(1, 10), (21, 10), (11, 10), (15, 2)], {4}, False),
    ],
)
def test_what_was_sent_before(sent, again, jumps):
    wire = [frames.data(b"x" * length, seq=seq, ack=1) for seq, length in sent]
    known = RetransmittedSegments(columns(*wire).rows)
    assert (known.frames, known.jumps) == (again, jumps)


def test_the_json_is_what_its_schema_says():
    result = compare_with_wireshark(columns(*HANDSHAKE, DATA), said(4, 15, rtt=-1), Tool("tshark", "4.0"))
    out = BytesIO()
    FORMATS["json"].render_verified(result, out, Options())
    document = json.loads(out.getvalue())
    jsonschema.validate(document, verify_schema())
    assert [each["aspect"] for each in document["connections"][0]["disagreements"]] == ["initial-rtt"]


def test_every_reason_is_documented(pcaps):
    text = (pcaps.parent / "docs" / "verify.md").read_text()
    assert [reason for reason in REASONS if f"`{reason}`" not in text] == []


def test_without_tshark_the_error_says_so(monkeypatch):
    def missing(process_name):
        from pyshark.tshark.tshark import TSharkNotFoundException  # noqa: PLC0415

        raise TSharkNotFoundException(process_name)

    monkeypatch.setattr("pyshark.tshark.tshark.get_process_path", missing)
    with pytest.raises(HsiError, match="not installed"):
        wireshark.find_program()
