"""The form of an office's export is recognised and named, and no wrong advice is given."""

from pathlib import Path

import pytest

from engine.errors import InputError
from features.intake.file_reader import read_dialect
from features.intake.load import read_folder
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW

HEADER = "crossing_id;post;direction;arrived_at;vehicle_class;plate;weighed_mass_kg\n"
ROW = "c1;Ойбек;entry;31.12.2025 14:05;truck;01 А 123 ВС;18 220,5\n"
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
    why = refuse(tmp_path, (HEADER + ROW).encode(encoding))
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
