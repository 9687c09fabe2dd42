"""A shift cut off a history: nothing known before it is sent; after it only exits are history."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.domain.time_units import HOUR, micros
from experiments.support.deployment import HeldOutShift, cut_shift
from experiments.synthetic.folder import write

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPENS = micros(END) - 24 * HOUR


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, HeldOutShift]:
    folder = tmp_path_factory.mktemp("shift")
    write(folder / "all", crossings=2000, seed=3, end=END, days=20)
    return folder, cut_shift(folder / "all", folder / "history", opens_at=OPENS)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_known_at(row: dict[str, str]) -> int:
    return micros(datetime.fromisoformat(row["recorded_at"] or row["arrived_at"]))


def test_every_crossing_is_history_or_arrival(world: tuple[Path, HeldOutShift]) -> None:
    folder, shift = world
    before = {row["crossing_id"] for row in rows(folder / "history" / "crossings.csv")}
    later = [body["crossing"]["crossing_id"] for body in shift.arrivals]
    whole = rows(folder / "all" / "crossings.csv")
    assert later and not before & set(later)
    assert {row["crossing_id"] for row in whole if read_known_at(row) < OPENS} <= before
    assert set(later) <= {row["crossing_id"] for row in whole if read_known_at(row) >= OPENS}
    entries = {
        r["crossing_id"] for r in whole if r["direction"] == "entry" and read_known_at(r) >= OPENS
    }
    assert entries and not before & entries


def test_an_exit_is_history_until_its_vehicle_has_entered(world: tuple[Path, HeldOutShift]) -> None:
    folder, shift = world
    entered: dict[str, int] = {}
    for body in shift.arrivals:
        crossing = body["crossing"]
        at = micros(datetime.fromisoformat(crossing.get("recorded_at") or crossing["arrived_at"]))
        if crossing["direction"] == "entry":
            entered.setdefault(crossing.get("plate", ""), at)
        else:
            assert at >= entered[crossing["plate"]]
    late = [
        row for row in rows(folder / "history" / "crossings.csv") if read_known_at(row) >= OPENS
    ]
    assert late
    for row in late:
        assert row["direction"] == "exit"
        assert read_known_at(row) < entered.get(row["plate"], micros(END))


def test_a_shift_sent_as_it_passes_has_every_crossing_that_came_after(
    world: tuple[Path, HeldOutShift], tmp_path: Path
) -> None:
    folder, _ = world
    closes = OPENS + 12 * HOUR
    shift = cut_shift(folder / "all", tmp_path / "history", opens_at=OPENS, passes_until=closes)
    past = rows(tmp_path / "history" / "crossings.csv")
    assert past and all(read_known_at(row) < OPENS for row in past)
    sent = [body["crossing"] for body in shift.arrivals]
    whole = rows(folder / "all" / "crossings.csv")
    came = [row for row in whole if OPENS <= read_known_at(row) < closes]
    assert {one["crossing_id"] for one in sent} == {row["crossing_id"] for row in came}
    later = {row["declaration_id"] for row in whole if read_known_at(row) >= closes}
    known = {row["declaration_id"] for row in past} | {one.get("declaration_id") for one in sent}
    held = {row["declaration_id"] for row in rows(tmp_path / "history" / "declarations.csv")}
    assert later - known and not held & (later - known), "papers of those still to come"
    assert {one["direction"] for one in sent} == {"entry", "exit"}


def test_no_act_of_the_shift_is_history(world: tuple[Path, HeldOutShift]) -> None:
    folder, _ = world
    for name in ("inspections.csv", "seizures.csv"):
        times = [row["recorded_at"] for row in rows(folder / "history" / name)]
        assert times and max(micros(datetime.fromisoformat(at)) for at in times) < OPENS
