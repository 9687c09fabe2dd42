"""Formats of files: dialects of offices, KCS, and the page that names every column and rule."""

import csv
import json
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.storage.home import Home
from features.history.tables import read_history
from features.intake import kcs_format
from features.intake.file_reader import read_dialect
from features.intake.load import load, read_folder
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW, START

HEADER = "crossing_id;post;direction;arrived_at;vehicle_class;plate;weighed_mass_kg\n"
OFFICE_ROW = "c1;Ойбек;entry;31.12.2025 14:05;truck;01 А 123 ВС;18 220,5\n"
SEMICOLONS = "its cells are parted by semicolons"


def refuse(tmp_path: Path, content: bytes) -> str:
    (tmp_path / "crossings.csv").write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_folder(tmp_path, now=NOW)
    return str(refused.value)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("cp1251", "reads as Windows-1251"),
        ("cp866", "reads as code page 866"),
        ("utf-16", "its text is UTF-16"),
    ],
)
def test_an_export_of_an_office_is_named_in_full(
    encoding: str, expected: str | None, tmp_path: Path
) -> None:
    why = refuse(tmp_path, (HEADER + OFFICE_ROW).encode(encoding))
    assert SEMICOLONS in why
    assert "dates are written as 31.12.2025 14:05" in why
    assert "decimals have a comma" in why
    assert ("its text" in why) == (expected is not None) and (expected or "") in why
    assert "--ignore-columns" not in why
    assert "Ойбек" not in why


@pytest.mark.parametrize("between", ["\t", "|"])
def test_other_delimiters_are_named(between: str, tmp_path: Path) -> None:
    why = refuse(tmp_path, HEADER.replace(";", between).encode())
    assert "its cells are parted by" in why and "--ignore-columns" not in why


def test_a_workbook_is_named(tmp_path: Path) -> None:
    assert "is a workbook" in refuse(tmp_path, b"PK\x03\x04\x14\x00\x06\x00" + bytes(100))
    (tmp_path / "crossings.csv").rename(tmp_path / "crossings.xlsx")
    with pytest.raises(InputError, match=r"crossings\.xlsx is a workbook"):
        read_folder(tmp_path, now=NOW)


def test_columns_may_be_passed_over_only_where_that_would_help(tmp_path: Path) -> None:
    whole = ",".join(folders.crossing(1)) + ",colour\n"
    assert "--ignore-columns" in refuse(tmp_path, whole.encode())
    why = refuse(tmp_path, b"id,colour\n")
    assert "required columns are missing" in why and "'id', 'colour'" in why
    assert "--ignore-columns" not in why


