"""Two real kernels over a lossy path, captured at both ends: `hsi pair` must find what the path lost, and nothing else.

sudo PYTHONPATH=. python tests/lab/pair.py [--loss 0.1] [--seed 1]
"""

import argparse
import random
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "pcaps"))

from lab.capture import Capture
from lab.sample import Sample

from handshake_inspect.checks.pair import pair_captures
from handshake_inspect.engine.segment_columns import segment_columns

DELAY_S, JITTER_S = 0.01, 0.004
PATIENCE_S = 60


def transfer(client, listener, up, down):
    """A connection that carries so many bytes in each direction."""
    mine = client.socket()
    mine.settimeout(PATIENCE_S)
    mine.connect(("10.0.0.2", 80))
    theirs, _ = listener.accept()
    theirs.settimeout(PATIENCE_S)

    def serve():
        drain(theirs, up)
        theirs.sendall(b"y" * down)

    serving = threading.Thread(target=serve)
    serving.start()
    mine.sendall(b"x" * up)
    drain(mine, down)
    serving.join()
    mine.close()
    drain(theirs, 1)  # until the end
    theirs.close()


def drain(sock, count):
    while count > 0 and (got := sock.recv(65_536)):
        count -= len(got)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance, lost, state = random.Random(given.seed), Counter(), {"lossy": False}

    def rule(source, _):
        if state["lossy"] and chance.random() < given.loss:
            lost[source] += 1
            return []
        return [chance.random() * JITTER_S]

    with tempfile.TemporaryDirectory() as folder:
        sample = Sample("pair", Path(folder))
        files = [Path(folder) / name for name in ("a.pcap", "b.pcap")]
        with sample.stack:
            client, server = sample.pair(delay=DELAY_S)
            sample.the_path().rules.append(rule)
            listener = server.listen(80)
            captures = [Capture(host, file, snap=128) for host, file in zip((client, server), files, strict=True)]
            transfer(client, listener, 10, 10)
            state["lossy"] = True
            for _ in range(4):
                transfer(client, listener, 40_000, 60_000)
            for each in captures:
                each.settle(quiet=1.0)
            state["lossy"] = False
            transfer(client, listener, 10, 10)
            for each in captures:
                each.settle()
                each.stop()
        found = pair_captures(*(segment_columns([str(file)]) for file in files))
    ways = {"client": found.summary.a_to_b, "server": found.summary.b_to_a}
    print("lost on the path", dict(lost), "found", {who: way.lost for who, way in ways.items()})
    right = all(way.lost == lost[who] and not way.born for who, way in ways.items())
    right &= found.clock.offset.min <= 0 <= found.clock.offset.max  # there is one clock
    right &= all(way.delays.greatest.max >= DELAY_S * 1e9 for way in ways.values())
    print("as it was" if right else "WRONG")
    return not right


if __name__ == "__main__":
    sys.exit(main())
