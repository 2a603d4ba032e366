"""The same input and options give the same bytes in every format: no clock, no place, no order by chance gets in.

Every command in every format runs twice, in processes that differ in all that must not matter.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import handshake_inspect
from handshake_inspect.render import CHECKS, DIFFS, FORMATS, REPORTS, STORIES

PACKAGE = Path(handshake_inspect.__file__).resolve().parent.parent
ANALYZED = [form for form in REPORTS if not FORMATS[form].binary or find_spec("pyarrow")]
CAPTURES = [
    "accept-queue-overflow-recovered", "closed-by-client", "closed-by-client-ipv6", "middlebox-reset", "pending",
    "port-scan-connect", "refused", "rejected-ttl-exceeded", "timed-out-host-silent",
]  # fmt: skip
FILES = [f"{name}.pcap" for name in CAPTURES]
CUT = "cut.pcap"  # a capture with a problem of its own
COMMANDS = {
    **{f"analyze {form}": ["analyze", "-T", form, *FILES] for form in ANALYZED},
    **{f"cut {form}": ["analyze", "-T", form, CUT] for form in ANALYZED},
    **{
        f"analyze {form} *": ["analyze", "-T", form, "-e", "*", *FILES] for form in ("csv", "tsv", "ndjson", "markdown")
    },
    **{f"check {form}": ["check", "--profile", "strict", "-T", form, *FILES] for form in CHECKS},
    **{f"diff {form}": ["diff", "-T", form, "closed-by-client.pcap", "refused.pcap"] for form in DIFFS},
    **{f"explain {form}": ["explain", "-T", form, "middlebox-reset.pcap", "0"] for form in STORIES},
    "write": ["analyze", "--write", "frames.pcapng", *FILES],
    "all": ["analyze", "--all", "-v", *FILES],
}
PROGRAM = """
import json, sys
from handshake_inspect.cli import hsi
for name, arguments in json.load(sys.stdin).items():
    try:
        hsi.main([*arguments, "--no-progress", "-o", f"out/{name.replace('*', 'every')}"], "hsi")
    except SystemExit as ended:
        assert ended.code in (0, 1, None), (name, ended.code)
"""


def run(directory, commands, **environment):
    """What the commands write in this directory, by name; all in one process."""
    (directory / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM], input=json.dumps(commands).encode(), capture_output=True, cwd=directory,
        env=os.environ | {"PYTHONPATH": str(PACKAGE)} | environment, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    found = {path.name: path.read_bytes() for path in (directory / "out").iterdir()}
    assert len(found) == len(commands)
    return found


def furnished(directory, pcaps):
    directory.mkdir(parents=True)
    for name in FILES:
        shutil.copy(pcaps / name, directory)
    (directory / CUT).write_bytes((pcaps / FILES[0]).read_bytes()[:-9])
    return directory


@pytest.fixture(scope="module")
def here(tmp_path_factory, pcaps):
    """Where and how a developer may run it."""
    directory = furnished(tmp_path_factory.mktemp("developer") / "checkout", pcaps)
    found = run(directory, COMMANDS, PYTHONHASHSEED="1", TZ="UTC0", LC_ALL="C.UTF-8", USER="alice", HOME="/home/alice")
    return directory, found


@pytest.fixture(scope="module")
def there(tmp_path_factory, pcaps):
    """Where and how a build machine may run it."""
    directory = furnished(tmp_path_factory.mktemp("builder") / "a b" / "c", pcaps)
    os.utime(directory / FILES[0], (0, 0))
    found = run(directory, COMMANDS, PYTHONHASHSEED="2", TZ="XYZ-13:45", LC_ALL="C", USER="ci", HOME="/")
    return directory, found


@pytest.mark.parametrize("name", [name.replace("*", "every") for name in COMMANDS])
def test_same_bytes(name, here, there):
    assert here[1][name] == there[1][name]
    assert here[1][name]


def test_the_frames_that_are_written_are_the_same(here, there):
    frames = [(directory / "frames.pcapng").read_bytes() for directory, _ in (here, there)]
    assert frames[0] == frames[1]


@pytest.mark.parametrize("name", [name.replace("*", "every") for name in COMMANDS])
def test_no_path_of_the_machine(name, here):
    directory, found = here
    assert os.fsencode(directory.parent) not in found[name]


def test_an_absolute_path_changes_nothing_else(here, tmp_path):
    """The name of a capture stands where it was given, and nowhere else."""
    directory, found = here
    forms = ["json", "ndjson", "csv", "tsv", "zeek", "junit", "github", "sarif"]
    wanted = {f"analyze {form}": ["analyze", "-T", form, *(str(directory / name) for name in FILES)] for form in forms}
    for name, data in run(tmp_path, wanted).items():
        prefix = f"file://{directory}/" if name.endswith("sarif") else f"{directory}/"
        assert data.replace(prefix.encode(), b"") == found[name]


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "markdown", "junit", "sarif", "github", "zeek"])
def test_standard_output_in_another_locale(form, here, hsi):
    directory, found = here
    done = hsi(*COMMANDS[f"analyze {form}"], cwd=directory, env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert done.stdout == found[f"analyze {form}"]
