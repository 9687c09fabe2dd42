"""Rows that are read and validated in columns are those that the models accept one by one."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from engine.domain.records import Identifier
from features.intake import column_validation, plain_rows, row_validation
from features.intake.column_validation import choose_validator
from features.intake.row_validation import TableBuilder, read_part
from tests.unit.features.intake import bulk_folders as folders

GOOD = {
    "crossing_id": ["c1", "c2", "c3", "c4", '"c,5"'],
    "post": ["OYB", "FOT"],
    "direction": ["entry", "exit"],
    "arrived_at": [
        "2025-01-01T00:00:00Z", "2025-01-01 05:00:00.123456+05:00", "2024-02-29T23:59:59Z",
        "0001-01-01T00:00:00Z", "2025-01-01t00:00:00.1234567z",
    ],
    "vehicle_class": ["car", "truck"],
    "plate": ["", "01 A 123 BC", "А123ВС", '"a""b"', "x" * 64, "ж" * 64],
    "weighed_mass_kg": ["", "0", "12000.5", "1e3", " 7 ", "-0", "100000000", "0.1", "007"],
    "is_empty": ["", "TRUE", "0", "false"],
    "seal_numbers": ["", "S1", "S1;S2"],
}  # fmt: skip
HEADER = ",".join(GOOD).encode()
BAD = {
    "crossing_id": ["", "x" * 65],
    "post": ["", "x" * 17],
    "direction": ["", "in"],
    "arrived_at": [
        "",
        "now",
        "2025-02-30T00:00:00Z",
        "2025-01-01T00:00:00",
        "2025-01-01T24:00:00Z",
    ],
    "vehicle_class": ["bike"],
    "plate": ["\u200b", "a\tb", "ж" * 65],
    "weighed_mass_kg": ["-1", "nan", "heavy", "100000001"],
    "is_empty": ["yes"],
    "seal_numbers": ["S1;", ";".join("S" * 65)],
}  # fmt: skip
ODD = [b"", b"c9", b'"', b'a"b,OYB,entry,2025-01-01T00:00:00Z,car,,,,', b"a,b,c,d,e,f,g,h,\xff",
       b'"c8\nx",OYB,entry,2025-01-01T00:00:00Z,car,,,,', b" ", b"\0"]  # fmt: skip


FILES = 2_000 if os.environ.get("DARVOZA_PROOF") else 30
ENDS = [b"\n", b"\r\n", b"\r"]


def draw(seed: int) -> bytes:
    """Draw a file: good rows, a bad cell here and there, and lines that are odd."""
    rng = random.Random(seed)
    lines = [HEADER]
    for _ in range(rng.randrange(12)):
        cells = (rng.choice(GOOD[name] if rng.random() < 0.97 else BAD[name]) for name in GOOD)
        lines.append(rng.choice(ODD) if rng.random() < 0.08 else ",".join(cells).encode())
    end = rng.choice(ENDS)
    return end.join(lines) + end * rng.randrange(2)


def read(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    part, seen = read_part("crossings", path)
    return part.rows.to_pylist(), part.where.to_pylist(), sorted(map(repr, part.faults)), seen


def test_a_file_reads_as_it_does_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, blocks = tmp_path / "crossings.csv", (40, 300, 1 << 20)
    files = [draw(seed) for seed in range(FILES)]
    found = []
    for number, content in enumerate(files):
        monkeypatch.setattr(plain_rows, "BLOCK", blocks[number % 3])
        found.append(read(path, content))
    monkeypatch.setattr(row_validation, "choose_validator", lambda _name: None)
    for content, one in zip(files, found, strict=True):
        assert one == read(path, content), content
    # Many files have rows of both kinds, and some have none that are valid.
    assert sum(bool(rows) and bool(faults) for rows, _, faults, _ in found) > FILES / 20


def test_plain_rows_never_meet_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing would be gained, and the comparison above would compare a reader with itself."""
    names = list(folders.crossing(0))
    plain = [",".join(folders.crossing(number).values()) for number in range(2_000)]
    (tmp_path / "crossings.csv").write_text("\n".join([",".join(names), *plain]), "utf-8")
    monkeypatch.setattr(TableBuilder, "to_columns", None)
    monkeypatch.setattr(plain_rows, "BLOCK", 10_000)
    part, seen = read_part("crossings", tmp_path / "crossings.csv")
    assert (part.rows.num_rows, seen, part.faults) == (2_000, 2_000, ())


@pytest.mark.parametrize(
    ("name", "bug", "field", "cell"),
    [
        ("_TIME", ".", "arrived_at", "2025-01-01 00:00Z"),
        ("_find_bounds", lambda _: (0, 1e9), "weighed_mass_kg", "100000001"),
        ("_LONGEST", ((Identifier, 65),), "plate", "x" * 65),
    ],
)
def test_a_looser_check_of_columns_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bug: Any, field: str, cell: str
) -> None:
    row = {"crossing_id": "c1", "post": "OYB", "direction": "entry", "vehicle_class": "car"}
    row |= {"arrived_at": "2025-01-01T00:00:00Z", field: cell}
    path = tmp_path / "crossings.csv"
    content = "\n".join([",".join(row), ",".join(row.values())]).encode()
    found = read(path, content)
    assert len(found[2]) == 1
    monkeypatch.setattr(column_validation, name, bug)
    monkeypatch.setattr(row_validation, "choose_validator", choose_validator.__wrapped__)
    assert read(path, content) != found
