"""Rows: a file accepts what the wire accepts, one by one and in columns."""

import csv
import json
import math
import random
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.domain.field_types import AnyIdentifier, is_nothing, is_placeholder
from engine.domain.records import PLACES, Crossing, Record
from engine.domain.time_units import micros
from engine.domain.validation import (
    bare,
    list_faults,
)
from features.history.tables import MODELS
from features.intake import file_reader, row_validation
from features.intake.row_validation import TableBuilder, choose_validator, read_part
from tests.support.sizes import PROOF
from tests.unit.features.intake import bulk_folders as folders

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


GOOD: dict[str, dict[str, list[str]]] = {
    "crossings": {
        "crossing_id": ["c1", "c2", "c3", "c4", '"c,5"'],
        "post": ["OYB", "FOT"],
        "direction": ["entry", "exit"],
        "arrived_at": [
            "2025-01-01T00:00:00Z", "2025-01-01 05:00:00.123456+05:00", "2024-02-29T23:59:59Z",
            "1971-01-01T00:00:00Z", "1971-01-01T00:00:00+05:00", "2025-01-01t00:00:00.1234567z",
        ],
        "vehicle_class": ["car", "truck"],
        "plate": [
            "", "01 A 123 BC", "А123ВС", '"a""b"', "x" * 64, "ж" * 64, "NULL", "-", "0", "Н/Д",
            "None", "4.0E+12", '"3,01E+08"', "#REF!", "1E5",
        ],
        "weighed_mass_kg": [
            "", "0", "12000.5", "1e3", " 7 ", "-0", "100000000", "0.1", "007", "18_220", "N/A", "?",
        ],
        "is_empty": ["", "TRUE", "0", "false", "-"],
        "seal_numbers": [
            "", "S1", "S1;S2", "ж" * 64, ";".join("S" * 64), "-", '"A1,A2"', "S1;NULL;0",
            '"A1,A2;B3"',
        ],
    },
    "inspections": {
        "inspection_id": ["i1", "i2", "i3", "i4"],
        "crossing_id": ["c1", "c2"],
        "basis": ["score", "random"],
        "propensity": ["", "0.6959346201147187", "1", "1e-3"],
        "started_at": ["", "2025-01-01T00:00:00Z", "2025-01-01T05:00:00.0000001+05:00", "NULL"],
        "recorded_at": ["2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000001Z"],
        "methods": ["", "documents", "xray;physical", ";".join(["canine"] * 16), "-", "N/A;NULL"],
        "minutes": ["", "54.8", "100000"],
        "places_searched": ["", "cab.seat", "cab.seat;person;cargo.false_floor"],
        "outcome": ["clear", "seizure"],
        "discrepancy_kinds": ["", "value", "value;mass"],
        "duty_assessed": ["", "10.5"],
        "currency": ["", "UZS"],
        "is_audit": ["", "true", "false"],
        "documents": ["", "N851"],
    },
    "seizures": {
        "seizure_id": ["z1", "z2", "z3"],
        "inspection_id": ["", "i1", "0"],
        "crossing_id": ["c1", "c2"],
        "plate": ["", "01 A 123 BC"],
        "recorded_at": ["2025-01-01T00:00:00Z"],
        "substance_class": ["narcotic", "other"],
        "quantity_g": ["", "4508.6"],
        "place": ["", "trailer.front_wall"],
        "goods_class": ["", "narcotics", "tobacco"],
        "amount": ["", "2", "200"],
        "unit": ["", "kg", "USD", "pieces"],
    },
}  # fmt: skip
BAD: dict[str, dict[str, list[str]]] = {
    "crossings": {
        "crossing_id": ["", "x" * 65, "NULL", "000", "3.01E+08"],
        "post": ["", "x" * 17, "n/a"],
        "direction": ["", "in"],
        "arrived_at": [
            "", "now", "2025-02-30T00:00:00Z", "2025-01-01T00:00:00", "2025-01-01T24:00:00Z",
            "0001-01-01T00:00:00Z", "1900-01-01T00:00:00Z", "1970-12-31T23:59:59Z", "NULL",
        ],
        "vehicle_class": ["bike"],
        "plate": ["\u200b", "a\tb", "ж" * 65],
        "weighed_mass_kg": ["-1", "nan", "heavy", "100000001"],
        "is_empty": ["yes"],
        "seal_numbers": ["S1;", ";", "S1;;S2", "S1;a\tb", "ж" * 65, ";".join("S" * 65)],
    },
    "inspections": {
        "inspection_id": [""],
        "crossing_id": ["", "x" * 65],
        "basis": ["", "whim"],
        "propensity": ["0", "1.5", "nan", "-0.1", "often"],
        "started_at": ["2025-01-01T00:00:01Z", "2025-01-01T00:00:00.000002Z", "soon"],
        "recorded_at": ["", "2024-12-31T23:59:59Z"],
        "methods": ["smell", "xray;", ";".join(["canine"] * 17)],
        "minutes": ["-1", "100000.1"],
        "places_searched": ["Cab", "cab.seat;", ";".join(["cab.seat"] * 65)],
        "outcome": ["", "maybe"],
        "discrepancy_kinds": ["taste", "value;"],
        "duty_assessed": ["-1", "nan"],
        "currency": ["ZZZ", "usd"],
        "is_audit": ["yes", "2"],
        "documents": [";", "x" * 65],
    },
    "seizures": {
        "seizure_id": [""],
        "inspection_id": ["x" * 65],
        "crossing_id": [""],
        "plate": ["a\tb"],
        "recorded_at": [""],
        "substance_class": ["tea"],
        "quantity_g": ["-1"],
        "place": ["Trailer"],
        "goods_class": ["Tobacco"],
        "amount": ["-1", "inf", "0.5"],
        "unit": ["ZZZ", "tons"],
    },
}  # fmt: skip
ODD = [b"", b"c9", b'"', b'a"b,OYB,entry,2025-01-01T00:00:00Z,car,,,,', b"a,b,c,d,e,f,g,h,\xff",
       b'"c8\nx",OYB,entry,2025-01-01T00:00:00Z,car,,,,', b" ", b"\0"]  # fmt: skip


