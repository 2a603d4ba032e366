"""What hsi writes of every sample is valid for those who read it: the schemas of SARIF, of JUnit XML, and its own.

tests/render/schemas/README.md says whose schemas these are.
"""

import io
import json
from collections import Counter
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from lxml import etree
from support import reports
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect import engine
from handshake_inspect.checks import settings
from handshake_inspect.checks.rule_results import evaluate_rules
from handshake_inspect.render import CHECKS, FORMATS, Options
from handshake_inspect.report.docs import FINDING_DOCS, RULE_DOCS
from handshake_inspect.report.model import Evidence, Finding, Problem, Target
from handshake_inspect.report.schema import check_schema, event_schema, schema

SCHEMAS = Path(__file__).parent / "schemas"
JUNIT = etree.XMLSchema(etree.parse(str(SCHEMAS / "junit-10.xsd")))
SARIF = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text()))
STRICT = settings.rules({"profile": "strict", "rtt": ("total.p95<1us",), "expect": ("*:80 established",)}, None, "")
OWN = {
    ("analyze", "json"): schema, ("analyze", "ndjson"): event_schema, ("check", "json"): check_schema,
    ("check", "ndjson"): event_schema,
}  # fmt: skip


@cache
def report_of(name):
    return engine.analyze([str(DIRECTORY / f"{name}.pcap")])


def written(command, form, report):
    out = io.BytesIO()
    if command == "check":
        FORMATS[form].render_check(evaluate_rules(report, STRICT), out, Options())
    else:
        FORMATS[form].render(report, out, Options())
    return out.getvalue()


def check_sarif(data):
    """The schema, and what GitHub's code scanning needs beyond it (SARIF support for code scanning)."""
    document = json.loads(data)
    SARIF.validate(document)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert 0 < len(rule["shortDescription"]["text"]) <= 1024
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
        assert rule.get("name", "").lower() != rule["id"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result.get("kind", "fail") == "fail"
        assert result["level"] in ("error", "warning", "note")
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"]
        assert set(place["region"]) == {"startLine", "startColumn", "endLine", "endColumn"}
    marks = Counter(result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"])
    assert set(marks.values()) <= {1}
    return run


def check_junit(data):
    """The schema of Jenkins' xUnit plugin, and the names that GitLab needs to be unique."""
    root = etree.fromstring(data)
    JUNIT.assertValid(root)
    names = Counter((case.get("classname"), case.get("name")) for case in root.iter("testcase"))
    assert set(names.values()) <= {1}
    assert int(root.get("tests")) == sum(names.values())
    assert int(root.get("failures")) == len(root.findall(".//failure"))
    return root


@pytest.mark.wide_table
@pytest.mark.parametrize("command", ["analyze", "check"])
@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name, command):
    report = report_of(name)
    check_sarif(written(command, "sarif", report))
    check_junit(written(command, "junit", report))
    for form in ("json", "ndjson"):
        validator = own(command, form)
        data = written(command, form, report)
        for document in data.splitlines() if form == "ndjson" else [data]:
            validator.validate(json.loads(document))


@cache
def own(command, form):
    return jsonschema.Draft202012Validator(OWN[command, form]())


HOSTILE = "]]>\x00\x1b[31m<&\"'\n\ud800\ufffe"


def hostile():
    """Text that nobody means well with, and several findings about the same."""
    finding = Finding(
        "port-scan", "warning", HOSTILE, Target("2001:db8::1"), None, None, {"kind": "syn"}, Evidence(), HOSTILE
    )
    return reports.report(
        [], findings=[finding, finding], problems=[Problem("cut", HOSTILE)], sources=[f"/a b/{HOSTILE}.pcap"]
    )


def test_hostile_text():
    run = check_sarif(written("analyze", "sarif", hostile()))
    assert len(run["results"]) == 2
    root = check_junit(written("analyze", "junit", hostile()))
    names = [case.get("name") for case in root.iter("testcase")]
    assert names == ["port-scan 2001:db8::1 (syn)", "port-scan 2001:db8::1 (syn) #2"]
    check_sarif(written("check", "sarif", hostile()))
    check_junit(written("check", "junit", hostile()))


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("a.pcap", "a.pcap"),
        ("./a b/c#1.pcap", "a%20b/c%231.pcap"),
        ("a:b.pcap", "a%3Ab.pcap"),
        ("/srv/a.pcap", "file:///srv/a.pcap"),
        ("-", "stdin"),
        ("\udcff.pcap", "%FF.pcap"),
    ],
)
def test_a_source_is_a_uri(source, uri):
    run = check_sarif(written("analyze", "sarif", reports.report([], findings=hostile().findings, sources=[source])))
    assert run["artifacts"][0]["location"]["uri"] == uri
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_the_same_problem_of_another_time_has_the_same_fingerprint():
    def marks(name):
        run = check_sarif(written("analyze", "sarif", report_of(name)))
        return {each["ruleId"]: each["partialFingerprints"] for each in run["results"]}

    one, other = marks("accept-queue-overflow"), marks("accept-queue-overflow-gave-up")
    assert one["accept-queue-overflow"] == other["accept-queue-overflow"]
    assert one["accept-queue-overflow"] != marks("half-open-no-final-ack")["half-open"]


def test_uploads_of_two_commands_do_not_replace_each_other():
    ids = [
        check_sarif(written(c, "sarif", report_of("refused")))["automationDetails"]["id"] for c in ("analyze", "check")
    ]
    assert ids == ["hsi-analyze/", "hsi-check/"]


def test_rules_carry_the_pages_of_the_docs():
    run = check_sarif(written("analyze", "sarif", report_of("port-scan-connect")))
    (page,) = [rule["help"] for rule in run["tool"]["driver"]["rules"] if rule["id"] == "port-scan"]
    for part in ("**On the wire:**", "**Means:**", "**Do:**", "**Rule:**"):
        assert part in page["markdown"]
        assert part.strip("*") in page["text"]
    assert "](" not in page["markdown"]
    assert "`" not in page["text"]


def test_every_rule_of_a_check_is_explained():
    assert set(RULE_DOCS) == set(settings.KEYS) - {"profile", "ignore"} | {"command"}
    assert not set(RULE_DOCS) & set(FINDING_DOCS)
    assert set(CHECKS) > {"sarif", "junit"}
