"""Many TCP dialogues at once, as a tap between clients and servers sees them.

A `Dialogue` moves a whole population of connections forward step by step, one NumPy expression for all that take the
step; every frame is stamped with the time at which it passes the tap.  Times are integer microseconds.
"""

from typing import Any

import numpy as np
from packets import ACK, FIN, PSH, RST, SYN, Column, Frames

CLIENT, SERVER = 0, 1
SECOND = 1_000_000
SYN_BACKOFF = (1, 2, 4, 8, 16)  # seconds between the copies of an unanswered SYN
SEGMENT_GAP = 12  # a full frame at 1 Gbit/s
RTO = 200_000


class Dialogue:
    """The moving state of a population: where each connection is in time and in both sequence spaces."""

    def __init__(
        self, frames: Frames, conns: Column, start: Column, rtts: tuple[Column, Column], rng: np.random.Generator
    ) -> None:
        self.frames = frames
        self.conns = conns
        self.rng = rng
        self.now = start.astype("i8")
        self.rtt = [rtts[CLIENT].astype("i8"), rtts[SERVER].astype("i8")]  # from the tap to that side and back
        self.next = [conns["client_isn"].copy(), conns["server_isn"].copy()]
        self.clock = [rng.integers(0, 1 << 32, len(conns), "u4") for _ in (CLIENT, SERVER)]
        self.said = [np.zeros(len(conns), "u4"), np.zeros(len(conns), "u4")]  # each side's last TSval
        self.segment = conns["mss"] - np.where(conns["timestamps"], 12, 0)

    def chance(self, who: Column, share: float) -> Column:
        """Pick about that share of the connections."""
        return who[self.rng.random(len(who)) < share]

    def pause(self, who: Column, mean: float) -> Column:
        """Exponential waits."""
        return self.rng.exponential(mean, len(who)).astype("i8")

    def turn(self, who: Column, side: int) -> Column:
        """How long that side takes to answer what just passed the tap: the way there and back, and a little work."""
        return self.rtt[side][who] + 15 + self.pause(who, 40)

    def tsval(self, who: Column, side: int, at: Column) -> Column:
        """The side's timestamp clock, in milliseconds, when it sent what passes the tap at that time."""
        return self.clock[side][who] + ((at - self.rtt[side][who] // 2) // 1000).astype("u4")

    def send(
        self,
        who: Column,
        side: int,
        flags: int,
        delay: Any = 0,
        payload: Any = 0,
        *,
        repeat: bool = False,
        echo: Column | None = None,
    ) -> None:
        """One segment from each; `repeat` sends the last one's sequence numbers again."""
        self.now[who] += delay
        at = self.now[who]
        tsval = self.tsval(who, side, at)
        occupied = np.asarray(payload + bool(flags & SYN) + bool(flags & FIN)).astype("u4")
        seq = self.next[side][who] - (occupied if repeat else np.uint32(0))
        self.next[side][who] = seq + occupied
        acked = (flags & ACK) != 0
        self.frames.add(
            conn=who,
            time=at,
            from_server=side,
            flags=flags,
            seq=seq,
            ack=self.next[1 - side][who] if acked else 0,
            payload=payload,
            tsval=tsval,
            tsecr=(self.said[1 - side][who] if echo is None else echo) if acked else 0,
            window=0 if flags & RST else 64240 if flags & SYN else 502,
        )
        self.said[side][who] = tsval

    def connect(self, who: Column, lost_syn: float = 0.01, lost_synack: float = 0.003) -> None:
        """Three-way handshakes; some lose a SYN or a SYN-ACK behind the tap and pay a second."""
        fate = self.rng.random(len(who))
        self.send(who, CLIENT, SYN)
        first = self.said[CLIENT].copy()
        self.send(who[fate < lost_syn], CLIENT, SYN, SECOND, repeat=True)
        self.send(who, SERVER, SYN | ACK, self.turn(who, SERVER))
        again = who[(fate >= lost_syn) & (fate < lost_syn + lost_synack)]
        self.send(again, CLIENT, SYN, SECOND - self.rtt[SERVER][again], repeat=True)
        # The server goes on echoing the first SYN that reached it, whichever copy it answers.
        self.send(again, SERVER, SYN | ACK, self.turn(again, SERVER), repeat=True, echo=first[again])
        self.send(who, CLIENT, ACK, self.turn(who, CLIENT))

    def fail(self, refused: Column, silent: Column) -> None:
        """Attempts that a reset answers, and attempts that nothing answers."""
        self.send(refused, CLIENT, SYN)
        self.send(refused, SERVER, RST | ACK, self.turn(refused, SERVER))
        self.send(silent, CLIENT, SYN)
        for wait in SYN_BACKOFF:
            self.send(silent, CLIENT, SYN, wait * SECOND, repeat=True)

    def exchange(self, who: Column, think: float) -> None:
        """A request in one segment and a response in a few."""
        size = self.rng.integers(80, 1200, len(who))
        self.send(who, CLIENT, PSH | ACK, 30 + self.pause(who, think), size)
        slow = self.rng.random(len(who)) < 0.3
        work = self.pause(who, 2500) + np.where(slow, 5000, 0)
        self.send(who[slow], SERVER, ACK, self.turn(who[slow], SERVER))
        self.now[who] += work + np.where(slow, 0, self.turn(who, SERVER))
        self._respond(who)

    def _respond(self, who: Column) -> None:
        """Bursts of full segments, acknowledged by twos; a few lose the last segment behind the tap."""
        count = np.minimum(self.rng.geometric(0.27, len(who)), 10)
        lost = self.rng.random(len(who)) < 0.004
        count[lost] |= 1  # so that the last acknowledgment is for the lost segment alone
        full = self.segment[who].astype("i8")
        last = self.rng.integers(40, full + 1)
        base = self.next[SERVER][who]
        start = self.now[who]
        late = np.where(lost, RTO + self.rtt[CLIENT][who], 0)
        ack = self.next[CLIENT][who]
        echo = self.said[CLIENT][who]

        def segment(row: Column, nth: Column, at: Column) -> None:
            final = nth == count[row] - 1
            self.frames.add(
                conn=who[row],
                time=at,
                from_server=SERVER,
                flags=np.where(final, PSH | ACK, ACK),
                seq=base[row] + (nth * full[row]).astype("u4"),
                ack=ack[row],
                payload=np.where(final, last[row], full[row]),
                tsval=self.tsval(who[row], SERVER, at),
                tsecr=echo[row],
                window=509,
            )

        row, nth = _spread(count)
        segment(row, nth, start[row] + SEGMENT_GAP * nth)
        again = np.flatnonzero(lost)
        segment(again, count[again] - 1, (start + late + SEGMENT_GAP * (count - 1))[again])

        row, pair = _spread((count + 1) // 2)
        upto = np.minimum(2 * pair + 2, count[row])  # segments acknowledged
        held = np.where(upto == count[row], late[row], 0)
        acked = np.where(upto == count[row], (upto - 1) * full[row] + last[row], upto * full[row])
        at = (start + self.turn(who, CLIENT))[row] + SEGMENT_GAP * (upto - 1) + held
        tsval = self.tsval(who[row], CLIENT, at)
        answered = self.tsval(who[row], SERVER, start[row] + SEGMENT_GAP * 2 * pair + held)
        self.frames.add(
            conn=who[row],
            time=at,
            from_server=CLIENT,
            flags=ACK,
            seq=ack[row],
            ack=base[row] + acked.astype("u4"),
            tsval=tsval,
            tsecr=answered,  # the first segment of the two (RFC 7323 section 4.3)
            window=501,
        )
        ends = np.cumsum((count + 1) // 2) - 1
        self.next[SERVER][who] = base + ((count - 1) * full + last).astype("u4")
        self.said[CLIENT][who] = tsval[ends]
        self.said[SERVER][who] = answered[ends]
        self.now[who] = at[ends]

    def close(self, who: Column) -> None:
        """Most close by FIN from either end, a few reset, a few never do."""
        self.now[who] += np.where(
            self.rng.random(len(who)) < 0.1, self.pause(who, 12 * SECOND), self.pause(who, SECOND // 4)
        )
        by_client, by_server, reset, cut_short, _open = np.split(
            who[self.rng.permutation(len(who))], (np.array([0.62, 0.95, 0.97, 0.98]) * len(who)).astype("i8")
        )
        self.send(by_client, CLIENT, FIN | ACK)
        lingering = self.chance(by_client, 0.2)
        self.send(lingering, SERVER, ACK, self.turn(lingering, SERVER))
        self.send(by_client, SERVER, FIN | ACK, self.turn(by_client, SERVER))
        self.send(by_client, CLIENT, ACK, self.turn(by_client, CLIENT))

        self.send(by_server, SERVER, FIN | ACK)
        self.send(by_server, CLIENT, FIN | ACK, self.turn(by_server, CLIENT))
        self.send(by_server, SERVER, ACK, self.turn(by_server, SERVER))

        self.send(reset, CLIENT, RST | ACK)
        self.send(cut_short, SERVER, FIN | ACK)
        self.send(cut_short, CLIENT, RST | ACK, self.turn(cut_short, CLIENT))


def _spread(counts: Column) -> tuple[Column, Column]:
    """Row numbers repeated by count, and the running number within each row."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
