"""What hsi says of the runs that `truth.py` made, against what the kernels, the applications and the path know.

`python tests/lab/compare.py OUT` prints every disagreement with what the path knows of it, and rates of agreement:

* `clean`: the path lost nothing of the connection and nothing was under way when the capture ended;
* `lossy`: segments were lost, so that both ends need not have seen what the capture holds;
* `cut`: segments were under way at the end.

Only the clean ones must agree; the others are candidates to be read by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if not any("site" in entry for entry in sys.path[:2]):  # an installed build in PYTHONPATH wins
    sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402

from handshake_inspect import engine  # noqa: E402

FIN, SYN, RST = 1, 2, 4
Json = dict[str, Any]
REFUSALS = {"ECONNREFUSED": {"refused", "rejected"}, "EHOSTUNREACH": {"rejected"}, "ENETUNREACH": {"rejected"},
            "EACCES": {"rejected"}, "ETIMEDOUT": {"timed-out", "half-open"}}  # fmt: skip


def condition(truth: Json) -> str:
    """How much the capture can know."""
    if truth["in_flight"]:
        return "cut"
    return "lossy" if any(not entry[6] for entry in truth["log"]) else "clean"


def is_captured(entry: list[Any], truth: Json, settings: Json) -> bool:
    """Whether the capture holds a segment: what arrives at its host or leaves it, or passes the middle."""
    _, source, *_, fates, seen = entry
    place = truth.get("turned", {}).get(settings["place"], settings["place"])
    return bool(seen) if place == "middle" else source == place or bool(fates)


def is_unheard(truth: Json, settings: Json, end: str) -> bool:
    """Whether an end sent a SYN, FIN or RST that was lost before the capture and came never again."""
    held, lost = set(), set()
    for entry in truth["log"]:
        flags, seq = entry[2], entry[3]
        if entry[1] == end and flags & (SYN | FIN | RST):
            (held if is_captured(entry, truth, settings) else lost).add((flags & (SYN | FIN | RST), seq))
    return bool(lost - held)


def is_believed_in_vain(truth: Json, settings: Json, end: str) -> bool:
    """Whether the last captured segment for an end, or a RST or FIN for it, was lost behind the capture."""
    for_it = [entry for entry in truth["log"] if entry[1] != end and is_captured(entry, truth, settings)]
    if for_it and not for_it[-1][6]:
        return True
    arrived = {(entry[2] & (SYN | FIN | RST), entry[3]) for entry in for_it if entry[6]}
    lost = {(entry[2] & (FIN | RST), entry[3]) for entry in for_it if not entry[6] and entry[2] & (FIN | RST)}
    return bool(lost - arrived)


def is_hidden(truth: Json, found: Json, end: str, settings: Json) -> bool:
    """What no capture can show.

    * What an end sent and the path lost before the capture, or what it was sent and the path lost behind it, unless
      a copy shows it.
    * A connect() that is cancelled, or given up early, without a word; SYN-ACKs that never left the host.
    * SYN cookies: the kernel forgets at once, and drops an ACK that finds the queue full in silence.
    * A FIN that waits behind data: the kernel counts it as sent when the application closes, so that its close may be
      simultaneous with one that crosses it on no wire.
    """
    true, said = truth["states"][end], found["state"][end]
    if is_unheard(truth, settings, end) or is_believed_in_vain(truth, settings, end):
        return True
    if (true, said) == ("TIME_WAIT", "CLOSED") and set(truth["states"].values()) == {"TIME_WAIT"}:
        return True
    if end == "client" and truth["error"] == "cancelled" and (true, said) == ("CLOSED", "SYN_SENT"):
        return True
    if truth["what"][0] == "DROP_OUT" and (true, said) == ("SYN_RECEIVED", "CLOSED"):
        return True
    if truth["what"][0] == "DEAF" and end == "client":
        return (true, said) in {("SYN_SENT", "ESTABLISHED"), ("CLOSED", "ESTABLISHED")}
    if truth["what"][0] == "DEFER" and end == "server" and (true, said) == ("SYN_RECEIVED", "ESTABLISHED"):
        return True
    if settings[f"{truth.get('turned', {}).get(end, end)}.tcp_fin_timeout"] < 60 and (true, said) == (
        "CLOSED",
        "FIN_WAIT_2",
    ):
        return True  # it runs out in silence
    early = truth["error"] == "ETIMEDOUT" or (truth["error"] == "never" and settings["client.tcp_syn_retries"] < 6)
    if early and end == "client" and (true, said) == ("CLOSED", "SYN_SENT"):
        return True  # it gave up earlier than most
    if truth["what"][0] == "DEAF" and end == "server" and (true, said) == ("CLOSED", "SYN_RECEIVED"):
        return True  # cookies of others, or few retries: nothing shows it
    cookies = settings["server.tcp_syncookies"]
    cookies = cookies == 2 or (cookies and truth["what"][0] in {"TINY", "LATE"})
    return bool(cookies) and end == "server" and true == "CLOSED" and said in {"SYN_RECEIVED", "ESTABLISHED"}


def turned(truth: Json) -> Json:
    """The truth with client and server exchanged."""
    other = {"client": "server", "server": "client"}
    swap = lambda by_end: {other[end]: value for end, value in by_end.items()}  # noqa: E731
    log = [[when, other[source], *rest] for when, source, *rest in truth["log"]]
    ends = {"client": truth["server"], "server": truth["client"]}
    return {
        **truth,
        **ends,
        "log": log,
        "turned": other,
        **{name: swap(truth[name]) for name in ("states", "received", "at_eof")},
    }


def judge(truth: Json, found: Json, settings: Json) -> Iterator[tuple[str, Any, Any]]:
    """Disagreements: what, the truth, what hsi says."""
    for end in ("client", "server"):
        if truth["states"][end] != found["state"][end] and not is_hidden(truth, found, end, settings):
            yield f"state.{end}", truth["states"][end], found["state"][end]
    outcome = found["outcome"]
    fast = truth["what"][0] == "FAST" and truth["error"] is not None  # accepted with the SYN, and the client never knew
    if truth["accepted"] and outcome != "established" and not fast:
        yield "outcome", "accepted", outcome
    waits = not truth["accepted"] and truth["states"]["server"] == "SYN_RECEIVED" and truth["what"][0] != "DEFER"
    if waits and not is_believed_in_vain(truth, settings, "server") and outcome == "established":
        yield "outcome", "server in SYN_RECEIVED", outcome
    if truth["states"]["server"] in {"ESTABLISHED", "CLOSE_WAIT"} and outcome != "established":
        yield "outcome", "server is " + truth["states"]["server"], outcome
    if truth["error"] in REFUSALS and outcome not in REFUSALS[truth["error"]] and not fast:
        yield "outcome", truth["error"], outcome
    lone = "simultaneous" not in truth["what"]  # else nobody asked that connect() what became of it
    if truth["error"] is None and lone and outcome in {"refused", "rejected", "timed-out", "pending"}:
        yield "outcome", "connected", outcome
    yield from measured(truth, found, settings)


def measured(truth: Json, found: Json, settings: Json) -> Iterator[tuple[str, Any, Any]]:
    """The handshake RTT and the bytes."""
    total = found["rtt"]["total"]
    if settings["place"] == "client" and truth["info"] and "simultaneous" not in truth["what"]:
        rtt, sent_once = truth["info"]["rtt_us"] * 1000, found["handshake"]["syn_count"] == 1
        if total["method"] == "exact" and sent_once and not rtt * 0.9 - 3e6 <= total["max_ns"] <= rtt + 300_000:
            yield "rtt", rtt, total
        path = 2 * settings["delay"] * 1e9
        if total["max_ns"] is not None and not settings["late"] and total["max_ns"] < path - 1e6:
            yield "rtt.max", path, total
        if total["min_ns"] is not None and not settings["late"] and total["min_ns"] > path + 30e6:
            yield "rtt.min", path, total
    for leg in ("synack", "ackdat", "total"):
        low, high = found["rtt"][leg]["min_ns"], found["rtt"][leg]["max_ns"]
        if (low is None) != (high is None) or (low is not None and not 0 <= low <= high):
            yield "rtt.bounds", leg, found["rtt"][leg]
    log = truth["log"]
    if all(len(entry[6]) == 1 for entry in log) and not truth["in_flight"]:
        for end, way in (("client", "client_to_server"), ("server", "server_to_client")):
            sent = sum(entry[5] for entry in log if entry[1] == end)
            if sent != found[way]["bytes"]:
                yield "bytes", (end, sent), found[way]["bytes"]
            starts = [(entry[3], entry[5], entry[2]) for entry in log if entry[1] == end and (entry[5] or entry[2] & 3)]
            again = len(starts) - len(set(starts))
            if again == 0 and found[way]["retransmissions"] and settings["late"] == 0:
                yield "retransmissions", (end, again), found[way]["retransmissions"]


def compare(file: Path, only: str | None = None) -> Iterator[tuple[str, Json, Json | None, list[tuple[str, Any, Any]]]]:
    """Every connection of one run, with its condition and the disagreements."""
    run = json.loads(file.read_text())
    report = engine.analyze([file.with_suffix(".pcap")])
    found: dict[Any, list[Json]] = defaultdict(list)
    for each in report.connections:
        one = msgspec.to_builtins(each)
        ends = [(one[end]["ip"], one[end]["port"]) for end in ("client", "server")]
        found[tuple(sorted(ends))].append(one)
    for truth in run["truths"]:
        seen = bool(truth["log"])
        those = found.get(tuple(sorted([tuple(truth["client"]), tuple(truth["server"])])), [])
        if not those:
            continue
        refused_both_ways = "simultaneous" in truth["what"] and {each["outcome"] for each in those} == {"refused"}
        if len(those) > 1 and not refused_both_ways:
            yield condition(truth), truth, those[-1], [("incarnations", 1, len(those))]
            continue
        if those[0]["client"]["port"] == truth["server"][1]:
            truth = turned(truth)  # noqa: PLW2901 - in a simultaneous open the first SYN of the capture names the client
        yield condition(truth), truth, those[0], list(judge(truth, those[0], run["settings"])) if seen else []


def story(truth: Json, settings: Json) -> Iterator[str]:
    """The connection as the path saw it."""
    isn: dict[str, int] = {}
    start = truth["log"][0][0] if truth["log"] else 0
    for when, source, flags, seq, ack, size, fates, seen in truth["log"][-400:]:
        other = "server" if source == "client" else "client"
        if flags & SYN:
            isn.setdefault(source, seq)
        letters = "".join(letter for bit, letter in zip((2, 1, 4, 8, 16), "SFRP.", strict=True) if flags & bit)
        fate = "LOST" if not fates else "" if fates == [0.0] else "+".join(f"{each:.3f}" for each in fates)
        hidden = "" if seen or settings["place"] != "middle" else " unseen"
        yield (
            f"   {when - start:8.4f} {source:6} {letters:4} seq {(seq - isn.get(source, 0)) & 0xFFFFFFFF:<10} "
            f"ack {(ack - isn.get(other, 0)) & 0xFFFFFFFF:<10} len {size:<6} {fate}{hidden}"
        )


def main() -> int:
    """Print rates and disagreements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--show", default="clean", help="conditions to show, joined by commas")
    parser.add_argument("--about", default="", help="only disagreements whose name begins so")
    parser.add_argument("--most", type=int, default=20)
    parser.add_argument("--seeds", default="")
    parser.add_argument("--place", default="")
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    wrong: Counter[tuple[str, ...]] = Counter()
    shown = 0
    for file in sorted(options.out.glob("[0-9]*.json")):
        if options.seeds and file.stem not in options.seeds.split(","):
            continue
        settings = json.loads(file.read_text())["settings"]
        if options.place and settings["place"] != options.place:
            continue
        for kind, truth, found, differences in compare(file):
            totals[kind] += 1
            totals[kind, "agree"] += not differences
            for what, true, said in differences:
                label = said if isinstance(said, str) else ""
                wrong[kind, what, str(true) if isinstance(true, str) else "", label] += 1
            picked = [each for each in differences if each[0].startswith(options.about)]
            if picked and kind in options.show.split(",") and shown < options.most and found:
                shown += 1
                print(f"\n## {file.stem} {settings['place']} {truth['client'][1]}>{truth['server'][1]} {kind} {picked}")
                print(f"   {truth['what']} error={truth['error']} accepted={truth['accepted']} {truth['info']}")
                print(f"   true {truth['states']}")
                print(f"   hsi  {found['state']} {found['outcome']} {found['cause']}: {found['why']}")
                changed = {name: value for name, value in settings.items() if "tcp_" in name}
                print(f"   {changed}")
                print("\n".join(list(story(truth, settings))[-14:]))
    print()
    for kind in ("clean", "lossy", "cut"):
        print(f"{kind:6} {totals[kind]:6} connections, agree {totals[kind, 'agree']}")
    for row, count in wrong.most_common():
        print(f"{count:6} {' '.join(row)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
