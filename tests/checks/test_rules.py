"""Rules: what they mean, and what is said of those that mean nothing."""

import pytest
from support import reports

from handshake_inspect.checks import patterns, settings
from handshake_inspect.checks.rule_results import evaluate_rules
from handshake_inspect.errors import UsageError
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.model import Endpoint, Problem

MS = 1_000_000
connection = reports.connection


def report(**capture):
    return reports.report(
        [
            *(connection(number, rtt_ns=(number + 1) * 10 * MS) for number in range(10)),
            connection(10, "refused", server=Endpoint("10.0.0.2", 81)),
            connection(11, "timed-out", server=Endpoint("2001:db8::2", 8443)),
            connection(12, "pending"),
        ],
        reports.troubled().findings,
        **capture,
    )


def check(what=None, **raw):
    return evaluate_rules(
        what or report(), settings.rules({key.replace("_", "-"): value for key, value in raw.items()})
    )


def last(checked):
    return checked.assertions[-1]


@pytest.mark.parametrize(
    ("raw", "passed", "value", "broken"),
    [
        ({"max_refused": "0"}, False, 1, [10]),
        ({"max_refused": "1"}, True, 1, []),
        ({"max_refused": 0}, False, 1, [10]),
        ({"max_refused": "8.3%"}, False, 1, [10]),
        ({"max_refused": "8.34%"}, True, 1, []),
        ({"max_timed_out": "0"}, False, 1, [11]),
        ({"max_timed_out": "10.0.0.0/8 0"}, True, 0, []),
        ({"max_refused": "*:80-82 50%"}, False, 1, [10]),
        ({"max_half_open": "0"}, True, 0, []),
        ({"max_failed": "1"}, False, 2, [10, 11]),
        ({"max_failed": "*:81 1"}, True, 1, []),
        ({"max_retransmitted": "0"}, False, 1, [11]),
        ({"max_rtt": "100.035ms"}, True, 100_035_000, []),
        ({"max_rtt": "10.0.0.2:443 90ms"}, False, 100_035_000, [9, 8]),
        ({"max_p50": "50ms"}, False, 50_035_000, [9, 8, 7, 6, 5, 4]),
        ({"max_p99": "1s"}, True, 100_035_000, []),
        ({"rtt": "total.p50<51ms"}, True, 50_035_000, []),
        ({"rtt": "total.median<50ms"}, False, 50_035_000, [9, 8, 7, 6, 5, 4]),  # the slowest first
        ({"rtt": "total.max <= 100.035 ms"}, True, 100_035_000, []),
        ({"rtt": "total.max<100.035ms"}, False, 100_035_000, [9]),
        ({"rtt": "synack.min<5ms"}, False, 10_000_000, list(range(9, -1, -1))),
        ({"rtt": "10.0.0.2:443 ackdat.p99.9<1ms"}, True, 35_000, []),
        ({"rtt": "10.0.0.2:81 total.p95<1s"}, False, None, []),
        ({"expect": "10.0.0.2:443 established"}, True, 10, []),
        ({"expect": "10.0.0.2:443 established 11"}, False, 10, []),
        ({"expect": "10.0.0.2:443 established 10"}, True, 10, []),
        ({"expect": "10.0.0.2:443 established 2..9"}, False, 10, list(range(10))),
        ({"expect": "10.0.0.2 established all"}, False, 10, [10]),
        ({"expect": "10.0.0.2:443 established all"}, True, 10, []),
        ({"expect": "*:80,81 refused|rejected 1..1"}, True, 1, []),
        ({"expect": "[2001:db8::]/32:8443 timed-out"}, None, None, None),
        ({"expect": "[2001:db8::/32]:8000-9000 timed-out >=1"}, True, 1, []),
        ({"expect": "* refused none"}, False, 1, [10]),
        ({"expect": "10.9.9.9:1 established"}, False, 0, []),
        ({"no_finding": "syn-flood"}, True, 0, []),
        ({"no_finding": ["accept-queue-overflow"]}, False, 1, []),
        ({"fail_on": "critical"}, True, 0, []),
        ({"fail_on": "warning"}, False, 1, []),  # as severe as the finding is
        ({"fail_on": "info"}, False, 1, []),
        ({"min_connections": 12}, True, 12, []),
        ({"min_connections": 13}, False, 12, []),
        ({"undecided": "fail"}, False, 1, [12]),
    ],
)
def test_what_rules_measure(raw, passed, value, broken):
    if passed is None:
        with pytest.raises(UsageError):
            check(**raw)
        return
    checked = check(**raw)
    each = last(checked)
    assert (each.status == "passed", each.value) == (passed, value)
    assert [breach.id for breach in each.breaches] == broken
    assert checked.passed == passed


