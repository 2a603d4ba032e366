"""The JSON Schema of a report, and reading a JSON report back."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from handshake_inspect.errors import HsiError
from handshake_inspect.report.checked import Assertion, Checked, CheckEnding
from handshake_inspect.report.difference import Difference
from handshake_inspect.report.event import FindingEvent, Stats
from handshake_inspect.report.fields import helps
from handshake_inspect.report.model import Connection, Ending, Finding, ListedConnections, Report, Service, Word
from handshake_inspect.report.paired import Paired
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Story
from handshake_inspect.report.verified import Verified
from handshake_inspect.verdicts.finding import Metric
from handshake_inspect.verdicts.findings import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_ID = "hsi-report/1"
STORY_ID = "hsi-explain/1"
QUIC_STORY_ID = "hsi-explain-quic/1"
CHECK_ID = "hsi-check/1"
DIFF_ID = "hsi-diff/1"
VERIFY_ID = "hsi-verify/1"
PAIR_ID = "hsi-pair/1"
EVENT_ID = "hsi-event/1"

# Definitions with the id and metrics of a finding.
OF_FINDINGS = {"Finding", "FindingEvent"}
UNITS = {"": "", "ns": "Nanoseconds.", "bytes": "Bytes.", "ratio": "A ratio from 0 to 1.", "1/s": "Per second."}

# Keys added to a schema after its first release, by definition.  They are not required, so that older documents stay
# valid, and have defaults in the models, so that older reports can be read.
LATER: dict[str, tuple[str, ...]] = {}

# The types in JSON of lazy sequences: plain arrays, or null if left out.
_WRITTEN_AS: dict[str, Any] = {
    "services": list[Service],
    "connections": list[Connection] | None,
    "quic_connections": list[QuicConnection] | None,
}


class _ReadFinding(Finding, frozen=True, gc=False):
    id: Word  # later versions may have more findings


@cache
def _document(*, reading: bool = False) -> type[msgspec.Struct]:
    kinds = _WRITTEN_AS | ({"findings": list[_ReadFinding]} if reading else {})
    fields = [(field.name, kinds.get(field.name, field.type)) for field in msgspec.structs.fields(Report)]
    return msgspec.defstruct("Report", fields, frozen=True, namespace={"__doc__": Report.__doc__})


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of `hsi analyze -T json`.

    A report has every key, with null for missing values.  Later versions may add keys; these are not required, so that
    older reports stay valid.
    """
    return _of(_document(), SCHEMA_ID)


def story_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `hsi explain -T json`."""
    return _of(Story, STORY_ID)


def quic_story_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `hsi explain -T json` of a QUIC connection."""
    return _of(QuicStory, QUIC_STORY_ID)


def check_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `hsi check -T json`."""
    return _of(Checked, CHECK_ID)


def diff_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `hsi diff -T json`."""
    return _of(Difference, DIFF_ID)


def verify_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `hsi verify -T json`."""
    return _of(Verified, VERIFY_ID)


def pair_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of `hsi pair -T json`."""
    return _of(Paired, PAIR_ID)


def event_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a line of `-T ndjson`: `event` says which of the alternatives it is."""
    models = {
        "connection": Connection, "quic-connection": QuicConnection, "finding": FindingEvent, "stats": Stats,
        "summary": Ending, "assertion": Assertion, "check": CheckEnding,
    }  # fmt: skip
    definitions: dict[str, Any] = {}
    for model in models.values():
        definitions |= msgspec.json.schema(model)["$defs"]
    definitions = {key: _tightened(key, definition) for key, definition in sorted(definitions.items())}
    alternatives = []
    for event, model in models.items():
        rule = definitions[model.__name__]
        properties = {"event": {"const": event}, **rule["properties"]}
        required = [name for name in rule["required"] if name != "phase"]  # live captures only
        alternatives.append({**rule, "properties": properties, "required": ["event", *required]})
    used = {key: rule for key, rule in definitions.items() if key not in {model.__name__ for model in models.values()}}
    return {"$schema": DIALECT, "$id": EVENT_ID, "oneOf": alternatives, "$defs": used}


def _of(model: type[msgspec.Struct], name: str) -> dict[str, Any]:
    definitions = msgspec.json.schema(model)["$defs"]
    tightened = {key: _tightened(key, definition) for key, definition in sorted(definitions.items())}
    return {"$schema": DIALECT, "$id": name, **tightened.pop(model.__name__), "$defs": tightened}


def _tightened(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Require every key except later ones, which are always written, and unwrap descriptions (docstrings)."""
    paragraphs = inspect.cleandoc(definition["description"]).split("\n\n")
    # Defaults belong to the models, not to the documents.
    properties = {
        key: _explained(name, key, {word: value for word, value in rule.items() if word != "default"})
        for key, rule in definition["properties"].items()
    }
    return {
        **definition,
        **({"allOf": _metrics_by_kind()} if name in OF_FINDINGS else {}),
        "description": "\n".join(" ".join(text.split()) for text in paragraphs),
        "properties": properties,
        "required": [key for key in properties if key not in LATER.get(name, ())],
    }


def _explained(model: str, key: str, rule: dict[str, Any]) -> dict[str, Any]:
    """Put the help text of a connection's field before the description of its type."""
    text = helps().get((model, key))
    if text is None:
        return rule
    return {**rule, "description": " ".join(filter(None, (text, rule.get("description"))))}


def _metrics_by_kind() -> list[dict[str, Any]]:
    """Return rules with type and meaning of every metric, by kind of finding; later versions may add metrics."""
    return [
        {
            "if": {"properties": {"id": {"const": kind.id}}},
            "then": {"properties": {"metrics": {"properties": _properties(kind.declared)}}},
        }
        for kind in KINDS.values()
    ]


def _properties(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    return {name: _property(metric) for name, metric in metrics.items()}


def _property(metric: Metric) -> dict[str, Any]:
    shown = msgspec.json.schema(metric.type)
    if metric.keys:
        shown.get("items", shown)["properties"] = _properties(metric.keys)
    return {**shown, "description": " ".join(filter(None, (metric.meaning, UNITS[metric.unit])))}


def load(source: str | Path | bytes) -> Report:
    """Read a JSON report from a path or bytes.

    Unknown keys are ignored, and keys missing in reports of older versions get defaults.  Raises HsiError if it cannot
    be read or is not a report of this major version.
    """
    name = "report" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        document: Any = msgspec.json.decode(data, type=_document(reading=True))
    except OSError as error:
        raise HsiError(f"{name}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HsiError(f"{name}: not a {SCHEMA_ID} report: {error}") from error
    fields: dict[str, Any] = {field: getattr(document, field) for field in document.__struct_fields__}
    findings = [Finding(*msgspec.structs.astuple(finding)) for finding in document.findings]
    quic = document.quic_connections or []
    rows = {"connections": ListedConnections(document.connections or ()), "quic_connections": quic}
    return Report(**{**fields, **rows, "findings": findings})
