"""Optional fields: from files, refused by rule, absent where they are not given."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.domain.records import (
    Arrival,
)
from engine.domain.time_units import DAY, micros, moment, rfc3339
from features.history.record_rows import to_row
from features.history.tables import SCHEMAS
from features.intake.load import read_folder
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW

LATER = rfc3339(NOW + 3 * DAY)
CROSSING = {"cmr_number": "551902", "tir_carnet": "XQ81300417", "expected_at": LATER}
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
ITEM = {"package_kind": "CT"}


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
    assert [without[name] for name in CROSSING] == [None, None, None]
    (head,) = found.tables.declarations.to_pylist()
    assert (head["invoice_value"], head["route_countries"]) == (8250.5, ["KZ", "UZ"])
    assert head["previous_documents"] == ["N821:26KZ1", "N730:551902"]
    assert found.tables.goods_items["package_kind"].to_pylist() == ["CT"]
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
        ("crossings", "expected_at", "2025-01-01", "bad_time"),
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
