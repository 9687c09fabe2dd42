"""Mapping files: tables as offices have them become the contract's, and nothing is guessed."""

import sqlite3
from datetime import datetime
from pathlib import Path
from shutil import copytree
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from engine.domain.time_units import moment
from engine.errors import InputError
from engine.storage.home import Home
from features.history.tables import MODELS
from features.intake.load import Intake, check_folder, load, read_folder
from features.intake.mapping import read_mapping
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW, START

OFFICES = Path("docs/samples/offices").absolute()
LATER = START + 800 * 86_400_000_000
CONTRACT: folders.Tables = {
    "crossings": [
        {
            "crossing_id": "OYB-1", "post": "OYB", "direction": "entry",
            "arrived_at": "2025-12-31T14:05:00+05:00", "vehicle_class": "truck",
            "plate": "01 А 123 ВС", "plate_country": "UZ", "carrier_id": "C-17",
            "weighed_mass_kg": "18220.5", "is_empty": "false", "declaration_id": "C41",
        },
        {
            "crossing_id": "OYB-2", "post": "OYB", "direction": "exit",
            "arrived_at": "2025-12-31T14:40:00+05:00", "vehicle_class": "truck",
            "plate": "40 777 AA", "plate_country": "UZ", "carrier_id": "C-18",
            "container_numbers": "MSKU1234565;CSQU3054383",
            "weighed_mass_kg": "21300", "is_empty": "false", "declaration_id": "C42",
        },
        {
            "crossing_id": "OYB-3", "post": "FOT", "direction": "entry",
            "arrived_at": "2026-01-01T02:15:00+05:00", "vehicle_class": "truck",
            "plate": "01 4567 AA", "plate_country": "TJ", "carrier_id": "C-17",
            "weighed_mass_kg": "9300", "is_empty": "true",
        },
    ],
    "declarations": [
        {
            "declaration_id": "C41", "lodged_at": "2025-12-30T00:00:00+05:00",
            "procedure": "import", "consignee_id": "301234567",
        },
        {
            "declaration_id": "C42", "lodged_at": "2025-12-31T00:00:00+05:00",
            "procedure": "transit",
        },
    ],
    "goods_items": [
        {
            "declaration_id": "C41", "item_no": "1", "hs_code": "0807190000",
            "description": "дыни свежие", "origin_country": "TJ", "net_mass_kg": "9000.25",
            "customs_value_usd": "4200",
        },
        {
            "declaration_id": "C41", "item_no": "2", "hs_code": "0806201000",
            "description": "изюм", "origin_country": "TJ", "net_mass_kg": "1500",
            "customs_value_usd": "2300.5",
        },
        {
            "declaration_id": "C42", "item_no": "1", "hs_code": "8471300000",
            "description": "ноутбуки", "origin_country": "CN", "net_mass_kg": "730.5",
            "customs_value_usd": "61000",
        },
    ],
}  # fmt: skip
"""What the three samples hold, in the form of the contract."""


