"""A trainee next to the engine, chance and the best possible, with intervals.

All four spend the same minutes on the same vehicles. Intervals are at 95 %, by resampling vehicles
with the picks as they are: how far the figures would move with other vehicles of the same kind.
Several exercises of one trainee are judged together by joining their vehicles.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.search_orders.priors import group
from experiments.training.exercises import (
    PAPERS,
    STOP_MINUTES,
    Answer,
    Case,
    Exercise,
    Pick,
    Solution,
    find,
)

DRAWS = 400
"""Random trainees whose average is chance."""
RESAMPLED = 2_000
ENGINE_PLACES = 3
"""Places that the engine searches on a vehicle it sends to physical inspection."""
FIRST_PLACES = 3
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the others find in an exercise, whatever its trainee picks, shape (vehicles,)."""

    engine: Floats
    chance: Floats
    """Share of the random trainees that found something."""
    best: Floats


@dataclass(frozen=True, slots=True)
class Outcome:
    """Vehicles with a find, for each contestant: 1 where it found something, shape (vehicles,)."""

    trainee: Floats
    engine: Floats
    chance: Floats
    best: Floats


def measure_baseline(exercise: Exercise, solution: Solution) -> Baseline:
    """Return what the engine, chance and the best possible find in an exercise."""
    rng = np.random.default_rng([0, exercise.level, len(exercise.cases)])
    drawn = [_mark(exercise, solution, pick_at_random(exercise, rng)) for _ in range(DRAWS)]
    return Baseline(
        engine=_mark(exercise, solution, pick_as_engine(exercise, solution)),
        chance=np.mean(drawn, axis=0),
        best=_mark(exercise, solution, pick_best(exercise, solution)),
    )


def compare(
    exercise: Exercise,
    solution: Solution,
    picks: Sequence[Pick],
    *,
    baseline: Baseline | None = None,
) -> Outcome:
    """Return what each contestant found in one exercise; ``baseline`` where it is known."""
    others = baseline or measure_baseline(exercise, solution)
    trainee = _mark(exercise, solution, picks)
    return Outcome(trainee, others.engine, others.chance, others.best)


def join(outcomes: Sequence[Outcome]) -> Outcome:
    """Return several exercises of one trainee as one."""
    return Outcome(
        *(np.concatenate([getattr(one, name) for one in outcomes]) for name in Outcome.__slots__)
    )


def measure_skill(outcome: Outcome) -> float:
    """Return where the trainee stands between chance, 0, and the best possible, 1."""
    return _skill(*(getattr(outcome, name).sum() for name in ("trainee", "chance", "best")))


def _skill(found: float, chance: float, best: float) -> float:
    return float((found - chance) / (best - chance)) if best > chance else 0.0


def summarize(outcome: Outcome, *, seed: int = 0) -> dict[str, Any]:
    """Return finds, differences and skill, each with its interval, as JSON values."""
    rng = np.random.default_rng(seed)
    size = len(outcome.trainee)
    rows = rng.integers(0, size, (RESAMPLED, size))
    columns = {name: getattr(outcome, name) for name in Outcome.__slots__}
    sums = {name: column[rows].sum(axis=1) for name, column in columns.items()}
    skills = [_skill(*of) for of in zip(sums["trainee"], sums["chance"], sums["best"], strict=True)]
    finds = {name: _estimate(column.sum(), sums[name]) for name, column in columns.items()}
    over = {
        name: _estimate((outcome.trainee - columns[name]).sum(), sums["trainee"] - sums[name])
        for name in ("engine", "chance", "best")
    }
    skill = _estimate(measure_skill(outcome), np.array(skills))
    return {"vehicles": size, "finds": finds, "trainee_less": over, "skill": skill}


def _estimate(value: float, resampled: Floats) -> dict[str, float]:
    low, high = np.quantile(resampled, (0.025, 0.975)).tolist()
    return {"value": round(float(value), 3), "low": round(low, 3), "high": round(high, 3)}


def pick_as_engine(exercise: Exercise, solution: Solution) -> list[Pick]:
    """Return the engine's picks: its highest risk first, papers, and its places where it is red."""
    answers = solution.answers
    order = sorted(exercise.cases, key=lambda case: -answers[case.crossing_id].value)
    return fill_budget(exercise, [_plan_engine(case, answers[case.crossing_id]) for case in order])


