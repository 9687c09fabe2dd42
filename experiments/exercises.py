"""Exercises of officers on shifts whose truth is known: composition, picks, comparison.

An exercise is what a trainee sees of a shift; its solution is kept apart and holds what is hidden
in which vehicle and what the engine thought. A search here has no luck: it finds what lies in a
place if that place gets its minutes, and a wrong declaration if the papers get theirs.

Exercises are composed from a synthetic network. A shift as it comes holds so few finds that it
would teach and measure nothing: an exercise is made denser, by a share of vehicles with a find that
falls with its level and that trainees are told of.

A trainee stands next to the engine, chance and the best possible. All four spend the same minutes
on the same vehicles. Intervals are at 95 %, by resampling vehicles with the picks as they are: how
far the figures would move with other vehicles of the same kind. Several exercises of one trainee
are judged together by joining their vehicles.
"""

import csv
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.records import Arrival
from engine.errors import InputError
from engine.search_orders.order import choose_method
from engine.search_orders.rates import PRIOR, group

PAPERS = "papers"
"""The check of papers against goods and mass: finds a wrong declaration, and no load."""
STOP_MINUTES = 6.0
"""Minutes that a stopped vehicle costs before anything is searched, by judgement."""
PAPERS_MINUTES = 10.0


Sentence = Mapping[str, Any]
"""A message with its English text: ``text``, ``message``, ``parameters``."""


@dataclass(frozen=True, slots=True)
class Case:
    """A vehicle as the trainee sees it: no score, no channel, no reason."""

    crossing_id: str
    arrival: Mapping[str, Any]
    facts: tuple[Sentence, ...]
    gaps: tuple[str, ...]
    history: Mapping[str, Any]
    places: Mapping[str, float]
    """Minutes that searching each place takes here."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A shift of vehicles to choose from within a budget of minutes."""

    exercise_id: str
    level: int
    minutes: float
    cases: tuple[Case, ...]

    def case(self, crossing_id: str) -> Case:
        """Return a vehicle; raises ``InputError`` where it is not in this exercise."""
        for one in self.cases:
            if one.crossing_id == crossing_id:
                return one
        raise InputError("crossing_id", "no vehicle of this exercise has this identifier")


