"""Rows of a loaded history that an erasure takes."""

from pathlib import Path

import pytest

from engine.domain.time_units import DAY
from engine.storage.home import Home
from features.intake.load import load
from features.intake.stored_loads import read_rows, select_rows

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