def _plan_engine(case: Case, answer: Answer) -> Pick:
    steps = answer.steps[:ENGINE_PLACES] if answer.channel == "red" else ()
    return plan_search(case, (PAPERS, *steps))


def pick_at_random(exercise: Exercise, rng: np.random.Generator) -> list[Pick]:
    """Return picks without any knowledge: any vehicle, its papers and one of its places."""
    order = rng.permutation(len(exercise.cases))
    return fill_budget(exercise, (plan_at_random(exercise.cases[at], rng) for at in order))


def plan_at_random(case: Case, rng: np.random.Generator) -> Pick:
    """Return a search of the papers and of one place at random."""
    places = [place for place in case.places if place != PAPERS]
    return plan_search(case, (PAPERS, places[rng.integers(len(places))]))


def pick_best(exercise: Exercise, solution: Solution) -> list[Pick]:
    """Return the picks that find most: of the vehicles with a find, the quickest first."""
    plans = [
        plan_answer(case, solution.answers[case.crossing_id])
        for case in exercise.cases
        if solution.answers[case.crossing_id].has_find
    ]
    return fill_budget(exercise, sorted(plans, key=lambda plan: plan.minutes))


def plan_answer(case: Case, answer: Answer) -> Pick:
    """Return the quickest search that finds what is there."""
    there = [PAPERS] if answer.wrong else []
    there += [answer.place] if answer.place in case.places else []
    quickest = min(there, key=lambda place: case.places[place], default=PAPERS)
    return plan_search(case, (quickest,))


def plan_search(case: Case, places: Sequence[str]) -> Pick:
    """Return a pick of these places, as far as they can be searched, with the minutes they take."""
    known = [(place, case.places[place]) for place in places if place in case.places]
    return Pick(case.crossing_id, tuple(known))


def fill_budget(exercise: Exercise, plans: Iterable[Pick]) -> list[Pick]:
    """Take searches in their order as long as any fits the minutes that are left."""
    left, taken = exercise.minutes, []
    for plan in plans:
        if plan.minutes <= left:
            taken.append(plan)
            left -= plan.minutes
        if left <= STOP_MINUTES:
            break
    return taken


def _mark(exercise: Exercise, solution: Solution, picks: Sequence[Pick]) -> Floats:
    places = {pick.crossing_id: pick.places for pick in picks}
    return np.array(
        [
            bool(find(case, solution.answers[case.crossing_id], places.get(case.crossing_id, ())))
            for case in exercise.cases
        ],
        np.float64,
    )


def list_misses(
    exercise: Exercise, solution: Solution, picks: Sequence[Pick]
) -> list[dict[str, Any]]:
    """Return what the trainee missed, and why it could have been seen, as JSON values."""
    chosen = {pick.crossing_id: pick.places for pick in picks}
    engine = {pick.crossing_id for pick in pick_as_engine(exercise, solution)}
    missed = []
    for case in exercise.cases:
        answer = solution.answers[case.crossing_id]
        places = chosen.get(case.crossing_id)
        if answer.has_find and not find(case, answer, places or ()):
            missed.append(
                {
                    "crossing_id": case.crossing_id,
                    "why": "not_picked" if places is None else "searched_elsewhere",
                    "place": answer.place,
                    "substance": answer.substance,
                    "quantity_g": answer.quantity_g,
                    "wrong": answer.wrong,
                    "engine_picked": case.crossing_id in engine,
                    "reasons": list(answer.reasons),
                }
            )
    return missed


def count_places(solution: Solution, picks: Sequence[Pick]) -> dict[str, Any]:
    """Return how the trainee searched loaded vehicles: place, or group, among the first three."""
    loaded = [
        (pick, solution.answers[pick.crossing_id].place)
        for pick in picks
        if solution.answers[pick.crossing_id].place
    ]
    firsts = [[place for place, _ in pick.places[:FIRST_PLACES]] for pick, _ in loaded]
    pairs = list(zip(firsts, (place for _, place in loaded), strict=True))
    return {
        "loaded_picked": len(loaded),
        "place_first_three": sum(place in first for first, place in pairs),
        "group_first_three": sum(group(place) in map(group, first) for first, place in pairs),
    }
