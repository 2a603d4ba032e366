"""Functions over a whole capture run once or a few times, never once per finding."""

import sys
from collections import Counter

import pytest

from handshake_inspect.engine.analysis import Options, open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import case_of, end_of
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings import find_all

FEW = 16  # detectors that ask for the same; what many ask for is kept by `once` or as a cached property
KEPT = {"remembered", "__len__", "expired_attempts", "setups_of"}  # which look up what was computed, or compute nothing
KEPT |= {"client_host", "server_key", "server_host", "services"}  # columns that are there
DEAR = ("locate", "owners", "proofs")  # ran once for each finding


def judged(paths, seen):
    """What is found in these captures as one trace; `seen` gets every call by its function and its first argument."""
    pump = Pump(Tracker(1 << 16))
    with open_trace([str(path) for path in paths]) as source:
        pump_all(source, pump)
        sys.setprofile(seen)
        try:
            case = case_of(source, pump, Options().limits, end_of(source, pump))
            return find_all(case)
        finally:
            sys.setprofile(None)


@pytest.fixture(scope="module")
def calls(pcaps):
    """How often each function of a case or its attempts alone was called, and how much was found."""
    often = Counter()

    def seen(frame, event, _):
        code = frame.f_code
        if event != "call" or "verdicts" not in code.co_filename or code.co_name in KEPT:
            return
        if code.co_argcount != 1 and code.co_name not in DEAR:
            return
        if isinstance(frame.f_locals.get(code.co_varnames[0]), Attempts | Case):
            often[code.co_name if code.co_name in DEAR else f"{code.co_filename}:{code.co_name}"] += 1

    found = judged(sorted(pcaps.glob("*.pcap")), seen)
    return often, len(found)


def test_no_function_of_the_whole_capture_runs_for_each_finding(calls):
    often, found = calls
    assert found > 4 * FEW
    assert {name: count for name, count in often.items() if count > FEW} == {}


@pytest.mark.parametrize("name", DEAR)
def test_expensive_steps_run_once_for_all_findings(calls, name):
    often, _ = calls
    assert often[name] == 1
