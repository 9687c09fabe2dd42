"""Training homes, opened, and their exercises: blind picks, their end, debriefings.

A live home is refused, as any other opening refuses a training home.

What a trainee picks is a record before anything is known of it, and a pick is final. The truth is
read once the trainee has ended the exercise, and only if its digest is the one recorded when the
exercise was made: neither picks nor truth can be changed after the other is known.
"""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect

from api.migrations.upgrade import upgrade
from api.service.settings import Settings
from api.service.sign_in import SignInService
from engine.domain.network import Network
from engine.domain.time_units import rfc3339
from engine.errors import ConflictError, HomeError, NotAllowedError, NotFoundError
from engine.exercises import (
    TRAINING_CLOSED,
    TRAINING_PICK,
    TRAINING_SHIFT,
    ExercisePickBody,
    ExerciseShiftBody,
)
from engine.journal.batch_worker import Writer
from engine.journal.clock import project_anchors
from engine.journal.entries import Draft
from engine.journal.journal import (
    JOURNAL,
    Journal,
    JournalReader,
    is_exercise_journal,
    require_sort,
)
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.exercises import (
    Baseline,
    Exercise,
    Outcome,
    Pick,
    Solution,
    check_pick,
    compare_trainee,
    count_places,
    decode_exercise,
    decode_solution,
    digest,
    join_outcomes,
    list_misses,
    measure_baseline,
    measure_skill,
    summarize,
)

EXERCISES = "exercises"
"""Folder of the home with what trainees see."""


def default_truth(home: Path) -> Path:
    """Return the folder of a training home's solutions: next to the home, never in it."""
    return home.parent / f"{home.name}.truth"


def require_file_store(home: Home) -> Path:
    """Return the file of a training home's store.

    Raises ``HomeError`` where the environment names a database: that is a live service's.
    """
    if (file := home.store_file) is None:
        why = f"a training home keeps its store in a file: unset {DATABASE_VARIABLE}"
        raise HomeError(str(home.root), why)
    return file


@contextmanager
def open_exercise_home(root: Path) -> Iterator[tuple[Home, Store]]:
    """Open a training home that is there; raises ``HomeError`` or ``NotAllowedError``."""
    home = Home(root.absolute())
    if not require_file_store(home).is_file():
        raise HomeError(str(root), "no such training home")
    with Store(home.database_url) as store:
        _require_exercise_home(home, store)
    with make_exercise_store(home) as opened:
        yield home, opened


def _require_exercise_home(home: Home, store: Store) -> None:
    """Refuse a store that is not a training home's, before anything of it is changed."""
    require_sort(store, training=True)
    with store.read() as connection:
        if not inspect(connection).has_table("journal") or is_exercise_journal(connection) is None:
            raise HomeError(str(home.root), "not a training home")


