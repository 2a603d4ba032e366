"""The pure and the compiled build write the same reports, byte for byte, of every sample.

HSI_OTHER_BUILD names the directory of the other build's package (as `pip install --target` leaves it).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.samples import DIRECTORY, SAMPLES
from support.wire import json_of

import handshake_inspect

OTHER = os.environ.get("HSI_OTHER_BUILD")
pytestmark = pytest.mark.skipif(not OTHER, reason="HSI_OTHER_BUILD names no other build")

# One process for all samples: a length, then a report.
PROGRAM = """
import io, sys
import handshake_inspect
from handshake_inspect import engine
from handshake_inspect.render import FORMATS, Options
print(handshake_inspect.build(), file=sys.stderr)
for path in sys.argv[1:]:
    out = io.BytesIO()
    FORMATS["json"].render(engine.analyze([path]), out, Options())
    sys.stdout.buffer.write(b"%d\\n" % len(out.getvalue()) + out.getvalue())
"""


@pytest.fixture(scope="module")
def others():
    """Sample -> report of the other build."""
    paths = [str(DIRECTORY / f"{name}.pcap") for name in SAMPLES]
    environment = os.environ | {"PYTHONPATH": str(OTHER)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, *paths], capture_output=True, env=environment, check=True, cwd=Path(OTHER)
    )
    assert done.stderr.decode().strip() != handshake_inspect.build(), "HSI_OTHER_BUILD names the same build"
    reports, rest = {}, done.stdout
    for name in SAMPLES:
        length, rest = rest.split(b"\n", 1)
        reports[name], rest = rest[: int(length)], rest[int(length) :]
    return reports


@pytest.mark.parametrize("name", SAMPLES)
def test_reports_are_equal(name, others):
    assert without_version(json_of(str(DIRECTORY / f"{name}.pcap"))) == without_version(others[name])


def without_version(report):
    """All but the line that says which hsi wrote it: a source tree does not know its version."""
    return [line for line in report.splitlines() if not line.startswith(b'"tool":')]