FILES = 2_000 if PROOF else 30
ENDS = [b"\n", b"\r\n", b"\r"]


def draw(seed: int, table: str) -> bytes:
    """Draw a file: good rows, a bad cell here and there, and lines that are odd."""
    rng = random.Random(seed)
    good, bad = GOOD[table], BAD[table]
    lines = [",".join(good).encode()]
    for _ in range(rng.randrange(12)):
        cells = (rng.choice(good[name] if rng.random() < 0.97 else bad[name]) for name in good)
        lines.append(rng.choice(ODD) if rng.random() < 0.08 else ",".join(cells).encode())
    end = rng.choice(ENDS)
    return end.join(lines) + end * rng.randrange(2)


def read(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    part, seen = read_part(path.stem, path)
    gaps = sorted((gap.field, int(line)) for gap in part.gaps for line in gap.lines)
    faults = sorted(map(repr, part.faults))
    return part.rows.to_pylist(), part.where.to_pylist(), faults, seen, gaps


@pytest.mark.parametrize("table", list(GOOD))
def test_a_file_reads_as_it_does_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    path, blocks = tmp_path / f"{table}.csv", (40, 300, 1 << 20)
    files = [draw(seed, table) for seed in range(FILES)]
    found = []
    for number, content in enumerate(files):
        monkeypatch.setattr(file_reader, "BLOCK", blocks[number % 3])
        found.append(read(path, content))
    monkeypatch.setattr(row_validation, "choose_validator", lambda _name: None)
    for content, one in zip(files, found, strict=True):
        assert one == read(path, content), content
    # Many files have rows of both kinds, and some have none that are valid.
    assert sum(bool(rows) and bool(faults) for rows, _, faults, *_ in found) > FILES / 20


def test_plain_rows_never_meet_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing would be gained, and the comparison above would compare a reader with itself."""
    names = list(folders.crossing(0))
    plain = [",".join(folders.crossing(number).values()) for number in range(2_000)]
    (tmp_path / "crossings.csv").write_text("\n".join([",".join(names), *plain]), "utf-8")
    monkeypatch.setattr(TableBuilder, "to_columns", None)
    monkeypatch.setattr(file_reader, "BLOCK", 10_000)
    part, seen = read_part("crossings", tmp_path / "crossings.csv")
    assert (part.rows.num_rows, seen, part.faults) == (2_000, 2_000, ())


@pytest.mark.parametrize("table", list(GOOD))
def test_every_column_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """Each cell of the lists above alone, in a row that is good otherwise."""
    path, good = tmp_path / f"{table}.csv", {name: cells[-1] for name, cells in GOOD[table].items()}
    rows = [
        good | {name: cell} for name in good for cell in (*GOOD[table][name], *BAD[table][name])
    ]
    lines = [",".join(row.values()) for row in rows]
    content = "\n".join([",".join(good), *lines]).encode()
    found = read(path, content)
    monkeypatch.setattr(row_validation, "choose_validator", lambda _name: None)
    assert found == read(path, content)


def test_a_rule_unknown_to_columns_leaves_its_table_to_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert choose_validator.__wrapped__("seizures") is not None
    monkeypatch.setattr(row_validation, "_BETWEEN", {})
    assert choose_validator.__wrapped__("seizures") is None
    assert choose_validator.__wrapped__("crossings") is not None


LOOSE = {
    rule: lambda columns: columns["recorded_at"].is_valid()
    for rule in ("_recorded_after_start", "_linked", "_classed", "_assessed", "_require_due_day")
}


@pytest.mark.parametrize(
    ("table", "name", "bug", "field", "cell"),
    [
        ("crossings", "_TIME", ".", "arrived_at", "2025-01-01 00:00Z"),
        ("crossings", "_find_bounds", lambda _: (0, 1e9), "weighed_mass_kg", "100000001"),
        ("crossings", "_LONGEST", ((AnyIdentifier, 65),), "plate", "x" * 65),
        ("crossings", "_LONGEST", ((AnyIdentifier, 65),), "seal_numbers", "S1;" + "x" * 65),
        ("inspections", "_BETWEEN", LOOSE, "started_at", "2025-01-01T00:00:00.000002Z"),
        ("seizures", "_BETWEEN", LOOSE, "crossing_id", ""),
        ("seizures", "_BETWEEN", LOOSE, "goods_class", "tobacco"),
        ("seizures", "_BETWEEN", LOOSE, "unit", "kg"),
        ("inspections", "_BETWEEN", LOOSE, "duty_assessed", "5"),
        ("inspections", "_BETWEEN", LOOSE, "outcome", "documents_asked"),
        ("crossings", "_PLAUSIBLE", -(1 << 62), "arrived_at", "1900-01-01T00:00:00Z"),
        ("crossings", "_find_kind", lambda _: None, "crossing_id", "NULL"),
    ],
)
def test_a_looser_check_of_columns_is_caught(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    name: str,
    bug: Any,
    field: str,
    cell: str,
) -> None:
    row = {column: cells[0] for column, cells in GOOD[table].items()} | {field: cell}
    path = tmp_path / f"{table}.csv"
    content = "\n".join([",".join(row), ",".join(row.values())]).encode()
    found = read(path, content)
    assert len(found[2]) == 1
    monkeypatch.setattr(row_validation, name, bug)
    monkeypatch.setattr(row_validation, "choose_validator", choose_validator.__wrapped__)
    assert read(path, content) != found
