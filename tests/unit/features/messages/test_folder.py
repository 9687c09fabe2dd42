"""Folders of standard messages: taken is what `translate` says, and every row is counted."""

import csv
import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from engine.domain.time_units import micros
from engine.errors import InputError
from engine.storage.home import Home
from features.history.tables import read_history
from features.intake.load import load
from features.messages import translation
from features.messages.settings import choose_settings, read_settings
from features.messages.translation import translate_document

SAMPLES = Path(__file__).parents[4] / "docs" / "samples" / "messages"
SETTINGS = read_settings(SAMPLES / "settings.toml")
FIELDS = ("document", "crossing_id", "post", "direction", "arrived_at", "vehicle_class")
NOW = 1_790_000_000_000_000  # September 2026


def row(number: int, document: str = "", **cells: str) -> dict[str, str]:
    known = zip(
        FIELDS,
        (document, f"c{number}", "OYB", "entry", "2026-09-16T11:00:00+05:00", "truck"),
        strict=True,
    )
    return dict(known) | cells


def write(folder: Path, rows: list[dict[str, str]], *samples: str) -> Path:
    folder.mkdir(exist_ok=True)
    names = list(dict.fromkeys(name for each in rows for name in each))
    with (folder / "crossings.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, names)
        out.writeheader()
        out.writerows(rows)
    for name in samples:
        shutil.copy(SAMPLES / name, folder)
    return folder


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("asycuda", "asycuda.xml"),
        ("wco", "wco.xml"),
        ("ncts", "ncts.xml"),
        ("ecmr", "ecmr.xml"),
        ("ecmr", "ecmr.json"),
        ("ecmr", "ecmr-open-logistics.json"),
        ("eaeu", "eaeu.xml"),
    ],
)
def test_a_load_takes_what_a_translation_says(
    tmp_path: Path,
    format: str,  # noqa: A002
    name: str,
) -> None:
    home = Home(tmp_path / "home").prepare()
    folder = write(tmp_path / "in", [row(1, name)], name)
    loaded = load(home, folder, format=format, settings=SETTINGS, now=NOW)
    counts = {"crossings.csv": 1, "documents": 1}
    assert (loaded.accepted, sum(loaded.quarantined.values())) == (counts, 0)
    history = read_history(home)
    found = translate_document((SAMPLES / name).read_bytes(), SETTINGS)
    crossing = history.crossings.to_pylist()[0]
    expected = dict(found.crossing)
    if "expected_at" in expected:
        expected["expected_at"] = micros(datetime.fromisoformat(expected["expected_at"]))
    assert {field: crossing[field] for field in expected} == expected
    if found.declaration is not None:
        assert crossing["declaration_id"] == found.declaration["declaration_id"]
        [head], items = history.declarations.to_pylist(), history.goods_items.to_pylist()
        stated = {**found.declaration, "lodged_at": head["lodged_at"], "items": None}
        assert {field: head.get(field) for field in stated} == stated
        assert [
            {field: item[field] for field in stated}
            for item, stated in zip(items, found.declaration["items"], strict=True)
        ] == list(found.declaration["items"])


