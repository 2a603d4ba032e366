"""A bulk transfer between two hosts as SACK and fast retransmission make it: what is lost or late is known, so what an
observer must count is known too.

    stream = Stream(delay=20 * MS, at="server", lost={3}, late={7: 5 * MS})
    stream.wire.connection(); stream.again; stream.overtaken
"""

import heapq

from support import frames
from support.wire import MS, Wire

SIZE = 1000
DUPLICATES = 3  # acknowledgments that repeat, before a fast retransmission (RFC 5681 section 3.2)
RTO = 200 * MS  # and twice the RTT


class Stream:
    """`count` segments of the client, `gap` apart, after a handshake over a path of `delay` each way.

    `lost` are numbers of segments that are lost, `lost_again` those whose first copy is, too: "before" or "after" the
    capture point, as `place` says.  `late` says how much longer others take to it.
    """

    def __init__(
        self, *, delay=20 * MS, at="server", count=12, gap=50_000, lost=(), lost_again=(), late=None, sack=True,
        place="before", **words,
    ):  # fmt: skip
        self.wire = Wire(delay=delay, at=at, **words).handshake()
        self.delay, self.sack, self.place = delay, sack, place
        self.lost, self.lost_again, self.late = set(lost), set(lost_again), dict(late or {})
        self.again = 0  # copies that pass the capture point
        self.overtaken = 0
        self.base = self.wire.client.snd_nxt
        self.wire.wait(MS)
        self.events = [(self.wire.now + number * gap, number, "send", number) for number in range(count)]
        heapq.heapify(self.events)
        self.serial = count
        self.count = count
        self.arrived, self.acked, self.repeats = set(), 0, 0
        self.resent = {}
        self.passing = []
        self.run()

    def later(self, when, what, about):
        self.serial += 1
        heapq.heappush(self.events, (when, self.serial, what, about))

    def run(self):
        while self.events:
            when, _, what, about = heapq.heappop(self.events)
            self.wire.now = when
            getattr(self, what)(about)
        self.wire.wait(self.delay)
        highest = -1
        for _, number, first in sorted(self.passing):
            if first and number < highest:
                self.overtaken += 1
            elif not first and number <= highest:  # else nobody can know that it was lost
                self.again += 1
            highest = max(highest, number)

    def send(self, number):
        self.emit(number, lost=number in self.lost, later=self.late.get(number, 0), first=True)
        if number == self.count - 1:
            self.later(self.wire.now + RTO + 4 * self.delay, "timeout", number)

    def emit(self, number, *, lost, later, first):
        where = self.place if lost else None
        self.wire.client.send("A", SIZE, seq=self.base + number * SIZE, lost=where, later=later, stay=True)
        if where != "before":
            passes = self.wire.now + later + int(self.delay * self.wire.place)
            self.passing.append((passes, number, first))
        if not lost:
            self.later(self.wire.now + later + self.delay, "arrive", number)

    def arrive(self, number):
        self.arrived.add(number)
        while self.acked in self.arrived:
            self.acked += 1
        beyond = [each for each in self.arrived if each > self.acked]
        options = self.wire.server.options(frames.ACK)
        if beyond and self.sack:
            low = number
            high = number
            while low - 1 in beyond:
                low -= 1
            while high + 1 in beyond:
                high += 1
            if number > self.acked:
                blocks = (self.base + low * SIZE) % 2**32, (self.base + (high + 1) * SIZE) % 2**32
                options += frames.nop(2) + frames.sack(blocks)
        ack = self.base + self.acked * SIZE
        self.wire.server.send("A", ack=ack, options=options, stay=True)
        self.later(self.wire.now + self.delay, "on_ack", (self.acked, frozenset(beyond)))

    def on_ack(self, about):
        acked, beyond = about
        if not beyond:
            self.repeats = 0
            return
        self.repeats += 1
        if self.sack and len(beyond) >= DUPLICATES:
            for number in range(acked, max(beyond)):
                if number not in beyond and number not in self.resent:
                    self.resend(number)
        elif self.repeats > DUPLICATES and acked not in self.resent:
            self.resend(acked)

    def resend(self, number):
        tries = self.resent.get(number, 0)
        self.resent[number] = tries + 1
        lost = number in self.lost_again and tries == 0
        self.emit(number, lost=lost, later=0, first=False)
        if lost:
            self.later(self.wire.now + RTO + 4 * self.delay, "timeout", number)

    def timeout(self, number):
        missing = [each for each in range(self.count) if each not in self.arrived]
        if missing:
            self.resend(missing[0])
            self.later(self.wire.now + RTO + 4 * self.delay, "timeout", number)
