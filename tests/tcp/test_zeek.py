"""Zeek's states and history letters, segment by segment.

`exchange("S> SA< A>")` sends segments between side 0 (`>`, port 40000 by default) and side 1 (`<`, port
80, which Zeek takes for a server's): S A F R are flags, D is 100 bytes of data (with ACK).
"""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from handshake_inspect.decode.segment import Segment
from handshake_inspect.tcp import facts, rows, zeek, zeek_words
from handshake_inspect.verdicts.aliases import CONN_STATES, conn_state, history_texts
from handshake_inspect.wire.const import ACK, FIN, MASK32, NOTE_SNAPPED, RST, SYN
from handshake_inspect.wire.seqspace import seq_diff, seq_gt, seq_max

pytestmark = pytest.mark.skipif(
    not hasattr(zeek, "observe"),
    reason="the compiled build offers observe() to C callers only; the corpus tests run it",
)

FLAGS = {"S": SYN, "A": ACK, "F": FIN, "R": RST, "D": ACK}
LIKELY, UNLIKELY = 80, 31337


@dataclass
class Wire:
    """One connection: its rows, and the little tracking of sequence numbers that observe() builds on."""

    ports: tuple[int, int] = (40000, LIKELY)
    isn: tuple[int, int] = (1000, 0xFFFF_FFF0)
    now_ns: int = 1_700_000_000_000_000_000
    alias: Any = field(default_factory=rows.Alias)
    ends: Any = field(default_factory=lambda: (rows.Endpoint(), rows.Endpoint()))

    def exchange(self, script: str) -> "Wire":
        for step in script.split():
            letters, direction = re.fullmatch(r"([SAFRD]*)([<>])", step).groups()
            flags = 0
            for letter in letters:
                flags |= FLAGS[letter]
            self.send("><".index(direction), flags, payload=100 * ("D" in letters))
        return self

    def send(
        self,
        side: int,
        flags: int,
        *,
        after: float = 0.01,
        seq: int | None = None,
        ack: int | None = None,
        payload: int = 0,
        window: int = 512,
        notes: int = 0,
    ) -> "Wire":
        sender, peer = self.ends[side], self.ends[side ^ 1]
        if seq is None:
            seen = sender.traits & facts.TRAIT_SEEN
            seq = sender.snd_nxt if seen else self.isn[side] + (not flags & SYN)
            seq = self.isn[side] if flags & SYN and not flags & RST else seq & MASK32
        if ack is None and flags & ACK:
            ack = peer.snd_nxt if peer.traits & facts.TRAIT_SEEN else (self.isn[side ^ 1] + 1) & 0xFFFFFFFF
        self.now_ns += int(after * 1_000_000_000)
        segment = Segment(
            ts_ns=self.now_ns,
            seq=seq,
            ack=ack or 0,
            flags=flags,
            payload_len=payload,
            window=window,
            notes=notes,
            src_port=self.ports[side],
            dst_port=self.ports[side ^ 1],
        )
        zeek.observe(self.alias, sender, peer, segment, side)
        self.track(sender, peer, segment)
        return self

    def track(self, sender: Any, peer: Any, segment: Any) -> None:
        flags, start = segment.flags, segment.seq
        sender.recent_us[sender.recent_at & 3] = segment.ts_ns // 1000 & MASK32
        sender.recent_at += 1
        occupied = segment.payload_len * (not flags & RST) + bool(flags & SYN) + bool(flags & FIN)
        end = (start + occupied) & 0xFFFFFFFF
        if flags & SYN or not sender.traits & facts.TRAIT_SEEN:
            sender.iss = start if flags & SYN else (start - 1) & 0xFFFFFFFF
            sender.snd_nxt = sender.contiguous = end
            sender.traits |= facts.TRAIT_SEEN
        elif not flags & RST:
            if seq_diff(start, sender.contiguous) > 0:
                sender.traits |= facts.TRAIT_HOLE
                sender.hole_start, sender.hole_end = start, end
            elif seq_gt(end, sender.contiguous):
                sender.contiguous = end
            sender.snd_nxt = seq_max(sender.snd_nxt, end)
        if flags & FIN:
            sender.traits |= facts.TRAIT_FIN
            sender.fin_seq = end
        if flags & ACK and not flags & RST:
            sender.last_ack = segment.ack
            sender.traits |= facts.TRAIT_ACKS
            if peer.traits & facts.TRAIT_SEEN and seq_gt(segment.ack, peer.contiguous):
                self.credit(peer, segment.ack)

    def credit(self, end: Any, ack: int) -> None:
        """What is acknowledged was sent, seen or not."""
        end.contiguous = ack
        if end.traits & facts.TRAIT_HOLE and not seq_gt(end.hole_start, ack):
            end.contiguous = seq_max(ack, end.hole_end)
            end.traits &= ~facts.TRAIT_HOLE & 0xFF
        end.snd_nxt = seq_max(end.snd_nxt, ack)

    @property
    def history(self) -> str:
        return history_texts(np.frombuffer(self.alias, dtype=np.dtype(rows.Alias)), [0])[0]

    @property
    def state(self) -> str:
        aliases = np.frombuffer(self.alias, dtype=np.dtype(rows.Alias))
        endpoints = np.frombuffer(b"".join(bytes(end) for end in self.ends), dtype=np.dtype(rows.Endpoint))
        return CONN_STATES[conn_state(aliases, endpoints)[0]]

    def said(self) -> str:
        return f"{self.state} {self.history}"


