"""The docs say what the code does: options, words, diagrams; and their links lead somewhere."""

import importlib.util
import re
import typing
from pathlib import Path

import msgspec
import pytest

from handshake_inspect.report import model, words
from handshake_inspect.report.handshake_columns import REASONS
from handshake_inspect.report.schema import schema
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.words import CAUSES

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "pcaps").glob("*.md")])
REPORT = (ROOT / "docs" / "report.md").read_text()

spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_generated_parts_are_current(page):
    """`python docs/generate.py` makes them so.  Line breaks are left to the installed click."""
    text = page.read_text()
    assert generate.current(text).split() == text.split()


def test_what_help_says_is_what_the_docs_say():
    pages = {page.name: page.read_text() for page in (ROOT / "docs").glob("*.md")}
    assert generate.TOPICS.read_text() == generate.topics(pages), "run `python docs/generate.py`"


def test_manual_pages_are_current():
    """Line breaks are left to the installed click."""
    made = generate.manual_pages()
    assert {page: page.read_text().split() for page in (ROOT / "docs" / "man").iterdir()} == {
        page: text.split() for page, text in made.items()
    }, "run `python docs/generate.py`"


def test_everything_generated_is_shown():
    shown = {block["name"] for page in PAGES for block in generate.BLOCK.finditer(page.read_text())}
    assert shown == set(generate.BLOCKS)


def options():
    for path, command, _ in generate.commands():
        for parameter in command.params:
            for option in [*parameter.opts, *parameter.secondary_opts]:
                if option.startswith("-"):
                    yield " ".join(path), option


@pytest.mark.parametrize(("command", "option"), list(options()))
def test_every_option_is_documented(command, option):
    assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", (ROOT / "docs" / "cli.md").read_text())


VOCABULARIES = {
    "outcome": words.OUTCOMES,
    "state": [state.name for state in TcpState],
    "roles": typing.get_args(words.Roles),
    "reason": REASONS,
    "RTT method": typing.get_args(words.RttMethod),
    "cause": filter(None, CAUSES),
    "close": typing.get_args(words.CloseHow),
    "severity": typing.get_args(words.Severity),
}


@pytest.mark.parametrize(
    "word", sorted({word for vocabulary in VOCABULARIES.values() for word in vocabulary}), ids=lambda word: word
)
def test_every_word_of_a_report_is_explained(word):
    assert f"`{word}`" in REPORT


def test_every_kind_of_problem_is_explained():
    """Of files; what can happen to an interface is in docs/live.md."""
    sources = [file for stage in ("capture", "engine") for file in (ROOT / "handshake_inspect" / stage).glob("*.py")]
    kinds = {kind for file in sources for kind in re.findall(r'Problem\(\s*"([a-z-]+)"', file.read_text())}
    assert {"damaged", "snap-length"} <= kinds
    assert all(f"| `{kind}` | " in REPORT for kind in kinds)


@pytest.mark.parametrize("outcome", words.OUTCOMES)
def test_every_outcome_is_in_the_first_read(outcome):
    assert f"`{outcome}`" in (ROOT / "README.md").read_text()


def test_every_state_has_its_line():
    text = (ROOT / "docs" / "states.md").read_text()
    assert all(f"| `{state.name}` | " in text for state in TcpState)


def keys(rule) -> set[str]:
    """Every key that a JSON report can have, but the metrics of findings (docs/metrics.md) and the outcomes."""
    if isinstance(rule, list):
        return set().union(*map(keys, rule))
    if not isinstance(rule, dict):
        return set()
    return set(rule.get("properties", ())).union(*(keys(value) for word, value in rule.items() if word != "allOf"))


@pytest.mark.parametrize("key", sorted(keys(schema()) - set(words.OUTCOMES)))
def test_every_key_is_in_the_outline(key):
    outline = REPORT[REPORT.index("## The whole of it") :] + REPORT[REPORT.index("## `summary`") :]
    assert f'"{key}"' in outline or f"`{key}`" in outline


def test_the_outline_has_no_keys_of_its_own():
    outline = REPORT[REPORT.index('{"schema"') :].split("```")[0]
    shown = set(re.findall(r'"([a-z0-9_]+)"', outline))
    assert shown <= keys(schema())


def test_models_have_no_field_without_a_place():
    """The schema is made from the models: a field that JSON does not show would be found here."""
    structs = [each for each in vars(model).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    fields = {field.encode_name for struct in structs for field in msgspec.structs.fields(struct)}
    assert fields <= keys(schema())


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [
    (page, target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
    if not re.match(r"[a-z]+:", target)
]


@pytest.mark.parametrize(("page", "target"), LINKS, ids=[f"{name(page)}-{target}" for page, target in LINKS])
def test_links_lead_somewhere(page, target):
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    assert file.exists()
    assert not anchor or anchor in anchors(file)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_paths_of_one_machine(page):
    assert not re.search(r"/(home|root|work|Users)/\w", page.read_text())


def test_every_page_has_its_place_on_the_site():
    """Sphinx says so too, where it is installed."""
    listed = re.findall(r"^[\w./-]+$", (ROOT / "docs" / "site.md").read_text(), re.MULTILINE)
    assert {(ROOT / "docs" / f"{each}.md").resolve() for each in listed} >= {
        page for page in PAGES if page.is_relative_to(ROOT / "docs") and page.name != "site.md"
    }


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_readme_names_files_that_exist():
    named = re.findall(r"\b(?:pcaps|benchmarks|docs)/[\w.-]+\.\w+", "\n".join(shell_lines()))
    assert any(each.startswith("pcaps/") for each in named)
    for each in named:
        assert (ROOT / each).is_file()


def test_the_readme_has_the_figures_of_the_newest_release():
    rows = re.findall(r"^\| \d+\.\d+\.\d+.*", (ROOT / "docs" / "speed.md").read_text(), re.MULTILINE)
    _, _, _, seconds, _, memory, _ = (cell.strip() for cell in rows[-1].strip("|").split("|"))
    assert f"| **hsi** | {seconds} | {memory} |" in (ROOT / "README.md").read_text()


def test_the_readme_uses_options_that_exist():
    known = {option for _, option in options()} | {"--help", "--version"}
    for line in shell_lines():
        for command in re.findall(r"(?:^|/| )hsi ([^|#]*)", line):
            assert set(re.findall(r"(?<!\S)-{1,2}[a-zA-Z][\w-]*", command)) <= known, line