@contextmanager
def make_exercise_store(home: Home) -> Iterator[Store]:
    """Open a store for training, its tables made where they are missing."""
    with Store(home.prepare().database_url) as store:
        upgrade(store, training=True)
        yield store


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one trainee did in one exercise."""

    person: str
    exercise_id: str
    picks: tuple[Pick, ...]
    is_closed: bool


@dataclass(frozen=True, slots=True)
class ExerciseEnd:
    """The end of an exercise for one trainee, as the journal has it."""

    exercise_id: str
    person: str
    sequence: int
    chain: str
    closed_at: str
    """RFC 3339."""


class ExerciseDesk:
    """Reads the exercises of a training home, and records what trainees do."""

    def __init__(self, home: Home, store: Store, truth: Path) -> None:
        self._home = home
        self._store = store
        self._truth = truth
        self._journal = Journal(store, [project_anchors])
        self._baselines: dict[str, Baseline] = {}

    def list_exercises(self) -> list[tuple[str, ExerciseShiftBody]]:
        """Return the exercises in the order of the course: identifier and record."""
        with self._store.read() as connection:
            records = JournalReader(connection).records(TRAINING_SHIFT)
            return [(record.subject, record.body) for record in records]

    def read_exercise(self, exercise_id: str) -> Exercise:
        """Return what trainees see; raises ``NotFoundError``, or ``HomeError`` where changed."""
        path = self._home.root / EXERCISES / f"{exercise_id}.json"
        return decode_exercise(self._read(path, self._body(exercise_id)["cases"]))

    def read_attempt(self, exercise_id: str, person: str) -> Attempt:
        """Return what a trainee did in an exercise so far."""
        with self._store.read() as connection:
            return _read_attempt(connection, exercise_id, person)

    def record_picks(self, exercise_id: str, person: str, picks: Sequence[Pick]) -> Attempt:
        """Record picks, all or none; raises ``InputError`` or, at the end, ``ConflictError``."""
        exercise = self.read_exercise(exercise_id)

        def draft(connection: Connection, _: int) -> list[Draft]:
            attempt = _require_open(connection, exercise_id, person)
            earlier = list(attempt.picks)
            for pick in picks:
                check_pick(exercise, pick, earlier)
                earlier.append(pick)
            return [_draft_pick(exercise_id, person, pick) for pick in picks]

        self._journal.append_found(draft)
        return self.read_attempt(exercise_id, person)

    def close(self, exercise_id: str, person: str) -> None:
        """End an exercise for a trainee; raises ``ConflictError`` where it is ended already."""
        self._body(exercise_id)

        def draft(connection: Connection, _: int) -> list[Draft]:
            _require_open(connection, exercise_id, person)
            return [TRAINING_CLOSED.draft(exercise_id, {"person": person})]

        self._journal.append_found(draft)

    def debrief(self, exercise_id: str, person: str) -> dict[str, Any]:
        """Return the comparison for one trainee as JSON; refused until the trainee has ended it."""
        attempt = self.read_attempt(exercise_id, person)
        exercise, solution = self.read_exercise(exercise_id), self.read_solution(attempt)
        return {
            "synthetic": True,
            "person": person,
            "exercise": exercise_id,
            "level": exercise.level,
            "minutes": exercise.minutes,
            "minutes_used": sum(pick.minutes for pick in attempt.picks),
            "picked": len(attempt.picks),
            **summarize(self._compare(attempt, exercise, solution)),
            "places": count_places(solution, attempt.picks),
            "missed": list_misses(exercise, solution, attempt.picks),
        }

    def measure(self, person: str) -> dict[str, Any]:
        """Return a trainee's skill over all exercises that the trainee has ended, as JSON."""
        ended = [
            attempt
            for exercise_id, _ in self.list_exercises()
            if (attempt := self.read_attempt(exercise_id, person)).is_closed
        ]
        if not ended:
            raise NotFoundError("ended exercise", person)
        outcomes = [self._outcome(attempt) for attempt in ended]
        return {
            "synthetic": True,
            "person": person,
            "exercises": [
                {"exercise": attempt.exercise_id, "skill": round(measure_skill(outcome), 3)}
                for attempt, outcome in zip(ended, outcomes, strict=True)
            ],
            **summarize(join_outcomes(outcomes)),
        }

    def list_closings(self, person: str | None = None) -> list[ExerciseEnd]:
        """Return the ends of exercises, of one trainee or of all, in the journal's order."""
        with self._store.read() as connection:
            return [
                ExerciseEnd(
                    record.subject,
                    record.body["person"],
                    record.seq,
                    self._journal.entry(connection, record.seq).chain.hex(),
                    rfc3339(record.known_at),
                )
                for record in JournalReader(connection).records(TRAINING_CLOSED)
                if person in (None, record.body["person"])
            ]

    def list_people(self) -> list[str]:
        """Return the accounts that have ended an exercise, by name."""
        return sorted({one.person for one in self.list_closings()})

    def journal_id(self) -> str:
        """Return the identifier of the training journal."""
        with self._store.read() as connection:
            return self._journal.head(connection).journal_id

    def list_figures(self) -> list[dict[str, Any]]:
        """Return one row for each trainee and exercise ended, for those who run the programme."""
        return [
            self._figures(self.read_attempt(one.exercise_id, one.person))
            for one in self.list_closings()
        ]

    def _figures(self, attempt: Attempt) -> dict[str, Any]:
        outcome = self._outcome(attempt)
        sums = {name: float(getattr(outcome, name).sum()) for name in Outcome.__slots__}
        minutes = [pick.minutes for pick in attempt.picks]
        return {
            "person": attempt.person,
            "exercise": attempt.exercise_id,
            "level": self._body(attempt.exercise_id)["level"],
            "picked": len(attempt.picks),
            "minutes_used": sum(minutes),
            "minutes_a_vehicle": round(statistics.fmean(minutes), 1) if minutes else 0.0,
            **{f"found_{name}": round(value, 2) for name, value in sums.items()},
            "skill": round(measure_skill(outcome), 3),
        }

    def _outcome(self, attempt: Attempt) -> Outcome:
        exercise = self.read_exercise(attempt.exercise_id)
        return self._compare(attempt, exercise, self.read_solution(attempt))

    def _compare(self, attempt: Attempt, exercise: Exercise, solution: Solution) -> Outcome:
        if attempt.exercise_id not in self._baselines:
            self._baselines[attempt.exercise_id] = measure_baseline(exercise, solution)
        baseline = self._baselines[attempt.exercise_id]
        return compare_trainee(exercise, solution, attempt.picks, baseline=baseline)

    def read_solution(self, attempt: Attempt) -> Solution:
        """Return the truth of an exercise; refused until its trainee has ended it."""
        if not attempt.is_closed:
            raise NotAllowedError("the truth is shown once the exercise is closed")
        path = self._truth / f"{attempt.exercise_id}.json"
        return decode_solution(self._read(path, self._body(attempt.exercise_id)["solution"]))

    def _body(self, exercise_id: str) -> ExerciseShiftBody:
        found = dict(self.list_exercises()).get(exercise_id)
        if found is None:
            raise NotFoundError("exercise", exercise_id)
        return found

    @staticmethod
    def _read(path: Path, recorded: str) -> bytes:
        if not path.is_file():
            raise HomeError(path.name, "this file of the exercise is missing")
        raw = path.read_bytes()
        if digest(raw) != recorded:
            raise HomeError(path.name, "was changed since the exercise was recorded")
        return raw