def exchange(script: str, server_port: int = LIKELY) -> Wire:
    return Wire((40000, server_port)).exchange(script)


def established() -> Wire:
    return exchange("S> SA< A>")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("S>", "S0 S"),
        ("S> S> S> S>", "S0 S"),
        ("S> SA< A>", "S1 ShA"),
        ("S> SA< SA< SA<", "S1 Sh"),
        ("S> RA<", "REJ Sr"),
        ("S> RA< R>", "REJ SrR"),
        ("S> SA< R>", "RSTO ShR"),
        ("S> SA< A> R>", "RSTO ShAR"),
        ("S> SA< A> R<", "RSTR ShAr"),
        ("S> SA< F>", "S2 ShF"),
        ("S> SA< A> D> A< D< A> F>", "S2 ShADadF"),
        ("S> SA< A> D> A< D< A> F<", "S3 ShADadf"),
        ("S> SA< A> FA> A< FA< A>", "SF ShAFaf"),
        ("S> SA< A> FA> FA< R>", "SF ShAFfR"),
        ("S> SA< A> FA> R> FA<", "SF ShAFRf"),
        ("S> SA< A> FA> R<", "RSTR ShAFr"),
        ("S> SA< A> FA< R>", "RSTO ShAfR"),
        ("S> SA< D> A< D< A>", "S1 ShDadA"),
        ("D> D< FA> FA<", "SF DdFf"),
        ("D> D< FA>", "SH DdF"),
        ("A> A<", "OTH Aa"),
        ("D> R>", "OTH DR"),
        ("R>", "OTH R"),
        ("F>", "SH F"),
        ("SF>", "SH Q"),
        ("SR>", "OTH Q"),
        ("S> A<", "S0 Sa"),
        ("S> A> D>", "S0 SAD"),
        ("S> A< R>", "RSTOS0 SaR"),
        ("S> R>", "RSTOS0 SR"),
        ("S> FA< R>", "RSTO SfR"),
        ("S> A< F> R>", "OTH SaFR"),
        ("S> R< SA< A>", "REJ SrhA"),
        ("FR> FR>", "OTH I"),
        (">", "OTH "),
    ],
)
def test_says_what_zeek_says_of_a_worked_sequence(script, said):
    assert exchange(script).said() == said


@pytest.mark.parametrize(
    ("script", "port", "said", "originator"),
    [
        # a packet other than a SYN from a server's port makes its receiver the originator
        ("SA> A<", LIKELY, "S1 ^hA", 1),
        ("SA> S< A<", LIKELY, "OTH ^hSA", 1),
        ("SA> R<", LIKELY, "RSTO ^hR", 1),
        ("R>", LIKELY, "RSTRH ^r", 1),
        ("SA> A< D< D> FA> A< FA<", LIKELY, "SF ^hADdfF", 1),
        # else the sender of a SYN-ACK is the originator, until the next packet shows otherwise
        ("SA>", UNLIKELY, "OTH H", 0),
        ("SA> A<", UNLIKELY, "OTH ^hA", 1),
        ("SA> A>", UNLIKELY, "OTH ^ha", 1),
        ("SA> D<", UNLIKELY, "OTH ^hD", 1),
        ("SA> S< A<", UNLIKELY, "S1 Hs^A", 1),
        ("SA> R<", UNLIKELY, "REJ Hr", 0),
        ("SA> A< FA> FA<", UNLIKELY, "SF ^hAfF", 1),
        ("S> SA< A>", UNLIKELY, "S1 ShA", 0),
    ],
)
def test_finds_zeeks_originator(script, port, said, originator):
    wire = Wire((port, 40000)).exchange(script)
    assert (wire.said(), wire.alias.flipped) == (said, originator)


