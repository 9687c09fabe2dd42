"""Exercises composed from a synthetic network whose truth is known.

A shift as it comes holds so few finds that it would teach and measure nothing: an exercise is made
denser, by a share of vehicles with a find that falls with its level and that trainees are told of.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import InputError
from experiments.training.exercises import PAPERS_MINUTES, STOP_MINUTES, Answer

LEVELS: Mapping[int, float] = {1: 0.30, 2: 0.20, 3: 0.12}
"""Share of vehicles with something to find, by level."""
LOADS = 0.5
"""Share of these that hide a load, as far as there are enough."""
SLACK = 1.25
"""Minutes given, of those that checking the papers of every vehicle with a find would take."""


@dataclass(frozen=True, slots=True)
class Course:
    """Sizes of the exercises of a training home: the level of each, in their order."""

    vehicles: int
    levels: tuple[int, ...] = (1, 1, 2, 2, 3, 3)

    def __post_init__(self) -> None:
        if self.vehicles < 20:
            raise InputError("vehicles", "an exercise has at least 20")
        if unknown := set(self.levels) - set(LEVELS):
            raise InputError("levels", f"{min(unknown)} is no level: they are 1, 2 and 3")


def read_truth(folder: Path) -> dict[str, Answer]:
    """Return what is true of each entry of a synthetic folder, by crossing."""
    with (folder / "truth.csv").open(newline="") as file:
        return {row["crossing_id"]: _answer(row) for row in csv.DictReader(file)}


def _answer(row: Mapping[str, str]) -> Answer:
    is_loaded = row["carries"] == "1"
    return Answer(
        place=row["place"] if is_loaded else "",
        substance=row["substance"] if is_loaded else "",
        quantity_g=float(row["quantity_g"]) if is_loaded else 0.0,
        wrong=row["wrong"] if row["discrepancy"] == "1" else "",
    )


def budget(vehicles: int, level: int) -> float:
    """Return the minutes of an exercise."""
    return round(SLACK * LEVELS[level] * vehicles * (STOP_MINUTES + PAPERS_MINUTES))


def compose(
    pool: Sequence[str], truth: Mapping[str, Answer], course: Course, *, seed: int
) -> list[list[str]]:
    """Return the vehicles of each exercise, in the pool's order; none is in two of them.

    Raises ``InputError`` where the pool has too few vehicles with a find.
    """
    rng = np.random.default_rng([seed, len(pool)])
    order = [pool[at] for at in rng.permutation(len(pool))]
    loads = [one for one in order if truth[one].place]
    wrongs = [one for one in order if truth[one].wrong and not truth[one].place]
    clean = [one for one in order if not truth[one].has_find]
    at = {one: number for number, one in enumerate(pool)}
    out = []
    for number, level in enumerate(course.levels):
        wanted = round(LEVELS[level] * course.vehicles)
        share = len(loads) // (len(course.levels) - number)
        hidden = [loads.pop() for _ in range(min(share, round(LOADS * wanted)))]
        papers = wrongs[: wanted - len(hidden)]
        others = clean[: course.vehicles - wanted]
        wrongs, clean = wrongs[len(papers) :], clean[len(others) :]
        chosen = [*hidden, *papers, *others]
        if len(chosen) < course.vehicles:
            raise InputError("crossings", "too few for so many exercises: name more")
        out.append(sorted(chosen, key=at.__getitem__))
    return out
