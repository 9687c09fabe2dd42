"""Certificates of a course: what a trainee did, and a digest to check the paper by.

A course is the exercises of one training home, and a certificate is of all of them. It is worked
out from the journal and the solutions each time, so the same records give the same digest, and a
changed figure another one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.training.desk import TrainingDesk
from engine.errors import ConflictError, NotFoundError

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate states, as JSON values, and their digest."""

    content: Json

    @property
    def digest(self) -> str:
        """The SHA-256 of the content, as compact JSON with sorted keys."""
        made = json.dumps(self.content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(made.encode()).hexdigest()

    @property
    def person(self) -> str:
        """The name of the account."""
        return str(self.content["person"])

    @property
    def made_of(self) -> datetime:
        """When the last exercise was closed."""
        return datetime.fromisoformat(self.content["closed_at"])

    @property
    def exercises(self) -> Sequence[Json]:
        """The exercises, in the order of the course."""
        found: Sequence[Json] = self.content["exercises"]
        return found


def make_certificate(desk: TrainingDesk, person: str) -> Certificate:
    """Return a trainee's certificate; raises ``ConflictError`` until the course is finished."""
    closings = {one.exercise_id: one for one in desk.list_closings(person)}
    course = desk.list_exercises()
    if not closings:
        raise NotFoundError("ended exercise", person)
    if open_ones := [name for name, _ in course if name not in closings]:
        why = f"exercises of the course are not closed yet: {', '.join(open_ones)}"
        raise ConflictError("course", person, why)
    measured = desk.measure(person)
    skills = {one["exercise"]: one["skill"] for one in measured["exercises"]}
    attempts = {name: desk.read_attempt(name, person) for name, _ in course}
    exercises = [
        {
            "exercise": name,
            "level": body["level"],
            "vehicles": body["vehicles"],
            "minutes": body["minutes"],
            "picked": len(attempts[name].picks),
            "skill": skills[name],
            "record": closings[name].sequence,
            "chain": closings[name].chain,
        }
        for name, body in course
    ]
    content = {
        "training": True,
        "synthetic": True,
        "journal": desk.journal_id(),
        "person": person,
        "exercises": exercises,
        "finds": measured["finds"],
        "skill": measured["skill"],
        "closed_at": max(one.closed_at for one in closings.values()),
    }
    return Certificate(content)


def list_certificates(desk: TrainingDesk) -> list[Certificate]:
    """Return the certificates of all who finished the course, by name of account."""
    found = []
    for person in desk.list_people():
        try:
            found.append(make_certificate(desk, person))
        except ConflictError:  # the course goes on
            continue
    return found


def find_certificate(desk: TrainingDesk, digest: str) -> Certificate:
    """Return the certificate that a digest belongs to; raises ``NotFoundError``."""
    wanted = "".join(digest.split()).lower()
    for one in list_certificates(desk):
        if one.digest == wanted:
            return one
    raise NotFoundError("certificate", wanted)
