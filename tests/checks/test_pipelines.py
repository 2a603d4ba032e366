"""The pipelines of docs/ci.md and the action of .github/actions/hsi, run; what they install is stood in for."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

import handshake_inspect

pytestmark = pytest.mark.any_build

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text()
PACKAGE = Path(handshake_inspect.__file__).resolve().parent.parent
ACTION = yaml.safe_load((ROOT / ".github" / "actions" / "hsi" / "action.yml").read_text())
HSI = f'exec env PYTHONPATH="{PACKAGE}" "{sys.executable}" -P -m handshake_inspect "$@"'

# What a build machine has.  tcpdump "captures" the sample of the test until it is stopped.
COMMANDS = {
    "hsi": HSI,
    "apt-get": "exit 0",
    "make": "exit 0",
    "pip": '[ "$1 $2" = "install ./tools/hsi" ]',
    "pipx": '[ "$1 $2" = "install ./tools/hsi" ]',
    "git": '[ "$*" = "submodule update --init tools/hsi" ]',
    "sudo": 'exec "$@"',
    "pkill": '[ "$1 $2" = "-x tcpdump" ] && kill "$(cat tcpdump.pid)"',
    "python3": 'mkdir -p "$3/bin" && cp "$(command -v pip)" "$3/bin/pip" && cp "$(command -v hsi)" "$3/bin/hsi"',
    "tcpdump": (
        'while [ "$1" != -w ]; do shift; done; echo $$ > tcpdump.pid; trap "exit 0" TERM; cp "$SAMPLE" "$2"\n'
        "for second in 1 2 3 4 5 6 7 8 9; do sleep 1 & wait $!; done"
    ),
}


def blocks(language, heading):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def machine(tmp_path, pcaps):
    """Run a script there: `machine("refused", "bash -e", script)`; a checkout with nothing in it."""
    programs, checkout = tmp_path / "bin", tmp_path / "checkout"
    programs.mkdir()
    checkout.mkdir()
    for name, lines in COMMANDS.items():
        (programs / name).write_text(f"#!/bin/sh\n{lines}\n")
        (programs / name).chmod(0o755)

    def run(sample, shell, script, **environment):
        given = {"PATH": f"{programs}:{os.environ['PATH']}", "USER": "runner", "SAMPLE": str(pcaps / f"{sample}.pcap")}
        given["GITHUB_STEP_SUMMARY"] = str(checkout / "summary.md")
        return subprocess.run(
            [*shell.split(), "-c", script], cwd=checkout, env=os.environ | given | environment, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        )  # fmt: skip

    run.checkout = checkout
    return run


def steps_run(machine, steps, sample, values=None):
    """Run the steps of a job as GitHub does, after one that failed only those that always run: what became of each."""
    failed, statuses = False, {}
    for step in steps:
        always = step.get("if") == "always()"
        if "run" not in step or (failed and not always):
            continue
        environment = {key: filled(value, values) for key, value in step.get("env", {}).items()}
        done = machine(sample, "bash --noprofile --norc -eo pipefail", step["run"], **environment)
        statuses[step.get("name", step["run"])] = (done.returncode, done.stdout.decode(), done.stderr.decode())
        failed |= done.returncode != 0
    return statuses


def filled(text, values):
    return re.sub(r"\$\{\{ inputs\.([a-z]+) \}\}", lambda found: values[found[1]], text)


def inputs(**given):
    return {name: given.get(name, rule.get("default", "")) for name, rule in ACTION["inputs"].items()}


@pytest.mark.parametrize(("sample", "status"), [("healthy-burst", 0), ("refused", 1)])
def test_github(machine, sample, status):
    workflow, used = map(yaml.safe_load, blocks("yaml", "GitHub Actions"))
    assert workflow["permissions"]["security-events"] == "write"
    (job,) = workflow["jobs"].values()
    done = steps_run(machine, job["steps"], sample)
    assert [code for code, _, _ in done.values()] == [0, 0, status, 0]
    assert ("::error title=hsi check%3A max-refused 0::" in done["Check the connections"][1]) == bool(status)
    (upload,) = [step["with"] for step in job["steps"] if "upload-sarif" in step.get("uses", "")]
    results = json.loads((machine.checkout / upload["sarif_file"]).read_text())["runs"][0]["results"]
    assert bool([result for result in results if result["level"] != "note"]) == bool(status)
    assert " established" in (machine.checkout / "summary.md").read_text().splitlines()[0]
    assert set(used[0]["with"]) <= set(ACTION["inputs"])


@pytest.mark.parametrize(("sample", "status"), [("closed-by-client", 0), ("refused", 1)])
def test_github_action(machine, pcaps, sample, status):
    _, ((used,)) = map(yaml.safe_load, blocks("yaml", "GitHub Actions"))
    (machine.checkout / "capture.pcap").write_bytes((pcaps / f"{sample}.pcap").read_bytes())
    done = steps_run(machine, ACTION["runs"]["steps"], sample, inputs(**used["with"]))
    assert {name: code for name, (code, _, _) in done.items()} == {"Install": 0, "Check": status}, done
    summary = (machine.checkout / "summary.md").read_text()
    check, capture = re.findall(r"^## .*", summary, re.MULTILINE)
    assert check.startswith("## hsi check ")
    assert " established" in capture
    cases = ElementTree.parse(machine.checkout / "hsi-junit.xml").getroot()
    assert bool(int(cases.get("failures"))) == bool(status)
    assert "expect *:80 established" in {case.get("name") for case in cases.iter("testcase")}
    assert json.loads((machine.checkout / "hsi.sarif").read_text())["version"] == "2.1.0"


def test_github_action_with_several_captures_and_hostile_names(machine, pcaps):
    names = ["a b.pcap", "$(touch pwned).pcap"]
    for name in names:
        (machine.checkout / name).write_bytes((pcaps / "closed-by-client.pcap").read_bytes())
    given = inputs(captures="\n".join(names) + "\n", package="", options="--min-connections=1\n--no-rules\n")
    done = steps_run(machine, ACTION["runs"]["steps"], "refused", given)
    assert done["Check"][0] == 0, done
    assert not (machine.checkout / "pwned").exists()


def test_github_action_without_a_capture(machine):
    done = steps_run(machine, ACTION["runs"]["steps"], "refused", inputs(captures="absent.pcap"))
    code, _, complaint = done["Check"]
    assert code == 2
    assert "absent.pcap" in complaint


@pytest.mark.parametrize(("sample", "status"), [("healthy-burst", 0), ("refused", 1)])
def test_gitlab(machine, sample, status):
    (text,) = blocks("yaml", "GitLab CI")
    (job,) = yaml.safe_load(text).values()
    done = machine(sample, "bash -eo pipefail", "\n".join([*job["before_script"], *job["script"]]))
    assert done.returncode == status, done.stderr
    cases = ElementTree.parse(machine.checkout / job["artifacts"]["reports"]["junit"]).getroot()
    assert bool(int(cases.get("failures"))) == bool(status)
    assert all((machine.checkout / path).is_file() for path in job["artifacts"]["paths"])


@pytest.mark.parametrize(("sample", "status"), [("healthy-burst", 0), ("refused", 1)])
def test_jenkins(machine, sample, status):
    (text,) = blocks("groovy", "Jenkins")
    assert text.count("{") == text.count("}")
    scripts = [one or several for several, one in re.findall(r"\bsh (?:'''(.*?)'''|'([^'\n]*)'\n)", text, re.DOTALL)]
    codes = [machine(sample, "sh -xe", script).returncode for script in scripts]
    assert codes == [0, 0, 0, status]
    (results,) = re.findall(r"junit '(.*)'", text)
    cases = ElementTree.parse(machine.checkout / results).getroot()
    assert bool(int(cases.get("failures"))) == bool(status)
    assert all((machine.checkout / path).is_file() for path in re.findall(r"archiveArtifacts '(.*)'", text))