@pytest.mark.parametrize(
    ("ports", "script", "history"),
    [
        ((80, 443), "A>", "^a"),
        ((443, 80), "A>", "A"),
        ((80, 443), "SA>", "H"),
        ((23, 40000), "A>", "A"),
        ((80, 40000), "S>", "S"),
        ((40000, 80), "A>", "A"),
    ],
)
def test_between_two_server_ports_the_lower_is_the_server_unless_a_syn_ack_speaks(ports, script, history):
    assert Wire(ports).exchange(script).history == history


def test_a_simultaneous_open_is_established_by_its_second_syn():
    assert exchange("S> S< SA> SA< A>").said() == "S1 SsA"


def test_letters_of_an_old_role_stay_when_roles_are_exchanged():
    """Zeek's once-per-direction marks do not move, so the server's repeated SYN-ACK is written once more."""
    assert Wire((UNLIKELY, 40000)).exchange("SA> A< SA>").history == "^hAh"


def test_a_repeated_fin_or_rst_is_written_again_only_at_another_sequence_number():
    wire = established().exchange("FA>").send(0, FIN | ACK, seq=1001)
    assert wire.history == "ShAF"
    wire.send(0, FIN | ACK, seq=5000)
    assert wire.history == "ShAFF"
    wire.exchange("R< R<")
    assert wire.history == "ShAFFr"
    wire.send(1, RST, seq=77)
    assert wire.history == "ShAFFrr"


def test_a_fin_is_placed_at_the_end_of_its_data():
    wire = established().send(0, FIN | ACK, payload=10)
    assert wire.history == "ShAF"
    wire.send(0, FIN | ACK, seq=1011)
    assert wire.history == "ShAF"


def test_a_syn_with_another_isn_writes_nothing_in_the_same_connection():
    wire = exchange("S>").send(0, SYN, seq=99_999)
    assert wire.said() == "S0 S"


@pytest.mark.parametrize("script", ["S> SA< A> FA> FA< A>", "S> RA<", "S> SA< A> R>", "S> SA< A> FA>"])
def test_a_syn_after_the_end_is_another_connection(script):
    wire = exchange(script)
    said = wire.said()
    wire.send(0, SYN, seq=99_999).exchange("SA< A> D<")
    assert wire.said() == said


