"""Limits of a comparison of lists: enumeration alarms, and details need two people of each side."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from engine.domain.time_units import DAY, HOUR
from engine.errors import ConflictError, SecondPersonError
from engine.links import match_state
from engine.links.agreement import MatchLimits
from engine.links.match_state import (
    DetailRelease,
    Enquiry,
    MatchState,
    ReleaseSide,
    ReleaseState,
    ReleaseStep,
    advance_release,
    expire_release,
    judge_request,
)
from tests.unit.engine.links.links import LIMITS

AGREED = MatchLimits(**LIMITS)
PLATES = 10_000
START = 1_709_800_000_000_000


def requests(size: int, every: int) -> Iterator[tuple[int, int]]:
    """(time, elements) of requests of a size, one after each span, until all plates were asked."""
    for number in range(-(-PLATES // size)):
        yield START + number * every, min(size, PLATES - number * size)


def ask(state: MatchState, elements: int, at: int, limits: MatchLimits = AGREED) -> MatchState:
    """Return the state after a request of the other side, as the answering side records it."""
    rule, is_alarm = judge_request(state, limits, elements=elements, at=at)
    number = len(state.enquiries) + 1
    asked = Enquiry(number, at, f"exchange-{number}", elements, rule or "", is_alarm)
    return replace(state, enquiries=(*state.enquiries, asked))


def resume(state: MatchState) -> MatchState:
    """Return the state after two people went on."""
    assert state.alarm is not None
    return replace(state, resumed=state.resumed | {state.alarm.sequence})


def answered_before_alarm(size: int, every: int, limits: MatchLimits) -> tuple[int, int | None]:
    """Elements that an enumeration gets answered, and when it alarms, within a period."""
    state = MatchState(link="link")
    for at, elements in requests(size, every):
        if at - START >= limits.period_days * DAY:
            break
        state = ask(state, elements, at, limits)
        if state.alarm is not None:
            break
    answered = sum(one.elements for one in state.enquiries if not one.rule)
    return answered, None if state.alarm is None else state.alarm.asked_at


@pytest.mark.parametrize("every", [0, HOUR, DAY, 3 * DAY])
@pytest.mark.parametrize("size", [1, 7, 49, 50, 51, 1_000, PLATES])
def test_an_enumeration_alarms_before_one_percent_is_answered(size: int, every: int) -> None:
    answered, alarmed_at = answered_before_alarm(size, every, AGREED)
    assert alarmed_at is not None
    assert answered < PLATES // 100


def test_without_the_budget_an_enumeration_is_answered() -> None:
    """Seeded bug: only the size of a request is limited."""
    limits = replace(AGREED, requests_per_day=PLATES, elements_per_period=PLATES)
    assert answered_before_alarm(50, HOUR, limits) == (PLATES, None)


def test_an_honest_list_is_answered_all_year() -> None:
    state = MatchState(link="link")
    for week in range(40):
        state = ask(state, 50 if week == 0 else 1, START + week * 7 * DAY)
    assert {one.rule for one in state.enquiries} == {""}


def test_a_second_request_of_a_day_waits_and_the_third_refusal_stops() -> None:
    state = MatchState(link="link")
    for hour in range(5):
        state = ask(state, 1, START + hour * HOUR)
    rules = [one.rule for one in state.enquiries]
    assert rules == ["", "too_often", "too_often", "too_often", "stopped"]
    resumed = resume(state)
    assert resumed.count_answered(AGREED, at=START + DAY) == 1
    assert ask(resumed, 1, START + 2 * DAY).enquiries[-1].rule == ""


def test_what_was_answered_stays_counted_after_two_people_resumed() -> None:
    state = ask(ask(MatchState(link="link"), 50, START), 50, START + 2 * DAY)
    assert state.enquiries[-1].rule == "budget_spent"
    again = ask(resume(state), 50, START + 4 * DAY)
    assert again.enquiries[-1].rule == "budget_spent"
    assert ask(resume(state), 50, START + 366 * DAY).enquiries[-1].rule == ""


@pytest.mark.parametrize("name", LIMITS)
def test_limits_that_permit_nothing_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        MatchLimits(**LIMITS | {name: 0})


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