def _read_attempt(connection: Connection, exercise_id: str, person: str) -> Attempt:
    reader, subject = JournalReader(connection), JOURNAL.c.subject == exercise_id
    picks = tuple(
        Pick(body["crossing_id"], tuple((place, minutes) for place, minutes in body["places"]))
        for record in reader.records(TRAINING_PICK, where=[subject])
        if (body := record.body)["person"] == person
    )
    ends = reader.records(TRAINING_CLOSED, where=[subject])
    return Attempt(person, exercise_id, picks, any(end.body["person"] == person for end in ends))


def _require_open(connection: Connection, exercise_id: str, person: str) -> Attempt:
    attempt = _read_attempt(connection, exercise_id, person)
    if attempt.is_closed:
        raise ConflictError("exercise", exercise_id, "you have closed it already")
    return attempt


def _draft_pick(exercise_id: str, person: str, pick: Pick) -> Draft:
    places = [[place, minutes] for place, minutes in pick.places]
    body: ExercisePickBody = {"person": person, "crossing_id": pick.crossing_id, "places": places}
    return TRAINING_PICK.draft(exercise_id, body)


@dataclass(slots=True, kw_only=True)
class ExerciseRuntime(SignInService):
    """Every part of a running training service."""

    home: Home
    settings: Settings
    network: Network
    store: Store
    writer: Writer
    desk: ExerciseDesk
    opened: ExitStack

    def close(self) -> None:
        """Finish what runs, then let go of the store."""
        self.executors.close()
        self.writer.close()
        self.opened.close()
