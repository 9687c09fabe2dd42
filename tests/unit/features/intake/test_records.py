"""A file accepts and refuses exactly what the wire does, and what was written comes back equal."""

import csv
import json
import math
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.domain.records import PLACES, Crossing, Record, is_nothing, is_placeholder
from engine.domain.time_units import micros
from engine.domain.validation import (
    bare,
    list_faults,
)
from features.history.tables import MODELS
from features.intake.row_validation import read_part
from tests.support.sizes import PROOF

VALID: dict[str, dict[str, Any]] = {
    "crossings": {
        "crossing_id": "c",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": "2025-01-01T00:00:00Z",
        "vehicle_class": "truck",
    },
    "declarations": {"declaration_id": "d", "procedure": "import"},
    "goods_items": {"declaration_id": "d", "item_no": 1, "hs_code": "0807"},
    "inspections": {
        "inspection_id": "i",
        "crossing_id": "c",
        "basis": "random",
        "recorded_at": "2025-01-02T00:00:00Z",
        "outcome": "clear",
    },
    "seizures": {
        "seizure_id": "s",
        "crossing_id": "c",
        "recorded_at": "2025-01-02T00:00:00Z",
        "substance_class": "narcotic",
    },
}
EXAMPLES = 300 if PROOF else 4
FIELDS = [(name, field) for name, model in MODELS.items() for field in model.model_fields]

printable = st.characters(codec="utf-8", categories=("L", "N", "P", "S"))
texts = st.one_of(
    st.text(printable, min_size=1, max_size=70),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
    st.sampled_from(["UZ", "ZZ", "uz", "0807", "123456789012", "entry", "cab.seat", "Cab.Seat"]),
    st.text(printable, min_size=995, max_size=1005),
)
numbers = st.one_of(
    st.floats(), st.integers(-5, 10_000).map(float), st.sampled_from([1e8, 1e12, 1e13])
)
moments = st.one_of(
    st.datetimes(
        datetime(1971, 1, 2), datetime(9998, 1, 1), timezones=st.just(timezone(timedelta(hours=5)))
    ).map(datetime.isoformat),
    st.datetimes().map(datetime.isoformat),
    st.sampled_from(["2025-02-30T00:00:00Z", "2025-01-01", "now", "2025-01-01t00:00:00z"]),
)


def _cells(kind: Any) -> st.SearchStrategy[Any]:
    """Return values for one type of field, good ones and bad ones."""
    if get_origin(kind) is tuple:
        options = st.sampled_from(["xray", "canine", "cab.seat", "MSKU1234565", "a b"])
        odd = texts.filter(lambda text: ";" not in text)
        return st.lists(options | odd, min_size=1, max_size=20)
    if get_origin(kind) is Literal:
        return st.sampled_from([*get_args(kind), "?"])
    return {
        str: texts,
        float: numbers | st.just("heavy"),
        int: st.integers(-(2**70), 2**70) | st.integers(-1, 10_001) | st.just("many"),
        bool: st.booleans(),
        datetime: moments,
    }[kind]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_file(name: str, values: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([values.keys(), map(_cell, values.values())])
        part, seen = read_part(name, path)
    assert seen == part.rows.num_rows + len({fault.line for fault in part.faults}) == 1
    return part.rows.to_pylist(), [f"{fault.field}: {fault.rule}" for fault in part.faults]


def _from_wire(
    model: type[Record], values: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    try:
        return [_row(model.model_validate_json(json.dumps(values)))], []
    except ValidationError as error:
        faults = list_faults(error)
        return [], [f"{where[0] if where else '?'}: {rule}" for where, rule, _ in faults]


def _row(record: Record) -> dict[str, Any]:
    return {name: _plain(value) for name, value in vars(record).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return micros(value)
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=lambda value: value)
@settings(deadline=None, max_examples=EXAMPLES)
@given(data=st.data())
def test_a_file_decides_about_a_value_as_the_wire_does(
    name: str, field: str, data: st.DataObject
) -> None:
    value = data.draw(_cells(bare(MODELS[name].model_fields[field].annotation)))
    assume(not is_nothing(value))  # of which a file makes more: docs/data.md
    values = VALID[name] | {field: value}
    rows, refused = _from_file(name, values)
    accepted, why = _from_wire(MODELS[name], values)
    assert refused == list(dict.fromkeys(why))  # members of a list may have the same
    assert rows == accepted


def test_rules_between_two_fields_hold_in_both_and_name_a_field() -> None:
    late = VALID["inspections"] | {"started_at": "2025-01-03T00:00:00Z"}
    loose = {k: v for k, v in VALID["seizures"].items() if k != "crossing_id"}
    for name, values, field, rule in [
        ("inspections", late, "recorded_at", "recorded_before_started"),
        ("seizures", loose, "crossing_id", "missing_key"),
    ]:
        assert _from_file(name, values) == ([], [f"{field}: {rule}"])
        assert _from_wire(MODELS[name], values) == ([], [f"{field}: {rule}"])


@pytest.mark.parametrize("cell", ["yes", "on", "t", "2", "wahr"])
def test_a_boolean_is_true_false_1_or_0(cell: str) -> None:
    assert _from_file("crossings", VALID["crossings"] | {"is_empty": cell}) == (
        [],
        ["is_empty: not_a_boolean"],
    )


def test_a_number_may_have_been_written_by_a_spreadsheet() -> None:
    rows, _ = _from_file("goods_items", VALID["goods_items"] | {"packages": "3.0"})
    assert rows[0]["packages"] == 3


identifiers = st.text(printable.filter(lambda c: c not in ";,"), min_size=1, max_size=64).filter(
    lambda text: text.isprintable() and not is_placeholder(text, "name")
)
times = st.datetimes(
    datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone(timedelta(hours=5)))
)
masses = st.floats(0, 1e8)


@settings(deadline=None, max_examples=EXAMPLES)
@given(
    st.builds(
        Crossing,
        crossing_id=identifiers,
        post=st.text("ABC", min_size=1, max_size=16),
        direction=st.sampled_from(["entry", "exit"]),
        arrived_at=times,
        recorded_at=st.none() | times,
        vehicle_class=st.sampled_from(["car", "truck"]),
        plate=st.none() | identifiers,
        plate_country=st.none() | st.sampled_from(["UZ", "TJ"]),
        container_numbers=st.lists(identifiers, max_size=5).map(tuple),
        weighed_mass_kg=st.none() | masses,
        is_empty=st.none() | st.booleans(),
    )
)
def test_a_record_written_to_a_file_comes_back_equal(record: Crossing) -> None:
    values = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(record).items()
        if value not in (None, ())
    }
    assert _from_file("crossings", values) == ([_row(record)], [])


@pytest.mark.parametrize("name", MODELS)
def test_a_validated_record_holds_its_fields_in_the_order_of_the_model(name: str) -> None:
    model = MODELS[name]
    values = dict(reversed(VALID[name].items()))
    assert list(vars(model.model_validate(values, strict=False))) == list(model.model_fields)


def test_every_place_is_a_place_in_a_file() -> None:
    act = VALID["inspections"] | {"places_searched": list(PLACES)}
    rows, _ = _from_file("inspections", act)
    assert rows[0]["places_searched"] == list(PLACES)
    assert not any(math.isnan(row["minutes"] or 0) for row in rows)
