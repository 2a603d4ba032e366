"""docs/verdicts.md explains every word that a verdict can use, once, and states the thresholds that the code has."""

import re
import typing
from pathlib import Path

import pytest

from handshake_inspect.report import words
from handshake_inspect.tcp import facts
from handshake_inspect.tcp.facts import DEAD_PROBES, DEAD_REPEATS, PAUSE_NS, SHORT
from handshake_inspect.verdicts import (
    backoff,
    cookies,
    dropped_acks,
    flag_filter,
    listeners,
    outcome,
    packet_sizes,
    refusals,
    resets,
    silence,
    unanswered,
    unsolicited,
)
from handshake_inspect.verdicts.findings import (
    accept_queue,
    base,
    blocked_segments,
    capture_quality,
    carpet,
    connection_churn,
    dead_address,
    early_reset,
    ended_idle,
    expired_services,
    flood_signs,
    flooding,
    idle_timeout,
    keep_alive_race,
    lookup_failed,
    nagle_stall,
    no_scan,
    port_scan,
    predictable_isn,
    quic_blocked,
    quic_extra_trip,
    reflection,
    rollups,
    slow_handshake,
    slow_lookup,
    stale_peer,
    stalled,
    stray_flood,
    suspects,
    syn_cookies,
    syn_flood,
    syn_retransmission,
    time_wait,
    tls_extra_round_trip,
    tls_no_resumption,
    tls_old_version,
    tls_slow,
)
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.quic import races
from handshake_inspect.verdicts.words import CAUSES, ICMP_CAUSES, ICMP_OTHER

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "verdicts.md").read_text()
FINDINGS = typing.get_args(words.FindingId)
BY_ICMP = {*ICMP_CAUSES.values(), ICMP_OTHER}
WORDS = {*words.OUTCOMES, *filter(None, CAUSES), *FINDINGS}
HEADINGS = re.findall(r"^#{3,} (.+)$", PAGE, re.MULTILINE)
SECTIONS = {
    heading.strip("`"): body
    for heading, body in re.findall(r"^#{2,} (.+)\n((?:(?!^## |^###).*\n?)*)", PAGE, re.MULTILINE)
}
SECOND = 1_000_000_000
MS = 1_000_000