def test_undecided_connections_are_a_class_of_their_own():
    checked = check(max_refused="9")
    assert (checked.connections, checked.undecided) == (13, 1)
    assert "1 of 12 connections (8.3 %)" in last(checked).measured
    assert "1 connection is undecided" in checked.notes[0]
    only = reports.report([connection(0, "pending")])
    assert not check(only).passed
    assert last(check(only, expect="10.0.0.2:443 established")).measured == "0 of 0 connections (1 more undecided)"


def test_an_empty_capture_fails():
    assert not check(reports.empty()).passed
    assert check(reports.empty(), min_connections=0).passed


def test_what_is_ignored_is_out_of_everything():
    checked = check(ignore=["outcome == refused", "id == 99"], max_refused="0", fail_on="warning")
    assert (checked.ignored, checked.assertions[1].status) == (1, "passed")
    assert checked.notes[0] == "ignore id == 99: matches no connection"
    assert check(ignore="server.port == 443", no_finding="accept-queue-overflow").passed
    assert not check(ignore="server.port == 99", no_finding="accept-queue-overflow").passed


def test_a_rule_that_matches_nothing_says_so():
    checked = check(max_refused="10.9.9.9:80 0")
    assert checked.passed
    assert "max-refused 10.9.9.9:80 0: matches no connection" in checked.notes
    assert "rtt 10.0.0.2:81 total.p95<1s: no RTT was measured" in check(rtt="10.0.0.2:81 total.p95<1s").notes


def test_no_rules_say_so():
    assert any("--profile smoke" in note for note in check().notes)
    assert not any("--profile" in note for note in check(max_refused="0").notes)


def test_strict_is_about_the_capture():
    assert check(strict=True).passed
    cut = report(complete=False, problems=[Problem("cut", "the file ends inside a frame")], dropped_by_kernel=12)
    each = last(check(cut, strict=True))
    assert each.measured == "the file ends inside a frame; 12 frames were dropped while capturing"
    assert each.status == "failed"
    assert check(cut, strict=False).passed


def test_connections_that_broke_a_rule_are_listed_up_to_a_limit():
    checked = evaluate_rules(reports.troubled(), settings.rules({"expect": "* midstream none"}), max_breaches=2)
    each = last(checked)
    assert (each.broken, len(each.breaches)) == (5, 2)
    breach = each.breaches[0]
    assert breach.name == f"#{breach.id} 10.0.0.1:40067 > 192.168.100.200:443 (frames 604, 605)"
    assert breach.why == "The capture begins after the connection was opened."


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"max_refused": "many"}, "max-refused: 'many' is neither a number nor a percentage"),
        ({"max_refused": "101%"}, "neither"),
        ({"max_refused": "1.5"}, "neither"),
        ({"max_refused": "host:80 1"}, "'host:80' is not a server"),
        ({"max_refused": "10.0.0.1:http 1"}, "'http' are not ports"),
        ({"max_refused": "10.0.0.1:90-80 1"}, "90-80 is not a range"),
        ({"max_refused": "10.0.0.1:65536 1"}, "65536 is not a range"),
        ({"max_refused": True}, "True is not a valid rule"),
        ({"rtt": "total.p95"}, "is not a valid rule: write leg.statistic<limit"),
        ({"rtt": "total.p0<1ms"}, "a percentile is above 0"),
        ({"rtt": "total.p95<1"}, "is not a valid rule"),
        ({"rtt": "total.p95<1 parsec"}, "is not a duration"),
        ({"expect": "10.0.0.2:443"}, "write server, outcome and count"),
        ({"expect": "10.0.0.2:443 happy"}, "no outcome happy"),
        ({"expect": "10.0.0.2:443 refused 3..1"}, "ends before it begins"),
        ({"no_finding": "flood"}, "there is no finding 'flood'"),
        ({"fail_on": "bad"}, "is not a severity"),
        ({"min_connections": -1}, "is not a number of connections"),
        ({"strict": "yes"}, "neither true nor false"),
        ({"undecided": "maybe"}, "neither fail nor ignore"),
        ({"ignore": "outcom == 1"}, "ignore: no field outcom"),
        ({"profile": "lax"}, "no profile 'lax'"),
    ],
)
def test_unusable_rules(raw, message):
    with pytest.raises(UsageError) as caught:
        check(**raw)
    assert message in str(caught.value)


