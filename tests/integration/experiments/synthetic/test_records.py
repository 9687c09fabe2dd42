"""The folder that ``synth`` writes: repeatable, valid, with data errors; what it may replace."""

import csv
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.criteria.match import FACTS
from engine.criteria.profiles.profile import BacktestSubject, read_template
from engine.criteria.profiles.readable_fields import DERIVED, Derived
from engine.domain.network import read_network
from engine.domain.records import (
    Crossing,
    DeclarationHead,
    GoodsItemRow,
    Inspection,
    Record,
    Seizure,
)
from engine.domain.time_units import DAY, HOUR, micros
from engine.errors import InputError
from experiments.synthetic.folder import MARK, Summary, claim, write
from features.history.tables import Tables
from features.intake.load import read_folder
from models.evaluation.profile_backtest import profile_backtest

RECORDS: dict[str, type[Record]] = {
    "crossings": Crossing,
    "declarations": DeclarationHead,
    "goods_items": GoodsItemRow,
    "inspections": Inspection,
    "seizures": Seizure,
}
FILES = [*(f"{name}.csv" for name in RECORDS), "network.toml", "truth.csv"]
SIZE, SEED, DAYS = 6_000, 11, 120
END = datetime(2025, 8, 3, 9, 30, tzinfo=UTC)
PERSONAL = {
    "nationality",
    "ethnic",
    "religion",
    "sex",
    "gender",
    "age",
    "birth",
    "name",
    "passport",
}


@pytest.fixture(scope="module")
def synthetic_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("synth")
    return folder, write(folder, crossings=SIZE, seed=SEED, days=DAYS, end=END)


def rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def column(folder: Path, name: str, key: str) -> list[str]:
    return [row[key] for row in rows(folder, name)]


def test_same_inputs_make_the_same_bytes(
    synthetic_folder: tuple[Path, Summary], tmp_path: Path
) -> None:
    folder, summary = synthetic_folder
    again = write(tmp_path, crossings=SIZE, seed=SEED, days=DAYS, end=END)

    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert again.rows == summary.rows
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_intake_quarantines_nothing_and_never_reads_the_truth(
    synthetic_folder: tuple[Path, Summary], tmp_path: Path
) -> None:
    folder, summary = synthetic_folder
    for name in FILES[:-1]:
        shutil.copy(folder / name, tmp_path / name)
    intake, bare = read_folder(folder), read_folder(tmp_path)

    assert list(intake.quarantine) == []
    assert intake.accepted["crossings.csv"] == summary.rows["crossings"] == SIZE
    assert intake.tables.digest == bare.tables.digest
    assert intake.tables.network.synthetic


def test_hard_facts_are_rare_in_synthetic_traffic(
    synthetic_folder: tuple[Path, Summary], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = read_folder(synthetic_folder[0]).tables
    alarms = {fact: count_alarms(tables, fact) for fact in FACTS}
    assert all(rate <= 2.0 for rate in alarms.values()), alarms
    # Negative control: compared with records of other passages, lawful vehicles would alarm.
    for name in ("left_empty", "mass_gained_kg"):
        known = DERIVED[name]
        anyhow = Derived(known.inputs, lambda value, *_: value, known.unit, known.meaning)
        monkeypatch.setitem(DERIVED, name, anyhow)
    wrong = {fact: count_alarms(tables, fact) for fact in ("load", "mass")}
    assert sum(wrong.values()) > alarms["load"] + alarms["mass"] + 1.0, (alarms, wrong)


def count_alarms(tables: Tables, fact: str) -> float:
    """Return how many of 1,000 crossings a shipped profile matches."""
    shipped = read_template(fact)
    subject = BacktestSubject(shipped["expression"], tolerance=shipped.get("tolerance"))
    rate: float = profile_backtest(tables, subject, days=366)["matches_per_1000"]
    return rate


def test_nothing_is_known_before_it_happened_or_after_the_end(
    synthetic_folder: tuple[Path, Summary],
) -> None:
    tables = read_folder(synthetic_folder[0]).tables
    crossings = {row["crossing_id"]: row for row in tables.crossings.to_pylist()}
    acts = tables.inspections.to_pylist()
    known = tables.crossings["known_at"].to_pylist()
    late = [row["recorded_at"] for row in (*acts, *tables.seizures.to_pylist())]

    assert max(known + late) < micros(END)
    assert micros(END) - max(known) < 12 * HOUR
    assert max(known) - min(known) > 0.9 * DAYS * DAY
    for act in acts:
        assert act["recorded_at"] >= crossings[act["crossing_id"]]["known_at"]
        assert crossings[act["crossing_id"]]["direction"] == "entry"
    assert len({act["crossing_id"] for act in acts}) == len(acts)


def test_no_field_speaks_of_a_person(synthetic_folder: tuple[Path, Summary]) -> None:
    for name in [*RECORDS, "truth"]:
        columns = next(rows(synthetic_folder[0], name)).keys()
        words = {word for column in columns for word in column.split("_")}
        assert words.isdisjoint(PERSONAL), name


def test_truth_has_one_row_a_crossing_and_records_do_not_hold_it(
    synthetic_folder: tuple[Path, Summary],
) -> None:
    folder, summary = synthetic_folder
    truth = list(rows(folder, "truth"))
    hidden = {"carries", "p_seizure", "p_discrepancy", "circle", "role", "is_lone", "wrong"}

    assert [row["crossing_id"] for row in truth] == [
        row["crossing_id"] for row in rows(folder, "crossings")
    ]
    assert hidden <= truth[0].keys()
    for name, record in RECORDS.items():
        columns = next(rows(folder, name)).keys()
        assert hidden.isdisjoint(columns)
        assert set(columns) <= set(record.model_fields)
    entries = {
        row["crossing_id"] for row in rows(folder, "crossings") if row["direction"] == "entry"
    }
    carrying = sum(int(row["carries"]) for row in truth if row["crossing_id"] in entries)
    assert carrying == summary.carrying


def test_the_network_file_says_that_it_is_synthetic(synthetic_folder: tuple[Path, Summary]) -> None:
    network = read_network(synthetic_folder[0] / "network.toml")

    assert network.synthetic
    assert len(network.posts) == 21
    assert network.pair("UZ-OYB") == "TJ-FOT"
    assert all(network.pair(network.pair(code) or code) in (code, None) for code in network.posts)


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    export = tmp_path / "crossings.csv"
    export.write_text("a real export")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="did not write"):
            claim(tmp_path, overwrite=overwrite)
    assert export.read_text() == "a real export" and not (tmp_path / MARK).exists()


def test_its_own_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    claim(tmp_path / "new", overwrite=False)
    (tmp_path / "new" / "crossings.csv").touch()
    with pytest.raises(InputError, match="--overwrite"):
        claim(tmp_path / "new", overwrite=False)
    claim(tmp_path / "new", overwrite=True)


def test_a_file_that_was_put_next_to_its_own_stops_it(tmp_path: Path) -> None:
    claim(tmp_path, overwrite=False)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"notes\.txt"):
        claim(tmp_path, overwrite=True)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(InputError, match="not a folder"):
        claim(tmp_path / "x", overwrite=True)
