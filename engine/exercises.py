"""The area of exercises: shifts with known truth, which officers work off in a training home.

The journal of a training home is separate from every live one: its first record says so.
"""

from typing import Any, Final

from typing_extensions import TypedDict

from engine.journal.areas import Area, RecordRule
from engine.journal.entries import Kind


class ExerciseHomeBody(TypedDict):
    """What a training home was made from."""

    seed: int
    crossings: int
    mode: str
    """``model`` or ``rules_only``: what the engine's picks were made with."""


class ExerciseShiftBody(TypedDict):
    """An exercise: what the trainee sees, and what is kept from the trainee, by their digests."""

    level: int
    minutes: float
    vehicles: int
    cases: str
    solution: str
    """SHA-256 of a file that holds a random salt, so that no guess of the truth can be checked."""


class ExercisePickBody(TypedDict):
    """One vehicle that a trainee searches."""

    person: str
    crossing_id: str
    places: list[list[Any]]
    """Pairs of a place and its minutes, in the order of the search."""


class ExerciseClosedBody(TypedDict):
    """The end of an exercise for one trainee."""

    person: str


TRAINING_HOME: Final = Kind[ExerciseHomeBody]("training_home")
"""First record of a training journal, and of no other (:mod:`engine.journal.journal`)."""
TRAINING_SHIFT: Final = Kind[ExerciseShiftBody]("training_shift")
"""An exercise and the digest of its solution; the subject is the exercise, as of the next two."""
TRAINING_PICK: Final = Kind[ExercisePickBody]("training_pick")
"""A trainee picks a vehicle and the places to search, before the truth is shown."""
TRAINING_CLOSED: Final = Kind[ExerciseClosedBody]("training_closed")
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
