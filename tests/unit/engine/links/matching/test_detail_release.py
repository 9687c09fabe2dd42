"""Details leave when two people asked and two others released; every release ends."""

from itertools import product
from typing import get_args

import pytest

from engine.errors import ConflictError, SecondPersonError
from engine.links.matching import match_state
from engine.links.matching.match_state import (
    DetailRelease,
    ReleaseSide,
    ReleaseState,
    ReleaseStep,
    advance_release,
    expire_release,
)

DEADLINE = 1_000
Taken = tuple[ReleaseStep, ReleaseSide, str]
WHOLE: tuple[Taken, ...] = (
    ("ask", "asker", "anna"),
    ("ask", "asker", "bek"),
    ("release", "owner", "olim"),
    ("release", "owner", "rano"),
)


def play(steps: tuple[Taken, ...], *, at: int = 1) -> DetailRelease:
    """The release after these steps."""
    now = DetailRelease("t" * 64, DEADLINE)
    for step, side, by in steps:
        now = advance_release(now, step, side=side, by=by, at=at)
    return now


def test_four_people_release_and_fewer_do_not() -> None:
    assert play(WHOLE).state == "released"
    for count in range(4):
        assert play(WHOLE[:count]).state != "released"


@pytest.mark.parametrize("place", [1, 3])
def test_one_person_is_not_two(place: int) -> None:
    again = (*WHOLE[:place], (WHOLE[place][0], WHOLE[place][1], WHOLE[place - 1][2]))
    with pytest.raises(SecondPersonError):
        play(again)


def test_a_table_that_forgets_the_second_person_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seeded bug: the second release does not need another person."""
    bare = match_state.ReleaseTransition("owner", "released")
    table = {**match_state.TRANSITIONS, ("released_once", "release"): bare}
    monkeypatch.setattr(match_state, "TRANSITIONS", table)
    with pytest.raises(pytest.fail.Exception):
        test_one_person_is_not_two(3)


def test_every_state_has_one_owner_or_is_an_end() -> None:
    """From each state that is no end, every step either counts for one side or is refused."""
    for state, step in product(get_args(ReleaseState), get_args(ReleaseStep)):
        now = DetailRelease("t", DEADLINE, state, "anna")
        counted = []
        for side in get_args(ReleaseSide):
            try:
                counted.append(advance_release(now, step, side=side, by="bek", at=1))
            except ConflictError:
                continue
        assert len(counted) <= 1
        assert now.owner is not None or not counted


@pytest.mark.parametrize("count", range(4))
def test_a_deadline_ends_what_is_open(count: int) -> None:
    now = play(WHOLE[:count])
    assert expire_release(now, at=DEADLINE - 1) == now
    assert expire_release(now, at=DEADLINE).state == "expired"
    with pytest.raises(ConflictError, match="expired"):
        advance_release(now, "ask", side="asker", by="dina", at=DEADLINE)


def test_a_deadline_changes_no_end() -> None:
    declined = play((*WHOLE[:2], ("decline", "owner", "olim")))
    assert expire_release(declined, at=DEADLINE).state == "declined"
    assert expire_release(play(WHOLE), at=DEADLINE).state == "released"
