"""The area of exercises: shifts with known truth, in the journal of a training home."""

from typing import Any, Final, TypedDict

from engine.journal.areas import Area, RecordRule
from engine.journal.entries import Kind


class TrainingHomeBody(TypedDict):
    """What a training home was made from."""

    seed: int
    crossings: int
    mode: str
    """``model`` or ``rules_only``: what the engine's picks were made with."""


class TrainingShiftBody(TypedDict):
    """An exercise: what the trainee sees, and what is kept from the trainee, by their digests."""

    level: int
    minutes: float
    vehicles: int
    cases: str
    solution: str
    """SHA-256 of a file that holds a random salt, so that no guess of the truth can be checked."""


class TrainingPickBody(TypedDict):
    """One vehicle that a trainee searches."""

    person: str
    crossing_id: str
    places: list[list[Any]]
    """Pairs of a place and its minutes, in the order of the search."""


class TrainingClosedBody(TypedDict):
    """The end of an exercise for one trainee."""

    person: str


TRAINING_HOME: Final = Kind[TrainingHomeBody]("training_home")
"""First record of a training journal, and of no other (:mod:`engine.journal.exercise_guard`)."""
TRAINING_SHIFT: Final = Kind[TrainingShiftBody]("training_shift")
"""An exercise and the digest of its solution; the subject is the exercise, as of the next two."""
TRAINING_PICK: Final = Kind[TrainingPickBody]("training_pick")
"""A trainee picks a vehicle and the places to search, before the truth is shown."""
TRAINING_CLOSED: Final = Kind[TrainingClosedBody]("training_closed")
"""A trainee ends an exercise; from then on the trainee may see its solution."""


_EXERCISE = RecordRule(journals="exercise")
AREA: Final = Area(
    name="exercises",
    records={
        TRAINING_HOME: RecordRule(journals="exercise", begins_exercises=True),
        TRAINING_SHIFT: _EXERCISE,
        TRAINING_PICK: _EXERCISE,
        TRAINING_CLOSED: _EXERCISE,
    },
)