@pytest.fixture
def offices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the samples, and make the database that one of them reads."""
    folder = copytree(OFFICES, tmp_path / "offices")
    with sqlite3.connect(folder / "office.db") as database:
        database.executescript((folder / "asycuda.sql").read_text("utf-8"))
    database.close()
    monkeypatch.setenv("ASYCUDA", f"sqlite:///{folder / 'office.db'}")
    return folder


def read(folder: Path, text: str, *, now: int = LATER) -> Intake:
    """Read a folder by the text of a mapping."""
    path = folder / "mapping.toml"
    path.write_text(text, "utf-8")
    return read_folder(folder, settings=read_mapping(path), now=now)


def refuse(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as refused:
        read(folder, text)
    return str(refused.value)


@pytest.mark.parametrize("name", ["book", "journal", "asycuda"])
def test_a_sample_of_an_office_is_the_same_history_to_the_bit(
    name: str, offices: Path, tmp_path: Path
) -> None:
    folders.write(CONTRACT, tmp_path / "contract", network=None)
    expected = read_folder(tmp_path / "contract", now=LATER)
    found = read_folder(offices, settings=read_mapping(offices / f"{name}.toml"), now=LATER)
    assert not found.quarantine and not expected.quarantine
    assert found.tables.digest == expected.tables.digest
    assert sum(found.accepted.values()) == 8


def test_a_load_by_a_mapping_notes_it_and_a_check_touches_nothing(
    offices: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in offices.iterdir()}
    mapping = read_mapping(offices / "asycuda.toml")
    checked = check_folder(offices, tmp_path / "q.csv", settings=mapping)
    assert {path: path.read_bytes() for path in offices.iterdir()} == before
    home = Home(tmp_path / "home")
    loaded = load(home, offices, settings=mapping, now=LATER)
    assert loaded.accepted == checked.accepted
    assert loaded.note.startswith("read by asycuda.toml, SHA-256 ")
    assert not load(home, offices, settings=mapping, now=LATER).is_new


FORM = 'timezone = "Asia/Tashkent"\ndecimal = ","\ntime_format = "%d.%m.%Y %H:%M"\n'
FIELDS = (
    "crossing_id", "arrived_at", "plate", "plate_country", "carrier_id", "seal_numbers",
    "weighed_mass_kg", "expected_at",
)  # fmt: skip
COLUMNS = "\n".join(f'{name} = "{name}"' for name in FIELDS)
CONSTANTS = """
post = { constant = "OYB" }
direction = { constant = "entry" }
vehicle_class = { constant = "truck" }
"""
ALL = 'query = "SELECT * FROM given"\n'
GOOD = ("g1", "31.12.2025 14:05", "01A123BC", "UZ", "C-17", "A1;A2", "18 220,5", "")
TRAPS = {
    "key": ({"crossing_id": "NULL"}, ("crossing_id", "placeholder")),
    "zero-key": ({"crossing_id": "0"}, ("crossing_id", "placeholder")),
    "year-1": ({"arrived_at": "01.01.0001 00:00"}, ("arrived_at", "implausible_time")),
    "year-1900": ({"expected_at": "01.01.1900 00:00"}, ("expected_at", "implausible_time")),
    "carrier": ({"carrier_id": "N/A"}, "carrier_id"),
    "sign": ({"carrier_id": "-"}, "carrier_id"),
    "scientific": ({"carrier_id": "3.01E+08"}, "carrier_id"),
    "plate": ({"plate": "4.0E+12"}, "plate"),
    "seals": ({"seal_numbers": "A1,A2"}, "seal_numbers"),
    "groups": ({"weighed_mass_kg": "18_220"}, "weighed_mass_kg"),
    "error": ({"plate_country": "#N/A"}, "plate_country"),
    "point": ({"weighed_mass_kg": "12.5"}, ("weighed_mass_kg", "not_a_number")),
    "order": ({"arrived_at": "12/31/2025 14:05"}, ("arrived_at", "bad_time")),
}
"""Cells that stand for something else: a fault by field and rule, or a field that is missing."""


@pytest.mark.parametrize("form", ["text", "sheet", "database"])
def test_every_trap_is_named_and_no_row_is_lost(form: str, tmp_path: Path) -> None:
    rows = [list(GOOD)]
    for name, (cells, _) in TRAPS.items():
        row = dict(zip(FIELDS, GOOD, strict=True)) | {"crossing_id": name} | cells
        rows.append([row[field] for field in FIELDS])
    source = _write_form(form, tmp_path, rows)
    found = read(tmp_path, f"{FORM}[crossings]\n{source}[crossings.columns]\n{COLUMNS}{CONSTANTS}")
    faults = [tuple(at) for _, at in TRAPS.values() if not isinstance(at, str)]
    assert sorted((one.field, one.rule) for one in found.quarantine) == sorted(faults)
    (placeholders,) = found.placeholders.values()
    gaps = [at for _, at in TRAPS.values() if isinstance(at, str)]
    assert placeholders == {field: gaps.count(field) for field in gaps}
    accepted, quarantined = sum(found.accepted.values()), sum(found.quarantined.values())
    assert (accepted, quarantined) == (len(rows) - len(faults), len(faults))
    assert found.tables.crossings.num_rows == accepted


def _write_form(form: str, folder: Path, rows: list[list[str]]) -> str:
    """Write rows as text, a sheet or a table of a database; return what a mapping says of it."""
    if form == "text":
        text = "\n".join("|".join(row) for row in [list(FIELDS), *rows])
        (folder / "in.txt").write_text(text, "utf-16")
        return 'file = "in.txt"\nencoding = "utf-16"\ndelimiter = "|"\n'
    if form == "sheet":
        book = Workbook()
        for row in [list(FIELDS), *rows]:
            book.active.append(row)
        book.save(folder / "in.xlsx")
        return 'file = "in.xlsx"\n'
    with sqlite3.connect(folder / "in.db") as database:
        database.execute(f"CREATE TABLE given ({', '.join(FIELDS)})")
        database.executemany("INSERT INTO given VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.close()
    return ALL + f'database = "sqlite:///{folder / "in.db"}"\n'


def test_cells_of_a_spreadsheet_keep_their_digits_or_are_missing(tmp_path: Path) -> None:
    book = Workbook()
    for row in (
        ["n", "at", "plate", "carrier", "mass", "seal"],
        [1, datetime(2025, 6, 1, 10, 0), 777123, 301234567.0, 18.2205, 5001],
        [2, datetime(2025, 6, 1, 11, 0), 4.0e17, "#REF!", None, None],
        [None, None, "Итого", None, 18.2205, None],
    ):
        book.active.append(row)
    book.save(tmp_path / "in.xlsx")
    found = read(
        tmp_path,
        'timezone = "Asia/Bishkek"\n[crossings]\nfile = "in.xlsx"\n[crossings.columns]'
        '\ncrossing_id = "n"\narrived_at = "at"\nplate = "plate"\ncarrier_id = "carrier"'
        '\nseal_numbers = "seal"\nweighed_mass_kg = { column = "mass", factor = 1000 }' + CONSTANTS,
    )
    one, two = found.tables.crossings.to_pylist()
    assert (one["crossing_id"], one["plate"], one["carrier_id"]) == ("1", "777123", "301234567")
    assert (one["weighed_mass_kg"], one["seal_numbers"]) == (18220.5, ["5001"])
    assert moment(one["arrived_at"]).isoformat() == "2025-06-01T04:00:00+00:00"
    assert (two["plate"], two["carrier_id"], two["weighed_mass_kg"]) == (None, None, None)
    (total,) = {(fault.line, fault.rule) for fault in found.quarantine}
    assert total == (4, "missing_key")


@pytest.mark.parametrize(
    ("zone", "written", "rule"),
    [
        ("Asia/Tehran", "20.09.2020 23:30", "time_without_offset"),  # shown twice
        ("Asia/Tehran", "22.03.2021 00:30", "time_without_offset"),  # left out
        ("Asia/Tehran", "22.03.2021 01:30", None),
        ("Asia/Tashkent", "30.02.2021 01:30", "bad_time"),
    ],
)
def test_a_local_time_is_one_instant_or_a_fault(
    zone: str, written: str, rule: str | None, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(f"id,at\na,{written}\n", "utf-8")
    text = f'timezone = "{zone}"\ntime_format = "%d.%m.%Y %H:%M"\n[crossings]\nfile = "in.csv"\n'
    fields = '[crossings.columns]\ncrossing_id = "id"\narrived_at = "at"\n'
    found = read(tmp_path, text + fields + CONSTANTS)
    assert [one.rule for one in found.quarantine] == ([rule] if rule else [])


def test_codes_that_no_table_holds_are_faults_unless_the_mapping_says_otherwise(
    tmp_path: Path,
) -> None:
    (tmp_path / "in.csv").write_text("id,post,country,class\na,A,UZ,x\nb,B,RU,y\nc,A,N/A,y\n")
    text = """
        [codes.posts]
        A = "OYB"
        [crossings]
        file = "in.csv"
        [crossings.columns]
        crossing_id = "id"
        post = { column = "post", codes = "posts" }
        direction = { constant = "entry" }
        arrived_at = { constant = "2025-06-01T10:00:00+05:00" }
        vehicle_class = { column = "class", codes = { x = "truck" }, otherwise = "other" }
        plate_country = { column = "country", codes = { RUS = "RU" }, keep = true }
    """
    found = read(tmp_path, text)
    (fault,) = found.quarantine
    assert (fault.file, fault.line, fault.field) == ("in.csv", 3, "post")
    assert (fault.rule, "code table" in fault.message) == ("unknown_enumeration", True)
    rows = found.tables.crossings.to_pylist()
    assert [row["vehicle_class"] for row in rows] == ["truck", "other"]
    assert [row["plate_country"] for row in rows] == ["UZ", None]


def test_national_fields_have_the_type_that_the_mapping_states(tmp_path: Path) -> None:
    cells = ("a,T-2,5.5,да,18", "b,N/A,,нет,", "c,,x,да,", "d,T-1,7,может,")
    (tmp_path / "in.csv").write_text("\n".join(["id,t,a,b,mass", *cells]), "utf-8")
    text = (
        BASE.replace('"at"', '{ constant = "2025-06-01T10:00:00Z" }')
        + """
