"""Exercises, picks and solutions, as JSON.

An exercise is what a trainee sees of a shift; its solution is kept apart and holds what is hidden
in which vehicle and what the engine thought. A search here has no luck: it finds what lies in a
place where that place gets its minutes, and a wrong declaration where the papers get theirs.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.domain.records import Arrival
from engine.errors import InputError
from engine.search_orders.equipment import choose_method
from engine.search_orders.priors import PRIOR

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
        if (method := choose_method(place, equipment)) is not None:
            found[place] = method.minutes
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
