"""Any bytes, and frames that were tampered with: the decoder reads nothing that is not there.

The pure build is the one that shows it: each frame is its own `bytes`, so a forgotten length test
is an IndexError.
"""

from hypothesis import given
from hypothesis import strategies as st
from support import frames
from support.frames import CLIENT, CLIENT6, SERVER, SERVER6, raw

from handshake_inspect.decode import frame as fast
from handshake_inspect.decode import segment
from handshake_inspect.wire import const
from tests.support.described import describe, frame_fields

LINK_TYPES = [0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 9, 147]
SAMPLES = [
    (1, frames.syn(options=frames.linux_syn_options())),
    (1, frames.data(options=frames.timestamps(1, 2), link=frames.qinq)),
    (1, frames.data(options=frames.nop(2) + frames.sack((1, 2), (3, 4)) + frames.fast_open(b"1234"))),
    (
        101,
        frames.data(
            b"x" * 9,
            CLIENT6,
            SERVER6,
            link=raw,
            extensions=[
                frames.hop_by_hop(),
                frames.routing(b"\0" * 32),
                frames.fragment_header(0, more=False),
                frames.authentication(),
            ],
        ),
    ),
    (113, frames.icmp_error(frames.data(b"x" * 30, link=raw), quote=60, link=frames.sll)),
    (276, frames.icmp_error(frames.syn(CLIENT6, SERVER6, link=raw), type=1, code=4, link=frames.sll2)),
    (0, frames.rst(SERVER, CLIENT, link=frames.null)),
]


KINDS = {value for name, value in vars(const).items() if name.startswith("KIND_")}


def assert_sound(found, frame):
    assert found["kind"] in KINDS
    if found["kind"] == const.KIND_TCP:
        assert found["ip_version"] in {4, 6}
        assert found["options_len"] <= 40
    if len(frame) < 14:
        assert found["kind"] not in {const.KIND_TCP, const.KIND_ICMP_ERROR}


@given(st.sampled_from(LINK_TYPES), st.binary(max_size=150), st.integers(0, 0xFFFFFFFF))
def test_any_bytes(link_type, data, wire_len):
    assert_sound(describe(data, link_type, wire_len), data)


@given(st.sampled_from([0x0800, 0x86DD]), st.binary(max_size=150))
def test_any_bytes_behind_an_ethertype(ethertype, data):
    first = b"\x45" if ethertype == 0x0800 else b"\x60"
    frame = frames.ethernet(first + data, ethertype=ethertype)
    assert_sound(describe(frame, 1), frame)


@given(st.sampled_from(SAMPLES), st.data())
def test_samples_with_bytes_changed_and_cut_anywhere(sample, data):
    link_type, whole = sample
    frame = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    kept = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    assert_sound(describe(kept, link_type, len(whole)), kept)
    assert_sound(describe(kept, link_type), kept)


def test_every_prefix_of_every_sample():
    for link_type, whole in SAMPLES:
        for kept in range(len(whole) + 1):
            assert_sound(describe(whole[:kept], link_type), whole[:kept])
            assert_sound(describe(whole[:kept], link_type, len(whole)), whole[:kept])


@given(st.lists(st.sampled_from(SAMPLES), min_size=2, max_size=4), st.data())
def test_nothing_is_left_of_the_frame_before(samples, data):
    records = segment.segments(1)
    records[0].ts_ns, records[0].frame = -1, 2**63
    for link_type, whole in samples:
        frame = whole[: data.draw(st.integers(0, len(whole)))]
        kind = fast.decode_bytes(frame, len(whole), link_type, records, 0)
        alone = describe(frame, link_type, len(whole))
        assert frame_fields(records[0]) == alone
        assert (kind, records[0].ts_ns, records[0].frame) == (alone["kind"], -1, 2**63)
