"""Two whole reports as they were read and found right, of findings the names only; a change of any key shows here.

HSI_REWRITE_GOLDEN=1 writes them anew: then read the difference.
"""

import json
import os
from pathlib import Path

import pytest
from support.wire import report_of

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["closed-by-client", "accept-queue-overflow"])
def test_the_whole_report(name, pcaps):
    report = report_of(pcaps / f"{name}.pcap")
    report["capture"]["sources"] = [Path(source).name for source in report["capture"]["sources"]]
    report["tool"]["version"] = "any"
    report["findings"] = [{key: one[key] for key in ("id", "severity", "target")} for one in report["findings"]]
    path = GOLDEN / f"{name}.json"
    if os.environ.get("HSI_REWRITE_GOLDEN"):
        path.write_text(json.dumps(report, indent=1) + "\n")
    assert report == json.loads(path.read_text())