def test_options_win_over_the_file_and_the_file_over_the_profile():
    file = {"profile": "smoke", "max-refused": "5%", "rtt": ["total.p95<1s", "synack.max<1s"]}
    rules = settings.rules({"rtt": ("total.p50<1ms",)}, file, "hsi.toml")
    assert [rule.text for rule in rules.rtt] == ["rtt total.p50<1ms"]
    assert rules.count_limits[0].text == "max-refused 5%"
    assert rules.count_limits[1].text == "max-rejected 0"
    assert rules.fail_on == "critical"
    with pytest.raises(UsageError, match=r"^hsi.toml: max-refused: 'x' is neither"):
        settings.rules({}, {"max-refused": "x"}, "hsi.toml")
    with pytest.raises(UsageError, match=r"^max-refused: 'y' is neither"):
        settings.rules({"max-refused": "y"}, {"max-refused": "x"}, "hsi.toml")


def test_rules_are_found_in_files(tmp_path):
    assert settings.found(tmp_path) is None
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "x"\n')
    assert settings.found(tmp_path) is None
    project.write_text('[tool.hsi]\nmax-refused = "1%"\n')
    assert settings.found(tmp_path) == project
    assert settings.read(project) == {"max-refused": "1%"}
    (tmp_path / "hsi.toml").write_text("strict = true\n")
    assert settings.found(tmp_path) == tmp_path / "hsi.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [("max-refusd = 1", "did you mean max-refused"), ("= 1", "not valid TOML"), ("\xff", "not valid TOML")],
)
def test_unusable_files(tmp_path, text, message):
    file = tmp_path / "hsi.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=message):
        settings.read(file)
    with pytest.raises(UsageError, match="No such file"):
        settings.read(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("10.0.0.2", [*range(11), 12]),
        ("10.0.0.2:443", [*range(10), 12]),
        ("10.0.0.0/24:81,443", [*range(11), 12]),
        ("*:{80..82}", [10]),
        ("2001:db8::2", [11]),
        ("[2001:db8::2]:8443", [11]),
        ("[2001:db8::/32]", [11]),
        ("*", list(range(13))),
        ("*:*", list(range(13))),
    ],
)
def test_patterns(pattern, ids):
    assert patterns.server(pattern).mask(Columns(report().connections)).nonzero()[0].tolist() == ids


def test_a_limit_is_shown_as_it_was_typed_and_each_offender_with_its_value():
    each = last(check(max_p95="40650 us"))
    assert each.allowed == "at most 40650 us"
    assert [breach.value for breach in each.breaches][:2] == [100_035_000, 90_035_000]
    assert last(check(max_refused="0")).breaches[0].value is None


@pytest.mark.parametrize("text", ["50", "p95<50ms", "fast", "0.3ns"])
def test_a_short_form_takes_a_time(text):
    with pytest.raises(UsageError, match="max-p95"):
        check(max_p95=text)
