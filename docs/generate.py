"""Write the parts of the docs that are printed from the code: `python docs/generate.py`; `--check` only compares.

And the other way: what docs/verdicts.md says of outcomes, causes and findings, for `hsi help` and SARIF.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


def help_texts() -> str:
    """Every command's own help, the command itself first."""
    return "\n".join(
        f"## `{' '.join(path)}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
        for path, command, context in commands()
    )


def commands() -> Iterator[tuple[tuple[str, ...], "click.Command", "click.Context"]]:  # noqa: F821
    """Walk the tree of commands: the words to type, the command, a context that formats for 80 columns."""
    import click  # noqa: PLC0415

    from handshake_inspect.cli import hsi  # noqa: PLC0415

    def walk(path: tuple[str, ...], command: click.Command, parent: click.Context | None) -> Iterator[tuple]:
        looks = command.context_settings | {"terminal_width": 80, "color": False}
        context = click.Context(command, info_name=path[-1], parent=parent, **looks)
        yield path, command, context
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                yield from walk((*path, name), command.get_command(context, name), context)

    return walk(("hsi",), hsi, None)


def state_diagram() -> str:
    """RFC 9293's state machine as hsi has it, for a Markdown reader that draws Mermaid."""
    from handshake_inspect.tcp.transitions import diagram  # noqa: PLC0415

    return f"```mermaid\n{diagram().rstrip()}\n```\n"


def _table(rows: dict) -> str:
    def words(name: str) -> str:
        return name.lower().replace("_", " ").replace("syn ack", "SYN-ACK").replace("ack", "ACK").replace("syn", "SYN")

    lines = ["| state | event | next state |", "|---|---|---|"]
    for (event, state), after in sorted(rows.items(), key=lambda row: (row[0][1], row[0][0])):
        shown = words(event.name)
        for flag in ("fin", "rst", "msl"):
            shown = re.sub(rf"\b{flag}\b", flag.upper(), shown)
        lines.append(f"| `{state.name}` | {shown} | `{after.name}` |")
    return "\n".join(lines) + "\n"


def transition_table() -> str:
    """Every row of the table but those of RST, which say the same for all states."""
    from handshake_inspect.tcp.transitions import TRANSITIONS, Event  # noqa: PLC0415

    resets = {Event.SENT_RST, Event.GOT_RST}
    return _table({key: after for key, after in TRANSITIONS.items() if key[0] not in resets})


def second_thoughts() -> str:
    """List the rows that take a belief back."""
    from handshake_inspect.tcp.transitions import WITHDRAWN  # noqa: PLC0415

    return _table(WITHDRAWN)


