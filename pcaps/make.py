#!/usr/bin/env python3
"""Make the sample captures: each one behaviour of the real Linux kernel, with what the kernel said of it.

Run as root: `sudo python pcaps/make.py [NAME ...]`.  Without names every sample is made.  Everything happens in
network namespaces of its own and is removed afterwards.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import check, readme, scenarios  # noqa: F401 - importing the scenarios registers them
from lab.capture import DisturbedError
from lab.namespace import remove_leftovers
from lab.sample import SCENARIOS, Sample, summary

HERE = Path(__file__).resolve().parent
_LONGEST = 150  # seconds that one scenario may take
_TOOLS = ("ip", "ss", "nft", "tcpdump")


def make_one(name: str, out: Path) -> None:
    """Make one sample in this process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    sample = Sample(name, out)
    try:
        with sample.stack:
            SCENARIOS[name](sample)
            sample.write()
    finally:
        remove_leftovers(os.getpid())


def make(name: str, tries: int = 4) -> str | None:
    """Make one sample in a process of its own and put it in place; the error is returned, if any."""
    with tempfile.TemporaryDirectory(prefix="hsi-lab-") as scratch:
        worker = subprocess.Popen(
            [sys.executable, __file__, "--worker", scratch, name], stderr=subprocess.PIPE, text=True
        )
        try:
            _, said = worker.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            worker.terminate()
            _, said = worker.communicate(timeout=20)
            said = f"it took longer than {_LONGEST} s\n{said}"
        finally:
            remove_leftovers(worker.pid)
        problem = said.strip() if worker.returncode else check.problem(Path(scratch), name)
        if not problem:
            for made in Path(scratch).glob(f"{name}.*"):
                shutil.copyfile(made, HERE / made.name)
    if worker.returncode == os.EX_TEMPFAIL and tries > 1:
        return make(name, tries - 1)
    return problem


def main() -> int:
    """Read the command line and make, list or check samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="samples to make; shell patterns work")
    parser.add_argument("--list", action="store_true", help="list the samples and what they show")
    parser.add_argument("--missing", action="store_true", help="make only what is not there yet")
    parser.add_argument("--check", action="store_true", help="check the files that are there (needs tshark)")
    parser.add_argument("--readme", action="store_true", help="write the table of samples into README.md")
    parser.add_argument("--jobs", type=int, default=6, help="samples made at the same time (default 6)")
    parser.add_argument("--worker", metavar="DIR", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        make_one(options.names[0], Path(options.worker))
        return 0
    patterns = options.names or ["*"]
    names = [name for name in SCENARIOS if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    if not names:
        parser.error("no such sample; --list shows them")
    if options.list:
        for name in names:
            print(f"{name:34} {summary(name)}")
        return 0
    if options.readme:
        readme.write(HERE / "README.md")
        return 0
    if options.check:
        problems = [f"{name}: {found}" for name in names if (found := check.problem(HERE, name))]
        print("\n".join(problems) or f"{len(names)} samples are in order")
        return bool(problems)
    if options.missing:
        names = [name for name in names if not (HERE / f"{name}.json").exists()]
    return make_all(names, options.jobs)


def make_all(names: list[str], jobs: int) -> int:
    """Make these samples, several at a time, since most of the time is spent waiting for TCP's timers."""
    if os.geteuid() != 0:
        print("making network namespaces needs root: sudo python pcaps/make.py", file=sys.stderr)
        return 2
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        print(f"not installed: {', '.join(missing)}", file=sys.stderr)
        return 2
    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        for name, problem in zip(names, pool.map(make, names), strict=True):
            print(f"{name:34} {problem or 'made'}", flush=True)
            failed += bool(problem)
    readme.write(HERE / "README.md")
    return bool(failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except DisturbedError as disturbed:
        print(disturbed, file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)
    except Exception:  # a worker's only voice is its standard error
        traceback.print_exc()
        sys.exit(1)
