"""Rows that are read and validated in columns are those that the models accept one by one."""

import random
from pathlib import Path
from typing import Any

import pytest

from engine.domain.records import AnyIdentifier
from features.intake import file_reader, row_validation
from features.intake.row_validation import TableBuilder, choose_validator, read_part
from tests.support.sizes import PROOF
from tests.unit.features.intake import bulk_folders as folders

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
    for rule in ("_recorded_after_start", "_linked")
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
