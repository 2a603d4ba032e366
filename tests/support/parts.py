"""Traces in parts: files of a capture that is cut or dealt to sensors, and both reports compared."""

import itertools

from handshake_inspect import engine
from handshake_inspect.cluster.analysis import InlineRunner, analyze
from handshake_inspect.cluster.parts import Sizes
from support import captures, frames
from support.captures import pcap
from support.wire import MS, START, written

HEADER = 24
SENSORS = "abc"
APART = Sizes(least=0)


def check(paths, runner=None, sizes=APART, **options):
    """The same report, in parts and in one pass."""
    given_options = engine.Options(**options)
    expected = written(engine.analyze(paths, options=given_options))
    assert written(analyze(paths, runner or InlineRunner(), options=given_options, sizes=sizes)) == expected
    return expected


def named(directory, number, sensor="a"):
    return directory / f"{sensor * (1 + SENSORS.index(sensor))}_{number:05d}_20260101000000.pcap"


def cut(data, places, directory, sensor="a"):
    """Files of one sensor, each with the header of the whole."""
    ends = captures.records(data)
    bounds = [0, *sorted({place % len(ends) for place in places}), len(ends) - 1]
    paths = []
    for number, (start, stop) in enumerate(itertools.pairwise(bounds)):
        path = named(directory, number, sensor)
        path.write_bytes(data[:HEADER] + data[ends[start] : ends[stop]])
        paths.append(path)
    return paths


def dealt(data, sensors, random):
    """The records of a capture, dealt to several sensors in runs."""
    ends = captures.records(data)
    parts = [bytearray(data[:HEADER]) for _ in range(sensors)]
    mine = 0
    for start, stop in itertools.pairwise(ends):
        if random.random() < 0.3:
            mine = random.randrange(sensors)
        parts[mine] += data[start:stop]
    return [bytes(part) for part in parts if len(part) > HEADER]


def each_apart(taken, directory):
    """A file for each frame."""
    paths = []
    for number, frame in enumerate(sorted(taken, key=lambda each: each[0])):
        paths.append(named(directory, number))
        paths[-1].write_bytes(pcap([frame], nano=True))
    return paths


def syns(count, start=START):
    """SYNs of one client, a millisecond apart."""
    return [
        (start + n * MS, frames.segment(("192.0.2.1", 4000 + n), ("198.51.100.2", 80), frames.SYN, seq=n + 1))
        for n in range(count)
    ]