def anchor(heading: str) -> str:
    """As code hosts make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_causes_are_those_that_are_given():
    """What no rule gives needs no word, and no explanation."""
    source = Path(outcome.__file__).read_text() + Path(unanswered.__file__).read_text()
    given = set(re.findall(r'CAUSE\["([a-z-]+)"\]', source)) | BY_ICMP
    assert given == set(filter(None, CAUSES))


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_has_its_section(word):
    assert HEADINGS.count(f"`{word}`") == 1


def test_no_section_explains_what_is_never_reported():
    assert {heading.strip("`") for heading in HEADINGS} <= WORDS


@pytest.mark.parametrize("word", sorted(WORDS))
def test_links_lead_to_the_section(word):
    assert [anchor(heading) for heading in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)].count(word) == 1


@pytest.mark.parametrize("word", sorted(WORDS - BY_ICMP))
def test_a_section_says_what_is_seen_meant_confused_and_done(word):
    for part in ("On the wire:", "Means:", "Looks alike", "Do:"):
        assert f"**{part}" in SECTIONS[word], part


@pytest.mark.parametrize("word", sorted(BY_ICMP))
def test_an_icmp_error_is_explained(word):
    assert len(SECTIONS[word].split()) > 10


@pytest.mark.parametrize("word", sorted(set(FINDINGS) - set(words.OUTCOMES)))
def test_a_finding_has_its_rule(word):
    assert "**Rule:**" in SECTIONS[word]


@pytest.mark.parametrize("word", sorted(set(FINDINGS) & set(words.OUTCOMES)))
def test_an_outcome_that_is_a_finding_leads_to_its_rule(word):
    assert "(#failures-by-reason)" in SECTIONS[word]
    assert f"(#{word})" in SECTIONS["Failures by reason"]


def test_all_sections_were_read():
    assert set(SECTIONS) > WORDS


LIMITS = Limits()

THRESHOLDS = [
    ("How sure hsi is", f"less than {LIMITS.unanswered_ns // SECOND} s (`--timeout`)"),
    ("How sure hsi is", f"{outcome.OVERDUE:g} times the last gap"),
    ("timed-out", f"from {LIMITS.unanswered_ns // SECOND} s (`--timeout`)"),
    ("refused-while-serving", f"within {refusals.AROUND_NS // SECOND} s before and after"),
    ("refused-while-serving", f"at least {refusals.RUNS} separate runs"),
    ("accept-queue-overflow", f"repeated at least {accept_queue.MIN_REPEATS} times after"),
    ("accept-queue-overflow", f"its data {accept_queue.MIN_UNTAKEN} times without an acknowledgment"),
    ("accept-queue-overflow", f"within {listeners.FIRST_RTO_NS // SECOND} s"),
    ("final-ack-lost", f"at least {listeners.SEVERAL} such listeners"),
    ("final-ack-lost", f"no SYN-ACK again for {listeners.QUIET_NS // SECOND} s"),
    ("address-conflict", f"within {facts.UNSEEN_SYN_NS // MS} ms"),
    ("address-conflict", f"more than {facts.RST_OVERTAKEN_NS // MS} ms after"),
    ("accept-queue-overflow", f"from {accept_queue.MANY} connections"),
    ("dead-peer", f"{DEAD_PROBES} and the RST do"),
    ("dead-peer", f"at most {SHORT} bytes that was repeated {DEAD_REPEATS} times"),
    ("stalled", f"repeated {silence.REPEATS} times or more over {silence.REPEATED_NS // SECOND} s"),
    ("stalled", f"or {silence.PROBES} keep-alives or more"),
    ("stalled", f"from {stalled.MANY} connections"),
    ("path-mtu", f"repeated {silence.REPEATS} times or more over {silence.REPEATED_NS // SECOND} s or longer (or"),
    ("path-mtu", f"repeated {blocked_segments.REPEATS} times or more over {blocked_segments.REPEATED_NS // SECOND} s"),
    ("path-mtu", f"{packet_sizes.LEAST[4]} bytes ({packet_sizes.LEAST[6]} for IPv6)"),
    ("path-mtu", f"a pause of {blocked_segments.IDLE_NS // SECOND} s"),
    ("idle-timeout", f"at least {idle_timeout.LEAST} RSTs"),
    ("idle-timeout", f"pauses of {PAUSE_NS // SECOND} s or more that agree within {idle_timeout.AGREE:.0%}"),
    ("idle-timeout", f"at least {idle_timeout.SHARE:.0%}"),
    ("idle-timeout", f"more than {idle_timeout.APART:.0%} apart"),
    ("idle-timeout", f"a pause of {ended_idle.IDLE_NS // SECOND} s"),
    ("keep-alive-race", f"at least {keep_alive_race.LEAST} connections"),
    ("keep-alive-race", f"at least {keep_alive_race.LEAST_SHARE:.0%}"),
    ("backscatter", f"at least {unsolicited.MIN_ADDRESSES} addresses"),
    ("syn-flood", f"or {flood_signs.IMPOSSIBLE:.0%} of them or more come from"),
    ("Failures by reason", f"{rollups.DOWN} attempts or more"),
    ("Failures by reason", f"lists up to {rollups.PORTS},"),
    ("Failures by reason", f"less than {rollups.NOISE:.0%}"),
    ("Failures by reason", f"{rollups.MANY:.0%} or more failed so"),
    ("Findings", f"at most {base.MAX_LISTED} are listed"),
    ("syn-flood", f"one in {flooding.ATTEMPTS_PER_COMPLETED}"),
    ("syn-flood", f"least {flooding.MIN_ATTEMPTS} attempts"),
    ("syn-flood", f"{flooding.MIN_UNFINISHED} of them stood unfinished"),
    ("syn-flood", f"{flooding.MIN_SHARE:.0%} of all attempts"),
    ("syn-flood", f"older than {flooding.RETRY_NS / SECOND:g} s"),
    ("syn-flood", f"{flood_signs.MANY_SOURCES} sources or more"),
    ("syn-flood", f"at most {flooding.MAX_RETRANSMITTED:.0%} as many"),
    ("syn-flood", f"{carpet.MIN_CARPET_HOSTS} hosts or more of a /{carpet.IPV4_BITS}"),
    ("syn-flood", f"asked {carpet.ATTEMPTS_PER_HOST} times"),
    ("syn-flood", f"when {syn_flood.UNHARMED:.0%} of the legitimate clients"),
    ("tls-old-version", f"chooses TLS 1.{tls_old_version.NEWEST_OLD - 0x301} or older"),
    (
        "accept-queue-overflow",
        f"repeated {dropped_acks.REPEATS} times or more, for {dropped_acks.REPEATED_NS // SECOND} s or",
    ),
    ("accept-queue-overflow", f"where {dropped_acks.CLIENTS} clients or more wait"),
    ("syn-cookies", f"to {cookies.SLACK_MS:g} ms"),
    ("syn-cookies", f"least {cookies.MIN_AGREEING} values and {cookies.MOSTLY:.0%}"),
    ("syn-cookies", f"1 in {1 / cookies.MAX_CHANCE:g} or less"),
    ("syn-cookies", f"at least {syn_cookies.MIN_LOAD} half-open"),
    ("syn-cookies", f"older than {syn_cookies.REPEATS_NS / SECOND:g} s, {syn_cookies.MIN_LOAD} or more"),
    ("syn-cookies", f"and {syn_cookies.MIN_SHARE:.0%} or more"),
    ("port-scan", f"at least {suspects.MIN_PORTS} ports"),
    ("port-scan", f"at least {suspects.MIN_HOSTS} hosts"),
    ("port-scan", f"at most {suspects.MAX_TRIES} attempts"),
    ("port-scan", f"{suspects.FEW_PORTS} ports are enough"),
    ("port-scan", f"and {suspects.FEW_ODD} are of FIN"),
    ("port-scan", f"at most {no_scan.MAX_USED:.0%}"),
    ("port-scan", f"where {no_scan.MAX_USED_PEERS:.0%} are enough"),
    ("port-scan", f"more than {no_scan.AGAIN_NS // SECOND} s later"),
    ("port-scan", f"to {no_scan.MAX_JITTER:.0%}"),
    ("port-scan", f"port {no_scan.UNPRIVILEGED} and above"),
    ("port-scan", f"at most {expired_services.GREETING} bytes"),
    ("syn-retransmission", f"{syn_retransmission.LEAST_DELAY_NS // MS} ms or more after"),
    ("syn-retransmission", f"from {syn_retransmission.MANY} delayed connects"),
    ("syn-retransmission", f"{syn_retransmission.SHARE:.0%} of the service's"),
    ("syn-retransmission", f"{backoff.TIMER_SLACK:.0%} off (and {backoff.TIMER_SLACK_NS // MS} ms)"),
    ("syn-retransmission", f"below {backoff.RAW_SOCKET_NS / SECOND:g} s is no kernel's: `{backoff.RAW_SOCKET}`"),
    ("slow-handshake", f"at least {slow_handshake.LEAST} measured"),
    ("slow-handshake", f"more than {slow_handshake.FACTOR} times its median"),
    ("slow-handshake", f"more than {slow_handshake.LEAST_EXCESS_NS // MS} ms above"),
    ("slow-handshake", f"more than {slow_handshake.DEVIATIONS} median absolute"),
    ("slow-handshake", f"more than {slow_handshake.MOST:.0%} are slow"),
    ("slow-handshake", f"from {slow_handshake.MANY} outliers"),
    ("slow-handshake", f"{slow_handshake.SHARE:.0%} or more of the handshakes"),
    ("slow-client-ack", f"{slow_handshake.FACTOR} times faster"),
    ("slow-client-ack", f"more than {slow_handshake.ANY_PATH_NS / SECOND:g} s"),
    ("rst-injection", f"off by more than {resets.HOPS_SLACK},"),
    ("rst-injection", f"(of {resets.KNOWN_RTTS} or more)"),
    ("rst-injection", f"more than {resets.TOO_SOON_NS // MS} ms sooner"),
    ("rst-injection", f"more than {resets.IP_ID_FAR} away"),
    ("lookup-failed", f"within {lookup_failed.SOON_NS // SECOND} s"),
    ("lookup-failed", f"from {lookup_failed.SILENCE_NS // SECOND} s on"),
    ("slow-lookup", f"{slow_lookup.SLOW_NS // MS} ms or more over {slow_lookup.LEAST} lookups"),
    ("slow-lookup", f"{slow_lookup.REPEATED_NS / SECOND:g} s or later"),
    ("quic-blocked", f"{quic_blocked.LEAST_INITIALS} datagrams or more"),
    ("quic-blocked", f"with {quic_blocked.SERVERS} services or more"),
    ("quic-blocked", f"began within {races.TOGETHER_NS // SECOND} s was established"),
    ("quic-version-negotiation", f"in {quic_extra_trip.SHARE:.0%} or more of {quic_extra_trip.LEAST} connections"),
    ("quic-retry", f"in {quic_extra_trip.SHARE:.0%} or more of {quic_extra_trip.LEAST} connections"),
    ("dead-address", f"one with {dead_address.TRIES} attempts or more"),
    ("early-reset", f"from {early_reset.LEAST} connections and {early_reset.SHARE:.0%}"),
    ("early-reset", f"from {early_reset.MANY} and {early_reset.MOST_OF_THEM:.0%}"),
    ("early-reset", f"{early_reset.ONE_WAY_NS // SECOND} s or more later"),
    ("early-reset", f"open for {early_reset.FORGOTTEN_NS // SECOND} s or more"),
    ("stale-peer", f"from {stale_peer.MANY} connections"),
    ("port-reuse", f"{LIMITS.time_wait_ns // SECOND} s (`--time-wait`)"),
    ("time-wait-pressure", f"`--time-wait`, {LIMITS.time_wait_ns // SECOND} s"),
    ("time-wait-pressure", f"{time_wait.EPHEMERAL_PORTS} ephemeral ports"),
    ("time-wait-pressure", f"from {time_wait.NOTABLE:.0%}, `warning` from {time_wait.HIGH:.0%}"),
    ("time-wait-pressure", f"`critical` from {time_wait.FULL:.0%}"),
    ("tls-slow-server", f"{tls_slow.SLOW_NS // MS} ms or more, and no less than"),
    ("tls-slow-server", f"in {tls_slow.LEAST} handshakes or more of a service"),
    ("tls-slow-client", f"is {tls_slow.SLOW_NS // MS} ms or more in {tls_slow.LEAST} handshakes or more"),
    ("tls-extra-round-trip", f"median cost is {tls_extra_round_trip.COSTLY_NS // MS} ms or more"),
    (
        "tls-extra-round-trip",
        f"{tls_extra_round_trip.SHARE:.0%} or more of {tls_extra_round_trip.LEAST} handshakes or more",
    ),
    ("nagle-stall", f"in {nagle_stall.SHARE:.0%} or more of {nagle_stall.LEAST} connections or more"),
    ("tls-no-resumption", f"at least {tls_no_resumption.LEAST} full handshakes"),
    ("tls-no-resumption", f"within {tls_no_resumption.WITHIN_NS // (3600 * SECOND)} h"),
    ("connection-churn", f"least {connection_churn.LEAST} connections"),
    ("connection-churn", f"less than {connection_churn.SHORT_NS // SECOND} s"),
    ("connection-churn", f"within {connection_churn.PAUSE_NS // SECOND} s"),
    ("connection-churn", f"{connection_churn.SAVED:.0%} of the handshakes"),
    (
        "connection-churn",
        f"{connection_churn.STEADY:.0%} of the times between beginnings agree to {connection_churn.MAX_JITTER:.0%}",
    ),
    ("connection-churn", f"at least {connection_churn.LEAST_EVERY_NS // SECOND} s"),
    ("connection-churn", f"at most {connection_churn.MAX_GUESS_BYTES} bytes"),
    ("connection-churn", f"less than {connection_churn.QUICK_NS // MS} ms in the mean"),
    ("connection-churn", f"less than {connection_churn.SMALL_SHARE:.0%} of the time"),
    ("connection-churn", f"back within {connection_churn.AT_ONCE_NS // SECOND} s"),
    ("reflection", f"at least {reflection.MIN_RESPONDERS} hosts"),
    ("rst-flood", f"at least {stray_flood.ONE_TTL:.0%} have the same one"),
    ("rst-flood", f"at least {stray_flood.ODD_TTLS:.0%} would be more than {stray_flood.LONGEST_WAY} hops away"),
    ("ack-flood", f"{stray_flood.MIN_SOURCES} unknown sources or more within {stray_flood.WITHIN_NS // SECOND} s"),
    ("predictable-isn", f"at least {predictable_isn.LEAST} ISNs"),
    ("predictable-isn", f"{predictable_isn.MOST:.0%} repeat"),
    ("predictable-isn", f"less than {predictable_isn.SMALL_STEP} each"),
    ("capture-quality", f"{flag_filter.MIN_FORGED} attempts or more look forged"),
    ("capture-quality", f"unless the client sent it {flag_filter.MIN_SYNS} times"),
    ("capture-quality", f"how {capture_quality.FEW_FILTERED} attempts or more went on"),
    ("capture-quality", f"for {capture_quality.ONE_SIDED:.0%} of the connections"),
    ("capture-quality", f"{capture_quality.DUPLICATED:.0%} of the segments"),
    ("capture-quality", f"acknowledgment on {capture_quality.STORED_LATE:.0%} of the connections"),
    ("capture-quality", f"at least {capture_quality.FEW_DUPLICATES} |"),
]


@pytest.mark.parametrize(("section", "text"), THRESHOLDS)
def test_thresholds_are_those_of_the_code(section, text):
    """A changed constant changes the text that is looked for."""
    said = " ".join(SECTIONS[section].split())
    assert text.replace("%", " %") in said


def test_every_way_to_repeat_a_syn_is_listed():
    rows = re.findall(r"^\| `([a-z0-9.-]+)` \| ([\d ]+) \| (\d+) s \|$", SECTIONS["syn-retransmission"], re.MULTILINE)
    said = {name: (tuple(map(int, gaps.split())), int(end)) for name, gaps, end in rows}
    assert said == {each.name: (each.gaps, each.gives_up_s) for each in backoff.PROFILES}


def test_losses_are_named_as_in_the_metrics():
    assert all(f"`{name}`" in SECTIONS["syn-retransmission"] for name in syn_retransmission.LOSSES)


def test_kinds_of_scan_and_of_trouble_with_captures_are_named():
    words = (*port_scan.SCAN_WORDS, "connect", "vertical", "horizontal")
    assert all(f"`{word}`" in SECTIONS["port-scan"] for word in words)
    kinds = re.findall(r'yield quality\(\s*case,\s*"([a-z-]+)"', Path(capture_quality.__file__).read_text())
    said = re.findall(r"^\| `([a-z-]+)` \|", SECTIONS["capture-quality"], re.MULTILINE)
    assert len(kinds) > 5
    assert sorted(said) == sorted([*kinds, "kind"])


EXAMPLES = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_examples_fit_a_terminal():
    assert len(EXAMPLES) > 15
    assert all(len(line) <= 100 for example in EXAMPLES for line in example.splitlines())


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_times_of_examples_ascend(example):
    times = [float(time) for time in re.findall(r"^(\d+\.\d+) ", example, re.MULTILINE)]
    assert times == sorted(times)