@pytest.mark.parametrize("rows", [1, 3, 200])
def test_a_file_of_the_contract_has_no_dialect(rows: int, tmp_path: Path) -> None:
    folders.write(folders.clean(rows), tmp_path)
    for path in tmp_path.glob("*.csv"):
        assert str(read_dialect(path)) == "", path.name


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("31.12.2025", "dates are written as 31.12.2025"),
        ("12/31/2025 14:05", "31/12/2025 or 12/31/2025"),
        ("2025-12-31 14:05", "times have no offset"),
        ("2025-12-31T14:05:00+05:00", ""),
        ("18220.5", ""),
        ('"18220,5"', "decimals have a comma"),
        ("192.168.0.1", ""),
    ],
)
def test_values_are_named_by_what_most_cells_of_a_column_hold(
    cell: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "some.csv"
    path.write_text(f"a,b\n1,{cell}\n2,{cell}\n3,other\n", "utf-8")
    found = str(read_dialect(path))
    assert expected in found and bool(expected) == bool(found)
    path.write_text(f"a,b\n1,{cell}\n2,other\n3,other\n", "utf-8")
    assert str(read_dialect(path)) == ""


def test_an_empty_file_has_no_dialect(tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_bytes(b"")
    assert str(read_dialect(tmp_path / "none.csv")) == ""


KCS_NOW = START
KCS_ROW = {
    "Declaration ID": "90000001",
    "Date": "2024-03-05",
    "Office ID": "77",
    "Process Type": "B",
    "Import Type": "11",
    "Import Use": "21",
    "Payment Type": "43",
    "Mode of Transport": "10",
    "Declarant ID": "DECL001",
    "Importer ID": "IMPO001",
    "Seller ID": "SELL001",
    "Courier ID": "",
    "HS6 Code": "80719",
    "Country of Departure": "UZ",
    "Country of Origin": "ZZ",
    "Tax Rate": "30.5",
    "Tax Type": "FCN1",
    "Country of Origin Indicator": "G",
    "Net Mass": "1250.5",
    "Item Price": "372254.4",
    "Fraud": "1",
    "Critical Fraud": "1",
}


def _write(path: Path, *changes: dict[str, str], columns: tuple[str, ...] = tuple(KCS_ROW)) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for number, change in enumerate(changes):
            row = KCS_ROW | {"Declaration ID": f"{path.stem}{number}"} | change
            writer.writerow([row.get(column, "") for column in columns])


def test_one_row_is_a_crossing_a_declaration_an_item_and_an_act(tmp_path: Path) -> None:
    _write(tmp_path / "a.csv", {"Declaration ID": "90000001"})
    (tmp_path / "notes.txt").write_text("not a table")
    found = read_folder(tmp_path, format="kcs", now=KCS_NOW).tables
    midnight = 1_709_596_800_000_000
    (crossing,), (head,) = found.crossings.to_pylist(), found.declarations.to_pylist()
    (item,), (act,) = found.goods_items.to_pylist(), found.inspections.to_pylist()

    def present(row: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in row.items() if value not in (None, [])}

    assert present(crossing) == {
        "crossing_id": "90000001",
        "post": "77",
        "direction": "entry",
        "arrived_at": midnight,
        "vehicle_class": "other",
        "declaration_id": "90000001",
        "known_at": midnight,
    }
    assert present(head) == {
        "declaration_id": "90000001",
        "lodged_at": midnight,
        "procedure": "B-21",
        "declarant_id": "DECL001",
        "consignor_id": "SELL001",
        "consignee_id": "IMPO001",
        "dispatch_country": "UZ",
        "transport_mode": "10",
        "nature_of_transaction": "11",
        "payment_type": "43",
    }
    assert present(item) == {
        "declaration_id": "90000001",
        "item_no": 1,
        "hs_code": "080719",
        "origin_country": "ZZ",
        "net_mass_kg": 1250.5,
        "customs_value_usd": 372254.4,
        "duty_rate": 0.305,
        "preference_code": "FCN1",
        "origin_marking": "G",
    }
    recorded = midnight + 86_399_000_000
    assert present(act) == {
        "inspection_id": "90000001",
        "crossing_id": "90000001",
        "recorded_at": recorded,
        "outcome": "discrepancy",
        "basis": "officer",
        "known_at": recorded,
    }


def test_outcomes_and_a_rate_of_nought(tmp_path: Path) -> None:
    _write(
        tmp_path / "a.csv",
        {"Fraud": "0", "Critical Fraud": "0", "Tax Rate": "0.0", "Courier ID": "C9"},
        {"Fraud": "1", "Critical Fraud": "2"},
        {"Fraud": "1", "Critical Fraud": "", "Import Use": ""},
    )
    found = read_folder(tmp_path, format="kcs", now=KCS_NOW).tables
    assert found.inspections["outcome"].to_pylist() == ["clear", "seizure", "discrepancy"]
    assert found.goods_items["duty_rate"].to_pylist() == [0.0, 0.305, 0.305]
    assert found.crossings["carrier_id"].to_pylist() == ["C9", None, None]
    assert found.declarations["procedure"].to_pylist() == ["B-21", "B-21", "B"]


def test_a_bad_row_gives_none_of_its_records_and_is_reported_by_its_column(tmp_path: Path) -> None:
    bad = [
        ({"Date": "2024-02-30"}, "Date", "bad_time"),
        ({"Date": ""}, "Date", "missing_key"),
        ({"Date": "2024-12-31"}, "Date", "not_yet_known"),
        ({"Declaration ID": ""}, "Declaration ID", "missing_key"),
        ({"Declaration ID": "a0"}, "Declaration ID", "duplicate_id"),
        ({"Fraud": "maybe"}, "Fraud", "unknown_enumeration"),
        ({"HS6 Code": "shoes"}, "HS6 Code", "malformed_hs_code"),
        ({"Tax Rate": "high"}, "Tax Rate", "not_a_number"),
        ({"Net Mass": "-1"}, "Net Mass", "negative"),
        ({"Country of Origin": "Korea"}, "Country of Origin", "malformed_country"),
        ({"Process Type": "", "Import Use": ""}, "Process Type", "missing_key"),
    ]
    _write(tmp_path / "a.csv", {}, *(change for change, _, _ in bad))
    _write(tmp_path / "b.csv", {}, {"Declaration ID": "a0"})
    now = 1_735_603_200_000_000 + 3_600_000_000  # 2024-12-31T01:00: that day's act is not recorded
    found = read_folder(tmp_path, format="kcs", now=now)
    assert [(f.file, f.line, f.field, f.rule) for f in found.quarantine] == [
        *(("a.csv", line, field, rule) for line, (_, field, rule) in enumerate(bad, 3)),
        ("b.csv", 3, "Declaration ID", "duplicate_id"),
    ]
    assert found.accepted == {"a.csv": 1, "b.csv": 1}
    assert found.quarantined == {"a.csv": len(bad), "b.csv": 1}
    for name in ("crossings", "declarations", "goods_items", "inspections"):
        assert found.tables.table(name).num_rows == 2


def test_a_load_notes_the_currency_and_is_the_same_again(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    _write(tmp_path / "in" / "a.csv", {}, {"Fraud": "9"})
    home = Home(tmp_path / "home")
    loaded = load(home, tmp_path / "in", format="kcs", now=KCS_NOW)
    record = json.loads((home.history / loaded.digest / "load.json").read_text("utf-8"))
    assert "Korean won" in record["note"]
    assert (loaded.accepted, loaded.quarantined) == ({"a.csv": 1}, {"a.csv": 1})
    assert not load(home, tmp_path / "in", format="kcs", now=KCS_NOW).is_new
    assert read_history(home).crossings.num_rows == 1
    assert not home.network.exists()


def test_a_row_without_a_verdict_is_a_crossing_without_an_inspection(tmp_path: Path) -> None:
    none = {"Fraud": "", "Critical Fraud": ""}
    _write(
        tmp_path / "a.csv",
        none,
        {"Fraud": "1.0", "Critical Fraud": "2.0"},
        {"Fraud": "0.0", "Critical Fraud": "0.0"},
        none | {"Net Mass": "-1"},
        {"Fraud": "", "Critical Fraud": "1"},
    )
    _write(tmp_path / "b.csv", none)
    found = read_folder(tmp_path, format="kcs", now=KCS_NOW)
    assert found.accepted == {"a.csv": 3, "b.csv": 1}
    assert [(f.line, f.field) for f in found.quarantine] == [(5, "Net Mass"), (6, "Fraud")]
    assert found.tables.crossings["crossing_id"].to_pylist() == ["a0", "a1", "a2", "b0"]
    assert found.tables.inspections["crossing_id"].to_pylist() == ["a1", "a2"]
    assert found.tables.inspections["outcome"].to_pylist() == ["seizure", "clear"]


def test_a_second_load_that_repeats_rows_takes_none_of_their_records(tmp_path: Path) -> None:
    for folder, changes in (("one", [{}]), ("two", [{"Office ID": "78"}, {}])):
        (tmp_path / folder).mkdir()
        _write(tmp_path / folder / "a.csv", *changes)
    home = Home(tmp_path / "home")
    load(home, tmp_path / "one", format="kcs", now=KCS_NOW)
    loaded = load(home, tmp_path / "two", format="kcs", now=KCS_NOW)
    assert (loaded.accepted, loaded.quarantined) == ({"a.csv": 1}, {"a.csv": 1})
    assert set(loaded.rows.values()) == {0, 1}
    assert read_history(home).crossings["post"].to_pylist() == ["77", "77"]


def test_other_headers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \*\.csv file"):
        read_folder(tmp_path, format="kcs", now=KCS_NOW)
    _write(tmp_path / "a.csv", {}, columns=(*KCS_ROW, "Weather"))
    with pytest.raises(InputError, match="column 'Weather'"):
        read_folder(tmp_path, format="kcs", now=KCS_NOW)
    found = read_folder(tmp_path, format="kcs", now=KCS_NOW, ignore_columns=["Weather"])
    assert found.accepted == {"a.csv": 1}
    _write(tmp_path / "a.csv", {}, columns=tuple(KCS_ROW)[:-1])
    with pytest.raises(InputError, match="missing: Critical Fraud"):
        read_folder(tmp_path, format="kcs", now=KCS_NOW)


def test_every_field_of_the_mapping_has_its_column() -> None:
    assert {*kcs_format.COLUMN_OF.values(), "Import Use", "Critical Fraud"} == set(KCS_ROW)
