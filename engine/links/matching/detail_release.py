"""Release of details about a common entry: two people ask, two others release.

A hit is a token and nothing else. Details travel when two people of the asking side asked, and two
people of the side that owns them released them; one person suffices to decline or to withdraw. At
any time one side owns the next step, and every release ends: released, declined, withdrawn or, at
its deadline, expired. Nothing here writes or sends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from engine.criteria.dual_control import check_person
from engine.errors import ConflictError, SecondPersonError

MATTER = "match"
ReleaseSide = Literal["asker", "owner"]
ReleaseState = Literal[
    "hit", "asked_once", "asked", "released_once", "released", "declined", "withdrawn", "expired"
]
ReleaseStep = Literal["ask", "release", "decline", "withdraw", "expire"]


@dataclass(frozen=True, slots=True)
class ReleaseTransition:
    """Who takes a step, what follows, and whether it needs another person than the last one."""

    side: ReleaseSide
    target: ReleaseState
    needs_other_person: bool = False


TRANSITIONS: Mapping[tuple[ReleaseState, ReleaseStep], ReleaseTransition] = {
    ("hit", "ask"): ReleaseTransition("asker", "asked_once"),
    ("hit", "withdraw"): ReleaseTransition("asker", "withdrawn"),
    ("asked_once", "ask"): ReleaseTransition("asker", "asked", needs_other_person=True),
    ("asked_once", "withdraw"): ReleaseTransition("asker", "withdrawn"),
    ("asked", "release"): ReleaseTransition("owner", "released_once"),
    ("asked", "decline"): ReleaseTransition("owner", "declined"),
    ("asked", "withdraw"): ReleaseTransition("asker", "withdrawn"),
    ("released_once", "release"): ReleaseTransition("owner", "released", needs_other_person=True),
    ("released_once", "decline"): ReleaseTransition("owner", "declined"),
    ("released_once", "withdraw"): ReleaseTransition("asker", "withdrawn"),
}
"""Every step that counts, besides the deadline, which ends every state that is not an end."""
OWNERS: Mapping[ReleaseState, ReleaseSide] = {
    "hit": "asker",
    "asked_once": "asker",
    "asked": "owner",
    "released_once": "owner",
}
"""The side that owns the next step; an end has none."""


@dataclass(frozen=True, slots=True)
class DetailRelease:
    """The release of the details behind one token."""

    token: str
    deadline: int
    """UTC microseconds, from which on it is expired."""
    state: ReleaseState = "hit"
    person: str = ""
    """Who took the last step."""

    @property
    def owner(self) -> ReleaseSide | None:
        """The side that owns the next step, None at an end."""
        return OWNERS.get(self.state)


def advance_release(
    now: DetailRelease, step: ReleaseStep, *, side: ReleaseSide, by: str, at: int
) -> DetailRelease:
    """Return the release after a person's step at UTC microseconds.

    Raises ``ConflictError`` where the step does not count, and ``SecondPersonError`` where it needs
    another person.
    """
    now = expire_release(now, at=at)
    transition = TRANSITIONS.get((now.state, step))
    if transition is None or transition.side != side:
        why = f"{step} by the {side} does not count while it is {now.state.replace('_', ' ')}"
        raise ConflictError(MATTER, now.token, why)
    if transition.needs_other_person and check_person(by, author=now.person):
        raise SecondPersonError(MATTER, "the person who took the step before cannot take this one")
    return replace(now, state=transition.target, person=by)


def expire_release(now: DetailRelease, *, at: int) -> DetailRelease:
    """Return the release as its deadline leaves it at UTC microseconds."""
    is_over = now.owner is not None and at >= now.deadline
    return replace(now, state="expired", person="") if is_over else now
