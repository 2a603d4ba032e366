"""Every line that README, the task pages and docs/python.md show works, as it stands there.

Programs that need another machine, root or a terminal are stood in for: `sudo` runs what it is given, a live capture
ends by itself.
"""

import contextlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

import handshake_inspect

pytestmark = pytest.mark.any_build

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "python.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
# Blocks that .ci/run takes and runs: what installs, and the tests.
PROMISED = re.compile(r"<!-- [a-z ]+ -->\n```sh\n.*?```", re.DOTALL)
MAY_FAIL = re.compile(r"hsi (check|diff)\b")  # with status 1: what they found is what they are for

SAMPLES = {
    "capture.pcap": "accept-queue-overflow.pcap", "capture.pcapng": "accept-queue-overflow.pcap",
    "monday.pcap": "handshake.pcap", "tuesday.pcap": "refused.pcap", "before.pcap": "healthy-burst.pcap",
    "after.pcap": "lost-syn.pcap",
}  # fmt: skip
STAND_INS = {
    "hsi": """
        if [[ $* == *live* && $* != *" -r "* && $* != *diff* && $* != *" -- "* ]]; then set -- "$@" --duration 200ms; fi
        exec "$HSI_PYTHON" -P -m handshake_inspect "$@"
    """,
    "sudo": 'exec "$@"',
    "ssh": "cat capture.pcap",
    "tcpdump": "cat capture.pcap",
    "make": """exec "$HSI_PYTHON" -c 'import socket
with socket.create_server(("127.0.0.1", 0)) as listener:
    socket.create_connection(listener.getsockname()).close()'""",
    "python": "true",
    "nstat": "true",
    "sysctl": "true",
}


def commands(page: Path) -> list[str]:
    """The lines of the shell blocks of a page."""
    blocks = re.findall(r"```sh\n(.*?)```", PROMISED.sub("", page.read_text()), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


LINES = [(page, line) for page in PAGES for line in commands(page)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder like a clone after the quick start, with captures of the names that the pages use."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "pcaps").symlink_to(ROOT / "pcaps")
    for name, sample in SAMPLES.items():
        shutil.copy(ROOT / "pcaps" / sample, folder / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, script in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/bash\n{script}\n")
        (programs / name).chmod(0o755)
    (programs / "activate").touch()
    return folder


def environment(place: Path) -> dict[str, str]:
    return os.environ | {
        "PATH": f"{place / '.venv' / 'bin'}:{os.environ['PATH']}", "HSI_PYTHON": sys.executable, "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(Path(handshake_inspect.__file__).resolve().parent.parent),
    }  # fmt: skip


def test_lines_are_found():
    assert all(commands(page) for page in PAGES if page.name not in {"README.md", "python.md"} or page.parent == ROOT)


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.stem}-{line[:60]}" for page, line in LINES])
def test_a_line_works_as_it_stands(page, line, place, request):
    if "jq" in line.split() and not shutil.which("jq"):
        pytest.skip("jq is not installed")
    captures = (" live " in line and " -r " not in line) or "--live" in line
    enter = request.getfixturevalue("network").client if captures else contextlib.nullcontext
    with enter():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line], cwd=place, env=environment(place), capture_output=True,
            stdin=subprocess.DEVNULL, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode in ({0, 1} if MAY_FAIL.search(line) else {0}), done.stderr.decode()
    assert b"hsi: error" not in done.stderr
    if page.parent.name == "howto" and not captures and "sysctl" not in line and "nstat" not in line:
        assert done.stdout or "--write" in line or "jq -e" in line


@pytest.mark.parametrize(
    "page", [each for each in PAGES if "```python" in each.read_text()], ids=lambda page: page.stem
)
def test_python_works_as_it_stands(page, place, monkeypatch):
    pytest.importorskip("pandas", reason="pandas comes with '.[frames]'")
    monkeypatch.chdir(place)
    names: dict[str, object] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            exec(compile(block, str(page), "exec"), names)
    assert "10.0.0.1" in printed.getvalue()


def test_every_task_has_its_place_in_the_list():
    listed = set(re.findall(r"\]\(([a-z-]+\.md)\)", (ROOT / "docs" / "howto" / "README.md").read_text()))
    assert listed == {page.name for page in (ROOT / "docs" / "howto").glob("*.md")} - {"README.md"}


def test_the_picture_shows_what_hsi_prints(hsi, root):
    spec = importlib.util.spec_from_file_location("picture", root / "docs" / "picture.py")
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    drawn = "".join(unescape(each) for each in re.findall(r"<text [^>]*>([^<]*)</text>", picture.PICTURE.read_text()))
    done = hsi(*picture.COMMAND, "--color", "never", cwd=root, env={"COLUMNS": str(picture.WIDTH), "LC_ALL": "C.UTF-8"})
    wanted = done.stdout.decode().partition(picture.LAST)[0]
    assert "".join(wanted.split()) in "".join(drawn.split()), "run `python docs/generate.py`"
    assert "http" not in drawn
    assert "@font-face" not in picture.PICTURE.read_text()