def icmp_causes() -> str:
    """List what ICMP errors are called."""
    from handshake_inspect.verdicts.words import ICMP_CAUSES  # noqa: PLC0415

    lines = ["| `cause` | ICMP type, code | ICMPv6 type, code |", "|---|---|---|"]
    for cause in dict.fromkeys(ICMP_CAUSES.values()):
        cells = [
            "; ".join(
                f"{kind}, {code}" for (ip, kind, code), name in ICMP_CAUSES.items() if (ip, name) == (version, cause)
            )
            for version in (4, 6)
        ]
        lines.append(f"| `{cause}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def field_table() -> str:
    """List the fields of a connection."""
    from handshake_inspect.report.fields import fields  # noqa: PLC0415

    lines = ["| field | type | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{field.name}` | {field.kind} | {field.unit} | {field.help} |" for field in fields().values()]
    return "\n".join(lines) + "\n"


def host_evidence() -> str:
    """List what findings know of the capturing host."""
    from handshake_inspect.verdicts.findings import KINDS  # noqa: PLC0415

    lines = ["| finding | this host is | where it says | counters | settings |", "|---|---|---|---|---|"]
    for role, evidence in (("its target", "at_target"), ("its clients", "at_client")):
        for name, each in ((kind.id, each) for kind in KINDS.values() for each in getattr(kind, evidence)):
            cells = [", ".join(f"`{key}`" for key in keys) for keys in (each.causes, each.counters, each.settings)]
            lines.append(f"| [`{name}`](#{name}) | {role} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """List every metric of every kind of finding."""
    from handshake_inspect.report.schema import UNITS  # noqa: PLC0415
    from handshake_inspect.verdicts.findings import KINDS  # noqa: PLC0415

    def rows(declared: dict, within: str = "") -> Iterator[str]:
        for name, metric in declared.items():
            meaning = " ".join(filter(None, (metric.meaning, UNITS[metric.unit])))
            yield f"| `{within}{name}` | {type_words(metric.type)} | {meaning} |"
            yield from rows(metric.keys or {}, f"{within}{name}.")

    head = ["| metric | type | meaning |", "|---|---|---|"]
    sections = ((f"## [`{kind.id}`](verdicts.md#{kind.id})", kind.metrics) for kind in KINDS.values())
    return "\n".join("\n".join([heading, "", *head, *rows(declared), ""]) for heading, declared in sections)


def type_words(annotation: object) -> str:
    """The type of a metric, in JSON's words."""
    text = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    text = re.sub(r"dict\[str, (?:typing\.)?Any]", "object", text)
    for python, word in {
        "dict[str, ": "object of [", "list[": "array of [", "[": "", "]": "", " | ": " or ", "None": "null",
        "int": "integer", "float": "number", "str": "string", "bool": "true or false",
    }.items():  # fmt: skip
        text = text.replace(python, word)
    return text


def python_api() -> str:
    """The public names of the library."""
    return beside("api").page()


def beside(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    spec = spec_from_file_location(f"hsi_docs_{name}", Path(__file__).with_name(f"{name}.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BLOCKS: dict[str, Callable[[], str]] = {
    "help": help_texts,
    "state diagram": state_diagram,
    "transitions": transition_table,
    "second thoughts": second_thoughts,
    "icmp causes": icmp_causes,
    "fields": field_table,
    "host evidence": host_evidence,
    "metrics": metrics,
    "python": python_api,
}
BLOCK = re.compile(
    r"(?P<start><!-- generated: (?P<name>[a-z ]+) -->\n).*?(?P<end><!-- end of generated -->)", re.DOTALL
)


def current(text: str) -> str:
    """Put into a page what its generated blocks should hold."""
    return BLOCK.sub(lambda block: f"{block['start']}\n{BLOCKS[block['name']]()}\n{block['end']}", text)


TOPICS = ROOT / "handshake_inspect" / "report" / "topics.json"


def topics(pages: dict[str, str]) -> str:
    """What the docs say of each word of a report, as Markdown that stands alone: for `hsi help` and SARIF."""
    from handshake_inspect.report.docs import FINDING_DOCS  # noqa: PLC0415
    from handshake_inspect.report.words import OUTCOMES  # noqa: PLC0415
    from handshake_inspect.verdicts.words import CAUSES  # noqa: PLC0415

    sections = dict(re.findall(r"^#{2,} (.+)\n((?:(?!^## |^###).*\n?)*)", pages["verdicts.md"], re.MULTILINE))

    def section(heading: str) -> str:
        return alone(sections[heading])

    def finding(name: str) -> str:
        return "\n\n".join([section(f"`{name}`"), *([section("Failures by reason")] if name in OUTCOMES else [])])

    made = {
        "outcome": {name: section(f"`{name}`") for name in OUTCOMES},
        "cause": {name: section(f"`{name}`") for name in CAUSES if name and f"`{name}`" in sections},
        "finding": {name: finding(name) for name in FINDING_DOCS},
        "state": {name: f"{says[0].upper()}{alone(says[1:])}." for name, says in states(pages["states.md"])},
        "term": {alone(name): alone(says) for name, says in terms(pages["glossary.md"])},
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def alone(text: str) -> str:
    """Markdown without links into the docs."""
    return re.sub(r"\[([^]]+)\]\((?!https?:)[^)]*\)", r"\1", text).strip()


def states(page: str) -> list[tuple[str, str]]:
    """The states, and what an end in each has done."""
    return re.findall(r"^\| `([A-Z_0-9]+)` \| ([^|]+) \|$", page, re.MULTILINE)


def terms(page: str) -> list[tuple[str, str]]:
    """The terms of the glossary, and their definitions."""
    return re.findall(r"^\*\*(.+?)\*\*: ((?:.+\n)+)", page, re.MULTILINE)


def pages() -> dict[Path, str]:
    """Every file that is generated, or has generated parts, as it should be."""
    made = {page: current(page.read_text()) for page in sorted((ROOT / "docs").glob("*.md"))}
    picture = beside("picture")
    drawn = {picture.PICTURE: picture.svg(picture.shown())}
    return {**made, TOPICS: topics({page.name: text for page, text in made.items()}), **manual_pages(), **drawn}


def manual_pages() -> dict[Path, str]:
    """The manual page of every command, which the wheel installs."""
    man = beside("man")

    found = {"-".join(path): (path, command, context) for path, command, context in commands()}
    return {ROOT / "docs" / "man" / f"{name}.1": man.page(*each, found) for name, each in found.items()}


def main() -> int:
    """Write the pages, or with --check say which are not current."""
    stale = []
    for page, text in pages().items():
        if not page.exists() or page.read_text() != text:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv:
                page.parent.mkdir(exist_ok=True)
                page.write_text(text)
    if not stale:
        return 0
    if "--check" in sys.argv:
        print(f"not current, run `python docs/generate.py`: {' '.join(stale)}", file=sys.stderr)
        return 1
    print(f"written: {' '.join(stale)}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