class TestRetransmissions:
    def test_are_segments_whose_end_is_not_new(self):
        wire = established().send(0, ACK, seq=1001, payload=100)
        wire.send(0, ACK, seq=1051, payload=100)  # partly new
        assert wire.history == "ShAD"
        wire.send(0, ACK, seq=1001, payload=150)
        assert wire.history == "ShADT"

    def test_out_of_order_segments_count_too(self):
        wire = established().send(0, ACK, seq=1101, payload=100).send(0, ACK, seq=1001, payload=100)
        assert wire.history == "ShADT"

    def test_are_reported_at_powers_of_ten(self):
        wire = established().exchange("D>")
        for _ in range(9):
            wire.send(0, ACK, seq=1001, payload=100)
        assert wire.history == "ShADT"
        wire.send(0, ACK, seq=1001, payload=100)
        assert (wire.history, wire.alias.retransmits[0]) == ("ShADTT", 10)

    def test_need_payload(self):
        wire = established().exchange("D> A> A> FA>").send(0, FIN | ACK, seq=1101).send(0, ACK, seq=1000)
        assert wire.history == "ShADF"

    def test_a_syn_with_payload_looks_like_one(self):
        wire = Wire().send(0, SYN, payload=86).exchange("SA< A>")
        assert wire.said() == "S1 SThA"

    def test_so_does_a_reset_with_payload(self):
        assert established().send(0, RST, payload=5).said() == "RSTO ShART"

    def test_a_keep_alive_with_a_byte_is_one_too(self):
        wire = established().exchange("D>").send(0, ACK, seq=1100, payload=1)
        assert wire.history == "ShADT"

    def test_the_first_segment_midstream_is_none(self):
        assert exchange("D>").history == "D"

    def test_are_not_bytes_that_were_only_stored_behind_their_acknowledgment(self):
        wire = established().exchange("D> A<").send(1, ACK, ack=1301)
        assert not wire.ends[0].zeek_letters & facts.ZEEK_WROTE_D  # the fast path could not know
        wire.send(0, ACK, seq=1101, payload=100).send(0, ACK, seq=1201, payload=100)
        assert wire.history == "ShADaG"
        assert wire.ends[0].zeek_letters & facts.ZEEK_WROTE_D
        wire.send(0, ACK, seq=1201, payload=100)
        assert wire.history == "ShADaGT"

    def test_are_reported_again_once_new_bytes_came(self):
        wire = established().exchange("D> A<").send(1, ACK, ack=1301).send(0, ACK, seq=1301, payload=100)
        assert wire.ends[0].zeek_letters & facts.ZEEK_WROTE_D
        wire.send(0, ACK, seq=1001, payload=100)
        assert wire.history == "ShADaGT"

    def test_across_the_wrap(self):
        wire = established()
        wire.send(1, ACK, payload=100).send(1, ACK, payload=100)
        assert wire.history == "ShAd"
        wire.send(1, ACK, seq=0xFFFF_FFF1, payload=100)
        assert wire.history == "ShAdt"


class TestZeroWindows:
    def test_follow_the_letter_of_their_segment(self):
        wire = established().send(1, ACK, window=0).send(0, ACK, seq=1001, payload=1)
        assert wire.history == "ShAawD"

    def test_of_a_syn_ack_count(self):
        assert exchange("S>").send(1, SYN | ACK, window=0).history == "Shw"

    def test_mean_nothing_on_a_reset_or_after_the_peers_fin(self):
        assert established().send(1, RST, window=0).history == "ShAr"
        assert established().exchange("FA>").send(1, ACK, window=0).history == "ShAFa"
        assert established().exchange("FA>").send(0, ACK, window=0).history == "ShAFW"

    def test_come_before_a_retransmission(self):
        assert Wire().send(0, SYN, payload=1, window=0).history == "SWT"

    def test_are_reported_at_powers_of_ten(self):
        wire = established()
        for _ in range(11):
            wire.send(1, ACK, window=0)
        assert wire.history == "ShAaww"


class TestGaps:
    def test_are_written_for_the_end_whose_bytes_are_missing(self):
        wire = established().send(0, ACK, seq=1101, payload=100).send(1, ACK, ack=1201)
        assert wire.history == "ShADaG"

    def test_once_however_often_acknowledged(self):
        wire = established().send(0, ACK, seq=1101, payload=100)
        wire.send(1, ACK, ack=1201).send(1, ACK, ack=1201).send(0, ACK, seq=1201, payload=100).send(1, ACK, ack=1301)
        assert (wire.history, wire.alias.gaps[0]) == ("ShADaG", 1)

    def test_of_bytes_beyond_all_that_was_seen(self):
        wire = established().send(1, ACK, ack=1001).send(1, ACK, ack=5001).send(1, ACK, ack=5001)
        assert (wire.history, wire.alias.gaps[0]) == ("ShAaG", 1)

    def test_are_counted_hole_by_hole(self):
        wire = established().send(0, ACK, seq=1101, payload=100).send(1, ACK, ack=1301)
        assert wire.alias.gaps[0] == 2

    def test_a_fin_is_not_missed(self):
        wire = established().exchange("FA>").send(1, ACK, ack=1002).send(1, ACK, ack=1003)
        assert wire.history == "ShAFa"

    def test_mean_nothing_midstream_or_after_a_reset(self):
        assert exchange("D> D<").send(0, ACK, ack=9000).history == "DdA"
        assert established().exchange("R>").send(1, ACK, ack=9000).history == "ShARa"

    def test_are_counted_while_closing(self):
        wire = established().exchange("FA> A<").send(0, ACK, ack=5000)
        assert wire.history == "ShAFag"

    def test_include_what_the_snap_length_cut_off(self):
        wire = established().send(0, ACK, payload=100, notes=NOTE_SNAPPED)
        assert wire.ends[1].zeek_letters == facts.ZEEK_ESTABLISHED
        wire.exchange("A<")
        assert wire.history == "ShADaG"
        assert wire.ends[1].zeek_letters == facts.ZEEK_ESTABLISHED | facts.ZEEK_WROTE_A
        wire.send(0, ACK, payload=100, notes=NOTE_SNAPPED).exchange("D<")
        assert wire.history == "ShADaGd"

    def test_of_cut_payload_wait_for_its_acknowledgment(self):
        wire = established().send(1, ACK, payload=100, notes=NOTE_SNAPPED).send(0, ACK, ack=0xFFFF_FFF1)
        assert wire.history == "ShAd"
        assert wire.exchange("D>").history == "ShAdDg"

    def test_much_data_above_a_hole_that_nothing_acknowledges_is_a_one_sided_capture(self):
        wire = established()
        for seq in range(1101, 20_000, 1000):
            wire.send(0, ACK, seq=seq, payload=1000)
        wire.send(1, ACK, ack=20_101).send(1, ACK, ack=30_101)
        assert wire.history == "ShADa"