[crossings.national]
terminal = "t"
axles = { column = "a", type = "number" }
bonded = { column = "b", type = "boolean", codes = { "да" = "true", "нет" = "false" }, keep = true }
mass_t = { column = "mass", type = "number", factor = 0.1 }
"""
    )
    found = read(tmp_path, text)
    assert found.tables.crossings["national"].to_pylist() == [
        '{"axles":5.5,"bonded":true,"mass_t":1.8,"terminal":"T-2"}',
        '{"bonded":false}',
    ]
    assert [(one.line, one.field, one.rule) for one in found.quarantine] == [
        (4, "national", "not_a_number"), (5, "national", "not_a_boolean")
    ]  # fmt: skip
    assert found.quarantine[0].message.startswith("axles ")
    said = refuse(tmp_path, text.replace("terminal =", "ethnicity ="))
    assert "crossings.national.ethnicity" in said and "(forbidden_field)" in said
    assert "(malformed_code)" in refuse(tmp_path, text.replace("terminal =", "Terminal ="))


def test_parquet_and_several_files_of_one_table_are_read(tmp_path: Path) -> None:
    naive = pa.array([datetime(2025, 6, 1, 10)], pa.timestamp("ms"))
    for month in (1, 2):
        rows = pa.table({"id": [f"m{month}"], "at": naive})
        pq.write_table(rows, tmp_path / f"journal-{month}.parquet")
    text = 'timezone = "Asia/Tashkent"\n[crossings]\nfile = "journal-*.parquet"\n'
    fields = '[crossings.columns]\ncrossing_id = "id"\narrived_at = "at"\n'
    found = read(tmp_path, text + fields + CONSTANTS)
    assert found.accepted == {"journal-1.parquet": 1, "journal-2.parquet": 1}


BASE = (
    """[crossings]
