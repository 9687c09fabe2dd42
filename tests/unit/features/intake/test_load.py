"""A load: every row is accepted or quarantined; it is whole or not there; rows for an erasure."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from engine.domain.time_units import DAY
from engine.errors import InputError
from engine.storage.home import Home
from features.history.tables import MODELS, read_history
from features.intake import load as intake_load
from features.intake import row_validation
from features.intake.load import load, read_folder
from features.intake.stored_loads import read_rows, select_rows
from tests.support.sizes import PROOF
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW

ROWS = 100_000 if PROOF else 10_000


def _tree(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


def test_one_bad_row_in_a_hundred_is_accounted_for_exactly(tmp_path: Path) -> None:
    good = folders.clean(ROWS * 99 // 100)
    bad_rows = folders.write(folders.plant(good, ROWS // 100), tmp_path / "bad")
    folders.write(good, tmp_path / "good")
    home = Home(tmp_path / "home")

    loaded = load(home, tmp_path / "bad", now=NOW)

    assert len({rule for _, _, rule in bad_rows}) >= 12
    assert sum(loaded.accepted.values()) == ROWS * 99 // 100
    assert sum(loaded.quarantined.values()) == ROWS // 100
    assert loaded.accepted == {f"{name}.csv": len(rows) for name, rows in good.items()}
    with loaded.quarantine_file.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["file"], int(row["line"]), row["rule"]) for row in rows} == bad_rows
    assert len(rows) == len(bad_rows)
    clean = read_folder(tmp_path / "good", now=NOW).tables
    assert read_folder(tmp_path / "bad", now=NOW).tables.digest == clean.digest
    assert read_history(home).crossings.equals(clean.crossings)
    before = _tree(home.root)
    again = load(home, tmp_path / "bad", now=NOW)
    assert loaded.has_new_network
    assert again == replace(loaded, is_new=False, has_new_network=False)
    assert _tree(home.root) == before


def test_a_second_write_of_the_same_load_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.write(folders.clean(100), tmp_path / "in")
    home = Home(tmp_path / "home")
    load(home, tmp_path / "in", now=NOW)
    before = _tree(home.root)
    monkeypatch.setattr(intake_load, "find_load", lambda home, offered: None)
    load(home, tmp_path / "in", now=NOW)
    assert _tree(home.root) != before


@pytest.mark.parametrize("lost", ["fault", "row"])
def test_an_intake_that_loses_a_row_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    real = row_validation.read_part

    def careless(
        name: str, path: Path, **options: Any
    ) -> tuple[row_validation.ValidatedTable, int]:
        part, seen = real(name, path, **options)
        if lost == "fault":
            return replace(part, faults=part.faults[1:]), seen
        return replace(part, rows=part.rows.slice(1), where=part.where.slice(1)), seen

    tables = folders.clean(200)
    bad = {**folders.crossing(999_999), "direction": "up"}
    folders.write(tables | {"crossings": [*tables["crossings"], bad]}, tmp_path / "in")
    read_folder(tmp_path / "in", now=NOW)
    monkeypatch.setattr(intake_load, "read_part", careless)
    with pytest.raises(InputError, match="nothing was loaded"):
        load(Home(tmp_path / "home"), tmp_path / "in", now=NOW)
    assert read_history(Home(tmp_path / "home")).crossings.num_rows == 0


def test_parquet_files_say_the_same_as_csv_files(tmp_path: Path) -> None:
    bad_rows = folders.plant(folders.clean(400), 38)
    without = {
        name: [r for r in rows if r.get("_rule") not in ("ragged", "bad_encoding")]
        for name, rows in bad_rows.items()
    }
    folders.write(without, tmp_path / "csv")
    folders.write({}, tmp_path / "parquet")
    for name in without:
        text = pa.csv.ConvertOptions(default_column_type=pa.string())
        quoted = pa.csv.ParseOptions(newlines_in_values=True)
        table = pa.csv.read_csv(
            tmp_path / "csv" / f"{name}.csv", convert_options=text, parse_options=quoted
        )
        pq.write_table(table, tmp_path / "parquet" / f"{name}.parquet")
    one, other = (read_folder(tmp_path / kind, now=NOW) for kind in ("csv", "parquet"))
    assert one.tables.digest == other.tables.digest
    assert Counter(f.rule for f in one.quarantine) == Counter(f.rule for f in other.quarantine)
    assert {f"{Path(file).stem}.parquet": n for file, n in one.accepted.items()} == other.accepted


def test_typed_parquet_columns_are_read_as_they_are(tmp_path: Path) -> None:
    folders.write({}, tmp_path)
    moment = pa.scalar(folders.START, pa.timestamp("us", "UTC"))
    table = pa.table(
        {
            "crossing_id": ["a", "b", "c"],
            "post": pa.array(["OYB"] * 3).dictionary_encode(),
            "direction": ["entry"] * 3,
            "arrived_at": pa.array([moment.as_py()] * 3, pa.timestamp("ns", "Asia/Tashkent")),
            "vehicle_class": ["truck"] * 3,
            "seal_numbers": [["S1", "S2"], [], None],
            "container_numbers": ["A;B", "", None],
            "weighed_mass_kg": [1.5, float("nan"), None],
            "is_empty": [True, False, None],
        }
    )
    pq.write_table(table, tmp_path / "crossings.parquet")
    found = read_folder(tmp_path, now=NOW)
    assert [(f.line, f.field, f.rule) for f in found.quarantine] == [
        (3, "weighed_mass_kg", "not_finite")
    ]
    rows = found.tables.crossings.to_pylist()
    assert [row["arrived_at"] for row in rows] == [folders.START] * 2
    assert [row["seal_numbers"] for row in rows] == [["S1", "S2"], []]
    assert [row["container_numbers"] for row in rows] == [["A", "B"], []]
    assert [row["is_empty"] for row in rows] == [True, None]


def test_a_folder_that_cannot_be_trusted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs crossings\.csv"):
        read_folder(tmp_path, now=NOW)
    folders.write(folders.clean(50), tmp_path)
    pq.write_table(pa.table({"crossing_id": ["a"]}), tmp_path / "crossings.parquet")
    with pytest.raises(InputError, match="both as CSV and as Parquet"):
        read_folder(tmp_path, now=NOW)
    (tmp_path / "crossings.csv").unlink()
    with pytest.raises(InputError, match="missing: post, direction, arrived_at, vehicle_class"):
        read_folder(tmp_path, now=NOW)
    (tmp_path / "crossings.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="not a Parquet file"):
        read_folder(tmp_path, now=NOW)


def test_a_declaration_left_without_a_valid_item_goes_and_its_crossing_stays(
    tmp_path: Path,
) -> None:
    folders.write(
        {
            "crossings": [folders.crossing(1), folders.crossing(3), folders.crossing(5)],
            "declarations": [folders.declaration(1), folders.declaration(3, procedure="")],
            "goods_items": [folders.item(1, hs_code="x"), folders.item(3)],
        },
        tmp_path,
    )
    found = read_folder(tmp_path, now=NOW)
    assert [(f.file, f.field, f.rule) for f in found.quarantine] == [
        ("declarations.csv", "items", "missing_key"),
        ("declarations.csv", "procedure", "missing_key"),
        ("goods_items.csv", "hs_code", "malformed_hs_code"),
        ("goods_items.csv", "declaration_id", "orphan"),
    ]
    assert found.tables.crossings["declaration_id"].to_pylist() == ["d1", "d3", "d5"]


def test_what_refers_to_a_quarantined_row_is_an_orphan(tmp_path: Path) -> None:
    folders.write(
        {
            "crossings": [folders.crossing(1), folders.crossing(2, post="")],
            "inspections": [folders.inspection(1, outcome="?"), folders.inspection(2)],
            "seizures": [
                folders.seizure(1, inspection_id="i1"),
                folders.seizure(2),
                folders.seizure(3, crossing_id="", plate=""),
            ],
        },
        tmp_path,
    )
    found = read_folder(tmp_path, now=NOW)
    assert [(f.file, f.line, f.field, f.rule) for f in found.quarantine] == [
        ("crossings.csv", 3, "post", "missing_key"),
        ("inspections.csv", 2, "outcome", "unknown_enumeration"),
        ("inspections.csv", 3, "crossing_id", "orphan"),
        ("seizures.csv", 2, "inspection_id", "orphan"),
        ("seizures.csv", 3, "crossing_id", "orphan"),
        ("seizures.csv", 4, "crossing_id", "missing_key"),
    ]


def test_any_post_will_do_without_a_network_file(tmp_path: Path) -> None:
    rows = {"crossings": [folders.crossing(1, post="ATLANTIS")]}
    folders.write(rows, tmp_path / "free", network=None)
    folders.write(rows, tmp_path / "bound")
    assert read_folder(tmp_path / "free", now=NOW).accepted == {"crossings.csv": 1}
    assert read_folder(tmp_path / "bound", now=NOW).accepted == {"crossings.csv": 0}


def test_posts_that_nothing_names_are_reported_once(tmp_path: Path) -> None:
    """Without a network file a mistyped code is a post like any other."""
    home = Home(tmp_path / "home")
    reported = []
    for number, post in enumerate(("OYB", "ATLANTIS", "ATLANTIS"), 1):
        folder = tmp_path / f"in-{number}"
        folders.write({"crossings": [folders.crossing(number, post=post)]}, folder, network=None)
        reported.append(dict(load(home, folder, now=NOW).new_posts))
    assert reported == [{"OYB": 1}, {"ATLANTIS": 1}, {}]


def test_progress_is_reported_by_file_and_table(tmp_path: Path) -> None:
    folders.write(folders.clean(100), tmp_path / "in")
    values: list[tuple[str, int, int]] = []
    load(
        Home(tmp_path / "home"),
        tmp_path / "in",
        now=NOW,
        progress=lambda stage, done, total: values.append((stage, done, total)),
    )
    ended = {stage for stage, done, total in values if done == total}
    assert ended == {"writing", *(f"{name}.csv" for name in MODELS)}
    assert all(done <= total for _, done, total in values)


CROSSINGS = """\
crossing_id,post,direction,arrived_at,vehicle_class,plate,driver_ref,container_numbers
c1,DOS,entry,2026-03-01T16:30:00Z,truck,01A123BC,d1,MSKU1234565;TGHU7654321
c2,DOS,entry,2026-03-02T16:30:00Z,truck,01A124BC,d2,
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with two crossings, and no table besides."""
    home, folder = Home(tmp_path / "home"), tmp_path / "in"
    folder.mkdir()
    (folder / "crossings.csv").write_text(CROSSINGS, "utf-8")
    load(home, folder)
    return home


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        ("01 a 123-bc", ["c1"]),
        ("tghu 765432 1", ["c1"]),
        ("d2", ["c2"]),
        ("D2", []),  # a driver is compared as written
        ("c1", []),  # an identifier of a crossing is no subject
        ("-", []),
    ],
)
def test_a_subject_is_found_by_its_identifiers(home: Home, subject: str, names: list[str]) -> None:
    found = select_rows(home, subject=subject, cuts={})
    assert found.crossings == names
    assert [one["crossing_id"] for one in read_rows(home, found)["crossings"]] == names


def test_a_crossing_is_due_by_the_days_of_its_kind(home: Home) -> None:
    rows = read_rows(home, select_rows(home, subject="d1", cuts={}))["crossings"]
    cut = rows[0]["known_at"] + DAY // 2
    assert select_rows(home, subject=None, cuts={"crossing": cut}).crossings == ["c1"]
    assert select_rows(home, subject=None, cuts={"decision": cut}).crossings == []