def test_bad_checksums_are_reported_at_powers_of_ten():
    wire = established()
    for _ in range(10):
        zeek.observe_bad_checksum(wire.alias, 1)
    assert wire.said() == "S1 ShAcc"


def test_what_does_not_fit_is_not_written():
    wire = established()
    for seq in range(0, 100_000, 1000):
        wire.send(0, RST, seq=seq)
    assert len(wire.history) == 24
    assert wire.history.startswith("ShARRR")


class TestAfterTheEnd:
    """Zeek forgets a connection 5 s after its end; what comes later is another one."""

    @pytest.mark.parametrize("script", ["S> SA< A> R>", "S> RA<", "S> SA< A> FA> FA< A>", "F>"])
    def test_what_comes_late_is_left_out(self, script):
        wire = exchange(script)
        before = bytes(wire.alias.history)
        wire.send(1, RST, after=5.1, seq=9).send(0, ACK)
        assert bytes(wire.alias.history) == before

    @pytest.mark.parametrize(("script", "after"), [("S> SA< A> R>", 4), ("S> SA< A> R>", -3), ("S> SA< A> FA>", 3000)])
    def test_what_comes_soon_or_before_the_end_is_written(self, script, after):
        wire = exchange(script)
        before = wire.history
        assert wire.send(1, RST, after=after).history == before + "r"

    def test_an_end_that_misses_bytes_is_none_yet(self):
        wire = established().send(0, ACK, seq=1101, payload=10).exchange("R>").send(1, RST, after=60)
        assert wire.history == "ShADRr"


class TestFastPath:
    """`zeek_letters` may say that a plain segment changes nothing only when that is so."""

    @pytest.mark.parametrize(
        "script", ["", "S>", "S> A<", "S> SA<", "S> SA< A>", "SA>", "SA> A<", "D>", "D> D<", "FA>"]
    )
    @pytest.mark.parametrize("ports", [(40000, LIKELY), (LIKELY, 40000), (UNLIKELY, 40000)])
    @pytest.mark.parametrize("side", [0, 1])
    @pytest.mark.parametrize(("payload", "bit"), [(0, facts.ZEEK_WROTE_A), (1, facts.ZEEK_WROTE_D)])
    def test_is_safe(self, script, ports, side, payload, bit):
        wire = Wire(ports).exchange(script)
        letters = wire.ends[side].zeek_letters
        before = bytes(wire.alias)
        wire.send(side, ACK, payload=payload)
        if letters & bit and letters & facts.ZEEK_ESTABLISHED:
            assert bytes(wire.alias) == before
        assert wire.ends[side].zeek_letters & bit

    def test_is_open_to_an_established_connection(self):
        wire = established().exchange("D> A< D< A>")
        every = facts.ZEEK_WROTE_A | facts.ZEEK_WROTE_D | facts.ZEEK_ESTABLISHED
        assert [end.zeek_letters for end in wire.ends] == [every, every]

    def test_is_open_midstream(self):
        wire = exchange("D> A<")
        assert wire.ends[0].zeek_letters == facts.ZEEK_WROTE_D | facts.ZEEK_ESTABLISHED
        assert list(wire.alias.state) == [zeek_words.PARTIAL] * 2