file = "in.csv"
[crossings.columns]
crossing_id = "id"
arrived_at = "at"
"""
    + CONSTANTS
)
QUERY = BASE.replace('file = "in.csv"', 'query = "SELECT 1"')
WRONG = {
    "field": (BASE + 'platte = "x"', "mapping.toml: crossings.columns.platte", "unknown_field"),
    "required": (
        "[crossings]\nfile = 'in.csv'\n[crossings.columns]",
        "crossings.columns.crossing_id",
        "missing_key",
    ),
    "key": (BASE + 'plate = { col = "x" }', "crossings.columns.plate", "unknown_field"),
    "no source": (BASE + "plate = { digits = 3 }", "crossings.columns.plate", "contradiction"),
    "kind": (
        BASE + 'plate = { column = "id", factor = 2 }',
        "crossings.columns.plate.factor",
        "wrong_kind",
    ),
    "codes": (
        BASE + 'plate = { column = "id", codes = "x" }',
        "crossings.columns.plate.codes",
        "unknown_code_table",
    ),
    "encoding": ('encoding = "cp-none"\n' + BASE, "encoding", "unknown_encoding"),
    "zone": ('timezone = "Asia/Nowhere"\n' + BASE, "timezone", "unknown_time_zone"),
    "format": ('time_format = "%H:%M"\n' + BASE, "time_format", "bad_time_format"),
    "path": (BASE.replace("in.csv", "../in.csv"), "crossings.file", "not_a_name"),
    "file": (BASE.replace("in.csv", "out.csv"), "out.csv: crossings.file", "unknown_file"),
    "column": (BASE + 'plate = "nothing"', "in.csv: crossings.columns.plate", "unknown_column"),
    "twice": (BASE + 'plate = "b"', "crossings.columns.plate", "unknown_column"),
    "both": (QUERY.replace("query", "file = 'a'\nquery"), "crossings", "contradiction"),
    "database": (QUERY, "crossings.database", "missing_key"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_fault_of_a_mapping_names_table_field_and_rule(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,at,b,b\n1,2025-06-01T10:00:00Z,,\n", "utf-8")
    text, where, rule = WRONG[name]
    said = refuse(tmp_path, text)
    assert where in said and f"({rule})" in said


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql+psycopg://reader:s3cret%2F1@127.0.0.1:1/x", "refused_query"),
        ("sqlite:///{folder}/s3cret.db", "unknown_file"),
        ("nosuch://reader:s3cret@host/x", "unknown_database"),
        ("oracle+oracledb://reader:s3cret@host/x", "unknown_database"),
        ("s3cret", "malformed_address"),
        ("$NO_SUCH_VARIABLE", "missing_key"),
    ],
    ids=["refused", "sqlite", "dialect", "driver", "malformed", "variable"],
)
def test_no_password_of_a_database_is_shown(address: str, expected: str, tmp_path: Path) -> None:
    address = address.format(folder=tmp_path)
    query = f'query = "SELECT 1"\ndatabase = "{address}"'
    said = refuse(tmp_path, BASE.replace('file = "in.csv"', query))
    assert f"({expected})" in said
    assert "s3cret" not in said and "s3cret" not in repr(said)
    assert not (tmp_path / "s3cret.db").exists()


def test_a_query_changes_nothing_and_is_refused_in_one_sentence(offices: Path) -> None:
    query = 'query = "DELETE FROM SAD_ITEM"\ndatabase = "$ASYCUDA"'
    before = (offices / "office.db").read_bytes()
    assert "crossings.query" in refuse(offices, BASE.replace('file = "in.csv"', query))
    assert (offices / "office.db").read_bytes() == before


def test_a_sheet_that_is_not_there_is_named_with_those_that_are(offices: Path) -> None:
    text = BASE.replace('file = "in.csv"', 'file = "book.xlsx"')
    assert "there are several, name one: 'Въезд-выезд'" in refuse(offices, text)
    (offices / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    assert "old.xls: crossings.file: a workbook" in refuse(
        offices, BASE.replace("in.csv", "old.xls")
    )
    (offices / "broken.xlsx").write_bytes(b"PK\x03\x04")
    said = refuse(offices, BASE.replace("in.csv", "broken.xlsx"))
    assert "broken.xlsx: not a workbook we can read" in said


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_a_workbook_of_which_a_part_is_cut_short_is_refused(tmp_path: Path, part: str) -> None:
    book, kept = Workbook(), tmp_path / "whole.xlsx"
    book.active.append(["id", "at"])
    book.save(kept)
    with ZipFile(kept) as whole, ZipFile(tmp_path / "cut.xlsx", "w") as cut:
        for name in whole.namelist():
            content = whole.read(name)
            cut.writestr(name, content[: len(content) // 2] if name == part else content)
    said = refuse(tmp_path, BASE.replace("in.csv", "cut.xlsx"))
    assert "cut.xlsx: not a workbook we can read" in said


def test_a_line_with_too_few_cells_is_a_fault_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('id;at\na;2025-06-01T10:00:00Z\nb\n"c;x\nd;e\n', "utf-8")
    found = read(tmp_path, 'delimiter = ";"\n' + BASE, now=NOW)
    assert [(one.line, one.rule) for one in found.quarantine] == [
        (3, "ragged"), (4, "ragged"), (5, "bad_time")
    ]  # fmt: skip
    assert (found.accepted, found.quarantined) == ({"in.csv": 1}, {"in.csv": 3})


def test_every_table_can_be_mapped() -> None:
    assert set(MODELS) <= set(read_mapping.__annotations__["return"].model_fields)
