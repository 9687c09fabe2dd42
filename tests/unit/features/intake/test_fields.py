"""Fields that may be missing: optional ones, and what stands for a missing value."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from engine.domain.records import Arrival, Crossing
from engine.domain.time_units import DAY, micros, moment, rfc3339
from engine.domain.validation import list_faults
from features.history.record_rows import to_row
from features.history.tables import MODELS, SCHEMAS
from features.intake.load import read_folder
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW

LATER = rfc3339(NOW + 3 * DAY)
CROSSING = {
    "cmr_number": "551902",
    "tir_carnet": "XQ81300417",
    "expected_at": LATER,
    "body_type": "reefer",
    "body_code": "DA04",
}
DECLARATION = {
    "invoice_value": "8250.5",
    "invoice_currency": "EUR",
    "incoterm": "CIP",
    "office_of_entry": "UZ26004",
    "office_of_exit": "KZ55302",
    "route_countries": "KZ;UZ",
    "previous_documents": "N821:26KZ1;N730:551902",
    "documents": "N935;C651",
    "guarantee_type": "B",
}
ITEM = {"package_kind": "CT", "un_number": "2789", "pen_number": "26-0417"}


def filled() -> folders.Tables:
    return {
        "crossings": [folders.crossing(1, **CROSSING), folders.crossing(2)],
        "declarations": [folders.declaration(1, **DECLARATION)],
        "goods_items": [folders.item(1) | ITEM],
    }


def test_csv_and_parquet_give_the_fields_and_absent_ones_stay_absent(tmp_path: Path) -> None:
    folders.write(filled(), tmp_path / "csv")
    found = read_folder(tmp_path / "csv", now=NOW)
    assert not found.quarantine
    with_them, without = found.tables.crossings.to_pylist()
    assert with_them["cmr_number"] == "551902"
    assert with_them["expected_at"] == NOW + 3 * DAY  # announced: it may lie after the load
    assert [without[name] for name in CROSSING] == [None] * len(CROSSING)
    (head,) = found.tables.declarations.to_pylist()
    assert (head["invoice_value"], head["route_countries"]) == (8250.5, ["KZ", "UZ"])
    assert head["previous_documents"] == ["N821:26KZ1", "N730:551902"]
    assert found.tables.goods_items.select([*ITEM]).to_pylist() == [ITEM]
    assert (with_them["body_type"], with_them["body_code"]) == ("reefer", "DA04")
    folders.write({}, tmp_path / "parquet")
    for name in filled():
        written = found.tables.table(name)
        dropped = [column for column in ("known_at",) if column in written.column_names]
        typed = written.drop_columns(dropped)
        for at, field in enumerate(typed.schema):
            if field.name.endswith("_at"):
                times = typed[field.name].cast(pa.timestamp("us", "UTC"))
                typed = typed.set_column(at, field.name, times)
        pq.write_table(typed, tmp_path / "parquet" / f"{name}.parquet")
    assert read_folder(tmp_path / "parquet", now=NOW).tables.digest == found.tables.digest


@pytest.mark.parametrize(
    ("table", "field", "value", "rule"),
    [
        ("declarations", "invoice_value", "-1", "negative"),
        ("declarations", "invoice_value", "nan", "not_finite"),
        ("declarations", "invoice_value", "many", "not_a_number"),
        ("declarations", "invoice_currency", "usd", "malformed_currency"),
        ("declarations", "incoterm", "free", "malformed_incoterm"),
        ("declarations", "office_of_entry", "x" * 65, "too_long"),
        ("declarations", "route_countries", "KZ;Uz", "malformed_country"),
        ("declarations", "previous_documents", "a\x07", "control_character"),
        ("declarations", "documents", ";".join(f"D{n}" for n in range(65)), "too_long"),
        ("goods_items", "package_kind", "x" * 65, "too_long"),
        ("goods_items", "un_number", "UN2789", "malformed_un_number"),
        ("crossings", "expected_at", "2025-01-01", "bad_time"),
        ("crossings", "body_type", "curtain", "unknown_enumeration"),
        ("crossings", "tir_carnet", "x" * 65, "too_long"),
    ],
)
def test_a_value_that_breaks_its_rule_is_quarantined_by_its_name(
    tmp_path: Path, table: str, field: str, value: str, rule: str
) -> None:
    rows = filled()
    rows[table][0][field] = value
    folders.write(rows, tmp_path)
    faults = read_folder(tmp_path, now=NOW).quarantine
    assert (field, rule) in {(fault.field, fault.rule) for fault in faults}


def test_a_journal_record_has_the_same_columns_as_a_file(tmp_path: Path) -> None:
    body: dict[str, Any] = {
        "crossing": {
            "crossing_id": "c",
            "post": "OYB",
            "direction": "entry",
            "arrived_at": "2025-01-01T00:00:00Z",
            "vehicle_class": "truck",
            "expected_at": LATER,
        },
        "declaration": {
            "declaration_id": "d",
            "procedure": "import",
            "documents": ["N935"],
            "items": [{"item_no": 1, "hs_code": "0807", "package_kind": "CT"}],
        },
    }
    arrival = Arrival.model_validate(body, strict=False)
    assert arrival.declaration is not None
    row = to_row(arrival.declaration)
    (item,) = row.pop("items")
    assert set(row) == set(SCHEMAS["declarations"].names)
    assert (row["documents"], row["route_countries"], item["package_kind"]) == (["N935"], [], "CT")
    assert to_row(arrival.crossing)["expected_at"] == micros(moment(NOW + 3 * DAY))


NOTHING = ("NULL", "null", "N/A", "-", "---", "#N/A", "н/д", r"\N", "#REF!")
NO_NAMES = ("0", "000", "0.0", "3.01E+08", "4.0E+12", "3,01E+8", "None", "NaN")
NAMES = ("01 A 123 BC", "NA", "1E5", "none", "A-0", "E+1", "0-0", "4.0", "Ноль", "NULLE")


def read_one(tmp_path: Path, **cells: str) -> Any:
    folders.write({"crossings": [folders.crossing(1, **cells)]}, tmp_path)
    return read_folder(tmp_path, now=NOW)


@pytest.mark.parametrize("cell", [*NOTHING, *NO_NAMES])
def test_a_placeholder_is_no_carrier(cell: str, tmp_path: Path) -> None:
    found = read_one(tmp_path, carrier_id=cell)
    assert found.tables.crossings["carrier_id"].to_pylist() == [None]
    assert found.placeholders == {"crossings.csv": {"carrier_id": 1}}
    assert not found.quarantine


@pytest.mark.parametrize("cell", NAMES)
def test_a_name_is_kept(cell: str, tmp_path: Path) -> None:
    found = read_one(tmp_path, carrier_id=cell)
    assert (found.tables.crossings["carrier_id"].to_pylist(), found.placeholders) == ([cell], {})


@pytest.mark.parametrize("cell", [*NOTHING, *NO_NAMES])
def test_a_placeholder_is_no_key(cell: str, tmp_path: Path) -> None:
    found = read_one(tmp_path, crossing_id=cell)
    assert [(f.field, f.rule) for f in found.quarantine] == [("crossing_id", "placeholder")]
    assert found.placeholders == {}


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        ("weighed_mass_kg", "18_220", None),
        ("weighed_mass_kg", "N/A", None),
        ("weighed_mass_kg", "0", 0.0),
        ("plate_country", "-", None),
        ("plate_country", "NA", "NA"),  # Namibia
        ("is_empty", "NULL", None),
        ("recorded_at", "-", None),
        ("seal_numbers", "A1,A2", []),
        ("seal_numbers", "A1,A2;B3", ["B3"]),
        ("container_numbers", "-;0", []),
    ],
)
def test_cells_of_every_type(field: str, cell: str, value: object, tmp_path: Path) -> None:
    found = read_one(tmp_path, **{field: cell})
    assert found.tables.crossings[field].to_pylist() == [value]
    counted = {} if value in (0.0, "NA") else {"crossings.csv": {field: 1}}
    assert found.placeholders == counted


def test_a_code_may_be_0(tmp_path: Path) -> None:
    rows = {
        "crossings": [folders.crossing(1)],
        "declarations": [folders.declaration(1, transport_mode="0", payment_type="NULL")],
        "goods_items": [folders.item(1, description="n/a")],
    }
    folders.write(rows, tmp_path)
    found = read_folder(tmp_path, now=NOW)
    assert found.tables.declarations["transport_mode"].to_pylist() == ["0"]
    assert found.placeholders == {
        "declarations.csv": {"payment_type": 1},
        "goods_items.csv": {"description": 1},
    }


@pytest.mark.parametrize("year", ["0001", "1900", "1970"])
def test_a_year_that_stands_for_no_time_is_implausible(year: str, tmp_path: Path) -> None:
    found = read_one(tmp_path, arrived_at=f"{year}-01-01T00:00:00Z")
    assert [(f.field, f.rule) for f in found.quarantine] == [("arrived_at", "implausible_time")]
    late = read_one(tmp_path, expected_at=f"{year}-01-01T00:00:00+05:00")
    assert [(f.field, f.rule) for f in late.quarantine] == [("expected_at", "implausible_time")]


def test_counts_are_those_of_accepted_rows_and_alike_in_both_kinds_of_file(tmp_path: Path) -> None:
    """A row in columns, one by itself, one with a fault, one that comes twice."""
    rows = [folders.crossing(number, carrier_id="NULL") for number in range(6)]
    rows[1]["arrived_at"] += " "
    rows[2]["plate"] = "a\nb"
    rows[3]["weighed_mass_kg"] = "1e3"
    rows[4]["crossing_id"] = "c0"
    folders.write({"crossings": rows}, tmp_path / "csv")
    names = list(MODELS["crossings"].model_fields)
    table = {name: [row.get(name) or None for row in rows] for name in names}
    folders.write({}, tmp_path / "parquet")
    pq.write_table(
        pa.table({name: pa.array(cells, pa.string()) for name, cells in table.items()}),
        tmp_path / "parquet" / "crossings.parquet",
    )
    one, other = (read_folder(tmp_path / kind, now=NOW) for kind in ("csv", "parquet"))
    assert one.placeholders == {"crossings.csv": {"carrier_id": 3}}
    assert other.placeholders == {"crossings.parquet": {"carrier_id": 3}}
    assert one.tables.digest == other.tables.digest


def test_the_wire_knows_the_same_placeholders() -> None:
    body = {
        "crossing_id": "c1", "post": "OYB", "direction": "entry", "vehicle_class": "truck",
        "arrived_at": "2025-01-01T00:00:00Z", "plate": "NULL", "carrier_id": "3.01E+08",
        "seal_numbers": ["A1,A2", "B3"],
    }  # fmt: skip
    found = Crossing.model_validate(body, strict=False)
    assert (found.plate, found.carrier_id, found.seal_numbers) == (None, None, ("B3",))
    with pytest.raises(ValidationError, match="placeholder"):
        Crossing.model_validate(body | {"crossing_id": "-"}, strict=False)
    with pytest.raises(ValidationError, match="implausible_time"):
        Crossing.model_validate(body | {"arrived_at": "1900-01-01T00:00:00Z"}, strict=False)


def test_every_fault_of_a_row_is_said_and_the_row_counts_once(tmp_path: Path) -> None:
    bad = {"arrived_at": "1900-01-01T00:00:00Z", "weighed_mass_kg": "-5", "plate_country": "uz"}
    rows = [
        folders.crossing(1),
        folders.crossing(2, **bad),
        folders.crossing(3, post="ATLANTIS", arrived_at="2090-01-01T00:00:00Z"),
    ]
    acts = [
        folders.inspection(1, propensity="2", outcome="?", methods="smell;x"),
        folders.inspection(9),
    ]
    folders.write({"crossings": rows, "inspections": acts}, tmp_path)
    found = read_folder(tmp_path, now=NOW)
    assert (found.accepted["crossings.csv"], found.quarantined["crossings.csv"]) == (1, 2)
    assert (found.accepted["inspections.csv"], found.quarantined["inspections.csv"]) == (0, 2)
    assert [(f.file, f.line, f.field, f.rule) for f in found.quarantine] == [
        ("crossings.csv", 3, "arrived_at", "implausible_time"),
        ("crossings.csv", 3, "plate_country", "malformed_country"),
        ("crossings.csv", 3, "weighed_mass_kg", "negative"),
        ("crossings.csv", 4, "post", "unknown_post"),
        ("crossings.csv", 4, "arrived_at", "not_yet_known"),
        ("inspections.csv", 2, "methods", "unknown_enumeration"),
        ("inspections.csv", 2, "outcome", "unknown_enumeration"),
        ("inspections.csv", 2, "propensity", "propensity_outside"),
        ("inspections.csv", 3, "crossing_id", "orphan"),
    ]


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"terminal": "T-2", "axles": 5, "bonded": True, "other": "N/A"}, None),
        ({"Terminal": "x"}, "malformed_code"),
        ({"driver_religion": "x"}, "forbidden_field"),
        ({"nationality": "x"}, "forbidden_field"),
        ({"a": ["x"]}, "not_a_plain_value"),
        ({"a": "x" * 201}, "too_long"),
        ({"a": "x\n"}, "control_character"),
        ({"a": 1e16}, "too_large"),
        ({"a": float("nan")}, "too_large"),
        ({f"a{n}": n for n in range(33)}, "too_long"),
        ([1], "not_an_object"),
        ("no object", "not_an_object"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_national_fields_are_texts_numbers_and_truth_values(given: Any, rule: str | None) -> None:
    body = {
        "crossing_id": "c", "post": "OYB", "direction": "entry", "vehicle_class": "truck",
        "arrived_at": LATER, "national": given,
    }  # fmt: skip
    if rule is None:
        found = Crossing.model_validate(body, strict=False)
        stated = {"axles": 5, "bonded": True, "terminal": "T-2"}
        assert found.model_dump(mode="json")["national"] == stated
        assert Crossing.model_validate_json(found.model_dump_json()) == found
        assert hash(found) == hash(found.model_copy())
        return
    with pytest.raises(ValidationError) as refused:
        Crossing.model_validate(body, strict=False)
    assert {each for _, each, _ in list_faults(refused.value)} == {rule}


def test_national_fields_are_columns_of_a_load_and_leave_digests_alone(tmp_path: Path) -> None:
    own = '{"b": 2, "a": "x"}'
    for name, cells in (("with", {"national": own}), ("without", {"national": "{}"}), ("not", {})):
        rows = {"crossings": [folders.crossing(2, **cells)]}
        folders.write(rows, tmp_path / name)
    stated, empty, absent = (
        read_folder(tmp_path / name, now=NOW) for name in ("with", "without", "not")
    )
    assert stated.tables.crossings["national"].to_pylist() == ['{"a":"x","b":2}']
    assert empty.tables.digest == absent.tables.digest != stated.tables.digest