def test_every_row_and_every_document_is_accepted_or_quarantined(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    rows = [
        row(1, "asycuda.xml"),
        row(2, "asycuda.xml", plate="77 X 777 XX", trailer_plate="4417-BB-02"),
        row(3, "broken.xml"),
        row(4, "wco.xml"),
        row(5, "absent.xml"),
        row(6, arrived_at="yesterday"),
        row(1, "asycuda.xml"),
        row(7, "again.xml"),
        row(8, arrived_at="2126-09-16T11:00:00Z"),
    ]
    folder = write(tmp_path / "in", rows, "asycuda.xml", "wco.xml")
    shutil.copy(SAMPLES / "asycuda.xml", folder / "again.xml")
    (folder / "broken.xml").write_bytes(b"<ASYCUDA>\n<Item></ASYCUDA>")
    loaded = load(home, folder, format="asycuda", settings=SETTINGS, now=NOW)
    with loaded.quarantine_file.open(encoding="utf-8", newline="") as file:
        quarantine = [(r["file"], int(r["line"]), r["rule"]) for r in csv.DictReader(file)]
    assert sorted(quarantine) == [
        ("asycuda.xml", 1, "duplicate_id"),
        ("broken.xml", 2, "not_well_formed"),
        ("crossings.csv", 7, "bad_time"),
        ("crossings.csv", 8, "duplicate_id"),
        ("crossings.csv", 10, "not_yet_known"),
        ("wco.xml", 1, "other_format"),
    ]
    assert loaded.accepted == {"crossings.csv": 6, "documents": 1}
    assert loaded.quarantined == {"crossings.csv": 3, "documents": 3}
    assert loaded.differences == {"document": 1, "plate": 1}
    history = read_history(home)
    crossings = {each["crossing_id"]: each for each in history.crossings.to_pylist()}
    assert crossings["c2"]["plate"] == "77 X 777 XX"  # the reading at the post counts
    assert crossings["c2"]["plate_country"] == "TJ"  # and the document fills the rest
    assert crossings["c3"]["declaration_id"] is None
    assert history.goods_items.num_rows == 2


def test_a_load_again_changes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    folder = write(tmp_path / "in", [row(1, "wco.xml", plate="x")], "wco.xml")
    first = load(home, folder, format="wco", settings=SETTINGS, now=NOW)
    files = {path: path.read_bytes() for path in home.history.rglob("*") if path.is_file()}
    again = load(home, folder, format="wco", settings=SETTINGS, now=NOW)
    assert (again.is_new, again.differences) == (False, {"plate": 1})
    assert again.as_json() | {"new_posts": {}} == first.as_json() | {"new_posts": {}}
    assert files == {path: path.read_bytes() for path in home.history.rglob("*") if path.is_file()}


def test_negative_control_a_document_that_is_lost_is_not_loaded_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: declarations are dropped on their way to the tables."""
    home = Home(tmp_path / "home").prepare()
    folder = write(tmp_path / "in", [row(1, "wco.xml")], "wco.xml")
    monkeypatch.setattr(translation._Documents, "_keep", lambda *_: None)
    with pytest.raises(InputError, match="nothing was loaded"):
        load(home, folder, format="wco", settings=SETTINGS, now=NOW)


def test_a_consignment_note_that_no_crossing_names_is_quarantined(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    folder = write(tmp_path / "in", [row(1)], "ecmr.xml")
    loaded = load(home, folder, format="ecmr", now=NOW)
    assert "orphan" in loaded.quarantine_file.read_text("utf-8")
    assert loaded.quarantined["documents"] == 1


def test_no_name_of_a_person_comes_into_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    text = (SAMPLES / "asycuda.xml").read_text("utf-8").replace("SAMPLE EXPORTER", "CANARY-7")
    folder = write(tmp_path / "in", [row(1, "a.xml")])
    (folder / "a.xml").write_text(text, "utf-8")
    loaded = load(home, folder, format="asycuda", now=NOW)
    assert loaded.accepted["documents"] == 1
    assert "CANARY" not in json.dumps(
        [read_history(home).table(name).to_pylist() for name in ("crossings", "declarations")],
        default=str,
    )
    files = [path for path in home.root.rglob("*") if path.is_file()]
    assert not any(b"CANARY" in path.read_bytes() for path in files)


def test_a_folder_without_crossings_or_with_another_header_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=r"needs crossings\.csv"):
        load(home, tmp_path / "in", format="wco")
    write(tmp_path / "in", [{name: cell for name, cell in row(1).items() if name != "document"}])
    with pytest.raises(InputError, match="document"):
        load(home, tmp_path / "in", format="wco")


def test_settings_are_the_given_ones_or_those_of_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    assert choose_settings(home).date_order is None
    home.messages.write_text('date_order = "mdy"', "utf-8")
    assert choose_settings(home).date_order == "mdy"
    assert choose_settings(home, SAMPLES / "settings.toml").date_order == "dmy"
