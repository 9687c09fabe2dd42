"""Labels follow the classes of goods: a load, or a discrepancy alone."""

from pathlib import Path

import pytest

from engine.domain.goods import GoodsClasses, shipped_goods_classes
from engine.domain.time_units import HOUR, MINUTE, rfc3339
from engine.storage.home import Home
from features.catalogue.plan import current_plan
from features.history import labels as history_labels
from features.history.labels import act_events, labels
from features.history.tables import Tables, read_history, without_questions
from features.intake.load import load, read_folder
from models.data.build_dataset import assemble
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW, START

Finds = list[tuple[int, str]]
TOBACCO = {"substance_class": "other", "goods_class": "tobacco", "amount": "200", "unit": "pieces"}


def read(folder: Path, acts: dict[int, str], finds: Finds) -> Tables:
    """Return a history of acts by crossing and outcome, and finds by crossing and class."""
    rows = folders.clean(100) | {"inspections": [], "seizures": []}
    for number, outcome in acts.items():
        rows["inspections"].append(folders.inspection(number, outcome=outcome))
    for at, (number, code) in enumerate(finds):
        goods = {"narcotics": {"goods_class": "narcotics"}, "tobacco": TOBACCO, "": {}}[code]
        rows["seizures"].append(folders.seizure(number, seizure_id=f"s{number}-{at}", **goods))
    folders.write(rows, folder)
    intake = read_folder(folder, now=NOW)
    assert intake.quarantine == []
    return intake.tables


def read_labels(tables: Tables) -> dict[str, tuple[int, int, int]]:
    """Return load, discrepancy and since when by crossing, of those that have a label."""
    found = labels(tables)
    rows = zip(found.seizure.tolist(), found.discrepancy.tolist(), found.known_at, strict=True)
    names = tables.crossings["crossing_id"].to_pylist()
    return {name: row for name, row in zip(names, rows, strict=True) if row[0] >= 0}


ACTS = {1: "seizure", 2: "seizure", 3: "seizure", 4: "seizure", 5: "discrepancy", 6: "clear"}
FINDS: Finds = [
    (1, "narcotics"), (2, "tobacco"), (3, "tobacco"), (3, "narcotics"), (4, ""), (7, "tobacco"),
]  # fmt: skip


def test_a_find_teaches_what_its_class_says(tmp_path: Path) -> None:
    found = read_labels(read(tmp_path, ACTS, FINDS))
    pairs = {name: row[:2] for name, row in found.items()}
    assert pairs == {
        "c1": (1, 1), "c2": (0, 1), "c3": (1, 1), "c4": (1, 1), "c5": (0, 1), "c6": (0, 0),
        "c7": (0, 1),
    }  # fmt: skip


def test_that_an_act_took_no_load_is_known_with_its_find(tmp_path: Path) -> None:
    found = read_labels(read(tmp_path, {2: "seizure"}, [(2, "tobacco")]))
    assert found["c2"][2] == START + 8 * MINUTE + 6 * HOUR
    before = read_labels(read(tmp_path / "before", {2: "seizure"}, []))
    assert before["c2"] == (1, 1, START + 8 * MINUTE + 5 * HOUR), "as of a time without the find"


def test_another_table_of_classes_teaches_another_label(tmp_path: Path) -> None:
    tables = read(tmp_path, ACTS, FINDS)
    table = shipped_goods_classes().model_dump()
    for one in table["classes"]:
        one["is_load"] |= one["code"] == "tobacco"
    goods = GoodsClasses.model_validate(table)
    parts = {name: getattr(tables, name) for name in Tables.__slots__ if name != "goods"}
    assert read_labels(Tables(**parts, goods=goods))["c2"][:2] == (1, 1)


def test_labels_that_ignore_classes_are_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_labels, "_find_no_load", lambda _: {})
    assert read_labels(read(tmp_path, ACTS, FINDS))["c2"][:2] == (1, 1)


def test_a_class_and_a_unit_of_no_table_are_quarantined(tmp_path: Path) -> None:
    rows = folders.clean(100) | {"inspections": [], "seizures": []}
    rows["seizures"] = [
        folders.seizure(1, **TOBACCO),
        folders.seizure(2, **TOBACCO | {"goods_class": "cigars"}),
        folders.seizure(3, **TOBACCO | {"unit": "l"}),
        folders.seizure(4, **TOBACCO | {"unit": "ZZZ"}),
    ]
    folders.write(rows, tmp_path)
    intake = read_folder(tmp_path, now=NOW)
    faults = {(one.line, one.field, one.rule) for one in intake.quarantine}
    assert faults == {
        (3, "goods_class", "unknown_enumeration"), (4, "unit", "wrong_unit"),
        (5, "unit", "unknown_unit"),
    }  # fmt: skip
    assert intake.accepted["seizures.csv"] == 1


def test_a_clear_audit_of_books_teaches_a_discrepancy_alone(tmp_path: Path) -> None:
    rows = folders.clean(100) | {"seizures": []}
    papers = {"methods": "documents", "outcome": "clear"}
    rows["inspections"] = [
        folders.inspection(1, **papers, is_audit="true"),
        folders.inspection(2, **papers),
        folders.inspection(3, **papers | {"outcome": "discrepancy"}, is_audit="true"),
        folders.inspection(4, methods="physical", is_audit="true"),
    ]
    folders.write(rows, tmp_path)
    tables = read_folder(tmp_path, now=NOW).tables
    found = labels(tables)
    names = tables.crossings["crossing_id"].to_pylist()
    which = [names.index(f"c{number}") for number in (1, 2, 3, 4)]
    assert found.discrepancy[which].tolist() == [0, -1, 1, 0]
    assert found.seizure[which].tolist() == [-1, -1, 0, 0], "books say nothing about a load"
    made = assemble(tables, current_plan())
    seen = {name: row for row, name in enumerate(made.crossing_id)}
    rows_of = [seen[f"c{number}"] for number in (1, 2, 3, 4)]
    assert made.evidence("discrepancy")[rows_of].tolist() == [True, False, True, True]
    assert made.evidence("seizure")[rows_of].tolist() == [False, False, False, True]


def test_documents_asked_for_are_kept_and_are_no_act(tmp_path: Path) -> None:
    rows = folders.clean(100) | {"seizures": []}
    asked = {"outcome": "documents_asked", "methods": "", "documents": "N851;N954"}
    due = {"due_at": rfc3339(START + 900 * HOUR)}
    rows["inspections"] = [
        folders.inspection(1, **asked, **due),
        folders.inspection(2, **asked),
        folders.inspection(3, **due),
        folders.inspection(4, **asked, **due, duty_assessed="5", currency="UZS"),
        folders.inspection(5),
    ]
    folders.write(rows, tmp_path / "folder")
    home = Home(tmp_path / "home")
    loaded = load(home, tmp_path / "folder", now=NOW)
    assert loaded.accepted["inspections.csv"] == 2 and loaded.quarantined["inspections.csv"] == 3
    stored = read_history(home)
    kept = stored.inspections.to_pylist()
    (question,) = [one for one in kept if one["outcome"] == "documents_asked"]
    assert question["documents"] == ["N851", "N954"] and question["due_at"] is not None
    known = without_questions(stored)
    assert read_labels(known).keys() == {"c5"}
    assert act_events(known)[1].tolist() == [known.crossings["crossing_id"].to_pylist().index("c5")]