@dataclass(frozen=True, slots=True)
class Pick:
    """A vehicle to search: its places in order, each with its minutes."""

    crossing_id: str
    places: tuple[tuple[str, float], ...]

    @property
    def minutes(self) -> float:
        """What it costs of the budget."""
        return STOP_MINUTES + sum(minutes for _, minutes in self.places)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is true of one vehicle, and what the engine thought of it."""

    place: str = ""
    """Where a load is hidden; empty where there is none."""
    substance: str = ""
    quantity_g: float = 0.0
    wrong: str = ""
    """How the declaration is wrong; empty where it is right."""
    value: float = 0.0
    """The engine picks the highest first."""
    channel: str = ""
    reasons: tuple[Sentence, ...] = ()
    steps: tuple[str, ...] = ()
    """Places that the engine names to search first."""

    @property
    def has_find(self) -> bool:
        """Anything is there to be found."""
        return bool(self.place or self.wrong)


@dataclass(frozen=True, slots=True)
class Solution:
    """The answers of an exercise; the salt keeps its digest from being guessed."""

    answers: Mapping[str, Answer]
    salt: str = field(default_factory=lambda: secrets.token_hex(16))


def list_places(arrival: Arrival, equipment: Mapping[str, int]) -> dict[str, float]:
    """Return the minutes of each place of a vehicle that what works at its post reaches."""
    found = {PAPERS: PAPERS_MINUTES}
    for place in PRIOR[arrival.crossing.vehicle_class]:
        if (by := choose_method(place, equipment)) is not None:
            found[place] = by[1]
    return found


def check_pick(exercise: Exercise, pick: Pick, earlier: Sequence[Pick]) -> None:
    """Refuse a pick that the exercise does not allow; raises ``InputError``."""
    case = exercise.case(pick.crossing_id)
    if any(one.crossing_id == pick.crossing_id for one in earlier):
        raise InputError("crossing_id", "this vehicle was picked already, and a pick is final")
    names = [place for place, _ in pick.places]
    if not names:
        raise InputError("places", "a pick names at least one place")
    if len(set(names)) < len(names):
        raise InputError("places", "a place is named twice")
    if unknown := set(names) - set(case.places):
        raise InputError("places", f"{min(unknown)} cannot be searched on this vehicle here")
    if not all(0 < minutes <= exercise.minutes for _, minutes in pick.places):
        raise InputError("places", "minutes are above 0 and within the budget")
    left = exercise.minutes - sum(one.minutes for one in earlier)
    if pick.minutes > left:
        raise InputError("places", f"it takes {pick.minutes:g} minutes and {left:g} are left")


def find(case: Case, answer: Answer, places: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    """Return what a search finds: ``papers``, the place of a load, both, or nothing."""
    reached = {place for place, minutes in places if minutes >= case.places[place]}
    there = [PAPERS] if answer.wrong else []
    return tuple(place for place in (*there, answer.place) if place in reached)


def encode_exercise(exercise: Exercise) -> bytes:
    """Return an exercise as JSON."""
    return _encode(
        {
            "synthetic": True,
            "exercise": exercise.exercise_id,
            "level": exercise.level,
            "minutes": exercise.minutes,
            "stop_minutes": STOP_MINUTES,
            "cases": [
                {name: getattr(case, name) for name in Case.__slots__} for case in exercise.cases
            ],
        }
    )


def decode_exercise(raw: bytes) -> Exercise:
    """Read what :func:`encode_exercise` wrote."""
    body = json.loads(raw)
    cases = tuple(
        Case(**case | {"facts": tuple(case["facts"]), "gaps": tuple(case["gaps"])})
        for case in body["cases"]
    )
    return Exercise(body["exercise"], body["level"], body["minutes"], cases)


def encode_solution(solution: Solution) -> bytes:
    """Return a solution as JSON."""
    answers = {
        crossing_id: {name: getattr(answer, name) for name in Answer.__slots__}
        for crossing_id, answer in solution.answers.items()
    }
    return _encode({"synthetic": True, "salt": solution.salt, "answers": answers})


def decode_solution(raw: bytes) -> Solution:
    """Read what :func:`encode_solution` wrote."""
    body = json.loads(raw)
    answers = {
        crossing_id: Answer(
            **answer | {"reasons": tuple(answer["reasons"]), "steps": tuple(answer["steps"])}
        )
        for crossing_id, answer in body["answers"].items()
    }
    return Solution(answers, body["salt"])


def digest(raw: bytes) -> str:
    """Return the SHA-256 of a file, by which the journal knows it."""
    return hashlib.sha256(raw).hexdigest()


def _encode(body: Mapping[str, Any]) -> bytes:
    return (json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


LEVELS: Mapping[int, float] = {1: 0.30, 2: 0.20, 3: 0.12}
"""Share of vehicles with something to find, by level."""
LOAD_SHARE = 0.5
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
        return {row["crossing_id"]: _read_answer(row) for row in csv.DictReader(file)}


def _read_answer(row: Mapping[str, str]) -> Answer:
    is_loaded = row["carries"] == "1"
    return Answer(
        place=row["place"] if is_loaded else "",
        substance=row["substance"] if is_loaded else "",
        quantity_g=float(row["quantity_g"]) if is_loaded else 0.0,
        wrong=row["wrong"] if row["discrepancy"] == "1" else "",
    )


def compute_budget(vehicles: int, level: int) -> float:
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
        hidden = [loads.pop() for _ in range(min(share, round(LOAD_SHARE * wanted)))]
        papers = wrongs[: wanted - len(hidden)]
        others = clean[: course.vehicles - wanted]
        wrongs, clean = wrongs[len(papers) :], clean[len(others) :]
        chosen = [*hidden, *papers, *others]
        if len(chosen) < course.vehicles:
            raise InputError("crossings", "too few for so many exercises: name more")
        out.append(sorted(chosen, key=at.__getitem__))
    return out


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
    drawn = [_mark_finds(exercise, solution, pick_at_random(exercise, rng)) for _ in range(DRAWS)]
    return Baseline(
        engine=_mark_finds(exercise, solution, pick_as_engine(exercise, solution)),
        chance=np.mean(drawn, axis=0),
        best=_mark_finds(exercise, solution, pick_best(exercise, solution)),
    )


def compare_trainee(
    exercise: Exercise,
    solution: Solution,
    picks: Sequence[Pick],
    *,
    baseline: Baseline | None = None,
) -> Outcome:
    """Return what each contestant found in one exercise; ``baseline`` where it is known."""
    others = baseline or measure_baseline(exercise, solution)
    trainee = _mark_finds(exercise, solution, picks)
    return Outcome(trainee, others.engine, others.chance, others.best)


def join_outcomes(outcomes: Sequence[Outcome]) -> Outcome:
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


def _mark_finds(exercise: Exercise, solution: Solution, picks: Sequence[Pick]) -> Floats:
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
