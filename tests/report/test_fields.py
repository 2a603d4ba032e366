"""The table of fields says something of every leaf of the models, once."""

import re

import msgspec
import pytest

from handshake_inspect.errors import UsageError
from handshake_inspect.report.connection import Connection, Direction
from handshake_inspect.report.connection_parts import Endpoint, Leg
from handshake_inspect.report.fields import FIELDS, chosen, fields, find, helps
from handshake_inspect.report.schema import event_schema, schema
from handshake_inspect.tcp import rows


def leaves(kind, path=""):
    """The dotted names of what holds one value, read from the models in another way than the table's."""
    for field in msgspec.structs.fields(kind):
        bare = getattr(field.type, "__origin__", None) if hasattr(field.type, "__metadata__") else field.type
        inside = [each for each in [bare, *getattr(bare, "__args__", ())] if isinstance(each, type)]
        whole = getattr(bare, "__origin__", None) is list  # a list is one value, whatever is in it
        model = next((each for each in inside if issubclass(each, msgspec.Struct) and not whole), None)
        name = f"{path}{field.encode_name}"
        yield from leaves(model, f"{name}.") if model else [name]


LEAVES = list(leaves(Connection))


def test_every_leaf_of_the_models_is_in_the_table():
    missing = [name for name in LEAVES if name not in FIELDS]
    assert not missing, f"{', '.join(missing)}: no Entry beside the attribute in report/connection.py"


def test_the_table_has_nothing_that_the_models_have_not():
    extra = sorted(set(FIELDS) - set(LEAVES))
    assert not extra, f"{', '.join(extra)}: an entry in report/*_fields.py, but no attribute of a model"


def test_fields_are_in_the_order_of_the_json():
    assert list(FIELDS) == list(fields()) == LEAVES


@pytest.mark.parametrize("name", LEAVES)
def test_help_is_one_sentence_of_one_line(name):
    text = FIELDS[name].help
    assert re.fullmatch(r"[A-Z][^\n]{7,90}\.", text), f"{name} lacks help in its Entry"


def test_one_attribute_of_one_model_is_explained_once():
    """The schema has one definition of an endpoint, whichever fields hold it."""
    shown = {}
    for name in ("client", "server", "answered_from"):
        shown.setdefault("ip", set()).add(FIELDS[f"{name}.ip"].help)
        shown.setdefault("port", set()).add(FIELDS[f"{name}.port"].help)
    for name in LEAVES:
        place = name.split(".")
        if place[0] in ("rtt", "client_to_server", "server_to_client") and len(place) == 3 - (place[0] != "rtt"):
            shown.setdefault((place[0] == "rtt", place[-1]), set()).add(FIELDS[name].help)
    models = (Endpoint, Leg, Direction)
    assert len(shown) == sum(len(model.__struct_fields__) for model in models)
    assert all(len(texts) == 1 for texts in shown.values())


MADE_WITH_OBJECTS = {
    "why", "evidence", "aliases.zeek.history", "aliases.community_id", "setup.extra_round_trips", "tls.alpn_offered",
    "tls.versions_offered", "server.names", "evidence_in_files",
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVES)
def test_every_field_has_a_column_but_for_a_few(name):
    made = name in MADE_WITH_OBJECTS or name.startswith(("process.", "answered_from.", "translated_to."))
    assert (FIELDS[name].column is None) == made, f"{name} has no column in its Entry"


@pytest.mark.parametrize("name", sorted({*Direction.__struct_fields__} - {"zero_window_ns"}))
def test_a_direction_has_what_the_row_of_an_end_has(name):
    """Its columns are found by these names."""
    assert name in dict(rows.Endpoint._fields_), f"{name} of Direction is no field of Endpoint in tcp/rows.py"


def test_units():
    units = {name: find(name).unit for name in ("first_ns", "rtt.total", "client_to_server.bytes", "id", "outcome")}
    assert units == {
        "first_ns": "ns since 1970", "rtt.total": "ns", "client_to_server.bytes": "bytes", "id": "", "outcome": "",
    }  # fmt: skip


def test_whatever_ends_in_ns_has_a_unit():
    assert all(field.unit for field in fields().values() if field.name.endswith("_ns"))


@pytest.mark.parametrize("document", [schema, event_schema], ids=["report", "event"])
def test_the_schema_describes_every_field(document):
    made = document()
    definitions = made["$defs"] | {"Connection": made["$defs"].get("Connection") or made["oneOf"][0]}
    for (model, key), text in helps().items():
        assert definitions[model]["properties"][key]["description"].startswith(text)


def test_short_names_are_found_and_unknown_ones_refused():
    assert [find(name).name for name in ("rtt.total", "client", "age")] == [
        "rtt.total.value_ns", "client.ip", "age_ns",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="hsi fields lists them"):
        find("zzzzzz")
    with pytest.raises(UsageError, match=r"did you mean server\.port"):
        find("server.prt")


def test_a_star_is_every_field_once():
    assert [field.name for field in chosen(["id", "*"])] == LEAVES
